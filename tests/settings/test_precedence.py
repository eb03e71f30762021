"""Who decides a setting: the user, else the preset, else what suits the parts, else the field's default."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
import yaml

import semtta
from semtta.build import build_labeler, build_prior, make_config, resolve
from semtta.errors import SemttaError
from semtta.losses import TermSettings, bind, terms
from semtta.registry import Entry
from semtta.runs.demo import demo_video
from semtta.settings import flatten, read_settings


@pytest.mark.parametrize(
    ("preset", "settings", "key", "value", "origin"),
    [
        ("best", {}, "loop.epochs", 20, "estimator open"),
        ("best", {}, "losses.align.weight", 8.0, "prior infill"),
        ("best", {"method": "cycleadapt"}, "loop.sampling", "frames", "method cycleadapt"),
        ("best", {"method": "cycleadapt"}, "loop.batch_frames", 120, "estimator open for cycleadapt"),
        ("best", {"method": "cycleadapt"}, "loop.epochs", 30, "estimator open for cycleadapt"),
        ("best", {}, "losses.2d.weight", 0.1, "default"),
        ("best", {}, "prior.name", "infill", "default"),
        ("paper", {}, "loop.epochs", 6, "preset paper"),
        ("paper", {"prior": "infill"}, "losses.align.weight", 0.2, "preset paper"),
        ("paper", {"method": "cycleadapt"}, "loop.epochs", 13, "preset paper for cycleadapt"),
        ("paper", {"epochs": 4}, "loop.epochs", 4, "user"),
        ("cycleadapt", {}, "updaters", (), "preset cycleadapt"),
        ("tables", {"updaters": ["ema"]}, "updaters", ("ema",), "user"),
        ("tables", {"updaters": ["ema"]}, "updaters.ema.alpha", 0.99, "preset tables"),
        ("best", {"prior": "open", "losses.align.warmup": 0.0}, "losses.align.warmup", 0.0, "user"),
        ("best", {"estimator": "hmr"}, "loop.epochs", 6, "default"),
    ],
)
def test_the_highest_decides_and_is_named(preset, settings, key, value, origin):
    resolved = resolve(preset, settings)
    assert flatten(resolved.config.dump())[key] == value
    assert resolved.origins[key] == origin


def test_every_value_has_an_origin():
    resolved = resolve("paper", {"method": "boa"})
    assert set(resolved.origins) == set(flatten(resolved.config.dump()))


def test_layers_of_the_user_stand_above_each_other():
    files = ("run.yaml", {"preset": "paper", "epochs": 5, "learning_rate": 1e-4, "prior": "infill"})
    resolved = resolve(None, [files, ("option", {"prior": "open"}), ("--set", {"loop.epochs": 4})])
    assert resolved.preset == "paper"
    assert (resolved.config.loop.epochs, resolved.origins["loop.epochs"]) == (4, "--set")
    assert (resolved.config.loop.learning_rate, resolved.origins["loop.learning_rate"]) == (1e-4, "run.yaml")
    assert (resolved.config.prior.name, resolved.origins["prior.name"]) == ("open", "option")
    assert resolve("fast", [files]).preset == "fast"


def test_the_settings_of_a_part_do_not_follow_to_another():
    paper = resolve("paper", {"denoiser": "none"}).config
    assert paper.denoiser.dump() == {"name": "none"}
    files = ("run.yaml", {"prior": {"name": "infill", "sigma": 0.4}})
    kept = resolve(None, [files]).config
    assert (kept.prior.settings.sigma, build_prior(kept).threshold) == (0.4, 0.4)
    other = resolve(None, [files, ("option", {"prior": "open"})]).config
    assert (other.prior.settings.sigma, build_prior(other).threshold) == (None, 0.3)
    vlm = ("run.yaml", {"labeler": {"name": "gpt4o", "frames": 4}})
    assert resolve(None, [vlm, ("option", {"labeler": "oracle"})]).config.labeler.dump() == {"name": "oracle"}
    same = ("run.yaml", {"labeler": {"name": "vlm:a/b", "frames": 4}})
    assert resolve(None, [same, ("option", {"labeler": "vlm:a/c"})]).config.labeler.settings.frames == 4  # another model


def test_the_labelers_settings_have_a_short_form():
    config = resolve(None, {"labeler": "gpt4o", "vlm.frames": 4, "vlm": {"budget": 2}}).config
    assert (build_labeler(config).settings.frames, build_labeler(config).settings.budget) == (4, 2.0)
    with pytest.raises(SemttaError, match=r"Unknown setting 'labeler\.frames' of the labeler 'oracle'"):
        resolve(None, {"labeler": "oracle", "vlm.frames": 4})


@pytest.mark.parametrize(
    "updaters",
    [
        {"updaters": ["ema", {"name": "none"}], "updaters.ema.alpha": 0.5},
        {"updaters": [{"name": "ema", "alpha": 0.5}, "none"]},
        {"updaters": ["ema", "none"], "updaters": ["ema", "none"], "updaters.ema": {"alpha": 0.5}},  # noqa: F601
    ],
)
def test_listed_roles_as_lists_mappings_and_keys(updaters):
    found = resolve("paper", updaters).config.updaters
    assert [(part.name, part.settings.model_dump()) for part in found] == [("ema", {"alpha": 0.5}), ("none", {})]


def test_a_key_of_an_updater_changes_nothing_else():
    found = resolve("paper", {"updaters.ema.alpha": 0.5}).config.updaters
    assert [part.name for part in found] == ["ema", "fill_in"]
    assert found[0].settings.alpha == 0.5


def test_losses_can_be_left_out():
    config = resolve("paper", {"losses": ["2d", "align"]}).config
    assert [part.name for part in config.losses] == ["2d", "align"]
    assert [part.settings.weight for part in config.losses] == [0.1, 0.2]
    assert [term.name for term in bind(resolve("paper", {"losses.pose.weight": 0}).config.losses)] == ["2d", "align", "shape"]


class Speed(TermSettings):
    weight: float = 0.0
    power: int = 1


def speed(context, settings):
    """How far the joints move."""
    return context.joints.diff(dim=0).abs().mean((-2, -1)) ** settings.power


def test_a_term_from_outside_is_added_by_its_weight(monkeypatch):
    monkeypatch.setitem(terms._entries, "speed", Entry("speed", speed, Speed))
    config = resolve("paper", {"losses.speed.weight": 0.5, "losses.speed.power": 2}).config
    assert [part.name for part in config.losses] == [
        "2d",
        "align",
        "pose",
        "shape",
        "acceleration",
        "depth",
        "landmarks",
        "speed",
    ]
    term = bind(config.losses)[-1]
    assert (term.name, term.weight(0.0), term.settings.power) == ("speed", 0.5, 2)
    assert "speed" not in [part.name for part in resolve("paper").config.losses]
    chosen = {"epochs": 1, "min_steps": 1, "segment_stride": 60, "device": "cpu", "losses.speed.weight": 0.5}
    result = semtta.adapt(demo_video(), settings=chosen)
    assert result.history[0]["loss_speed"] > 0
    assert result.setting("losses")[-1] == {"name": "speed", "weight": 0.5, "power": 1}


def test_the_config_of_a_run_read_back_gives_the_same_settings(tmp_path):
    chosen = {"epochs": 1, "min_steps": 1, "segment_stride": 60, "updaters": [{"name": "ema", "alpha": 0.7}], "seed": 5,
        "labeler": "gpt4o", "vlm.frames": 3, "prior.sigma": 0.25, "method": "cycleadapt", "device": "cpu"}  # fmt: skip
    first = resolve("paper", chosen)
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({**first.dump(), "identity": {"person": 0}, "seconds": {"adapting": 1.0}}))
    again = resolve(None, [(str(path), read_settings(path))])
    assert again.config == first.config
    assert (again.preset, again.origins["loop.epochs"]) == ("paper", str(path))


def test_a_part_that_is_given_has_no_settings_but_may_carry_what_suits_it():
    suits = {"loop.learning_rate": 1e-2}
    given = {"estimator": SimpleNamespace(name="mine", suits=suits, method_suits={"cycleadapt": {"loop.epochs": 4}})}
    best = resolve(None, {}, given)
    assert (best.config.estimator.dump(), best.config.loop.learning_rate) == ({"name": "mine"}, 1e-2)
    assert best.origins["loop.learning_rate"] == "estimator mine"
    assert resolve(None, {"method": "cycleadapt"}, given).config.loop.epochs == 4
    assert resolve("paper", {}, given).config.loop.learning_rate == 5e-5
    assert resolve(None, {"learning_rate": 1e-3}, given).config.loop.learning_rate == 1e-3
    with pytest.raises(SemttaError, match=r"estimator\.weights.*estimator 'mine'"):
        resolve(None, {"estimator.weights": "x"}, given)


def test_a_given_estimators_rate_is_what_runs():
    """``adapt``: what suits a ready-made network is used, and the user stands above it."""
    from semtta import Keypoints2D, Video, adapt
    from semtta.estimators import HMR, HMRConfig

    tiny = HMR(HMRConfig(block="basic", depths=(1, 1), widths=(8, 8), stem=8, crop_px=32, hidden=8))
    tiny.suits = {"loop.learning_rate": 1.0}
    points = torch.rand(3, 25, 2) * 60
    frames = [torch.zeros(64, 64, 3, dtype=torch.uint8).numpy()] * 3
    video = Video("v", frames, 3, 30.0, (64, 64), keypoints=Keypoints2D(points, torch.ones(3, 25), "body25"))
    quick = {"prior": "none", "labeler": "none", "denoiser": "none", "epochs": 1, "device": "cpu"}
    for chosen, rate in (({}, 1.0), ({"learning_rate": 0.5}, 0.5)):
        result = adapt(video, estimator=tiny, settings={**quick, **chosen})
        assert result.setting("loop.learning_rate") == result.history[0]["learning_rate"] == rate
    whole = resolve("paper", {**quick, "learning_rate": 2e-4})  # all settings at once: nothing else changes them
    assert adapt(video, estimator=tiny, resolved=whole).setting("loop.learning_rate") == 2e-4


def test_make_config_is_the_given_ones_over_the_defaults():
    assert make_config({"epochs": 2}).loop.model_dump() == {**make_config({}).loop.model_dump(), "epochs": 2}
    assert make_config({}).loop.epochs == 6  # neither a preset nor what suits the parts
