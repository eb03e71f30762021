"""Labels for parts of a video, in a CSV file: rows of start, stop (the frame after the last) and what the person does.

The file may also be a ``labels.json`` of an earlier run, or the CSV that the review page of ``semtta label`` saves.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import semtta
from semtta.runs.demo import CLIP

LABELS = """\
start,stop,label
0,90,walking
90,120,None
"""


def main(out: Path = Path("out/labels_from_file"), settings: Mapping[str, Any] | None = None) -> semtta.AdaptResult:
    """The result; frames whose label is None are adapted to their keypoints and the denoiser alone."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "labels.csv"
    path.write_text(LABELS)

    video = semtta.load_video(CLIP / "walk.mp4", keypoints=CLIP / "keypoints.npz")
    # A label covers `labels.frames` frames; each span takes the label that most of its frames carry in the file.
    result = semtta.adapt(video, prior="infill", labeler=f"file:{path}", settings={"labels.frames": 30, **(settings or {})})
    for item in result.labels:
        print(f"frames {item.start} to {item.stop - 1}: {item.label}")
    return result


if __name__ == "__main__":
    main()
