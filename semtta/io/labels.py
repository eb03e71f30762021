"""Label files: a run's labels.json, a review's CSV, or the user's own."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, field_validator

from ..errors import SemttaError, first_line, unknown_name
from ..types import SegmentLabel, Video
from .files import reading
from .forms import checked
from .text import defused, excerpt, read_text, restored

#: Columns of a CSV; video, start, stop and label suffice. ``proposed`` is the label before the review.
COLUMNS = ("video", "start", "stop", "label", "proposed", "description", "source", "clip_score", "reason")
BY_HAND = "by hand"
#: Largest file that is read, in bytes: a million segments.
LARGEST = 64 << 20


def _shown(value: Any) -> Any:
    """Text that may be shown; none for what a file leaves out."""
    return "" if value is None else excerpt(value, 400) if isinstance(value, str) else value


def _number(value: Any) -> Any:
    return None if value == "" else value


def _proposed(value: Any) -> Any:
    return excerpt(value, 400) if isinstance(value, str) else value


Proposed = Annotated[str | None, BeforeValidator(_proposed)]
Text = Annotated[str, BeforeValidator(_shown)]
Number = Annotated[Annotated[float, Field(allow_inf_nan=False)] | None, BeforeValidator(_number)]


def labels_of(labels: Mapping[str, Sequence[SegmentLabel]], video: Video, where: str | Path) -> tuple[SegmentLabel, ...]:
    """The labels of one person in one video; SemttaError if they do not fit.

    They are those of ``<video>/person-N``, else of the video, else all if the file names no videos. Those of a video of several
    people are in frames of the file, others in frames of the person: those of the motion.
    """
    clip, own = video.name.removesuffix(f"/person-{video.person}"), f"/person-{video.person}"
    name = next((name for name in (f"{clip}{own}", clip, "") if name in labels), None)
    if name is None:
        raise SemttaError(f"{where}: {unknown_name('video', video.name, labels)}")
    items = tuple(labels[name])
    if name == clip and video.people > 1 and video.frame_index is not None and len(video.frame_index):
        first = int(video.frame_index[0])
        shifted = (
            replace(item, start=max(0, item.start - first), stop=min(item.stop - first, video.num_frames)) for item in items
        )
        return tuple(item for item in shifted if item.start < item.stop)
    last = max((item.stop for item in items), default=0)
    if last > video.num_frames:
        raise SemttaError(f"{where} has a label that stops at frame {last}; {video.name} has {video.num_frames} frames.")
    return items


class Row(BaseModel):
    """A row of a CSV or a record of a JSON file; ``start``, ``stop`` and ``label`` suffice."""

    start: Annotated[int, Field(ge=0, le=10**9)]
    stop: Annotated[int, Field(ge=0, le=10**9)]
    label: Text = ""
    video: Text = ""
    proposed: Proposed = None
    description: Text = ""
    source: Text = ""
    clip_score: Number = None
    reason: Text = ""
    trust: Annotated[Annotated[float, Field(ge=0, le=1)] | None, BeforeValidator(_number)] = None
    prior_similarity: Number = None

    @field_validator("start", "stop", mode="before")
    @classmethod
    def _whole(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError("should be a whole number")
        return value

    def segment(self) -> SegmentLabel:
        """The label. Raises ValueError for frames that are not a segment."""
        if self.start >= self.stop:
            raise ValueError(f"frames {self.start} to {self.stop} are not a segment; stop is the frame after the last.")
        label = None if no_label(self.label) else self.label
        if self.proposed is None or self.proposed.strip() == self.label:
            trust = 1.0 if self.trust is None else self.trust
            return SegmentLabel(
                self.start,
                self.stop,
                label,
                self.description,
                self.source,
                self.clip_score,
                self.reason,
                trust,
                self.prior_similarity,
            )
        return SegmentLabel(self.start, self.stop, label, self.description, BY_HAND, reason=f"was '{self.proposed}'")


def read_labels(path: str | Path) -> dict[str, list[SegmentLabel]]:
    """Read a CSV or JSON file of labels: video name ("" if the file gives none) -> its labels in order; or SemttaError."""
    path = Path(path)
    text = read_text(path, "a file of labels: give a labels.json or a CSV", LARGEST)
    with reading(path, "a label file"):
        rows = _json_rows(text, path) if text.lstrip().startswith(("[", "{")) else _csv_rows(text, path)
    labels: dict[str, list[SegmentLabel]] = {}
    for where, content in rows:
        row = checked(Row, content, f"{path}, {where}")
        labels.setdefault(row.video, []).append(_segment(row, f"{path}, {where}"))
    for items in labels.values():
        items.sort(key=lambda item: item.start)
        for first, second in pairwise(items):
            if second.start < first.stop:
                raise SemttaError(f"{path}: the segments {first.start}-{first.stop} and {second.start}-{second.stop} overlap.")
    if not labels:
        raise SemttaError(f"{path} holds no labels.")
    return labels


def to_record(index: int, label: SegmentLabel) -> dict[str, Any]:
    """A label as a record of labels.json. ``clip_score`` is CLIP's, ``prior_similarity`` that of the labeler ``retrieval``."""
    record = asdict(label)
    record["clip_score"], record["prior_similarity"] = record.pop("score"), record.pop("similarity")
    return {"segment": index, **record}


def from_record(record: Mapping[str, Any], where: str = "a label") -> SegmentLabel:
    """The inverse of ``to_record``; ``start``, ``stop`` and ``label`` suffice.

    Raises SemttaError that begins with ``where`` for frames that are not a segment, and names the field of any other wrong value.
    """
    return _segment(checked(Row, record, where), where)


def _segment(row: Row, where: str) -> SegmentLabel:
    try:
        return row.segment()
    except ValueError as error:
        raise SemttaError(f"{where}: {error}") from error


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
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns = [str(name).strip().lower() for name in reader.fieldnames or ()]
    reader.fieldnames = columns
    missing = [name for name in ("start", "stop", "label") if name not in columns]
    if missing:
        raise SemttaError(f"{path} is not a label file: it lacks the column {', '.join(missing)}.")
    return [
        (f"line {reader.line_num}", {k: restored(v) if isinstance(v, str) else v for k, v in row.items() if k in columns})
        for row in reader
    ]


def _json_rows(text: str, path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        loaded = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SemttaError(f"{path} is not valid JSON ({first_line(error)[:80]}).") from error
    if not isinstance(loaded, list) or not all(isinstance(row, dict) for row in loaded):
        raise SemttaError(f"{path} is not a label file: expected a list of records with start, stop and label.")
    return [(f"record {i}", row) for i, row in enumerate(loaded)]


def no_label(label: str) -> bool:
    """Whether a label means that none fits."""
    return label.strip(" .\"'").lower() in ("", "none", "null", "n/a", "no label", "unknown")
