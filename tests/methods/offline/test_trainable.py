"""What ``loop.trainable`` chooses: exactly that is adapted, and everything else holds as with all weights."""

from __future__ import annotations

import pytest
import torch
from small_clip import config, make_problem, run, through_a_file, unadapted
from torch import nn

from semtta.errors import SemttaError
from semtta.estimators import HMR, Estimator
from semtta.methods import Roles
from semtta.methods.offline.loop import Adaptation
from semtta.methods.offline.trainable import LORA_RANK, make_trainable

NORMS = {f"{norm}.{leaf}" for norm in ("bn1", "layer1.0.bn1", "layer1.0.bn2", "layer2.0.bn1", "layer2.0.bn2",
                                       "layer2.0.downsample.1") for leaf in ("weight", "bias")}  # fmt: skip
LAST = {f"{layer}.{leaf}" for layer in ("fc1", "fc2", "decpose", "decshape", "deccam") for leaf in ("weight", "bias")}
#: Choice -> names of the weights that it adapts, of the tiny network.
CHOICES = {
    "norm": NORMS, "last": LAST | {"layer2.0.conv1.weight", "layer2.0.conv2.weight", "layer2.0.downsample.0.weight",
                                   *(name for name in NORMS if name.startswith("layer2"))},
    r"^dec.*bias$": {"decpose.bias", "decshape.bias", "deccam.bias"},
    "lora:2": {name for name in LAST if name.endswith("weight")},
}  # fmt: skip


@pytest.fixture(scope="module")
def network(roles) -> HMR:
    """The tiny network with a ``last`` that says which of its parameters come last."""
    other = HMR(roles.estimator.config)
    other.load_state_dict(roles.estimator.state_dict())
    other.last = ("layer2", "fc1", "fc2", "dec")
    return other


def with_network(roles: Roles, network: HMR) -> Roles:
    return Roles(network, roles.body, roles.denoiser, roles.prior)


def changed(weights, estimator: Estimator) -> set[str]:
    return {name for name, value in estimator.named_parameters() if not torch.equal(weights[name], value)}


@pytest.mark.parametrize("choice", CHOICES)
def test_exactly_what_is_chosen_is_adapted(choice, roles, network):
    settings = config(trainable=choice, epochs=3)
    outcome = run(make_problem(), with_network(roles, network), settings)
    assert changed(outcome.weights, network) == CHOICES[choice]
    assert not torch.equal(outcome.after.rotations, outcome.before.rotations)
    assert set(outcome.weights) == {name for name, _ in network.named_parameters()}


def test_all_is_the_default_and_adapts_every_weight_with_a_gradient(roles, network):
    settings = config(epochs=3)
    assert settings.loop.trainable == "all"
    moved = changed(run(make_problem(), with_network(roles, network), settings).weights, network)
    assert moved == {name for name, _ in network.named_parameters()}


@pytest.mark.parametrize("name", ["open", "open-image", "hmr", "hmr2"])
def test_every_estimator_says_which_weights_come_last(name):
    """A part of its parameters, not all of them."""
    from semtta.estimators import HMR2, HMR2Config, HMRConfig, estimators

    small = {"hmr": lambda: HMR(HMRConfig(depths=(1, 1, 1, 1), widths=(8, 8, 16, 16), stem=8, crop_px=64, hidden=32)),
             "hmr2": lambda: HMR2(HMR2Config(width=32, depth=1, backbone_heads=2, crop_px=64, head_width=16, head_depth=1,
                                             heads=2, head_channels=8, feedforward=32)),
             **{name: lambda name=name: estimators.create(name) for name in ("open", "open-image")}}  # fmt: skip
    estimator = small[name]()
    names = {name for name, _ in estimator.named_parameters()}
    adapted = set(make_trainable(estimator, "last").adapted)
    assert adapted < names
    assert adapted


def test_lora_starts_as_the_pre_trained_network_and_adds_a_matrix_of_its_rank(network):
    """W + B A with B = 0 at the start; afterwards the change of every matrix has the rank asked for."""
    trainable = make_trainable(network, "lora:2")
    pre_trained = dict(network.named_parameters())
    assert all(torch.equal(value, pre_trained[name]) for name, value in trainable.weights().items())
    assert trainable.adapted["fc1.weight.A"].shape == (2, network.fc1.in_features)
    assert trainable.adapted["fc1.weight.B"].shape == (network.fc1.out_features, 2)
    assert set(trainable.adapted) == {f"{name}.{side}" for name in CHOICES["lora:2"] for side in "AB"}
    with torch.no_grad():
        for name, value in trainable.adapted.items():
            if name.endswith(".B"):
                value += torch.randn(value.shape, generator=torch.Generator().manual_seed(0))
        update = trainable.weights()["fc1.weight"] - pre_trained["fc1.weight"]
    assert torch.linalg.matrix_rank(update, rtol=1e-4) == 2
    assert make_trainable(network, "lora").adapted["fc1.weight.A"].shape[0] == LORA_RANK


def test_lora_has_the_rank_in_a_run(roles, network):
    outcome = run(make_problem(), with_network(roles, network), config(trainable="lora:2", epochs=3))
    update = outcome.weights["fc1.weight"] - network.fc1.weight.detach()
    assert torch.linalg.matrix_rank(update, rtol=1e-3) == 2
    assert outcome.history[-1]["loss_2d"] < outcome.history[0]["loss_2d"]


@pytest.mark.parametrize("choice", CHOICES)
def test_micro_batched_gradients_are_the_full_ones(choice, roles, network):
    problem, gradients = make_problem(), []
    parts = with_network(roles, network)
    for pieces in (None, 5):
        work = Adaptation(problem, parts, config(trainable=choice, micro_batch=pieces, dropout=False))
        state = work.start(unadapted(problem, parts))
        state.optimiser = torch.optim.SGD(state.trainable.adapted.values(), lr=0.0)
        work.step(state, torch.arange(12), work.segments[:1] * 2)
        gradients.append({name: value.grad for name, value in state.trainable.adapted.items()})
        assert all(value.grad is None for value in state.trainable.frozen.values())
    for name, full in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], full, atol=1e-5, rtol=1e-5)
    assert any(full.abs().sum() > 0 for full in gradients[0].values())


@pytest.mark.parametrize("choice", CHOICES)
def test_a_resumed_run_equals_an_uninterrupted_one(choice, roles, network):
    parts, states = with_network(roles, network), []
    settings = config(trainable=choice, epochs=3)
    whole = run(make_problem(), parts, settings, on_epoch=lambda state: states.append(through_a_file(state.state_dict())))
    resumed = run(make_problem(), parts, settings, resume=states[0])
    assert all(torch.equal(value, resumed.weights[name]) for name, value in whole.weights.items())
    assert torch.equal(whole.after.rotations, resumed.after.rotations)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("norms", "no weight of estimator 'tiny' is chosen; give all, norm, last, lora"),
        ("(", "is no regular expression"),
        ("lora:0", "the rank must be a whole number above 0"),
        ("lora:half", "the rank must be a whole number above 0"),
    ],
)
def test_an_unknown_choice_is_one_line(choice, message, roles, network):
    network.name = "tiny"
    with pytest.raises(SemttaError, match=message.replace("(", r"\(")) as error:
        run(make_problem(), with_network(roles, network), config(trainable=choice))
    assert len(str(error.value).splitlines()) == 1
    assert f"loop.trainable={choice}" in str(error.value)


def test_what_an_estimator_lacks_is_named():
    class Bare(Estimator):
        name = "bare"

        def __init__(self):
            super().__init__()
            self.table = nn.Parameter(torch.zeros(3))

    for choice, message in (("norm", "no weight of estimator 'bare'"), ("last", "no weight of estimator 'bare'"),
                            ("lora", "estimator 'bare' has no linear layer")):  # fmt: skip
        with pytest.raises(SemttaError, match=message):
            make_trainable(Bare(), choice)
    assert set(make_trainable(Bare(), "tab").adapted) == {"table"}
