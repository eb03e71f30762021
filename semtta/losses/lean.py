"""Lean: a body whose legs are not seen stands no more askew than its pose says.

Where legs or feet are out of sight, 2D hardly decides how far the body leans towards the camera. A small network, learnt from
motions, says which way is up for the pelvis, from what is seen of the pose. Where that is for the camera, those frames tell in
which the legs are seen.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from pydantic import Field
from torch import Tensor, nn

from .. import assets
from ..constants import SMPL24, table
from ..geometry import ray_rotation, uncrop_points
from ..geometry.kinematics import pelvis_frame_positions
from ..io.weights import load_strictly, load_weights
from ..types import FrameBatch
from .base import StepContext, TermSettings, register

WIDTH = 64
#: Joints that the rest of a standing body hangs on.
_LEGS = tuple(SMPL24.index(f"{side}_{name}") for name in ("Knee", "Ankle") for side in "LR")
_NECK = SMPL24.index("Neck")
#: Frames whose legs are seen to less than this do not say where up is.
_SEEN = 0.75
#: What the level camera of an ordinary picture is worth, in frames, beside those that say where up is.
_LEVEL = 3.0
#: A direction of up that may be off by this, radians, counts in full; one that is less certain the less.
_CERTAIN = 0.1


class LeanSettings(TermSettings):
    """Of ``lean``."""

    weight: float = Field(
        0.0,
        ge=0,
        le=1e6,
        description="of the lean of bodies whose legs are not seen, per radian; 0: the loss does not look at it",
    )


class UpNetwork(nn.Module):
    """Which way is up in the frame of the pelvis, by the joints that are seen."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(4 * 23, width), nn.GELU(), nn.Linear(width, width), nn.GELU(), nn.Linear(width, 4)
        )  # fmt: skip
        with torch.no_grad():
            self.layers[-1].weight.mul_(0.1)  # type: ignore[operator]

    def forward(self, positions: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Joints in the pelvis's frame [..., 24, 3] (metres), how far each is seen [..., 24] in [0, 1] -> up, and its error.

        Returns: unit vectors [..., 3], and the standard deviation of their angle about one axis [...], radians.
        """
        known = torch.cat((positions * seen[..., None], seen[..., None]), -1)[..., 1:, :]
        out = self.layers(known.flatten(-2))
        up = out[..., :3] + table((0.0, 1.0, 0.0), out.device, out.dtype)
        return nn.functional.normalize(up, dim=-1), 0.15 * out[..., 3].clamp(-4, 3).exp()

    @classmethod
    def from_checkpoint(cls, path: str | Path) -> UpNetwork:
        """From a file that ``semtta.training.lean`` wrote; raises SemttaError for any other."""
        tensors, _ = load_weights(path, "lean")
        model = cls()
        load_strictly(model, {name: value.float() for name, value in tensors.items()}, path)
        return model.eval().requires_grad_(False)


@lru_cache(maxsize=4)
def included(device: torch.device) -> UpNetwork:
    """The included network, on a device."""
    return UpNetwork.from_checkpoint(assets.verify("lean.safetensors")).to(device)


def camera_up(up: Tensor, sure: Tensor, rays: Tensor) -> Tensor:
    """Which way is up for the camera in each frame [T, 3], from what bodies say whose legs are seen.

    A person stays where they are while a camera tilts and pans: up has a constant direction relative to the ray to their neck.

    Args:
        up: unit vectors [T, 3], camera frame (y down), by the bodies.
        sure: weights [T] of the frames, at most 1; 0: the frame says nothing.
        rays: rotations [T, 3, 3] from the frame of the ray to the neck to the camera's.
    """
    level = up.new_tensor((0.0, -1.0, 0.0))
    said = (rays.mT @ up[..., None])[..., 0] * sure[..., None]
    assumed = (rays.mT @ level) * (_LEVEL / len(up))
    return (rays @ nn.functional.normalize((said + assumed).sum(0), dim=-1)[..., None])[..., 0]


def rays_to(points: Tensor, places: FrameBatch) -> Tensor:
    """Rotations [N, 3, 3] of the rays through points [N, 2] of the 224 crops of N frames, to the camera's frame."""
    return ray_rotation(uncrop_points(points[:, None], places.boxes)[:, 0], places.intrinsics)


def lean_loss(global_rotation: Tensor, up: Tensor, camera: Tensor, usual: Tensor, weight: Tensor) -> Tensor:
    """How far a body leans beyond what is usual [N], radians, times weight [N].

    Args:
        global_rotation: of the pelvis [N, 3, 3], into the camera frame.
        up: by the pose [N, 3], in the frame of the pelvis.
        camera: up [N, 3] in the camera frame.
        usual: the angle between the two that says nothing [N], radians.
        weight: [N].
    """
    cosine = ((global_rotation @ up[..., None])[..., 0] * camera).sum(-1)
    chord = (2 - 2 * cosine + 1e-6).sqrt()  # the angle, where it is small
    return weight * (chord - usual).clamp(min=0)


@register("lean", settings=LeanSettings)
def lean(context: StepContext, settings: LeanSettings) -> Tensor | None:
    """How far the body leans where its legs are not seen, beyond what is usual for its pose.

    Of each frame [N]; None where nothing is known of the clip as a whole.
    """
    clip = context.clip
    if clip is None:
        return None
    network = included(context.joints.device)
    with torch.no_grad():
        up, error = network(pelvis_frame_positions(clip.rotations), clip.visible)
        legs = clip.visible.index_select(-1, table(_LEGS, up.device)).mean(-1)
        sure = (_CERTAIN / error).clamp(max=1) ** 2
        rays = rays_to(clip.projected[:, _NECK], clip.places)
        above = camera_up((clip.rotations[:, 0] @ up[..., None])[..., 0], sure * (legs >= _SEEN), rays)
    frames = context.frames
    weight = sure * (1 - legs)
    return lean_loss(context.prediction.rotations[:, 0], up[frames], above[frames], error[frames], weight[frames])
