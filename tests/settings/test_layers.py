"""Layers of settings as they are written, read and put back."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from semtta.build import resolve
from semtta.errors import SemttaError
from semtta.settings import PRESETS, SINGLE_ROLES, flatten, nested, parse_assignments, read_settings

GROUPS = ("loop", "evidence", "labels", *SINGLE_ROLES)
words = st.text("abcdefghij_", min_size=1, max_size=8)
values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words | st.lists(st.integers(), max_size=3)
trees = st.dictionaries(st.sampled_from(GROUPS), st.dictionaries(words, values, min_size=1, max_size=4), max_size=5)


def test_nested_dotted_and_short_keys_are_the_same():
    flat = {"prior.name": "infill", "loop.epochs": 3, "labeler.frames": 4, "updaters": ("ema",), "updaters.ema.alpha": 0.5}
    assert flatten(flat) == flat
    assert flatten({"prior": {"name": "infill"}, "loop": {"epochs": 3}, "labeler": {"frames": 4}, "updaters": [
        {"name": "ema", "alpha": 0.5}]}) == flat  # fmt: skip
    assert flatten({"prior": "infill", "epochs": 3, "vlm": {"frames": 4}, "updaters": ["ema"], "updaters.ema.alpha": 0.5}) == flat
    assert flatten({"vlm.frames": 4, "losses": {"2d": {"weight": 1}}}) == {"labeler.frames": 4, "losses.2d.weight": 1}


@given(trees)
def test_flatten_and_nested_undo_each_other(tree):
    flat = flatten(tree)
    assert nested(flat) == tree
    assert flatten(nested(flat)) == flat == flatten(flat)


@given(trees)
def test_what_is_written_as_yaml_is_read_the_same(tmp_path_factory, tree):
    path = tmp_path_factory.mktemp("settings") / "config.yaml"
    path.write_text(yaml.safe_dump({"preset": "fast", "settings": tree}))
    assert flatten(read_settings(path)) == {"preset": "fast", **flatten(tree)}


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_preset_is_valid_and_survives_yaml(preset, tmp_path):
    resolved = resolve(preset)
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(resolved.dump()))
    again = resolve(None, [(str(path), read_settings(path))])
    assert again.config == resolved.config
    assert again.preset == preset
    assert {again.origins[key] for key in ("loop.epochs", "losses.2d.weight", "prior.name")} == {str(path)}


def test_assignments():
    items = ["epochs=3", "learning_rate=3e-4", "updaters=[ema]", "prior.sigma=null", "dropout=false", "losses.2d={weight: 2e-1}"]
    assert parse_assignments(items) == {
        "loop.epochs": 3, "loop.learning_rate": 3e-4, "updaters": ("ema",), "prior.sigma": None, "loop.dropout": False,
        "losses.2d.weight": 0.2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epoch": 3}, "Unknown setting 'epoch'. Did you mean 'loop.epochs'"),
        ({"loop.epoch": 3}, "Did you mean 'loop.epochs'"),
        ({"loop": {"epoch": 3}}, "Did you mean 'loop.epochs'"),
        ({"prior.sigmma": 0.3}, "Did you mean 'prior.sigma'"),
        ({"updaters.ema.alfa": 0.9}, "Did you mean 'updaters.ema.alpha'"),
        ({"losses.2d.wieght": 0.9}, "Did you mean 'losses.2d.weight'"),
        ({"losses.aling.weight": 0.9}, "Unknown loss 'aling'. Did you mean 'align'"),
        ({"updaters.emma.alpha": 0.9}, "Unknown updater 'emma'. Did you mean 'ema'"),
        ({"sede": 1}, "Did you mean 'seed'"),
        ({"denoiser": "none", "denoiser.batch": 3}, "denoiser 'none'"),
        ({"epochs": -1}, r"loop.epochs=-1"),
        ({"loop.sampling": "all"}, "loop.sampling='all'"),
        ({"loop.adam_betas": [0.5, 1.5]}, r"loop.adam_betas.1=1.5"),
        ({"updaters": [{"name": "ema", "alpha": 2}]}, r"updaters.ema.alpha=2"),
        ({"learning_rate": float("nan")}, "loop.learning_rate=nan"),
        ({"prior": 3}, "prior=3: give a name"),
        ({"prior": None}, "give a name"),
        ({"updaters": "ema"}, "give a list of names"),
        ({"updaters": [["ema"]]}, "neither a name nor a mapping"),
        ({3: 4}, "3 is no name"),
        ({"weights": "x"}, "could be .*estimator.weights"),
    ],
)  # fmt: skip
def test_bad_settings_say_which(settings, message):
    with pytest.raises(SemttaError, match=message) as caught:
        resolve("paper", settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "not a mapping"),
        ("a: [", "Cannot read"),
        ("preset: [x]", "preset must be a name"),
        ("settings: 3", "'settings'"),
    ],
)
def test_files_that_hold_no_settings(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(SemttaError, match=message) as caught:
        read_settings(path)
    assert str(path) in str(caught.value)
    with pytest.raises(SemttaError, match=r"none\.yaml"):
        read_settings(tmp_path / "none.yaml")
