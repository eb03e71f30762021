"""``review.html``: labels beside their frames, to be corrected by hand and saved as a CSV for --labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from ..labelers.evaluation import BIN, LabelEvaluation
from ..labelers.frames import SpanFrames, sample_span_frames
from ..labelers.settings import VLMSettings
from ..types import SegmentLabel, Video
from .page import fill, number, picture

if TYPE_CHECKING:
    from ..labelers.evaluation import LabelRun

PICTURES = 4
PICTURE_PX = 220


def review_page(run: LabelRun, videos: Sequence[Video], settings: VLMSettings, evaluation: LabelEvaluation | None = None) -> str:
    """The page: every segment with a few frames, an editable label, its score and whether it is in doubt; and the evaluation."""
    preview = settings.model_copy(update={"frames": PICTURES, "size_px": PICTURE_PX})
    sections, doubts = [], 0
    for video in videos:
        items = run.labels[video.name]
        previews = sample_span_frames(video, [(item.start, item.stop) for item in items], preview)
        rows = [_segment(video, item, part, settings.clip_threshold) for item, part in zip(items, previews, strict=True)]
        doubts += sum(in_doubt(item, settings.clip_threshold) for item in items)
        sections.append(f"<section><h2>{escape(video.name)}</h2>{''.join(rows)}</section>")
    return fill(
        "review.html",
        labeler=escape(run.labeler),
        sentence=escape(f"{doubts or 'None'} in doubt. {run.usage.summary()}."),
        segments="".join(sections),
        options="".join(f'<option value="{escape(name)}">' for name in (*run.dictionary, "None")),
        evaluation="" if evaluation is None else _evaluation(evaluation, settings.clip_threshold),
    )


def in_doubt(item: SegmentLabel, threshold: float) -> bool:
    """Whether a label needs review: there is none, or it fits the frames badly."""
    return item.label is None or (item.score is not None and item.score < threshold)


def _segment(video: Video, item: SegmentLabel, frames: SpanFrames, threshold: float) -> str:
    images = "".join(picture(image, f"frame {frame}") for frame, image in zip(frames.numbers, frames.images, strict=True))
    score = ""
    if item.score is not None:
        score = f'<span class="{"bad" if item.score < threshold else "good"}">CLIP {item.score:.2f}</span>'
    data: Mapping[str, object] = {
        "video": video.name, "start": item.start, "stop": item.stop, "proposed": item.label or "None",
        "description": item.description, "source": item.source,
        "clip_score": "" if item.score is None else f"{item.score:.4f}", "reason": item.reason,
    }  # fmt: skip
    attributes = " ".join(f'data-{key}="{escape(str(value))}"' for key, value in data.items())
    doubt = " doubt" * in_doubt(item, threshold)
    times = f"{item.start / video.fps:.1f} to {item.stop / video.fps:.1f} s"
    return (
        f'<article class="segment{doubt}" {attributes}><div class="frames">{images}</div><div class="answer">'
        f"<p class='when'>Frames {item.start} to {item.stop - 1} ({times}) {score}</p>"
        f"<label>Label <input list='dictionary' value='{escape(item.label or 'None')}'></label>"
        f"<p>{escape(item.description)}</p><p class='why'>{escape(item.reason)}</p></div></article>"
    )


def _evaluation(evaluation: LabelEvaluation, threshold: float) -> str:
    facts = [f"{evaluation.segments} segments with a true label"]
    if evaluation.accuracy is not None and evaluation.answered is not None:
        facts += [f"{evaluation.accuracy:.1f} % right", f"{evaluation.answered:.1f} % answered"]
    facts.append(f"{number(evaluation.seconds_per_segment)} s per segment")
    if evaluation.cost_per_segment is not None:
        facts.append(f"${evaluation.cost_per_segment:.5f} per segment")
    rows = "".join(
        f"<tr class='{'good' if true == predicted else 'bad'}'>"
        f"<td>{escape(true)}</td><td>{escape(predicted)}</td><td>{count}</td></tr>"
        for (true, predicted), count in sorted(evaluation.confusion.items(), key=lambda pair: -pair[1])
    )
    table = f"<table><thead><tr><th>true</th><th>predicted</th><th>segments</th></tr></thead><tbody>{rows}</tbody></table>"
    return (
        f"<section><h2>Against the true labels</h2><p>{escape(', '.join(facts))}.</p>"
        f"<div class='judged'>{table}{clip_histogram(evaluation, threshold)}</div></section>"
    )


def clip_histogram(evaluation: LabelEvaluation, threshold: float) -> str:
    """Fig. 7 as SVG: histogram of the CLIP similarity of label and segment, right labels below wrong ones, and the threshold."""
    bars = evaluation.histogram()
    if not bars:
        return "<p class='why'>No label was compared with its frames by CLIP.</p>"
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
            shapes.append(
                f'<rect class="{name}" x="{x(edge) + 1:.1f}" y="{base:.1f}" width="{x(edge + BIN) - x(edge) - 2:.1f}" '
                f'height="{tall:.1f}"><title>{edge:.2f} to {edge + BIN:.2f}: {count}</title></rect>'
            )
    line = f'<line x1="{x(threshold):.1f}" x2="{x(threshold):.1f}" y1="0" y2="{height}"/>'
    marks = (bars[0][0], threshold)
    ticks = "".join(f'<text x="{x(v):.1f}" y="{height + 16}" text-anchor="middle">{v:.2f}</text>' for v in marks)
    return (
        f'<figure><svg viewBox="0 0 {width} {height + 22}" role="img" aria-label="CLIP similarity of labels">{"".join(shapes)}'
        f"{line}{ticks}</svg><figcaption>CLIP similarity of label and segment: right labels, wrong ones stacked above them, and "
        "the threshold</figcaption></figure>"
    )
