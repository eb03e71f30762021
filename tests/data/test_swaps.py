"""Left and right swapped by a script at known frames: found, swapped back, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from semtta.constants import BODY25, COCO17, joint_set, mirrored
from semtta.data.swaps import CHAINS, Swap, find_swaps, repair_swaps, swap_back
from semtta.pipeline.locate import _repaired
from semtta.runs.demo import demo_video
from semtta.types import Keypoints2D, Landmarks3D, Video

PARTS = {"arms": ("arms",), "legs": ("legs",), "body": ("arms", "legs", "face")}


def walker(frames: int = 90, yaw: float = 0.5, seed: int = 0, noise: float = 0.006) -> Keypoints2D:
    """A stick figure of 400 pixels that walks on the spot, turned by ``yaw`` (0: towards the camera, pi: away from it)."""
    rng = np.random.default_rng(seed)
    phase = np.linspace(0, frames / 30 * 2 * np.pi, frames)
    places = {"Nose": (0, 1.6, 0.1), "Neck": (0, 1.45, 0), "Pelvis": (0, 0.95, 0)}
    joints = {name: np.tile(place, (frames, 1)) for name, place in places.items()}
    for side, sign in (("L", 1.0), ("R", -1.0)):
        swing = 0.45 * np.sin(phase) * sign
        bend = 0.5 * np.clip(np.cos(phase) * sign, 0, None)

        def at(x, y, z, sign=sign):
            return np.stack(np.broadcast_arrays(sign * x, y, z), -1) * np.ones((frames, 1))

        hip, knee = at(0.1, 0.95, 0.0), at(0.1, 0.95 - 0.43 * np.cos(swing), 0.43 * np.sin(swing))
        ankle = knee + at(0.0, -0.42 * np.cos(swing - bend), 0.42 * np.sin(swing - bend))
        shoulder, elbow = at(0.2, 1.45, 0.0), at(0.24, 1.17, -0.3 * np.sin(swing))
        own = {
            "Eye": at(0.03, 1.63, 0.08), "Ear": at(0.07, 1.62, 0.0), "Shoulder": shoulder, "Elbow": elbow,
            "Wrist": elbow + at(0.0, -0.24, 0.1 - 0.25 * np.sin(swing)), "Hip": hip, "Knee": knee, "Ankle": ankle,
            "Heel": ankle + at(0.0, -0.05, -0.05), "BigToe": ankle + at(0.0, -0.05, 0.15),
            "SmallToe": ankle + at(0.03, -0.05, 0.13),
        }  # fmt: skip
        joints |= {f"{side}_{name}": place for name, place in own.items()}
    points = np.stack([joints[name] for name in BODY25], 1)  # x: to the left of the person, y up, z ahead
    across = points[..., 0] * np.cos(yaw) - points[..., 2] * np.sin(yaw)
    xy = 240 * np.stack([across, -points[..., 1]], -1) + (320, 420)
    xy += 400 * noise * rng.standard_normal(xy.shape)
    return Keypoints2D(torch.from_numpy(xy).float(), torch.full((frames, 25), 0.9), "body25")


def exchanged(keypoints: Keypoints2D, runs) -> tuple[Keypoints2D, np.ndarray]:
    """Keypoints with parts swapped in runs (start, stop, part), and which joints that are."""
    names, swapped = joint_set(keypoints.joint_set), np.zeros(keypoints.confidence.shape, bool)
    for start, stop, part in runs:
        for chain in PARTS[part]:
            for group in CHAINS[chain]:
                swapped[start:stop] |= [name[:2] in ("L_", "R_") and name[2:] in group for name in names]
    return swap_back(keypoints, swapped), swapped


def rates(clips, seed: int = 0):
    """Share of swapped frames (of arms and legs) that are found, and of the others that are taken for swapped."""
    rng = np.random.default_rng(seed)
    hit = true = false = right = 0
    for keypoints in clips:
        frames, runs = len(keypoints), []
        for first in range(4, frames - 24, 28):
            start = first + int(rng.integers(0, 10))
            runs.append((start, start + int(rng.integers(1, 13)), str(rng.choice(list(PARTS)))))
        given, swapped = exchanged(keypoints, runs)
        found = find_swaps(given)
        names = joint_set(keypoints.joint_set)
        for group in (CHAINS["arms"], CHAINS["legs"]):
            own = [i for i, name in enumerate(names) if any(name[2:] in level for level in group)]
            both = (keypoints.confidence > 0) & (keypoints.confidence[:, mirrored(keypoints.joint_set)] > 0)
            seen = both[:, own].any(-1).numpy()  # behind a table there is nothing to swap
            says, is_so = found[seen][:, own].any(-1), swapped[seen][:, own].any(-1)
            hit, true = hit + (says & is_so).sum(), true + is_so.sum()
            false, right = false + (says & ~is_so).sum(), right + (~is_so).sum()
    return hit / true, false / right


@pytest.fixture(scope="module")
def walkers():
    return [walker(yaw=yaw, seed=i) for i, yaw in enumerate(np.linspace(-3, 3, 9))]  # from all sides


def test_swaps_at_known_frames(walkers):
    found, false = rates(walkers)
    assert found >= 0.95
    assert false <= 0.005


def test_nothing_is_found_where_nothing_is_swapped(walkers):
    assert not any(find_swaps(keypoints).any() for keypoints in walkers)


def test_the_included_clip():
    """Its own few swaps (it is simulated with them) are repaired first; then those of the script are found."""
    clean, own = repair_swaps(demo_video().keypoints)
    assert 0 < len(own) < 6
    found, false = rates([clean], seed=1)
    assert found >= 0.9
    assert false <= 0.01


@pytest.mark.parametrize("step", [2, 3])
def test_slow_videos(walkers, step):
    found, false = rates([keypoints[::step] for keypoints in (walker(240, yaw) for yaw in (-2.5, -1, 0.3, 1.2, 2.8))])
    assert found >= 0.9
    assert false <= 0.01


def test_missing_joints_and_other_joint_sets(walkers):
    index = [BODY25.index(name) for name in COCO17]
    clips = []
    for seed, keypoints in enumerate(walkers[::2]):
        confidence = keypoints.confidence[:, index].clone()
        confidence[torch.rand(confidence.shape, generator=torch.Generator().manual_seed(seed)) < 0.1] = 0
        confidence[20:32, COCO17.index("L_Wrist")] = 0
        xy = keypoints.xy[:, index].where(confidence[..., None] > 0, torch.nan)
        clips.append(Keypoints2D(xy, confidence, "coco17"))
    found, false = rates(clips)
    assert found >= 0.9
    assert false <= 0.01


def test_what_is_found_is_swapped_back_and_told():
    clean = walker(60)
    given, swapped = exchanged(clean, [(10, 14, "legs"), (20, 21, "arms"), (40, 50, "body")])
    assert not torch.equal(given.xy, clean.xy)
    repaired, swaps = repair_swaps(given)
    assert np.array_equal(find_swaps(given), swapped)
    assert torch.equal(repaired.xy, clean.xy)
    assert swaps == [Swap(10, 14, "legs"), Swap(20, 21, "arms"), Swap(40, 50, "body")]
    video = _repaired(Video("clip", [], 60, 30.0, (640, 480), keypoints=given))
    assert torch.equal(video.keypoints.xy, clean.xy)
    assert "legs 10-13, arms 20, body 40-49" in video.messages[0]
    whole = Video("clip", [], 60, 30.0, (640, 480), keypoints=clean)
    assert _repaired(whole) is whole


def test_the_face_says_which_part_of_the_clip_is_right():
    """Arms and legs are swapped in most of a clip; the face is not, and looks at the camera."""
    clean = walker(80, yaw=0.2)
    given, swapped = exchanged(clean, [(12, 60, "arms"), (12, 60, "legs")])
    assert np.array_equal(find_swaps(given), swapped)
    hidden = given.confidence.clone()
    hidden[:, [BODY25.index(name) for name in ("L_Eye", "R_Eye")]] = 0
    limbs = [i for i, name in enumerate(BODY25) if any(name[2:] in group for group in CHAINS["arms"])]
    found = find_swaps(replace(given, confidence=hidden))[:, limbs].any(-1)
    assert found.sum() == 80 - 48  # without it the shorter part counts as swapped


def test_landmarks_of_the_same_network_go_along():
    clean = walker(30)
    generator = torch.Generator().manual_seed(0)
    own = Landmarks3D(torch.randn(30, 33, 3, generator=generator), torch.rand(30, 33, generator=generator), "blazepose33", "one")
    clean = replace(clean, source="one", landmarks=own)
    _, swapped = exchanged(clean, [(5, 8, "body")])
    back = swap_back(clean, swapped).landmarks
    other = mirrored("blazepose33")
    assert torch.equal(back.xyz[5:8], own.xyz[5:8][:, other])
    assert torch.equal(back.confidence[5:8], own.confidence[5:8][:, other])
    assert torch.equal(back.xyz[8:], own.xyz[8:])
    assert swap_back(replace(clean, source="another"), swapped).landmarks is own


def test_one_visible_side_is_no_swap():
    """From the side, the far arm and leg are unseen for long: no reason to give their names to the near ones."""
    keypoints = walker(60, yaw=1.57)
    confidence = keypoints.confidence.clone()
    confidence[10:50, [i for i, name in enumerate(BODY25) if name.startswith("R_")]] = 0
    assert not find_swaps(replace(keypoints, confidence=confidence)).any()


@pytest.mark.parametrize("frames", [0, 1, 2, 4])
def test_short_and_empty_clips(frames):
    keypoints = walker(4)[:frames]
    assert not find_swaps(keypoints).any()
    unseen = replace(keypoints, confidence=keypoints.confidence * 0)
    assert not find_swaps(unseen).any()
    assert not find_swaps(replace(keypoints, xy=torch.full_like(keypoints.xy, 3.0))).any()  # all in one point
