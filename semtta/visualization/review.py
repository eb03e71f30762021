"""``review.html``: labels beside their frames, to be corrected by hand and saved as a CSV for --labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup
from torch import Tensor

from ..labelers.evaluation import BIN, LabelEvaluation
from ..labelers.frames import SpanFrames, sample_span_frames
from ..labelers.settings import VLMSettings
from ..types import SegmentLabel, Video
from .page import number, page, part, picture

if TYPE_CHECKING:
    from ..labelers.evaluation import LabelRun

PICTURES = 4
PICTURE_PX = 220


def review_page(run: LabelRun, videos: Sequence[Video], settings: VLMSettings, evaluation: LabelEvaluation | None = None) -> str:
    """The page: every segment with a few frames, an editable label, its score and whether it is in doubt; and the evaluation."""
    preview = settings.model_copy(update={"frames": PICTURES, "size_px": PICTURE_PX})
    shown, doubts = [], 0
    for video in videos:
        items = run.labels[video.name]
        previews = sample_span_frames(video, [(item.start, item.stop) for item in items], preview)
        rows = [_segment(video, item, part, settings.clip_threshold) for item, part in zip(items, previews, strict=True)]
        doubts += sum(in_doubt(item, settings.clip_threshold) for item in items)
        shown.append((video.name, rows))
    return page(
        "review.html",
        "review.js",
        labeler=run.labeler,
        sentence=f"{doubts or 'None'} in doubt. {run.usage.summary()}.",
        videos=shown,
        options=(*run.dictionary, "None"),
        judged=None if evaluation is None else _judged(evaluation, settings.clip_threshold),
    )


def in_doubt(item: SegmentLabel, threshold: float) -> bool:
    """Whether a label needs review: there is none, or it fits the frames badly."""
    return item.label is None or (item.score is not None and item.score < threshold)


def _segment(video: Video, item: SegmentLabel, frames: SpanFrames, threshold: float) -> dict[str, Any]:
    """A segment as the template shows it; ``data`` are the cells of its row in the CSV."""
    start, stop = (item.start / video.fps, item.stop / video.fps) if video.times_s is None else _times(video.times_s, item)
    return {
        "data": {
            "video": video.name, "start": item.start, "stop": item.stop, "proposed": item.label or "None",
            "description": item.description, "source": item.source,
            "clip_score": "" if item.score is None else f"{item.score:.4f}", "reason": item.reason,
        },
        "images": [picture(image, f"frame {n}") for n, image in zip(frames.numbers, frames.images, strict=True)],
        "doubt": in_doubt(item, threshold),
        "score": item.score,
        "weak": item.score is not None and item.score < threshold,
        "times": f"{start:.1f} to {stop:.1f} s",
    }  # fmt: skip


def _times(times_s: Tensor, item: SegmentLabel) -> tuple[float, float]:
    """Seconds at which a segment starts and at which the frame after it does (the last frame, at the clip's end)."""
    return float(times_s[item.start]), float(times_s[min(item.stop, len(times_s) - 1)])


def _judged(evaluation: LabelEvaluation, threshold: float) -> dict[str, Any]:
    facts = [f"{evaluation.segments} segments with a true label"]
    if evaluation.accuracy is not None and evaluation.answered is not None:
        facts += [f"{evaluation.accuracy:.1f} % right", f"{evaluation.answered:.1f} % answered"]
    facts.append(f"{number(evaluation.seconds_per_segment)} s per segment")
    if evaluation.cost_per_segment is not None:
        facts.append(f"${evaluation.cost_per_segment:.5f} per segment")
    pairs = sorted(evaluation.confusion.items(), key=lambda pair: -pair[1])
    rows = [(true, predicted, count) for (true, predicted), count in pairs]
    return {"facts": facts, "rows": rows, "histogram": clip_histogram(evaluation, threshold)}


def clip_histogram(evaluation: LabelEvaluation, threshold: float) -> Markup:
    """Fig. 7 as SVG: histogram of the CLIP similarity of label and segment, right labels below wrong ones, and the threshold."""
    bars = evaluation.histogram()
    if not bars:
        return Markup('<p class="why">No label was compared with its frames by CLIP.</p>')
    low = min(bars[0][0], threshold) - BIN
    high = max(bars[-1][0] + BIN, threshold) + BIN
    top = max(right + wrong for _, right, wrong in bars)
    width, height = 420, 160

    def x(value: float) -> float:
        return (value - low) / (high - low) * width

    shapes = []
    for edge, right, wrong in bars:
        base = float(height)
        for name, count in (("good", right), ("bad", wrong)):
            tall = count / top * (height - 20)
            base -= tall
            shapes.append({
                "name": name, "x": x(edge) + 1, "y": base, "width": x(edge + BIN) - x(edge) - 2, "height": tall, "edge": edge,
                "end": edge + BIN, "count": count,
            })  # fmt: skip
    ticks = [(x(value), value) for value in (bars[0][0], threshold)]
    return part("histogram.html", width=width, height=height, bars=shapes, line=x(threshold), ticks=ticks)
