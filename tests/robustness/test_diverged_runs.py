"""Runs whose numbers explode: one line, the last finite epoch is kept, nothing is taken for a result."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from command_line import call
from short_clips import write_tiny_hmr

from semtta.errors import SemttaError
from semtta.estimators import HMR
from semtta.io.weights import load_weights, save_weights
from semtta.methods.divergence import not_finite
from semtta.runs.adapt import adapt_files

LONGEST = 300
ONLINE = ("boa", "dynaboa", "dapa")
EXPLOSIONS = {"nan": float("nan"), "inf": float("inf"), "huge": 1e30}


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    return write_tiny_hmr(tmp_path_factory.mktemp("weights") / "hmr.safetensors")


@pytest.fixture
def settings(weights) -> dict[str, object]:
    return {
        "estimator": "hmr", "estimator.weights": str(weights), "denoiser": "none", "prior": "none", "device": "cpu",
        "epochs": 3, "min_steps": 1,
    }  # fmt: skip


@pytest.fixture
def adapt(clip, settings, tmp_path):
    def run(progress=None, **changes):
        chosen = {**settings, **changes}
        return adapt_files(
            [clip / "walk.mp4"], tmp_path / "out", clip / "keypoints.npz", "walking", settings=chosen, progress=progress
        )

    return run


@pytest.fixture
def explode(monkeypatch):
    """``explode(value, after=1)`` -> what follows the run: when ``after`` epochs are done, the network's output explodes."""

    def start(value: float, after: int = 1):
        forward, done = HMR.forward, [0]

        def exploding(self, batch):
            found = forward(self, batch)
            if done[0] < after:
                return found
            return replace(found, rotations=found.rotations * value, betas=found.betas * value, camera=found.camera * value)

        def follow(what, count, total):
            done[0] = count if what == "adapting" else done[0]

        monkeypatch.setattr(HMR, "forward", exploding)
        return follow

    return start


def check_message(error: object, epoch: str) -> None:
    text = str(error)
    assert f"diverged in epoch {epoch}" in text
    assert "loop.learning_rate (" in text
    assert "\n" not in text
    assert len(text) <= LONGEST


@pytest.mark.parametrize("kind", EXPLOSIONS)
@pytest.mark.parametrize("method", ["semantic", "cycleadapt", *ONLINE])
def test_a_run_that_explodes_stops_and_keeps_the_epoch_before(adapt, explode, tmp_path, method, kind):
    blocks = {"segment_frames": 2, "epochs": 1} if method in ONLINE else {}
    with pytest.raises(SemttaError) as caught:
        adapt(explode(EXPLOSIONS[kind]), method=method, **blocks)
    check_message(caught.value, "2 of 3")
    assert "The checkpoint keeps epoch 1." in str(caught.value)
    assert [path.name for path in (tmp_path / "out" / "walk").iterdir()] == ["checkpoint.pt"]
    state = torch.load(tmp_path / "out" / "walk" / "checkpoint.pt", weights_only=True)["state"]
    assert state["epoch"] == len(state["history"]) == 1
    assert not_finite(state) is None


@pytest.mark.parametrize("prior", ["open", "infill", "discriminator"])
def test_a_prior_that_is_shown_what_exploded_does_not_fail_first(adapt, explode, prior):
    with pytest.raises(SemttaError) as caught:
        adapt(explode(float("nan")), prior=prior, denoiser="mdnet", sampling="similarity")
    check_message(caught.value, "2 of 3")


def test_weights_that_explode_in_the_last_step_of_an_epoch_are_not_kept(adapt, monkeypatch, tmp_path):
    """No loss and no prediction of the epoch shows them, where predictions are those of the steps."""
    from semtta.methods.offline.loop import Adaptation

    step = Adaptation.step

    def breaking(self, state, frames, segments):
        values = step(self, state, frames, segments)
        if state.epoch == 1:
            with torch.no_grad():
                state.trainable.adapted["deccam.bias"][0] = float("inf")
        return values

    monkeypatch.setattr(Adaptation, "step", breaking)
    with pytest.raises(SemttaError, match=r"adapted\.deccam\.bias is not finite") as caught:
        adapt(predictions="train")
    check_message(caught.value, "2 of 3")


def test_a_loss_alone_that_is_not_finite_is_noticed(adapt, monkeypatch):
    """As of a term that is watched only: of no weight, so that nothing else shows it."""
    from semtta.methods.offline.loop import Adaptation

    step = Adaptation.step
    monkeypatch.setattr(Adaptation, "step", lambda self, *a: {**step(self, *a), "watched": torch.tensor(float("nan"))})
    with pytest.raises(SemttaError, match="loss_watched is not finite"):
        adapt()


def test_the_command_says_it_in_one_line(explode, monkeypatch, capsys, clip, settings, tmp_path):
    explode(float("nan"), after=0)
    chosen = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    inputs = [clip / "walk.mp4", "--keypoints", clip / "keypoints.npz", "--label", "walking"]
    code, out, err = call(monkeypatch, capsys, "adapt", *inputs, *chosen, "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    (line,) = [line for line in err.splitlines() if line.startswith("Error")]
    assert "predicts numbers that are not finite before anything is adapted" in line
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()


def test_a_run_that_explodes_at_once_leaves_nothing(adapt, explode, monkeypatch, tmp_path):
    from semtta.methods.offline.loop import Adaptation

    start = Adaptation.start
    follow = explode(float("inf"))
    monkeypatch.setattr(Adaptation, "start", lambda self, before: (follow("adapting", 1, 3), start(self, before))[1])
    with pytest.raises(SemttaError) as caught:
        adapt(None)
    check_message(caught.value, "1 of 3")
    assert "checkpoint" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_weights_that_are_not_finite_are_refused(adapt, weights, tmp_path):
    tensors, metadata = load_weights(weights, "hmr")
    tensors["fc2.bias"] = tensors["fc2.bias"] * float("nan")
    broken = save_weights(tmp_path / "broken.safetensors", "hmr", tensors, config=metadata["config"])
    with pytest.raises(SemttaError, match=r"'fc2\.bias' has NaN or infinite values"):
        adapt(**{"estimator.weights": str(broken)})


def test_a_motion_that_is_not_finite_is_no_result(adapt, explode, tmp_path):
    """The last prediction of all frames comes after the last epoch, where predictions are those of the steps."""
    with pytest.raises(SemttaError, match="diverged at its end"):
        adapt(explode(float("nan"), after=3), predictions="train")
    assert [path.name for path in (tmp_path / "out" / "walk").iterdir()] == ["checkpoint.pt"]


def test_what_is_not_finite_is_named():
    good = {"a": torch.ones(2), "count": torch.tensor([1]), "empty": torch.zeros(0), "none": None}
    assert not_finite(good) is None
    assert not_finite({}) is None
    assert not_finite({**good, "b": [torch.zeros(3), {"c": torch.tensor([0.0, float("inf")])}]}) == "b.1.c"
