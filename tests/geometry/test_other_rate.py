"""Poses at another frame rate and back."""

from __future__ import annotations

import pytest
import torch

from semtta.geometry import axis_angle_to_matrix
from semtta.geometry.timing import OtherRate


def turning(times_s: torch.Tensor) -> torch.Tensor:
    """[T, 1, 3, 3]: one radian a second about x."""
    angles = torch.zeros(len(times_s), 1, 3)
    angles[:, 0, 0] = times_s.float()
    return axis_angle_to_matrix(angles)


@pytest.mark.parametrize("uneven", [False, True])
def test_five_a_second_become_thirty_and_come_back(uneven):
    times_s = torch.arange(11).double() / 5
    if uneven:
        times_s = times_s + torch.tensor([0, 0.05] * 5 + [0.0])
    rate = OtherRate(times_s, 30.0, torch.device("cpu"))
    betas = torch.arange(11.0)[:, None].expand(-1, 10)
    rotations, more = rate.there(turning(times_s), betas)
    assert len(rotations) == len(more) == 61
    torch.testing.assert_close(rotations, turning(torch.arange(61) / 30), atol=1e-4, rtol=0)
    again, fewer = rate.back(rotations, more)
    torch.testing.assert_close(again, turning(times_s), atol=1e-4, rtol=0)
    assert fewer.equal(betas)


@pytest.mark.parametrize(("own", "fps"), [(30, None), (30, 30.0), (29.97, 30.0), (25, None)])
def test_nothing_changes_at_the_same_rate(own, fps):
    rate = OtherRate(torch.arange(7).double() / own, fps, torch.device("cpu"))
    rotations, betas = turning(torch.arange(7.0)), torch.zeros(7, 10)
    assert rate.there(rotations, betas)[0] is rotations
    assert rate.back(rotations, betas)[1] is betas


def test_one_frame_is_one_frame():
    rate = OtherRate(torch.zeros(1).double(), 30.0, torch.device("cpu"))
    assert len(rate.there(torch.eye(3).expand(1, 24, 3, 3), torch.zeros(1, 10))[0]) == 1
