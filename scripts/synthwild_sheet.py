"""Contact sheet of synthwild: a frame of every clip's first, middle and last part, with keypoints and label.

python scripts/synthwild_sheet.py docs/synthwild.jpg
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from semtta.datasets import datasets
from semtta.types import Keypoints2D, Video

CELL = (200, 150)
MOMENTS = (0.08, 0.5, 0.92)
PER_ROW = 2


def strip(video: Video, title: str) -> np.ndarray:
    """Frames [150, 600, 3] of a clip side by side."""
    wanted = {round(moment * (video.num_frames - 1)) for moment in MOMENTS}
    assert video.keypoints is not None
    cells = [_cell(frame, video.keypoints, t) for t, frame in enumerate(video.frames) if t in wanted]
    image = Image.fromarray(np.concatenate(cells, 1))
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, 7 + pen.textlength(title), 13), fill=(0, 0, 0))
    pen.text((4, 1), title, fill=(255, 255, 255))
    return np.asarray(image)


def _cell(frame: np.ndarray, keypoints: Keypoints2D, t: int) -> np.ndarray:
    image = Image.fromarray(frame)
    pen = ImageDraw.Draw(image)
    for (x, y), confidence in zip(keypoints.xy[t].tolist(), keypoints.confidence[t].tolist(), strict=True):
        if confidence > 0:
            pen.ellipse((x - 3, y - 3, x + 3, y + 3), fill=(255, 220, 0), outline=(0, 0, 0))
    return np.asarray(image.resize(CELL))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    strips = []
    for split in ("test", "val"):
        dataset = datasets.create("synthwild", split=split)
        for row in dataset.rows:
            strips.append(strip(dataset.load(row["name"]), f"{split}: {row['label']} ({row['situation']})"))
    rows = [np.concatenate(strips[i : i + PER_ROW], 1) for i in range(0, len(strips), PER_ROW)]
    Image.fromarray(np.concatenate(rows)).save(out, quality=82)
    print(f"{out}: {out.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
