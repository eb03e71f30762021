"""Lazily decoded frames: video files through PyAV, or arrays in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import SemttaError, first_line
from ..io.names import ffmpeg_url, require_text
from ..types import Progress
from .cuts import SMALL, CutFinder

if TYPE_CHECKING:
    import av

#: Formats in which FFmpeg renders text files as images.
_TEXT_FORMATS = {"tty", "bin", "xbin", "adf", "idf"}
#: Fraction of the declared duration that must decode for a file to count as complete.
_WHOLE = 0.9
#: Rates that a video of people can have, frames per second; what a damaged file says beyond them is not believed.
_RATES = (0.01, 10_000.0)


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
    varies: bool = False  # the frame rate does, by more than rounded times explain
    messages: tuple[str, ...] = ()
    cuts: tuple[int, ...] = ()  # frames with which another shot begins

    def __len__(self) -> int:
        return self.num_frames

    def __iter__(self) -> Iterator[np.ndarray]:
        return self.between(0, self.num_frames)

    def between(self, start: int, stop: int) -> Iterator[np.ndarray]:
        """Frames ``start`` to ``stop`` (exclusive); those before are decoded, but not converted."""
        for frame in islice(_Decoder(self.path), start, min(stop, self.num_frames)):
            display = _Display.of(frame)
            width, height = self.size[::-1] if display.transposed else self.size
            yield display.shown(frame.to_ndarray(format="rgb24", width=width, height=height))

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
        cuts = CutFinder()
        for frame in decoder:
            first = first or frame
            times.append(frame.time)
            cuts.add(frame.reformat(width=SMALL, height=SMALL, format="rgb24", interpolation="AREA").to_ndarray())
            if not frame.is_corrupt:
                last_good = len(times)
            if progress:
                progress("reading", len(times), decoder.declared)
        count = last_good or len(times)  # drop frames that are cut off in the middle
        if first is None:
            raise SemttaError(f"No frame of {path} can be decoded: the file is empty or damaged. Give another copy of it.")
        fps, times_s, varies = _timing(times[:count], decoder.rate, decoder.tick_s)
        messages = []
        whole = True
        declared_s = decoder.duration_s or 0.0
        if decoder.damaged or decoder.packets + decoder.slack < decoder.declared or count < len(times):
            whole = False
            expected = max(decoder.declared, len(times))
            of = f" of {expected}" if expected > count else ""
            messages.append(f"{path.name} is truncated or damaged: using the {count}{of} frames that decode.")
        elif not decoder.declared and times_s[-1] + 1 / fps < _WHOLE * declared_s:
            whole = False
            stop_s = times_s[-1] + 1 / fps
            messages.append(f"{path.name} declares {declared_s:.1f} s but ends at {stop_s:.1f} s: using {count} frames.")
        if varies:
            messages.append(f"{path.name} has a variable frame rate ({fps:.2f} per second on average): using its own times.")
        size = (first.height, first.width) if _Display.of(first).transposed else (first.width, first.height)
        return cls(path, count, size, times_s, fps, whole, varies, tuple(messages), cuts.found(times_s))


class _Decoder:
    """One pass over the decodable frames of a file. Packets that do not decode are skipped, the same ones in every pass."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.declared = 0  # number of frames that the container declares; 0: not declared
        self.slack = 0  # how many more than there are it may declare
        self.packets = 0
        self.damaged = False
        self.duration_s: float | None = None
        self.rate: float | None = None
        self.tick_s = 0.0  # resolution of the times

    def __iter__(self) -> Iterator[av.VideoFrame]:
        import av

        require_text(self.path)
        if not self.path.is_file():
            raise SemttaError(f"{self.path} {_kind(self.path)}. Give the path of a video file.")
        if self.path.stat().st_size == 0:
            raise SemttaError(f"{self.path} is an empty file (0 bytes). Give another copy of the video.")
        try:
            # Only files: a playlist that is called a video must not open addresses.
            container = av.open(ffmpeg_url(self.path), metadata_errors="replace", options={"protocol_whitelist": "file"})
        except (av.FFmpegError, OSError, ValueError, MemoryError) as error:
            raise SemttaError(
                f"{self.path} cannot be read as a video ({getattr(error, 'strerror', None) or first_line(error)}): it is another "
                "kind of file, or was cut off before its index. Give an mp4, webm, mov, avi or gif."
            ) from error
        with container:
            stream = _shown_stream(container)
            if stream is None:
                raise SemttaError(f"{self.path} holds no video that can be decoded. Give an mp4, webm, mov, avi or gif.")
            stream.thread_type = "AUTO"
            self.declared, self.rate = stream.frames, float(stream.average_rate or stream.guessed_rate or 0) or None
            self.slack = int(container.format.name == "avi")  # many programs write one more into its header
            self.duration_s = container.duration / av.time_base if container.duration else None
            self.tick_s = float(stream.time_base or 0)
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


def _kind(path: Path) -> str:
    """What a path that is no file is, in words."""
    if path.is_dir():
        return "is a folder, not a video file; of pictures make a video first (ffmpeg -i %06d.png walk.mp4)"
    return "is not a regular file" if path.exists() else "does not exist"


def _shown_stream(container: av.container.InputContainer) -> av.VideoStream | None:
    """The video stream that a player shows: a default one before others, then the largest; never a cover picture."""
    if container.format.name in _TEXT_FORMATS:
        return None
    streams = [s for s in container.streams.video if s.codec_context is not None and not _is_picture(s)]

    def rank(stream: av.VideoStream) -> tuple[bool, int]:
        return bool(stream.disposition & stream.disposition.default), stream.codec_context.width * stream.codec_context.height

    return max(streams, key=rank, default=None)


def _is_picture(stream: av.VideoStream) -> bool:
    """Whether a stream is a cover or thumbnails."""
    kinds = stream.disposition
    return bool(kinds & (kinds.attached_pic | kinds.timed_thumbnails))


class _Display(NamedTuple):
    """How a decoded picture is shown: rows and columns swapped or not, then read from top to bottom or the other way."""

    transposed: bool = False
    rows: int = 1  # step: -1 is upside down
    columns: int = 1

    @classmethod
    def of(cls, frame: av.VideoFrame) -> _Display:
        """What a frame's display matrix asks for: one of the eight rotations and flips, the nearest.

        The matrix (a b u; c d v; x y w) puts the point (p, q) at (a p + c q + x, b p + d q + y).
        """
        from av.sidedata.sidedata import Type

        held: Any = frame.side_data  # PyAV declares another kind of key
        data = held.get(Type.DISPLAYMATRIX)
        if data is None:
            return cls()
        a, b, _, c, d = np.frombuffer(data, np.int32, 5).tolist()
        transposed = abs(b) + abs(c) > abs(a) + abs(d)
        down, right = (b, c) if transposed else (d, a)
        return cls(transposed, -1 if down < 0 else 1, -1 if right < 0 else 1)

    def shown(self, picture: np.ndarray) -> np.ndarray:
        """A decoded picture [H, W, 3] as a player shows it."""
        upright = picture.swapaxes(0, 1) if self.transposed else picture
        return np.ascontiguousarray(upright[:: self.rows, :: self.columns])


def _timing(times: list[float | None], rate: float | None, tick_s: float) -> tuple[float, np.ndarray, bool]:
    """Average rate, times [T] from 0, and whether the rate varies by more than rounding to ticks explains."""
    known = np.array([np.nan if t is None else t for t in times])
    steps = np.diff(known)
    fps = len(steps) / float(known[-1] - known[0]) if len(known) > 1 and (steps > 0).all() else 0.0
    if not _RATES[0] <= fps <= _RATES[1]:  # one frame, or no valid timestamps
        fps = rate if rate is not None and _RATES[0] <= rate <= _RATES[1] else 30.0
        return fps, np.arange(len(known)) / fps, False
    # Each time is rounded by up to half a tick: of milliseconds in some containers, of hundredths in a gif. One that counts in
    # frames (avi) rounds nothing.
    varies = bool(np.abs(steps - 1 / fps).max() > max(1.01 * min(tick_s, 0.01), 0.1 / fps))
    return fps, known - known[0], varies
