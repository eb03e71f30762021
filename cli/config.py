"""semtta config."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .common import ConfigFile, Preset, Set, console, layers, made_table


def config(
    preset: Preset = None,
    estimator: Annotated[str | None, typer.Option(help="Pose estimator.")] = None,
    body: Annotated[str | None, typer.Option(help="Body model, or its file.")] = None,
    prior: Annotated[str | None, typer.Option(help="Motion prior.")] = None,
    labeler: Annotated[str | None, typer.Option(help="Source of labels for what the person does.")] = None,
    updater: Annotated[list[str] | None, typer.Option(help="Update of the 2D evidence; repeat for several.")] = None,
    denoiser: Annotated[str | None, typer.Option(help="Motion denoiser.")] = None,
    detector: Annotated[str | None, typer.Option(help="2D detector.")] = None,
    method: Annotated[str | None, typer.Option(help="Adaptation method.")] = None,
    set_: Set = None,
    file: ConfigFile = None,
    yaml_: Annotated[bool, typer.Option("--yaml", help="Print YAML for --config.")] = False,
) -> None:  # fmt: skip
    """Print every setting of a run and where it comes from.

    Precedence, highest first: your settings, the preset, what suits the parts, the defaults.
    Example: semtta config --preset paper --prior infill
    """
    from semtta.build import resolve
    from semtta.settings import flatten

    chosen: dict[str, Any] = {
        "estimator": estimator, "body": body, "prior": prior, "labeler": labeler, "denoiser": denoiser, "detector": detector,
        "method": method, "updaters": updater or None,
    }  # fmt: skip
    resolved = resolve(preset, layers(file, chosen, set_))
    if yaml_:
        from semtta.io.yaml_files import to_yaml

        typer.echo(to_yaml(resolved.dump()), nl=False)
        return
    values = flatten(resolved.config.dump())
    shown = {k: ", ".join(map(str, v)) if isinstance(v, (list, tuple)) else v for k, v in values.items()}
    rows = [(key, value, resolved.origins[key]) for key, value in shown.items()]
    console().print(made_table(("setting", "value", "from"), rows, f"preset {resolved.preset}"))
