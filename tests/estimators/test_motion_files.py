"""Results of other systems, in miniature: what is read of them, and what is refused."""

from __future__ import annotations

import os
import pickle

import joblib
import numpy as np
import pytest
import torch
from other_systems import (
    BETAS,
    T,
    places,
    rotations,
    write_amass,
    write_gvhmr,
    write_phalp,
    write_prompthmr,
    write_sam3d,
    write_tram,
    write_wham,
)

from semtta.errors import SemttaError
from semtta.estimators.motion_files import read_motion
from semtta.geometry import pelvis_frame_positions


@pytest.mark.parametrize(
    ("write", "name", "family", "focal", "length"),
    [
        (write_gvhmr, "hmr4d_results.pt", "smplx", 500, T),
        (write_wham, "wham_output.pkl", "smpl", None, None),
        (write_phalp, "demo.pkl", "smpl", 5000 / 256 * 320, T),
        (write_prompthmr, "results.pkl", "smplx", 250, T),
        (write_amass, "amass.npz", "smplh", None, T),
        (lambda path: write_amass(path, camera=True), "motion.npz", "open", 500, T),
    ],
)  # fmt: skip
def test_every_layout_gives_the_same_motion(tmp_path, write, name, family, focal, length):
    write(tmp_path / name)
    motion = read_motion(tmp_path / name)
    torch.testing.assert_close(motion.rotations, rotations(), atol=1e-5, rtol=0)
    torch.testing.assert_close(motion.betas, torch.from_numpy(BETAS).expand(T, 10))
    assert (motion.family, motion.length, motion.frames.tolist()) == (family, length, list(range(T)))
    if name == "amass.npz":
        assert motion.translation is None
    else:
        torch.testing.assert_close(motion.translation, torch.from_numpy(places()))
    assert (motion.focal_px is None) == (focal is None)
    assert focal is None or motion.focal_px.tolist() == pytest.approx([focal] * T)


def test_a_track_with_gaps_is_filled(tmp_path):
    """TRAM's ``.npy`` of tensors: frames 1, 2, 4, 5."""
    write_tram(tmp_path / "hps_track_0.npy")
    motion = read_motion(tmp_path / "hps_track_0.npy")
    assert motion.frames.tolist() == [1, 2, 4, 5]
    whole = motion.whole()
    torch.testing.assert_close(whole.rotations[[1, 2, 4, 5]], rotations()[[1, 2, 4, 5]], atol=1e-5, rtol=0)
    torch.testing.assert_close(whole.rotations[0], rotations()[1], atol=1e-5, rtol=0)
    half, there = (rotations()[2].mT @ r for r in (whole.rotations[3], rotations()[4]))
    torch.testing.assert_close(half @ half, there, atol=1e-5, rtol=0)
    torch.testing.assert_close(whole.translation[3], torch.from_numpy((places()[2] + places()[4]) / 2))


def test_tracks_are_told_apart(tmp_path):
    """PHALP lists people in another order from frame to frame, and loses track 4 in frame 2."""
    write_phalp(tmp_path / "demo.pkl")
    second = read_motion(tmp_path / "demo.pkl", person=1)
    assert second.frames.tolist() == [0, 1, 3, 4, 5]
    torch.testing.assert_close(second.rotations, rotations(T, 3)[[0, 1, 3, 4, 5]], atol=1e-5, rtol=0)
    with pytest.raises(SemttaError, match=r"holds 2 people, the first is 0: there is no estimator\.person=2"):
        read_motion(tmp_path / "demo.pkl", person=2)


def test_mhr_keypoints_become_rotations(tmp_path):
    """Legs and arms point where they did; the pelvis is where it was."""
    write_sam3d(tmp_path / "sam3d.pkl")
    motion = read_motion(tmp_path / "sam3d.pkl")
    assert motion.length == T
    found, true = ((r[:, :1] @ pelvis_frame_positions(r)[..., None])[..., 0] for r in (motion.rotations, rotations()))
    for upper, lower in ((1, 4), (4, 7), (2, 5), (5, 8), (16, 18), (18, 20), (17, 19), (19, 21)):
        torch.testing.assert_close(found[:, lower] - found[:, upper], true[:, lower] - true[:, upper], atol=0.002, rtol=0)
    assert (found - true).norm(dim=-1).mean() < 0.04  # no keypoint is on the spine
    assert (motion.translation - torch.from_numpy(places())).norm(dim=-1).max() < 0.05


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: write_sam3d(path, people=2), "do not say who is who"),
        (lambda path: write_sam3d(path, keypoints=False), "MHR parameters of SAM 3D Body are of another skeleton"),
        (lambda path: path.write_bytes(pickle.dumps({"a": 1})), "no motion that is known: results of GVHMR, TRAM, PromptHMR"),
        (lambda path: path.write_bytes(pickle.dumps({"smpl_params_incam": 1, "K_fullimg": 2})), "is not GVHMR's"),
        (lambda path: path.write_bytes(b"nothing"), "is not a file of results"),
        (lambda path: path.write_bytes(b""), "is not a file of results"),
        (lambda path: None, "No file"),
    ],
)
def test_what_is_refused_gets_one_line(tmp_path, write, message):
    write(tmp_path / "m.pkl")
    with pytest.raises(SemttaError, match=message) as caught:
        read_motion(tmp_path / "m.pkl")
    assert len(str(caught.value).splitlines()) == 1


def test_motions_in_the_world_are_refused(tmp_path):
    """AMASS's own files stand along z; NaN is named."""
    upright = np.zeros((T, 156), np.float32)
    upright[:, 0] = np.pi / 2
    write_amass(tmp_path / "world.npz", poses=upright)
    with pytest.raises(SemttaError, match="stands along z: this is AMASS's world"):
        read_motion(tmp_path / "world.npz")
    write_amass(tmp_path / "nan.npz", camera=True, trans=np.full((T, 3), np.nan))
    with pytest.raises(SemttaError, match="translation with NaN"):
        read_motion(tmp_path / "nan.npz")


class Calls:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("kind", ["pickle", "joblib", "npy", "in a storage"])
def test_nothing_in_a_file_is_executed(tmp_path, kind):
    evil, target = Calls(str(tmp_path / "made")), tmp_path / f"m.{'npy' if kind == 'npy' else 'pkl'}"
    content = {"pose": evil, "array": np.zeros(3)}
    if kind == "joblib":
        joblib.dump(content, target)
    elif kind == "npy":
        with target.open("wb") as file:
            np.save(file, content, allow_pickle=True)
    elif kind == "pickle":
        target.write_bytes(pickle.dumps(content))
    else:  # a tensor's storage is a pickle in the pickle

        class Storage:
            def __reduce__(self) -> tuple[object, ...]:
                return torch.storage._load_from_bytes, (pickle.dumps(evil),)

        target.write_bytes(pickle.dumps({"pose": Storage()}))
    with pytest.raises(SemttaError):
        read_motion(target)
    assert not (tmp_path / "made").exists()


def test_joblib_files(tmp_path):
    """Compressed, in Fortran's order, of objects, and cut off within an array."""
    from semtta.io.pickles import read_results

    content = {
        "a": np.arange(6, dtype=np.int16).reshape(2, 3),
        "f": np.asfortranarray(np.eye(3)),
        "o": np.array([{"x": 1}, None]),
    }
    for compress in (0, 3):
        joblib.dump(content, tmp_path / "a.pkl", compress=compress)
        found = read_results(tmp_path / "a.pkl")
        assert np.array_equal(found["a"], content["a"])
        assert found["a"].dtype == np.int16
        assert np.array_equal(found["f"], np.eye(3))
        assert found["o"].tolist() == [{"x": 1}, None]
    joblib.dump(np.zeros(1000), tmp_path / "a.pkl")
    (tmp_path / "a.pkl").write_bytes((tmp_path / "a.pkl").read_bytes()[:900])
    with pytest.raises(SemttaError, match="ends within an array"):
        read_results(tmp_path / "a.pkl")
