"""``report.html``: the run of a clip on one self-contained page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..io.files import plain, write_text
from ..io.yaml_files import to_yaml
from ..metrics.confidence import GUESS
from ..rendering.drawing import resized
from ..types import Progress, Result, Video
from .clip import Clip, clip_of, color_of, name_of
from .overlay import Group
from .page import number, page, picture
from .report_person import KEY_FRAMES, KeyFrames, numbers_of, person_section, sentence
from .views import LIMBS, camera_fact, floor_views, people_rows

#: Height of the pictures of the first, middle and last frame, pixels.
VIEW_PX = 360
#: An overlay is embedded up to this size, bytes.
EMBEDDED = 8_000_000
#: Key frames of all people together.
MOST_KEY_FRAMES = 35


def write_report(
    results: Result | Sequence[Result],
    video: Video,
    body: Any,
    path: str | PathLike[str],
    progress: Progress | None = None,
    overlay: str | PathLike[str] | None = None,
) -> None:
    """Write the page: a summary, the people, what was guessed, their places on the floor, and for each person numbers before and
    after, key frames, curves, labels and messages; and the settings.

    Numbers come from each result's ``metrics`` ("before", "after") if they are there, else they are computed, against
    ``video.ground_truth`` if there is one. ``progress`` follows the frames.

    Args:
        results: of one person, or of several people of one video.
        video: its frames, as for ``write_overlay``.
        overlay: the overlay of the same results, in the page's folder: embedded up to 8 MB, else linked by its name.
    """
    clip = clip_of(results)
    several = len(clip.people) > 1
    colors = [color_of(i) if several else None for i in range(len(clip.people))]
    each = max(2, min(KEY_FRAMES, MOST_KEY_FRAMES // len(clip.people)))
    keys = [KeyFrames(p, video, body, each, color) for p, color in zip(clip.people, colors, strict=True)]
    views = _drawn(clip, video, body, keys, progress)
    tables = [numbers_of(person, video, body) for person in clip.people]
    persons = [
        person_section(person, table, {"heads": key.heads, "rows": key.rows}, name_of(person), color)
        for person, table, key, color in zip(clip.people, tables, keys, colors, strict=True)
    ]
    first = clip.first
    text = page(
        "report.html",
        title=clip.name,
        sentence=_several_sentence(clip) if several else sentence(first, tables[0]["before"], tables[0]["after"]),
        facts=facts(clip),
        overlay=_overlay(overlay),
        people=people_rows(clip),
        limbs=LIMBS,
        guess=number(GUESS),
        placed=any(person.world is not None for person in clip.people),
        views=views,
        paths=floor_views(clip),
        persons=persons,
        settings=to_yaml(plain(first.config)),
    )
    write_text(path, text)


def _several_sentence(clip: Clip) -> str:
    floor = ", and all stand on one floor" if all(person.world is not None for person in clip.people) else ""
    return f"{len(clip.people)} people in {clip.seconds:.1f} s: each was adapted to on their own{floor}."


def _overlay(path: str | PathLike[str] | None) -> dict[str, Any] | None:
    """The overlay as the page's own data, or its name where it is too large."""
    if path is None or not Path(path).is_file():
        return None
    small = Path(path).stat().st_size <= EMBEDDED
    data = base64.b64encode(Path(path).read_bytes()).decode() if small else ""
    return {"source": f"data:video/mp4;base64,{data}" if small else "", "linked": "" if small else Path(path).name}


def facts(clip: Clip) -> dict[str, Any]:
    """The facts in the page's header: name -> value."""
    result = clip.first
    count, (width, height) = len(clip), result.size
    values = {
        "Clip": f"{count} frames, {clip.seconds:.1f} s at {number(result.fps)} fps, {width} × {height}",
        "Camera": camera_fact(result),
        "Body": result.body,
        "Estimator": result.setting("estimator.name"),
        "Prior": result.setting("prior.name"),
        "Labels from": ", ".join(dict.fromkeys(label.source for label in result.labels if label.source)),
        "Keypoints from": result.keypoints_before.source,
        "Method": result.setting("method.name"),
        "Preset": result.config.get("preset"),
        "Seed": result.setting("seed"),
        "Time": _duration(sum(record.get("seconds") or 0 for person in clip.people for record in person.history)),
    }
    return {key: value for key, value in values.items() if value not in (None, "")}


def _duration(seconds: float) -> str | None:
    return None if not seconds else f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _drawn(clip: Clip, video: Video, body: Any, keys: Sequence[KeyFrames], progress: Progress | None) -> list[dict[str, Any]]:
    """Draws the key frames in one pass over the video; returns the first, middle and last frame that show anybody."""
    rows = clip.on(video)
    there = np.flatnonzero((rows >= 0).any(0))
    shown = {int(there[i]) for i in (0, len(there) // 2, -1)} if len(there) else set()
    scale = VIEW_PX / video.size[1]
    width = max(2, round(video.size[0] * scale))
    group, views = Group(clip, body, scale), []
    wanted = [np.flatnonzero(np.isin(own, list(key.chosen))) for own, key in zip(rows, keys, strict=True)]
    last = max([*shown, *(int(frames[-1]) for frames in wanted if len(frames))], default=0)
    for t, (frame, row) in enumerate(zip(video.frames, rows.T.tolist(), strict=False)):
        if progress is not None:
            progress("drawing", t + 1, rows.shape[1])
        for key, own in zip(keys, row, strict=True):
            if own >= 0:
                key.add(own, frame)
        if t in shown:
            panel = resized(frame, width, VIEW_PX).copy()
            side = group.draw(panel, "after", row, (VIEW_PX * 3 // 4, VIEW_PX))
            person = next(i for i, own in enumerate(row) if own >= 0)
            place = int(np.searchsorted(clip.frames, int(clip.people[person].frame_index[row[person]])))
            views.append({
                "picture": picture(np.concatenate((panel, side), 1), f"frame {t}, over the picture and from the side"),
                "seconds": float(clip.times[place]), "frame": int(clip.frames[place]),
            })  # fmt: skip
        if t >= last:
            break
    return views
