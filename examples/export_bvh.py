"""Save a result and export it for animation software (BVH). ``glb``, ``csv`` and ``npz`` (AMASS) work the same way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import semtta
from semtta.export import export
from semtta.runs.demo import CLIP


def main(out: Path = Path("out/export_bvh"), settings: Mapping[str, Any] | None = None) -> Path:
    """The file, in the folder of the run."""
    video = semtta.load_video(CLIP / "walk.mp4", keypoints=CLIP / "keypoints.npz", label="walking")
    result = semtta.adapt(video, prior="infill", labeler="fixed", settings=settings)
    folder = result.save(out, video=video)

    # A result in memory, or the folder of an earlier run. y is up and the unit is the centimetre, as BVH's readers expect.
    path = export(folder, to="bvh", unit="cm")
    print(f"wrote {path}")
    return path


if __name__ == "__main__":
    main()
