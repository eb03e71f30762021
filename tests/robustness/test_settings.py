"""Settings in files, on the command line and of parts: read, or refused in one line before anything is computed."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from refusals import answered, refusal

from semtta.build import REGISTRIES, resolve
from semtta.devices import choose_device
from semtta.errors import SemttaError
from semtta.io.yaml_files import LONGEST_FILE, parse_yaml, read_yaml, to_yaml
from semtta.registry import Settings
from semtta.settings import (
    AdaptConfig,
    CropSettings,
    EvidenceSettings,
    LabelSettings,
    LoopSettings,
    flatten,
    nested,
    parse_assignments,
    read_settings,
)

# -- every setting of every part --------------------------------------------------------------------------------------


def models() -> Iterator[tuple[str, type[Settings]]]:
    """The settings of the run and of every registered part, each once."""
    for model in (AdaptConfig, LoopSettings, EvidenceSettings, CropSettings, LabelSettings):
        yield model.__name__, model
    for role, registry in REGISTRIES.items():
        for name in registry.names():
            model = registry.entry(name).settings
            if model.model_fields:
                yield f"{role}-{name}", model


FIELDS = [pytest.param(model, field, id=f"{place}.{field}") for place, model in models() for field in model.model_fields]
NO_NUMBERS = (math.nan, math.inf, -math.inf, 1e30, -1e30, 10**30, -(10**30))
#: Thresholds of a cosine, and directions.
MAY_BE_NEGATIVE = ("sigma", "clip_threshold", "floor", "weak", "up", "pitch")


def accepted(model: type[Settings], field: str, value: Any) -> list[Any]:
    """The numbers that the setting has taken ``value`` for, by itself and as each item of a pair."""
    taken = []
    for given_value in (value, [value, value], [0.5, value], [value, 0.5]):
        try:
            found = getattr(model(**{field: given_value}), field)
        except ValidationError:
            continue
        items = found if isinstance(found, (list, tuple)) else [found]
        taken += [item for item in items if isinstance(item, (int, float)) and not isinstance(item, bool)]
    return taken


@pytest.mark.parametrize(("model", "field"), FIELDS)
def test_no_number_is_unbounded(model, field):
    """None takes NaN or infinity, however it is written, or a number beyond reason; cosines and directions may be below 0."""
    for value in (*NO_NUMBERS, "nan", "inf", "-inf", "1e400", True, False):
        assert not accepted(model, field, value), value
    if field not in MAY_BE_NEGATIVE:
        for value in (-1, -0.001, "-1"):
            assert not accepted(model, field, value), value


def test_the_walk_over_settings_sees_them():
    places = {param.id for param in FIELDS}
    assert {"LoopSettings.epochs", "method-boa.motion_gap", "labeler-gpt4o.prices", "losses-2d.weight"} <= places
    assert accepted(LoopSettings, "epochs", 3) == [3]
    assert accepted(LoopSettings, "adam_betas", 0.5) == [0.5] * 6
    assert accepted(REGISTRIES["labeler"].entry("gpt4o").settings, "prices", 2.0) == [2.0, 2.0, 0.5, 2.0, 2.0, 0.5]


# -- --set ------------------------------------------------------------------------------------------------------------


def resolved(*assignments: str) -> AdaptConfig:
    return resolve(None, parse_assignments(assignments)).config


@pytest.mark.parametrize(
    ("assignment", "names"),
    [
        ("epochs", "key=value"), ("", "key=value"), ("=3", "key=value"), (" = ", "key=value"), (".=3", "no name"),
        ("loop.=3", "no name"), (".epochs=3", "no name"), ("loop..epochs=3", "no name"), ("epochs=[", "line 1"),
        ("epochs={a: 1, a: 2}", "twice"), ("epochs=&a [*a]", "deep"), ("epochs=" + "[" * 9000, "deep"),
        ("epochs=\t3\t: x", "--set"),
        ("epochs=!!python/object/apply:os.system [ls]", "tag"), ("epochs=!!bool maybe", "tag"), ("epochs=2026-11-27", "2026"),
        ("epochs=!!timestamp 2026-11-27", "date"), ("epochs=" + "9" * 5000, "5000 digits"), ("epochs=0x" + "f" * 5000, "digits"),
        ("epochs={1: 2}", "no text"), ("epochs=\0", "--set"), ("epochs=\x1b[2J", "--set"), ("epochs=3\n---\n4", "document"),
        ("epochs=3.5", "loop.epochs=3.5"), ("labels=3", "Unknown setting 'labels'"),
        ("epochs=yes", "loop.epochs='yes'"), ("epochs=true", "truth"), ("epochs=", "epochs=None"),
        ("epochs.x=3", "epochs.x"), ("loop=3", "Unknown setting 'loop'"), ("loop.epochs.x.y=3", "epochs.x"),
        ("эпохи=3", "эпохи"), ("lооp.epochs=3", "Unknown setting"), ("x" * 5000 + "=3", "Unknown setting"),
        ("a." * 3000 + "b=3", ""),
        ("learning_rate=100", "learning_rate=100"), ("learning_rate=.inf", "inf"), ("learning_rate=.nan", "nan"),
        ("learning_rate=0", "learning_rate=0"), ("learning_rate=-1e-3", "-0.001"), ("learning_rate=1e400", "inf"),
        ("adam_betas=[5,7]", "adam_betas.0=5"), ("adam_betas=[0.5]", "adam_betas"), ("adam_betas=0.5", "adam_betas"),
        ("adam_betas=[0.5,.nan]", "nan"), ("adam_betas=[true,0.5]", "truth"), ("epochs=-1", "-1"), ("epochs=1e30", "epochs"),
        ("segment_frames=1", "segment_frames=1"), ("sampling=all", "similarity"), ("evidence.threshold=1", "threshold"),
        ("generator=exemplary", "Did you mean 'exemplar'"), ("generator=[exemplar]", "give a name"), ("generator={a: 1}", ""),
        ("estimator=", "give a name"), ("estimator.name=", "give a name"), ("estimator.name=[open]", "give a name"),
        ("seed=-1", "seed=-1"), ("seed=18446744073709551616", "seed"), ("seed=1.5", "seed"), ("seed=x", "seed"),
        ("device=cuda:1000", "device"), ("device=gpu 0", "device"), ("device=[cpu]", "device"), ("device=", "device"),
        ("device=" + "c" * 9000, "device"),
        ("preset=papr", "Did you mean 'paper'"), ("preset=[paper]", "preset"), ("preset={a: b}", "preset"),
        ("preset=3", "preset"),
        ("updaters=ema", "list of names"), ("updaters=[3]", "neither a name"),
        ("updaters=[[ema]]", "neither"), ("updaters=3", "list"),
        ("updaters.ema=3", "updaters.ema"), ("updaters.ema.alpha=2", "alpha=2"), ("updaters=[{name: [ema]}]", "neither a name"),
        ("losses.2d=3", "losses.2d"), ("losses.=3", "no name"), ("losses.nothing.weight=1", "Unknown loss"),
        ("losses.2d.weight=.inf", "inf"), ("losses.2d.weight=[]", "weight"), ("losses.2d.weight={a: 1}", "weight"),
        ("prior.sigma=2", "sigma=2"), ("prior=[]", "give a name"), ("prior.name.x=3", "prior.name"), ("threads=0", "threads=0"),
        ("threads=100000", "threads"), ("labels.frames=0", "labels.frames"), ("crop.resample=nearest", "resample"),
        ("<<={epochs: 3}", "<<"), ("method=boa:3", "after a colon"), ("prior=open:x", "after a colon"),
    ],
)  # fmt: skip
def test_bad_assignments(assignment, names):
    refusal(resolved, assignment, names=names)


@pytest.mark.parametrize(
    ("assignments", "names"),
    [
        (["loop.epochs=3", "loop.epochs.x=4"], "epochs is 3"),
        (["labeler=gpt4o", "labeler.prices=[.nan,1]"], "nan"),
        (["labeler=gpt4o", "labeler.prices=[-1,1]"], "-1"),
        (["labeler=gpt4o", "vlm.margin=.inf"], "margin=inf"),
        (["labeler=gpt4o", "labeler.budget=.nan"], "budget=nan"),
        (["labeler=gpt4o", "labeler.frames=true"], "truth"),
        (["method=boa", "method.motion_gap=0"], "motion_gap=0"),
        (["method=dynaboa", "method.update_threshold=-1"], "update_threshold"),
        (["detector=vitpose", "detector.device=meta"], "device='meta'"),
        (["estimator=motion:x.npz", "estimator.smooth=1e9"], "smooth"),
    ],
)
def test_bad_assignments_together(assignments, names):
    refusal(resolved, *assignments, names=names)


def test_an_unknown_setting_lists_the_nearest_five_of_hundreds():
    line = refusal(resolved, "loop.segment_fames=3", names="Did you mean 'loop.segment_frames'")
    listed = line.partition("Near it: ")[2].partition(". ")[0]
    assert 1 <= len(listed.split(", ")) <= 5
    assert "loop.segment_frames" in listed


def test_text_in_quotes_stays_text_and_numbers_are_numbers():
    config = resolved("estimator.weights='1e5'", "learning_rate=3e-4", "seed=1e3", "dropout=no", "epochs=007")
    assert config.estimator.settings.model_dump()["weights"] == "1e5"
    assert (config.loop.learning_rate, config.seed, config.loop.dropout, config.loop.epochs) == (3e-4, 1000, False, 7)


@pytest.mark.parametrize("name", ["meta", "gpu", "cuda:99", "cuda:-1", "xpu", "hpu", "cpu:x", "", "cuda:" + "9" * 400])
def test_devices_that_cannot_be_used(name):
    refusal(choose_device, name, names="device")


# -- files ------------------------------------------------------------------------------------------------------------

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)
)
MERGES = "b0: &b0 {x: 1}\n" + "\n".join(f"b{i}: &b{i} {{<<: [{', '.join([f'*b{i - 1}'] * 10)}]}}" for i in range(1, 12))
FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "mapping"),
    "a list": (b"- a\n- b", "mapping"),
    "a word": (b"word", "mapping"),
    "a number": (b"3", "mapping"),
    "null": (b"~", "mapping"),
    "open bracket": (b"a: [1, 2", "line"),
    "tabs": (b"loop:\n\tepochs: 3", "line 2"),
    "twice": (b"seed: 1\nseed: 2", "'seed' is there twice"),
    "twice inside": (b"loop:\n  epochs: 1\n  epochs: 2", "line 3"),
    "no text key": (b"1: 2", "no text"),
    "true key": (b"true: 2", "no text"),
    "null key": (b"~: 2", "no text"),
    "list key": (b"? [a]\n: 2", "line 1"),
    "mapping key": (b"? {a: 1}\n: 2", "line 1"),
    "date key": (b"!!timestamp 2026-01-01: 2", ""),
    "laughs": (LAUGHS.encode(), "50000 values"),
    "merges": (MERGES.encode(), ""),
    "itself": (b"&a\nx: *a", "deep"),
    "no anchor": (b"a: *b", "alias"),
    "deep": (b"[" * 100_000, "deep"),
    "deep block": (b"- " * 5000, "deep"),
    "two documents": (b"a: 1\n---\nb: 2", "document"),
    "python": (b"!!python/object/apply:os.system ['ls']", "tag"),
    "binary value": (b"a: !!binary aGVsbG8=", "bytes"),
    "set": (b"a: !!set {b, c}", "set"),
    "date": (b"a: !!timestamp 2026-01-01", "date"),
    "huge number": (b"seed: " + b"9" * 6000, "6000 digits"),
    "huge hexadecimal": (b"seed: 0x" + b"f" * 6000, "digits"),
    "NUL": (b"a: \x00", "Cannot read"),
    "PNG": (b"\x89PNG\r\n\x1a\n\x00\x00", "UTF-8"),
    "zip": (b"PK\x03\x04\x14\x00\xff\xfe", "UTF-8"),
    "UTF-16": ("seed: 1".encode("utf-16"), "UTF-8"),
    "UTF-32": ("seed: 1".encode("utf-32"), "UTF-8"),
    "latin-1": (b"a: \xe9", "UTF-8"),
    "too long": (b"#" * (LONGEST_FILE + 10), "512 kB"),
    "preset list": (b"preset: [paper]", "preset must be a name"),
    "preset mapping": (b"preset: {a: b}", "preset must be a name"),
    "preset number": (b"preset: 3", "preset must be a name"),
    "settings list": (b"settings: [1]", "'settings'"),
    "settings text": (b"preset: paper\nsettings: x", "'settings'"),
    "YAML 9": (b"%YAML 9.0\n---\na: 1", "line 1"),
    "unknown directive": (b"%FOO\na: 1", "Cannot read"),
    "quotes": (b"a: 'x", "line"),
    "settings and others": (b"settings: {seed: 1}\nseed: 2", "seed"),
}


@pytest.mark.parametrize("kind", FILES)
def test_bad_files_of_settings(kind, tmp_path):
    content, names = FILES[kind]
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    line = refusal(lambda: resolve(None, read_settings(path)), names=names)
    assert "mine.yaml" in line or "setting '<<'" in line or "setting 'b0" in line


def test_places_that_are_no_files(tmp_path):
    refusal(read_settings, tmp_path, names="directory")
    refusal(read_settings, tmp_path / "none.yaml", names="No such file")
    refusal(read_settings, tmp_path / ("n" * 300), names="too long")
    refusal(read_settings, "a\0b", names="null")
    (tmp_path / "dead").symlink_to(tmp_path / "none.yaml")
    refusal(read_settings, tmp_path / "dead", names="No such file")
    refusal(read_settings, "/dev/zero", names="512 kB")
    if os.geteuid():
        (tmp_path / "locked.yaml").write_text("seed: 1")
        (tmp_path / "locked.yaml").chmod(0)
        refusal(read_settings, tmp_path / "locked.yaml", names="ermission")


def test_a_byte_order_mark_is_no_letter(tmp_path):
    (tmp_path / "a.yaml").write_text("seed: 3", encoding="utf-8-sig")
    assert read_settings(tmp_path / "a.yaml") == {"seed": 3}


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--config", "FILE"], "mine.yaml"),
        (["--set", "loop..epochs=3"], "no name"),
        (["--set", "updaters=[", "--config", "FILE"], "mine.yaml"),
        (["--preset", "x" * 4000], "Unknown preset"),
        (["--set", "epochs=\x1b]0;title\x07"], "epochs"),
        (["--prior", "[/red]"], "Unknown prior '[/red]'"),
    ],
)
def test_the_command_refuses_them(refused, tmp_path, arguments, names):
    (tmp_path / "mine.yaml").write_text("seed: 1\nseed: 2")
    refused("config", *[tmp_path / "mine.yaml" if item == "FILE" else item for item in arguments], names=names)


@pytest.mark.parametrize("device", ["cuda:99", "meta"])
def test_devices_are_looked_for_before_anything_is_computed(refused, clip, tmp_path, device):
    refused("adapt", clip / "walk.mp4", "--device", device, "--out", tmp_path / "out", names="device")
    assert not (tmp_path / "out").exists()


# -- round trips and chance -------------------------------------------------------------------------------------------

#: Without control characters, which PyYAML writes and reads as ends of lines.
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=10)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["loop", "epochs", "updaters", "ema", "losses", "2d", "prior", "name", "preset", "settings", "seed", "", "."]
)
SCALARS = st.sampled_from(["3", "-1", ".inf", ".nan", "x", "[]", "{}", "~", "true", "2026-01-01", "*a", "&a x", "!!set {a}", "'"])


@settings(max_examples=200, deadline=None)
@given(PLAIN)
def test_what_is_written_is_read_back_by_this_and_other_readers(value):
    text = to_yaml([value])
    assert parse_yaml(text, "it") == [value]
    assert yaml.safe_load(text) == [value]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.lists(KEYS, min_size=1, max_size=3), SCALARS | st.text(max_size=12)), max_size=4))
def test_assignments_by_chance(items):
    answered(lambda: resolved(*(f"{'.'.join(keys)}={value}" for keys, value in items)))


@settings(max_examples=200, deadline=None)
@given(PLAIN | st.binary(max_size=60) | st.text(alphabet="ab:- \n\t[]{}&*!|>'\"#%@?<,0123.", max_size=60))
def test_files_by_chance(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "chance.yaml"
    path.write_bytes(
        content if isinstance(content, bytes) else (content if isinstance(content, str) else to_yaml(content)).encode()
    )
    answered(lambda: resolve(None, read_settings(path)))


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(max_size=5) | st.integers() | KEYS, PLAIN, max_size=4))
def test_settings_of_programs_by_chance(values):
    answered(lambda: nested(flatten(values)))
    answered(lambda: resolve(None, values))


def test_yaml_of_a_folder_is_refused(tmp_path: Path):
    with pytest.raises(SemttaError, match="Cannot read the file"):
        read_yaml(tmp_path)
