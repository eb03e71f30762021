"""An estimator that looks at keypoints alone: nothing is decoded or cropped for it, and it may look at neighbours."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

import semtta
from semtta.estimators import Estimator
from semtta.estimators.hmr import standing_pose6d
from semtta.geometry import matrix_from_6d
from semtta.testing import check_estimator
from semtta.types import FrameBatch, Keypoints2D, Prediction, Video

T = 14


class KeypointNetwork(Estimator):
    """BODY_25 points of a frame and its two neighbours, in units of the box -> rotations, shape, camera."""

    name = "keypoint-network"

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3 * 25 * 3, 24 * 6 + 10 + 3)
        nn.init.normal_(self.layer.weight, std=1e-3, generator=torch.Generator().manual_seed(0))
        nn.init.zeros_(self.layer.bias)
        self.register_buffer("standing", standing_pose6d())

    def forward(self, batch: FrameBatch) -> Prediction:
        assert batch.crops is None
        assert batch.keypoints is not None
        last = len(batch.keypoints) - 1
        neighbours = (batch.frames[:, None] + torch.arange(-1, 2)).clamp(0, last)  # [N, 3]
        points = batch.keypoints.xy[neighbours] - batch.boxes[:, None, None, :2]
        points = points / batch.boxes[:, None, None, 2:]
        x = torch.cat((points, batch.keypoints.confidence[neighbours][..., None]), -1).flatten(1)
        pose, betas, camera = self.layer(x).split((24 * 6, 10, 3), -1)
        rotations = matrix_from_6d((self.standing + pose).unflatten(-1, (24, 6)), "columns_interleaved")
        return Prediction(rotations, betas, camera + torch.tensor((0.9, 0.0, 0.0)))


class Undecodable:
    """Frames that nobody may read."""

    def __iter__(self) -> Iterator[np.ndarray]:
        pytest.fail("a frame was decoded")


def video() -> Video:
    generator = torch.Generator().manual_seed(1)
    points = torch.rand(T, 25, 2, generator=generator) * torch.tensor((60.0, 160.0)) + torch.tensor((120.0, 40.0))
    keypoints = Keypoints2D(points, torch.ones(T, 25), "body25")
    return Video("clip", Undecodable(), T, 30.0, (320, 240), keypoints)


def test_it_passes_the_conformance_test():
    check_estimator(KeypointNetwork())


@pytest.mark.parametrize("method", ["semantic", "boa"])
def test_nothing_is_decoded_or_cropped(method):
    settings = {"method": method, "loop.epochs": 2, "loop.segment_frames": 6, "loop.learning_rate": 1e-3, "labeler": "none"}
    result = semtta.adapt(video(), estimator=KeypointNetwork(), preset="best", settings=settings)
    assert result.joints.shape == (T, 24, 3)
    assert result.confidence.shape == (T, 24)
    assert 0 < result.confidence.mean() < 1
    assert not torch.equal(result.params.rotations, result.unadapted.rotations)


def test_micro_batches_see_the_same_neighbours():
    settings = {"loop.epochs": 2, "loop.learning_rate": 1e-3, "labeler": "none"}
    whole = semtta.adapt(video(), estimator=KeypointNetwork(), settings=settings)
    pieces = semtta.adapt(video(), estimator=KeypointNetwork(), settings={**settings, "loop.micro_batch": 4})
    torch.testing.assert_close(pieces.params.rotations, whole.params.rotations, atol=1e-4, rtol=1e-4)
