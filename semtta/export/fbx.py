"""FBX, by Blender: what Unreal, Unity and Maya read."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..errors import SemttaError, first_line
from ..geometry.world import Origin, Up
from ..types import Result
from . import blender
from .base import register
from .blender import whole_rate
from .glb import write_scene
from .scene import from_zero, people_in


@register("fbx")
def write_fbx(
    result: Result,
    path: Path,
    people: Sequence[Result] = (),
    body: Any = None,
    up: Up = "y",
    origin: Origin = "person",
    in_place: bool = False,
    fps: float | None = None,
) -> None:
    """The scene that ``glb`` has, as FBX at one frame rate: ``fps``, or the clip's average.

    Blender writes it, from its Python package ``bpy`` (the extra ``fbx``) in a process of its own, which takes some seconds.
    """
    if importlib.util.find_spec("bpy") is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise SemttaError(
            f"The format 'fbx' needs the package 'bpy': pip install 'semtta[fbx]' (for one Python each; this is {version}), "
            "or export glb and convert it in Blender."
        )
    rate = result.fps if fps is None else fps
    placed = from_zero(people_in(people or [result], "camera" if up == "camera" else "y", origin, in_place, rate))
    # Blender reads seconds by a rate that is a whole number: frame n gets the time that it takes for frame n
    on_frames = [replace(person, times=(person.times * rate).round() / whole_rate(rate)) for person in placed]
    with TemporaryDirectory() as folder:
        scene = Path(folder) / "scene.glb"
        write_scene(on_frames, scene, body, camera=not in_place)
        program = [sys.executable, "-P", blender.__file__]  # -P: the modules beside the program are not on its path
        arguments = [*program, str(scene), str(path), repr(float(rate)), "z" if up == "z" else "y"]
        done = subprocess.run(arguments, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
    if done.returncode or not (path.is_file() and path.stat().st_size):
        said = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), f"it ended with {done.returncode}")
        raise SemttaError(
            f"Blender could not write the .fbx ({first_line(RuntimeError(said))}): export glb and convert it by hand."
        )
