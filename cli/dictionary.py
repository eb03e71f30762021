"""semtta dictionary."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import MOST, MOST_SEED, Set, console, layers, made_table, say

app = typer.Typer(
    help="The motion dictionary: labels, their text features, and an exemplar motion of each.", no_args_is_help=True
)


@app.command()
def build(
    out: Annotated[Path, typer.Argument(help="Folder to write dictionary.safetensors to (and the motions of AMASS).")],
    mocap: Annotated[Path | None, typer.Option(help="Folder of packed motions; with --babel, of AMASS.")] = None,
    babel: Annotated[Path | None, typer.Option(help="Folder of BABEL's train.json and val.json.")] = None,
    kind: Annotated[str, typer.Option("--for", help="open: for priors trained here; motionclip: for MotionCLIP's published weights (CLIP's text features).")] = "open",
    seed: Annotated[int, typer.Option(help="Seed of the windows drawn from AMASS; the labels depend on it.", min=0, max=MOST_SEED)] = 0,
    draws: Annotated[int, typer.Option(help="Windows drawn from every 100 frames of AMASS.", min=1, max=MOST)] = 1,
    weights: Annotated[Path | None, typer.Option(help="MotionCLIP's weights to attach it to: writes motionclip.safetensors too.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only read the dictionary in OUT and print its content.")] = False,
) -> None:  # fmt: skip
    """Build the dictionary from labelled motions. A window's label names everything done in it: "turn and walk".

    Example: semtta dictionary build motions --mocap ~/AMASS --babel ~/babel_v1.0_release; then: semtta train prior motions PRIOR
    """
    from semtta.errors import SemttaError
    from semtta.priors import MotionDictionary
    from semtta.training.dictionary import FILE, attach_dictionary, make_dictionary

    if check:
        dictionary = MotionDictionary.load(out / FILE)
    elif mocap is None:
        raise SemttaError("There are no motions: give --mocap FOLDER (AMASS with --babel FOLDER, or packed motions).")
    else:
        dictionary = make_dictionary(mocap, out, babel, seed, kind, draws)
    if weights is not None:
        say(f"Wrote {attach_dictionary(weights, dictionary, out)}; use it with --prior motionclip --set prior.weights=FILE")
    length = 0 if dictionary.exemplars is None else dictionary.exemplars.shape[1]
    size = dictionary.text_features.shape[1]
    say(f"{out / FILE}: {len(dictionary.labels)} labels, text features of {size} numbers, exemplars of {length} frames.")
    say(", ".join(dictionary.labels[:20]) + (" ..." if len(dictionary.labels) > 20 else ""))


@app.command("list")
def list_labels(
    words: Annotated[list[str] | None, typer.Argument(help="Words, to show only the labels nearest to them.", show_default=False)] = None,
    prior: Annotated[str | None, typer.Option(help="Motion prior whose labels are shown. Default: the preset's, infill.", show_default=False)] = None,
    count: Annotated[int, typer.Option(help="How many of the nearest are shown.", min=1, max=MOST)] = 10,
    set_: Set = None,
) -> None:  # fmt: skip
    """Show the labels that a prior knows, how many motions each was learnt from, and which are nearest to some words.

    Example: semtta dictionary list stepping sideways
    """
    from semtta.build import build_prior, resolve
    from semtta.priors.near import nearest

    chosen = build_prior(resolve(None, layers(None, {"prior": prior}, set_)).config)
    labels, known, text = chosen.labels, chosen.dictionary, " ".join(words or ()).strip()
    if not labels:
        say(
            f"Prior '{chosen.name}' has no dictionary: {'it takes no labels' if chosen.name == 'none' else 'it takes any words'}."
        )
        return
    columns: dict[str, dict[str, object]] = {}
    if text:
        found = nearest(text, labels, known.text_features if known else None)[:count]
        labels = tuple(name for name, _ in found)
        columns["similarity"] = {name: "-" if score is None else f"{score:.2f}" for name, score in found}
    if known is not None and known.motions is not None:
        columns["motions"] = dict(zip(known.labels, known.motions, strict=True))
    rows = [(label, *(column[label] for column in columns.values())) for label in labels]
    console().print(made_table(("label", *columns), rows, numbers=True))
    if text:
        resolved = chosen.resolve(text)
        say(resolved.reason or f"'{text}' is the label '{resolved.label}'.")
    else:
        say(f"{len(labels)} labels of prior '{chosen.name}'.")
    if "motions" not in columns:
        say("How many motions each label was learnt from is not in this prior's file.")
