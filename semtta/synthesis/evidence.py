"""Evidence of windows of motion as cameras and detectors would give it: 2D keypoints and 3D landmarks, in batches on a device.

Windows of motion are varied, seen by a random camera, and disturbed. All of it is in normalised picture units, in which the
camera has the focal length 1 and its principal point at (0, 0).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..body import Body
from ..constants import BODY25, LIMBS12, SMPL24, mirrored
from ..geometry import axis_angle_to_matrix, matrix_to_axis_angle, project_to_image, ray_rotation
from ..motions.windows import group_masks, smooth_noise
from .detections import SPREAD

#: Joints that go missing together, of BODY_25.
_MISSING: tuple[tuple[str, ...], ...] = (
    ("Knee", "Ankle", "BigToe", "SmallToe", "Heel"), ("Ankle", "BigToe", "SmallToe", "Heel"),
    ("Hip", "Knee", "Ankle", "BigToe", "SmallToe", "Heel"), ("Elbow", "Wrist"), ("Wrist",), ("Shoulder", "Elbow", "Wrist"),
    ("Nose", "Eye", "Ear"),
)  # fmt: skip
_FEET = tuple(i for i, name in enumerate(BODY25) if name.endswith(("Toe", "Heel")))
#: Standard deviation of an extra turn, radians: large where a pose is free.
_TURNS = {"Hip": 0.4, "Knee": 0.4, "Shoulder": 0.45, "Elbow": 0.4}
_SMALL_TURN = 0.12


@dataclass(frozen=True)
class Seen:
    """B windows of T frames and what was seen of them."""

    rotations: Tensor  # [B, T, 24, 3, 3], 0: into the frame of the ray to the box's middle
    betas: Tensor  # [B, 10]
    joints: Tensor  # [B, T, 24, 3] metres from the pelvis, axes of the ray's frame
    points: Tensor  # [B, T, 29, 2] true points of the picture, of smpl29
    keypoints: Tensor  # [B, T, 25, 3] as detected
    boxes: Tensor  # [B, T, 3]
    diagonal: Tensor  # [B, 1] of the picture
    landmarks: Tensor  # [B, T, 12, 3] metres from the middle of the hips, axes of the ray's frame; 0: none


class Limits:
    """How far joints turn: boxes of rotation vectors that hold nearly all of recorded poses, somewhat widened."""

    def __init__(self, rotations: Tensor, widen: float = 0.25) -> None:
        vectors = matrix_to_axis_angle(rotations[:, 1:])
        share = torch.tensor([0.003, 0.997])
        low, high = torch.stack([torch.quantile(part, share, dim=0) for part in vectors.split(1, 1)], 1).squeeze(2)
        self.low, self.high = low - widen, high + widen

    def clamp(self, rotations: Tensor) -> Tensor:
        """Local rotations [..., 23, 3, 3] inside the boxes."""
        vectors = matrix_to_axis_angle(rotations)
        return axis_angle_to_matrix(vectors.maximum(self.low.to(vectors)).minimum(self.high.to(vectors)))


def vary(rotations: Tensor, limits: Limits, generator: torch.Generator) -> Tensor:
    """Other poses than the recorded ones, of windows [B, T, 24, 3, 3]: limbs of other windows, extra turns, tilted roots."""
    batch, length = rotations.shape[:2]
    out = rotations.clone()
    for _ in range(2):  # the group of another window
        chosen = torch.rand(batch, generator=generator) < 0.3
        names = ("left leg", "right leg", "legs", "left arm", "right arm", "arms", "upper body")
        groups = group_masks(names)[torch.randint(len(names), (batch,), generator=generator)]
        other = out[torch.randperm(batch, generator=generator)]
        take = (groups > 0) & chosen[:, None]
        out = torch.where(take[:, None, :, None, None], other, out)
    spread = torch.tensor([_TURNS.get(name.split("_")[-1], _SMALL_TURN) for name in SMPL24[1:]])
    chosen = torch.rand(batch, generator=generator) < 0.6
    strength = chosen * torch.rand(batch, generator=generator)
    turn = torch.randn(batch, 1, 23, 3, generator=generator) + 0.6 * smooth_noise((batch, 23), length, generator)
    turn = turn * (spread * strength[:, None])[:, None, :, None]
    varied = limits.clamp(out[:, :, 1:] @ axis_angle_to_matrix(turn))
    local = torch.where(chosen[:, None, None, None, None], varied, out[:, :, 1:])
    tilt = torch.randn(batch, 3, generator=generator) * torch.tensor([0.6, 0, 0.6])
    tilt = tilt * (torch.rand(batch, 1, generator=generator) < 0.12)
    return torch.cat((axis_angle_to_matrix(tilt)[:, None, None] @ out[:, :, :1], local), 2)


def observe(rotations: Tensor, body: Body, generator: torch.Generator) -> Seen:
    """Windows [B, T, 24, 3, 3] (y up) seen by random cameras and by simulated detectors."""
    batch, length = rotations.shape[:2]

    def uniform(*shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=generator)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    # the camera: yaw anywhere, pitch -17 to 33 degrees (seen from above), some roll
    yaw, pitch = uniform(batch, high=2 * math.pi), torch.deg2rad(uniform(batch, low=-17, high=33))
    pitch = torch.where(uniform(batch) < 0.5, torch.deg2rad(6 * normal(batch)), pitch)
    roll, zero = torch.deg2rad(4 * normal(batch)), torch.zeros(batch)
    view = axis_angle_to_matrix(torch.stack((zero, zero, roll), -1)) @ axis_angle_to_matrix(torch.stack((pitch, zero, zero), -1))
    view = view @ torch.diag(torch.tensor([1.0, -1, -1])) @ axis_angle_to_matrix(torch.stack((zero, yaw, zero), -1))
    seen = torch.cat((view[:, None, None] @ rotations[:, :, :1], rotations[:, :, 1:]), 2)
    betas = normal(batch, 10)
    all_betas = betas[:, None].expand(-1, length, -1)
    points3d = body.keypoints(seen, all_betas, "body25")
    joints = body.keypoints(seen, all_betas, "smpl29")
    # the person: 2 to 10 m away, anywhere in the picture, moving a little
    depth = 2.2 + 6 * uniform(batch, 1) ** 1.5
    depth = depth * (1 + 0.06 * smooth_noise((batch, 1), length, generator)[:, :, 0, 0] * uniform(batch, 1))
    across = torch.tensor([0.35, 0.2]) * (2 * uniform(batch, 1, 2) - 1)
    across = across + 0.05 * smooth_noise((batch, 1), length, generator)[:, :, 0, :2]
    place = torch.cat((across, torch.ones(batch, length, 1)), -1) * depth[..., None]
    points, truth = (
        project_to_image(torch.cat((p[..., :2], p[..., 2:].clamp(min=0.3)), -1), 1.0, (0.0, 0.0))
        for p in (points3d + place[:, :, None], joints + place[:, :, None])
    )
    joints = joints[:, :, :24]
    height = 1.7 / depth  # of a standing person, in the picture

    keypoints, memory = _detect(points, height, generator)
    boxes = _boxes(points, keypoints, memory, uniform(batch, 1) < 0.5, generator)
    diagonal = torch.exp(0.25 * normal(batch, 1)).clamp(0.5, 2.0)
    turn = ray_rotation(boxes[..., :2], torch.tensor([1.0, 0, 0]).expand(batch, length, 3)).mT
    joints = (joints - joints[:, :, :1]) @ turn.mT
    seen = torch.cat((turn[:, :, None] @ seen[:, :, :1], seen[:, :, 1:]), 2)
    rows = [SMPL24.index(name) for name in LIMBS12]
    landmarks = _landmarks(joints[:, :, rows], generator)
    return Seen(seen, betas, joints, truth, keypoints, boxes, diagonal, landmarks)


def _runs(batch: int, length: int, chance: float, longest: int, generator: torch.Generator, count: int = 1) -> Tensor:
    """One run of frames [B, count, T] bool in a share ``chance`` of the windows, of 1 to ``longest`` frames."""
    long = 1 + (torch.rand(batch, count, 1, generator=generator) * longest).long()
    start = (torch.rand(batch, count, 1, generator=generator) * (length + long)).long() - long
    time = torch.arange(length)
    there = torch.rand(batch, count, 1, generator=generator) < chance
    return there & (time >= start) & (time < start + long)


def _detect(points: Tensor, height: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """True points [B, T, 25, 2] -> keypoints [B, T, 25, 3], and which joints [B, 25] are seen in some frame."""
    batch, length = points.shape[:2]
    spread = torch.tensor([SPREAD[name.split("_")[-1]] for name in BODY25])
    scale = (height * (0.4 + 1.6 * torch.rand(batch, 1, generator=generator)))[..., None] * spread  # [B, T, 25]
    slow = 0.009 * smooth_noise((batch, 25), length, generator, knots=max(3, length // 6))[..., :2]
    white = 0.005 * torch.randn(batch, length, 25, 2, generator=generator)
    outlier = torch.rand(batch, length, 25, generator=generator) < 0.004
    far = 0.15 * torch.randn(batch, length, 25, 2, generator=generator) * height[..., None, None]
    # behind something: guessed, with a larger error and less confidence
    chance = torch.rand(batch, 1, 1, generator=generator) * 0.25
    guess = torch.stack([_runs(batch, length, float(1), length // 2, generator)[:, 0] for _ in range(25)], -1)
    guess = guess & (torch.rand(batch, 1, 25, generator=generator) < chance)
    factor = torch.where(guess, 3.0, 1.0)[..., None]
    xy = points + factor * (slow + white) * scale[..., None] + torch.where(outlier[..., None], far, torch.zeros(()))
    confidence = 0.85 - 0.07 * spread + 0.08 * torch.randn(batch, length, 25, generator=generator)
    confidence = confidence * torch.where(guess, 0.5, 1.0) * torch.where(outlier, 0.6, 1.0)
    sure = torch.rand(batch, 1, 1, generator=generator) < 0.3  # a detector that is always sure
    confidence = torch.where(sure, 0.5 + 0.5 * confidence, confidence).clamp(0.05, 1.0)

    missing = torch.rand(batch, length, 25, generator=generator) < 0.01
    names = [name.split("_")[-1] for name in BODY25]
    masks = []
    for group in _MISSING:
        both = torch.tensor([name in group for name in names])
        left = both & torch.tensor([name.startswith(("L_", "Nose")) for name in BODY25])
        right = both & torch.tensor([name.startswith(("R_", "Nose")) for name in BODY25])
        masks += [both, left, right]
    masks.append(torch.tensor([name.startswith("L_") for name in BODY25]))
    masks.append(torch.tensor([name.startswith("R_") for name in BODY25]))
    stack = torch.stack(masks)
    for share in (0.5, 0.25):
        chosen = stack[torch.randint(len(stack), (batch,), generator=generator)]
        run = _runs(batch, length, share, length, generator)[:, 0]
        always = torch.rand(batch, 1, generator=generator) < 0.35
        run = run | (always & run.any(1, keepdim=True))
        missing = missing | (run[..., None] & chosen[:, None])
    feet = torch.zeros(25, dtype=torch.bool)
    feet[list(_FEET)] = True
    missing = missing | (feet & (torch.rand(batch, 1, 1, generator=generator) < 0.4))
    # the picture's edge: below, or at one side
    low, high = points[..., 1].amin((1, 2)), points[..., 1].amax((1, 2))
    edge = low + (high - low) * (0.35 + 0.6 * torch.rand(batch, generator=generator))
    cut = torch.rand(batch, generator=generator) < 0.2
    missing = missing | (cut[:, None, None] & (points[..., 1] > edge[:, None, None]))
    left, right = points[..., 0].amin((1, 2)), points[..., 0].amax((1, 2))
    edge = left + (right - left) * (0.5 + 0.4 * torch.rand(batch, generator=generator))
    cut = torch.rand(batch, generator=generator) < 0.06
    missing = missing | (cut[:, None, None] & (points[..., 0] > edge[:, None, None]))

    found = torch.cat((xy, confidence[..., None]), -1) * ~missing[..., None]
    swap = torch.tensor(mirrored("body25"))
    arms = torch.tensor([name in ("Shoulder", "Elbow", "Wrist") for name in names])
    legs = torch.tensor([name in ("Hip", "Knee", "Ankle", "BigToe", "SmallToe", "Heel") for name in names])
    everything = torch.ones(25, dtype=torch.bool)
    for joints, share, longest in ((arms, 0.12, 5), (legs, 0.12, 5), (everything, 0.08, 8)):
        run = _runs(batch, length, share, longest, generator)[:, 0]
        found = torch.where((run[..., None] & joints)[..., None], found[:, :, swap], found)
    return found, (found[..., 2] > 0).any(1)


def _boxes(points: Tensor, keypoints: Tensor, ever: Tensor, remember: Tensor, generator: torch.Generator) -> Tensor:
    """Boxes [B, T, 3] around what is seen; with ``remember`` [B, 1] also where joints are that other frames see."""
    batch = len(points)
    now = keypoints[..., 2] > 0
    used = torch.where(remember[..., None], ever[:, None].expand_as(now), now)
    used = used | ~used.any(-1, keepdim=True)
    place = torch.where(now[..., None], keypoints[..., :2], points)
    low = torch.where(used[..., None], place, torch.inf).amin(2)
    high = torch.where(used[..., None], place, -torch.inf).amax(2)
    boxes = torch.cat(((low + high) / 2, 1.2 * (high - low).amax(-1, keepdim=True)), -1)
    smooth = torch.nn.functional.pad(boxes.mT, (1, 1), "replicate").unfold(-1, 3, 1).mean(-1).mT
    change = torch.randn(batch, 1, 3, generator=generator) * torch.tensor([0.02, 0.02, 0.04])
    side = smooth[..., 2:].clamp(min=0.02)
    return torch.cat((smooth[..., :2] + change[..., :2] * side, side * change[..., 2:].exp()), -1)


def _landmarks(joints: Tensor, generator: torch.Generator) -> Tensor:
    """Landmarks [B, T, 12, 3] as a network trained on real people gives them, from the true joints [B, T, 12, 3]."""
    batch, length = joints.shape[:2]
    hips = [LIMBS12.index("L_Hip"), LIMBS12.index("R_Hip")]
    centred = joints - joints[:, :, hips].mean(2, keepdim=True)
    far = torch.tensor([1.5 if name.endswith(("Wrist", "Ankle")) else 1.0 for name in LIMBS12])[:, None]
    level = 0.5 + torch.rand(batch, 1, 1, 1, generator=generator)
    offset = 0.02 * torch.randn(batch, 1, 12, 3, generator=generator)
    slow = 0.025 * far * level * smooth_noise((batch, 12), length, generator, knots=max(3, length // 8))
    white = 0.006 * torch.randn(batch, length, 12, 3, generator=generator)
    tilt = math.radians(7) * torch.randn(batch, 3, generator=generator)
    turned = centred @ axis_angle_to_matrix(tilt)[:, None].mT
    scale = (0.06 * torch.randn(batch, 1, 1, 1, generator=generator)).exp()
    shallow = torch.rand(batch, generator=generator) < 0.25
    depth = torch.where(shallow, 0.5 + 0.5 * torch.rand(batch, generator=generator), torch.ones(()))
    flat = torch.stack((torch.ones(batch), torch.ones(batch), depth), -1)[:, None, None]
    out = scale * flat * turned + offset + slow + white
    out = out - out[:, :, hips].mean(2, keepdim=True)
    absent = (torch.rand(batch, 1, generator=generator) < 0.4) | _runs(batch, length, 0.15, length, generator)[:, 0]
    return out * ~absent[..., None, None]
