import numpy as np
import pytest

from semtta.detectors.tracks import link_people, pose_distances


def pose(*points):
    return np.array([(x, y, c) for x, y, c in points], dtype=float)


def shifted(person, x):
    return person + np.array([x, 0, 0])


def test_distance_by_hand():
    a = pose((0, 0, 1), (0, 100, 1), (50, 50, 0))
    b = pose((30, 40, 1), (0, 100, 1), (9, 9, 1))  # joint 0 is 50 away, joint 1 not at all; a's side is 100, b's 91
    assert pose_distances(a[None], b[None]) == pytest.approx(np.array([[0.25]]))


def test_distance_without_common_joints_is_that_of_the_centres():
    a = pose((0, 0, 1), (0, 100, 1), (0, 0, 0), (0, 0, 0))
    b = pose((0, 0, 0), (0, 0, 0), (60, 50, 1), (80, 50, 1))
    assert pose_distances(a[None], b[None]) == pytest.approx(np.array([[0.7]]))
    nothing = a * (1, 1, 0)
    assert pose_distances(a[None], nothing[None]) == np.inf


def test_nearest_pairs_first():
    """One person stays, the other is lost and a third comes in far away."""
    here = pose((0, 0, 1), (0, 100, 1))
    near, far = shifted(here, 55), shifted(here, 400)
    tracks = link_people([np.stack([here, near]), np.stack([shifted(near, 5)]), np.stack([far, here])])
    assert len(tracks) == 3
    assert [track[:, 0, 0].tolist() for track in tracks[:2]] in (
        [[0, 0, 0], [55, 60, 0]],
        [[55, 60, 0], [0, 0, 0]],
    )


@pytest.mark.parametrize("gap", [0, 3])
def test_people_who_cross_go_on_as_they_moved(gap):
    """Both stand alike; where they meet only one is detected, or for a while none."""
    body = np.random.default_rng(0).uniform(0, 1, (25, 3)) * (50, 160, 0) + (0, 0, 1)
    frames = []
    for t in range(60):
        people = np.stack([shifted(body, 100 + 5 * t), shifted(body, 390 - 5 * t)])
        hidden = abs(t - 29) <= gap // 2 and gap
        frames.append(people[:0] if hidden else people[:: 1 if t % 2 else -1])
    tracks = link_people(frames)
    assert len(tracks) == 2
    for track, way in zip(sorted(tracks, key=lambda track: track[0, 0, 0]), (5, -5), strict=True):
        seen = (track[..., 2] > 0).any(-1)
        steps = np.diff(track[seen, 0, 0]) / np.diff(np.flatnonzero(seen))
        np.testing.assert_allclose(steps, way)


def test_the_gate_widens_while_someone_is_hidden():
    here = pose((0, 0, 1), (0, 100, 1))
    other = shifted(here, 1000)
    both = np.stack([here, other])
    moved = np.stack([shifted(here, 90), other])
    assert len(link_people([both, moved])) == 3  # 0.9 of the height in one frame: someone else
    gone = np.stack([other])
    assert len(link_people([both, *[gone] * 8, moved])) == 2


def test_ids_decide():
    people = np.stack([pose((0, 0, 1), (0, 100, 1)), pose((300, 0, 1), (300, 50, 1))])
    tracks = link_people([people, people], [[7, 9], [9, 7]])
    assert tracks[0][:, 0, 0].tolist() == [0, 300]


def test_nobody_at_all():
    assert link_people([np.zeros((0, 25, 3))] * 3) == []
    assert link_people([]) == []


def test_long_crowd_is_quick():
    import time

    rng = np.random.default_rng(0)
    base = rng.uniform(0, 1, (8, 25, 3)) * (60, 200, 1) + np.arange(8)[:, None, None] * (300, 0, 0)
    start = time.perf_counter()
    tracks = link_people([rng.permutation(base + rng.normal(0, 2, base.shape) * (1, 1, 0)) for _ in range(300)])
    assert len(tracks) == 8
    assert all((t[..., 2] > 0).any(-1).all() for t in tracks)
    assert time.perf_counter() - start < 10
