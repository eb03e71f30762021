"""Arrays from elsewhere: what a file claims is compared with what it holds before anything is allocated."""

import io
import zlib

import numpy as np
import pytest

from semtta.errors import SemttaError
from semtta.io.arrays import HARMLESS, read_npy, read_npz
from semtta.io.pickles import read_results


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24.0).reshape(2, 3, 4), np.asfortranarray(np.arange(6).reshape(2, 3)), np.float32(3), np.zeros((0, 25, 3)),
        np.array(["a", "bc"]), np.array([True, False]), np.ones((2, 2), ">i2"), np.zeros(3, [("x", "<f4"), ("y", "<i8")]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes_is_read(tmp_path, array, save):
    save(tmp_path / "a.npz", array=array, other=np.ones(2))
    np.save(tmp_path / "a.npy", array)
    for found in (read_npz(tmp_path / "a.npz", only=("array", "absent"))["array"], read_npy(tmp_path / "a.npy")):
        assert found.dtype == np.asarray(array).dtype
        assert found.flags.writeable
        np.testing.assert_array_equal(found, array)
    assert set(read_npz(tmp_path / "a.npz")) == {"array", "other"}
    np.testing.assert_array_equal(read_results(tmp_path / "a.npy"), array)


@pytest.mark.parametrize("shape", [(10**9, 25, 3), (-1, 3), (10**18, 10**18), (3, 4)])
def test_a_header_that_claims_too_much(tmp_path, shape):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
    (tmp_path / "a.npy").write_bytes(file.getvalue() + bytes(24))
    for read in (read_npy, read_results):
        with pytest.raises(SemttaError, match="header claims"):
            read(tmp_path / "a.npy")


def test_an_npz_is_no_npy(tmp_path):
    np.savez(tmp_path / "a.npz", a=1)
    with pytest.raises(SemttaError, match="it is an npz"):
        read_npy(tmp_path / "a.npz")


def test_a_compressed_pickle_that_would_fill_the_memory(tmp_path):
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(2**20)) for _ in range(HARMLESS // 2**20 + 1)) + packer.flush()
    (tmp_path / "a.pkl").write_bytes(packed)
    with pytest.raises(SemttaError, match="unpack to more than 64 MB"):
        read_results(tmp_path / "a.pkl")
    (tmp_path / "a.pkl").write_bytes(packed[:1000])
    with pytest.raises(SemttaError, match="cut off"):
        read_results(tmp_path / "a.pkl")
