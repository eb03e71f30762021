"""Random contents for every reader of keypoints: what comes back is keypoints or a SemttaError, never anything else."""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import keypoint_files as files
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semtta.detectors import formats, load
from semtta.detectors.keypoints import _linked
from semtta.detectors.readers.documents import Documents, JsonReader
from semtta.errors import SemttaError

ALL = {name: formats.create(name) for name in formats.names()}
READERS = {name: reader for name, reader in ALL.items() if isinstance(reader, JsonReader)}
KEYS = (
    "people", "bodies", "joints", "pose_keypoints_2d", "image_id", "keypoints", "category_id", "idx", "images", "annotations",
    "id", "file_name", "width", "height", "categories", "name", "instance_info", "frame_id", "instances", "keypoint_scores",
    "box",
    "class", "x", "y", "visible", "track_id", "frames", "frame", "landmarks", "pose_landmarks", "visibility", "0.jpg", "score",
)  # fmt: skip
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.integers(-2, 30) | st.floats() | st.floats(0, 600) | st.text(max_size=5)
    | st.sampled_from(("person", "1.jpg", "[]", 10**400, "\ud800"))
)  # fmt: skip
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=4)
        | st.tuples(inner, st.sampled_from((17, 18, 33, 51, 54, 75))).map(lambda pair: [pair[0]] * pair[1])
    ),
    max_leaves=8,
)
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
EXAMPLES = settings(max_examples=200, deadline=None, derandomize=True, database=None, suppress_health_check=SLOW)


def read_valid() -> dict[str, tuple[tuple[str, Any], ...]]:
    """The parsed files of every valid example in JSON."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, write in files.VALID.items():
            (place := Path(folder, name)).mkdir()
            write(place)
            texts = [(file.name, json.loads(file.read_text())) for file in sorted(place.rglob("*.json"))]
            if texts:
                found[name] = tuple(texts)
    return found


VALID = read_valid()


def outcome(reader: JsonReader, named: tuple[tuple[str, Any], ...]) -> None:
    """What a reader makes of files must be keypoints, a refusal or "of another format"."""
    with suppress(SemttaError):
        found = reader.interpret(Documents(Path("fuzz"), named))
        if found is not None:
            for one in _linked(found, files.FRAMES, files.SIZE, False, Path("fuzz"), "fuzz").people:
                assert one.xy.isfinite().all()
                assert ((one.confidence >= 0) & (one.confidence <= 1)).all()


def places(content: Any, path: tuple[Any, ...] = (), depth: int = 6) -> list[tuple[Any, ...]]:
    """Where values stand in JSON; of long lists only the first three and the last."""
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    inner = list(inner)
    chosen = inner if len(inner) <= 6 else [*inner[:3], inner[-1]]
    return [path] + [place for key, value in chosen if depth for place in places(value, (*path, key), depth - 1)]


def replaced(content: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    copy = content.copy()
    copy[place[0]] = replaced(content[place[0]], place[1:], value)
    return copy


@EXAMPLES
@given(contents=st.lists(JSON, min_size=1, max_size=3))
def test_any_json(contents):
    for reader in READERS.values():
        outcome(reader, tuple((f"{i}.json", content) for i, content in enumerate(contents)))


@pytest.mark.parametrize("name", READERS)
@EXAMPLES
@given(data=st.data())
def test_valid_json_with_other_values(name, data):
    own = [key for key in VALID if key.split("-")[0] == name]
    named = list(VALID[data.draw(st.sampled_from(own))])
    for _ in range(data.draw(st.integers(1, 2))):
        i = data.draw(st.integers(0, len(named) - 1))
        place = data.draw(st.sampled_from(places(named[i][1])))
        named[i] = (named[i][0], replaced(named[i][1], place, data.draw(SCALARS | JSON)))
    outcome(READERS[name], tuple(named))


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


BYTES = ("openpose-zip", "coco-results", "npz", "sports2d-file")


@pytest.mark.parametrize("name", BYTES)
@EXAMPLES
@given(data=st.data())
def test_valid_files_with_other_bytes(name, workplace, data):
    folder = workplace / name
    if not folder.exists():
        folder.mkdir()
        (workplace / f"{name}.path").write_text(str(files.VALID[name](folder)))
    path = Path((workplace / f"{name}.path").read_text())
    content = bytearray(original := path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(len(content) - 1, 0)))
        kind = data.draw(st.sampled_from(("flip", "cut", "insert", "delete", "repeat")))
        if kind == "flip" and content:
            content[at] ^= data.draw(st.integers(1, 255))
        elif kind == "cut":
            del content[at:]
        elif kind == "insert":
            content[at:at] = data.draw(st.binary(min_size=1, max_size=8))
        elif kind == "delete":
            del content[at : at + data.draw(st.integers(1, 40))]
        else:
            content[at:at] = content[at : at + 40]
    try:
        path.write_bytes(content)
        for reader in ALL.values():
            with suppress(SemttaError):
                reader.read(path)
        said = ""
        try:
            people = load(path, files.FRAMES, files.SIZE).people
        except SemttaError as error:
            people, said = [], str(error)
        assert all(one.xy.isfinite().all() for one in people)
        assert len(said) <= 300
        assert said.isprintable()
    finally:
        path.write_bytes(original)
