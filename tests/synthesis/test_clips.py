"""Rendered clips: the truth lies where the picture shows the person, and hidden joints are called hidden."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
import torch

import semtta.assets
from semtta.body import Body
from semtta.constants import BODY25, SMPL24
from semtta.data.truth import load_truth
from semtta.errors import SemttaError
from semtta.geometry import project_to_image
from semtta.motions.mocap import MotionClip
from semtta.rendering.rasterizer import rasterize
from semtta.synthesis.clips import Clip, Script, render_clip, sample_clip, save_clip
from semtta.synthesis.domains import STUDIO, WILD
from semtta.synthesis.figures import load_figure

LEGS = [SMPL24.index(f"{side}_{name}") for side in "LR" for name in ("Knee", "Ankle")]
SMALL = (160, 120)


def _silhouettes(clip: Clip, body: Body) -> np.ndarray:
    """Masks [T, H, W] drawn from the truth's parameters alone."""
    params = clip.truth.params
    assert params is not None
    vertices = body.vertices(params.rotations, params.betas, params.translation)
    points = project_to_image(vertices, clip.camera.focal_px, clip.camera.center_px).numpy()
    faces, size = load_figure().faces, clip.size[::-1]
    return np.stack([rasterize(p, v, faces, size).mask for p, v in zip(points, vertices[..., 2].numpy(), strict=True)])


def test_truth_and_picture_agree(walk: MotionClip, open_body: Body) -> None:
    script = Script(size=SMALL, follow=0.0, azimuth_deg=90, subframes=1)
    clip = render_clip(walk, script, STUDIO, seed=1)
    params = clip.truth.params
    assert params is not None
    joints = open_body.joints(params.rotations, params.betas, params.translation)
    torch.testing.assert_close(clip.truth.joints, joints, atol=1e-4, rtol=0)
    masks = _silhouettes(clip, open_body)

    column, row = project_to_image(joints, clip.camera.focal_px, clip.camera.center_px).floor().long().unbind(-1)
    plain = clip.truth.visible & ~torch.from_numpy(clip.self_occluded)
    frame = torch.arange(len(walk))[:, None].expand_as(plain)
    assert masks[frame[plain], row[plain], column[plain]].mean() > 0.98

    still = np.median(clip.frames.astype(int), 0)  # the camera does not move: whatever changes is the person
    changed = np.abs(clip.frames - still).max(-1) > 40
    assert changed[masks].mean() > 0.5
    assert changed[~masks].mean() < 0.05


def test_a_clip_depends_on_its_seed_alone(walk: MotionClip) -> None:
    script = Script(size=SMALL, subframes=1)
    first, again, other = (render_clip(walk, script, WILD, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.frames, again.frames)
    torch.testing.assert_close(first.keypoints.xy, again.keypoints.xy, rtol=0, atol=0)
    assert (first.frames != other.frames).any()


@pytest.mark.parametrize("situation", ["occluded", "truncated"])
@pytest.mark.parametrize("moves", [True, False])
def test_legs_are_hidden_when_the_script_says_so(walk: MotionClip, situation, moves: bool) -> None:
    if not moves:
        walk.trans[:, 2] = 0
    clip = render_clip(walk, Script(situation, (0.3, 0.7), SMALL, azimuth_deg=80, subframes=1), WILD, seed=5)
    visible = clip.truth.visible
    assert visible is not None
    hidden = ~visible[:, LEGS]
    assert hidden[10:14].float().mean() > 0.7
    assert hidden[[0, -1]].float().mean() < 0.3
    assert visible[10:14, SMPL24.index("Head")].all()
    marks = [BODY25.index(f"{side}_{name}") for side in "LR" for name in ("Knee", "Ankle")]
    found = clip.keypoints.confidence[:, marks] > 0
    assert found[hidden[:, [0, 2, 1, 3]][:, [0, 2, 1, 3]]].float().mean() < 0.4


def test_files_of_a_clip(walk: MotionClip, tmp_path: Path) -> None:
    clip = render_clip(walk, Script(size=SMALL, subframes=1), WILD, seed=0, name="made")
    save_clip(clip, tmp_path / "clip")
    truth = load_truth(tmp_path / "clip" / "ground_truth.npz")
    assert truth.params is not None
    assert clip.truth.params is not None
    torch.testing.assert_close(truth.joints, clip.truth.joints)
    torch.testing.assert_close(truth.params.rotations, clip.truth.params.rotations, atol=1e-5, rtol=0)
    assert torch.equal(truth.visible, clip.truth.visible)
    with np.load(tmp_path / "clip" / "keypoints.npz") as data:
        assert data["keypoints"].shape == (24, 25, 3)
        assert (int(data["width"]), int(data["height"]), str(data["label"])) == (*SMALL, "walking")
    with av.open(str(tmp_path / "clip" / "made.mp4")) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert np.abs(np.stack(frames).astype(int) - clip.frames).mean() < 8
    with pytest.raises(SemttaError, match="ground truth"):
        load_truth(tmp_path / "clip" / "keypoints.npz")


def test_the_included_clip(open_body: Body) -> None:
    folder = Path(semtta.assets.__file__).parent / "demo"
    truth = load_truth(folder / "ground_truth.npz")
    assert truth.params is not None
    assert truth.visible is not None
    joints = open_body.joints(truth.params.rotations, truth.params.betas, truth.params.translation)
    torch.testing.assert_close(truth.joints, joints, atol=1e-4, rtol=0)
    hidden = (~truth.visible[:, LEGS]).all(1).float().mean()
    assert 0.35 < hidden < 0.65
    with np.load(folder / "keypoints.npz") as data:
        keypoints = data["keypoints"]
    assert len(keypoints) == len(joints) == 120
    with av.open(str(folder / "walk.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == 120
    assert (folder / "walk.mp4").stat().st_size < 400_000


def test_a_clip_that_cannot_be_made(mocap: Path, tmp_path: Path) -> None:
    make = partial(sample_clip, mocap, "walking", "clear", split="train")
    with pytest.raises(SemttaError, match="frames is 1, but must be at least 2"):
        make(frames=1)
    with pytest.raises(SemttaError, match="seed is -1"):
        make(seed=-1)
    with pytest.raises(SemttaError, match="walking"):
        sample_clip(mocap, "walkin", "clear", split="train")
    with pytest.raises(SemttaError, match="occluded"):
        sample_clip(mocap, "walking", "hidden", split="train")
    with pytest.raises(SemttaError, match="No packed motions"):
        sample_clip(tmp_path / "nowhere", "walking", "clear")
