from __future__ import annotations

import json
from dataclasses import replace

import pytest

from semtta.errors import SemttaError
from semtta.io.labels import BY_HAND, from_record, read_labels, to_csv, to_record
from semtta.labelers import LabelContext, labelers
from semtta.types import SegmentLabel, Video

LABELS = (
    SegmentLabel(0, 60, "walking", 'A "person", walking', "vlm:x", 0.31, ""),
    SegmentLabel(60, 120, None, "", "vlm:x", None, "the model refuses", 1.0),
)
SPANS = [(0, 60), (60, 120)]
VIDEO = Video("clip", [], 120, 30.0, (640, 480))


def test_csv_round_trip(tmp_path):
    (tmp_path / "review.csv").write_text(to_csv({"clip": LABELS, "other": LABELS[:1]}))
    assert read_labels(tmp_path / "review.csv") == {"clip": list(LABELS), "other": [LABELS[0]]}


def test_json_round_trip(tmp_path):
    records = [to_record(i, label) for i, label in enumerate(LABELS)]
    assert {"segment", "start", "stop", "label", "description", "source", "clip_score", "reason"} <= records[0].keys()
    (tmp_path / "labels.json").write_text(json.dumps(records))
    assert read_labels(tmp_path / "labels.json") == {"": list(LABELS)}
    assert [from_record(record) for record in records] == list(LABELS)


def test_what_a_person_corrects_is_theirs(tmp_path):
    text = to_csv({"clip": LABELS}).replace("0,60,walking,walking", "0,60,running,walking")
    (tmp_path / "review.csv").write_text(text)
    found = labelers.create(f"file:{tmp_path}/review.csv").label(VIDEO, SPANS, LabelContext())
    assert (found[0].label, found[0].source, found[0].reason, found[0].score) == ("running", BY_HAND, "was 'walking'", None)
    assert found[1] == LABELS[1]


def test_spreadsheets_may_write_semicolons_and_a_byte_order_mark(tmp_path):
    (tmp_path / "l.csv").write_bytes(b"\xef\xbb\xbfstart;stop;label\n0;60;walking\n60;120;None\n")
    assert [item.label for item in read_labels(tmp_path / "l.csv")[""]] == ["walking", None]


def test_other_segments_count_by_their_frames(tmp_path):
    (tmp_path / "l.csv").write_text("start,stop,label,description\n0,50,walking,a\n50,80,running,b\n")
    found = labelers.create(f"file:{tmp_path}/l.csv").label(VIDEO, SPANS, LabelContext())
    assert [(item.label, item.description) for item in found] == [("walking", "a"), ("running", "b")]
    assert [(item.start, item.stop) for item in found] == SPANS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video,start,label\nclip,0,walking\n", "lacks the column stop"),
        ("start,stop,label\n0,many,walking\n", "line 2: stop: should be a valid integer"),
        ("start,stop,label\n60,60,walking\n", "line 2: frames 60 to 60 are not a segment"),
        ("start,stop,label\n0,60,walking\n30,90,running\n", "overlap"),
        ("start,stop,label\n", "holds no labels"),
        ("start,stop,label\n0,600,walking\n", "has 120 frames"),
        ("video,start,stop,label\nclup,0,60,walking\n", "Did you mean 'clup'"),
        ("[1, 2]", "list of records"),
        ("{nothing", "is not valid JSON"),
        ("", "lacks the column"),
    ],
)
def test_bad_files_give_one_line(tmp_path, text, message):
    (tmp_path / "labels").write_text(text)
    with pytest.raises(SemttaError, match=message):
        labelers.create(f"file:{tmp_path}/labels").label(VIDEO, SPANS, LabelContext())


def test_powershells_text_is_read(tmp_path):
    """UTF-16 with a mark, as ``>`` writes there."""
    (tmp_path / "labels.csv").write_bytes("start,stop,label\n0,60,walking\n".encode("utf-16"))
    assert [label.label for label in read_labels(tmp_path / "labels.csv")[""]] == ["walking"]


def test_missing_files(tmp_path):
    with pytest.raises(SemttaError, match=r"Cannot read .*absent"):
        read_labels(tmp_path / "absent.csv")


def test_frames_without_a_label_say_so(tmp_path):
    (tmp_path / "l.csv").write_text("start,stop,label\n0,60,walking\n")
    found = labelers.create(f"file:{tmp_path}/l.csv").label(replace(VIDEO), SPANS, LabelContext())
    assert found[1].label is None
    assert "no label for these frames" in found[1].reason
