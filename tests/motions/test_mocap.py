from math import pi

import numpy as np
import pytest

from semtta.errors import SemttaError
from semtta.motions import mocap


def pack(**changes):
    """Two clips of 5 and 7 frames."""
    poses = np.zeros((12, 72), np.int16)
    poses[5:, 3] = 16384
    fields = {
        "poses": poses, "pose_scale": pi / 32768, "trans": np.ones((12, 3), np.float32), "fps": 30, "source": "toy",
        "start": [0, 5], "length": [5, 7], "clip_id": ["a", "b"], "content": ["walking", "bowing"], "style": ["normal"] * 2,
        "text": ["a person is walking", "a person is bowing"],
    }  # fmt: skip
    return {k: v for k, v in (fields | changes).items() if v is not None}


def test_clips_are_cut_out_and_scaled(tmp_path):
    np.savez(tmp_path / "toy_train.npz", **pack())
    first, second = mocap.load(tmp_path, "train")
    assert (len(first), len(second)) == (5, 7)
    assert (first.content, second.content, second.source) == ("walking", "bowing", "toy")
    assert not first.axis_angle.any()
    assert second.axis_angle[:, 3] == pytest.approx(pi / 2)
    bent = second.rotations(2, 4)
    assert bent.shape == (2, 24, 3, 3)
    assert bent[0, 1].numpy() == pytest.approx(np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]), abs=1e-6)


def test_the_motions_of_the_benchmark_are_left_out(tmp_path):
    np.savez(tmp_path / "toy_train.npz", **pack())
    np.savez(tmp_path / "deepmimic_train.npz", **pack(source="deepmimic"))
    np.savez(tmp_path / "deepmimic_sie_train.npz", **pack(source="deepmimic_sie"))
    assert {clip.source for clip in mocap.load(tmp_path, "train")} == {"toy"}
    assert len(mocap.load(tmp_path, "train", ["deepmimic"])) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fps": 120}, "120 frames per second, expected 30"),
        ({"poses": np.zeros((12, 66), np.int16)}, r"poses are \(12, 66\), expected \[N, 72\] \(24 joints\)"),
        ({"pose_scale": np.nan}, "NaN or infinite"),
        ({"trans": np.full((12, 3), np.inf, np.float32)}, "NaN or infinite"),
        ({"start": [0, 6]}, "frames 6 to 13 of 12"),
        ({"trans": np.ones((11, 3), np.float32)}, r"translations are \(11, 3\), expected \[12, 3\]"),
        ({"content": None}, "not a packed motion file"),
    ],
)
def test_bad_files_are_named(changes, message, tmp_path):
    np.savez(tmp_path / "toy_train.npz", **pack(**changes))
    with pytest.raises(SemttaError, match=message) as caught:
        mocap.load(tmp_path, "train")
    assert "toy_train.npz" in str(caught.value)


def test_missing_and_damaged_files(tmp_path):
    with pytest.raises(SemttaError, match="No packed motions"):
        mocap.load(tmp_path, "train")
    with pytest.raises(SemttaError, match="No motion file"):
        mocap.load(tmp_path, "train", ["toy"])
    np.savez(tmp_path / "toy_train.npz", **pack())
    whole = (tmp_path / "toy_train.npz").read_bytes()
    (tmp_path / "toy_train.npz").write_bytes(whole[:500])
    with pytest.raises(SemttaError, match=r"not a packed motion file|not an npz"):
        mocap.load(tmp_path, "train")
