"""Eq. 6, 7 and 8 with numbers worked out by hand."""

from __future__ import annotations

import pytest
import torch

from semtta.errors import SemttaError
from semtta.settings import Part
from semtta.types import Evidence
from semtta.updaters import UpdateContext, bind, update, updaters

BEFORE = Evidence(
    torch.tensor([[[100.0, 50.0], [0.0, 0.0]], [[10.0, 20.0], [0.0, 0.0]]]),
    torch.tensor([[True, False], [True, False]]),
)
PREDICTED = torch.tensor([[[110.0, 60.0], [30.0, 40.0]], [[20.0, 10.0], [230.0, 40.0]]])
ALL = torch.tensor([True, True])


def run(names, similarity, before=BEFORE, predicted=PREDICTED, sigma=0.75, supervised=ALL, **settings):
    """The updaters one after the other; ``settings`` are those of ``fill_in``."""
    models = {"ema": {"alpha": 0.9}, "fill_in": settings}
    parts = [Part(name=name, settings=updaters.entry(name).settings(**models.get(name, {}))) for name in names]
    return update(bind(parts), UpdateContext(before, before, predicted, torch.tensor(similarity), sigma, supervised))


def test_ema_moves_only_what_is_there():  # Eq. 7: 0.9 * 100 + 0.1 * 110 = 101
    after = run(["ema"], [0.9, 0.9])
    torch.testing.assert_close(after.points[:, 0], torch.tensor([[101.0, 51.0], [11.0, 19.0]]))
    assert after.present.tolist() == BEFORE.present.tolist()
    torch.testing.assert_close(after.points[:, 1], BEFORE.points[:, 1])


def test_fill_in_needs_similarity_above_sigma():  # Eq. 6
    after = run(["fill_in"], [0.76, 0.75])
    assert after.present.tolist() == [[True, True], [True, False]]
    assert after.points[0, 1].tolist() == [30.0, 40.0]
    assert after.points[:, 0].tolist() == BEFORE.points[:, 0].tolist()


@pytest.mark.parametrize("order", [["ema", "fill_in"], ["fill_in", "ema"]])
def test_composition_is_eq_8_in_any_order(order):
    after = run(order, [0.8, 0.1])
    torch.testing.assert_close(after.points[:, 0], torch.tensor([[101.0, 51.0], [11.0, 19.0]]))
    assert after.points[0, 1].tolist() == [30.0, 40.0]  # filled as predicted, not averaged with nothing
    assert after.present.tolist() == [[True, True], [True, False]]


def test_filled_points_are_averaged_from_the_next_epoch_on():
    first = run(["ema", "fill_in"], [0.8, 0.8])
    second = run(["ema", "fill_in"], [0.0, 0.0], first, PREDICTED + 10)
    torch.testing.assert_close(second.points[0, 1], torch.tensor([31.0, 41.0]))  # 0.9 * 30 + 0.1 * 40
    assert second.present.all()


def test_fillable_joints_and_crop_are_settings():
    only_first = torch.tensor([True, False])
    assert run(["fill_in"], [0.9, 0.9], sigma=0.5, supervised=only_first).present.tolist() == BEFORE.present.tolist()
    assert run(["fill_in"], [0.9, 0.9], sigma=0.5, supervised=only_first, joints="smpl29").present.all()
    assert run(["fill_in"], [0.9, 0.9], sigma=0.5, outside_crop=False).present.tolist() == [
        [True, True],
        [True, False],
    ]  # x = 230 is outside


@pytest.mark.parametrize("name", updaters.names())
def test_every_updater_keeps_shapes_and_its_input(name):
    points = BEFORE.points.clone()
    after = run([name], [0.9, 0.9])
    assert after.points.shape == points.shape
    assert after.present.dtype == torch.bool
    assert torch.equal(BEFORE.points, points)


def test_none_changes_nothing():
    after = run(["none"], [0.9, 0.9])
    assert torch.equal(after.points, BEFORE.points)
    assert torch.equal(after.present, BEFORE.present)


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(SemttaError, match="Did you mean 'fill_in'"):
        bind([Part(name="fillin")])


def test_all_of_smpls_joints_may_be_filled_in():
    """``smpl24`` leaves out the five of the face, which are the last of the 29."""
    before = Evidence(torch.zeros(1, 29, 2), torch.zeros(1, 29, dtype=torch.bool))
    none = torch.zeros(29, dtype=torch.bool)

    def filled(joints):
        return run(["fill_in"], [0.9], before, torch.ones(1, 29, 2), supervised=none, joints=joints).present[0].tolist()

    assert filled("supervised") == [False] * 29
    assert filled("smpl24") == [True] * 24 + [False] * 5
    assert filled("smpl29") == [True] * 29


def test_an_update_starts_from_the_evidence_before_it():
    """Eq. 7 moves the point as it was before this epoch's update, whatever another updater has made of it."""
    once, twice = run(["ema"], [0.9, 0.9]), run(["ema", "ema"], [0.9, 0.9])
    torch.testing.assert_close(once.points, twice.points)
