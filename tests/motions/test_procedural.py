import numpy as np
import pytest
import torch
from command_line import call

from semtta.errors import SemttaError
from semtta.motions import mocap
from semtta.motions.procedural import procedural_motions, recipes, sample, write
from semtta.motions.procedural.curves import Draw, minimum_jerk, through
from semtta.motions.procedural.generate import SLACK_DEGREES, draw
from semtta.motions.procedural.limits import beyond_limits
from semtta.motions.procedural.skeleton import skeleton, two_bones
from semtta.motions.windows import WindowSampler, all_labels

RECIPES = recipes()
DRAWS = 3
each_recipe = pytest.mark.parametrize("label", RECIPES)


@pytest.fixture(scope="module")
def drawn():
    """A few motions of each label, made once."""
    made = {}

    def of(label):
        if label not in made:
            made[label] = [draw(RECIPES[label], np.random.default_rng([5, number]), 2.5) for number in range(DRAWS)]
        return made[label]

    return of


@each_recipe
def test_joints_are_finite_within_their_ranges_and_turn_smoothly(drawn, label):
    for _, solved in drawn(label):
        assert np.isfinite(solved.axis_angle).all()
        assert np.isfinite(solved.joints).all()
        assert beyond_limits(solved.axis_angle).max() <= SLACK_DEGREES
        assert np.linalg.norm(np.diff(solved.joints, axis=0), axis=-1).max() < 0.5  # 15 m/s: a joint that jumps


@each_recipe
def test_feet_that_carry_weight_stay_where_they_are(drawn, label):
    """The lower of heel and ball is the contact; it may change from one to the other, but neither slides."""
    for plan, solved in drawn(label):
        frames = len(solved.joints)
        planted = np.ones((frames, 2), bool) if plan.planted is None else plan.planted
        ground = np.zeros((frames, 2)) if plan.ground is None else plan.ground
        lower = solved.soles[..., 1].argmin(-1)
        contact = np.take_along_axis(solved.soles, lower[..., None, None], 2)[:, :, 0]
        assert np.abs((contact[..., 1] - ground)[planted]).max(initial=0) < 0.02
        for side in (0, 1):
            runs = np.split(np.arange(frames), np.flatnonzero(np.diff(planted[:, side] * (1 + lower[:, side]))) + 1)
            for run in runs:
                if planted[run[0], side]:
                    assert np.ptp(contact[run, side][:, [0, 2]], axis=0).max() < 0.01


@each_recipe
def test_nothing_is_far_below_the_floor(drawn, label):
    radius = 0.03  # of the thinnest parts
    for _, solved in drawn(label):
        assert solved.joints[:, :22, 1].min() > radius - 0.02


@each_recipe
def test_draws_differ(drawn, label):
    """Standard deviation over draws of the joints around the pelvis, facing alike: at least 2 cm on average."""
    at = [(solved.joints - solved.joints[:, :1])[:: len(solved.joints) // 8][:8] for _, solved in drawn(label)]
    assert np.stack(at).std(0).mean() > 0.02


@pytest.mark.parametrize("label", [name for name, recipe in RECIPES.items() if recipe.seated])
def test_seated_hips_are_at_knee_height(label):
    for number in range(8):
        _, solved = draw(RECIPES[label], np.random.default_rng(number), 2)
        heights = solved.joints[:, 1:3, 1] - solved.joints[:, 4:6, 1]
        assert np.abs(heights.mean(1)).max() < 0.05


@pytest.mark.parametrize("label", [name for name, recipe in RECIPES.items() if recipe.lying])
def test_lying_trunks_are_near_the_floor_and_level(drawn, label):
    for _, solved in drawn(label):
        last = solved.joints[-1]  # some begin sitting
        assert last[[0, 3, 6, 9], 1].max() < 0.5
        along = last[12] - last[0]
        assert abs(along[1]) < 0.5 * np.linalg.norm(along)


def test_what_labels_say_is_what_happens(drawn):
    """Coarse signs of some motions: which way things move."""
    down, up = (np.stack([s.joints[[0, -1], 0, 1] for _, s in drawn(name)]) for name in ("sitting down", "standing up"))
    assert (down[:, 0] - down[:, 1] > 0.3).all()
    assert (up[:, 1] - up[:, 0] > 0.3).all()
    for _, solved in drawn("squatting"):
        assert np.degrees(solved.axis_angle[:, 4:6, 0].max()) > 50
    for _, solved in drawn("reaching up"):
        assert (solved.joints[:, 20:22, 1].max(-1) > solved.joints[:, 15, 1]).any()  # a wrist above the head's joint
    for _, solved in drawn("talking on the phone"):
        assert np.linalg.norm(solved.joints[-1, 20:22] - solved.joints[-1, 15], axis=-1).min() < 0.25
    for _, solved in drawn("touching the toes"):
        hands = solved.joints[:, 20:22, 1].min()
        assert hands < 0.55


def test_two_bones_reach_their_target_and_bend_about_the_hinge():
    bones = skeleton()
    thigh, shank, hinge = bones.bone(4), bones.bone(7), np.array((1.0, 0, 0))
    target = np.array(((0.1, -0.5, 0.3), (0.0, -0.4, 0.2), (-0.2, -0.7, -0.1)))
    hip, bend = two_bones(thigh, shank, hinge, target, np.broadcast_to((1.0, 0, 0), (3, 3)))
    knee = hip.apply(thigh)
    end = knee + np.stack([(hip[i] * type(hip).from_rotvec(bend[i] * hinge)).apply(shank) for i in range(3)])
    assert np.allclose(end, target, atol=1e-9)
    assert (bend > 0).all()
    middle = target * ((knee * target).sum(-1) / np.square(target).sum(-1))[:, None]
    assert ((knee - middle)[:, 2] > 0).all()  # knees point to the front


def test_a_seed_gives_the_same_motions_and_splits_share_none():
    first, again = (procedural_motions(["standing", "push-ups"], 2, seed=3, seconds=2) for _ in range(2))
    assert [clip.content for clip in first] == ["standing"] * 2 + ["doing push-ups"] * 2
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.axis_angle, other.axis_angle)
        assert np.array_equal(one.trans, other.trans)
    others = [*procedural_motions(["standing"], 2, 3, 2, "val"), *procedural_motions(["standing"], 2, 4, 2, "test")]
    starts = {clip.axis_angle[0].tobytes() for clip in (*first, *others)}
    assert len(starts) == len(first) + len(others)


@pytest.mark.parametrize("generator", [torch.Generator, np.random.default_rng])
def test_fresh_motions_follow_the_generator(generator):
    def seeded():
        return generator().manual_seed(1) if generator is torch.Generator else generator(1)

    source = seeded()
    one, two, again = sample(source, seconds=2), sample(source, "standing", 2), sample(seeded(), seconds=2)
    assert np.array_equal(one.axis_angle, again.axis_angle)
    assert two.content == "standing"
    assert two.axis_angle.shape == (60, 72)
    assert not np.array_equal(one.axis_angle[:40], two.axis_angle[:40])


def test_files_are_read_like_motion_capture(tmp_path):
    assert write(tmp_path, ["clapping", "sitting"], count=10, seconds=2) == {"train": 20, "val": 2, "test": 2}
    clips = mocap.load(tmp_path, "train")
    made = procedural_motions(["clapping", "sitting"], 10, seconds=2)
    assert np.abs(clips[0].axis_angle - made[0].axis_angle).max() < 1e-4
    assert clips[0].text == "a person is clapping"
    sampler = WindowSampler(clips, all_labels(clips))
    batch = sampler.sample(4, torch.Generator().manual_seed(0))
    assert batch.rotations.isfinite().all()
    assert sampler.labels == ["clapping", "sitting"]


def test_the_command_writes_all_splits(tmp_path, monkeypatch, capsys):
    code, out, err = call(
        monkeypatch, capsys, "synth", "motions", "--out", tmp_path, "--label", "drinking", "--count", 1, "--seconds", 2
    )
    assert code == 0, err
    assert "1 train, 1 val, 1 test" in out
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"procedural_{part}.npz" for part in ("test", "train", "val")]


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("--label", "yodelling"), "yodelling"),
        (("--count", 0), "count"),
        (("--seconds", 0.5), "seconds"),
        (("--seed", -1), "seed"),
    ],
)
def test_the_command_refuses_what_it_cannot_make(tmp_path, monkeypatch, capsys, arguments, names):
    code, out, err = call(monkeypatch, capsys, "synth", "motions", "--out", tmp_path / "out", *arguments)
    assert code == 2
    assert names in err
    assert "Traceback" not in err + out
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("wrong", [{"count": 0}, {"seed": -1}, {"seconds": 1}, {"split": "all"}, {"labels": ["yodelling"]}])
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(SemttaError):
        procedural_motions(**{"labels": ["standing"], "count": 1, **wrong})


def test_curves_pass_their_keys_and_repetitions_rest_between():
    time = np.linspace(0, 3, 91)
    curve = through(time, (0.5, 1.5, 2.0), ((0, 1), (2, 1), (2, 3)))
    assert np.allclose(curve[[0, 15, 45, 60, 90]], ((0, 1), (0, 1), (2, 1), (2, 3), (2, 3)))
    assert np.allclose(minimum_jerk(np.array((-1, 0, 0.5, 1, 2.0))), (0, 0, 0.5, 1, 1))
    moves = Draw(np.random.default_rng(0), 600).moves(0.5, 0.2, 0.5, 0.3)
    changes = np.flatnonzero(np.diff(moves.number)) + 1
    assert len(changes) > 5
    assert (moves.amount[changes] < 0.02).all()
    assert moves.amount.max() == pytest.approx(1)
