"""Motions at another or a constant frame rate, by slerp: what cannot take a frame's own time needs one."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from ..constants import SMPL_PARENTS
from ..errors import SemttaError
from ..types import BodyParams, CameraPath, Motion, Result, SegmentLabel, World
from .kinematics import global_rotations
from .rotations import rotations_at
from .world import camera_centers

#: Of an exported file; more is a mistake, or a file with damaged times.
MAX_FPS, MAX_FRAMES = 1000.0, 1_000_000


def frame_positions(times_s: Tensor, fps: float) -> Tensor:
    """Where evenly spaced instants lie among frames with times of their own.

    Args:
        times_s: [T] seconds, increasing.
        fps: of the instants; the first is at the first frame, the last at most half an interval from the last frame.
    Returns:
        Positions [T'] in frames, 0 to T - 1, float64.
    Raises:
        SemttaError: for a rate that is not above 0 and at most 1000, and for more than a million instants.

    >>> frame_positions(torch.tensor([0.0, 0.25, 0.75]), 4).tolist()
    [0.0, 1.0, 1.5, 2.0]
    """
    if not 0 < fps <= MAX_FPS:
        raise SemttaError(f"{fps:g} frames per second is not a rate: give one above 0, at most {MAX_FPS:g}.")
    times = times_s.detach().cpu().double().numpy()
    count = float(times[-1] - times[0]) * fps + 1
    if not count <= MAX_FRAMES:
        raise SemttaError(f"{count:.0f} frames at {fps:g} per second are too many (at most {MAX_FRAMES}): give a lower rate.")
    instants = times[0] + np.arange(round(count)) / fps
    return torch.from_numpy(np.interp(instants, times, np.arange(len(times))))


class OtherRate:
    """Poses of a clip at another frame rate, and back.

    Args:
        times_s: [T] seconds of the clip's frames, increasing.
        fps: the other rate; None, or one within a tenth of the clip's: both ways change nothing.
    """

    def __init__(self, times_s: Tensor, fps: float | None, device: torch.device) -> None:
        self.places: tuple[Tensor, Tensor] | None = None
        count = len(times_s)
        own = (count - 1) / max(float(times_s[-1] - times_s[0]), 1e-6) if count > 1 else fps
        if fps is not None and own is not None and abs(own / fps - 1) > 0.1:
            there = frame_positions(times_s, fps)
            back = ((times_s.double() - float(times_s[0])) * fps).clamp(max=len(there) - 1)
            self.places = there.float().to(device), back.float().to(device)

    def there(self, rotations: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
        """Rotations [T, J, 3, 3] by slerp and betas [T, 10] of the nearest frame, at the other rate: [T', ...]."""
        return self._at(0, rotations, betas)

    def back(self, rotations: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
        """The inverse: [T', ...] -> [T, ...]."""
        return self._at(1, rotations, betas)

    def _at(self, way: int, rotations: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
        if self.places is None:
            return rotations, betas
        place = self.places[way]
        return rotations_at(rotations, place), betas[place.round().long()]


def motion_at_constant_rate(
    rotations: Tensor, times_s: Tensor, fps: float, visible: Tensor | None = None, rays: Tensor | None = None
) -> Motion:
    """Segments whose frames have times of their own, as a prior takes them; differentiable in the rotations.

    Args:
        rotations: [B, L, 24, 3, 3].
        times_s: [B, L] seconds, increasing in each segment.
        fps: the rate wanted.
        visible, rays: [B, L, ...]; of the nearest frame.
    Returns:
        Motion at ``fps``. Segments of one number of frames can last different times: the shorter ones are padded and masked.
    """
    places = [frame_positions(row, fps).to(rotations) for row in times_s]
    longest = max(map(len, places))
    made, masks = [], []
    seen: tuple[list[Tensor], list[Tensor]] = ([], [])
    for index, place in enumerate(places):
        filled = torch.cat((place, place[-1:].expand(longest - len(place))))
        made.append(rotations_at(rotations[index], filled))
        masks.append(pad(torch.ones_like(place, dtype=torch.bool), (0, longest - len(place))))
        for values, chosen in zip((visible, rays), seen, strict=True):
            if values is not None:
                chosen.append(values[index].index_select(0, filled.round().long()))
    visible, rays = (torch.stack(chosen) if chosen else None for chosen in seen)
    return Motion(torch.stack(made), torch.stack(masks), visible, fps, rays)


def resampled(result: Result, fps: float | None = None) -> Result:
    """A result at a constant frame rate, by default its average; one that has it already is returned as it is.

    Rotations by slerp, the pelvis and the bones (in their parents' frames) linearly, joints from these; so a clip of one shape
    keeps it. The motion in the world and its camera likewise. ``frame_index`` is that of the nearest frame; keypoints and boxes,
    which belong to pictures, are too.
    """
    if result.times_s is None and fps in (None, result.fps):
        return result
    fps = result.fps if fps is None else fps
    place = frame_positions(result.times, fps)
    nearest = place.round().long()
    params, before = (_params_at(p, place) for p in (result.params, result.unadapted))
    return replace(
        result, fps=fps, times_s=None, params=params, unadapted=before, world=_world_at(result.world, place),
        joints=_joints_at(result.joints, result.params.rotations, params.rotations, place),
        confidence=None if result.confidence is None else _linear_at(result.confidence, place),
        keypoints=result.keypoints[nearest], keypoints_before=result.keypoints_before[nearest], boxes=result.boxes[nearest],
        frame_index=result.frame_index[nearest], labels=_labels_at(result.labels, nearest.tolist()),
    )  # fmt: skip


def _labels_at(labels: Sequence[SegmentLabel], nearest: Sequence[int]) -> tuple[SegmentLabel, ...]:
    """Labels of frames, for instants whose ``nearest`` frames are given, in order; those of no instant are left out."""
    moved = (replace(s, start=bisect_left(nearest, s.start), stop=bisect_left(nearest, s.stop)) for s in labels)
    return tuple(label for label in moved if label.start < label.stop)


def _params_at(params: BodyParams, place: Tensor) -> BodyParams:
    betas = params.betas if params.betas.ndim == 1 else _linear_at(params.betas, place)
    translation = None if params.translation is None else _linear_at(params.translation, place)
    return BodyParams(rotations_at(params.rotations.double(), place).to(params.rotations), betas, translation)


def _linear_at(values: Tensor, place: Tensor) -> Tensor:
    """Values [T, ...] at positions [T'] in frames, linearly."""
    low = place.long().clamp(max=max(0, len(values) - 2))
    share = (place - low).to(values).reshape(-1, *[1] * (values.ndim - 1))
    return torch.lerp(values[low], values[(low + 1).clamp(max=len(values) - 1)], share)


def _joints_at(joints: Tensor, before: Tensor, rotations: Tensor, place: Tensor) -> Tensor:
    """Joints [T', 24, 3] of resampled rotations: p_j = p_parent + G_parent b_j with the bones b_j in their parents' frames."""
    parents = list(SMPL_PARENTS[1:])
    bones = global_rotations(before)[:, parents].mT @ (joints[:, 1:] - joints[:, parents])[..., None]
    turned = (global_rotations(rotations)[:, parents] @ _linear_at(bones, place))[..., 0]
    placed = [_linear_at(joints[:, 0], place)]
    for joint, parent in enumerate(parents, start=1):
        placed.append(placed[parent] + turned[:, joint - 1])
    return torch.stack(placed, 1)


def _world_at(world: World | None, place: Tensor) -> World | None:
    """A motion in the world at positions [T'] in frames; the camera turns by slerp about its centre, which moves linearly."""
    if world is None:
        return None
    params = _params_at(world.params, place)
    joints = _joints_at(world.joints, world.params.rotations, params.rotations, place)
    turns = rotations_at(world.camera.rotation[:, None].double(), place)[:, 0].to(world.camera.rotation)
    centers = _linear_at(camera_centers(world.camera), place)
    camera = CameraPath(turns, -(turns @ centers[..., None])[..., 0])
    return World(params, joints, _linear_at(world.contacts, place), camera)
