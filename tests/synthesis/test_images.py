"""Training images: reproducible, resumable, with labels that belong to the pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from semtta.body import Body
from semtta.errors import SemttaError
from semtta.geometry import axis_angle_to_matrix, project_to_crop
from semtta.motions import mocap as motions
from semtta.motions.poses import Augmentation, PoseSampler, mirror_pose
from semtta.synthesis.domains import DOMAINS, STUDIO, WILD
from semtta.synthesis.images import ImageJob, fit_camera, generate, render_shard
from semtta.training.images import ImageShards


def _job(mocap: Path, domain: str = "studio", count: int = 24, seed: int = 0) -> ImageJob:
    return ImageJob(domain, str(mocap), "train", count, 64, seed, 1000, varied=True)


def test_a_shard_depends_on_its_seed_and_number_alone(mocap: Path) -> None:
    job = _job(mocap, "wild")
    images, labels = render_shard(job, 0)
    again, labels_again = render_shard(job, 0)
    np.testing.assert_array_equal(images, again)
    for key in labels:
        np.testing.assert_array_equal(labels[key], labels_again[key])
    assert (render_shard(_job(mocap, "wild", seed=1), 0)[0] != images).any()
    assert images.shape == (24, 3, 64, 64)
    assert images.dtype == np.uint8


@pytest.mark.parametrize("domain", DOMAINS)
def test_labels_agree_with_each_other(mocap: Path, domain: str, open_body: Body) -> None:
    images, labels = render_shard(_job(mocap, domain, 48), 0)
    joints = torch.from_numpy(labels["joints3d"])
    rotations = axis_angle_to_matrix(torch.from_numpy(labels["rotations"]))
    expected = open_body.keypoints(rotations, torch.from_numpy(labels["betas"]), "smpl29")
    torch.testing.assert_close(joints, expected - expected[:, :1], atol=2e-5, rtol=0)

    error = (project_to_crop(joints, torch.from_numpy(labels["camera"])) - torch.from_numpy(labels["joints2d"])).norm(dim=-1)
    assert error.mean() < (3 if domain == "studio" else 9)  # what weak perspective cannot say
    up = joints[:, 15, 1] - joints[:, 0, 1]  # y points down
    assert (up < 0).float().mean() > 0.8
    inside = ((labels["joints2d"] >= 0) & (labels["joints2d"] < 224)).all(-1)
    assert not labels["visible"][~inside].any()
    assert labels["visible"].mean() > 0.5
    assert images.std() > 20


def test_a_person_turned_to_the_camera_has_the_left_hand_on_the_right_of_the_image(mocap: Path) -> None:
    _, labels = render_shard(_job(mocap, count=64), 0)
    rotations = axis_angle_to_matrix(torch.from_numpy(labels["rotations"]))
    faces_camera = rotations[:, 0, 2, 2] < -0.5  # the body's front looks back along z
    hips = labels["joints2d"][:, 1, 0] - labels["joints2d"][:, 2, 0]
    assert faces_camera.sum() > 5
    assert (hips[faces_camera.numpy()] > 0).all()


def test_the_camera_fit_finds_a_camera_again() -> None:
    joints = torch.from_numpy(np.random.default_rng(0).normal(0, 0.4, (5, 29, 3)))
    camera = torch.tensor([[0.9, 0.1, -0.2]], dtype=torch.float64).repeat(5, 1)
    found = fit_camera(joints.numpy(), project_to_crop(joints, camera).numpy())
    np.testing.assert_allclose(found, camera, atol=2e-4)


def test_domains_share_no_setting_and_look_different(mocap: Path) -> None:
    for name in ("cameras", "pitch_deg", "roll_deg", "clutter", "patterned", "occluded", "jpeg_quality", "distance_m"):
        assert getattr(STUDIO, name) != getattr(WILD, name)
    studio, wild = (render_shard(_job(mocap, domain, 64), 0) for domain in DOMAINS)
    edge = np.s_[:, :, :4]  # the upper rim: background, mostly
    spread = [images[0][edge].mean((1, 2, 3)).std() for images in (studio, wild)]
    assert spread[1] > 1.2 * spread[0]
    assert wild[1]["visible"].mean() < studio[1]["visible"].mean() - 0.05


def test_generation_goes_on_where_it_stopped(mocap: Path, tmp_path: Path) -> None:
    out, seen = tmp_path / "images", []
    files = generate(out, 20, "studio", mocap, size=32, shard=8, progress=lambda what, done, total: seen.append((done, total)))
    assert seen == [(8, 20), (16, 20), (20, 20)]
    first = [path.stat().st_mtime_ns for path in files]
    whole = np.load(out / "00001.images.npy")
    files[1].unlink()  # as if interrupted before the labels of the second shard
    generate(out, 20, "studio", mocap, size=32, shard=8)
    np.testing.assert_array_equal(np.load(out / "00001.images.npy"), whole)
    assert [path.stat().st_mtime_ns for path in files][::2] == first[::2]
    generate(out, 26, "studio", mocap, size=32, shard=8)  # more of the same
    assert len(ImageShards(out)) == 26
    assert not [path for path in out.iterdir() if path.name.startswith(".")]


def test_bad_input_is_named(mocap: Path, tmp_path: Path) -> None:
    with pytest.raises(SemttaError, match=r"Unknown domain 'studo'.*'studio'"):
        generate(tmp_path / "a", 4, "studo", mocap)
    with pytest.raises(SemttaError, match="No packed motions"):
        generate(tmp_path / "b", 4, "studio", tmp_path)
    generate(tmp_path / "c", 2, "studio", mocap, size=32)
    with pytest.raises(SemttaError, match="other settings"):
        generate(tmp_path / "c", 2, "wild", mocap, size=32)
    (tmp_path / "file").write_text("")
    with pytest.raises(SemttaError, match="Cannot write"):
        generate(tmp_path / "file" / "d", 2, "studio", mocap)


def test_pose_augmentation(mocap: Path) -> None:
    clips = motions.load(mocap, "train")
    plain = PoseSampler(clips, Augmentation(mirror=0, mix=0, noise=0, bend=0, reach=0, lean=0))
    poses, index = plain.sample(np.random.default_rng(0), 50)
    np.testing.assert_allclose(poses[:, 1:], plain.poses[index][:, 1:], atol=1e-5)
    bent, _ = PoseSampler(clips, Augmentation(bend=1)).sample(np.random.default_rng(0), 50)
    assert bent[:, [4, 5], 0].mean() > poses[:, [4, 5], 0].mean() + 0.3
    np.testing.assert_array_equal(mirror_pose(mirror_pose(poses)), poses)
    np.testing.assert_array_equal(mirror_pose(poses)[:, 16], poses[:, 17] * (1, -1, -1))


def test_a_full_disk_leaves_whole_shards_alone(mocap: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "images"
    generate(out, 4, "studio", mocap, size=32, shard=4)
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def fill(file, array) -> None:
        raise OSError("300 requested and 0 written")  # as numpy says it, without a number

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", fill)
        with pytest.raises(SemttaError, match="300 requested"):
            generate(out, 8, "studio", mocap, size=32, shard=4)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    generate(out, 8, "studio", mocap, size=32, shard=4)
    assert len(list(out.glob("*.images.npy"))) == 2


@pytest.mark.parametrize("wrong", [{"count": 0}, {"size": 8}, {"seed": -1}])
def test_numbers_that_make_no_images(mocap: Path, tmp_path: Path, wrong: dict) -> None:
    with pytest.raises(SemttaError, match="must be at least"):
        generate(tmp_path / "images", **({"count": 4, "domain": "studio", "mocap": mocap} | wrong))
    assert not (tmp_path / "images").exists()
