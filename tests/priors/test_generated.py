"""The priors that compare with a generated motion: by hand on small numbers."""

import math
from copy import deepcopy

import pytest
import torch

from semtta.build import build_prior, make_config
from semtta.errors import SemttaError
from semtta.geometry import axis_angle_to_matrix
from semtta.priors import DiscriminatorPrior, MotionDiscriminator, UnpairedPrior
from semtta.priors.discriminator import DiscriminatorSettings, discriminator
from semtta.testing import check_prior
from semtta.types import Motion


def swinging(frames: int, size: float, joint: int = 1, phase: float = 0.0) -> torch.Tensor:
    """Rotations [frames, 24, 3, 3]: one joint swings about x once a second (30 frames)."""
    pose = torch.zeros(frames, 24, 3)
    pose[:, joint, 0] = size * torch.sin(torch.arange(frames) * (2 * math.pi / 30) + phase)
    return axis_angle_to_matrix(pose)


class Swing:
    """A generator: "rest" does not move, "swing" swings the left hip by a radian."""

    labels = ("rest", "swing")

    def generate(self, label, num_frames):
        return swinging(num_frames, 1.0 if label == "swing" else 0.0)


class Turned:
    """A generator of another global rotation and one bent knee: 0.5 radians about x."""

    labels = ()

    def generate(self, label, num_frames):
        pose = torch.zeros(num_frames, 24, 3)
        pose[:, 0, 1], pose[:, 4, 0] = 2.0, 0.5
        return axis_angle_to_matrix(pose)


def test_unpaired_by_hand():
    motion = Motion(torch.eye(3).expand(1, 10, 24, 3, 3))
    # One of 23 joints differs from rest: its matrix by 1 - cos twice and by sin twice, of nine entries.
    expected = (2 * (1 - math.cos(0.5)) + 2 * math.sin(0.5)) / 9 / 23
    assert UnpairedPrior(Turned()).loss(motion, ["any"]).item() == pytest.approx(expected, rel=1e-5)
    assert UnpairedPrior(Turned()).similarity(motion, ["any"]).item() == pytest.approx(1 - expected, rel=1e-5)


def test_unpaired_pulls_only_local_poses():
    rotations = axis_angle_to_matrix(0.3 * torch.randn(1, 10, 24, 3)).requires_grad_()
    UnpairedPrior(Turned()).loss(Motion(rotations), ["any"]).sum().backward()
    assert rotations.grad[:, :, 0].abs().sum() == 0
    assert (rotations.grad[:, :, 1:].abs().sum((-2, -1)) > 0).all()


def test_unpaired_leaves_padding_out():
    rotations = Turned().generate("any", 10)[None].clone()
    rotations[:, 6:] = axis_angle_to_matrix(torch.ones(3))
    mask = torch.arange(10)[None] < 6
    assert UnpairedPrior(Turned()).loss(Motion(rotations, mask), ["any"]).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("fps", [15.0, 24.0, 30.0, 60.0])
@pytest.mark.parametrize("frames", [1, 2, 31])
def test_generated_motion_keeps_the_videos_time(fps, frames):
    made = UnpairedPrior(Swing()).generated(Motion(torch.eye(3).expand(1, frames, 24, 3, 3), fps=fps), ["swing"])
    assert made.rotations.shape == (1, frames, 24, 3, 3)
    angle = torch.sin(torch.arange(frames) * (2 * math.pi / fps))
    # to half a frame of 30 per second: 0.1 radians of phase
    torch.testing.assert_close(made.rotations[0, :, 1, 2, 1].asin(), angle, atol=0.1, rtol=0)


def test_labels_are_the_generators():
    prior = UnpairedPrior(Swing())
    assert prior.labels == ("rest", "swing")
    assert prior.resolve("A person is Swing.").label == "swing"
    assert (
        "not among the 2 labels of prior 'unpaired'; nearest: rest, swing: semantics are off" in prior.resolve("cartwheel").reason
    )
    assert prior.resolve("cartwheel").label is None
    assert UnpairedPrior(Turned()).resolve("cartwheel").label == "cartwheel"


def small() -> DiscriminatorPrior:
    torch.manual_seed(0)
    return DiscriminatorPrior(Swing(), MotionDiscriminator(width=32), rate=3e-3)


def test_discriminator_learns_to_tell_two_motions_apart():
    prior = small().for_clip()
    real, fake = (Motion(swinging(60, size)[None]) for size in (1.0, 0.0))
    labels = ["swing"]
    for _ in range(80):
        prior.train_step(fake, labels)
    # Least squares: generated motion is at 1, the prediction at 0.
    assert prior.loss(real, labels).max() < 0.15
    assert prior.loss(fake, labels).min() > 0.6
    # and the estimator's gradient leads from one towards the other
    start = 0.2 * real.rotations + 0.8 * fake.rotations
    start.requires_grad_()
    (way,) = torch.autograd.grad(prior.loss(Motion(start), labels).sum(), start)
    assert (way * (real.rotations - fake.rotations)).sum() < 0


def test_loss_by_hand_and_without_a_gradient_for_the_network():
    prior = small()
    with torch.no_grad():
        for parameter in prior.network.parameters():
            parameter.zero_()
        prior.network.fc.bias.fill_(0.25)  # every score is 0.25: (0.25 - 1)^2
    rotations = swinging(60, 1.0)[None].requires_grad_()
    loss = prior.loss(Motion(rotations), ["swing"])
    assert loss.item() == pytest.approx(0.5625)
    loss.sum().backward()
    assert all(parameter.grad is None for parameter in prior.network.parameters())


def test_a_wasserstein_discriminator():
    """It drives the scores of generated motion and of the prediction apart; nothing is ever filled in."""
    settings = DiscriminatorSettings(objective="wasserstein", learning_rate=1e-3)
    prior = discriminator(settings, Swing()).for_clip()
    assert prior.objective == "wasserstein"
    prior.network = MotionDiscriminator(width=32)
    prior.optimiser = torch.optim.Adam(prior.network.parameters(), lr=3e-3)
    real, fake = (Motion(swinging(60, size)[None]) for size in (1.0, 0.0))
    before = prior.loss(fake, ["swing"]) - prior.loss(real, ["swing"])
    for _ in range(40):
        prior.train_step(fake, ["swing"])
    apart = prior.loss(fake, ["swing"]) - prior.loss(real, ["swing"])
    assert apart > before + 1
    with torch.no_grad():
        prior.network.fc.bias.fill_(50.0)  # any score is possible
    assert prior.similarity(real, ["swing"]) <= prior.threshold


def test_learning_is_kept_apart_and_can_go_on():
    prior = small()
    first = {name: value.clone() for name, value in prior.network.state_dict().items()}
    motion = Motion(swinging(60, 0.0)[None])
    one = prior.for_clip()
    torch.manual_seed(1)
    one.train_step(motion, ["swing"])
    saved = deepcopy(one.trained_state())
    other = prior.for_clip()
    other.load_trained_state(saved)
    for item in (one, other):
        torch.manual_seed(2)
        item.train_step(motion, ["swing"])
    assert all(torch.equal(value, other.network.state_dict()[name]) for name, value in one.network.state_dict().items())
    assert all(torch.equal(value, first[name]) for name, value in prior.network.state_dict().items())


@pytest.mark.parametrize("prior", [UnpairedPrior(Swing()), small()], ids=["unpaired", "discriminator"])
def test_they_conform(prior):
    check_prior(prior, ("swing", "rest"))


def test_a_prior_is_built_with_its_generator(tmp_path):
    def built(**generator):
        return build_prior(make_config({"prior": "unpaired", **generator}))

    prior = built()
    assert "walking" in prior.labels
    assert prior.generated(Motion(torch.eye(3).expand(1, 5, 24, 3, 3)), ["walking"]).rotations.shape == (1, 5, 24, 3, 3)
    with pytest.raises(SemttaError, match="No joint files"):
        built(generator={"name": "motiongpt", "source": str(tmp_path)})
    with pytest.raises(SemttaError, match=r"Unknown generator 'exemplars'\. Did you mean 'exemplar'"):
        built(generator="exemplars")
    with pytest.raises(SemttaError, match="has no decoder"):
        built(generator={"name": "decoder", "source": "open"})
