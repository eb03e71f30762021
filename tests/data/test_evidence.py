from __future__ import annotations

import pytest
import torch

from semtta.constants import BODY25, COCO17, LIMBS13, SMPL24, SMPL29, SMPL_PARENTS, mirrored, shared_joints
from semtta.data.evidence import ground_truth_keypoints, joint_visibility, to_evidence, to_keypoints, to_smpl29
from semtta.errors import SemttaError
from semtta.types import Camera, Evidence, GroundTruth, Keypoints2D, Video

I = SMPL29.index  # noqa: E741 (short on purpose)


def body25(confidence: float = 0.8) -> Keypoints2D:
    xy = torch.arange(50.0).view(1, 25, 2).repeat(2, 1, 1)
    return Keypoints2D(xy, torch.full((2, 25), confidence), "body25", "test")


def test_joints_are_paired_by_name_and_only_limbs_supervise():
    out = to_smpl29(body25(), 0.3, "limbs")
    assert out.xy[0, I("L_Knee")].tolist() == body25().xy[0, BODY25.index("L_Knee")].tolist()
    seen = {SMPL29[j] for j in out.confidence[0].nonzero()[:, 0].tolist()}
    assert seen == set(LIMBS13)
    assert len(LIMBS13) == 13


def test_demo_set_has_face_pelvis_and_head():
    seen = {SMPL29[j] for j in to_smpl29(body25(), 0.3, "limbs+face").confidence[0].nonzero()[:, 0].tolist()}
    assert {"Nose", "Pelvis", "Head", "L_Eye"} <= seen


def test_missing_points_come_from_the_middle_of_two():
    xy = torch.zeros(1, 17, 2)
    xy[0, COCO17.index("L_Shoulder")] = torch.tensor([10.0, 20.0])
    xy[0, COCO17.index("R_Shoulder")] = torch.tensor([30.0, 40.0])
    out = to_smpl29(Keypoints2D(xy, torch.full((1, 17), 0.9), "coco17"), 0.3, "limbs")
    assert out.xy[0, I("Neck")].tolist() == [20.0, 30.0]
    one = torch.full((1, 17), 0.9)
    one[0, COCO17.index("R_Shoulder")] = 0.1
    assert to_smpl29(Keypoints2D(xy, one, "coco17"), 0.3, "limbs").confidence[0, I("Neck")] == 0


@pytest.mark.parametrize("confidence", [0.3, 0.0, -1.0])
def test_threshold_is_strict(confidence):
    assert not (to_smpl29(body25(confidence), 0.3, "limbs").confidence > 0).any()


def test_nan_and_infinite_points_are_not_seen():
    keypoints = body25()
    keypoints.xy[0, BODY25.index("L_Knee")] = torch.tensor([float("nan"), 1.0])
    keypoints.xy[1, BODY25.index("R_Knee")] = torch.tensor([float("inf"), 1.0])
    out = to_smpl29(keypoints, 0.3, "limbs")
    assert torch.isfinite(out.xy).all()
    assert out.confidence[0, I("L_Knee")] == 0
    assert out.confidence[1, I("R_Knee")] == 0


def test_evidence_round_trip():
    keypoints = to_smpl29(body25(), 0.3, "limbs")
    boxes = torch.tensor([[20.0, 20.0, 112.0], [30.0, 10.0, 56.0]])
    evidence = to_evidence(keypoints, boxes)
    assert evidence.points[0, I("Neck")].tolist() == ((keypoints.xy[0, I("Neck")] - 20) * 2 + 112).tolist()
    filled = Evidence(evidence.points, torch.ones_like(evidence.present))
    back = to_keypoints(filled, boxes, keypoints, torch.tensor([0.9, 0.7]))
    torch.testing.assert_close(back.xy[evidence.present], keypoints.xy[evidence.present])
    assert back.confidence[0, I("Neck")] == pytest.approx(0.8)  # the detector's
    assert back.confidence[1, I("Spine1")] == pytest.approx(0.7)  # the similarity that let it in
    with pytest.raises(SemttaError, match="smpl29"):
        to_evidence(body25(), boxes)


def test_visibility_speaks_for_joints_that_no_detector_sees():
    present = torch.zeros(1, 29, dtype=torch.bool)
    present[0, [I("L_Ankle"), I("L_Hip")]] = True
    seen = joint_visibility(Evidence(torch.zeros(1, 29, 2), present))[0]
    assert seen[SMPL24.index("L_Foot")] == 1
    assert seen[SMPL24.index("R_Foot")] == 0
    assert seen[SMPL24.index("Pelvis")] == 0.5


def test_skeletons():
    assert len(SMPL24) == len(SMPL_PARENTS) == 24
    assert all(parent < i for i, parent in enumerate(SMPL_PARENTS))
    source, target = shared_joints("coco17", "smpl29")
    assert [COCO17[i] for i in source] == [SMPL29[i] for i in target]
    swap = mirrored("smpl29")
    assert SMPL29[swap[I("L_Knee")]] == "R_Knee"
    assert [swap[i] for i in swap] == list(range(29))


def test_ground_truth_is_projected_into_the_frame():
    joints = torch.zeros(2, 24, 3)
    joints[..., 2] = 4.0
    joints[:, 3, :2] = torch.tensor([0.4, -0.2])
    truth = GroundTruth(joints, valid=torch.tensor([True, False]), camera=Camera(1000.0, (320.0, 240.0)))
    video = Video("walk", [], 2, 30.0, (640, 480), ground_truth=truth)
    found = ground_truth_keypoints(video)
    assert found.xy[0, 3].tolist() == [420, 190]  # 320 + 1000 * 0.4 / 4, 240 - 1000 * 0.2 / 4
    assert found.confidence.sum(1).tolist() == [24, 0]
    assert (to_smpl29(found, 0.3, "smpl24").confidence[0] > 0).sum() == 24
    with pytest.raises(SemttaError, match="'walk' has no ground truth with a camera"):
        ground_truth_keypoints(Video("walk", [], 2, 30.0, (640, 480)))
