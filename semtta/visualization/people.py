"""A picture of the people of a video with their numbers, to choose by."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data.parts import FrameRange
from ..data.people import extents, seconds_of
from ..errors import SemttaError
from ..geometry.crops import crop_square
from ..io.files import write_atomically
from ..rendering.drawing import draw_caption
from ..types import Video

#: Side of a person's picture, and how many are in a row.
SIDE, ROW = 240, 5
PICTURES = (".jpg", ".jpeg", ".png")


def require_picture(path: Path) -> None:
    """SemttaError for a path that does not name a picture."""
    if path.suffix.lower() not in PICTURES:
        raise SemttaError(f"{path} does not name a picture: end it with {' or '.join(PICTURES)}.")


def write_people(people: Sequence[Video], path: str | Path) -> None:
    """Each person of ``load_people`` where they are seen best, with number and time, as one JPEG or PNG."""
    from PIL import Image

    path = Path(path)
    require_picture(path)
    sheet = Image.fromarray(contact_sheet(people))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda place: sheet.save(place, "PNG" if path.suffix.lower() == ".png" else "JPEG"))


def contact_sheet(people: Sequence[Video]) -> NDArray[np.uint8]:
    """Crops of the people, ``ROW`` in a row: uint8 [H, W, 3]. The frames are decoded at most once."""
    rows = -(-len(people) // ROW)
    sheet = np.full((rows * SIDE, min(len(people), ROW) * SIDE, 3), 32, np.uint8)
    wanted: dict[int, list[int]] = {}
    best = [best_frame(video) for video in people]
    for number, (video, frame) in enumerate(zip(people, best, strict=True)):
        offset = video.frames.start if isinstance(video.frames, FrameRange) else 0
        wanted.setdefault(offset + frame, []).append(number)
    source = people[0].frames
    whole = source.frames if isinstance(source, FrameRange) else source
    first, last = min(wanted), max(wanted)
    for place, picture in enumerate(FrameRange(whole, first, last + 1), first):
        for number in wanted.get(place, ()):
            video, frame = people[number], best[number]
            low, high, _ = extents(video)
            x, y = (low[frame] + high[frame]) / 2
            crop = crop_square(picture, [float(x), float(y), 1.3 * float((high - low)[frame].max()) + 8], SIDE).copy()
            draw_caption(crop, f"{video.person}: {seconds_of(video)[frame]:.1f} s", 6, 6)
            row, column = divmod(number, ROW)
            sheet[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE] = crop
    return sheet


def best_frame(video: Video) -> int:
    """The frame in which a person is seen best: the most and surest joints, the largest."""
    low, high, _ = extents(video)
    assert video.keypoints is not None
    sure = video.keypoints.confidence.cpu().numpy().sum(-1)
    return int((sure * np.sqrt((high - low).max(-1))).argmax())
