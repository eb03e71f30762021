"""``review.html``: labels beside their pictures, where a person corrects them and saves the CSV that --labels takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from ..labelers.evaluation import BIN, LabelEvaluation
from ..labelers.frames import Shots, take_shots
from ..labelers.settings import VLMSettings
from ..types import SegmentLabel, Video
from .page import fill, number, picture

if TYPE_CHECKING:
    from ..labelers.evaluation import LabelRun

PICTURES = 4
PICTURE_PX = 220


def review_page(run: LabelRun, videos: Sequence[Video], settings: VLMSettings, evaluation: LabelEvaluation | None = None) -> str:
    """The page: every segment with a few of its frames, its label in a field, score and doubts; and the evaluation."""
    looks = settings.model_copy(update={"frames": PICTURES, "size_px": PICTURE_PX})
    sections, doubts = [], 0
    for video in videos:
        items = run.labels[video.name]
        shots = take_shots(video, [(item.start, item.stop) for item in items], looks)
        rows = [_segment(video, item, shot, settings.clip_threshold) for item, shot in zip(items, shots, strict=True)]
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
    """Whether a person should look: no label, or one that fits the pictures badly."""
    return item.label is None or (item.score is not None and item.score < threshold)


def _segment(video: Video, item: SegmentLabel, shots: Shots, threshold: float) -> str:
    images = "".join(picture(image, f"frame {frame}") for frame, image in zip(shots.frames, shots.images, strict=True))
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
        f'<article class="segment{doubt}" {attributes}><div class="shots">{images}</div><div class="said">'
        f"<p class='when'>Frames {item.start} to {item.stop - 1} ({times}) {score}</p>"
        f"<label>Label <input list='dictionary' value='{escape(item.label or 'None')}'></label>"
        f"<p>{escape(item.description)}</p><p class='why'>{escape(item.reason)}</p></div></article>"
    )


def _evaluation(found: LabelEvaluation, threshold: float) -> str:
    facts = [f"{found.segments} segments with a true label"]
    if found.accuracy is not None and found.answered is not None:
        facts += [f"{found.accuracy:.1f} % right", f"{found.answered:.1f} % answered"]
    facts.append(f"{number(found.seconds_per_segment)} s a segment")
    if found.cost_per_segment is not None:
        facts.append(f"${found.cost_per_segment:.5f} a segment")
    rows = "".join(
        f"<tr class='{'good' if true == said else 'bad'}'><td>{escape(true)}</td><td>{escape(said)}</td><td>{count}</td></tr>"
        for (true, said), count in sorted(found.confusion.items(), key=lambda pair: -pair[1])
    )
    table = f"<table><thead><tr><th>true</th><th>said</th><th>segments</th></tr></thead><tbody>{rows}</tbody></table>"
    return (
        f"<section><h2>Against the true labels</h2><p>{escape(', '.join(facts))}.</p>"
        f"<div class='judged'>{table}{clip_histogram(found, threshold)}</div></section>"
    )


def clip_histogram(found: LabelEvaluation, threshold: float) -> str:
    """Fig. 7: CLIP similarity of label and segment, right labels below wrong ones, and the threshold; an SVG."""
    bars = found.histogram()
    if not bars:
        return "<p class='why'>No label was compared with its pictures by CLIP.</p>"
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
        f"{line}{ticks}</svg><figcaption>CLIP similarity of label and segment: right labels, wrong ones above them, and the "
        "threshold</figcaption></figure>"
    )
