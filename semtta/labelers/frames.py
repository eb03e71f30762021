"""The images that a model sees of a span: a few frames, cropped around the person, downscaled and compressed."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..errors import SemttaError
from ..types import Video
from .settings import VLMSettings

Box = tuple[float, float, float, float]  # left, top, right, bottom
_MARK = (255, 60, 0)


@dataclass(frozen=True)
class SpanFrames:
    """A few frames of a span, cropped to one region and downscaled."""

    start: int
    stop: int
    numbers: tuple[int, ...]  # of the frames in the video
    images: tuple[np.ndarray, ...]  # uint8 RGB [h, w, 3], nothing drawn on them
    people: tuple[Box | None, ...]  # box of the person in each, pixels of the images
    seconds: float  # duration of the span


def spread_frames(start: int, stop: int, count: int) -> list[int]:
    """``count`` evenly spread frame numbers from start to stop (exclusive), or all if there are fewer."""
    length = stop - start
    count = min(count, length)
    return [start + int((i + 0.5) * length / count) for i in range(count)]


def sample_span_frames(video: Video, spans: Sequence[tuple[int, int]], settings: VLMSettings) -> Iterator[SpanFrames]:
    """Yield the frames of each span as soon as they are decoded; the video is read once, in order.

    Raises SemttaError if the video ends before its last span.
    """
    numbers = [spread_frames(start, stop, settings.frames) for start, stop in spans]
    regions = [_region(video, start, stop, settings.margin) for start, stop in spans]
    wanted: dict[int, list[int]] = {}  # frame -> spans
    for span, frames in enumerate(numbers):
        for number in frames:
            wanted.setdefault(number, []).append(span)
    cropped: dict[int, list[tuple[np.ndarray, Box | None]]] = {span: [] for span in range(len(spans))}
    for number, frame in enumerate(video.frames):
        for span in wanted.pop(number, ()):
            cropped[span].append(_crop(frame, regions[span], _person(video, number), settings.size_px))
            if len(cropped[span]) == len(numbers[span]):
                images, people = zip(*cropped.pop(span), strict=True)
                start, stop = spans[span]
                yield SpanFrames(start, stop, tuple(numbers[span]), images, people, (stop - start) / video.fps)
        if not wanted:
            return
    raise SemttaError(f"{video.source or video.name}: frame {min(wanted)} no longer decodes. Has the file changed?")


def encode(frames: SpanFrames, settings: VLMSettings, mark: bool) -> tuple[bytes, ...]:
    """JPEG files to send: one per frame, or a contact sheet of numbered frames; ``mark`` draws the person's box."""
    pictures = [
        _marked(image, box) if mark and box is not None else Image.fromarray(image)
        for image, box in zip(frames.images, frames.people, strict=True)
    ]
    if settings.layout == "sheet":
        pictures = [_sheet(pictures, settings.size_px)]
    return tuple(_jpeg(picture, settings.quality) for picture in pictures)


def should_mark(video: Video, settings: VLMSettings) -> bool:
    """Whether to mark the person; with ``auto`` if other people may be in view."""
    return settings.mark == "always" or (settings.mark == "auto" and video.people != 1)


def _region(video: Video, start: int, stop: int, margin: float) -> Box:
    """One region for the whole span, so that motion across the image stays visible; the whole image without boxes."""
    width, height = video.size
    if video.boxes is None:
        return 0, 0, width, height
    x, y, side = (column.numpy() for column in video.boxes[start:stop].double().cpu().unbind(-1))
    reach = side * margin / 2
    region = (x - reach).min(), (y - reach).min(), (x + reach).max(), (y + reach).max()
    left, top = max(0, math.floor(region[0])), max(0, math.floor(region[1]))
    right, bottom = min(width, math.ceil(region[2])), min(height, math.ceil(region[3]))
    if right - left < 2 or bottom - top < 2:  # the person is outside the image
        return 0, 0, width, height
    return left, top, right, bottom


def _person(video: Video, frame: int) -> Box | None:
    """The box of the detected joints plus a margin of a tenth, else the crop's box; None if there is neither."""
    if video.keypoints is not None:
        seen = video.keypoints.confidence[frame] > 0.3
        points = video.keypoints.xy[frame][seen].double().cpu().numpy()
        points = points[np.isfinite(points).all(-1)]
        if len(points) > 1:
            (left, top), (right, bottom) = points.min(0), points.max(0)
            pad = 0.1 * max(right - left, bottom - top)
            return left - pad, top - pad, right + pad, bottom + pad
    if video.boxes is None:
        return None
    x, y, side = video.boxes[frame].tolist()
    return x - side / 2, y - side / 2, x + side / 2, y + side / 2


def _crop(frame: np.ndarray, region: Box, person: Box | None, size: int) -> tuple[np.ndarray, Box | None]:
    left, top, right, bottom = (int(v) for v in region)
    picture = Image.fromarray(np.ascontiguousarray(frame[top:bottom, left:right]))
    scale = min(1.0, size / max(picture.size))
    if scale < 1:
        scaled = tuple(max(1, round(v * scale)) for v in picture.size)
        picture = picture.resize((scaled[0], scaled[1]), Image.Resampling.LANCZOS, reducing_gap=3.0)
    if person is not None:
        person = tuple((v - o) * scale for v, o in zip(person, (left, top, left, top), strict=True))  # type: ignore[assignment]
    return np.asarray(picture), person


def _marked(image: np.ndarray, box: Box) -> Image.Image:
    picture = Image.fromarray(image)
    width, height = picture.size
    left, right = (min(max(v, 0), width - 1) for v in box[::2])
    top, bottom = (min(max(v, 0), height - 1) for v in box[1::2])
    if right > left and bottom > top:
        ImageDraw.Draw(picture).rectangle((left, top, right, bottom), outline=_MARK, width=max(2, max(picture.size) // 150))
    return picture


def _sheet(pictures: Sequence[Image.Image], size: int) -> Image.Image:
    """A contact sheet: numbered frames row by row in one image of at most ``size`` pixels per side."""
    columns = math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    width, height = pictures[0].size
    scale = min(1.0, size / (columns * width), size / (rows * height))
    width, height = max(1, int(width * scale)), max(1, int(height * scale))
    sheet = Image.new("RGB", (columns * width, rows * height))
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(max(10, height // 10))
    for i, picture in enumerate(pictures):
        corner = (i % columns * width, i // columns * height)
        sheet.paste(picture.resize((width, height), Image.Resampling.LANCZOS), corner)
        draw.text((corner[0] + 3, corner[1] + 1), str(i + 1), (255, 255, 255), font, stroke_width=2, stroke_fill=(0, 0, 0))
    return sheet


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
