"""Commands that are killed: each runs in a fork of one process that has everything loaded, so that it costs its own work only.

``SEMTTA_FAULTS`` is how many are killed in all by each file of tests here: 6 by default, hundreds for a night.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import re
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

TRIALS = int(os.environ.get("SEMTTA_FAULTS", "6"))
SIGNALS = (signal.SIGKILL, signal.SIGTERM)
LONGEST_S = 120
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["killing", "preloaded"])


def load_once() -> None:
    """Start the process that forks, and wait until it has everything loaded."""
    here = Path(__file__).parent
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([str(here), str(here.parent), *filter(None, sys.path)]))
    process = FORKS.Process(target=os.getpid)
    process.start()
    process.join()


def command(arguments: list[str], log: str) -> None:
    """``semtta ARGUMENTS`` in this process; what it prints goes to a file."""
    from semtta_cli.main import main

    file = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.argv = ["semtta", *arguments]
    main()


def start(arguments: list[object], log: Path) -> Any:
    """The process of a command that has just been started."""
    process = FORKS.Process(target=command, args=([str(a) for a in arguments], str(log)))
    process.start()
    return process


def finished(arguments: list[object], log: Path) -> float:
    """Run a command to its end, which must be a good one; the seconds that it took."""
    began = time.perf_counter()
    process = start(arguments, log)
    process.join(LONGEST_S)
    assert process.exitcode == 0, log.read_text()
    return time.perf_counter() - began


def killed(arguments: list[object], log: Path, trial: int, within_s: float) -> str:
    """Kill a command at a moment that ``trial`` draws, by the signals in turn; what it had said."""
    number, moment = SIGNALS[trial % len(SIGNALS)], random.Random(trial).uniform(0, within_s)
    process = start(arguments, log)
    time.sleep(moment)
    with suppress(ProcessLookupError):  # it was faster this time
        os.kill(process.pid, number)
    process.join(LONGEST_S)
    said = log.read_text() if log.exists() else ""
    assert process.exitcode is not None, f"signal {number} after {moment:.2f} s is not obeyed: {said}"
    assert "Traceback" not in said, said
    if number == signal.SIGTERM:  # unless it came before the first line of the command, or after the last
        assert process.exitcode in (130, -signal.SIGTERM, 0), (process.exitcode, said)
    return said


def contents(folder: Path) -> dict[str, Any]:
    """The files in a folder, by name, without what a clock wrote into them."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                found[name] = {key: arrays[key].tobytes() for key in arrays.files}
        elif path.is_file() and path.suffix != ".mp4":
            found[name] = _without_times(path.read_text(encoding="utf-8"))
        elif path.is_file():
            found[name] = path.read_bytes()
    return found


def _without_times(text: str) -> str:
    text = re.sub(r'"seconds": (\{[^}]*\}|[-\d.e]+)|"made": "[^"]*"', "", text)
    return re.sub(r"^  (detecting|reading|adapting|labelling): [-\d.e]+$|\b\d+ s\b", "", text, flags=re.MULTILINE)


def sleep_for_ever(job: Path, parallel: int = 1) -> None:
    """The work of a study's worker: tells its process, and goes on until it is ended."""
    job.write_text(str(os.getpid()))
    time.sleep(LONGEST_S)


def study_of_a_sleeper(job: Path) -> None:
    """A study with a worker that never ends, in this process."""
    from semtta.experiments.workers import execute

    execute([job], print, 2, work=sleep_for_ever)  # type: ignore[list-item, arg-type]


def lives(process: int) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
