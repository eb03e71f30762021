"""A self-contained page that plays the people of a clip in 3D with WebGL."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..body import body_of
from ..constants import SMPL24, SMPL_PARENTS
from ..geometry import matrix_to_axis_angle
from ..io.files import write_text
from ..metrics.confidence import GUESS
from ..rendering.drawing import BEFORE
from ..types import FOOT_POINTS, Result, Video
from .clip import clip_of
from .page import jpeg, page
from .stage import Actor, Moves, Stage, stage_of, stage_pictures

#: Colours of confidence, from a guess to what is well seen, and where they lie.
CONFIDENCE_COLORS = ((0.0, (214, 84, 20)), (GUESS, (250, 196, 120)), (0.6, (28, 148, 140)))


def write_viewer(
    results: Result | Sequence[Result], path: str | PathLike[str], body: Any = None, video: Video | None = None
) -> Path:
    """Write a self-contained interactive page of the people of one clip, before and after adaptation; returns its path.

    The world has z up and its floor at z = 0; each person has the clip's mean shape. The page takes about 600 kB, plus 100 kB a
    person, half a kB a pose (at most 40,000; longer clips are subsampled) and 3 MB of pictures: 25 MB for ten people of five
    minutes.

    Args:
        results: of one person, or of several people of one video.
        body: the loaded body model, by default the run's.
        video: for the pictures of the camera; by default the file that the results name, if it is still there.
    """
    clip = clip_of(results)
    stage = stage_of(clip, body_of(clip.first, body))
    skin = stage.actors[0].skin
    data = {
        "times": [round(t, 4) for t in stage.times.tolist()],
        "numbers": _encoded(stage.numbers.clip(max=2**31 - 1).astype(np.int32)),
        "fps": stage.fps,
        "parents": SMPL_PARENTS,
        "feet": [SMPL24.index(name) for name in FOOT_POINTS],
        "influences": _encoded(skin.influences),
        "weights": _encoded((skin.weights * 255).round().astype(np.uint8)),
        "faces": _encoded(skin.faces.astype(np.uint16 if skin.faces.max() < 2**16 else np.uint32)),
        "wide": int(skin.faces.max()) >= 2**16,
        "people": [_person(actor) for actor in stage.actors],
        "beforeColor": _unit(BEFORE),
        "scale": [[at, *_unit(color)] for at, color in CONFIDENCE_COLORS],
        "camera": _camera(stage),
        "extent": stage.extent,
        "pictures": [[t, jpeg(image, 60)] for t, image in stage_pictures(stage, video)],
    }
    write_text(path, page("viewer.html", "viewer.js", title=clip.name, data=data, people=stage.actors, guess=GUESS))
    return Path(path)


def _person(actor: Actor) -> dict[str, Any]:
    return {
        "name": actor.name,
        "color": _unit(actor.color),
        "rest": actor.skin.joints.tolist(),
        "vertices": _encoded(actor.skin.vertices),
        "at": _encoded(actor.at),
        "motions": {name: _moves(moves) for name, moves in actor.motions.items()},
        "confidence": None if actor.confidence is None else _encoded((actor.confidence * 255).round().astype(np.uint8)),
        "contacts": None if actor.contacts is None else _encoded((actor.contacts.clip(0, 1) * 255).round().astype(np.uint8)),
        "labels": actor.labels,
    }


def _moves(moves: Moves) -> dict[str, str]:
    """Axis-angle in units of pi / 32767, and places in metres."""
    angles = matrix_to_axis_angle(moves.rotations).nan_to_num(0).numpy() / math.pi * 32767
    return {
        "rotations": _encoded(angles.round().clip(-32767, 32767).astype(np.int16)),
        "pelvis": _encoded(moves.pelvis.nan_to_num(0).numpy().astype(np.float32)),
    }


def _camera(stage: Stage) -> dict[str, Any]:
    camera = stage.clip.first.camera
    return {
        "rotation": _encoded(stage.camera_rotation),
        "position": _encoded(stage.camera_position),
        "focal": camera.focal_px,
        "center": camera.center_px,
        "size": stage.clip.first.size,
    }


def _unit(color: Sequence[int]) -> list[float]:
    return [round(c / 255, 4) for c in color]


def _encoded(array: NDArray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
