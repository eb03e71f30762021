"""A part of a video: some frames in a row, with all that is known of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch

from ..types import FrameSource, Video, frame_times


@dataclass(frozen=True)
class FrameRange:
    """Frames ``start`` to ``stop`` (exclusive) of a source, which decodes no further than it must."""

    frames: FrameSource
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def fps(self) -> float:
        """Of the source, where it has one."""
        return float(getattr(self.frames, "fps", 30.0))

    def __iter__(self) -> Iterator[np.ndarray]:
        between = getattr(self.frames, "between", None)  # a file need not convert the pictures before
        return islice(iter(self.frames), self.start, self.stop) if between is None else between(self.start, self.stop)


def part(video: Video, start: int, stop: int) -> Video:
    """Frames ``start`` to ``stop`` (exclusive) of a video with their annotations; the video itself if that is all of it."""
    if (start, stop) == (0, video.num_frames):
        return video
    source, rows = video.frames, slice(start, stop)
    frames = FrameRange(source, start, stop)
    if isinstance(source, FrameRange):
        frames = FrameRange(source.frames, source.start + start, source.start + stop)
    labels = tuple(
        replace(label, start=max(label.start - start, 0), stop=min(label.stop, stop) - start)
        for label in video.labels
        if label.start < stop and label.stop > start
    )
    truth, keypoints, times = video.ground_truth, video.keypoints, video.times_s
    index = torch.arange(video.num_frames) if video.frame_index is None else video.frame_index
    seconds = frame_times(video.num_frames, video.fps, times)
    return replace(
        video, frames=frames, num_frames=stop - start, labels=labels, frame_index=index[rows],
        ground_truth=None if truth is None else truth[rows], keypoints=None if keypoints is None else keypoints[rows],
        boxes=None if video.boxes is None else video.boxes[rows],
        times_s=None if times is None else times[rows] - times[start], start_s=video.start_s + float(seconds[start]),
        camera_path=None if video.camera_path is None else video.camera_path[rows],
        cuts=tuple(cut - start for cut in video.cuts if start < cut < stop),
        shot=video.shot + sum(cut <= start for cut in video.cuts),
    )  # fmt: skip
