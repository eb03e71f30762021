"""Crops of the person: each frame is decoded and warped once, and kept as bytes.

Pixel (i, j) of an image or a crop covers [i, i + 1) x [j, j + 1), so its centre is at i + 0.5. The box covers the crop
exactly, so the image point p is at ``geometry.crop_points(p)`` of a 224 crop. Pixels outside the image are black.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from ..errors import CannotWrite, SemttaError
from ..geometry.crops import crop_square, warp_square
from ..types import FrameSource, Progress, Video

#: Number of frames decoded ahead of the warping.
_AHEAD = 16
#: How a crop's pixels are made of the picture's.
RESAMPLING: Mapping[str, Callable[[np.ndarray, list[float], int], np.ndarray]] = {"antialias": crop_square, "opencv": warp_square}
#: Bytes of crops that are held in memory; more lie in a file that is mapped into it, of which the system keeps what fits.
IN_MEMORY = 1 << 30
#: Largest side of a box, relative to the image's longer side.
MAX_SIDE = 8


def build_crops(
    video: Video, boxes: Tensor | None, size: int, progress: Progress | None = None, workers: int = 2, resample: str = "antialias"
) -> Tensor:
    """Crops of the person in every frame of a video: uint8 RGB [T, 3, size, size]. Only a few frames are in memory at a time.

    The crops of a long video (``IN_MEMORY``) are in a file without a name in the system's folder for temporary files, which goes
    with the process.

    Args:
        video: its ``frames`` are read once.
        boxes: [T, 3] (centre x, centre y, side; pixels), by default the video's.
        size: side of the crops, pixels.
        progress: follows the frames.
        workers: threads that warp while the next frames are decoded.
        resample: a name of ``RESAMPLING``.

    Raises:
        SemttaError: a box that is not finite or empty, another number of boxes than frames, or frames that no longer decode.
    """
    boxes = video.boxes if boxes is None else boxes
    if boxes is None:
        raise SemttaError(f"{video.name} has no boxes: load it with keypoints, a detector or boxes.")
    if tuple(boxes.shape) != (video.num_frames, 3):
        raise SemttaError(f"Boxes are {list(boxes.shape)} for a video of {video.num_frames} frames: expected [T, 3].")
    rows = check_boxes(boxes, video.size).tolist()
    pixels, done = _room((len(rows), 3, size, size)), 0
    for done, crop in enumerate(_crop_all(video.frames, rows, size, workers, RESAMPLING[resample]), 1):
        pixels[done - 1] = crop.transpose(2, 0, 1)
        if progress:
            progress("cropping", done, len(rows))
    if done < len(rows):
        raise SemttaError(f"{video.source or video.name}: only {done} of {len(rows)} frames decode now. Has the file changed?")
    return torch.from_numpy(pixels)


def _room(shape: tuple[int, ...]) -> np.ndarray:
    """An array of bytes to be filled, in memory or, if it is large, in a file."""
    size = math.prod(shape)
    if size <= IN_MEMORY:
        return np.empty(shape, np.uint8)
    try:
        with tempfile.TemporaryFile() as file:
            if hasattr(os, "posix_fallocate"):  # a disk that fills up later would end the process without a word
                os.posix_fallocate(file.fileno(), 0, size)
            return np.memmap(file, np.uint8, "r+", shape=shape)
    except OSError as error:
        needed = f"{size / 1e9:.1f} GB are needed for the crops of {shape[0]} frames"
        raise CannotWrite(tempfile.gettempdir(), f"{error.strerror or error}; {needed} (TMPDIR names another folder)") from error


def _crop_all(
    frames: FrameSource, boxes: list[list[float]], size: int, workers: int, crop: Callable[..., np.ndarray]
) -> Iterator[np.ndarray]:
    waiting: deque[Future[np.ndarray]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for frame, box in zip(frames, boxes, strict=False):
            waiting.append(pool.submit(crop, frame, box, size))
            if len(waiting) == _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def check_boxes(boxes: Tensor, image_size: tuple[int, int]) -> Tensor:
    """The boxes [T, 3] as float64 on the CPU; raises SemttaError for an invalid one.

    Invalid boxes are not finite, have no positive side, or are more than ``MAX_SIDE`` times larger than the image.
    """
    boxes = boxes.detach().cpu().double()
    invalid = ~torch.isfinite(boxes).all(-1) | (boxes[:, 2] <= 0) | (boxes[:, 2] > MAX_SIDE * max(image_size))
    if invalid.any():
        frame = int(invalid.nonzero()[0])
        values = ", ".join(f"{v:g}" for v in boxes[frame].tolist())
        raise SemttaError(
            f"The box of frame {frame} is ({values}): a box is centre x, centre y and a side above 0, in pixels of the "
            f"{image_size[0]} x {image_size[1]} image. Check the boxes or the keypoints."
        )
    return boxes
