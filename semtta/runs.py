"""One video file to one folder of results: what ``semtta adapt`` does, with its checkpoint."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .api import Progress, adapt
from .body import load as load_body
from .config import AdaptConfig, validate
from .data import load_video
from .errors import SemttaError
from .results import clip_folder, load, save
from .structures import AdaptResult

CHECKPOINT = "checkpoint.pt"
FINISHED = "motion.npz"


def run_folder(out: Path, name: str, resume: bool) -> Path:
    """The clip's folder in ``out``, made and writable.

    Raises SemttaError if it cannot be, or holds an earlier run and ``resume`` is not set.
    """
    folder = clip_folder(out, name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except (OSError, FileExistsError) as error:
        raise SemttaError(f"Cannot write to {folder} ({error.strerror}): give another folder with --out.") from error
    if not writable:
        raise SemttaError(f"Cannot write to {folder}: give another folder with --out.")
    if not resume and any((folder / file).exists() for file in (CHECKPOINT, FINISHED)):
        raise SemttaError(f"{folder} holds an earlier run: go on with --resume, or give another folder with --out.")
    return folder


def adapt_file(
    path: Path,
    out: Path,
    keypoints: Path | None = None,
    label: str | None = None,
    person: int = 0,
    preset: str = "paper",
    settings: Mapping[str, Any] | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> tuple[Path, AdaptResult]:
    """Adapt to a video file and write every file of a run to ``out/<its name>``.

    With ``label`` the labeler is ``fixed``, without it ``retrieval``, unless ``settings`` name one. The state is kept
    after every epoch in ``checkpoint.pt`` until the results are written.
    """
    settings = dict(settings or {})
    preset = settings.pop("preset", preset)  # that of a run's config.yaml
    settings.setdefault("labeler", "fixed" if label else "retrieval")
    validate(settings)
    video = load_video(path, keypoints=keypoints, label=label, person=person)
    folder = run_folder(Path(out), video.name, resume)
    if resume and (folder / FINISHED).exists() and not (folder / CHECKPOINT).exists():
        return folder, load(folder)
    checkpoint = folder / CHECKPOINT
    result = adapt(video, preset=preset, progress=progress, checkpoint=checkpoint, resume=resume, **settings)
    config = AdaptConfig(**result.config["settings"])
    drawn = None if progress is None else lambda done, total: progress("drawing", done, total)
    save(result, out, video=video, body=load_body(config.body_file or config.body), progress=drawn)
    checkpoint.unlink(missing_ok=True)
    return folder, result
