"""What every estimator offers: frames of a clip in, SMPL-format parameters out."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from ..constants import table
from ..geometry import CROP_FOCAL_PX, image_focal_px, project_to_crop
from ..registry import Registry, Settings
from ..types import Camera, FrameBatch, Prediction


class EstimatorSettings(Settings):
    """Of an estimator."""

    weights: str | None = Field(None, description="weights file; None: the included or imported one")


class Estimator(nn.Module):
    """Base class: a network with what the toolkit must know of its input.

    Attributes are defaults that a subclass or an instance overrides:
        crop_px: side of the square crops that it takes; None: it takes none, so nothing is decoded or cropped for it.
        focal_px: of its crop's camera, in pixels of a 224 crop.
        box_scale: side of the square box / extent of the visible joints.
        box_aspect: height / width of the middle of the crop that it looks at; a person wider than that gets a larger box.
        in_crops: whether its global rotation is into the frame of the crop's own camera, which looks along the ray to the crop's
            middle; it is turned into the picture's where that one's camera is known.
        takes_landmarks: whether it looks at ``FrameBatch.landmarks``; a run finds them for it where it can.
        last: beginnings of the names of the parameters that ``loop.trainable=last`` adapts.
    """

    name: str = ""
    crop_px: int | None = None
    focal_px: float = CROP_FOCAL_PX
    box_scale: float = 1.2
    box_aspect: float = 1.0
    in_crops: bool = False
    takes_landmarks: bool = False
    last: tuple[str, ...] = ()

    def forward(self, batch: FrameBatch) -> Prediction:
        """Parameters of the N frames of a batch. They may depend on the clip's evidence, not on the batch's other frames."""
        raise NotImplementedError

    def picture_camera(self, size: tuple[int, int]) -> Camera:
        """The camera that the estimator assumes for pictures of ``size`` (width, height) where none is known."""
        return Camera(image_focal_px(size), (size[0] / 2, size[1] / 2), "assumed: 5000 px at 224, as of the crop")

    def camera_for(self, size: tuple[int, int], known: Camera | None) -> Camera:
        """The camera that a clip is adapted by, as in ``intrinsics``; its own is ``known`` (None: it is not known).

        By default the assumed one, which the estimator's weights or numbers go with; the result is turned and placed afterwards.
        """
        return self.picture_camera(size)

    def project(self, joints: Tensor, camera: Tensor, batch: FrameBatch) -> Tensor:
        """Joints [N, J, 3] around the body's origin to pixels [N, J, 2] of the batch's 224 crops; by the crop's own camera."""
        return project_to_crop(joints, camera, self.focal_px)


class CropEstimator(Estimator):
    """A network that looks at one crop at a time; subclasses give ``from_images``.

    ``channels_last``: the types of device on which its images have their channels last, where convolutions are faster so. On
    a CPU the published networks lose more to rounding so, and gain nothing (docs/conventions.md has the numbers).
    """

    crop_px: int = 224
    in_crops = True
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)  # ImageNet
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    channels_last: tuple[str, ...] = ("cuda",)

    def normalise(self, crops: Tensor) -> Tensor:
        """uint8 RGB [N, 3, S, S] -> float32 images as ``from_images`` takes them."""
        scale = table(self.std, crops.device, torch.float32).view(3, 1, 1) * 255
        shift = table(self.mean, crops.device, torch.float32).view(3, 1, 1) * 255
        last = crops.device.type in self.channels_last
        return ((crops - shift) / scale).contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)

    def from_images(self, images: Tensor) -> Prediction:
        """Normalised images [N, 3, S, S] -> parameters."""
        raise NotImplementedError

    def forward(self, batch: FrameBatch) -> Prediction:
        """Parameters of the batch's crops."""
        assert batch.crops is not None, "this estimator needs crops"
        return self.from_images(self.normalise(batch.crops))


#: Suits the published networks: their training warped images with OpenCV.
CROPS_AS_TRAINED = {"crop.resample": "opencv"}

estimators: Registry[Estimator] = Registry(
    "estimator", {name: f"{__package__}.{name.replace('-', '_')}" for name in ("open", "open-image", "hmr", "hmr2", "motion")}
)
register = estimators.register
