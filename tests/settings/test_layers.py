from __future__ import annotations

import pytest
import yaml

from semtta.errors import SemttaError
from semtta.settings.config import PRESETS, AdaptConfig, parse_assignments, read, resolve


def test_defaults_are_the_papers():
    config = resolve("paper")
    assert (config.lambda_2d, config.lambda_align, config.ema_alpha, config.keypoint_threshold) == (0.1, 0.2, 0.9, 0.3)
    assert (config.epochs, config.batch_segments, config.segment_frames) == (6, 4, 60)
    assert (config.learning_rate, config.min_learning_rate, config.adam_betas) == (5e-5, 1e-6, (0.5, 0.9))


def test_order_is_preset_then_estimator_then_user():
    assert resolve("cycleadapt", {}, {}).epochs == 13
    assert resolve("cycleadapt", {}, {"learning_rate": 3e-4}).learning_rate == 3e-4
    assert resolve("cycleadapt", {"learning_rate": 1e-3}, {"learning_rate": 3e-4}).learning_rate == 1e-3


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_preset_is_valid_and_survives_yaml(preset, tmp_path):
    config = resolve(preset)
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"settings": config.model_dump(mode="json")}))
    assert AdaptConfig(**read(path)) == config


def test_assignments():
    items = ["epochs=3", "learning_rate=3e-4", "updaters=[ema]", "fill_threshold=null", "dropout=false"]
    assert parse_assignments(items) == {
        "epochs": 3, "learning_rate": 3e-4, "updaters": ["ema"], "fill_threshold": None, "dropout": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"epoch": 3}, "Did you mean 'epochs'"), ({"epochs": -1}, "epochs=-1"), ({"sampling": "all"}, "sampling='all'")],
)
def test_bad_settings_say_which(settings, message):
    with pytest.raises(SemttaError, match=message):
        resolve("paper", settings)


def test_a_whole_config_is_taken_as_it_is():
    """``adapt(config=...)``: neither preset nor the parts' own settings change it."""
    import torch

    from semtta import Keypoints2D, Video, adapt
    from semtta.estimators import HMR, HMRConfig

    tiny = HMR(HMRConfig(block="basic", depths=(1, 1), widths=(8, 8), stem=8, crop_px=32, hidden=8))
    tiny.adaptation_defaults = {"learning_rate": 1.0}
    points = torch.rand(3, 25, 2) * 60
    frames = [torch.zeros(64, 64, 3, dtype=torch.uint8).numpy()] * 3
    video = Video("v", frames, 3, 30.0, (64, 64), keypoints=Keypoints2D(points, torch.ones(3, 25), "body25"))
    config = AdaptConfig(prior="none", labeler="none", denoiser="none", epochs=1, learning_rate=2e-4)
    assert adapt(video, estimator=tiny, config=config).config["settings"]["learning_rate"] == 2e-4
    quick = {"prior": "none", "labeler": "none", "denoiser": "none", "epochs": 1, "device": "cpu"}
    assert adapt(video, estimator=tiny, **quick).config["settings"]["learning_rate"] == 1.0
    assert adapt(video, estimator=tiny, learning_rate=0.5, **quick).config["settings"]["learning_rate"] == 0.5
