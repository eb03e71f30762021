"""What every online method must do."""

import io

import pytest
import torch
from online_settings import settings

from semtta.build import resolve
from semtta.errors import SemttaError
from semtta.methods import methods
from semtta.methods.passes import predict

ONLINE = ("boa", "dynaboa", "dapa")


def run(name, make_problem, roles, before, frames=7, on_epoch=None, resume=None, **changes):
    problem = make_problem(frames)
    config = settings(name, **changes)
    return methods.entry(name).build(problem, roles, config, before(problem), on_epoch, resume)


def copied(state):
    file = io.BytesIO()
    torch.save(state.state_dict(), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("name", ONLINE)
def test_it_fits_the_keypoints_and_leaves_the_network_alone(name, make_problem, roles, before):
    first = {key: value.clone() for key, value in roles.estimator.state_dict().items()}
    outcome = run(name, make_problem, roles, before, frames=8, learning_rate=2e-3, segment_frames=8, epochs=2)
    assert all(torch.equal(value, first[key]) for key, value in roles.estimator.state_dict().items())
    assert outcome.history[1]["loss_2d"] < 0.7 * outcome.history[0]["loss_2d"]
    assert torch.equal(outcome.evidence.points, make_problem(8).evidence.points)


@pytest.mark.parametrize("name", ONLINE)
def test_resumed_run_equals_an_uninterrupted_one(name, make_problem, roles, before):
    states = []
    keep = lambda state: states.append((state.epoch, state.epochs, copied(state)))  # noqa: E731
    whole = run(name, make_problem, roles, before, on_epoch=keep)
    assert [(done, total) for done, total, _ in states] == [(1, 3), (2, 3), (3, 3)]  # blocks of 3 of 7 frames
    assert [record["frames"] for record in whole.history] == [3, 6, 7]
    torch.manual_seed(99)  # the caller's random state plays no part
    resumed = run(name, make_problem, roles, before, resume=states[0][2])
    assert all(torch.equal(value, resumed.weights[key]) for key, value in whole.weights.items())
    assert torch.equal(whole.after.rotations, resumed.after.rotations)
    assert [record["steps"] for record in whole.history] == [record["steps"] for record in resumed.history]


def test_each_frame_is_predicted_right_after_its_step(make_problem, roles, before):
    problem, weights = make_problem(4), []
    outcome = methods.entry("boa").build(
        problem, roles, settings("boa").changed({"loop.segment_frames": 1}), before(problem),
        lambda state: weights.append({key: value.clone() for key, value in state.weights.items()}),
    )  # fmt: skip
    for frame in range(4):
        expected = predict(roles.estimator, weights[frame], problem.inputs[frame : frame + 1])
        torch.testing.assert_close(outcome.after.rotations[frame], expected.rotations[0])
    later = predict(roles.estimator, weights[3], problem.inputs[:1])
    assert not torch.equal(later.rotations[0], outcome.after.rotations[0])


def test_other_seed_other_dapa(make_problem, roles, before):
    first, second = (run("dapa", make_problem, roles, before, frames=2, seed=seed) for seed in (0, 1))
    assert not torch.equal(first.after.rotations, second.after.rotations)


@pytest.mark.parametrize("name", ONLINE)
def test_a_choice_of_weights_is_not_silently_ignored(name, make_problem, roles, before):
    problem = make_problem(2)
    config = settings(name).changed({"loop.trainable": "norm"})
    with pytest.raises(SemttaError, match=f"{name} adapts all weights"):
        methods.entry(name).build(problem, roles, config, before(problem))


@pytest.mark.parametrize("name", ONLINE)
def test_nothing_seen_nothing_adapted(name, make_problem, roles, before):
    outcome = run(name, make_problem, roles, before, epochs=0)
    assert torch.equal(outcome.after.rotations, outcome.before.rotations)
    assert outcome.history == ()


def test_settings_of_estimator_method_and_user_in_this_order(roles, monkeypatch):
    suits = {"loop.learning_rate": 1e-2, "loop.epochs": 30, "updaters.ema.alpha": 0.98}
    monkeypatch.setattr(roles.estimator, "suits", suits, raising=False)
    monkeypatch.setattr(roles.estimator, "method_suits", {"boa": {"loop.learning_rate": 5e-4}}, raising=False)

    def chosen(method, **changes):
        return resolve("best", {"method": method, "prior": "none", **changes}, {"estimator": roles.estimator}).config

    def alpha(config):
        return next(part.settings.alpha for part in config.updaters if part.name == "ema")

    assert chosen("semantic").loop.learning_rate == 1e-2
    boa = chosen("boa")
    assert (boa.loop.learning_rate, boa.loop.epochs, boa.loop.adam_betas, alpha(boa)) == (5e-4, 1, (0.5, 0.999), 0.98)
    assert chosen("dynaboa").loop.learning_rate == 3e-6
    assert chosen("dynaboa").method.settings.motion_weight == 0.8
    mine = chosen("dynaboa", motion_weight=0.2, epochs=2)
    assert (mine.method.settings.motion_weight, mine.loop.epochs) == (0.2, 2)
