"""Who is one person, from when to when: simulated people whose tracks jump, end, cross and come again."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semtta import load_people, load_video
from semtta.data import ArrayFrames, Choice, people_table, person_at
from semtta.data.cuts import SMALL, CutFinder
from semtta.data.parts import part
from semtta.data.people_tracks import people_in
from semtta.errors import SemttaError
from semtta.types import Keypoints2D, SegmentLabel, Video

FPS = 30.0
BODY = np.concatenate([np.random.default_rng(0).uniform(0, 1, (25, 2)) * (50, 160), np.ones((25, 1))], -1)


def way(x, seen=None):
    """A person's poses [T, 25, 3] at x [T]; zeros where not ``seen`` [T]."""
    poses = BODY + np.array(x, float)[:, None, None] * (1, 0, 0)
    return poses if seen is None else poses * np.array(seen)[:, None, None]


def track(poses):
    return Keypoints2D(torch.from_numpy(poses[..., :2]).float(), torch.from_numpy(poses[..., 2]).float(), "body25")


def people_of(*ways, cuts=(), fps=FPS):
    count = len(ways[0])
    frames = ArrayFrames([np.zeros((4, 4, 3), np.uint8)] * count)
    video = Video("clip", frames, count, fps, (800, 400), frame_index=torch.arange(count), cuts=tuple(cuts))
    return people_in(video, [track(one) for one in ways])


def frames_of(video):
    return video.frame_index[[0, -1]].tolist()


def place(video):
    """x of a person's frames, NaN in gaps."""
    seen = video.keypoints.confidence[:, 0] > 0
    return torch.where(seen, video.keypoints.xy[:, 0, 0] - BODY[0, 0], torch.nan).numpy()


def test_one_person_who_is_always_there_is_the_video_itself():
    (one,) = people_of(way(np.linspace(0, 300, 90)))
    assert (one.num_frames, one.start_s, one.messages, one.people) == (90, 0.0, (), 1)


def test_a_track_that_jumps_is_two_people():
    x = np.where(np.arange(120) < 50, 100.0, 600.0)
    later, first = people_of(way(x))
    assert (frames_of(later), frames_of(first)) == ([50, 119], [0, 49])
    assert later.start_s == pytest.approx(50 / FPS)
    assert [len(one.messages) for one in (later, first)] == [1, 1]
    assert "from 1.67 to 4.00 s only" in later.messages[0]
    np.testing.assert_allclose(place(later), 600)


def test_jumps_to_and_fro_are_left_out_not_followed():
    x = np.full(120, 100.0)
    x[40:43] = 700
    (one,) = people_of(way(x))
    assert frames_of(one) == [0, 119]
    assert np.flatnonzero(np.isnan(place(one))).tolist() == [40, 41, 42]


@pytest.mark.parametrize(("missing", "people"), [(29, 1), (30, 2)])
def test_a_gap_of_a_second_ends_a_person(missing, people):
    seen = np.ones(150, bool)
    seen[60 : 60 + missing] = False
    found = people_of(way(np.full(150, 100.0), seen))
    assert len(found) == people
    if people == 1:
        assert "hidden for up to 0.97 s (at 2.00 s)" in found[0].messages[0]
        assert people_table(found)[0].gaps == ((2.0, pytest.approx(2.967, abs=1e-3)),)


def test_nobody_in_the_picture_has_no_motion():
    seen = (np.arange(200) >= 60) & (np.arange(200) < 140)
    (one,) = people_of(way(np.full(200, 100.0), seen))
    assert frames_of(one) == [60, 139]


def test_the_ends_of_a_shot_belong_to_who_is_near_them():
    seen = (np.arange(100) >= 5) & (np.arange(100) < 97)
    assert frames_of(people_of(way(np.full(100, 100.0), seen))[0]) == [0, 99]
    assert [frames_of(one) for one in people_of(way(np.full(100, 100.0), seen), cuts=(50,))] == [[50, 99], [0, 49]]


def test_a_cut_ends_everybody():
    stays, also = way(np.full(100, 100.0)), way(np.full(100, 500.0))
    found = people_of(stays, also, cuts=(40,))
    assert sorted(map(frames_of, found)) == [[0, 39], [0, 39], [40, 99], [40, 99]]
    assert all("cuts of the picture (1.33 s)" in one.messages[0] for one in found)


def test_trackers_that_exchange_people_are_put_right():
    """Two ids change places: each person goes on in the other's track."""
    left, right = way(np.full(100, 100.0)), way(np.full(100, 500.0))
    mixed = [np.concatenate([a[:50], b[50:]]) for a, b in ((left, right), (right, left))]
    found = people_of(*mixed)
    assert len(found) == 2
    assert sorted(float(np.ptp(place(one))) for one in found) == [0, 0]


def test_ids_that_are_lost_and_given_anew_are_one_person():
    x = np.linspace(100, 400, 120)
    numbers = [np.arange(120) < 50, (np.arange(120) >= 55) & (np.arange(120) < 90), np.arange(120) >= 90]
    (one,) = people_of(*[way(x, seen) for seen in numbers])
    np.testing.assert_allclose(place(one), np.where((np.arange(120) >= 50) & (np.arange(120) < 55), np.nan, x), atol=1e-3)


def test_who_is_hidden_while_they_cross_goes_on_where_they_would_be():
    t = np.arange(120)
    fast, slow = 50 + 5.0 * t, 500 - 2.0 * t
    hidden = np.abs(fast - slow) < 40
    found = people_of(way(fast, t < 55), way(fast, (t > 55) & ~hidden), way(slow, ~hidden & (t < 70)), way(slow, t >= 70))
    assert len(found) == 2
    for one in found:
        steps = np.diff(place(one)[~np.isnan(place(one))]) / np.diff(np.flatnonzero(~np.isnan(place(one))))
        assert np.ptp(steps) < 1e-3


def test_who_is_seen_for_a_moment_does_not_count():
    stays, passes = way(np.full(120, 100.0)), way(np.full(120, 600.0), np.arange(120) < 29)
    assert len(people_of(stays, passes)) == 1
    assert len(people_of(stays[:40], passes[:40])) == 2  # half of a clip that is not longer
    assert len(people_of(passes)) == 1  # rather than nobody


def test_ten_people_at_most():
    found = people_of(*[way(np.full(40, 300.0 * i)) for i in range(13)])
    assert len(found) == 10
    assert {one.messages[0] for one in found} == {"13 people are seen: the 10 largest count."}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 25)), min_size=1, max_size=8), st.integers(0, 99))
def test_no_person_is_ever_stretched_between_two(parts, seed):
    """Whatever a tracker does with four people who stand apart, and with nobody (frames of 0), a person stays in one place."""
    who = np.concatenate([np.full(length, number) for number, length in parts])
    x = np.where(who > 0, who * 200.0, 0.0)
    noise = np.random.default_rng(seed).normal(0, 1, len(who))
    poses = way(x + noise, who > 0)
    for one in people_of(poses):
        known = place(one)[~np.isnan(place(one))]
        assert len(known) == 0 or np.ptp(known) < 20


def test_a_part_of_a_video_has_its_own_frames_and_labels():
    pictures = [np.full((4, 4, 3), t, np.uint8) for t in range(20)]
    video = Video(
        "clip",
        ArrayFrames(pictures),
        20,
        10.0,
        (4, 4),
        labels=(SegmentLabel(0, 6, "a"), SegmentLabel(6, 20, "b")),
        cuts=(3, 8, 15),
    )
    inner = part(part(video, 2, 18), 4, 10)
    assert [int(frame[0, 0, 0]) for frame in inner.frames] == list(range(6, 12)) == inner.frame_index.tolist()
    assert [(label.start, label.stop, label.label) for label in inner.labels] == [(0, 6, "b")]
    assert (inner.start_s, inner.cuts, len(inner.frames)) == (pytest.approx(0.6), (2,), 6)


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("all", Choice()),
        ("3", Choice(3)),
        ("10,20.5", Choice(point=(10, 20.5))),
        ("1, 2 @ 3.5s", Choice(point=(1, 2), time_s=3.5)),
    ],
)
def test_choices(text, choice):
    assert Choice.parse(text) == choice


@pytest.mark.parametrize("text", ["", "-1", "1,2,3", "nobody", "1,2@", "nan,1", "1e9,2", "x" * 5000])
def test_no_choices(text):
    with pytest.raises(SemttaError, match="There is no person") as caught:
        Choice.parse(text)
    assert len(str(caught.value)) < 300


def test_a_click_chooses():
    left, right = people_of(way(np.full(90, 100.0)), way(np.full(90, 500.0), np.arange(90) >= 30))
    assert (left.person, right.person) == (0, 1)
    assert person_at([left, right], 120, 80) is left
    assert person_at([left, right], 540, 80) is right
    assert person_at([left, right], 520, 80, 2.0) is right
    assert Choice.parse("520,80@2").of([left, right]) == [right]
    with pytest.raises(SemttaError, match=r"Nobody is at 520,80 at 0\.2 s"):
        person_at([left, right], 520, 80, 0.2)
    with pytest.raises(SemttaError, match="no person 2"):
        Choice(2).of([left, right])


def shots(*colours, frames=20):
    """Noisy pictures of several colours."""
    rng = np.random.default_rng(0)
    for colour in colours:
        base = rng.integers(-30, 30, (SMALL, SMALL, 3)) + colour
        for _ in range(frames):
            base = base + rng.integers(-2, 3, base.shape)  # something always moves
            yield base.clip(0, 255).astype(np.uint8)


def cuts_of(pictures, fps=30.0):
    finder = CutFinder()
    pictures = list(pictures)
    for picture in pictures:
        finder.add(picture)
    return finder.found(np.arange(len(pictures)) / fps)


def test_cuts():
    assert cuts_of(shots((60, 90, 120), (200, 150, 60), (90, 60, 120))) == (20, 40)
    assert cuts_of(shots((60, 90, 120))) == ()
    assert cuts_of([np.zeros((SMALL, SMALL, 3), np.uint8)]) == ()


def test_a_flash_and_a_fade_are_no_cuts():
    pictures = list(shots((100, 100, 100), frames=60))
    pictures[30] = np.full_like(pictures[30], 255)
    assert cuts_of(pictures) == ()
    fade = [(picture * (1 - t / 20)).clip(0).astype(np.uint8) for t, picture in enumerate(pictures[:20])]
    assert cuts_of(pictures[31:] + fade) == ()


def test_files_give_people_with_their_frames(write_video):
    """Two shots with a second of black between them: two people, one message each, no frame between."""
    colours = [(200, 60, 30)] * 30 + [(0, 0, 0)] * 10 + [(30, 90, 200)] * 20
    frames = [np.broadcast_to(np.array(c, np.uint8), (96, 96, 3)) for c in colours]
    path = write_video("two.mp4", 60, size=(96, 96), frames=frames)
    seen = np.ones(60, bool)
    seen[30:40] = False
    poses = (BODY * (0.4, 0.4, 1) + (10, 10, 0))[None] * seen[:, None, None]
    first, second = load_people(path, poses)
    assert (frames_of(first), frames_of(second)) == ([0, 29], [40, 59])
    assert [len(one.messages) for one in (first, second)] == [1, 1]
    assert [len(list(one.frames)) for one in (first, second)] == [30, 20]
    assert next(iter(second.frames))[0, 0, 2] > 150
    assert second.start_s == pytest.approx(4.0)
    assert load_video(path, poses, person=1).frame_index.tolist() == second.frame_index.tolist()
    (late,) = load_people(path, poses, start=4.5, end=5.5)
    assert frames_of(late) == [45, 54]
    with pytest.raises(SemttaError, match=r"no frame from 9 to 6 s: .* lasts 6.0 s"):
        load_people(path, poses, start=9)
