"""Lazily decoded frames: video files through PyAV, or arrays in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import SemttaError
from ..types import Progress

if TYPE_CHECKING:
    import av

#: Formats in which FFmpeg renders text files as images.
_TEXT_FORMATS = {"tty", "bin", "xbin", "adf", "idf"}
#: Fraction of the declared duration that must decode for a file to count as complete.
_WHOLE = 0.9


class ArrayFrames:
    """Frames in memory: uint8 RGB [T, H, W, 3], or a sequence of [H, W, 3]."""

    def __init__(self, frames: Any) -> None:
        self._frames = frames
        for frame in frames:
            if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
                raise SemttaError(f"A frame is {frame.dtype} {list(frame.shape)}: frames are uint8 RGB arrays [H, W, 3].")

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter(self._frames)


@dataclass(frozen=True)
class VideoFile:
    """A video file that has been decoded once. Iterating decodes it again, frame by frame: upright, uint8 RGB [H, W, 3]."""

    path: Path
    num_frames: int  # frames that decode
    size: tuple[int, int]  # width, height in pixels, as displayed
    times_s: np.ndarray  # [T] presentation times since the first frame, or frame number / fps if the file has none
    fps: float  # average over the clip
    whole: bool = True  # False: the file is truncated or damaged
    messages: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.num_frames

    def __iter__(self) -> Iterator[np.ndarray]:
        decoder = _Decoder(self.path)
        for _, frame in zip(range(self.num_frames), decoder, strict=False):
            turns = _quarter_turns(frame)
            width, height = self.size if turns % 2 == 0 else self.size[::-1]
            picture = frame.to_ndarray(format="rgb24", width=width, height=height)
            yield np.ascontiguousarray(np.rot90(picture, turns))

    @classmethod
    def open(cls, path: str | Path, progress: Progress | None = None) -> VideoFile:
        """Decode the file once, without keeping images, to get the number of frames and their times.

        Args:
            path: any video that FFmpeg decodes.
            progress: follows the frames; the total is the number that the file declares (0: not declared).

        Raises:
            SemttaError: no such file, not a video, or no frame decodes.
        """
        path = Path(path)
        decoder = _Decoder(path)
        times: list[float | None] = []
        last_good, first = 0, None
        for frame in decoder:
            first = first or frame
            times.append(frame.time)
            if not frame.is_corrupt:
                last_good = len(times)
            if progress:
                progress("reading", len(times), decoder.declared)
        count = last_good or len(times)  # drop frames that are cut off in the middle
        if first is None:
            raise SemttaError(f"No frame of {path} can be decoded: the file is empty or damaged. Give another copy of it.")
        fps, times_s, varies = _timing(times[:count], decoder.rate)
        messages = []
        whole = True
        declared_s = decoder.duration_s or 0.0
        if decoder.damaged or decoder.packets < decoder.declared or count < len(times):
            whole = False
            expected = max(decoder.declared, len(times))
            of = f" of {expected}" if expected > count else ""
            messages.append(f"{path.name} is truncated or damaged: using the {count}{of} frames that decode.")
        elif not decoder.declared and times_s[-1] + 1 / fps < _WHOLE * declared_s:
            whole = False
            stop_s = times_s[-1] + 1 / fps
            messages.append(f"{path.name} declares {declared_s:.1f} s but ends at {stop_s:.1f} s: using {count} frames.")
        if varies:
            messages.append(f"{path.name} has a variable frame rate: using its average of {fps:.2f} frames per second.")
        turned = _quarter_turns(first) % 2 == 1
        size = (first.height, first.width) if turned else (first.width, first.height)
        return cls(path, count, size, times_s, fps, whole, tuple(messages))


class _Decoder:
    """One pass over the decodable frames of a file. Packets that do not decode are skipped, the same ones in every pass."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.declared = 0  # number of frames that the container declares; 0: not declared
        self.packets = 0
        self.damaged = False
        self.duration_s: float | None = None
        self.rate: float | None = None

    def __iter__(self) -> Iterator[av.VideoFrame]:
        import av

        if not self.path.is_file():
            kind = "is a folder, not a video file" if self.path.is_dir() else "does not exist"
            raise SemttaError(f"{self.path} {kind}. Give the path of a video file.")
        if self.path.stat().st_size == 0:
            raise SemttaError(f"{self.path} is an empty file (0 bytes). Give another copy of the video.")
        try:
            container = av.open(str(self.path), metadata_errors="replace")
        except (av.FFmpegError, OSError) as error:
            raise SemttaError(
                f"{self.path} cannot be read as a video ({getattr(error, 'strerror', error)}): it is another kind of "
                "file, or was cut off before its index. Give an mp4, webm, mov, avi or gif."
            ) from error
        with container:
            streams = [s for s in container.streams.video if not s.disposition & s.disposition.attached_pic]
            if not streams or container.format.name in _TEXT_FORMATS:
                raise SemttaError(f"{self.path} holds no video. Give an mp4, webm, mov, avi or gif.")
            stream = streams[0]
            stream.thread_type = "AUTO"
            self.declared, self.rate = stream.frames, float(stream.average_rate or stream.guessed_rate or 0) or None
            self.duration_s = container.duration / av.time_base if container.duration else None
            yield from self._frames(container, stream)

    def _frames(self, container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
        import av

        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError):
                self.damaged, packet = True, None
            try:
                if packet is None:  # flush the decoder
                    yield from stream.codec_context.decode(None)
                    return
                self.packets += packet.size > 0
                self.damaged |= packet.is_corrupt
                yield from packet.decode()
            except av.EOFError:
                return
            except av.FFmpegError:
                self.damaged = True
                if packet is None:
                    return


def _quarter_turns(frame: av.VideoFrame) -> int:
    """The number of counter-clockwise quarter turns that the display matrix asks for."""
    return round(frame.rotation / 90) % 4


def _timing(times: list[float | None], rate: float | None) -> tuple[float, np.ndarray, bool]:
    """Average rate, times [T] from 0, and whether the rate varies by more than rounding to milliseconds explains."""
    known = np.array([np.nan if t is None else t for t in times])
    steps = np.diff(known)
    if len(known) < 2 or not (steps > 0).all():  # one frame, or no valid timestamps
        fps = rate or 30.0
        return fps, np.arange(len(known)) / fps, False
    fps = len(steps) / float(known[-1] - known[0])
    # A container that counts in milliseconds (or a gif, in hundredths) rounds each time by up to half a tick.
    varies = bool(np.abs(steps - 1 / fps).max() > max(0.0101, 0.1 / fps))
    return fps, known - known[0], varies
