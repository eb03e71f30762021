"""BOA's two levels."""

from dataclasses import replace

import pytest
import torch
from online_settings import settings
from torch import nn
from torch.func import grad

from semtta.body import load
from semtta.estimators import CropEstimator
from semtta.geometry import matrix_from_6d
from semtta.methods import methods
from semtta.methods.online.boa import BOA
from semtta.methods.online.pose_prior import PosePrior
from semtta.methods.problem import Problem
from semtta.types import Evidence, FrameBatch, Prediction


class Small(CropEstimator):
    """A smooth double-precision network of a few hundred weights."""

    crop_px = 4

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.hidden = nn.Parameter(0.3 * torch.randn(6, 48, generator=generator, dtype=torch.float64))
        self.output = nn.Parameter(0.3 * torch.randn(157, 6, generator=generator, dtype=torch.float64))

    def normalise(self, crops):
        return crops.double() / 255

    def from_images(self, images):
        out = (images.flatten(1) @ self.hidden.mT).tanh() @ self.output.mT
        six = torch.tensor([1.0, 0, 0, 1, 0, 0]).to(out) + out[:, :144].unflatten(-1, (24, 6))
        camera = torch.tensor([0.9, 0, 0]).to(out) + 0.1 * out[:, 154:]
        return Prediction(matrix_from_6d(six, "columns_interleaved"), out[:, 144:154], camera)


@pytest.fixture(scope="module")
def double(roles):
    """BOA in double precision, with a large lower-level step, at a frame where every term counts."""
    generator = torch.Generator().manual_seed(1)
    crops = torch.randint(256, (8, 3, 4, 4), generator=generator, dtype=torch.uint8)
    points = 224 * torch.rand(8, 29, 2, generator=generator, dtype=torch.float64)
    problem = Problem(FrameBatch.of_crops(crops), Evidence(points, torch.rand(8, 29, generator=generator) < 0.7), (), 30.0)
    roles = replace(roles, estimator=Small(), body=load("open", dtype=torch.float64))
    method = BOA(problem, roles, settings("boa", inner_learning_rate=2e-2, motion_weight=1.0, teacher_weight=1.0))
    included = PosePrior.load()
    covariances = included.cholesky.double() @ included.cholesky.double().mT
    method.pose_prior = PosePrior(included.means, covariances, torch.full((8,), 1 / 8), torch.float64)
    state = method.start(None)
    state.teacher = {name: value + 0.1 for name, value in state.teacher.items()}
    return method, state


def test_outer_gradient_is_that_of_finite_differences(double):
    method, state = double

    def objective(weights):
        return method.upper(method.probe(weights, 6, None), state, 6, None)[0]

    gradient = grad(objective)(state.weights)
    generator = torch.Generator().manual_seed(2)
    for _ in range(3):
        way = {k: torch.randn(v.shape, generator=generator, dtype=v.dtype) for k, v in state.weights.items()}
        step = 1e-5
        ahead, behind = (objective({k: v + s * way[k] for k, v in state.weights.items()}) for s in (step, -step))
        slope = sum((gradient[k] * way[k]).sum() for k in way).item()
        assert slope == pytest.approx(((ahead - behind) / (2 * step)).item(), rel=1e-5)
    # The gradient at the probed weights, which leaves out how the probe itself moves, is another one.
    first_order = grad(lambda weights: method.upper(weights, state, 6, None)[0])(method.probe(state.weights, 6, None))
    apart = sum((first_order[k] - gradient[k]).square().sum() for k in gradient) ** 0.5
    assert apart > 0.01 * sum(value.square().sum() for value in gradient.values()) ** 0.5


def test_probe_is_one_step_of_plain_gradient_descent(double):
    method, state = double
    probed = method.probe(state.weights, 6, None)
    weights = {name: value.clone().requires_grad_() for name, value in state.weights.items()}
    decoded = method.decode(weights, method.problem.inputs[6:7])
    terms = method.frame_terms(weights, decoded, 6, None)
    loss = 10 * terms["2d"] + 2e-6 * terms["shape"] + 1e-4 * terms["pose"]
    loss.backward()
    for name, value in weights.items():
        torch.testing.assert_close(probed[name], value.detach() - 2e-2 * value.grad)


def test_upper_level_adds_teacher_and_motion(double):
    method, state = double
    total, terms = method.upper(state.weights, state, 6, None)
    assert set(terms) == {"2d", "shape", "pose", "teacher", "motion"}
    expected = 10 * terms["2d"] + 2e-6 * terms["shape"] + 1e-4 * terms["pose"] + terms["teacher"] + terms["motion"]
    torch.testing.assert_close(total, expected)
    assert "motion" not in method.upper(state.weights, state, 5, None)[1]  # the frame 5 before must not be the first


def test_published_numbers():
    assert methods.entry("boa").suits == {"loop.learning_rate": 3e-6, "loop.adam_betas": (0.5, 0.999), "loop.epochs": 1}
    config = methods.entry("boa").settings()
    assert config.inner_learning_rate == 8e-6
    numbers = (config.weight_2d, config.weight_shape, config.weight_pose, config.teacher_weight, config.motion_weight)
    assert numbers == (10, 2e-6, 1e-4, 0.1, 0.1)


def test_teacher_follows_fast(make_problem, roles, before):
    problem = make_problem(2)
    method = BOA(problem, roles, settings("boa"))
    state = method.start(before(problem))
    old = {name: value.clone() for name, value in state.teacher.items()}
    method.adapt(state, 0)
    for name, value in state.teacher.items():
        torch.testing.assert_close(value, 0.1 * old[name] + 0.9 * state.weights[name])
