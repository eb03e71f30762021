"""Loading of models that may have to be downloaded first, which ends soon where there is no network."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import SemttaError

T = TypeVar("T")

#: Seconds after which the network is asked for, and seconds that it has to answer.
PATIENCE_S, ANSWER_S = 4.0, 4.0


def loaded(load: Callable[[], T], url: str, what: str) -> T:
    """What ``load`` gives, however long that takes while ``url`` answers.

    Raises what it raises; SemttaError within ``PATIENCE_S`` + ``ANSWER_S`` seconds if it is not done and nothing answers.
    """
    outcome: dict[str, Any] = {}

    def work() -> None:
        try:
            outcome["value"] = load()
        except BaseException as error:  # raised where it is waited for
            outcome["error"] = error

    worker = threading.Thread(target=work, daemon=True)  # a connection that hangs must not keep the program
    worker.start()
    worker.join(PATIENCE_S)
    if worker.is_alive() and not answers(url):
        raise SemttaError(
            f"{what} is not here and {url} does not answer: connect to a network for the first use, or give a folder."
        )
    worker.join()
    if "error" in outcome:
        raise outcome["error"]
    value: T = outcome["value"]
    return value


def answers(url: str, seconds: float = ANSWER_S) -> bool:
    """Whether anything answers at an address within some seconds, the search for its name included."""
    found = threading.Event()

    def ask() -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=seconds).close()
        except urllib.error.HTTPError:
            pass  # that is an answer too
        except (OSError, ValueError):
            return
        found.set()

    threading.Thread(target=ask, daemon=True).start()
    return found.wait(seconds)
