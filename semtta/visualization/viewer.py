"""A self-contained page that plays both motions in 3D with WebGL."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..body import body_of
from ..constants import SMPL_PARENTS
from ..geometry.kinematics import global_rotations
from ..geometry.world import to_world
from ..io.files import write_text
from ..rendering.drawing import AFTER, BEFORE
from ..rendering.skin import skinning
from ..types import BodyParams, Result, Video
from .clip import clip_of
from .page import page

#: Longer clips are subsampled.
MAX_FRAMES = 3000


def write_viewer(
    results: Result | Sequence[Result], path: str | PathLike[str], body: Any = None, video: Video | None = None
) -> Path:
    """Write a self-contained interactive page with mesh and skeleton before and after adaptation; returns its path.

    The world has y up. Both motions have the clip's mean shape. The page takes about 600 kB plus 3 kB per frame (at most 3000
    frames). ``body``: the loaded body model, by default the run's.
    """
    result = clip_of(results).first
    body = body_of(result, body)
    step = -(-len(result.joints) // MAX_FRAMES) or 1
    skin = skinning(body, result.params.betas)
    world = to_world(result, "y", "person")
    motions = []
    for name, params, color in (("before", result.unadapted, BEFORE), ("after", result.params, AFTER)):
        bones, low = _bones(params, body, skin.joints, world.matrix, step)
        motions.append({"name": name, "color": [c / 255 for c in color], "bones": _encoded(bones), "floor": low})
    data = {
        "times": result.times[::step].tolist(),
        "fps": result.fps / step,
        "step": step,
        "parents": SMPL_PARENTS,
        "rest": skin.joints.tolist(),
        "labels": [[s.start / step, s.stop / step, s.label] for s in result.labels],
        "vertices": _encoded(skin.vertices),
        "normals": _encoded(skin.normals),
        "influences": _encoded(skin.influences),
        "weights": _encoded(skin.weights),
        "faces": _encoded(skin.faces),
        "motions": motions,
    }
    write_text(path, page("viewer.html", "viewer.js", title=result.name, data=data))
    return Path(path)


def _bones(
    params: BodyParams, body: Any, rest: NDArray[np.float32], world: torch.Tensor, step: int
) -> tuple[NDArray[np.float32], float]:
    """Transforms [T, 24, 3, 4] of each bone from the rest pose to the world, and the height of the clip's lowest joint."""
    chosen = params[::step].to(body.v_template)
    with torch.no_grad():
        mean = params.betas.to(body.v_template).reshape(-1, 10).mean(0)
        joints = body.joints(chosen.rotations, mean, chosen.translation).cpu().double()
    joints = joints @ world[:3, :3].mT + world[:3, 3]
    rotations = world[:3, :3] @ global_rotations(chosen.rotations.detach().cpu().double())
    shift = joints - (rotations @ torch.from_numpy(rest).double()[..., None])[..., 0]
    low = float(joints[..., 1].nan_to_num().min()) if len(joints) else 0.0
    return torch.cat((rotations, shift[..., None]), -1).numpy().astype(np.float32), low


def _encoded(array: NDArray | Sequence[float]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
