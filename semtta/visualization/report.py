"""``report.html``: one run on one self-contained page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
from markupsafe import Markup

from ..data.evidence import filled_in, present
from ..io.files import plain, write_text
from ..io.yaml_files import to_yaml
from ..losses import terms
from ..metrics import compare
from ..rendering.drawing import Image, resized
from ..types import Progress, Result, SegmentLabel, Video
from .clip import clip_of
from .overlay import Scene, label_at
from .page import line_chart, number, page, picture, stacked_strip

KEY_FRAMES = 7
PICTURE_PX = 280

#: Rows of the table: title, unit, explanation, whether lower is better.
MEASURES = {
    "pa_mpjpe": ("PA-MPJPE", "mm", "Error of the pose itself, after aligning scale, rotation and position", True),
    "mpjpe": ("MPJPE", "mm", "Error of the joints relative to the pelvis", True),
    "mpvpe": ("MPVPE", "mm", "Error of the surface relative to the pelvis", True),
    "pa_mpjpe_occluded": ("PA-MPJPE, hidden joints", "mm", "The same for joints that are not visible in the image", True),
    "mpjpe_occluded": ("MPJPE, hidden joints", "mm", "The same for joints that are not visible in the image", True),
    "accel": ("Acceleration error", "mm/frame²", "Error of the joints' acceleration: jitter, or missing motion", True),
    "reprojection_px": ("Distance from the keypoints", "px", "Median, projected joints to detected keypoints", True),
    "bone_variation_mm": ("Bone length variation", "mm", "Bones have a fixed length: 0 is correct", True),
    "jitter": ("Acceleration", "mm/frame²", "Of the joints; noise raises it, and so does real motion", False),
}
#: Curves: title and explanation. Loss terms name themselves; other numbers are drawn under their own names.
CURVES = {
    "similarity": ("Similarity to the label", "of the predicted motion, as the prior sees it"),
    "reprojection_px": ("Reprojection", "median distance, crop pixels"),
    "filled": ("Filled-in share", "of all keypoints, set by the updater"),
}
NOT_CURVES = {"epoch", "steps", "learning_rate", "seconds"}


def write_report(
    results: Result | Sequence[Result], video: Video, body: Any, path: str | PathLike[str], progress: Progress | None = None
) -> None:
    """Write the page: a summary, numbers before and after, key frames, curves, labels, messages, settings.

    Numbers come from ``result.metrics`` ("before", "after") if they are there, else they are computed, against
    ``video.ground_truth`` if there is one. ``progress`` follows the frames.
    """
    clip = clip_of(results)
    result = clip.first
    table = result.metrics
    if not {"before", "after"} <= set(table):
        table = compare(result, video.ground_truth, body)
    before, after = table["before"], table["after"]
    shown, added = present(result.keypoints), filled_in(result)
    joints, count = shown.any(0).sum().clamp(min=1), len(result.joints)
    shares = [(name, (part.sum(1) / joints).cpu().numpy()) for name, part in (("detected", shown & ~added), ("filled", added))]
    text = page(
        "report.html",
        title=result.name,
        sentence=sentence(result, before, after),
        facts=facts(result),
        numbers=_numbers(before, after),
        frames=_frames(result, video, body, progress),
        curves=curves(result.history),
        timeline=_timeline(result.labels, count),
        strip=stacked_strip(shares) if count else "",
        marks=[number(float(t)) for t in np.linspace(0, _seconds(result), 5)],
        labels=result.labels,
        messages=result.messages,
        settings=to_yaml(plain(result.config)),
    )
    write_text(path, text)


def sentence(result: Result, before: Mapping[str, float], after: Mapping[str, float]) -> str:
    """A summary of the run in one to three sentences."""
    count = len(result.joints)
    clip = f"{count} frame{'s' * (count != 1)}"
    labels = list(dict.fromkeys(segment.label for segment in result.labels if segment.label))
    if not result.history:
        return f"Nothing was adapted: the motion of the {clip} is the estimator's own."
    quoted = " and ".join(f"“{label}”" for label in labels[:3])
    guided = f", guided by the label{'s' * (len(labels) > 1)} {quoted}" if labels else ", without a label"
    text = f"The estimator was adapted to {clip} in {len(result.history)} epochs{guided}."
    key = next((key for key in MEASURES if key in before and key in after), None)
    if key is not None:
        title, unit, _, _ = MEASURES[key]
        verb = "fell" if after[key] < before[key] else "rose" if after[key] > before[key] else "stayed"
        text += f" {title} {verb} from {before[key]:.1f} to {after[key]:.1f} {unit}."
    added, shown = int(filled_in(result).sum()), present(result.keypoints)
    missed = int((~shown[:, shown.any(0)]).sum())
    if added:
        text += f" Of the joints that were not detected, {added / (added + missed):.0%} were filled in from the motion."
    return text


def facts(result: Result) -> dict[str, Any]:
    """The facts in the page's header: name -> value."""
    count, (width, height) = len(result.joints), result.size
    values = {
        "Clip": f"{count} frames, {_seconds(result):.1f} s at {number(result.fps)} fps, {width} × {height}",
        "Body": result.body,
        "Estimator": result.setting("estimator.name"),
        "Prior": result.setting("prior.name"),
        "Labels from": ", ".join(dict.fromkeys(label.source for label in result.labels if label.source)),
        "Keypoints from": result.keypoints_before.source,
        "Method": result.setting("method.name"),
        "Preset": result.config.get("preset"),
        "Seed": result.setting("seed"),
        "Time": _duration(sum(record.get("seconds") or 0 for record in result.history)),
    }
    return {key: value for key, value in values.items() if value not in (None, "")}


def _seconds(result: Result) -> float:
    """How long a clip lasts: to the end of its last frame."""
    return float(result.times[-1]) + 1 / result.fps if len(result.joints) else 0.0


def _duration(seconds: float) -> str | None:
    return None if not seconds else f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _numbers(before: Mapping[str, float], after: Mapping[str, float]) -> list[dict[str, Any]]:
    """Rows of the table of numbers."""
    rows = []
    for key, (title, unit, note, less_is_better) in MEASURES.items():
        old, new = before.get(key), after.get(key)
        if old is None or new is None:
            continue
        change, kind = "", ""
        if old:
            change = f"{(new - old) / old:+.0%}".replace("-", "−").replace("+0%", "0%").replace("−0%", "0%")
            if less_is_better and abs(new - old) / old >= 0.005:
                kind = "better" if new < old else "worse"
        rows.append({"title": title, "note": note, "unit": unit, "old": old, "new": new, "change": change, "kind": kind})
    return rows


def curves(history: Iterable[Mapping[str, Any]]) -> list[Markup]:
    """A chart for every number in the records, known ones first."""
    records = [dict(_flat(record)) for record in history]
    names = list(dict.fromkeys(name for record in records for name in record if name not in NOT_CURVES))
    names.sort(key=lambda name: (not name.startswith("loss_"), list(CURVES).index(name) if name in CURVES else len(CURVES)))
    return [line_chart([record.get(name) for record in records], *curve_text(name)) for name in names]


def curve_text(name: str) -> tuple[str, str]:
    """Title and explanation of a number in the history; a loss term's are its name and what its registration says."""
    if name in CURVES:
        return CURVES[name]
    term = name.removeprefix("loss_")
    if term != name and term in terms:
        return f"Loss: {term}", terms.entry(term).summary
    return name.replace("_", " "), ""


def _flat(record: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, float]]:
    """The numbers of a nested record, named ``outer_inner``."""
    for key, value in plain(record).items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}_")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield prefix + key, value


def _frames(result: Result, video: Video, body: Any, progress: Progress | None) -> dict[str, Any]:
    """Images at evenly spread frames: ``heads`` (seconds, label), and ``rows``: video, before, after, side view."""
    count = len(result.joints)
    chosen = sorted({round(i) for i in np.linspace(0, count - 1, min(KEY_FRAMES, count))}) if count else []
    side = _crop_side(result, video.size)
    scene = Scene(result, body, PICTURE_PX / side, radius=4)
    rows: dict[str, list[Markup]] = {"Video and keypoints": [], "Before": [], "After": [], "From the side": []}
    heads = []
    for t, frame in enumerate(video.frames):
        if progress is not None:
            progress("drawing", t + 1, count)
        if t in chosen:
            corner = _corner(result, t, side, video.size)
            crop = resized(_cropped(frame, corner, side), PICTURE_PX, PICTURE_PX)
            images = {"Video and keypoints": crop.copy()}
            scene.draw_keypoints(images["Video and keypoints"], "after", t, corner)
            halves = []
            for title, when in (("Before", "before"), ("After", "after")):
                vertices = scene.mesh(when, t)
                images[title] = crop.copy()
                scene.draw_mesh(images[title], when, vertices, corner)
                halves.append(scene.side_view(when, t, vertices, PICTURE_PX // 2, PICTURE_PX))
            images["From the side"] = np.concatenate(halves, 1)
            for title, image in images.items():
                rows[title].append(picture(image, f"{title}, frame {t}"))
            heads.append((float(result.times[t]), label_at(result, t)))
        if not chosen or t >= chosen[-1]:
            break
    return {"heads": heads, "rows": rows}


def _crop_side(result: Result, size: tuple[int, int]) -> int:
    """Side of the square crop around the person, in pixels of the video; the same for all frames, so that they compare."""
    sides = result.boxes[:, 2]
    sides = sides[sides.isfinite() & (sides > 1)]
    return max(8, round(min(1.1 * float(sides.median()), 1.5 * max(size)))) if len(sides) else max(size)


def _corner(result: Result, t: int, side: int, size: tuple[int, int]) -> tuple[int, int]:
    """The top left corner of the square crop in frame ``t``."""
    x, y = (float(v) for v in result.boxes[t, :2])
    x, y = (x, y) if np.isfinite((x, y)).all() else (size[0] / 2, size[1] / 2)
    return round(x - side / 2), round(y - side / 2)


def _cropped(frame: Image, corner: tuple[int, int], side: int) -> Image:
    """The square crop of the frame, grey outside the frame."""
    out = np.full((side, side, 3), 40, np.uint8)
    height, width = frame.shape[:2]
    x, y = corner
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + side, width), min(y + side, height)
    if right > left and bottom > top:
        out[top - y : bottom - y, left - x : right - x] = frame[top:bottom, left:right]
    return out


def _timeline(labels: Iterable[SegmentLabel], count: int) -> list[dict[str, Any]]:
    """Bars of the labels over the clip's ``count`` frames."""
    return [
        {**vars(s), "left": f"{s.start / count:.3%}", "width": f"{(min(s.stop, count) - s.start) / count:.3%}"}
        for s in labels
        if s.start < count
    ]
