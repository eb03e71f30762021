"""A loss term of one's own: limbs of the projection point where the detected limbs point.

A detector that places a whole limb some pixels off still gets its direction right, so the term does not look at positions.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

import semtta
from semtta.constants import SMPL29
from semtta.runs.demo import CLIP
from semtta.settings import Settings

BONES = [
    (SMPL29.index(f"{side}_{upper}"), SMPL29.index(f"{side}_{lower}"))
    for side in "LR"
    for upper, lower in (("Hip", "Knee"), ("Knee", "Ankle"), ("Shoulder", "Elbow"), ("Elbow", "Wrist"))
]


class BoneSettings(Settings):
    """Of ``bones``; on the command line ``--set losses.bones.weight=0.1``."""

    weight: float = Field(0.05, ge=0, description="in Eq. 10; 0: the term is left out")
    shortest: float = Field(8.0, ge=0, description="pixels of the 224 crop; a detected limb that is shorter has no direction")


@semtta.losses.register("bones", settings=BoneSettings)
def bones(context: Any, settings: BoneSettings) -> Tensor:
    """1 - cosine of the angle between projected and detected limbs, mean over those that are seen: [N]."""
    upper, lower = torch.tensor(BONES, device=context.projected.device).unbind(1)
    predicted = context.projected[:, lower] - context.projected[:, upper]  # [N, B, 2]
    detected = context.evidence.points[:, lower] - context.evidence.points[:, upper]
    seen = context.evidence.present[:, lower] & context.evidence.present[:, upper]
    seen = seen & (detected.norm(dim=-1) >= settings.shortest)
    error = 1 - torch.cosine_similarity(predicted, detected, dim=-1, eps=1e-6)
    return error.where(seen, 0).sum(1) / seen.sum(1).clamp(min=1)


def main(out: Path = Path("out/custom_loss"), settings: Mapping[str, Any] | None = None) -> semtta.AdaptResult:
    """A result whose history has the new term."""
    video = semtta.load_video(CLIP / "walk.mp4", keypoints=CLIP / "keypoints.npz", label="walking")
    terms = {"losses": ["2d", "align", "pose", "shape", "bones"], "losses.bones.weight": 0.1}
    result = semtta.adapt(video, prior="infill", labeler="fixed", settings={**terms, **(settings or {})})
    for number, record in enumerate(result.history, start=1):
        print(f"epoch {number}: 2d {record['loss_2d']:.2f}, bones {record['loss_bones']:.3f}")
    result.save(out, video=video)
    return result


if __name__ == "__main__":
    main()
