"""The records of a study's runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .runner import Plan, Record, StudyFolder


@dataclass(frozen=True)
class Runs:
    """The records of a plan: row -> seed -> track -> record; None if the run has not been made yet."""

    plan: Plan
    records: Mapping[str, Sequence[Mapping[str, Record | None]]]

    @classmethod
    def read(cls, plan: Plan, folder: StudyFolder) -> Runs:
        """Read all records of a plan from a folder."""
        records = {
            row: [{t: folder.read(plan.job(row, t, seed)) for t in plan.tracks} for seed in range(plan.study.seeds)]
            for row in plan.settings
        }
        return cls(plan, records)

    def done(self, row: str, seed: int | None = None, tracks: Sequence[str] | None = None) -> dict[tuple[str, int], Record]:
        """The records of the finished runs: (track, seed) -> record."""
        records = {}
        for index, by_track in enumerate(self.records.get(row, ())):
            for track, record in by_track.items():
                wanted = seed in (None, index) and (tracks is None or track in tracks)
                if wanted and record is not None and record["status"] == "done":
                    records[track, index] = record
        return records

    def failures(self) -> list[str]:
        """One line per failed run."""
        failed = {(r["key"], r["track"], r["seed"]): r for seeds in self.records.values() for s in seeds for r in s.values()
                 if r is not None and r["status"] == "failed"}  # fmt: skip
        return [f"{r['row']}, {r['track']}, seed {r['seed']}: {r['error']}" for r in failed.values()]

    def count(self, row: str, status: str | None) -> int:
        """The number of a row's runs that are "done", "failed", or not made yet (None)."""
        return sum((r and r["status"]) == status for seeds in self.records[row] for r in seeds.values())

    def mark(self, row: str) -> str:
        """The marks of a row whose numbers lack some clips."""
        return "†" * bool(self.count(row, "failed")) + "‡" * bool(self.count(row, None))

    def notes(self, rows: Iterable[str]) -> tuple[str, ...]:
        """The notes that explain the marks."""
        rows, out = list(rows), []
        for mark, status, words in (("†", "failed", "failed"), ("‡", None, "not made yet")):
            counts = {row: self.count(row, status) for row in rows}
            if any(counts.values()):
                listed = "; ".join(f"{row}: {n} of {self.total}" for row, n in counts.items() if n)
                out.append(f"{mark} Means over the other clips, not comparable with the rest. Runs {words}: {listed}.")
        return tuple(out)

    @property
    def total(self) -> int:
        """The number of runs of a row."""
        return len(self.plan.tracks) * self.plan.study.seeds
