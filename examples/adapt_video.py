"""Adapt a video and read joints from the result: how far does each ankle swing, seen from the pelvis?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import semtta
from semtta.constants import SMPL24
from semtta.runs.demo import CLIP


def main(out: Path = Path("out/adapt_video"), settings: Mapping[str, Any] | None = None) -> dict[str, float]:
    """Distances in metres by joint; the files of the run are in ``out``."""
    # Your own: any video file. Without keypoints a detector finds them; OpenPose, COCO, AlphaPose and npz are read.
    video = semtta.load_video(CLIP / "walk.mp4", keypoints=CLIP / "keypoints.npz", label="walking")
    result = semtta.adapt(video, estimator="open", prior="infill", labeler="fixed", settings=settings)

    joints = result.joints - result.joints[:, :1]  # [T, 24, 3] metres from the pelvis: x right, y down, z forward
    swing = {}
    for name in ("L_Ankle", "R_Ankle"):
        path = joints[:, SMPL24.index(name)]
        swing[name] = (path.amax(0) - path.amin(0)).norm().item()
        print(f"{name}: {swing[name]:.2f} m in {len(path) / result.fps:.1f} s")

    folder = result.save(out, video=video)
    print(f"motion, keypoints, labels, overlay and report: {folder}")
    return swing


if __name__ == "__main__":
    main()
