"""What the report shows of one person: numbers before and after, curves, key frames, labels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from ..data.evidence import filled_in, present
from ..io.files import plain
from ..losses import terms
from ..metrics import compare
from ..rendering.drawing import AFTER, BEFORE, Color, Image, resized
from ..types import Result, SegmentLabel, Video
from .overlay import Scene, label_at
from .page import css, line_chart, number, picture, stacked_strip

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
    "lean_deg": ("Lean", "°", "Of the trunk from the vertical, median while standing on straight legs", True),
    "foot_slide_mm": ("Foot slide", "mm", "Per frame, of feet that stand on the floor: 0 is correct", True),
    "penetration_mm": ("Below the floor", "mm", "Depth of the lowest point, mean over the frames", True),
    "floor_gap_95_mm": ("Distance from the floor", "mm", "Of the lowest point, in 95 % of the frames at most", True),
    "root_range_x_m": ("Root range, sideways", "m", "How far the pelvis moves in all", False),
    "root_range_y_m": ("Root range, in depth", "m", "Along the camera's view; unsteady where the size in the picture is", False),
    "root_range_z_m": ("Root range, height", "m", "How far the pelvis moves up and down", False),
    "jitter": ("Acceleration", "mm/frame²", "Of the joints; noise raises it, and so does real motion", False),
}
#: Curves: title and explanation. Loss terms name themselves; other numbers are drawn under their own names.
CURVES = {
    "similarity": ("Similarity to the label", "of the predicted motion, as the prior sees it"),
    "reprojection_px": ("Reprojection", "median distance, crop pixels"),
    "filled": ("Filled-in share", "of all keypoints, set by the updater"),
}
#: What the table leaves out: numbers that are no measure of the motion.
NOT_MEASURES = {"frames"}
NOT_CURVES = {"epoch", "steps", "learning_rate", "seconds"}


def person_section(
    result: Result, table: Mapping[str, Any], frames: Mapping[str, Any], name: str, color: Color | None
) -> dict[str, Any]:
    """Everything that the template ``person.html`` asks for; ``color``: of both motions, None: each has its own."""
    before, after = table["before"], table["after"]
    shown, added = present(result.keypoints), filled_in(result)
    joints, count = shown.any(0).sum().clamp(min=1), len(result.joints)
    shares = [(title, (part.sum(1) / joints).cpu().numpy()) for title, part in (("detected", shown & ~added), ("filled", added))]
    return {
        "name": name, "before": css(color or BEFORE), "after": css(color or AFTER), "sentence": sentence(result, before, after),
        "numbers": _numbers(before, after), "frames": frames, "curves": curves(result.history),
        "timeline": _timeline(result.labels, count), "strip": stacked_strip(shares) if count else "",
        "marks": [number(float(t)) for t in np.linspace(0, _seconds(result), 5)], "labels": result.labels,
        "messages": result.messages,
    }  # fmt: skip


def numbers_of(result: Result, video: Video, body: Any) -> Mapping[str, Any]:
    """Numbers ``before`` and ``after``: the result's own if it has them, else measured, against the video's ground truth."""
    table = result.metrics
    return table if {"before", "after"} <= set(table) else compare(result, video.ground_truth, body)


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


def _seconds(result: Result) -> float:
    """How long a clip lasts: to the end of its last frame."""
    return float(result.times[-1]) + 1 / result.fps if len(result.joints) else 0.0


def _numbers(before: Mapping[str, float], after: Mapping[str, float]) -> list[dict[str, Any]]:
    """Rows of the table of numbers."""
    rows = []
    others = {key: (key.replace("_", " "), "", "", False) for key in after if key not in MEASURES and key not in NOT_MEASURES}
    for key, (title, unit, note, less_is_better) in {**MEASURES, **others}.items():
        old, new = before.get(key), after.get(key)
        if not all(isinstance(value, (int, float)) and math.isfinite(value) for value in (old, new)):
            continue
        assert old is not None
        assert new is not None
        change, kind = "", ""
        if old:
            change = f"{(new - old) / old:+.0%}".replace("-", "−").replace("+0%", "0%").replace("−0%", "0%")
            if less_is_better and abs(new - old) / old >= 0.005:
                kind = "better" if new < old else "worse"
        shown = [f"{value:.1f}" if unit != "m" else f"{value:.2f}" for value in (old, new)]
        rows.append(
            {"title": title, "note": note, "unit": unit, "old": shown[0], "new": shown[1], "change": change, "kind": kind}
        )
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


class KeyFrames:
    """Pictures of one person at evenly spread frames: ``heads`` (seconds, label), ``rows`` (video, before, after, side view)."""

    def __init__(self, result: Result, video: Video, body: Any, count: int = KEY_FRAMES, color: Color | None = None) -> None:
        frames = len(result.joints)
        self.result, self.size = result, video.size
        self.chosen = {round(i) for i in np.linspace(0, frames - 1, min(count, frames))} if frames else set()
        self.side = _crop_side(result, video.size)
        self.scene = Scene(result, body, PICTURE_PX / self.side, radius=4, color=color)
        self.rows: dict[str, list[Markup]] = {"Video and keypoints": [], "Before": [], "After": [], "From the side": []}
        self.heads: list[tuple[float, str | None]] = []

    def add(self, t: int, frame: Image) -> None:
        """Draw frame ``t`` of the person's motion, if it is one of those."""
        if t not in self.chosen:
            return
        corner = _corner(self.result, t, self.side, self.size)
        crop = resized(_cropped(frame, corner, self.side), PICTURE_PX, PICTURE_PX)
        images = {"Video and keypoints": crop.copy()}
        self.scene.draw_keypoints(images["Video and keypoints"], "after", t, corner)
        halves = []
        for title, when in (("Before", "before"), ("After", "after")):
            vertices = self.scene.mesh(when, t)
            images[title] = crop.copy()
            self.scene.draw_mesh(images[title], when, vertices, corner)
            halves.append(self.scene.side_view(when, t, vertices, PICTURE_PX // 2, PICTURE_PX))
        images["From the side"] = np.concatenate(halves, 1)
        for title, image in images.items():
            self.rows[title].append(picture(image, f"{title}, frame {t}"))
        self.heads.append((float(self.result.times[t]), label_at(self.result, t)))


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
