"""Runs of a dataset, judged by its truth and protocol."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..datasets import Dataset
from ..errors import SemttaError, first_line, unknown_name
from ..io.files import plain, write_text
from ..io.run_folder import FINISHED, clip_folder
from ..metrics import evaluate, total
from ..results import load
from ..types import EvaluationProtocol

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluation:
    """Numbers of a dataset's tracks, in millimetres."""

    protocol: EvaluationProtocol
    before: Mapping[str, Mapping[str, float]]  # by track, of the motion before adaptation
    after: Mapping[str, Mapping[str, float]]
    skipped: Mapping[str, str] = field(default_factory=dict)  # track -> why

    @property
    def totals(self) -> dict[str, dict[str, float]]:
        """Means over the tracks, weighted by their frames; empty without a track."""
        rows = {"before": list(self.before.values()), "after": list(self.after.values())}
        return {when: total(numbers) for when, numbers in rows.items() if numbers}

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        content = {
            "protocol": vars(self.protocol), "totals": self.totals, "before": self.before, "after": self.after,
            "skipped": self.skipped,
        }  # fmt: skip
        write_text(path, json.dumps(plain(content), indent=1) + "\n")


def evaluate_dataset(dataset: Dataset, out: Path, tracks: Sequence[str] = ()) -> Evaluation:
    """Judge the runs in ``out`` (or ``out`` itself, if it is one) by the dataset's truth and protocol.

    Tracks without a run are counted as skipped, so are those whose truth cannot be read; SemttaError if nothing is left.
    """
    before, after, skipped = {}, {}, {}
    single = load(out) if (out / FINISHED).is_file() else None
    chosen = chosen_tracks(dataset, tracks)
    here = [track for track in chosen if (clip_folder(out, track) / FINISHED).is_file() or (single and single.name == track)]
    for track in here:
        try:
            result = single or load(clip_folder(out, track))
            truth = dataset.load(track).ground_truth
            if truth is None:
                raise SemttaError("it has no ground truth")
            before[track] = evaluate(result, truth, unadapted=True)
            after[track] = evaluate(result, truth)
        except Exception as error:  # a dataset's reader may raise anything
            skipped[track] = reason_of(error)
    if len(here) < len(chosen):
        skipped[f"{len(chosen) - len(here)} tracks"] = f"no result in {out}"
    if not after:
        why = next(iter(skipped.values()), "it has no tracks")
        raise SemttaError(f"{out} holds no result of a track of '{dataset.name}' that can be judged ({why}).")
    return Evaluation(dataset.protocol, before, after, skipped)


def reason_of(error: Exception) -> str:
    """Why a track is skipped: a user's error in its own words, any other with its type, logged with its traceback."""
    if isinstance(error, SemttaError):
        return str(error)
    log.debug("A track failed.", exc_info=error)
    return f"{type(error).__name__}: {first_line(error)}"


def chosen_tracks(dataset: Dataset, tracks: Sequence[str]) -> list[str]:
    known = list(dataset.tracks())
    if not known:
        place = getattr(dataset, "root", "")
        raise SemttaError(
            f"The dataset '{dataset.name}' has no videos in {place or 'this split'}: give another --root or --split."
        )
    for track in tracks:
        if track not in known:
            raise unknown_name("track", track, known)
    if not known:
        raise SemttaError(f"The dataset '{dataset.name}' has no tracks here: look at its folder with `semtta doctor`.")
    return list(tracks) or known
