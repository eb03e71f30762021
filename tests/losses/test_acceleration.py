"""The acceleration term by hand."""

from __future__ import annotations

import pytest
import torch

from semtta.losses.acceleration import acceleration_loss


def test_by_hand():
    """Two joints: the pelvis moves anyhow, the other accelerates by (0, 3, 4) once in four frames, relative to it."""
    joints = torch.zeros(1, 4, 2, 3)
    joints[0, :, 1, 1] = torch.tensor([0.0, 0.0, 0.0, 3.0])
    joints[0, :, 1, 2] = torch.tensor([0.0, 0.0, 0.0, 4.0])
    joints = joints + torch.randn(1, 4, 1, 3)
    assert acceleration_loss(joints).item() == pytest.approx(5 / 4)  # two second differences of two joints


def test_the_frame_rate_does_not_matter():
    """The same fall seen at 60 and at 30 frames a second: (g / 2) t^2 in metres, t in seconds."""
    values = []
    for fps in (60, 30):
        joints = torch.zeros(1, fps, 2, 3, dtype=torch.float64)
        joints[0, :, 1, 1] = 9.81 / 2 * (torch.arange(fps).double() / fps) ** 2
        values.append(acceleration_loss(joints, fps).item())
    assert values[0] == pytest.approx(values[1])
    assert values[0] == pytest.approx(9.81 / 30**2 / 2)  # half of the joints fall


def test_even_motion_costs_nothing_and_segments_are_apart():
    time = torch.arange(6.0)[None, :, None, None]
    joints = time * torch.randn(3, 1, 5, 3)
    joints[:, :, 0] = 0
    torch.testing.assert_close(acceleration_loss(joints), torch.zeros(3), atol=1e-5, rtol=0)
