"""Fail if a ratio of ``semtta bench`` is more than 10 % worse than it used to be on the same hardware.

    python benchmarks/check_history.py                     measure, and compare with benchmarks/history.json
    python benchmarks/check_history.py --results run.json  compare what 'semtta bench --json run.json' wrote
    python benchmarks/check_history.py --update            add the measurement to the history

Times depend on the machine and on what else it does, ratios within one run hardly: only those are compared, each with the
median of the history's entries of the same hardware, number of threads, preset, network and number of frames.
"""

from __future__ import annotations

import argparse
import datetime
import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HISTORY = Path(__file__).with_name("history.json")
WORSE = 1.1


def entry_of(report: Mapping[str, Any], commit: str, note: str = "") -> dict[str, Any]:
    """What the history keeps of a report of ``semtta bench``."""
    hardware = report["hardware"]
    return {
        "machine": hardware["machine"], "commit": commit, "date": datetime.date.today().isoformat(), "preset": report["preset"],
        "rounds": report["rounds"], "torch": hardware["versions"]["torch"], "note": note,
        "load": [hardware[when][0] if hardware.get(when) else None for when in ("load", "load_at_end")],  # 1-minute averages
        "ratios": {name: round(value, 3) for name, value in report["ratios"].items()},
    }  # fmt: skip


def compare(entry: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> dict[str, tuple[float, float | None]]:
    """Each ratio of an entry, and the median of those in the history that it can be compared with (None: there are none)."""
    alike = [old for old in history if (old["machine"], old["preset"]) == (entry["machine"], entry["preset"])]
    found: dict[str, tuple[float, float | None]] = {}
    for name, value in entry["ratios"].items():
        known = [old["ratios"][name] for old in alike if name in old["ratios"]]
        found[name] = (value, statistics.median(known) if known else None)
    return found


def worse(compared: Mapping[str, tuple[float, float | None]]) -> list[str]:
    """The names of the ratios that got worse by more than 10 %."""
    return [name for name, (value, usual) in compared.items() if usual is not None and not value <= WORSE * usual]


def commit() -> str:
    """The checked-out commit, with a plus if files differ from it."""
    folder = HISTORY.parent

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False).stdout.strip()

    changed = "+" if git("status", "--porcelain", "--untracked-files=no") else ""
    return (git("rev-parse", "--short", "HEAD") or "unknown") + changed


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """A report of this moment."""
    from semtta.diagnostics.bench import run_bench

    return run_bench(arguments.estimator or ("open",), rounds=arguments.rounds, device=arguments.device, quick=arguments.quick)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, help="a file of 'semtta bench --json' instead of a measurement")
    parser.add_argument("--history", type=Path, default=HISTORY)
    parser.add_argument("--update", action="store_true", help="add an entry, unless something got worse")
    parser.add_argument("--note", default="", help="kept with the entry")
    parser.add_argument("--estimator", action="append", help="network to measure; may be given again (default: open)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="as of semtta bench: to see that it works")
    arguments = parser.parse_args()

    history = json.loads(arguments.history.read_text(encoding="utf-8")) if arguments.history.exists() else []
    report = json.loads(arguments.results.read_text(encoding="utf-8")) if arguments.results else measure(arguments)
    entry = entry_of(report, commit(), arguments.note)
    compared = compare(entry, history)
    if worse(compared) and not arguments.results:  # another program may have disturbed one run; it will not disturb two alike
        second = compare(entry_of(measure(arguments), entry["commit"]), history)
        compared = {name: min(both, second[name]) for name, both in compared.items()}
        entry["ratios"] = {name: value for name, (value, _) in compared.items()}
    failed = worse(compared)
    print(entry["machine"])
    for name, (value, usual) in compared.items():
        before = "new" if usual is None else f"was {usual:.3f}"
        print(f"{'WORSE ' if name in failed else '      '}{value:9.3f}  {before:14} {name}")
    if not any(usual for _, usual in compared.values()):
        print("Nothing of this hardware in the history: nothing was compared.")
    if failed:
        print(
            f"{len(failed)} of {len(compared)} ratios are more than 10 % worse than the median of the history.", file=sys.stderr
        )
        return 1
    if arguments.update:
        lines = ",\n".join(json.dumps(item) for item in [*history, entry])
        arguments.history.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
        print(f"Added to {arguments.history}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
