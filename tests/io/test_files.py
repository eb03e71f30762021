"""Reading others' files and replacing one's own: the errors are one line, a half-written file replaces nothing."""

from __future__ import annotations

import argparse
import io
import os
import pickle
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from fractions import Fraction
from http import HTTPStatus
from pathlib import Path

import numpy as np
import pytest

from semtta.errors import SemttaError, first_line
from semtta.io.arrays import read_npy, read_npz
from semtta.io.files import reading, replacing, write_atomically, write_npz, write_text
from semtta.io.unpickling import ArrayUnpickler, CheckpointUnpickler, StandIn


def test_the_first_line_of_an_error():
    assert first_line(ValueError("\n one \ntwo")) == "one"
    assert first_line(MemoryError()) == "MemoryError"


def test_reading_says_what_a_file_is_not():
    with pytest.raises(SemttaError, match=r"^x is not a map \(odd\): draw it\.$"), reading("x", "a map", then=": draw it"):
        raise ArithmeticError("odd\nmore")
    with pytest.raises(SemttaError, match="No map"), reading("x", "a map", missing="No map."):
        raise FileNotFoundError
    with pytest.raises(SemttaError, match="as it is"), reading("x", "a map"):
        raise SemttaError("as it is")
    with pytest.raises(KeyboardInterrupt), reading("x", "a map"):
        raise KeyboardInterrupt


def test_arrays_that_are_asked_for(tmp_path: Path):
    """Objects beside them, as SMPL-X's files hold, do not stand in the way unless they are asked for."""
    np.savez(tmp_path / "x.npz", a=np.arange(3), b=np.array({"b": 1}, dtype=object))
    assert read_npz(tmp_path / "x.npz", only=("a", "c"))["a"].tolist() == [0, 1, 2]
    for only in (None, ("b",)):
        with pytest.raises(SemttaError, match="not an npz of plain arrays"):
            read_npz(tmp_path / "x.npz", only)
    with pytest.raises(SemttaError, match=r"not a \.npy array that can be read \(it is an npz\)"):
        read_npy(tmp_path / "x.npz")
    with pytest.raises(SemttaError, match=r"none\.npy is not a file of joints"):
        read_npy(tmp_path / "none.npy", "a file of joints")


@pytest.mark.parametrize("damage", range(0, 400, 7))
def test_a_damaged_npz_gives_one_line(damage: int, tmp_path: Path):
    write_npz(tmp_path / "x.npz", a=np.arange(50), b=np.ones(9))
    content = bytearray((tmp_path / "x.npz").read_bytes())
    content[damage % len(content)] ^= 0xFF
    (tmp_path / "x.npz").write_bytes(content)
    with suppress(SemttaError):  # any other error fails; some bytes nothing depends on
        found = read_npz(tmp_path / "x.npz")
        assert all(array.shape in ((50,), (9,)) for array in found.values())


def with_block(path: Path, fill: Callable[[Path], object]) -> None:
    with replacing(path) as temporary:
        fill(temporary)


@pytest.mark.parametrize("write", [write_atomically, with_block])
def test_only_a_whole_file_replaces(write: Callable[..., None], tmp_path: Path):
    path = tmp_path / "new" / "x.txt"
    write(path, lambda part: part.write_text("old"))

    def half(part: Path) -> None:
        part.write_text("ne")
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write(path, half)
    assert path.read_text() == "old"
    assert os.listdir(path.parent) == ["x.txt"]
    write_text(path, "new")
    assert path.read_text() == "new"


CALLS = {
    "posix.system('true')": b"cposix\nsystem\n(S'true'\ntR.", "builtins.eval('1')": b"cbuiltins\neval\n(S'1'\ntR.",
    "torch.load('x')": b"ctorch\nload\n(S'x'\ntR.",
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_what_is_not_allowed_is_refused_before_it_is_called(call: str):
    with pytest.raises(pickle.UnpicklingError, match="it asks for"):
        ArrayUnpickler(io.BytesIO(CALLS[call])).load()


@pytest.mark.parametrize("call", CALLS)
def test_a_stand_in_tells_what_it_stands_for(call: str):
    found = CheckpointUnpickler(io.BytesIO(CALLS[call])).load()
    assert isinstance(found, StandIn)
    assert repr(found) == call


class Odd(list):
    """A class that no list knows, with all that a pickle can do to an object."""


@pytest.mark.parametrize("protocol", range(6))
def test_a_stand_in_takes_every_step_of_an_unpickler(protocol: int):
    """List and mapping items, state, enumerations, methods got by name, classes themselves; as keys of a mapping as well."""
    odd = Odd([1, 2, 3])
    odd.colour = {"red": 1}  # type: ignore[attr-defined]
    named = argparse.Namespace(lr=0.1, steps=[1, 2])
    counted = Counter("aab")
    packed = pickle.dumps([odd, named, counted, {HTTPStatus.OK: 1}, Odd, Fraction(1, 3), datetime(2026, 1, 2), 1j], protocol)
    odd, named, counted, coded, kind, *others, number = CheckpointUnpickler(io.BytesIO(packed)).load()
    assert kind.kind == f"{Odd.__module__}.Odd"
    assert odd.kind == kind.kind
    assert odd.state == {"colour": {"red": 1}}
    assert named.state == {"lr": 0.1, "steps": [1, 2]}
    if protocol > 1:
        assert odd.members == [1, 2, 3]
        assert counted.arguments == ({"a": 2, "b": 1},)
    (key,) = coded
    assert isinstance(key, StandIn)
    assert [type(other).__mro__[1] for other in others] == [StandIn, StandIn]
    assert number == 1j
