"""What a dataset is: a name and a folder -> tracks with ground truth, judged by a named protocol."""

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
    """One line of ``semtta doctor --dataset``: what is there, what is missing."""

    what: str  # "sequenceFiles/test"
    found: int
    expected: int | None  # None: no official count
    advice: str = ""  # what to do when it is not as it should be

    @property
    def good(self) -> bool:
        return self.found > 0 and self.expected in (None, self.found)


class Dataset(Protocol):
    """Tracks of one split. Listing is cheap; a track is read when it is loaded, and its frames when they are iterated.

    What is registered takes ``root`` (the folder, None for an included one), ``split`` and, if there are several (it is
    registered with ``needs=("protocol",)``), ``protocol`` (a name of ``protocols.PROTOCOLS``, None for the usual one). It
    raises SemttaError, with where to get the files and under which licence, if they are not there.
    """

    name: str
    protocol: EvaluationProtocol

    def tracks(self) -> Sequence[str]:
        """Names of the tracks, sorted. A track is one person in one clip."""
        ...

    def load(self, track: str) -> Video:
        """The track with keypoints, boxes where the dataset gives them, labels, ``ground_truth``; SemttaError if damaged."""
        ...

    def check(self) -> list[Finding]:
        """What is there and what is missing, without reading images."""
        ...


_PLACES = {
    "synthwild": "synthwild", "folder": "folder", "3dpw": "threedpw", "3dhp": "mpi_inf_3dhp", "egobody": "egobody",
    "h36m": "h36m",
}  # fmt: skip
datasets: Registry[Dataset] = Registry("dataset", {name: f"{__package__}.{module}" for name, module in _PLACES.items()})
register = datasets.register


def open_dataset(name: str, root: str | Path | None = None, split: str = "test", protocol: str | None = None) -> Dataset:
    """A dataset by name; SemttaError for an unknown one, and for a protocol where the dataset has but one."""
    entry = datasets.entry(name)
    options: dict[str, Any] = {"root": root, "split": split}
    if protocol is not None and "protocol" not in entry.needs:
        raise SemttaError(f"Dataset '{name}' has one protocol: leave out --protocol {protocol}.")
    return entry.build(**options, **({"protocol": protocol} if protocol is not None else {}))


def no_folder(name: str, root: str | Path | None, where: str, licence: str) -> SemttaError:
    """The error for a dataset that is not where it was looked for."""
    given = f"not in {root}" if root else "and no folder was given"
    return SemttaError(f"Dataset '{name}' is {given}: get it from {where} ({licence}) and give its folder with --root.")
