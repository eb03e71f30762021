"""The included benchmark: what is in it, that it is what its generator makes, and damaged copies of it."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from semtta.body import Body
from semtta.constants import BODY25, SMPL24
from semtta.datasets import datasets
from semtta.errors import SemttaError
from semtta.geometry import axis_angle_to_matrix, project_to_image
from semtta.motions.mocap import TEST_ONLY, load_file
from semtta.priors import priors
from semtta.synthesis import synthwild
from semtta.synthesis.synthwild import FOLDER, SPLITS, TAKES
from semtta.testing import check_dataset

LEGS = [SMPL24.index(f"{side}_{name}") for side in "LR" for name in ("Knee", "Ankle")]
MOCAP = Path(__file__).parents[3] / "shared/data/mocap/index.csv"


def test_counts() -> None:
    test, val = synthwild.takes("test"), synthwild.takes("val")
    assert len(test) >= 12
    assert 6 <= len(val) <= 9
    assert len({take.label for take in test}) >= 8
    for part in (test, val):
        assert set(Counter(take.situation for take in part).values()) == {len(part) // 3}
        assert all(90 <= take.frames <= 150 for take in part)
    assert sum(path.stat().st_size for path in FOLDER.rglob("*.*")) < 12e6


def test_no_motion_is_in_two_parts_or_in_any_training() -> None:
    assert len({take.motion for take in TAKES}) == len(TAKES)
    if not MOCAP.exists():
        pytest.skip("the collections of motions are not here")
    rows = {row["clip_id"]: row for row in csv.DictReader(MOCAP.open())}
    assert len({rows[take.motion]["group"] for take in TAKES}) == len(TAKES)  # nor its mirror image
    for take in TAKES:
        row = rows[take.motion]
        assert row["source"] in TEST_ONLY or row["split"] == take.split


@pytest.mark.parametrize("split", SPLITS)
def test_the_included_files_are_those_of_the_takes(split: str) -> None:
    dataset = datasets.create("synthwild", split=split)
    assert all(finding.good for finding in dataset.check())
    check_dataset(dataset)
    assert dataset.tracks() == sorted(take.name for take in synthwild.takes(split))
    motions = {motion.clip_id: motion for motion in load_file(FOLDER / "motions.npz")}
    for row, take in zip(dataset.rows, synthwild.takes(split), strict=True):
        assert synthwild.is_whole(FOLDER, row, take)
        with np.load(FOLDER / take.name / "ground_truth.npz") as truth:
            made, source = (_local(poses) for poses in (truth["poses"], motions[take.motion].axis_angle))
        torch.testing.assert_close(made, source, atol=1e-3, rtol=0)


def _local(poses: np.ndarray) -> torch.Tensor:
    """Rotations but for the global one, which the camera changes."""
    return axis_angle_to_matrix(torch.from_numpy(poses).float().unflatten(-1, (24, 3)))[:, 1:]


@pytest.mark.parametrize("take", TAKES, ids=lambda take: take.name)
def test_a_clip(take: synthwild.Take, open_body: Body) -> None:
    video = datasets.create("synthwild", split=take.split).load(take.name)
    truth, keypoints = video.ground_truth, video.keypoints
    assert truth is not None
    assert truth.params is not None
    assert truth.visible is not None
    assert truth.camera is not None
    assert truth.protocol is not None
    assert truth.protocol.name == "synthwild"
    assert keypoints is not None
    assert video.num_frames == len(keypoints) == len(truth.joints) == take.frames
    assert (round(video.fps, 6), video.size) == (30, synthwild.SIZE)
    assert [(item.start, item.stop, item.label) for item in video.labels] == [
        (0, 60, take.label), (60, take.frames, take.label)
    ]  # fmt: skip
    joints = open_body.joints(truth.params.rotations, truth.params.betas, truth.params.translation)
    torch.testing.assert_close(truth.joints, joints, atol=1e-4, rtol=0)

    hidden = (~truth.visible[:, LEGS]).float()
    if take.situation == "clear":
        assert truth.visible.float().mean() > 0.97
    else:
        assert 0.3 < hidden.mean() < 0.8
        middle = slice(round(0.35 * take.frames), round(0.65 * take.frames))
        assert hidden[middle].mean() > 0.8
    assert truth.visible[:, SMPL24.index("Head")].float().mean() > 0.95

    points = project_to_image(truth.joints, truth.camera.focal_px, truth.camera.center_px)
    height = (points[..., 1].amax(1) - points[..., 1].amin(1)).median()
    for side in "LR":
        for name in ("Knee", "Ankle", "Elbow"):
            mark, joint = BODY25.index(f"{side}_{name}"), SMPL24.index(f"{side}_{name}")
            seen = (keypoints.confidence[:, mark] > 0) & truth.visible[:, joint]
            error = (keypoints.xy[seen, mark] - points[seen, joint]).norm(dim=-1) / height
            assert error.median() < 0.05


def test_the_included_prior_knows_the_labels() -> None:
    known = set(priors.create("open").labels)
    assert len([take for take in TAKES if take.label in known]) == len(TAKES) - 1
    assert {take.label for take in TAKES} - known == {"jogging"}  # near 'running'


def test_what_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(SemttaError, match="split"):
        datasets.create("synthwild", split="train")
    with pytest.raises(SemttaError, match="3dpw/spin"):
        datasets.create("synthwild", protocol="3dpw/spin")
    with pytest.raises(SemttaError, match="semtta synth synthwild"):
        datasets.create("synthwild", root=tmp_path / "none")
    with pytest.raises(SemttaError, match="test-jumping-clear"):
        datasets.create("synthwild", split="test").load("jumping")
    (tmp_path / "index.json").write_text("[{]")
    with pytest.raises(SemttaError, match="index"):
        datasets.create("synthwild", root=tmp_path)


def test_a_damaged_copy(tmp_path: Path) -> None:
    name = "val-jumping-clear"
    shutil.copytree(FOLDER / name, tmp_path / name)
    shutil.copy(FOLDER / "index.json", tmp_path)
    dataset = datasets.create("synthwild", root=tmp_path, split="val")
    counts, whole = dataset.check()
    assert counts.good
    assert (whole.found, whole.expected, whole.good) == (1, 6, False)
    for damaged in (b"not an archive", (FOLDER / name / "ground_truth.npz").read_bytes()[:20000]):
        (tmp_path / name / "ground_truth.npz").write_bytes(damaged)
        with pytest.raises(SemttaError, match="ground_truth"):
            dataset.load(name)
    (tmp_path / name / f"{name}.mp4").unlink()
    with pytest.raises(SemttaError, match="does not exist"):
        dataset.load(name)
