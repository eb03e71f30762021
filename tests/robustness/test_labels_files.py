"""Damaged, foreign and hostile files of labels: refused in one line that names the file and the field."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from semtta.errors import SemttaError
from semtta.io.labels import from_record, read_labels, to_csv, to_record
from semtta.types import SegmentLabel

GOOD = {"start": 0, "stop": 6, "label": "walking"}
HEAD = "start,stop,label\n"


def record(**changes: object) -> str:
    return json.dumps([{**GOOD, **changes}])


#: What is in the file, and what the refusal says.
FILES: dict[str, tuple[str | bytes, str]] = {
    "nothing": ("", "lacks the column"),
    "one byte": (b"\x00", "UTF-8"),
    "bytes": (bytes(range(256)) * 9, "UTF-8"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "UTF-8"),
    "UTF-16 without a mark": (record().encode("utf-16-le"), "UTF-8"),
    "Latin letters": ((HEAD + "0,6,wälking\n").encode("latin-1"), "UTF-8"),
    "half a JSON text": (record()[:-5], "not valid JSON"),
    "deep lists": ("[" * 100_000, "not valid JSON"),
    "deep objects": ('[{"start":' * 50_000, "not valid JSON"),
    "6000 digits": (record().replace("6", "6" * 6000), "not valid JSON"),
    "20 digits": (record(stop=10**20), "stop"),
    "an object": (json.dumps(GOOD), "list of records"),
    "numbers": ("[1, 2]", "list of records"),
    "a list of lists": (json.dumps([[0, 6, "walking"]]), "list of records"),
    "an empty list": ("[]", "holds no labels"),
    "no start": ('[{"stop": 6, "label": "walking"}]', "record 0: start"),
    "no stop": ('[{"start": 0, "label": "walking"}]', "record 0: stop"),
    "another's labels": ('[{"segment": [0.5, 2.5], "label": "walking", "score": 0.9}]', "record 0: start"),
    "a reversed span": (record(start=6, stop=2), "frames 6 to 2 are not a segment"),
    "an empty span": (record(start=6), "frames 6 to 6 are not a segment"),
    "a start below 0": (record(start=-3), "start"),
    "half a frame": (record(stop=5.5), "stop"),
    "true": (record(start=True), "start"),
    "a start of null": (record(start=None), "start"),
    "a start of text": (record(start="first"), "start"),
    "a start in a list": (record(start=[0]), "start"),
    "not a number": (record(stop=float("nan")), "stop"),
    "without end": (record(stop=float("inf")), "stop"),
    "a score of NaN": (record(clip_score=float("nan")), "clip_score"),
    "a score without end": (record(clip_score=float("-inf")), "clip_score"),
    "a score of text": (record(clip_score="high"), "clip_score"),
    "a score in a list": (record(clip_score=[0.3]), "clip_score"),
    "trust of NaN": (record(trust=float("nan")), "trust"),
    "trust above 1": (record(trust=7), "trust"),
    "trust below 0": (record(trust=-1), "trust"),
    "a similarity of NaN": (record(prior_similarity=float("nan")), "prior_similarity"),
    "a label that is a number": (record(label=5), "label"),
    "a label that is a list": (record(label=["walking"]), "label"),
    "a label that is an object": (record(label={"a": 1}), "label"),
    "a description that is a list": (record(description=[1]), "description"),
    "a reason that is a number": (record(reason=1), "reason"),
    "a video that is a list": (record(video=["a"]), "video"),
    "a proposal that is a number": (record(proposed=3), "proposed"),
    "segments that overlap": (json.dumps([GOOD, {**GOOD, "start": 5, "stop": 9}]), "overlap"),
    "a table of something else": ("time,value\n0,1\n", "lacks the column start, stop, label"),
    "tabs": ("start\tstop\tlabel\n0\t6\twalking\n", "lacks the column"),
    "a heading alone": (HEAD, "holds no labels"),
    "words for frames": (HEAD + "0,many,walking\n", "line 2: stop"),
    "seconds for frames": (HEAD + "0.0,0.2,walking\n", "line 2: stop"),
    "a short row": (HEAD + "0\n", "line 2: stop"),
    "an open quote": (HEAD + '0,6,"walk\n' * 3, "line"),
    "a cell of 200 kB": (HEAD + "0,6," + "w" * 200_000 + "\n", "not a label file"),
    "a page": ("<html><body>not found</body></html>", "lacks the column"),
    "YAML": ("- start: 0\n  stop: 6\n", "lacks the column"),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_bad_file_is_one_line(tmp_path, name):
    content, said = FILES[name]
    path = tmp_path / "labels.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SemttaError) as refusal:
        read_labels(path)
    message = str(refusal.value)
    assert said in message
    assert str(path) in message
    assert message.isprintable()
    assert len(message) <= 300


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "a link to nowhere", "too large", "a name with a null"])
def test_what_is_no_file(tmp_path, monkeypatch, kind):
    path = tmp_path / "labels.csv"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "a link to nowhere":
        path.symlink_to(tmp_path / "nowhere")
    elif kind == "too large":
        monkeypatch.setattr("semtta.io.labels.LARGEST", 100)
        path.write_text(HEAD + "0,6,walking\n" * 20)
    elif kind == "a name with a null":
        path = tmp_path / "labels\0.csv"
    with pytest.raises(SemttaError, match="labels"):
        read_labels(path)


@pytest.mark.parametrize(
    "text",
    [
        "Start;Stop;Label\n0;6;walking\n",
        "\ufeff" + HEAD + "0,6,walking\r\n\r\n",
        HEAD + " 0 , 6 ,walking,more,than,columns\n",
        record(segment=0, score=3, another={"deep": []}),
        record(start="0", clip_score=""),
        record(video=None, proposed=None, description=None, source=None, clip_score=None, reason=None, trust=None),
        record(label="walk\x1b[31ming".replace("\x1b[31m", "")),
    ],
)
def test_what_is_only_unusual_is_read(tmp_path, text):
    (tmp_path / "l").write_text(text, encoding="utf-8")
    ((label,),) = read_labels(tmp_path / "l").values()
    assert (label.start, label.stop, label.label) == (0, 6, "walking")


def test_escape_sequences_and_endless_texts_are_not_passed_on(tmp_path):
    (tmp_path / "l").write_text(record(label="w\x1b[2J\u202e\ud800", description="d" * 100_000, reason="\x07"))
    ((label,),) = read_labels(tmp_path / "l").values()
    assert f"{label.label}{label.description}{label.reason}".isprintable()
    assert len(label.description) <= 400
    json.dumps(to_record(0, label)).encode()


@pytest.mark.parametrize(
    "name", ["UTF-16 without a mark", "deep lists", "a reversed span", "a score of NaN", "nothing", "a cell of 200 kB"]
)
@pytest.mark.parametrize("option", ["--labels", "--evaluate"])
def test_the_command_refuses_before_it_does_anything(refused, clip, tmp_path, monkeypatch, name, option):
    monkeypatch.setattr("semtta.runs.label.locate", lambda *given: pytest.fail("work was done"))
    content, said = FILES[name]
    path = tmp_path / "l.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    labeler = [] if option == "--labels" else ["--label", "walking"]
    refused("label", clip / "walk.mp4", "--keypoints", clip / "keypoints.npz", option, path, *labeler,
            "--out", tmp_path / "out", names=(str(path), said))  # fmt: skip
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["video,start,stop,label\nother,0,6,walking\n", HEAD + "0,600,walking\n"])
def test_labels_of_another_video(refused, clip, tmp_path, text):
    (tmp_path / "l.csv").write_text(text)
    refused("label", clip / "walk.mp4", "--keypoints", clip / "keypoints.npz", "--labels", tmp_path / "l.csv", names="walk")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from([*to_record(0, SegmentLabel(0, 1, "x")), "video", "proposed", "other"])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(FIELDS, VALUES, max_size=6), max_size=3))
def test_any_records_are_read_or_refused(tmp_path, records):
    (tmp_path / "l.json").write_text(json.dumps(records))
    _read_or_refused(tmp_path / "l.json")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@example(b'[{"start":0,"stop":1,"label":"\\ud800"}]')
def test_any_bytes_are_read_or_refused(tmp_path, content):
    (tmp_path / "l").write_bytes(content)
    _read_or_refused(tmp_path / "l")
    (tmp_path / "l").write_bytes(b"start,stop,label\n0,6,walking\n" + content)
    _read_or_refused(tmp_path / "l")


def _read_or_refused(path):
    labels, message = {}, ""
    try:
        labels = read_labels(path)
    except SemttaError as refusal:
        message = str(refusal)
    assert labels or message
    assert len(message) <= 300
    assert "\n" not in message
    for items in labels.values():
        for item in items:
            assert 0 <= item.start < item.stop
            assert item.label is None or item.label.isprintable()
            assert from_record(to_record(0, item)) == item
    to_csv(labels).encode()
