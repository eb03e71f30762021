import pytest
import torch

from semtta.geometry import axis_angle_to_matrix, matrix_to_axis_angle
from semtta.motions import mocap
from semtta.motions.windows import PART_GROUPS, WindowSampler, all_labels, corrupt, face_forward, mirror, restyle


def sampler(folder, **options) -> WindowSampler:
    clips = mocap.load(folder, "train")
    return WindowSampler(clips, all_labels(clips), **options)


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
    assert torch.allclose(matrix_to_axis_angle(other.rotations[left, :, 17]), arm * torch.tensor([1.0, -1, -1]), atol=1e-4)
    again = mirror(mirror(batch.rotations, data.mirror_joint), data.mirror_joint)
    assert torch.allclose(again, batch.rotations, atol=1e-6)


def test_windows_face_forward_and_short_clips_are_masked(mocap_folder):
    data = sampler(mocap_folder)
    batch = data.sample(16, torch.Generator().manual_seed(0))
    assert torch.allclose(batch.rotations[:, 0, 0, :, 2], torch.tensor([0.0, 0, 1]).expand(16, 3), atol=1e-5)
    assert batch.mask.all()
    long = WindowSampler(mocap.load(mocap_folder, "train"), data.labels, 120, augment=False).every(1)
    assert (long.mask.sum(-1) == 90).all()
    assert torch.allclose(face_forward(batch.rotations), batch.rotations, atol=1e-5)


def test_corruption_changes_only_its_group(mocap_folder):
    data = sampler(mocap_folder)
    clean = data.sample(32, torch.Generator().manual_seed(0)).rotations
    corrupted, joints = corrupt(clean, data.mean_six, torch.Generator().manual_seed(1))
    changed = (corrupted - clean).abs().amax((1, 3, 4)) > 1e-6
    assert not (changed & (joints == 0)).any()
    assert changed.any(1).float().mean() > 0.8
    assert {tuple(j.nonzero()[:, 0].tolist()) for j in joints} <= {tuple(sorted(g)) for g in PART_GROUPS.values()}


def test_speeds_and_early_ends(mocap_folder):
    slow = sampler(mocap_folder, speeds=(0.5, 0.5), cut=0.5)
    batch = slow.sample(200, torch.Generator().manual_seed(0))
    ends = batch.mask.sum(-1)
    assert ends.min() >= 20
    assert 0.35 < (ends < 60).float().mean() < 0.6
    assert all(mask[:end].all() for mask, end in zip(batch.mask, ends, strict=True))  # a prefix
    walking = batch.rotations[(batch.label == slow.labels.index("walking")).nonzero()[0, 0]]
    angle = matrix_to_axis_angle(walking[:, 1])[:, 0]  # 0.5 sin(0.2 t + row) of the recording
    assert (angle.diff().abs().max()) < 0.5 * 0.2 * 0.5 + 1e-3
    assert sampler(mocap_folder, augment=False, cut=0.5).sample(50, torch.Generator().manual_seed(0)).mask.all()


def test_restyle_adds_a_constant_turn_and_scales_the_movement():
    vectors = torch.zeros(64, 60, 24, 3)
    vectors[..., 4, 0] = 0.3 * torch.sin(torch.arange(60) * torch.pi / 30)
    given = axis_angle_to_matrix(vectors)
    made = restyle(given, torch.Generator().manual_seed(0))
    assert torch.equal(made[:, :, 0], given[:, :, 0])
    changed = (made - given).abs().amax((1, 2, 3, 4)) > 1e-4
    assert 0.3 < changed.float().mean() < 0.7
    still = matrix_to_axis_angle(made[changed][:, :, 5])  # a joint that does not move: only turned
    assert torch.allclose(still, still[:, :1].expand_as(still), atol=1e-4)
    assert still.norm(dim=-1).mean() == pytest.approx(0.16, abs=0.02)  # mean length of three normals of 0.1
    knee = matrix_to_axis_angle(made[changed][:, :, 4])
    swing = (knee[:, 15] - knee[:, 45]).norm(dim=-1) / 0.6
    assert 0.75 < swing.min() < 0.9
    assert 1.1 < swing.max() < 1.3


def test_nearest_windows_have_the_phase_of_the_exemplar(mocap_folder):
    data = sampler(mocap_folder, augment=False)
    exemplars = torch.stack([data.every(1).rotations[int((data.content == k).nonzero()[0])] for k in range(len(data.labels))])
    found = data.nearest(exemplars, count=2, step=1)
    assert found.label.tolist() == [k for k in range(len(data.labels)) for _ in range(2)]
    assert torch.allclose(found.rotations[::2, :, 1:], exemplars[:, :, 1:], atol=1e-4)  # the clip itself, then another
    walking = data.labels.index("walking")
    thigh = matrix_to_axis_angle(found.rotations[2 * walking + 1, :, 1])[:, 0]
    wanted = matrix_to_axis_angle(exemplars[walking, :, 1])[:, 0]
    assert (thigh - wanted).abs().mean() < 0.1  # of 0.5: as good as a step of 1 frame and 90 frames allow
    mirrored = data.nearest(data.mirrored(data.every(1)).rotations[[1]].expand(len(data.labels), -1, -1, -1, -1), count=1)
    assert mirrored.label.tolist() == list(range(len(data.labels)))
