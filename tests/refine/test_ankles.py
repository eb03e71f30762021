"""Legs end where their ankles are seen."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from semtta.constants import SMPL24
from semtta.geometry import axis_angle_to_matrix, project_to_image
from semtta.refine.ankles import AnklesSettings, ankles
from semtta.testing import check_refiner

LEGS = [SMPL24.index(f"{side}_Ankle") for side in "LR"]


def off(result):
    """Pixels from where the ankles are seen [T, 2]."""
    drawn = project_to_image(result.joints, result.camera.focal_px, result.camera.center_px)
    return (drawn - result.keypoints_before.xy).norm(dim=-1)[:, LEGS]


@pytest.fixture
def bent(posed, open_body):
    """Somebody whose left leg is bent from some frame on, while it is seen to stay straight."""
    true = posed(frames=12)
    turn, when = torch.zeros(12, 24, 3), torch.arange(12) > 6
    turn[when, SMPL24.index("L_Hip"), 0], turn[when, SMPL24.index("L_Knee"), 0] = -0.1, 0.7
    params = replace(true.params, rotations=true.params.rotations @ axis_angle_to_matrix(turn))
    return replace(true, params=params, joints=open_body.joints(params.rotations, params.betas, params.translation))


def reached(result, body):
    return ankles([result], body, AnklesSettings())[0]


def test_it_is_a_refiner(open_body):
    check_refiner(lambda results, body: ankles(results, body, AnklesSettings()), open_body)


def test_a_leg_reaches_for_the_ankle_that_is_seen(bent, open_body):
    result = reached(bent, open_body)
    assert off(bent)[8:, 0].mean() > 3
    assert off(result)[8:, 0].mean() < 0.6 * off(bent)[8:, 0].mean()
    torch.testing.assert_close(result.joints[:, LEGS[1]], bent.joints[:, LEGS[1]], atol=2e-3, rtol=0)
    torch.testing.assert_close(result.params.translation, bent.params.translation)


@pytest.mark.parametrize("how", ["unseen", "elsewhere", "another place of that name"])
def test_an_ankle_that_is_not_seen_moves_nothing(bent, posed, open_body, how):
    points = bent.keypoints_before
    xy, sure = points.xy.clone(), points.confidence.clone()
    if how == "unseen":
        sure[:, LEGS] = 0
    elif how == "elsewhere":
        xy[:, LEGS] += 200
    else:
        bent = posed(frames=12)
        xy[:, LEGS] += 4
    seen = replace(bent, keypoints_before=replace(points, xy=xy, confidence=sure))
    torch.testing.assert_close(reached(seen, open_body).joints, bent.joints, atol=1e-4, rtol=0)
