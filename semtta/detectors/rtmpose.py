"""RTMPose through rtmlib (ONNX): several people. rtmlib downloads the weights on first use."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field

from ..errors import SemttaError, first_line, missing_extra
from ..registry import Settings
from ..types import FrameSource, Keypoints2D
from .base import register
from .download import loaded
from .tracks import to_people

#: Where rtmlib downloads its weights from.
WEIGHTS = "https://download.openmmlab.com"


class RTMPose:
    """A detector of everyone in the frame; COCO-17 joints, with the model's score as confidence.

    Args:
        mode: rtmlib's model size: "lightweight", "balanced" or "performance".
        device: "cpu" or "cuda".
        model: a ``rtmlib.Body``; by default one is built on first use.
    """

    def __init__(self, mode: str = "balanced", device: str = "cpu", model: Any = None) -> None:
        self._mode, self._device, self._model = mode, device, model

    def detect(self, frames: FrameSource, size: tuple[int, int]) -> list[Keypoints2D]:
        """The keypoints [T, 17] of each person, in pixels, the largest and longest track first."""
        model = self._model or self._load()
        poses = []
        for frame in frames:
            picture = np.ascontiguousarray(frame[..., ::-1])  # rtmlib wants OpenCV's channel order
            boxes = model.det_model(picture)
            if not len(boxes):  # its pose model would treat the whole image as a person
                poses.append(np.zeros((0, 17, 3)))
                continue
            xy, scores = model.pose_model(picture, bboxes=boxes)
            poses.append(np.concatenate([xy, np.asarray(scores)[..., None].clip(0, 1)], -1))
        return to_people(poses, "coco17", f"rtmpose ({self._mode})")

    def _load(self) -> Any:
        try:
            from rtmlib import Body
        except ImportError as error:
            raise missing_extra("The rtmpose detector", "rtmpose", error) from error
        try:
            what = f"RTMPose '{self._mode}'"
            return loaded(lambda: Body(mode=self._mode, backend="onnxruntime", device=self._device), WEIGHTS, what)
        except (KeyError, OSError, RuntimeError, ValueError) as error:
            raise SemttaError(
                f"rtmlib cannot load RTMPose '{self._mode}' ({first_line(error)}). The first use needs a network, "
                "to download its weights."
            ) from error


class RTMPoseSettings(Settings):
    """Settings of ``rtmpose``."""

    mode: Literal["lightweight", "balanced", "performance"] = Field("balanced", description="rtmlib's model size")
    device: Literal["cpu", "cuda"] = Field("cpu", description="device of onnxruntime")


@register("rtmpose", settings=RTMPoseSettings)
def rtmpose(settings: RTMPoseSettings) -> RTMPose:
    """RTMPose through rtmlib (ONNX): everyone in the image; weights are downloaded once."""
    return RTMPose(settings.mode, settings.device)
