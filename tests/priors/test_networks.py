from pathlib import Path

import pytest
import torch

from semtta import assets
from semtta.errors import SemttaError
from semtta.geometry import axis_angle_to_matrix, matrix_to_6d
from semtta.geometry.kinematics import pelvis_frame_positions
from semtta.priors import InfillConfig, InfillPrior, MotionCLIP, MotionCLIPConfig, MotionDictionary, priors
from semtta.priors.infill import Completion, rotation_evidence
from semtta.priors.motionclip import ankle_motion, motion_rows, positions
from semtta.types import Motion

SMALL = MotionCLIPConfig(width=16, layers=2, heads=2, feedforward=32, dropout=0.0, patch=1, decoder=True, text_dim=4)


def motion(batch: int = 2, length: int = 60, seed: int = 0) -> torch.Tensor:
    return axis_angle_to_matrix(torch.randn(batch, length, 24, 3, generator=torch.Generator().manual_seed(seed)) * 0.3)


def dictionary(width: int = 4) -> MotionDictionary:
    return MotionDictionary(("walking", "bowing"), torch.eye(width)[:2], motion())


def build(kind: str):
    torch.manual_seed(0)
    if kind == "infill":
        prior = InfillPrior(InfillConfig(width=16, layers=1, heads=2, feedforward=16, text_dim=4), dictionary())
        torch.nn.init.normal_(prior.network.output.weight, std=0.05)
        return prior
    return MotionCLIP(SMALL if kind == "motionclip" else MotionCLIPConfig(**{**vars(SMALL), "patch": 3}), dictionary())


def test_input_layout():
    rotations = motion(1, 5)
    x = motion_rows(rotations)
    assert x.shape == (1, 25, 6, 5)
    assert torch.equal(x[0, 7, :, 3], matrix_to_6d(rotations[0, 3, 7], "rows"))
    assert not x[:, 24].any()


def test_positions_by_hand():
    table = positions(3, 4)
    assert torch.allclose(table[0], torch.tensor([0.0, 1.0, 0.0, 1.0]))
    assert torch.allclose(table[2], torch.tensor([0.909297, -0.416147, 0.0199987, 0.9998]), atol=1e-5)


def test_published_sizes():
    model = MotionCLIP(MotionCLIPConfig())
    assert model.encoder.embedding.weight.shape == (512, 150)
    assert len(model.encoder.transformer.layers) == len(model.decoder.transformer.layers) == 8
    assert model.encoder.mu.shape == (1, 512)
    assert model.decoder.output.weight.shape == (150, 512)


@pytest.mark.parametrize("patch", [1, 3])
@pytest.mark.parametrize("length", [40, 41, 60])
def test_padding_does_not_change_the_feature(patch, length):
    model = build("motionclip" if patch == 1 else "patched")
    rotations = motion(2, 60)
    mask = (torch.arange(60) < length).expand(2, 60)
    whole = model.encoder(motion_rows(rotations), mask)
    other = torch.where(mask[..., None, None, None], rotations, motion(2, 60, seed=5))
    assert torch.allclose(whole, model.encoder(motion_rows(other), mask), atol=1e-6)
    assert torch.allclose(whole, model.encoder(motion_rows(rotations[:, :length])), atol=1e-5)


@pytest.mark.parametrize("kind", ["motionclip", "patched", "infill"])
def test_gradient_reaches_local_rotations(kind):
    rotations = motion().requires_grad_()
    prior = build(kind)
    prior.loss(Motion(rotations), ["walking", "bowing"]).sum().backward()
    assert (rotations.grad[:, :, 1:].abs().sum((1, 3, 4)) > 0).all()
    assert not rotations.grad[:, :, 0].any()  # p-hat-prime: not the predicted global rotation


@pytest.mark.parametrize("kind", ["motionclip", "patched", "infill"])
def test_save_and_load(kind, tmp_path):
    prior = build(kind)
    prior.threshold = 0.3
    again = type(prior).from_checkpoint(prior.save(tmp_path / "prior.safetensors"))
    args = Motion(motion()), ["walking", "bowing"]
    assert torch.allclose(prior.similarity(*args), again.similarity(*args), atol=2e-2 if kind == "infill" else 2e-3)
    assert again.labels == ("walking", "bowing")
    assert again.threshold == 0.3


def test_weights_of_another_kind(tmp_path):
    path = build("infill").save(tmp_path / "x.safetensors")
    with pytest.raises(SemttaError, match="'infill', expected 'motionclip'"):
        MotionCLIP.from_checkpoint(path)
    with pytest.raises(SemttaError, match="No checkpoint"):
        MotionCLIP.from_checkpoint(tmp_path / "checkpoint_0100.pth.tar")


def test_decoder_makes_rotations_of_any_length():
    made = build("patched").decode(["walking", "bowing"], 50)
    assert made.shape == (2, 50, 24, 3, 3)
    # Made-up weights make columns that are nearly parallel, so rounding shows: 8e-6 with one thread, 2e-5 with two.
    assert torch.allclose(made @ made.mT, torch.eye(3).expand_as(made), atol=1e-4)
    with pytest.raises(SemttaError, match="without a decoder"):
        MotionCLIP(MotionCLIPConfig(**{**vars(SMALL), "decoder": False}), dictionary()).decode(["walking"], 5)


def test_positions_of_the_rest_pose_and_a_bent_knee():
    rotations = torch.eye(3).repeat(24, 1, 1)
    place = pelvis_frame_positions(rotations)
    assert place[20, 0] > 0.6 > -0.6 > place[21, 0]
    assert place[7, 1] < -0.85
    mirror = place[[2, 1]] * torch.tensor([-1.0, 1, 1])
    assert torch.allclose(mirror, place[[1, 2]])
    rotations[4] = axis_angle_to_matrix(torch.tensor([torch.pi / 2, 0, 0]))
    bent = pelvis_frame_positions(rotations)
    assert torch.allclose(bent[4], place[4])
    shank = place[7] - place[4]
    assert torch.allclose(bent[7] - bent[4], torch.stack((shank[0], -shank[2], shank[1])), atol=1e-6)


def test_evidence_of_a_rotation_is_its_far_end():
    visible = torch.ones(24)
    visible[7] = 0  # the left ankle is not seen
    evidence = rotation_evidence(visible)
    assert (evidence == 0).nonzero()[:, 0].tolist() == [4, 7, 10]  # knee, ankle and foot rotations


LEGS = [1, 2, 4, 5, 7, 8, 10, 11]  # rotations that are not seen where knees, ankles and feet are not


def without_legs() -> torch.Tensor:
    visible = torch.ones(2, 60, 24)
    visible[:, :, [4, 5, 7, 8, 10, 11]] = 0
    return visible


def test_infill_ignores_what_is_not_seen():
    prior, visible, labels = build("infill"), without_legs(), ["walking", "bowing"]
    rotations = motion()
    other = rotations.clone()
    other[:, :, LEGS] = motion(seed=3)[:, :, LEGS]
    first = prior.complete(Motion(rotations, visible=visible), labels).rotations
    second = prior.complete(Motion(other, visible=visible), labels).rotations
    assert torch.allclose(first[:, :, 1:], second[:, :, 1:], atol=1e-6)
    done = rotations.clone()
    done[:, :, 1:] = first[:, :, 1:]
    assert (
        prior.similarity(Motion(done, visible=visible), labels) > prior.similarity(Motion(other, visible=visible), labels)
    ).all()


def test_infill_pulls_unseen_joints_only_by_how_well_the_label_fits_and_whatever_their_number():
    prior, visible = build("infill"), without_legs()
    rest = torch.eye(3).repeat(2, 60, 24, 1, 1)
    wanted = rest.clone()  # a quarter turn of a knee that is not seen and an elbow that is: 1 in 4 of 9 elements each
    wanted[:, :, [4, 18]] = axis_angle_to_matrix(torch.tensor([0, 0, torch.pi / 2]))

    class Network(torch.nn.Module):
        def forward(self, rotations, evidence, text, mask):
            assert (evidence == 0).nonzero()[:, 2].unique().tolist() == LEGS
            return Completion(wanted, torch.zeros(2, 60, 24), torch.tensor([1.0, 3.0]).log())

    prior.network = Network()
    given = rest.clone().requires_grad_()
    loss = prior.loss(Motion(given, visible=visible), ["walking", "bowing"])
    # One of 23 rotations; the odds that the label fits are 1 to 1 and 3 to 1.
    assert loss.tolist() == pytest.approx([0.5 * 4 / 9 / 23, 0.75 * 4 / 9 / 23])
    loss.sum().backward()
    assert (given.grad.abs().sum((0, 1, 3, 4)) > 0).nonzero()[:, 0].tolist() == [4]
    loss = build("infill").loss(Motion(rest, visible=torch.ones(2, 60, 24)), ["walking", "bowing"])
    assert loss.tolist() == [0, 0]


WEIGHTS = {name: Path(assets.__file__).with_name(f"prior_{name}.safetensors") for name in ("open", "open-cosine", "infill")}


@pytest.mark.parametrize("name", WEIGHTS)
def test_included_weights(name):
    if not WEIGHTS[name].is_file():
        pytest.skip(f"{WEIGHTS[name].name} is not here")
    prior = priors.create(name)
    assert prior.resolve("walking").label == "walking"
    windows = Motion(torch.stack([prior.dictionary.exemplar(label, 60) for label in prior.labels]))
    right = prior.similarity(windows, prior.labels)
    wrong = prior.similarity(windows, prior.labels[1:] + prior.labels[:1])
    assert right.mean() > wrong.mean()


def test_the_translation_row_of_motionclip():
    """Zeros, the right ankle's motion with the pelvis in place, or that of the exemplar."""
    torch.manual_seed(0)
    rotations = torch.eye(3).expand(1, 4, 24, 3, 3).clone()
    turn = torch.tensor([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # the right hip bent by 90 degrees: the leg goes to -z
    rotations[:, 2:, 2] = turn
    rest = pelvis_frame_positions(rotations)[0, :, 8]
    moved = ankle_motion(rotations)
    torch.testing.assert_close(moved[0], rest - rest[0])
    assert moved[0, :2].abs().max() == 0
    assert moved[0, 2].abs().max() > 0.5
    rows = motion_rows(rotations, moved)
    torch.testing.assert_close(rows[0, 24, :3].T, moved[0])
    assert rows[0, 24, 3:].abs().max() == 0
    exemplars = rotations.repeat(1, 2, 1, 1, 1)
    kicks = MotionDictionary(("kick",), torch.ones(1, 16), exemplars)
    still = Motion(torch.eye(3).expand(1, 4, 24, 3, 3))
    found = {}
    for option in ("zeros", "compute", "exemplar"):
        torch.manual_seed(1)
        model = MotionCLIP(MotionCLIPConfig(width=16, layers=1, feedforward=16), kicks, translation=option)
        found[option] = model.encode_labelled(still, ["kick"])
    torch.testing.assert_close(found["zeros"], found["compute"])  # nothing moves
    assert (found["exemplar"] - found["zeros"]).abs().max() > 1e-3
    with pytest.raises(SemttaError, match="translation row 'ankle'"):
        MotionCLIP(translation="ankle")
