"""AMASS's npz (Mahmood et al., ICCV 2019): what readers of its SMPL-H and of its SMPL-X release look for, in one file."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..geometry import matrix_to_axis_angle
from ..geometry.world import Origin, Up
from ..results import motion_arrays
from ..types import Result
from .base import register, require_size
from .scene import person_in

log = logging.getLogger(__name__)

#: SMPL-H has 22 body joints and 15 of each hand; its shapes have 16 coefficients in AMASS, its soft tissue 8.
BODY_JOINTS, HAND_JOINTS, BETAS, DMPLS = 22, 15, 16, 8
#: Of a hand's joints those that bend with SMPL's one joint of the hand: the first of index, middle, little and ring finger.
KNUCKLES = (0, 3, 6, 9)
#: Bodies whose shapes readers of AMASS know.
SMPL_FAMILY = ("smpl", "smplh", "smplx")


@register("npz")
def write_npz(
    result: Result,
    path: Path,
    beside: Sequence[Result] = (),
    up: Up = "z",
    origin: Origin = "person",
    in_place: bool = False,
    fps: float | None = None,
) -> None:
    """A motion as AMASS has it: SMPL-H, z up, metres, one frame rate (``fps``, or the clip's average).

    ========================  ==========================================================================================
    ``poses`` [T, 156]        axis-angle of SMPL-H's 52 joints: the global one, 21 of the body, 15 of each hand. SMPL's joint
                              of the hand turns the first joint of the four fingers; the others are 0
    ``trans`` [T, 3]          added to the posed body: its pelvis is at ``trans`` plus the rest pose's, for that shape
    ``betas`` [16]            shape, mean over the clip, then zeros; ``num_betas``: 16;  ``dmpls`` [T, 8]: zeros
    ``gender``                text;  ``mocap_framerate``, ``mocap_frame_rate``: frames per second
    ``root_orient`` [T, 3]    and ``pose_body`` [T, 63], ``pose_hand`` [T, 90], ``pose_jaw`` [T, 3], ``pose_eye`` [T, 6]: the
                              same poses as readers of SMPL-X files take them (GMR)
    ``surface_model_type``    "smplh";  ``body``: that shape and ``trans`` belong to ("open" is not SMPL's)
    ``joints`` [T, 24, 3]     SMPL's joints in this world;  ``confidence`` [T, 24], ``contacts`` [T, 4]: where known
    ``frame_index`` [T]       and ``time_s`` [T], ``name``, ``source`` as in ``motion.npz``
    ========================  ==========================================================================================

    Another body than ``body`` stands elsewhere, by the difference of their rest poses' pelvis, in every frame the same.
    ``beside``: the people of the clip, who share one floor. Warns where the shape is not of SMPL's family.
    """
    person = person_in(result, beside, up, origin, in_place, result.fps if fps is None else fps)
    arrays = motion_arrays(person.result)
    require_size(len(arrays["poses"]) * 4 * (2 * 156 + 3 + DMPLS + 72 + 24 + 8))
    kept = ("gender", "frame_index", "confidence", "name", "source", "body")
    rest_pelvis = (arrays["joints"][:, 0] - arrays["trans"]).mean(0)  # that of the mean shape: it is linear in the shape
    joints = person.motion.joints.numpy()
    made = {
        **{key: arrays[key] for key in kept if key in arrays},
        **_poses(matrix_to_axis_angle(person.motion.rotations).numpy().astype(np.float32)),
        "trans": (joints[:, 0] - rest_pelvis).astype(np.float32),
        "joints": joints.astype(np.float32),
        "time_s": person.times.numpy(),
        "betas": np.pad(arrays["betas"], (0, BETAS - len(arrays["betas"]))),
        "num_betas": BETAS,
        "dmpls": np.zeros((len(joints), DMPLS), np.float32),
        "mocap_framerate": arrays["mocap_framerate"],
        "mocap_frame_rate": arrays["mocap_framerate"],
        "surface_model_type": "smplh",
    }
    if (world := person.result.world) is not None:
        made["contacts"] = world.contacts.detach().cpu().float().numpy()
    with open(path, "wb") as file:
        np.savez_compressed(file, **made)
    if not result.body.startswith(SMPL_FAMILY):
        log.warning(
            "%s: the shape (betas) is that of the body '%s', not SMPL's: with SMPL the motion is right, the build is not.",
            result.name, result.body,
        )  # fmt: skip


def _poses(poses: NDArray[np.float32]) -> dict[str, Any]:
    """AMASS's arrays of SMPL's poses [T, 24, 3], axis-angle."""
    body = poses[:, :BODY_JOINTS].reshape(len(poses), -1)
    hands = np.zeros((len(poses), 2, HAND_JOINTS, 3), np.float32)
    hands[:, :, KNUCKLES] = poses[:, BODY_JOINTS:, None]
    hand = hands.reshape(len(poses), -1)
    return {
        "poses": np.concatenate((body, hand), 1),
        "root_orient": body[:, :3],
        "pose_body": body[:, 3:],
        "pose_hand": hand,
        "pose_jaw": np.zeros((len(poses), 3), np.float32),
        "pose_eye": np.zeros((len(poses), 6), np.float32),
    }
