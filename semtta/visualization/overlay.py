"""``overlay.mp4``: the motion before and after adaptation, drawn over the frames side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from os import PathLike
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.evidence import filled_in, present
from ..errors import SemttaError
from ..io.files import replacing
from ..io.names import ffmpeg_url
from ..rendering.drawing import (
    AFTER,
    BEFORE,
    CHARCOAL,
    DETECTED,
    FILLED_IN,
    Color,
    Image,
    draw_caption,
    draw_mesh,
    draw_points,
    draw_side_view,
    posed_vertices,
    resized,
)
from ..types import BodyParams, Progress, Result, Video

MAX_SIDE_PX = 960
#: Number of frames whose meshes are computed at once.
CHUNK = 32
#: Per second, of the times of frames in the overlay of a video with a variable rate.
TICKS = 90_000


class Scene:
    """Draws the meshes and keypoints of a result; ``scale``: drawn pixels per pixel of the video.

    Args:
        result: a motion without translation is drawn only in the side view.
        body: the loaded body model.
        radius: of the keypoints, in drawn pixels; None: chosen for the whole frame.
    """

    def __init__(self, result: Result, body: Any, scale: float = 1.0, radius: int | None = None) -> None:
        self.result, self.body, self.scale = result, body, scale
        self.faces = body.faces.cpu().numpy().astype(np.int32)
        added, shown = filled_in(result), present(result.keypoints)
        before = result.keypoints_before
        self._filled = _points(result.keypoints.xy, added)
        self._detected = {
            "before": _points(before.xy, present(before)),
            "after": _points(result.keypoints.xy, shown & ~added),
        }
        self._radius = radius or max(2, round(0.004 * scale * max(result.size)))

    def motion(self, when: str) -> tuple[BodyParams, Color]:
        """The motion ``before`` or ``after``, and its colour."""
        return (self.result.unadapted, BEFORE) if when == "before" else (self.result.params, AFTER)

    def meshes(self, when: str, frames: range | None = None) -> Iterator[NDArray[np.float32]]:
        """Yield the vertices [V, 3] of each frame, metres, camera frame."""
        params, _ = self.motion(when)
        frames = frames or range(len(params.rotations))
        for start in range(frames.start, frames.stop, CHUNK):
            yield from posed_vertices(self.body, params, start, min(start + CHUNK, frames.stop))

    def draw_mesh(self, image: Image, when: str, vertices: NDArray[np.float32], corner: tuple[float, float] = (0, 0)) -> None:
        """Blend a mesh [V, 3] into ``image``, whose top left pixel is at ``corner`` of the video's frame."""
        params, color = self.motion(when)
        camera = self.result.camera
        if params.translation is not None:
            x, y = (c - offset for c, offset in zip(camera.center_px, corner, strict=True))
            draw_mesh(image, vertices, self.faces, camera.focal_px * self.scale, (x * self.scale, y * self.scale), color)

    def draw_keypoints(self, image: Image, when: str, t: int, corner: tuple[float, float] = (0, 0)) -> None:
        """Draw the keypoints of frame ``t`` into ``image``: detected ones white, filled-in ones (after only) orange."""
        draw_points(image, (self._detected[when][t] - corner) * self.scale, DETECTED, self._radius)
        if when == "after":
            draw_points(image, (self._filled[t] - corner) * self.scale, FILLED_IN, self._radius)

    def side_view(self, when: str, vertices: NDArray, width: int, height: int) -> Image:
        """A side view of the mesh on a dark background, scaled to fit a body of 2.1 m."""
        image = np.empty((height, width, 3), np.uint8)
        image[:] = CHARCOAL
        middle = (vertices.min(0) + vertices.max(0)) / 2
        draw_side_view(image, vertices, middle, self.faces, self.motion(when)[1], min(height / 2.1, width / 1.3))
        return image


def _points(xy: torch.Tensor, shown: torch.Tensor) -> NDArray[np.float32]:
    """Keypoints [T, J, 2], NaN where they are not shown."""
    return xy.where(shown[..., None], torch.nan).detach().cpu().float().numpy()


def write_overlay(result: Result, video: Video, body: Any, path: str | PathLike[str], progress: Progress | None = None) -> None:
    """Write an H.264 video: before | after, each with a side view and the keypoints (detected white, filled in orange).

    The mesh is placed by its translation and ``result.camera``. Frames are streamed; the longer side of each of the two images
    is at most 960 pixels. ``progress`` follows the frames. Raises SemttaError if no frame of the video decodes; a video that
    ends early gives a shorter overlay.
    """
    import av

    total = len(result.params.rotations)
    scale = min(1.0, MAX_SIDE_PX / max(video.size))
    width, height = (max(2, int(side * scale) // 2 * 2) for side in video.size)
    scene = Scene(result, body, width / video.size[0])
    inset = Corner.emptiest(result.keypoints.xy[present(result.keypoints)], video.size)
    written = 0
    ticks = None if result.times_s is None else (result.times * TICKS).round().long().tolist()
    with replacing(path) as temporary, av.open(ffmpeg_url(temporary), "w", options={"movflags": "faststart"}) as container:
        rate = Fraction(result.fps).limit_denominator(1001) if result.fps > 0 else Fraction(30)
        stream = container.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": "21"})
        stream.width, stream.height, stream.pix_fmt = 2 * width, height, "yuv420p"
        if ticks is not None:
            stream.codec_context.time_base = Fraction(1, TICKS)
        meshes = zip(scene.meshes("before"), scene.meshes("after"), strict=True)
        for t, (frame, pair) in enumerate(zip(video.frames, meshes, strict=False)):
            picture = _side_by_side(scene, resized(frame, width, height), t, *pair, inset)
            encoded = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if ticks is not None:
                encoded.pts, encoded.time_base = ticks[t], Fraction(1, TICKS)
            container.mux(stream.encode(encoded))
            written = t + 1
            if progress is not None:
                progress("drawing", written, total)
        if not written:
            raise SemttaError(f"{video.source or video.name}: no frame could be decoded for the overlay.")
        container.mux(stream.encode(None))


def _side_by_side(scene: Scene, frame: Image, t: int, before: NDArray, after: NDArray, inset: Corner) -> Image:
    height, width = frame.shape[:2]
    picture = np.concatenate((frame, frame), 1)
    text = max(12, height // 40)
    for when, vertices, left in (("before", before, 0), ("after", after, width)):
        panel = picture[:, left : left + width]
        scene.draw_mesh(panel, when, vertices)
        scene.draw_keypoints(panel, when, t)
        rows, columns = inset.slices(width, height)
        panel[rows, columns] = scene.side_view(when, vertices, *inset.size(width, height))
        draw_caption(panel, when, 0, 0, text)
    picture[:, width - 1 : width + 1] = CHARCOAL
    label = label_at(scene.result, t)
    if label:
        draw_caption(picture[:, width:], f"“{label}”", 0, height - text * 2, text)
    return picture


@dataclass(frozen=True)
class Corner:
    """The corner of the image in which the side view is placed."""

    right: bool = True
    bottom: bool = True

    @staticmethod
    def size(width: int, height: int) -> tuple[int, int]:
        """Width and height of the side view in an image of this size."""
        inset = min(height * 2 // 5, width * 3 // 5)
        return inset * 3 // 5, inset

    def slices(self, width: int, height: int) -> tuple[slice, slice]:
        """The rows and columns of the side view."""
        w, h = self.size(width, height)
        rows = slice(height - h, height) if self.bottom else slice(0, h)
        return rows, slice(width - w, width) if self.right else slice(0, w)

    @classmethod
    def emptiest(cls, xy: torch.Tensor, size: tuple[int, int]) -> Corner:
        """The corner that contains the fewest points [..., 2] (pixels); never the top left, where the caption is."""

        def points_in(corner: Corner) -> int:
            rows, columns = corner.slices(*size)
            x, y = xy[..., 0], xy[..., 1]
            return int(((x >= columns.start) & (x < columns.stop) & (y >= rows.start) & (y < rows.stop)).sum())

        return min((cls(True, True), cls(True, False), cls(False, True)), key=points_in)


def label_at(result: Result, t: int) -> str | None:
    """The label of frame ``t``; None if there is none."""
    return next((segment.label for segment in result.labels if segment.start <= t < segment.stop), None)
