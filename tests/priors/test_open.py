import math

import pytest
import torch

from semtta.errors import SemttaError
from semtta.geometry import axis_angle_to_matrix
from semtta.geometry.kinematics import pelvis_frame_positions
from semtta.priors import InfillConfig, MotionCLIP, MotionCLIPConfig, MotionDictionary, OpenPrior
from semtta.testing import check_prior
from semtta.types import Motion


def motion(batch: int = 2, length: int = 60, seed: int = 0) -> torch.Tensor:
    return axis_angle_to_matrix(torch.randn(batch, length, 24, 3, generator=torch.Generator().manual_seed(seed)) * 0.3)


def prior(width: int = 16) -> OpenPrior:
    """Its completion returns what it is given and expects an error of 50 mm everywhere (zero output layer)."""
    torch.manual_seed(0)
    dictionary = MotionDictionary(("walking", "bowing"), torch.eye(4)[:2], motion())
    config = MotionCLIPConfig(width=width, layers=1, heads=2, feedforward=16, dropout=0.0, decoder=False, text_dim=4)
    return OpenPrior(config, InfillConfig(width=16, layers=1, heads=2, feedforward=16, text_dim=4), dictionary)


def test_quality_by_hand():
    model, windows = prior(), Motion(motion())
    assert model.quality(windows, ["walking", "bowing"]).tolist() == pytest.approx([math.exp(-0.05 / 0.1)] * 2, abs=1e-4)
    # The completion turns the left elbow of every frame by 90 degrees: hand and wrist are off by sqrt(2) forearms.
    straight = torch.eye(3).repeat(1, 60, 24, 1, 1)
    turned = straight.clone()
    turned[:, :, 18] = axis_angle_to_matrix(torch.tensor([0, torch.pi / 2, 0]))

    class Turns(torch.nn.Module):
        def forward(self, rotations, evidence, text, mask):
            from semtta.priors.infill import Completion

            assert (evidence == 1).all()
            return Completion(turned, torch.full((1, 60, 24), 0.03), torch.zeros(1))

    model.completion = Turns()
    place = pelvis_frame_positions(straight[0, 0])
    off = [2**0.5 * math.hypot(*(place[j] - place[18])[[0, 2]].tolist()) for j in (20, 22)]
    error = math.sqrt((off[0] ** 2 + off[1] ** 2) / 24 + 0.03**2)
    assert model.quality(Motion(straight), ["walking"]).item() == pytest.approx(math.exp(-error / 0.1), rel=1e-4)


def test_similarity_is_cosine_times_quality():
    model, given, labels = prior(), Motion(motion()), ["walking", "bowing"]
    plain = MotionCLIP.similarity(model, given, labels)  # Eq. 3
    assert torch.allclose(model.similarity(given, labels), (1 + plain) / 2 * math.exp(-0.5), atol=1e-4)
    assert torch.allclose(model.loss(given, labels), 1 - model.similarity(given, labels))


def test_the_gradient_leads_to_the_completion():
    """A completion that always answers with the rest pose: following the loss unbends a knee."""
    model = prior()
    rest = torch.eye(3).repeat(1, 60, 24, 1, 1)

    class Rest(torch.nn.Module):
        def forward(self, rotations, evidence, text, mask):
            from semtta.priors.infill import Completion

            return Completion(rest, torch.full((1, 60, 24), 0.01), torch.zeros(1))

    model.completion = Rest()
    angle = torch.tensor(0.8, requires_grad=True)
    optimiser = torch.optim.Adam([angle], lr=0.05)
    for _ in range(40):
        vectors = torch.zeros(1, 60, 24, 3).index_put((torch.tensor([0]),), torch.zeros(60, 24, 3))
        vectors = vectors + torch.nn.functional.one_hot(torch.tensor(4), 24)[:, None] * torch.tensor([1.0, 0, 0]) * angle
        optimiser.zero_grad()
        model.loss(Motion(axis_angle_to_matrix(vectors + 1e-8)), ["walking"]).sum().backward()
        optimiser.step()
    assert abs(angle.item()) < 0.1


def test_conforms_and_ignores_padding_and_global_rotation():
    model = prior()
    torch.nn.init.normal_(model.completion.output.weight, std=0.05)
    check_prior(model, ["walking", "bowing"])
    rotations, mask = motion(), torch.ones(2, 60, dtype=torch.bool)
    mask[:, 40:] = False
    other = rotations.clone()
    other[:, 40:], other[:, :, 0] = motion(seed=5)[:, 40:], motion(seed=6)[:, :, 0]
    labels = ["walking", "bowing"]
    assert torch.allclose(
        model.similarity(Motion(rotations, mask), labels), model.similarity(Motion(other, mask), labels), atol=1e-5
    )


def test_save_and_load(tmp_path):
    model = prior()
    torch.nn.init.normal_(model.completion.output.weight, std=0.05)
    model.threshold = 0.3
    path = model.save(tmp_path / "prior.safetensors")
    again = OpenPrior.from_checkpoint(path)
    args = Motion(motion()), ["walking", "bowing"]
    assert torch.allclose(model.similarity(*args), again.similarity(*args), atol=5e-3)
    assert (again.labels, again.threshold, again.global_rotation) == (("walking", "bowing"), 0.3, "identity")
    with pytest.raises(SemttaError, match="'open', expected 'motionclip'"):
        MotionCLIP.from_checkpoint(path)
    from semtta.io.weights import load_weights, save_weights

    tensors, meta = load_weights(path, "open")
    tensors["encoder.mu"] = torch.zeros(1, 8)
    save_weights(path, **meta, tensors=tensors)
    with pytest.raises(SemttaError, match="does not fit OpenPrior: of another shape 1"):
        OpenPrior.from_checkpoint(path)
