"""The pull of ``infill`` on seen joints along the camera's rays, with numbers worked out by hand."""

from __future__ import annotations

import pytest
import torch

from semtta.geometry import axis_angle_to_matrix
from semtta.geometry.kinematics import pelvis_frame_positions
from semtta.methods.offline.rays import pelvis_rays
from semtta.priors import InfillConfig, InfillPrior, MotionDictionary
from semtta.priors.infill import DEPTH_ERROR_M, Completion
from semtta.types import FrameBatch, Motion

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


def prior(depth: float) -> InfillPrior:
    config = InfillConfig(width=16, layers=1, heads=2, feedforward=16, text_dim=4)
    made = InfillPrior(config, MotionDictionary(("walking", "bowing"), torch.eye(4)[:2]))
    made.network, made.depth = Straight(), depth
    return made


def bent(ray: tuple[float, float, float], seen: float = 1.0, fps: float = 30.0) -> Motion:
    """Left elbow bent forward by 90 degrees; everything is seen, but the left wrist and hand only so far."""
    rotations = torch.eye(3).repeat(1, FRAMES, 24, 1, 1)
    rotations[:, :, 18] = axis_angle_to_matrix(torch.tensor([0.0, -torch.pi / 2, 0]))
    visible = torch.ones(1, FRAMES, 24)
    visible[..., [20, 22]] = seen
    rays = torch.tensor(ray).expand(1, FRAMES, 24, 3)
    return Motion(rotations.requires_grad_(), None, visible, fps, rays)


def test_by_hand():
    rest = pelvis_frame_positions(torch.eye(3).expand(24, 3, 3))
    reach = sum((rest[j] - rest[18])[0].item() for j in (20, 22))  # how far wrist and hand come forward
    match = torch.tensor(LOGIT).sigmoid().item()
    value = prior(2.0).loss(bent((0, 0, 1)), ["walking"]).item()
    aside = sum((rest[j] - rest[18])[2].abs().item() for j in (20, 22))
    assert value == pytest.approx(2 * match * reach / 23, abs=2 * aside / 23)
    assert value > 0.02
    half = prior(2.0).loss(bent((0, 0, 1), seen=0.5), ["walking"]).item()
    unseen = prior(0.0).loss(bent((0, 0, 1), seen=0.5), ["walking"]).item()
    assert half - unseen == pytest.approx(value / 2, rel=1e-3)
    unsure = prior(2.0)
    unsure.network.error_m = DEPTH_ERROR_M
    assert unsure.loss(bent((0, 0, 1)), ["walking"]).item() == pytest.approx(value / 4, rel=1e-3)
    other_rate = prior(2.0).loss(bent((0, 0, 1), fps=20.0), ["walking"]).item()
    assert other_rate == pytest.approx(value, rel=1e-3)


def test_across_the_ray_nothing_is_pulled():
    along = prior(1.0).loss(bent((0, 1, 0)), ["walking"]).item()  # wrist and hand stay as high as they were
    assert along == pytest.approx(0, abs=1e-3)


def test_without_the_setting_or_the_rays_seen_joints_are_left_alone():
    motion = bent((0, 0, 1))
    assert prior(0.0).loss(motion, ["walking"]).item() == 0
    assert prior(1.0).loss(Motion(motion.rotations, None, motion.visible), ["walking"]).item() == 0
    assert prior(1.0).takes_rays
    assert not prior(0.0).takes_rays


def test_its_opinion_of_seen_joints_is_asked_as_if_all_were_seen():
    made = prior(1.0)
    made.loss(bent((0, 0, 1), seen=0.0), ["walking"])
    first, second = made.network.told
    assert first.min() == 0
    assert second[:, :FRAMES].min() == 1


def test_following_the_loss_straightens_the_elbow_only_as_far_as_depth_goes():
    motion = bent((0, 0, 1))
    (gradient,) = torch.autograd.grad(prior(1.0).loss(motion, ["walking"]).sum(), motion.rotations)
    assert gradient[:, :, 18].abs().sum() > 0.01
    assert not gradient[:, :, 0].any()  # the ray is a constant: the body is not turned
    padded = Motion(motion.rotations, torch.arange(FRAMES)[None] < 30, motion.visible, 30.0, motion.rays)
    (gradient,) = torch.autograd.grad(prior(1.0).loss(padded, ["walking"]).sum(), motion.rotations)
    assert not gradient[:, 30:].any()


def test_rays_in_the_frame_of_the_pelvis():
    """A joint 300 pixels to the right of the middle at a focal length of 400: the ray goes 3 right and 4 forward."""
    places = FrameBatch(torch.arange(1), torch.tensor([[620.0, 240, 224]]), torch.tensor([[400.0, 320, 240]]))
    facing = torch.diag(torch.tensor([1.0, -1, -1]))[None]  # looks at the camera
    ray = pelvis_rays(torch.tensor([[[112.0, 112.0]]]), facing, places)
    torch.testing.assert_close(ray, torch.tensor([[[0.6, 0, -0.8]]]))
