"""Files of studies of every wrong shape: one line that names the file and the place in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import answered, refusal

from semtta.datasets import open_dataset
from semtta.experiments.study import check_names, included, make_study, read_study, with_rows
from semtta.io.yaml_files import to_yaml

VIEW = {"table": "errors", "title": "Errors"}
SMALL: dict[str, Any] = {"dataset": "synthwild", "rows": [{"name": "mine"}], "views": {"all": VIEW}}

SHAPES = {
    "rows none": {"rows": None},
    "rows empty": {"rows": []},
    "rows text": {"rows": "mine"},
    "rows number": {"rows": 3},
    "rows mapping": {"rows": {"mine": {}}},
    "rows of text": {"rows": ["mine"]},
    "rows of lists": {"rows": [["mine"]]},
    "rows of null": {"rows": [None]},
    "row nameless": {"rows": [{}]},
    "row empty name": {"rows": [{"name": ""}]},
    "row name number": {"rows": [{"name": 3}]},
    "row name list": {"rows": [{"name": ["a"]}]},
    "row extra": {"rows": [{"name": "a", "b": 1}]},
    "row twice": {"rows": [{"name": "a"}, {"name": "a"}]},
    "row settings list": {"rows": [{"name": "a", "settings": [1]}]},
    "row settings text": {"rows": [{"name": "a", "settings": "epochs=3"}]},
    "row settings null": {"rows": [{"name": "a", "settings": None}]},
    "row preset list": {"rows": [{"name": "a", "preset": ["paper"]}]},
    "row only_on text": {"rows": [{"name": "a", "only_on": "3dpw"}]},
    "too many rows": {"rows": [{"name": str(i)} for i in range(1001)]},
    "views none": {"views": None},
    "views empty": {"views": {}},
    "views list": {"views": [VIEW]},
    "views text": {"views": "all"},
    "view null": {"views": {"all": None}},
    "view text": {"views": {"all": "errors"}},
    "view without table": {"views": {"all": {"title": "x"}}},
    "view of another table": {"views": {"all": {**VIEW, "table": "sums"}}},
    "view extra": {"views": {"all": {**VIEW, "colour": 1}}},
    "view of unknown row": {"views": {"all": {**VIEW, "rows": ["yours"]}}},
    "view baseline": {"views": {"all": {**VIEW, "baseline": "yours"}}},
    "view rows text": {"views": {"all": {**VIEW, "rows": "mine"}}},
    "view clips": {"views": {"all": {**VIEW, "clips": {"a": "b"}}}},
    "view hardest": {"views": {"all": {**VIEW, "hardest": -1}}},
    "view hardest true": {"views": {"all": {**VIEW, "hardest": True}}},
    "unknown key": {"rowz": []},
    "name of a place": {"name": "../mine"},
    "name list": {"name": ["a"]},
    "name empty": {"name": ""},
    "seeds 0": {"seeds": 0},
    "seeds many": {"seeds": 10**9},
    "seeds text": {"seeds": "few"},
    "seeds true": {"seeds": True},
    "seeds nan": {"seeds": float("nan")},
    "seeds 1.5": {"seeds": 1.5},
    "frames 1": {"frames": 1},
    "frames inf": {"frames": float("inf")},
    "frames list": {"frames": [20]},
    "max_tracks 0": {"max_tracks": 0},
    "tracks text": {"tracks": "a"},
    "tracks numbers": {"tracks": [1]},
    "quick text": {"quick": "perhaps"},
    "preset list": {"preset": ["paper"]},
    "preset_for list": {"preset_for": ["paper"]},
    "settings list": {"settings": ["epochs"]},
    "settings null": {"settings": None},
    "settings_for": {"settings_for": {"3dpw": 3}},
    "root list": {"root": ["a"]},
    "dataset list": {"dataset": ["synthwild"]},
    "split number": {"split": 3},
}


@pytest.mark.parametrize("kind", SHAPES)
def test_studies_of_another_shape(kind, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(to_yaml({**SMALL, **SHAPES[kind]}))
    refusal(read_study, path, names="mine.yaml")


NAMES = {
    "unknown dataset": ({"dataset": "synthwilde"}, "Did you mean 'synthwild'"),
    "no dataset": ({"dataset": None}, "--dataset"),
    "unknown preset": ({"preset": "papr"}, "Did you mean 'paper'"),
    "unknown setting": ({"settings": {"epoch": 3}}, "Did you mean 'loop.epochs'"),
    "setting that cannot be": ({"settings": {"learning_rate": 100}}, "learning_rate=100"),
    "setting within another": ({"settings": {"loop": {"epochs": {"x": 3}}}}, "epochs"),
    "empty setting": ({"settings": {"": 3}}, "no name"),
    "method as list": ({"settings": {"method": ["boa"]}}, "give a name"),
    "unknown prior": ({"rows": [{"name": "mine", "settings": {"prior": "opne"}}]}, "Did you mean 'open'"),
    "updaters as text": ({"rows": [{"name": "mine", "settings": {"updaters": "ema"}}]}, "list of names"),
    "loss number": ({"rows": [{"name": "mine", "settings": {"losses.2d": 3}}]}, "losses.2d"),
    "preset in settings": ({"rows": [{"name": "mine", "settings": {"preset": "paper"}}]}, "beside"),
}


@pytest.mark.parametrize("kind", NAMES)
def test_studies_of_what_does_not_exist(kind):
    change, names = NAMES[kind]
    refusal(lambda: check_names(make_study({"name": "mine", **SMALL, **change})), names=names)


BYTES = {
    "nothing": b"",
    "word": b"study",
    "list": b"- rows",
    "bracket": b"rows: [",
    "tab": b"rows:\n\t- name: a",
    "png": b"\x89PNG\r\n\x00",
    "utf-16": "rows: []".encode("utf-16"),
    "twice": b"seeds: 1\nseeds: 2",
    "itself": b"rows: &a [*a]",
    "deep": b"rows: " + b"[" * 3000,
    "date": b"seeds: !!timestamp 2026-01-01",
    "number key": b"1: 2",
    "object": b"!!python/object:os.x {}",
    "digits": b"seeds: " + b"9" * 5000,
}


@pytest.mark.parametrize("kind", BYTES)
def test_files_that_hold_no_study(kind, tmp_path):
    (tmp_path / "mine.yaml").write_bytes(BYTES[kind])
    refusal(read_study, tmp_path / "mine.yaml", names="mine.yaml")


def test_places_that_hold_no_study(tmp_path):
    for place in (tmp_path, tmp_path / "none.yaml", "", ".", "comparee"):
        refusal(read_study, place, names="Included: alpha")
    refusal(read_study, tmp_path / ("n" * 300), names="Included: alpha")
    refusal(read_study, "a\0b", names="Included: alpha")


@pytest.mark.parametrize("names", [[], [""], ["semantik"], ["x" * 5000], ["[/red]"], ["\x1b[2J"]])
def test_rows_that_do_not_exist(names):
    refusal(with_rows, make_study({"name": "mine", **SMALL}), names)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["compare", "--study", "FILE", "--dataset", "synthwild"], "mine.yaml"),
        (["compare", "--methods", ",", "--dataset", "synthwild"], "No method"),
        (["compare", "--methods", "boaa", "--dataset", "synthwild"], "Unknown method"),
        (["compare"], "--dataset"),
        (["compare", "--dataset", "folder", "--root", "EMPTY"], "no video"),
        (["compare", "--dataset", "folder", "--root", "NONE"], "none"),
        (["compare", "--dataset", "folder", "--root", "FILE"], "mine.yaml"),
        (["compare", "--dataset", "synthwild", "--split", "[/x]"], "split"),
        (["compare", "--dataset", "synthwild", "--protocol", "spin"], "protocol"),
        (["compare", "--dataset", "synthwild", "--seeds", "0"], "--seeds"),
        (["compare", "--dataset", "synthwild", "--workers", "2", "--ray", "auto"], "--ray"),
        (["ablate", "--dataset", "synthwild", "--table", "colours"], "Unknown table"),
        (["ablate", "--dataset", "synthwild", "--set", "epochs=many"], "epochs"),
        (["adapt", "--dataset", "folder", "--root", "EMPTY"], "video"),
        (["adapt", "--dataset", "3dpw", "--root", "EMPTY"], "3dpw"),
        (["adapt", "--dataset", "3dhp", "--root", "NONE"], "none"),
        (["adapt", "--dataset", "egobody"], "--root"),
        (["adapt", "--dataset", "h36m", "--root", "FILE"], "mine.yaml"),
        (["adapt", "--dataset", "synthwild", "--root", "EMPTY"], "empty"),
        (["adapt", "--dataset", "synthwild", "--track", "nobody"], "nobody"),
        (["evaluate", "EMPTY", "--dataset", "synthwild"], "empty"),
        (["doctor", "--dataset", "3dpww"], "Unknown dataset"),
    ],
)
def test_the_commands_refuse_them(refused, tmp_path, arguments, names):
    (tmp_path / "mine.yaml").write_text("rows: [")
    (tmp_path / "empty").mkdir()
    places = {"FILE": tmp_path / "mine.yaml", "EMPTY": tmp_path / "empty", "NONE": tmp_path / "none"}
    out = [] if arguments[0] in ("doctor", "evaluate") else ["--out", tmp_path / "out"]
    refused(*[places.get(item, item) for item in arguments], *out, names=names)


@pytest.mark.parametrize("dataset", ["3dpw", "3dhp", "egobody", "h36m", "folder", "synthwild"])
def test_datasets_that_are_not_there(dataset, tmp_path):
    """No root that does not exist, is a file, or is empty makes a reader raise anything but a line that names it."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    for root in (tmp_path / "none", tmp_path / "file", tmp_path / "empty", "a\0b"):
        for split in ("test", "train", "[/x]"):
            answered(lambda root=root, split=split: list(open_dataset(dataset, root, split).tracks()))
    answered(lambda: open_dataset(dataset, tmp_path / "empty", "test", "nothing/such"))


VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from(["semantic", "boa", "errors"])
)
INNER = st.recursive(
    VALUES, lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=6), x, max_size=3), max_leaves=8
)
FIELDS = st.sampled_from(["rows", "views", "seeds", "settings", "dataset", "preset", "name", "tracks", "settings_for", "quick"])


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(FIELDS, INNER, max_size=4), INNER, INNER)
def test_studies_by_chance(change, row, view):
    shaped = {"name": "mine", **SMALL, "rows": [{"name": "mine", "settings": {"prior": row}}], **change}
    answered(lambda: check_names(make_study(shaped)))
    answered(lambda: make_study({"name": "mine", **SMALL, "rows": [row], "views": {"all": view}}))


def test_the_included_ones_are_not_refused():
    assert all(answered(read_study, Path(name)) for name in included())
