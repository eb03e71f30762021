"""Training of the included estimator: labels stay with their images, the loss falls, an interrupted run resumes exactly."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch

from semtta.errors import SemttaError
from semtta.estimators import HMR, OPEN_CONFIG
from semtta.geometry import axis_angle_to_matrix, project_to_crop
from semtta.training import estimator as training
from semtta.training.estimator import EstimatorTraining, _heatmap_cross_entropy, evaluate, train_estimator
from semtta.training.images import ImageShards, augment, mirror, perturb, rotate_and_scale

TINY = dataclasses.replace(OPEN_CONFIG, depths=(1, 1, 1, 1), widths=(8, 8, 16, 16), stem=8, hidden=32)
SHORT = EstimatorTraining(steps=12, head_steps=4, batch=4, smaller=((0.5, 32),))
COUNT = 6


@pytest.fixture(scope="module")
def shards(tmp_path_factory, open_body):
    """Two shards of people: a dot of its own colour at every joint."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for index in range(2):
        pose = rng.normal(0, 0.2, (COUNT, 24, 3)).astype(np.float32)
        pose[:, 0] = (math.pi, 0, 0)  # upright in a camera frame whose y points down
        betas = rng.normal(0, 1, (COUNT, 10)).astype(np.float32)
        joints = open_body.keypoints(axis_angle_to_matrix(torch.from_numpy(pose)), torch.from_numpy(betas), "smpl29")
        joints = joints - joints[:, :1]
        camera = torch.tensor([0.8, 0.05, -0.1]).repeat(COUNT, 1)
        points = project_to_crop(joints, camera)
        images = np.full((COUNT, 3, 112, 112), 90, np.uint8)
        for n, person in enumerate((points / 2).long().clamp(1, 110).tolist()):
            for joint, (x, y) in enumerate(person):
                images[n, :, y - 1 : y + 2, x - 1 : x + 2] = np.array((8 * joint, 255 - 8 * joint, 128))[:, None, None]
        labels = {
            "rotations": pose, "betas": betas, "joints3d": joints.numpy(), "joints2d": points.numpy(),
            "visible": np.ones((COUNT, 29), bool), "camera": camera.numpy(),
        }  # fmt: skip
        np.save(folder / f"{index:05d}.images.npy", images)
        np.savez(folder / f"{index:05d}.npz", **labels)
    return folder


def _agree(batch, body, px=0.05):
    """Rotations, 3D joints, camera and 2D joints of a batch say the same."""
    joints = body.keypoints(batch.rotations, batch.betas, "smpl29")
    torch.testing.assert_close(joints - joints[:, :1], batch.joints3d, atol=2e-3, rtol=0)  # the body is not quite symmetric
    torch.testing.assert_close(project_to_crop(batch.joints3d, batch.camera), batch.joints2d, atol=px, rtol=0)


def test_labels_stay_with_the_image(shards, open_body):
    batch = ImageShards(shards).batch(np.array([0, 7, 11]))
    _agree(batch, open_body)
    _agree(mirror(batch, torch.tensor([True, False, True])), open_body, px=0.5)
    turned = rotate_and_scale(batch, 112, torch.tensor([0.3, -0.5, 0.0]), torch.tensor([1.2, 0.8, 1.0]), torch.zeros(3, 2))
    _agree(turned, open_body, px=1.5)  # turning about the crop's centre is not quite a turn of the perspective camera
    _agree(augment(batch, 64, torch.Generator().manual_seed(0)), open_body, px=2.5)


def test_turning_moves_the_picture_as_it_moves_the_joints(shards):
    batch = ImageShards(shards).batch(np.array([0]))
    images = torch.zeros(1, 3, 112, 112)
    images[:, :, 28, 84] = 255  # the pixel's centre is at (169, 57) of the 224 crop
    batch = dataclasses.replace(batch, images=images, joints2d=torch.tensor([169.0, 57.0]).expand(1, 29, 2))
    quarter = torch.tensor([math.pi / 2])  # x axis to y axis: right goes down
    turned = rotate_and_scale(batch, 112, quarter, torch.ones(1), torch.zeros(1, 2))
    torch.testing.assert_close(turned.joints2d[0, 0], torch.tensor([112 - (57.0 - 112), 112 + (169.0 - 112)]))
    row, column = divmod(int(turned.images[0, 0].argmax()), 112)
    assert (column, row) == (83, 84)  # (167, 169) / 2, the pixel's centre


def test_perturb_keeps_range_and_differs_between_images():
    images = torch.full((8, 3, 32, 32), 120.0)
    changed = perturb(images.clone(), torch.Generator().manual_seed(1))
    assert changed.min() >= 0
    assert changed.max() <= 255
    assert len({float(x) for x in changed.mean((1, 2, 3))}) == 8
    torch.testing.assert_close(changed, perturb(images.clone(), torch.Generator().manual_seed(1)))


def test_heatmap_loss_by_hand():
    """Two cells, the point in the middle of the first: the target is softmax(0, -2)."""
    logits = torch.tensor([0.3, -0.4]).view(1, 1, 1, 2)
    first = 1 / (1 + math.exp(-2.0))
    log_p = [x - math.log(math.exp(0.3) + math.exp(-0.4)) for x in (0.3, -0.4)]
    expected = -(first * log_p[0] + (1 - first) * log_p[1])
    loss = _heatmap_cross_entropy(logits, torch.tensor([[[-0.5, 0.0]]]))
    assert float(loss) == pytest.approx(expected, abs=1e-6)


def test_training_lowers_the_error_and_says_how_large_it_is(shards, tmp_path, open_body):
    options = dataclasses.replace(SHORT, steps=60, head_steps=0, batch=6, learning_rate=2e-3, smaller=())
    measured = []

    def report(values):
        measured.extend(values[key] for key in ("all/mpjpe_mm",) if key in values)

    for folder, steps in (("short", 1), ("long", 60)):
        how = dataclasses.replace(options, steps=steps)
        model = train_estimator([shards], tmp_path / folder, open_body, how, TINY, {"all": shards}, report)
    first, last = measured
    assert last < 0.8 * first
    assert evaluate(model, ImageShards(shards), open_body, size=112)["mpjpe_mm"] == pytest.approx(last, rel=1e-3)
    lines = [json.loads(line) for line in (tmp_path / "long" / "curve.jsonl").read_text().splitlines()]
    assert lines[-1]["all/mpjpe_mm"] == last


def test_an_interrupted_run_resumes_exactly(shards, tmp_path, open_body, monkeypatch):
    whole = train_estimator([shards], tmp_path / "whole", open_body, SHORT, TINY)

    class Stopped(Exception):
        pass

    update = training._State.update

    def stop_at_nine(state, loss, rate):
        if state.step == 9:
            state.save()
            raise Stopped
        update(state, loss, rate)

    monkeypatch.setattr(training._State, "update", stop_at_nine)
    with pytest.raises(Stopped):
        train_estimator([shards], tmp_path / "half", open_body, SHORT, TINY)
    monkeypatch.setattr(training._State, "update", update)
    resumed = train_estimator([shards], tmp_path / "half", open_body, SHORT, TINY)
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


def test_goes_on_from_weights_of_its_own_architecture(shards, tmp_path, open_body):
    train_estimator([shards], tmp_path / "a", open_body, dataclasses.replace(SHORT, steps=1), TINY)
    weights = tmp_path / "a" / "estimator.safetensors"
    options = dataclasses.replace(SHORT, steps=1, learning_rate=1e-9)
    more = train_estimator([shards], tmp_path / "b", open_body, options, start=weights)
    before = HMR.from_checkpoint(weights)
    assert more.config == before.config
    torch.testing.assert_close(more.fc1.weight, before.fc1.weight, atol=1e-4, rtol=0)


def test_no_images_is_one_clear_line(tmp_path, open_body):
    with pytest.raises(SemttaError, match="semtta synth"):
        train_estimator([tmp_path], tmp_path / "out", open_body, SHORT, TINY)
