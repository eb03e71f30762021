"""Work distributed over processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Task = TypeVar("Task")
Done = TypeVar("Done")


def in_any_order(function: Callable[[Task], Done], tasks: Sequence[Task], workers: int = 1) -> Iterator[Done]:
    """Yield ``function(task)`` as the tasks finish, on up to ``workers`` processes of one thread (``function``: module-level)."""
    if workers <= 1 or len(tasks) <= 1:
        yield from map(function, tasks)
        return
    with multiprocessing.get_context("spawn").Pool(min(workers, len(tasks)), _one_thread) as pool:
        yield from pool.imap_unordered(function, tasks)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)
