"""The npz that is AMASS's: its keys, and that readers of AMASS put the body where the result has it."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from worlds import in_a_world

from semtta.export import export
from semtta.geometry import axis_angle_to_matrix
from semtta.geometry.timing import resampled
from semtta.motions.amass import SMPLH, read_sequence

Z_TO_Y = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])


@pytest.fixture(scope="module")
def result(make_result):
    made = make_result(frames=9)
    rotations = made.params.rotations.clone()
    rotations[:, 22:] = axis_angle_to_matrix(torch.tensor([[0.1, 0.2, 0.3], [-0.3, 0.2, 0.1]]))
    return in_a_world(replace(made, params=replace(made.params, rotations=rotations)))


@pytest.fixture(scope="module")
def arrays(result, tmp_path_factory):
    with np.load(export(result, "npz", tmp_path_factory.mktemp("npz"))) as file:  # allow_pickle is off
        return dict(file)


def test_the_keys_of_both_releases(arrays):
    assert arrays["poses"].shape == (9, 156)
    assert arrays["betas"].shape == (16,)
    assert not arrays["betas"][10:].any()
    assert arrays["dmpls"].shape == (9, 8)
    assert str(arrays["gender"]) == "neutral"
    assert arrays["mocap_framerate"].item() == arrays["mocap_frame_rate"].item() == 30
    np.testing.assert_array_equal(arrays["root_orient"], arrays["poses"][:, :3])
    np.testing.assert_array_equal(arrays["pose_body"], arrays["poses"][:, 3:66])
    np.testing.assert_array_equal(arrays["pose_hand"], arrays["poses"][:, 66:])
    assert (arrays["pose_jaw"].shape, arrays["pose_eye"].shape) == ((9, 3), (9, 6))
    assert (str(arrays["body"]), str(arrays["surface_model_type"]), int(arrays["num_betas"])) == ("open", "smplh", 16)


def test_the_hand_bends_at_the_knuckles_of_four_fingers(arrays):
    hands = arrays["pose_hand"].reshape(9, 2, 15, 3)
    for side, hand in enumerate([(0.1, 0.2, 0.3), (-0.3, 0.2, 0.1)]):
        np.testing.assert_allclose(hands[:, side, [0, 3, 6, 9]], np.broadcast_to(hand, (9, 4, 3)), atol=1e-5)
        assert not np.delete(hands[:, side], [0, 3, 6, 9], 1).any()


def test_the_body_stands_where_the_world_has_it(arrays, result, open_body):
    """AMASS's convention: the posed body, turned about its rest pelvis, plus ``trans``."""
    poses = torch.from_numpy(arrays["poses"]).unflatten(1, (52, 3))[:, list(SMPLH)]
    joints = open_body.joints(
        axis_angle_to_matrix(poses), torch.from_numpy(arrays["betas"][:10]), torch.from_numpy(arrays["trans"])
    )
    np.testing.assert_allclose(joints, result.world.joints, atol=1e-4)
    np.testing.assert_allclose(arrays["joints"], result.world.joints, atol=1e-6)


def test_our_own_reader_of_amass_reads_the_same_motion(result, tmp_path):
    path = export(result, "npz", tmp_path)
    read = read_sequence(path, "x", {})
    expected = result.world.params.rotations.clone()
    expected[:, 0] = torch.from_numpy(Z_TO_Y).float() @ expected[:, 0]
    found = axis_angle_to_matrix(torch.from_numpy(read.axis_angle).unflatten(1, (24, 3)))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    np.testing.assert_allclose(read.trans, result.world.params.translation.numpy() @ Z_TO_Y.T, atol=1e-5)


def test_a_shape_that_varies_keeps_the_pelvis(make_result, tmp_path, open_body):
    varied = in_a_world(make_result(frames=9, fixed_shape=False))
    with np.load(export(varied, "npz", tmp_path)) as file:
        rest = open_body.rest_joints(torch.from_numpy(file["betas"][:10]))[0].numpy()
        np.testing.assert_allclose(file["trans"] + rest, varied.world.joints[:, 0], atol=1e-5)


def test_frames_of_their_own_times_and_places(result, tmp_path):
    with np.load(export(result, "npz", tmp_path, fps=60, in_place=True, origin="camera")) as file:
        assert len(file["poses"]) == 17
        assert file["mocap_frame_rate"] == 60
        assert np.ptp(file["joints"][:, 0, :2], 0).max() < 1e-5
        np.testing.assert_allclose(file["confidence"], resampled(result, 60).confidence, atol=1e-6)


def test_the_warning_is_of_other_shapes_only(result, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        export(replace(result, body="smpl"), "npz", tmp_path)
        assert not caplog.records
        export(result, "npz", tmp_path)
    (record,) = caplog.records
    assert "'open', not SMPL's" in record.getMessage()
    assert "\n" not in record.getMessage()


def test_without_a_world_z_is_up_still(result, tmp_path):
    with np.load(export(replace(result, world=None), "npz", tmp_path)) as file:
        head, foot = file["joints"][:, 15], file["joints"][:, 10]
        assert (head[:, 2] - foot[:, 2] > 1).all()
        assert file["joints"][..., 2].min() == pytest.approx(0, abs=1e-6)


class Gmr:
    """The steps of GMR's loader (YanjieZe/GMR) on any body that is called like smplx's."""

    @staticmethod
    def joints(arrays, body):
        shape = torch.tensor(arrays["betas"]).float().view(1, -1)
        turned = torch.cat((torch.tensor(arrays["root_orient"]).float(), torch.tensor(arrays["pose_body"]).float()), 1)
        return body(shape, turned, torch.tensor(arrays["trans"]).float()), 1.66 + 0.1 * arrays["betas"][0]


def test_gmr_s_loader(arrays, result, open_body):
    def body(shape, turned, trans):
        rotations = torch.eye(3).repeat(len(turned), 24, 1, 1)
        rotations[:, :22] = axis_angle_to_matrix(turned.unflatten(1, (22, 3)))
        return open_body.joints(rotations, shape[0, :10], trans)

    joints, height = Gmr.joints(arrays, body)
    np.testing.assert_allclose(joints[:, :22], result.world.joints[:, :22], atol=1e-4)
    assert np.isfinite(height)
    assert arrays["mocap_frame_rate"].item() == 30
