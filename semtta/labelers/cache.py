"""Answers on disk, keyed by the content of the request, so that the same request to the same model is never paid for twice."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import SemttaError, first_line
from ..io.files import write_atomically
from .models import Reply, Request

#: Pause between looks at a question that another process is asking, in seconds.
_POLL_S = 0.1
#: What an answer in a file must be like. pydantic refuses the halves of surrogate pairs that a model may send.
_EXAMPLE = Reply("")


def cache_folder() -> Path:
    """The folder of the answers, in ``SEMTTA_CACHE`` or the platform's cache folder."""
    if home := os.environ.get("SEMTTA_CACHE"):
        return Path(home).expanduser() / "labels"
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("semtta", appauthor=False)) / "labels"


class AnswerCache:
    """One JSON file per answer, with the model's text and token counts; no images and no keys.

    Files that a killed run left half-written are removed.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = Path(folder).expanduser() if folder else cache_folder()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            writable = os.access(self.folder, os.W_OK)
        except (OSError, ValueError):
            writable = False
        if not writable:
            raise SemttaError(f"Answers cannot be cached in {self.folder}: set SEMTTA_CACHE to a writable folder.")
        self._tidy()

    def key(self, request: Request, identity: str) -> str:
        """sha256 of everything that the answer depends on: model, prompts, schema, images."""
        parts = [identity, request.system, request.user, json.dumps(request.schema.model_json_schema(), sort_keys=True)]
        images = [hashlib.sha256(image).hexdigest() for image in request.images]
        return hashlib.sha256(json.dumps([*parts, *images]).encode()).hexdigest()

    def get(self, key: str) -> Reply | None:
        """The cached answer; None if there is none, or its file is damaged."""
        try:
            reply = Reply(**json.loads(self._path(key).read_bytes()))
        except (OSError, ValueError, TypeError, RecursionError):
            return None
        return reply if all(type(value) is type(getattr(_EXAMPLE, name)) for name, value in vars(reply).items()) else None

    def put(self, key: str, reply: Reply) -> None:
        """Cache an answer, atomically."""
        text = json.dumps(asdict(reply))
        try:
            write_atomically(self._path(key), lambda part: part.write_text(text, encoding="utf-8"))
        except (OSError, SemttaError) as error:
            reason = getattr(error, "strerror", None) or getattr(error, "reason", None) or first_line(error)
            raise SemttaError(
                f"An answer cannot be cached in {self.folder} ({reason}): make room, or set SEMTTA_CACHE."
            ) from error

    @contextmanager
    def claim(self, key: str, stop: threading.Event) -> Iterator[bool]:
        """Keep others, in whatever process, from asking the same question meanwhile; wait while one of them does.

        Yields whether the question is claimed: not if ``stop`` was set while waiting. Where the folder cannot be locked, as on
        some network drives, a question may be asked twice.
        """
        path = self._path(key).with_suffix(".lock")
        lock = FileLock(path)
        claimed = locked = False
        while not (claimed or stop.is_set()):
            try:
                path.parent.mkdir(exist_ok=True)
                lock.acquire(timeout=0)
                claimed = locked = True
            except Timeout:
                stop.wait(_POLL_S)
            except (OSError, NotImplementedError):
                claimed = True
        try:
            yield claimed
        finally:
            if locked:
                # Whoever waits looks into the cache first, so that it does not matter if the name is gone before the lock.
                with suppress(OSError):
                    path.unlink()
                lock.release()

    def _tidy(self) -> None:
        """Remove the locks and half-written answers of killed runs, of questions that nobody is asking now."""
        for path in self.folder.glob("??/*.lock"):
            with suppress(OSError, NotImplementedError), FileLock(path, timeout=0):  # a Timeout is an OSError
                for part in path.parent.glob(f".{path.stem[:40]}*"):
                    part.unlink(missing_ok=True)
                path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"
