import numpy as np
import pytest
import torch

from semtta.data import boxes_from_keypoints
from semtta.errors import SemttaError
from semtta.types import Keypoints2D


def keypoints(xy, confidence=None):
    xy = torch.as_tensor(np.asarray(xy), dtype=torch.float32)
    confidence = torch.ones(xy.shape[:-1]) if confidence is None else torch.as_tensor(confidence, dtype=torch.float32)
    return Keypoints2D(xy, confidence, "coco17")


def standing(num_frames=20, step=10.0):
    """Head, hip and two feet of someone 200 pixels tall who walks to the right."""
    person = np.array([(50.0, 100.0), (50.0, 200.0), (40.0, 300.0), (60.0, 300.0)])
    return person + np.arange(num_frames)[:, None, None] * (step, 0.0)


def test_by_hand():
    boxes = boxes_from_keypoints(keypoints([[(10, 20), (50, 100), (30, 40)]]))
    torch.testing.assert_close(boxes, torch.tensor([[30.0, 60.0, 80 * 1.2]]))
    boxes = boxes_from_keypoints(keypoints([[(10, 20), (50, 100), (30, 40)]]), expand=1.0)
    torch.testing.assert_close(boxes, torch.tensor([[30.0, 60.0, 80.0]]))


def test_only_confident_and_finite_joints_count():
    xy = [[(10, 20), (50, 100), (900, 900), (float("nan"), 3)]]
    boxes = boxes_from_keypoints(keypoints(xy, [[0.9, 0.31, 0.3, 1.0]]), expand=1.0)
    torch.testing.assert_close(boxes, torch.tensor([[30.0, 60.0, 80.0]]))
    boxes = boxes_from_keypoints(keypoints(xy, [[0.9, 0.31, 0.3, 1.0]]), threshold=0.2, expand=1.0)
    torch.testing.assert_close(boxes, torch.tensor([[455.0, 460.0, 890.0]]))


def test_frames_without_evidence_lie_in_between():
    xy = standing(10)
    confidence = np.ones((10, 4))
    confidence[3:6] = 0
    confidence[8:] = 0
    xy[confidence == 0] = 1e6  # what is not seen does not matter
    boxes = boxes_from_keypoints(keypoints(xy, confidence), smooth=1)
    torch.testing.assert_close(boxes[:8, 0], 50.0 + 10 * torch.arange(8.0))
    torch.testing.assert_close(boxes[8:, 0], torch.tensor([120.0, 120.0]))  # nothing after: stays
    torch.testing.assert_close(boxes[:, 2], torch.full((10,), 240.0))


def test_hidden_legs_do_not_shrink_the_box():
    xy, confidence = standing(20), np.ones((20, 4))
    confidence[5:12, 2:] = 0
    boxes = boxes_from_keypoints(keypoints(xy, confidence), smooth=1)
    torch.testing.assert_close(boxes, boxes_from_keypoints(keypoints(xy), smooth=1))  # as if they were seen
    alone = boxes_from_keypoints(keypoints(xy, confidence), smooth=1, memory=0)
    assert alone[8, 2] == pytest.approx(120)
    brief = boxes_from_keypoints(keypoints(xy, confidence), smooth=1, memory=2)
    assert brief[6, 2] == pytest.approx(240)
    assert brief[8, 2] == pytest.approx(120)


def test_one_joint_left_still_carries_the_box():
    xy, confidence = standing(6), np.ones((6, 4))
    confidence[3, 1:] = 0
    boxes = boxes_from_keypoints(keypoints(xy, confidence), smooth=1)
    torch.testing.assert_close(boxes[3], torch.tensor([80.0, 200.0, 240.0]))


def test_an_outlier_frame_is_smoothed_away():
    xy = standing(11, step=0)
    xy[5] += 500
    boxes = boxes_from_keypoints(keypoints(xy))
    torch.testing.assert_close(boxes, torch.tensor([50.0, 200.0, 240.0]).expand(11, 3))


def test_smoothing_by_hand():
    xy = standing(5, step=0)
    xy[3:] += (30, 0)  # a step: 50 50 50 80 80; the median keeps it, the mean of three makes it a ramp
    boxes = boxes_from_keypoints(keypoints(xy), smooth=3)
    torch.testing.assert_close(boxes[:, 0], torch.tensor([50.0, 50.0, 60.0, 70.0, 80.0]))


def test_nobody_seen():
    unseen = keypoints(standing(3), np.zeros((3, 4)))
    with pytest.raises(SemttaError, match=r"above 0\.3"):
        boxes_from_keypoints(unseen)
    boxes = boxes_from_keypoints(unseen, size=(640, 480))
    torch.testing.assert_close(boxes, torch.tensor([320.0, 240.0, 640.0]).expand(3, 3))


def test_zero_size():
    with pytest.raises(SemttaError, match="zero size"):
        boxes_from_keypoints(keypoints(np.full((4, 3, 2), 7.0)))
    with pytest.raises(SemttaError, match="zero size"):  # a single joint in the whole clip
        boxes_from_keypoints(keypoints(standing(3), np.eye(4)[[0, 0, 0]]))


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("smooth", [0, 1, 2, 3, 7])
def test_short_clips(count, smooth):
    assert boxes_from_keypoints(keypoints(standing(count)), smooth=smooth).shape == (count, 3)
