"""semtta dictionary."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import say

app = typer.Typer(help="The motion dictionary: labels, their text features, an exemplar motion of each.", no_args_is_help=True)


@app.command()
def build(
    out: Annotated[Path, typer.Argument(help="Folder to write dictionary.safetensors to (and the motions of AMASS).")],
    mocap: Annotated[Path | None, typer.Option(help="Folder of packed motions; or with --babel, of AMASS.")] = None,
    babel: Annotated[Path | None, typer.Option(help="Folder of BABEL's train.json and val.json.")] = None,
    kind: Annotated[str, typer.Option("--for", help="open: for priors trained here; motionclip: for MotionCLIP's published weights (CLIP's text features).")] = "open",
    seed: Annotated[int, typer.Option(help="Of the windows that are drawn from AMASS: the labels depend on it.")] = 0,
    draws: Annotated[int, typer.Option(help="Windows that are drawn from every 100 frames of AMASS.")] = 1,
    weights: Annotated[Path | None, typer.Option(help="MotionCLIP's weights to put it into: writes motionclip.safetensors too.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only read the dictionary in OUT back and say what is in it.")] = False,
) -> None:  # fmt: skip
    """Build the dictionary from labelled motions. A window's label names all that is done in it: "turn and walk".

    Example: semtta dictionary build motions --mocap ~/AMASS --babel ~/babel_v1.0_release; then: semtta train prior motions PRIOR
    """
    from semtta.errors import SemttaError
    from semtta.priors import MotionDictionary
    from semtta.training.dictionary import FILE, attach_dictionary, make_dictionary

    if check:
        found = MotionDictionary.load(out / FILE)
    elif mocap is None:
        raise SemttaError("Give the motions: --mocap FOLDER (AMASS with --babel FOLDER, or packed motions).")
    else:
        found = make_dictionary(mocap, out, babel, seed, kind, draws)
    if weights is not None:
        say(f"Wrote {attach_dictionary(weights, found, out)}; use it with --prior motionclip --set prior.weights=FILE")
    length = 0 if found.exemplars is None else found.exemplars.shape[1]
    size = found.text_features.shape[1]
    say(f"{out / FILE}: {len(found.labels)} labels, text features of {size} numbers, exemplars of {length} frames.")
    say(", ".join(found.labels[:20]) + (" ..." if len(found.labels) > 20 else ""))
