"""DeepMimic's motion files converted to SMPL's convention.

The files are those of X. B. Peng et al., DeepMimic, SIGGRAPH 2018; the package ``pybullet_data`` has them too.

A file is JSON: ``Loop`` and ``Frames``; a frame is [duration (s), root position (3, metres), root, chest, neck, right
hip (quaternions w x y z), right knee (1, radians), right ankle, right shoulder, right elbow (1), left hip, left knee
(1), left ankle, left shoulder, left elbow (1)]. Axes: x forward, y up, z right; zero pose: upright, arms down; hinges
turn about z.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation, Slerp

from ..constants import SMPL24
from ..errors import SemttaError
from ..motions.mocap import FPS, MotionClip
from .figures import load_figure

Array = NDArray[np.floating]

_AXES = Rotation.from_matrix(((0, 0, -1), (0, 1, 0), (1, 0, 0)))  # DeepMimic's axes to SMPL's (left, up, forward)
_ORDER = (
    ("root", 4), ("chest", 4), ("neck", 4), ("R_Hip", 4), ("R_Knee", 1), ("R_Ankle", 4), ("R_Shoulder", 4),
    ("R_Elbow", 1), ("L_Hip", 4), ("L_Knee", 1), ("L_Ankle", 4), ("L_Shoulder", 4), ("L_Elbow", 1),
)  # fmt: skip


def read_motion(path: str | Path, content: str = "", frames: int | None = None, smooth_frames: float = 0.0) -> MotionClip:
    """One DeepMimic file as a clip at 30 fps: axis-angle [T, 72], pelvis [T, 3] (metres, y up).

    Limbs are rotated so that the ``open`` body's thighs, shanks, upper arms and forearms follow the source's (there is no
    wrist in the source: the hand follows the forearm); the chest's rotation is spread over the three spine joints, the
    neck's over neck and head.

    Args:
        frames: length; a cyclic motion (``Loop`` is ``wrap``) is repeated: heading and displacement accumulate, and any other
            difference between its last and first pose is spread over the cycle.
        smooth_frames: sigma of a Gaussian over time, against the jumps in some of the files.
    Raises: SemttaError for a file of another kind, or one that is not cyclic and shorter than ``frames``.
    """
    path = Path(path)
    try:
        data = json.loads(path.read_text())
        table, cyclic = np.array(data["Frames"], np.float64), data.get("Loop") == "wrap"
        if table.ndim != 2 or table.shape[1] != 44 or len(table) < 2 or not np.isfinite(table).all():
            raise ValueError("frames are not 44 finite numbers each")
    except FileNotFoundError as error:
        raise SemttaError(f"No motion file {path}.") from error
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise SemttaError(f"{path} is not a DeepMimic motion ({error}).") from error
    time = np.concatenate(([0], np.cumsum(table[:-1, 0])))
    times = np.arange(frames) / FPS if frames else np.arange(0, time[-1] + 1e-9, 1 / FPS)
    if times[-1] > time[-1] + 1e-9 and not cyclic:
        raise SemttaError(f"{path} is {time[-1]:.1f} s long and not cyclic: it cannot fill {frames} frames.")
    cycle, phase = np.divmod(times, time[-1]) if cyclic else (0 * times, times.clip(0, time[-1]))
    rotations, step = _rotations(table), _step(table)
    if frames and cyclic:
        rotations = _closed(rotations, time / time[-1], step[0])
    joints = {name: Slerp(time, rotation)(phase) for name, rotation in rotations.items()}
    position = np.stack([np.interp(phase, time, column) for column in table[:, 1:4].T], -1)
    joints["root"], position = _accumulate(joints["root"], position, cycle, *step)
    if smooth_frames > 0:
        joints = {name: _smoothed(rotation, smooth_frames) for name, rotation in joints.items()}
        position = gaussian_filter1d(position, smooth_frames, axis=0, mode="nearest")
    axis_angle, trans = _to_smpl(joints, position)
    text = f"a person is {content}" if content else ""
    return MotionClip(path.stem, "deepmimic", content, "normal", text, axis_angle.reshape(-1, 72), trans)


def _rotations(table: NDArray) -> dict[str, Rotation]:
    """Rotations of each joint over time, in SMPL's axes."""
    rotations, column = {}, 4
    for name, width in _ORDER:
        values = table[:, column : column + width]
        column += width
        hinge = width == 1
        rotation = Rotation.from_rotvec(values * (0, 0, 1)) if hinge else Rotation.from_quat(values, scalar_first=True)
        rotations[name] = _AXES * rotation * _AXES.inv()
    return rotations


def _step(table: NDArray) -> tuple[Rotation, NDArray]:
    """What one cycle adds: the change of heading and the displacement on the floor, in SMPL's axes."""
    first, last = _rotations(table[[0, -1]])["root"]
    forward = (last * first.inv()).apply((0, 0, 1))
    heading = Rotation.from_euler("y", np.arctan2(forward[0], forward[2]))
    ends = _AXES.apply(table[[0, -1], 1:4])
    return heading, (ends[1] - heading.apply(ends[0])) * (1, 0, 1)


def _closed(rotations: dict[str, Rotation], fraction: NDArray, heading: Rotation) -> dict[str, Rotation]:
    """Rotations whose last frame equals the first one (for the root: up to the cycle's change of ``heading``)."""
    closed = {}
    for name, rotation in rotations.items():
        target = heading * rotation[0] if name == "root" else rotation[0]
        gap = (rotation[-1].inv() * target).as_rotvec()
        closed[name] = rotation * Rotation.from_rotvec(fraction[:, None] * gap)
    return closed


def _smoothed(rotation: Rotation, sigma: float) -> Rotation:
    quaternions = rotation.as_quat()
    flips = np.sign((quaternions[1:] * quaternions[:-1]).sum(-1))
    quaternions[1:] *= np.cumprod(np.where(flips == 0, 1, flips))[:, None]
    return Rotation.from_quat(gaussian_filter1d(quaternions, sigma, axis=0, mode="nearest"))


def _accumulate(
    root: Rotation, position: NDArray, cycle: NDArray, heading: Rotation, displacement: NDArray
) -> tuple[Rotation, NDArray]:
    """Add the heading and displacement of all earlier cycles to each frame's root; ``position`` is in DeepMimic's axes."""
    position, headings, offsets = _AXES.apply(position), [Rotation.identity()], [np.zeros(3)]
    for _ in range(int(cycle.max())):
        offsets.append(heading.apply(offsets[-1]) + displacement)
        headings.append(heading * headings[-1])
    start, offset = Rotation.concatenate(headings)[cycle.astype(int)], np.stack(offsets)[cycle.astype(int)]
    return start * root, start.apply(position) + offset


def _to_smpl(joints: dict[str, Rotation], position: NDArray) -> tuple[Array, Array]:
    rest = load_figure().anatomy.joints
    at = {name: rest[i] for i, name in enumerate(SMPL24)}
    local = {name: Rotation.identity(len(position)) for name in SMPL24}
    local["Pelvis"] = joints["root"]
    for name in ("Spine1", "Spine2", "Spine3"):
        local[name] = Rotation.from_rotvec(joints["chest"].as_rotvec() / 3)
    for name in ("Neck", "Head"):
        local[name] = Rotation.from_rotvec(joints["neck"].as_rotvec() / 2)
    for side in "LR":
        for upper, lower, end in (("Hip", "Knee", "Ankle"), ("Shoulder", "Elbow", "Wrist")):
            upper, lower, end = (f"{side}_{name}" for name in (upper, lower, end))
            first, second = _hanging(at[lower] - at[upper]), _hanging(at[end] - at[lower])
            local[upper] = joints[upper] * first
            local[lower] = first.inv() * joints[lower] * second
            local[end] = second.inv() * joints[end] if end in joints else local[end]
    axis_angle = np.stack([local[name].as_rotvec() for name in SMPL24], 1)
    hips = (at["L_Hip"] + at["R_Hip"]) / 2 - at["Pelvis"]
    return axis_angle.astype(np.float32), (position - local["Pelvis"].apply(hips)).astype(np.float32)


def _hanging(bone: NDArray) -> Rotation:
    """The rotation that turns a rest-pose bone straight down: first onto the nearest axis, then within the frontal plane.

    In two steps, so that both bones of an arm keep the same hinge axis.
    """
    axis = np.zeros(3)
    axis[np.abs(bone).argmax()] = np.sign(bone[np.abs(bone).argmax()])
    return _shortest(axis, np.array((0.0, -1.0, 0.0))) * _shortest(bone / np.linalg.norm(bone), axis)


def _shortest(source: NDArray, target: NDArray) -> Rotation:
    """The smallest rotation from one unit vector to another; they must not be opposite."""
    axis = np.cross(source, target)
    sine = np.linalg.norm(axis)
    return Rotation.from_rotvec(axis / max(sine, 1e-12) * np.arctan2(sine, source @ target))
