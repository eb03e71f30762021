"""The dataset interface: a name and a folder -> tracks with ground truth, evaluated by a named protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..errors import SemttaError
from ..registry import Registry
from ..types import EvaluationProtocol, Video


@dataclass(frozen=True)
class Finding:
    """One line of ``semtta doctor --dataset``: what is present and what is missing."""

    what: str  # "sequenceFiles/test"
    found: int
    expected: int | None  # None: no official count is known
    advice: str = ""  # what to do if the count is wrong

    @property
    def good(self) -> bool:
        return self.found > 0 and self.expected in (None, self.found)


@dataclass(frozen=True)
class DatasetFiles:
    """The fields of a dataset that is read from files."""

    root: Path
    split: str
    protocol: EvaluationProtocol


class Dataset(Protocol):
    """The tracks of one split. Listing is cheap; a track is read when it is loaded, its frames when they are iterated.

    The registered function takes ``root`` (the folder; None for an included dataset), ``split`` and, if registered with
    ``needs=("protocol",)``, ``protocol`` (a name in ``protocols.PROTOCOLS``; None for the dataset's default). It raises
    SemttaError if the files are missing, with their source and licence.
    """

    name: str
    protocol: EvaluationProtocol

    def tracks(self) -> Sequence[str]:
        """The names of the tracks, sorted. A track is one person in one clip."""
        ...

    def load(self, track: str) -> Video:
        """A track with keypoints, boxes if the dataset has them, labels and ``ground_truth``; SemttaError if it is damaged."""
        ...

    def check(self) -> list[Finding]:
        """What is present and what is missing, without reading images."""
        ...


_MODULES = {
    "synthwild": "synthwild", "folder": "folder", "3dpw": "threedpw", "3dhp": "mpi_inf_3dhp", "egobody": "egobody",
    "h36m": "h36m", "multiview": "multiview",
}  # fmt: skip
datasets: Registry[Dataset] = Registry("dataset", {name: f"{__package__}.{module}" for name, module in _MODULES.items()})
register = datasets.register


def open_dataset(name: str, root: str | Path | None = None, split: str = "test", protocol: str | None = None) -> Dataset:
    """A dataset by name; SemttaError for an unknown one, and for a protocol if the dataset has only one."""
    entry = datasets.entry(name)
    options: dict[str, Any] = {"root": root, "split": split}
    if protocol is not None and "protocol" not in entry.needs:
        raise SemttaError(f"Dataset '{name}' has one protocol: leave out --protocol {protocol}.")
    return entry.build(**options, **({"protocol": protocol} if protocol is not None else {}))


def missing_dataset(name: str, root: str | Path | None, where: str, licence: str) -> SemttaError:
    """The error for a dataset whose files are not in ``root``, or that was given no folder."""
    problem = f"is not in {root}" if root else "needs a folder"
    return SemttaError(f"Dataset '{name}' {problem}: get it from {where} ({licence}) and give its folder with --root.")
