"""Label files: a run's labels.json, a review's CSV, or the user's own."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..errors import SemttaError, first_line, unknown_name
from ..types import SegmentLabel, Video
from .text import defused, read_text, restored

#: Columns of a CSV; video, start, stop and label suffice. ``proposed`` is the label before the review.
COLUMNS = ("video", "start", "stop", "label", "proposed", "description", "source", "clip_score", "reason")
BY_HAND = "by hand"


def labels_of(labels: Mapping[str, Sequence[SegmentLabel]], video: Video, where: str | Path) -> tuple[SegmentLabel, ...]:
    """The labels of one video: those under its name, or all if the file names no videos; SemttaError if they do not fit it."""
    if video.name not in labels and "" not in labels:
        raise SemttaError(f"{where}: {unknown_name('video', video.name, labels)}")
    items = tuple(labels.get(video.name, labels.get("", ())))
    last = max((item.stop for item in items), default=0)
    if last > video.num_frames:
        raise SemttaError(f"{where} has a label that stops at frame {last}; {video.name} has {video.num_frames} frames.")
    return items


def read_labels(path: str | Path) -> dict[str, list[SegmentLabel]]:
    """Read a CSV or JSON file of labels: video name ("" if the file gives none) -> its labels in order; or SemttaError."""
    path = Path(path)
    text = read_text(path, "a file of labels")
    rows = _json_rows(text, path) if text.lstrip().startswith(("[", "{")) else _csv_rows(text, path)
    labels: dict[str, list[SegmentLabel]] = {}
    for where, row in rows:
        labels.setdefault(str(row.get("video") or ""), []).append(from_record(row, f"{path}, {where}"))
    for items in labels.values():
        items.sort(key=lambda item: item.start)
        for first, second in pairwise(items):
            if second.start < first.stop:
                raise SemttaError(f"{path}: the segments {first.start}-{first.stop} and {second.start}-{second.stop} overlap.")
    if not labels:
        raise SemttaError(f"{path} holds no labels.")
    return labels


def to_record(index: int, label: SegmentLabel) -> dict[str, Any]:
    """A label as a record of labels.json."""
    record = asdict(label)
    record["clip_score"] = record.pop("score")
    return {"segment": index, **record}


def from_record(record: Mapping[str, Any], where: str = "a label") -> SegmentLabel:
    """The inverse of ``to_record``; ``start``, ``stop`` and ``label`` suffice.

    Raises SemttaError that begins with ``where`` for frames that are not a segment and for values that are not numbers.
    """
    try:
        start, stop = int(record["start"]), int(record["stop"])
        score = record.get("clip_score")
        score = None if score in (None, "") else float(score)
        trust = float(record["trust"]) if record.get("trust") not in (None, "") else 1.0
    except (KeyError, TypeError, ValueError) as error:
        raise SemttaError(f"{where}: start and stop must be whole numbers, clip_score a number or empty.") from error
    if not 0 <= start < stop:
        raise SemttaError(f"{where}: frames {start} to {stop} are not a segment; stop is the frame after the last.")
    label = str(record.get("label") or "").strip()
    parsed = SegmentLabel(
        start, stop, None if no_label(label) else label, str(record.get("description") or ""), str(record.get("source") or ""),
        score, str(record.get("reason") or ""), trust,
    )  # fmt: skip
    proposed = record.get("proposed")
    if proposed is None or str(proposed).strip() == label:
        return parsed
    return replace(parsed, source=BY_HAND, score=None, reason=f"was '{proposed}'", trust=1.0)


def to_csv(labels: Mapping[str, Iterable[SegmentLabel]]) -> str:
    """Labels by video as CSV text, with ``proposed`` equal to ``label``."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for video, items in labels.items():
        for item in items:
            score = "" if item.score is None else f"{item.score:.4f}"
            label = item.label or "None"
            row = {
                "video": video, "start": str(item.start), "stop": str(item.stop), "label": label, "proposed": label,
                "description": item.description, "source": item.source, "clip_score": score, "reason": item.reason,
            }  # fmt: skip
            writer.writerow({column: defused(cell) for column, cell in row.items()})
    return text.getvalue()


def _csv_rows(text: str, path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    sample = text.splitlines()[0] if text.strip() else ""
    delimiter = ";" if sample.count(";") > sample.count(",") else ","  # some spreadsheets write semicolons
    reader = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    missing = [name for name in ("start", "stop", "label") if name not in (reader.fieldnames or ())]
    if missing:
        raise SemttaError(f"{path} is not a label file: it lacks the column {', '.join(missing)}.")
    return [(f"line {reader.line_num}", {k: restored(v) if isinstance(v, str) else v for k, v in row.items()}) for row in reader]


def _json_rows(text: str, path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        loaded = json.loads(text)
    except ValueError as error:
        raise SemttaError(f"{path} is not valid JSON ({first_line(error)}).") from error
    if not isinstance(loaded, list) or not all(isinstance(row, dict) for row in loaded):
        raise SemttaError(f"{path} is not a label file: expected a list of records with start, stop and label.")
    return [(f"record {i}", row) for i, row in enumerate(loaded)]


def no_label(label: str) -> bool:
    """Whether a label means that none fits."""
    return label.strip(" .\"'").lower() in ("", "none", "null", "n/a", "no label", "unknown")
