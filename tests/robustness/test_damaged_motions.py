"""Files of AMASS and packed motions that are damaged or of another kind."""

from __future__ import annotations

import numpy as np
import pytest

from semtta.errors import SemttaError
from semtta.motions.amass import read_babel, read_sequence
from semtta.motions.mocap import load_file

N = 4
WHOLE = {"poses": np.zeros((N, 156)), "trans": np.zeros((N, 3)), "mocap_framerate": 30.0}
AMASS = {
    "no poses": {"poses": None}, "no rate": {"mocap_framerate": None}, "MANO": {"poses": np.zeros((N, 48))},
    "flat": {"poses": np.zeros(N * 156)}, "scalar": {"poses": np.float32(1)}, "text": {"poses": np.array(["x"] * N)},
    "NaN": {"poses": np.full((N, 156), np.nan)}, "short": {"trans": np.zeros((N - 1, 3))}, "2D": {"trans": np.zeros((N, 2))},
    "0 fps": {"mocap_framerate": 0.0}, "NaN fps": {"mocap_framerate": np.nan}, "slow": {"mocap_framerate": 1e-9},
    "rates": {"mocap_framerate": np.ones(3)}, "empty": {"poses": np.zeros((0, 156)), "trans": np.zeros((0, 3))},
}  # fmt: skip


@pytest.mark.parametrize("case", AMASS)
def test_amass(tmp_path, case):
    arrays = {key: value for key, value in {**WHOLE, **AMASS[case]}.items() if value is not None}
    np.savez(tmp_path / "walk_poses.npz", **arrays)
    with pytest.raises(SemttaError, match=r"walk_poses\.npz") as caught:
        read_sequence(tmp_path / "walk_poses.npz", "X/1/walk_poses.npz", {})
    assert "\n" not in str(caught.value)


ANNOTATIONS = [
    {"frame_ann": {"labels": [{}]}, "dur": 1.0},
    {"frame_ann": {"labels": [{"start_t": 0, "end_t": 1, "raw_label": "a"}]}, "dur": 0},
    {"frame_ann": 3, "dur": 1.0}, {"seq_ann": {"labels": [{"raw_label": None}]}}, {"seq_ann": {"labels": 3}},
]  # fmt: skip


@pytest.mark.parametrize("annotation", ANNOTATIONS)
def test_an_annotation_of_another_form(tmp_path, annotation):
    np.savez(tmp_path / "walk_poses.npz", **WHOLE)
    with pytest.raises(SemttaError, match="BABEL's annotation of X/1/walk"):
        read_sequence(tmp_path / "walk_poses.npz", "X/1/walk", annotation)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"1": 2}', '{"1": {"feat_p": 3}}', '{"1": {"feat_p": "a"}}', "[" * 50_000])
def test_babel(tmp_path, text):
    (tmp_path / "train.json").write_text(text)
    with pytest.raises(SemttaError, match=r"train\.json"):
        read_babel(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"text" * 100])
def test_packed(tmp_path, content):
    (tmp_path / "toy_train.npz").write_bytes(content)
    with pytest.raises(SemttaError, match=r"toy_train\.npz"):
        load_file(tmp_path / "toy_train.npz")
