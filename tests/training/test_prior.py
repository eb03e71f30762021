import json
from math import pi

import numpy as np
import pytest
import torch

from semtta.geometry import axis_angle_to_matrix, matrix_to_axis_angle
from semtta.priors import MotionCLIP, MotionCLIPConfig
from semtta.training import prior as training
from semtta.training import prior_losses
from semtta.training.loop import fit
from semtta.training.prior_report import Case, Repair, hidden_error_mm, hide, repair
from semtta.training.windows import (
    LEGS,
    PART_GROUPS,
    WindowSampler,
    all_labels,
    corrupt,
    face_forward,
    mean_pose,
    mirror,
)

CONTENTS = ("walking", "raising the left hand", "raising the right hand")


@pytest.fixture(scope="module")
def mocap_folder(tmp_path_factory):
    """Tiny motions: swinging legs, a rising left arm, a rising right arm; one style is held out."""
    folder = tmp_path_factory.mktemp("mocap")
    time = np.arange(90)
    clips = []
    for row in range(9):
        pose = np.zeros((90, 24, 3), np.float32)
        phase = np.sin(time * 0.2 + row)
        if row % 3 == 0:
            pose[:, 1, 0], pose[:, 2, 0] = 0.5 * phase, -0.5 * phase
        else:
            pose[:, 16 if row % 3 == 1 else 17, 2] = (1 if row % 3 == 1 else -1) * time / 60
        pose[:, 0, 1] = row
        clips.append(pose.reshape(90, 72))
    for split in ("train", "val"):
        np.savez(
            folder / f"toy_{split}.npz", poses=(np.concatenate(clips) / (4 * pi) * 32767).astype(np.int16),
            pose_scale=4 * pi / 32767, trans=np.zeros((90 * 9, 3), np.float32), fps=30, source="toy",
            start=np.arange(9) * 90, length=np.full(9, 90),
            clip_id=[f"c{i}" for i in range(9)], content=[CONTENTS[i % 3] for i in range(9)],
            style=["masculine" if i > 5 else "normal" for i in range(9)], text=["a person"] * 9,
        )  # fmt: skip
    return folder


@pytest.fixture(autouse=True)
def small(monkeypatch):
    sizes = {"width": 16, "layers": 1, "heads": 2, "feedforward": 16, "patch": 3, "text_dim": 8}
    monkeypatch.setattr(training, "OPEN_CONFIG", MotionCLIPConfig(**sizes, dropout=0.0, decoder=False))
    monkeypatch.setattr(training, "OPEN_COSINE_CONFIG", MotionCLIPConfig(**sizes, dropout=0.1))
    monkeypatch.setattr(
        training, "InfillConfig", lambda: infill_config(width=16, layers=1, heads=2, feedforward=16, text_dim=8)
    )
    from semtta.priors import InfillConfig as infill_config

    features = torch.nn.functional.normalize(torch.randn(64, 8, generator=torch.Generator().manual_seed(0)), dim=-1)
    monkeypatch.setattr(training, "encode_labels", lambda labels: features[: len(labels)])


def sampler(folder, **options) -> WindowSampler:
    clips = training.mocap.load(folder, "train")
    return WindowSampler(clips, all_labels(clips), **options)


@pytest.mark.parametrize("variant", training.VARIANTS)
def test_a_few_steps_lower_the_loss(variant, mocap_folder, tmp_path):
    out = tmp_path / "prior.safetensors"
    how = training.PriorTraining(variant, steps=60, batch=8, rate=3e-3)
    prior = training.train_prior(mocap_folder, out, how)
    curve = [json.loads(line)["loss"] for line in out.with_suffix(".curve.jsonl").read_text().splitlines()]
    assert len(curve) == 3
    assert curve[-1] < curve[0]
    assert type(prior).from_checkpoint(out).labels == tuple(sorted(CONTENTS))


@pytest.mark.parametrize("variant", training.VARIANTS)
def test_an_interrupted_run_ends_as_one_that_was_not(variant, mocap_folder, tmp_path, monkeypatch):
    how = training.PriorTraining(variant, steps=6, batch=4)
    whole = training.train_prior(mocap_folder, tmp_path / "whole.safetensors", how)
    out = tmp_path / "part.safetensors"
    monkeypatch.setattr(training, "fit", lambda *args, **options: fit(*args, **options, stop_at=3))
    training.train_prior(mocap_folder, out, how)
    monkeypatch.setattr(training, "fit", fit)
    resumed = training.train_prior(mocap_folder, out, how)
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key


def test_held_out_styles_are_not_trained_on(mocap_folder):
    clips = training.mocap.load(mocap_folder, "train")
    assert len(clips) == 9
    assert sum(not training.held_out(c) for c in clips) == 6


def test_mirror_swaps_joints_and_labels(mocap_folder):
    data = sampler(mocap_folder, augment=False)
    batch = data.every(1)
    other = data.mirrored(batch)
    names = [data.labels[i] for i in batch.label.tolist()]
    swapped = [data.labels[i] for i in other.label.tolist()]
    left = names.index("raising the left hand")
    assert swapped[left] == "raising the right hand"
    assert swapped[names.index("walking")] == "walking"
    arm = matrix_to_axis_angle(batch.rotations[left, :, 16])
    assert torch.allclose(
        matrix_to_axis_angle(other.rotations[left, :, 17]), arm * torch.tensor([1.0, -1, -1]), atol=1e-4
    )
    again = mirror(mirror(batch.rotations, data.mirror_joint), data.mirror_joint)
    assert torch.allclose(again, batch.rotations, atol=1e-6)


def test_windows_face_forward_and_short_clips_are_masked(mocap_folder):
    data = sampler(mocap_folder)
    batch = data.sample(16, torch.Generator().manual_seed(0))
    assert torch.allclose(batch.rotations[:, 0, 0, :, 2], torch.tensor([0.0, 0, 1]).expand(16, 3), atol=1e-5)
    assert batch.mask.all()
    long = WindowSampler(training.mocap.load(mocap_folder, "train"), data.labels, 120, augment=False).every(1)
    assert (long.mask.sum(-1) == 90).all()
    assert torch.allclose(face_forward(batch.rotations), batch.rotations, atol=1e-5)


def test_corruption_spoils_only_its_group(mocap_folder):
    data = sampler(mocap_folder)
    clean = data.sample(32, torch.Generator().manual_seed(0)).rotations
    spoilt, joints = corrupt(clean, mean_pose(data), torch.Generator().manual_seed(1))
    changed = (spoilt - clean).abs().amax((1, 3, 4)) > 1e-6
    assert not (changed & (joints == 0)).any()
    assert changed.any(1).float().mean() > 0.8
    assert {tuple(j.nonzero()[:, 0].tolist()) for j in joints} <= {tuple(sorted(g)) for g in PART_GROUPS.values()}


def test_tangent_gradient_is_that_of_a_right_multiplied_rotation():
    torch.manual_seed(0)
    rotations = axis_angle_to_matrix(torch.randn(5, 3)).requires_grad_()
    vector = torch.full((5, 3), 1e-6, requires_grad=True)
    weight = torch.randn(5, 3, 3)
    (rotations @ axis_angle_to_matrix(vector) * weight).sum().backward()
    found = prior_losses.tangent_gradient(weight, rotations.detach())
    assert torch.allclose(found, vector.grad, atol=1e-4)


def test_repair_moves_only_hidden_joints_and_follows_the_loss():
    class Straight:
        def loss(self, motion, labels):
            return (motion.rotations[:, :, 4] - torch.eye(3)).square().sum((1, 2, 3))

    vectors = torch.zeros(1, 60, 24, 3)
    hidden, visible = torch.zeros(1, 24), torch.ones(1, 60, 24)
    hidden[0, list(LEGS)] = 1
    visible[:, :, [4, 5, 7, 8, 10, 11]] = 0
    case = Case("toy", axis_angle_to_matrix(vectors), ["walking"], hidden, visible)
    vectors[:, :, 4, 0] = 0.6
    start = axis_angle_to_matrix(vectors)
    done = repair(Straight(), case, start, ["walking"], Repair(steps=30))
    assert hidden_error_mm(case, done) < 0.3 * hidden_error_mm(case, start)
    assert torch.equal(done[:, :, 16], start[:, :, 16])
    bent = torch.zeros(24, 6)
    bent[:, 0], bent[:, 5] = 1, 1
    assert hidden_error_mm(case, hide(case, bent)) > 100


def test_only_what_the_gradient_sees_is_trained(mocap_folder):
    data = sampler(mocap_folder)
    prior = training.build("open-cosine", data, training.build_dictionary(data))
    assert isinstance(prior, MotionCLIP)
    assert not prior.text_projection.weight.requires_grad
    text, dictionary = prior.encode_text(data.labels), prior.dictionary.text_features
    assert torch.allclose(text @ text.mT, dictionary @ dictionary.mT, atol=1e-4)
