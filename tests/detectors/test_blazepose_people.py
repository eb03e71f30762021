"""Following several people, with made-up models that see coloured people in made-up pictures."""

import numpy as np
import pytest

from semtta.constants import BLAZEPOSE33
from semtta.detectors.blazepose_models import Pose, Roi, painted_over
from semtta.detectors.blazepose_people import Followers, Track, joined, look_of, squares

SIZE = (400, 200)
HEIGHT = 100.0


def figure(x, y=100.0, height=HEIGHT):
    """A standing person's landmarks [33, 3] with the trunk's middle at x, y."""
    rows = {"Shoulder": -0.2, "Hip": 0.2, "Knee": 0.45, "Ankle": 0.65, "Elbow": 0.0, "Wrist": 0.15}
    points = np.tile((0.0, -0.35, 1.0), (33, 1))  # the face
    for i, name in enumerate(BLAZEPOSE33):
        side, part = name[:2], name[2:]
        if part in rows or part in ("Pinky", "Index", "Thumb", "Heel", "BigToe"):
            points[i, 0] = 0.15 if side == "L_" else -0.15
            points[i, 1] = rows.get(part, 0.2 if part in ("Pinky", "Index", "Thumb") else 0.68)
    return points * (height, height, 1) + (x, y, 0)


class Stage:
    """People on their ways [T] (x of each; NaN: not there), the first in front; a detector and a landmark model."""

    def __init__(self, *ways, colours=((255, 0, 0), (0, 0, 255), (0, 255, 0))):
        self.ways, self.colours, self.calls = np.array(ways, float), colours, {"find": 0, "follow": 0}

    def frames(self):
        for t in range(self.ways.shape[1]):
            frame = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
            for x, colour in reversed(list(zip(self.ways[:, t], self.colours, strict=False))):
                if np.isfinite(x):
                    frame[60:180, max(0, round(x) - 20) : max(0, round(x) + 20)] = colour
            frame[0, 0] = (t, 0, 0)
            yield frame

    def seen(self, frame, hidden):
        """x of those in a frame, in front of one another, who are not painted over, and of whom enough is seen."""
        t = int(frame[0, 0, 0])
        shown = []
        for x in self.ways[:, t]:
            behind = any(abs(x - other) < 15 for other in shown)
            if np.isfinite(x) and not behind and all(abs(x - pose.points[0, 0]) > 5 for pose in hidden):
                shown.append(x)
        return shown

    def find(self, frame, square, hidden):
        self.calls["find"] += 1
        low, high = (0, SIZE[0]) if square is None else (square[0] - square[2] / 2, square[0] + square[2] / 2)
        return [region(x) for x in self.seen(frame, hidden) if low <= x <= high][:1]  # one at a time

    def follow(self, frame, roi, hidden):
        self.calls["follow"] += 1
        near = [x for x in self.seen(frame, hidden) if abs(x - roi.center[0]) < 0.4 * roi.side]
        if not near:
            return None
        x = min(near, key=lambda x: abs(x - roi.center[0]))
        return Pose(figure(x), np.zeros((33, 3)), region(x))

    def run(self, most=10, fps=30.0):
        followers = Followers(self.find, self.follow, SIZE, fps, most)
        count = followers.run(self.frames())
        return [
            np.array([poses[t].points[0, 0] if t in poses else np.nan for t in range(count)])
            for poses in joined(followers.tracks, count, fps)
        ]


def region(x):
    return Roi(np.array([x, 100.0]), np.array([x, 50.0]))


def same(found, way):
    """Whether a found way [T] is never another's, and how much of it was found."""
    both = np.isfinite(found) & np.isfinite(way)
    assert not (np.isfinite(found) & np.isnan(way)).any()
    np.testing.assert_allclose(found[both], way[both], atol=1)
    return both.sum() / np.isfinite(way).sum()


def of(found, way):
    """The found way that is a way's in most frames."""
    return max(found, key=lambda one: (np.abs(one - way) < 1).sum())


def test_two_people_are_followed_from_the_first_frame():
    left, right = np.linspace(60, 120, 40), np.linspace(340, 250, 40)
    found = Stage(left, right).run()
    assert len(found) == 2
    assert same(of(found, left), left) == same(of(found, right), right) == 1


def test_who_comes_in_later_is_followed_back_to_where_they_came_in():
    stays = np.full(60, 100.0)
    comes = np.where(np.arange(60) < 23, np.nan, 380 - 2.0 * np.arange(60))
    found = Stage(stays, comes).run()
    assert len(found) == 2
    assert same(of(found, comes), comes) == 1  # the search is every ten frames, and not everywhere


@pytest.mark.parametrize("front", ["faster", "slower"])
def test_people_who_cross_keep_their_names(front):
    """Both face the same way and look alike to the landmark model; one is hidden for a while."""
    fast, slow = np.linspace(40, 360, 80), np.linspace(280, 120, 80)
    ways = (fast, slow) if front == "faster" else (slow, fast)
    found = Stage(*ways).run()
    assert len(found) == 2
    for way in ways:
        assert same(of(found, way), way) > 0.85
    assert of(found, fast) is not of(found, slow)


def test_who_turns_back_behind_another_is_known_by_their_colours():
    """Motion would have them pass: each goes back to where they came from."""
    t = np.arange(80)
    left, right = 200 - 2.5 * np.abs(t - 40) - 4, 200 + 2.5 * np.abs(t - 40) + 4
    found = Stage(left, right).run()
    for way in (left, right):
        assert same(of(found, way), way) > 0.8


def test_as_many_as_are_asked_for():
    stage = Stage(np.full(30, 60.0), np.full(30, 200.0), np.full(30, 340.0))
    assert len(stage.run()) == 3
    stage.calls = dict.fromkeys(stage.calls, 0)
    assert len(stage.run(most=1)) == 1
    assert stage.calls == {"find": 1, "follow": 30}  # as much work as there is for one


def test_one_person_costs_little_more_than_their_landmarks():
    stage = Stage(np.full(120, 200.0))
    assert len(stage.run()) == 1
    assert stage.calls["follow"] == 120
    assert stage.calls["find"] <= 120 / 10 + 4


def test_nobody():
    assert Stage(np.full(5, np.nan)).run() == []
    assert Stage(np.where(np.arange(90) < 5, 200.0, np.nan)).run() == []  # five frames of somebody are a mistake


def test_squares_cover_the_picture():
    assert squares((100, 100)) == [None]
    wide = [square for square in squares((400, 200)) if square]
    assert [square[0] for square in wide] == [100, 200, 300]
    assert {square[1:] for square in wide} == {(100, 200)}
    assert [square[1] for square in squares((200, 400)) if square] == [100, 200, 300]


def test_looks_by_hand():
    frame = np.zeros((200, 400, 3), np.uint8)
    frame[:, :200] = (255, 0, 255)
    look = look_of(frame, Pose(figure(100), np.zeros((33, 3)), region(100))).reshape(2, 3, -1)
    np.testing.assert_allclose(look[:, [0, 2], -1], 1 / 6)
    np.testing.assert_allclose(look[:, 1, 0], 1 / 6)


def test_people_are_painted_over():
    picture = np.full((200, 200, 3), 250, np.uint8)
    painted = painted_over(picture, [figure(100)[:, :2]])
    assert (painted[80:120, 90:110] == 127).all()
    assert (painted[:, :60] == 250).all()
    assert (picture == 250).all()


def followed(*spans):
    """A track that stands at x with a look from a frame to another (exclusive), for each (start, stop, x, look)."""
    track = Track()
    for start, stop, x, look in spans:
        for t in range(start, stop):
            track.poses[t], track.looks[t] = Pose(figure(x), np.zeros((33, 3)), region(x)), np.eye(3)[look] * 0.8 + 0.2 / 3
    return track


def test_a_track_that_goes_over_to_somebody_who_was_lost_is_put_right():
    """The one in front is followed on where the other stands, and then found again as somebody new."""
    lost, front, new = followed((0, 50, 120, 1)), followed((0, 60, 110, 0), (60, 80, 118, 1)), followed((62, 80, 112, 0))
    first, second = joined([lost, front, new], 80, 60.0)
    middles = [{t: pose.points[0, 0] for t, pose in person.items()} for person in (first, second)]
    assert middles[0] == {t: 110 if t < 60 else 112 for t in (*range(60), *range(62, 80))}
    assert middles[1] == {t: 120 if t < 50 else 118 for t in (*range(50), *range(60, 80))}


def test_somebody_whose_look_changes_stays_one():
    (person,) = joined([followed((0, 40, 110, 0), (40, 80, 110, 1)), followed((0, 3, 300, 2))], 80, 60.0)
    assert sorted(person) == list(range(80))
