"""What is kept of a run, against numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from semtta.constants import SMPL24, shared_joints
from semtta.experiments.measure import PCK_TORSO, by_label, fill_in, measure
from semtta.geometry import project_to_image
from semtta.types import GroundTruth, Keypoints2D, SegmentLabel


@pytest.fixture
def result(make_result):
    return make_result(frames=12)


def truth_of(result, **changes):
    return GroundTruth(result.joints, params=result.params, camera=result.camera, **changes)


def test_weights_count_the_frames_that_each_mean_is_over(result, make_video, open_body):
    visible = torch.ones(12, 24, dtype=torch.bool)
    visible[3:7, SMPL24.index("L_Knee")] = False
    valid = torch.ones(12, dtype=torch.bool)
    valid[:5] = False
    video = make_video(result, ground_truth=truth_of(result, visible=visible, valid=valid))
    found = measure(result, video, open_body)
    assert found["weights"] == {"frames": 7, "occluded": 2}  # valid 5..11, hidden 3..6
    assert found["metrics"]["mpjpe"] == pytest.approx(0, abs=0.01)
    assert found["unadapted"]["mpjpe"] > 20
    assert "frames" not in found["metrics"]


def test_errors_by_label_are_over_the_labels_frames(result, make_video, open_body):
    shifted = result.joints.clone()
    shifted[:6, 5] += torch.tensor([0.24, 0, 0])  # one of 24 joints, 240 mm: 10 mm in the mean
    video = make_video(result, labels=(SegmentLabel(0, 6, "walking"), SegmentLabel(6, 10, "running")))
    found = {x["label"]: x for x in by_label(result, GroundTruth(shifted), video, open_body)}
    assert {k: x["frames"] for k, x in found.items()} == {"walking": 6, "running": 4}
    assert found["walking"]["after"] == pytest.approx(10, abs=1e-3)
    assert found["running"]["after"] == pytest.approx(0, abs=1e-3)
    assert found["running"]["before"] > 20


def test_filled_points_are_counted_and_judged(result):
    source, target = shared_joints("smpl24", "smpl29")
    points = project_to_image(result.joints, result.camera.focal_px, result.camera.center_px)
    xy = torch.zeros(12, 29, 2)
    xy[:, target] = points[:, source]
    neck, hips = SMPL24.index("Neck"), (SMPL24.index("L_Hip"), SMPL24.index("R_Hip"))
    torso = (points[:, neck] - (points[:, hips[0]] + points[:, hips[1]]) / 2).norm(dim=-1).median()
    before, after = torch.zeros(12, 29), torch.zeros(12, 29)
    before[:, :10] = after[:, :10] = 1  # 120 detected
    after[:6, 10:14] = 0.5  # 24 filled in, of which ...
    xy[:2, 10:14, 0] += 1.01 * PCK_TORSO * torso  # ... 8 are just too far off
    xy[2:4, 10:14, 0] += 0.99 * PCK_TORSO * torso
    result = replace(result, keypoints=Keypoints2D(xy, after, "smpl29"), keypoints_before=Keypoints2D(xy, before, "smpl29"))
    assert fill_in(result, truth_of(result)) == {
        "detected": 120, "filled": 24, "filled_judged": 24, "filled_correct": 16, "detected_judged": 120, "detected_correct": 120,
    }  # fmt: skip
    valid = torch.arange(12) >= 3
    found = fill_in(result, truth_of(result, valid=valid))
    assert (found["filled_judged"], found["filled_correct"]) == (12, 12)
    assert fill_in(result, None) == {"detected": 120, "filled": 24}
    assert fill_in(result, replace(truth_of(result), camera=None)) == {"detected": 120, "filled": 24}


def test_without_truth_there_is_only_quality(result, make_video, open_body):
    found = measure(result, make_video(result), open_body)
    assert set(found["metrics"]) == {"reprojection_px", "jitter", "bone_variation_mm"}
    assert found["weights"] == {"frames": 12}
