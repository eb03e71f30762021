"""``overlay.mp4``: the motions before and after adaptation, drawn over the frames side by side."""

from __future__ import annotations

from collections.abc import Sequence
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
from .clip import Clip, clip_of, color_of, upright

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
        color: of both motions; None: each has its own.
    """

    def __init__(
        self, result: Result, body: Any, scale: float = 1.0, radius: int | None = None, color: Color | None = None
    ) -> None:
        self.result, self.body, self.scale, self.color = result, body, scale, color
        self.faces = body.faces.cpu().numpy().astype(np.int32)
        added, shown = filled_in(result), present(result.keypoints)
        before = result.keypoints_before
        self._filled = _points(result.keypoints.xy, added)
        self._detected = {
            "before": _points(before.xy, present(before)),
            "after": _points(result.keypoints.xy, shown & ~added),
        }
        self._radius = radius or max(2, round(0.004 * scale * max(result.size)))
        self._upright = upright(result).numpy()
        self._chunk: dict[str, tuple[int, NDArray[np.float32]]] = {}

    def motion(self, when: str) -> tuple[BodyParams, Color]:
        """The motion ``before`` or ``after``, and its colour."""
        params, own = (self.result.unadapted, BEFORE) if when == "before" else (self.result.params, AFTER)
        return params, self.color or own

    def mesh(self, when: str, t: int) -> NDArray[np.float32]:
        """The vertices [V, 3] of frame ``t``, metres, camera frame. Asked for in their order, frames are posed once."""
        params, _ = self.motion(when)
        start, vertices = self._chunk.get(when, (0, np.empty(0, np.float32)))
        if not start <= t < start + len(vertices):
            start, vertices = t, posed_vertices(self.body, params, t, min(t + CHUNK, len(params.rotations)))
            self._chunk[when] = start, vertices
        return vertices[t - start]

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

    def side_view(self, when: str, t: int, vertices: NDArray, width: int, height: int) -> Image:
        """A side view of the mesh on a dark background, scaled to fit a body of 2.1 m; upright where the world is known."""
        image = blank(width, height)
        standing = vertices @ self._upright[t].T
        middle = (standing.min(0) + standing.max(0)) / 2
        draw_side_view(image, standing, middle, self.faces, self.motion(when)[1], min(height / 2.1, width / 1.3))
        return image


def blank(width: int, height: int) -> Image:
    """A dark image."""
    image = np.empty((height, width, 3), np.uint8)
    image[:] = CHARCOAL
    return image


def _points(xy: torch.Tensor, shown: torch.Tensor) -> NDArray[np.float32]:
    """Keypoints [T, J, 2], NaN where they are not shown."""
    return xy.where(shown[..., None], torch.nan).detach().cpu().float().numpy()


class Group:
    """Draws the people of a clip, each in their own colour; one person alone has a colour before and another after."""

    def __init__(self, clip: Clip, body: Any, scale: float) -> None:
        self.clip, several = clip, len(clip.people) > 1
        self.scenes = [Scene(p, body, scale, color=color_of(i) if several else None) for i, p in enumerate(clip.people)]
        self._turns = [upright(person).numpy() for person in clip.people]
        places = [person.joints.numpy() @ turn.swapaxes(-1, -2) for person, turn in zip(clip.people, self._turns, strict=True)]
        near = np.concatenate([place.reshape(-1, 3) for place in places])
        low, high = np.nanpercentile(near, (1, 99), axis=0) if len(near) else np.zeros((2, 3))
        self._middle, self._extent = ((low + high) / 2).astype(np.float32), high - low

    def draw(self, panel: Image, when: str, rows: Sequence[int], side: tuple[int, int]) -> Image:
        """Draw everybody who is there (row of their motion, -1: not there), far ones first; returns the view from the side."""
        there = [(i, row, self.scenes[i].mesh(when, row)) for i, row in enumerate(rows) if row >= 0]
        there.sort(key=lambda item: -float(item[2][:, 2].mean()))
        for i, _, vertices in there:
            self.scenes[i].draw_mesh(panel, when, vertices)
        for i, row, vertices in there:
            self.scenes[i].draw_keypoints(panel, when, row)
            if len(self.scenes) > 1:
                self._number(panel, i, vertices)
        if len(self.scenes) == 1 and there:
            return self.scenes[0].side_view(when, *there[0][1:], *side)
        return self._from_the_side(when, there, *side)

    def _from_the_side(self, when: str, there: Sequence[tuple[int, int, NDArray]], width: int, height: int) -> Image:
        """Everybody from the side in one picture whose place and scale are those of the whole clip."""
        image = blank(width, height)
        scale = min(height / max(2.1, self._extent[1] + 0.6), width / max(1.3, self._extent[2] + 0.8))
        standing = [(i, vertices @ self._turns[i][row].T) for i, row, vertices in there]
        for i, vertices in sorted(standing, key=lambda item: float(item[1][:, 0].mean()), reverse=True):  # seen from the left
            draw_side_view(image, vertices, self._middle, self.scenes[i].faces, self.scenes[i].motion(when)[1], scale)
        return image

    def _number(self, panel: Image, person: int, vertices: NDArray) -> None:
        """The person's number at the top of the head."""
        scene, top = self.scenes[person], vertices[vertices[:, 1].argmin()]
        params, color = scene.motion("after")
        if params.translation is None or not np.isfinite(top).all() or top[2] < 0.1:
            return
        focal, scale, center = scene.result.camera.focal_px, scene.scale, scene.result.camera.center_px
        x, y = ((focal * top[k] / top[2] + center[k]) * scale for k in (0, 1))
        size = max(12, panel.shape[0] // 40)
        if 0 <= x < panel.shape[1] and 0 <= y < panel.shape[0]:
            draw_caption(panel, str(scene.result.person), int(x), max(0, int(y) - 2 * size), size, color)


def write_overlay(
    results: Result | Sequence[Result], video: Video, body: Any, path: str | PathLike[str], progress: Progress | None = None
) -> None:
    """Write an H.264 video: before | after, each with a side view and the keypoints (detected white, filled in orange).

    Meshes are placed by their translation and ``result.camera``. Frames are streamed; the longer side of each of the two images
    is at most 960 pixels. ``progress`` follows the frames. Raises SemttaError if no frame of the video decodes; a video that
    ends early gives a shorter overlay.

    Args:
        results: of one person, or of several people of one video: each is drawn in the frames of its ``frame_index``, in the
            person's own colour (``PEOPLE``) and with the person's number, and one side view shows all of them.
        video: the frames; their numbers in the file are its ``frame_index`` (by default 0, 1, 2 ...).
    """
    import av

    clip = clip_of(results)
    rows = clip.on(video)
    total = rows.shape[1]
    scale = min(1.0, MAX_SIDE_PX / max(video.size))
    width, height = (max(2, int(side * scale) // 2 * 2) for side in video.size)
    group = Group(clip, body, width / video.size[0])
    inset = Corner.emptiest(torch.cat([p.keypoints.xy[present(p.keypoints)] for p in clip.people]), video.size)
    written = 0
    times_s = video.times_s if video.times_s is not None or len(clip.people) > 1 else clip.first.times_s
    ticks = None if times_s is None else (times_s.double() * TICKS).round().long().tolist()
    with replacing(path) as temporary, av.open(ffmpeg_url(temporary), "w", options={"movflags": "faststart"}) as container:
        fps = clip.first.fps
        rate = Fraction(fps).limit_denominator(1001) if fps > 0 else Fraction(30)
        stream = container.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": "21"})
        stream.width, stream.height, stream.pix_fmt = 2 * width, height, "yuv420p"
        if ticks is not None:
            stream.codec_context.time_base = Fraction(1, TICKS)
        for t, (frame, row) in enumerate(zip(video.frames, rows.T.tolist(), strict=False)):
            picture = _side_by_side(group, resized(frame, width, height), row, inset)
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


def _side_by_side(group: Group, frame: Image, row: Sequence[int], inset: Corner) -> Image:
    height, width = frame.shape[:2]
    picture = np.concatenate((frame, frame), 1)
    text = max(12, height // 40)
    for when, left in (("before", 0), ("after", width)):
        panel = picture[:, left : left + width]
        rows, columns = inset.slices(width, height)
        panel[rows, columns] = group.draw(panel, when, row, inset.size(width, height))
        draw_caption(panel, when, 0, 0, text)
    picture[:, width - 1 : width + 1] = CHARCOAL
    draw_labels(picture[:, width:], group.clip, row, text)
    return picture


def draw_labels(image: Image, clip: Clip, row: Sequence[int], size: int) -> None:
    """The labels of the people who are there, one under the other from the bottom left; of several each in their colour."""
    several = len(clip.people) > 1
    texts = [(i, label_at(clip.people[i], t)) for i, t in enumerate(row) if t >= 0]
    for line, (i, label) in enumerate(reversed([(i, label) for i, label in texts if label]), 1):
        text, color = (f"{clip.people[i].person} “{label}”", color_of(i)) if several else (f"“{label}”", CHARCOAL)
        draw_caption(image, text, 0, image.shape[0] - size * 2 * line, size, color)


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
