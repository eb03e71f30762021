"""A network on keypoints: 2D points of a person over time, and 3D landmarks where a detector gives them, to SMPL-format poses.

A transformer whose attention reaches a few frames to either side, with a learnt bias for each distance in time. So what it
says of a frame depends on that frame and its neighbourhood, wherever the clip begins, and costs the same in a long clip.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..constants import BODY25, LIMBS12, joint_set, paired_by_name, table
from ..errors import SemttaError
from ..geometry import crop_points, image_translation, matrix_from_6d, project_to_image, ray_rotation
from ..io.weights import load_strictly, load_weights
from ..types import Camera, FrameBatch, Keypoints2D, Landmarks3D, Prediction
from .base import Estimator

#: Longest run of frames that goes through the network at once.
RUN = 512


@dataclass(frozen=True)
class LifterConfig:
    """Size of the network."""

    width: int = 256
    layers: int = 4
    heads: int = 4
    feedforward: int = 512
    reach: int = 16  # frames to either side that a layer attends to


class Lifter(Estimator):
    """Poses from keypoints; takes no crops.

    Input per frame: BODY_25's points in units of half the box, and their confidences; the box's side relative to the picture's
    diagonal; twelve landmarks, metres from the middle of the hips, and whether there are any. The global rotation is given in
    the frame of the ray to the box's middle and turned into the camera's.
    """

    name = "open"
    last = ("head.",)
    takes_landmarks = True

    def __init__(self, config: LifterConfig | None = None) -> None:
        super().__init__()
        self.config = c = config or LifterConfig()
        inputs = 3 * len(BODY25) + 1 + 3 * len(LIMBS12) + 1
        self.embed = nn.Sequential(nn.Linear(inputs, c.width), nn.GELU(), nn.Linear(c.width, c.width))
        self.blocks = nn.ModuleList(Block(c) for _ in range(c.layers))
        self.norm = nn.LayerNorm(c.width)
        self.head = nn.Linear(c.width, 24 * 6 + 10 + 3)
        rest = torch.eye(3).repeat(24, 1, 1)
        rest[0] = torch.diag(torch.tensor([1.0, -1, -1]))  # upright, facing the camera
        nn.init.normal_(self.head.weight, std=0.01)
        with torch.no_grad():
            self.head.bias.zero_()
            self.head.bias[: 24 * 6] = rest[..., :2].flatten()

    @classmethod
    def from_checkpoint(cls, path: str | Path) -> Self:
        """From a file that ``save_weights`` wrote; raises SemttaError for any other."""
        tensors, metadata = load_weights(path, "lifter")
        try:
            model = cls(LifterConfig(**metadata["config"]))
        except (KeyError, TypeError) as error:
            raise SemttaError(f"{path} says nothing of the network's size that can be used ({error}).") from error
        load_strictly(model, {name: value.float() for name, value in tensors.items()}, path)
        return model.eval()

    def metadata(self) -> Mapping[str, Any]:
        """What ``from_checkpoint`` needs beside the weights."""
        return {"config": asdict(self.config)}

    def forward(self, batch: FrameBatch) -> Prediction:
        """Parameters of the batch's frames, by the clip's keypoints and landmarks; SemttaError for a clip without keypoints."""
        if batch.keypoints is None:
            raise SemttaError("The estimator 'open' needs 2D keypoints, and this clip has none: give --estimator open-image.")
        reach = self.config.layers * self.config.reach
        runs = runs_of(batch.frames, len(batch.keypoints), 2 * reach)
        outputs = []
        for start, stop in runs:  # only what the batch's frames can see
            first = max(0, start - reach)
            features = self.features(batch, slice(first, stop + reach))
            outputs.append(tuple(value[start - first : stop - first] for value in self.regress(features)))
        rows = places_in(batch.frames, runs)
        rotations, betas, camera = (torch.cat(values)[rows] for values in zip(*outputs, strict=True))
        ray = ray_rotation(batch.boxes[:, :2], batch.intrinsics)
        rotations = torch.cat((ray[:, None] @ rotations[:, :1], rotations[:, 1:]), 1)
        return Prediction(rotations, betas, camera)

    def features(self, batch: FrameBatch, frames: slice = slice(None)) -> Tensor:
        """What the network sees of the clip's T frames, or of some of them [T, F]."""
        assert batch.keypoints is not None
        boxes = (batch.boxes if batch.all_boxes is None else batch.all_boxes)[frames]
        landmarks = None if batch.landmarks is None else batch.landmarks[frames]
        xyz = limb_landmarks(landmarks, boxes) @ ray_rotation(boxes[:, :2], batch.intrinsics[:1].expand(len(boxes), 3))
        return arrange(to_body25(batch.keypoints[frames]), boxes, math.hypot(*batch.image_size), xyz)

    def regress(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features [..., T, F] of consecutive frames -> rotations [..., T, 24, 3, 3] (0: into the ray's frame), betas, camera."""
        return self.decode(self.encode(features))

    def encode(self, features: Tensor) -> Tensor:
        """Features [..., T, F] -> what is known of each frame [..., T, C]; may run in less than float32's precision."""
        x = self.embed(features).float()
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def decode(self, known: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What is known of each frame [..., T, C] -> rotations, betas and camera."""
        six, betas, camera = self.head(known).split((24 * 6, 10, 3), -1)
        rotations = matrix_from_6d(six.unflatten(-1, (24, 6)), "columns_interleaved")
        return rotations, betas, torch.cat((0.98 * camera[..., :1].exp(), camera[..., 1:]), -1)

    def picture_camera(self, size: tuple[int, int]) -> Camera:
        """A focal length of the picture's diagonal (CLIFF): a field of view of 53 degrees across it."""
        return Camera(math.hypot(*size), (size[0] / 2, size[1] / 2), "assumed: the picture's diagonal")

    def camera_for(self, size: tuple[int, int], known: Camera | None) -> Camera:
        """A known camera that sees more than the assumed one, since its perspective would be taken for posture.

        One that sees less shows hardly any perspective, and the network knows people of that size nearer (docs/camera.md has the
        numbers).
        """
        assumed = self.picture_camera(size)
        return known if known is not None and known.focal_px < assumed.focal_px else assumed

    def project(self, joints: Tensor, camera: Tensor, batch: FrameBatch) -> Tensor:
        """Through the picture's camera, then into the crop: real perspective, also of a person at the picture's edge."""
        focal, x, y = batch.intrinsics.unbind(-1)
        placed = joints + image_translation(camera, batch.boxes, focal, (x, y))[:, None]
        pixels = project_to_image(placed, focal[:, None], (x[:, None], y[:, None]))
        return crop_points(pixels, batch.boxes)


class Block(nn.Module):
    """A pre-norm transformer layer whose attention reaches ``reach`` frames to either side."""

    def __init__(self, config: LifterConfig) -> None:
        super().__init__()
        self.heads, self.reach = config.heads, config.reach
        self.norm1, self.norm2 = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.qkv, self.out = nn.Linear(config.width, 3 * config.width), nn.Linear(config.width, config.width)
        self.distance = nn.Parameter(torch.zeros(config.heads, 2 * config.reach + 1))
        self.feedforward = nn.Sequential(
            nn.Linear(config.width, config.feedforward), nn.GELU(), nn.Linear(config.feedforward, config.width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Tokens [..., T, C] -> [..., T, C]."""
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).movedim((-3, -2), (0, -3)).unbind(0)
        time = torch.arange(x.shape[-2], device=x.device)
        apart = time - time[:, None]
        bias = self.distance[:, apart.clamp(-self.reach, self.reach) + self.reach]
        bias = bias.masked_fill(apart.abs() > self.reach, -torch.inf)
        seen = functional.scaled_dot_product_attention(q, k, v, bias.expand(*q.shape[:-2], *bias.shape[-2:]))
        x = x + self.out(seen.movedim(-3, -2).flatten(-2))
        return x + self.feedforward(self.norm2(x))


def runs_of(frames: Tensor, count: int, apart: int) -> list[tuple[int, int]]:
    """Runs (start, stop) of at most ``RUN`` frames, in order, that hold ``frames`` [N]; all of a clip of at most so many.

    Frames that are at most ``apart`` from one another share a run, so that no neighbourhood goes through the network twice.
    """
    if count <= RUN:
        return [(0, count)]
    known = frames.unique().cpu()
    ends = torch.nonzero(known.diff() > apart)[:, 0]
    starts, stops = known[torch.cat((ends.new_zeros(1), ends + 1))], known[torch.cat((ends, ends.new_full((1,), -1)))] + 1
    return [
        (start, min(stop, start + RUN))
        for low, stop in zip(starts.tolist(), stops.tolist(), strict=True)
        for start in range(low, stop, RUN)
    ]


def places_in(frames: Tensor, runs: list[tuple[int, int]]) -> Tensor:
    """Where ``frames`` [N] are in the runs (start, stop) that hold them, one run after the other: [N]."""
    if len(runs) == 1:  # nothing to wait for the device for
        return frames - runs[0][0]
    starts = torch.tensor([start for start, _ in runs], device=frames.device)
    lengths = torch.tensor([stop - start for start, stop in runs], device=frames.device)
    run = torch.searchsorted(starts, frames, right=True) - 1
    return frames - starts[run] + (lengths.cumsum(0) - lengths)[run]


def to_body25(keypoints: Keypoints2D) -> Tensor:
    """Keypoints of any joint set as BODY_25's [T, 25, 3] (x, y in pixels, confidence), paired by name; 0 where there is none."""
    found = keypoints.only_found()
    xy, confidence = paired_by_name(found.xy.float(), found.confidence.float(), keypoints.joint_set, "body25")
    return torch.cat((xy, confidence[..., None]), -1) * (confidence > 0)[..., None]


def arrange(points: Tensor, boxes: Tensor, diagonal: float | Tensor, landmarks: Tensor) -> Tensor:
    """The network's input [..., T, F].

    Args:
        points: [..., T, 25, 3] BODY_25, x, y, confidence; confidence 0: not seen.
        boxes: [..., T, 3] centre x, centre y, side, in the units of the points.
        diagonal: of the picture, in the same units; a number or [..., 1].
        landmarks: [..., T, 12, 3] of ``LIMBS12``, metres from the middle of the hips; all 0: there are none.
    """
    seen = points[..., 2:] > 0
    place = ((points[..., :2] - boxes[..., None, :2]) / (boxes[..., None, 2:] / 2)).where(seen, 0)
    size = (boxes[..., 2] / diagonal).log()[..., None]
    given = (landmarks != 0).flatten(-2).any(-1, keepdim=True).to(points.dtype)
    return torch.cat((place.flatten(-2), points[..., 2], size, 2 * landmarks.flatten(-2), given), -1)


def limb_landmarks(landmarks: Landmarks3D | None, boxes: Tensor) -> Tensor:
    """The landmarks that the network looks at [T, 12, 3]; 0 in frames that lack some of them, or all without landmarks."""
    if landmarks is None:
        return boxes.new_zeros(len(boxes), len(LIMBS12), 3)
    names = joint_set(landmarks.joint_set)
    rows = table(tuple(names.index(name) for name in LIMBS12), boxes.device)
    xyz = landmarks.xyz.to(boxes).index_select(1, rows)
    found = (landmarks.confidence.to(boxes).index_select(1, rows) > 0).all(-1) & xyz.isfinite().flatten(1).all(-1)
    hips = (xyz[:, LIMBS12.index("L_Hip")] + xyz[:, LIMBS12.index("R_Hip")]) / 2
    return (xyz - hips[:, None]).where(found[:, None, None], 0)
