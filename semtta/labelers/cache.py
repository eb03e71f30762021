"""Answers on disk, keyed by the content of the request, so that the same request to the same model is never paid for twice."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path

from ..errors import SemttaError
from ..io.files import write_atomically
from .models import Reply, Request


def cache_folder() -> Path:
    """The folder of the answers, in ``SEMTTA_CACHE`` or the platform's cache folder."""
    if home := os.environ.get("SEMTTA_CACHE"):
        return Path(home).expanduser() / "labels"
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("semtta", appauthor=False)) / "labels"


class AnswerCache:
    """One JSON file per answer, with the model's text and token counts; no images and no keys."""

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = Path(folder).expanduser() if folder else cache_folder()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            writable = os.access(self.folder, os.W_OK)
        except OSError:
            writable = False
        if not writable:
            raise SemttaError(f"Answers cannot be cached in {self.folder}: set SEMTTA_CACHE to a writable folder.")

    def key(self, request: Request, identity: str) -> str:
        """sha256 of everything that the answer depends on: model, prompts, schema, images."""
        parts = [identity, request.system, request.user, json.dumps(request.schema.model_json_schema(), sort_keys=True)]
        images = [hashlib.sha256(image).hexdigest() for image in request.images]
        return hashlib.sha256(json.dumps([*parts, *images]).encode()).hexdigest()

    def get(self, key: str) -> Reply | None:
        """The cached answer; None if there is none, or its file is damaged."""
        try:
            return Reply(**json.loads(self._path(key).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def put(self, key: str, reply: Reply) -> None:
        """Cache an answer, atomically."""
        text = json.dumps(asdict(reply))
        try:
            write_atomically(self._path(key), lambda part: part.write_text(text, encoding="utf-8"))
        except OSError as error:
            raise SemttaError(
                f"An answer cannot be cached in {self.folder} ({error.strerror}): make room, or set SEMTTA_CACHE."
            ) from error

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"
