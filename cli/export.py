"""semtta export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import finite, say

MOST_PEOPLE = 1_000_000


def export(
    out: Annotated[Path, typer.Argument(help="Folder of results that 'semtta adapt' wrote: OUT/<clip> for all its people, or one person's in it.")],
    to: Annotated[str, typer.Option(help="bvh (any animation program), glb (Blender, browsers, game engines: all people and the camera), fbx (Unreal, Unity, Maya; needs the extra fbx), usd (Omniverse; needs the extra usd), npz (AMASS's: GMR, smplx) or csv (spreadsheets).")],
    path: Annotated[Path | None, typer.Option("--file", help="File to write, or a folder that exists; default: <clip>.<format>, or <clip>-person-N.<format> of each, in the clip's folder.")] = None,
    person: Annotated[int | None, typer.Option(help="Only this one of the clip's people. Default: all; glb, fbx and usd hold them in one scene, the others get a file each.", min=0, max=MOST_PEOPLE, show_default=False)] = None,
    up: Annotated[str | None, typer.Option(help="camera (the camera's own frame, y down), y or z. Default: y for bvh, glb, fbx and usd, z for npz, camera for csv.")] = None,
    origin: Annotated[str | None, typer.Option(help="person: the floor at height 0, the first person's first pelvis above 0; camera: the first frame's camera at 0. Default: person, for csv camera.")] = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Everybody stays over one spot; up and down is kept, and there is no camera. For a walk cycle.")] = False,
    unit: Annotated[str | None, typer.Option(help="m or cm, of bvh (default cm) and csv (default m); the other formats are in metres by definition. Blender takes 1 unit for 1 m.")] = None,
    fps: Annotated[float | None, typer.Option(help="Resample to this rate. Default: the video's times; its average rate for npz, bvh and fbx, which have one rate.", min=0, max=1000, callback=finite)] = None,
) -> None:  # fmt: skip
    """Export the motion to another program's format.

    Blender: --to glb (with the mesh; set the scene's frame rate to the video's before the import), or --to bvh --unit m.
    Unreal, Unity: --to fbx. Robots: --to npz, which GMR reads as an SMPL-X motion.
    """
    from semtta.export import export_all

    chosen = {"up": up, "origin": origin, "in_place": in_place or None, "unit": unit, "fps": fps}
    options = {name: value for name, value in chosen.items() if value is not None}
    for written in export_all(out, to, path, person, **options):
        say(f"Wrote {written}")
