"""ViTPose and a person detector through transformers. Their weights are downloaded from the hub on first use."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from ..errors import SemttaError, first_line, missing_extra
from ..registry import Settings
from ..types import FrameSource, Keypoints2D
from .base import register
from .download import loaded
from .tracks import to_people

#: Where transformers downloads weights from.
HUB = "https://huggingface.co"
#: COCO's class of people, in the person detector's output.
PERSON = 0


class ViTPose:
    """A detector of everyone in the frame; COCO-17 joints, with the heat map's peak as confidence.

    Args:
        pose_model: hub name or folder of a ``VitPoseForPoseEstimation``, or a pair (image processor, model).
        person_model: the same for an object detector of COCO's classes (RT-DETR).
        threshold: smallest score of a detected person.
        device: torch device.
    """

    def __init__(
        self,
        pose_model: str | tuple[Any, Any] = "usyd-community/vitpose-base-simple",
        person_model: str | tuple[Any, Any] = "PekingU/rtdetr_r50vd_coco_o365",
        threshold: float = 0.5,
        device: str = "cpu",
    ) -> None:
        self._pose, self._person, self._threshold, self._device = pose_model, person_model, threshold, device

    @torch.no_grad()
    def detect(self, frames: FrameSource, size: tuple[int, int]) -> list[Keypoints2D]:
        """The keypoints [T, 17] of each person, in pixels, the largest and longest track first."""
        prepare_person, person_model = self._load(self._person, "AutoModelForObjectDetection")
        prepare_pose, pose_model = self._load(self._pose, "VitPoseForPoseEstimation")
        poses = []
        for frame in frames:
            boxes = self._find(prepare_person, person_model, frame)
            if not len(boxes):
                poses.append(np.zeros((0, 17, 3)))
                continue
            inputs = prepare_pose(frame, boxes=[boxes], return_tensors="pt").to(self._device)
            people = prepare_pose.post_process_pose_estimation(pose_model(**inputs), boxes=[boxes])[0]
            joints = [torch.cat([p["keypoints"], p["scores"].reshape(-1, 1).clamp(0, 1)], -1) for p in people]
            poses.append(torch.stack(joints).cpu().numpy())
        return to_people(poses, "coco17", "vitpose")

    def _find(self, prepare: Any, model: Any, frame: np.ndarray) -> np.ndarray:
        """Boxes [P, 4] of people: left, top, width, height."""
        inputs = prepare(frame, return_tensors="pt").to(self._device)
        sizes = torch.tensor([frame.shape[:2]])
        detected = prepare.post_process_object_detection(model(**inputs), target_sizes=sizes, threshold=self._threshold)[0]
        boxes: Tensor = detected["boxes"][detected["labels"] == PERSON].cpu()
        return torch.cat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], -1).numpy()

    def _load(self, source: str | tuple[Any, Any], kind: str) -> tuple[Any, Any]:
        if not isinstance(source, str):
            return source
        try:
            import transformers
        except ImportError as error:
            raise missing_extra("The vitpose detector", "vitpose", error) from error
        try:
            hub = os.environ.get("HF_ENDPOINT", HUB)
            processor, model = loaded(
                lambda: (
                    transformers.AutoImageProcessor.from_pretrained(source),
                    getattr(transformers, kind).from_pretrained(source),
                ),
                hub,
                f"'{source}'",
            )
        except (OSError, ValueError) as error:
            raise SemttaError(
                f"Cannot load '{source}' ({first_line(error)}). Give a folder, or connect to a network for the first use."
            ) from error
        return processor, model.eval().to(self._device)


class ViTPoseSettings(Settings):
    """Settings of ``vitpose``."""

    pose_model: str = Field("usyd-community/vitpose-base-simple", description="hub name or folder of the pose model")
    person_model: str = Field("PekingU/rtdetr_r50vd_coco_o365", description="hub name or folder of the person detector")
    threshold: float = Field(0.5, ge=0, le=1, description="smallest score of a detected person")
    device: str = Field("cpu", pattern=r"^(cpu|mps|cuda(:\d{1,2})?)$", description="torch device")


@register("vitpose", settings=ViTPoseSettings)
def vitpose(settings: ViTPoseSettings) -> ViTPose:
    """ViTPose and a person detector through transformers: everyone in the image; weights are downloaded once."""
    return ViTPose(settings.pose_model, settings.person_model, settings.threshold, settings.device)
