"""The pull of ``infill`` on seen joints along the camera's rays, with numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from semtta.geometry import axis_angle_to_matrix
from semtta.geometry.kinematics import pelvis_frame_positions
from semtta.losses import StepContext
from semtta.losses.depth import DepthSettings, depth
from semtta.methods.offline.rays import pelvis_rays
from semtta.priors import InfillConfig, InfillPrior, MotionDictionary, NoPrior
from semtta.priors.infill import DEPTH_ERROR_M, Completion
from semtta.types import Evidence, FrameBatch, Motion, Prediction

FRAMES = 40
LOGIT = 1.1


class Straight(torch.nn.Module):
    """Would have everybody in a T-pose; says that the label fits with P = 0.75. Notes what it is told of the evidence."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[torch.Tensor] = []
        self.error_m = 0.0

    def forward(self, rotations, evidence, text, mask):
        self.told.append(evidence)
        batch = len(rotations)
        return Completion(
            torch.eye(3).expand_as(rotations), rotations.new_full(evidence.shape, self.error_m), torch.full((batch,), LOGIT)
        )


def prior() -> InfillPrior:
    config = InfillConfig(width=16, layers=1, heads=2, feedforward=16, text_dim=4)
    made = InfillPrior(config, MotionDictionary(("walking", "bowing"), torch.eye(4)[:2]))
    made.network = Straight()
    return made


def bent(ray: tuple[float, float, float], seen: float = 1.0, fps: float = 30.0) -> Motion:
    """Left elbow bent forward by 90 degrees; everything is seen, but the left wrist and hand only so far."""
    rotations = torch.eye(3).repeat(1, FRAMES, 24, 1, 1)
    rotations[:, :, 18] = axis_angle_to_matrix(torch.tensor([0.0, -torch.pi / 2, 0]))
    visible = torch.ones(1, FRAMES, 24)
    visible[..., [20, 22]] = seen
    rays = torch.tensor(ray).expand(1, FRAMES, 24, 3)
    return Motion(rotations.requires_grad_(), None, visible, fps, rays)


def loss(motion: Motion, made: InfillPrior | None = None) -> torch.Tensor:
    value = (made or prior()).depth_loss(motion, ["walking"])
    assert value is not None
    return value


def test_by_hand():
    rest = pelvis_frame_positions(torch.eye(3).expand(24, 3, 3))
    reach = sum((rest[j] - rest[18])[0].item() for j in (20, 22))  # how far wrist and hand come forward
    aside = sum((rest[j] - rest[18])[2].abs().item() for j in (20, 22))
    value = loss(bent((0, 0, 1))).item()
    match = torch.tensor(LOGIT).sigmoid().item()
    assert value == pytest.approx(match * reach / 23, abs=aside / 23)
    assert value > 0.01
    assert loss(bent((0, 0, 1), seen=0.5)).item() == pytest.approx(value / 2, rel=1e-3)
    assert loss(bent((0, 0, 1), fps=20.0)).item() == pytest.approx(value, rel=1e-3)
    unsure = prior()
    unsure.network.error_m = DEPTH_ERROR_M
    assert loss(bent((0, 0, 1)), unsure).item() == pytest.approx(value / 4, rel=1e-3)


def test_across_the_ray_nothing_is_pulled():
    assert loss(bent((0, 1, 0))).item() == pytest.approx(0, abs=1e-3)  # wrist and hand stay as high as they were


def test_without_rays_or_visibility_it_cannot_say():
    motion = bent((0, 0, 1))
    assert prior().depth_loss(replace(motion, rays=None), ["walking"]) is None
    assert prior().depth_loss(replace(motion, visible=None), ["walking"]) is None
    assert NoPrior().depth_loss(motion, ["walking"]) is None


def test_its_opinion_of_seen_joints_is_asked_as_if_all_were_seen():
    made = prior()
    loss(bent((0, 0, 1), seen=0.0), made)
    (told,) = made.network.told
    assert told[:, :FRAMES].min() == 1


def test_following_the_loss_straightens_the_elbow_and_turns_nobody():
    motion = bent((0, 0, 1))
    (gradient,) = torch.autograd.grad(loss(motion).sum(), motion.rotations)
    assert gradient[:, :, 18].abs().sum() > 0.01
    assert not gradient[:, :, 0].any()  # the ray is a constant: the body is not turned
    padded = replace(motion, mask=torch.arange(FRAMES)[None] < 30)
    (gradient,) = torch.autograd.grad(loss(padded).sum(), motion.rotations)
    assert not gradient[:, 30:].any()
    assert loss(padded).item() == pytest.approx(loss(motion).item(), rel=1e-4)  # a mean over the frames that there are


def test_the_term_says_nothing_without_a_label():
    motion, one = bent((0, 0, 1)), torch.ones(1)
    evidence = Evidence(torch.zeros(FRAMES, 29, 2), torch.zeros(FRAMES, 29, dtype=torch.bool))
    prediction = Prediction(motion.rotations[0], torch.zeros(FRAMES, 10), torch.ones(FRAMES, 3))
    joints, frames = torch.zeros(FRAMES, 29, 3), torch.arange(FRAMES)
    context = StepContext(
        prediction, joints, joints[..., :2], evidence, frames, (), None, prior(), motion, ("walking",), one, 0.5
    )  # fmt: skip
    torch.testing.assert_close(depth(context, DepthSettings()), loss(motion))
    assert depth(replace(context, motion=None, labels=()), DepthSettings()) is None


def test_rays_in_the_frame_of_the_pelvis():
    """A joint 300 pixels to the right of the middle at a focal length of 400: the ray goes 3 right and 4 forward."""
    places = FrameBatch(torch.arange(1), torch.tensor([[620.0, 240, 224]]), torch.tensor([[400.0, 320, 240]]))
    facing = torch.diag(torch.tensor([1.0, -1, -1]))[None]  # looks at the camera
    ray = pelvis_rays(torch.tensor([[[112.0, 112.0]]]), facing, places)
    torch.testing.assert_close(ray, torch.tensor([[[0.6, 0, -0.8]]]))
