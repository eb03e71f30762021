"""Videos to folders of results: what ``semtta adapt`` does, with its checkpoints; and the judgement of a dataset's."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..api import Progress, adapt, build_roles
from ..body import load as load_body
from ..data import load_video
from ..datasets import Dataset
from ..errors import SemttaError
from ..io.run_folder import FINISHED, clip_folder
from ..labelers import Labeler, VisionLanguageLabeler, labelers
from ..metrics import evaluate
from ..results import load, save
from ..settings.config import validate
from ..types import Result, Video
from .evaluate import Evaluation, _chosen

CHECKPOINT = "checkpoint.pt"


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
    **parts: Any,
) -> tuple[Path, Result]:
    """Adapt to a video file and write every file of a run to ``out/<its name>``; ``parts`` are roles that are ready made.

    With ``label`` the labeler is ``fixed``, without it ``retrieval``, unless ``settings`` name one. The state is kept
    after every epoch in ``checkpoint.pt`` until the results are written.
    """
    settings = dict(settings or {})
    preset = settings.pop("preset", preset)  # that of a run's config.yaml
    settings.setdefault("labeler", "fixed" if label else "retrieval")
    validate(settings)
    video = load_video(path, keypoints=keypoints, label=label, person=person)
    return adapt_video(video, Path(out), preset, settings, resume, progress, **parts)


def shared_labeler(settings: Mapping[str, Any]) -> dict[str, Labeler]:
    """The labeler for several videos, if it keeps an account: one budget holds for all of them."""
    made = labelers.create(str(settings["labeler"])) if "labeler" in settings else None
    return {"labeler": made} if isinstance(made, VisionLanguageLabeler) else {}


def adapt_video(
    video: Video,
    out: Path,
    preset: str = "paper",
    settings: Mapping[str, Any] | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    **parts: Any,
) -> tuple[Path, Result]:
    """Adapt to a video and write every file of a run to ``out/<its name>``; ``parts`` are roles that are ready made."""
    folder = run_folder(out, video.name, resume)
    if resume and (folder / FINISHED).exists() and not (folder / CHECKPOINT).exists():
        return folder, load(folder)
    checkpoint = folder / CHECKPOINT
    options = {**(settings or {}), **parts}
    try:
        result = adapt(video, preset=preset, progress=progress, checkpoint=checkpoint, resume=resume, **options)
    except SemttaError:
        with suppress(OSError):  # it is not empty if an epoch was finished
            folder.rmdir()
        raise
    drawn = None if progress is None else lambda done, total: progress("drawing", done, total)
    save(result, out, video=video, progress=drawn)
    checkpoint.unlink(missing_ok=True)
    return folder, result


def adapt_dataset(
    dataset: Dataset,
    out: Path,
    tracks: Sequence[str] = (),
    preset: str = "paper",
    settings: Mapping[str, Any] | None = None,
    resume: bool = False,
    progress: Callable[[str, int, int], Progress | None] | None = None,
) -> Evaluation:
    """Adapt to each track of a dataset (or to ``tracks``), write each run to ``out/<track>``, and ``out/evaluation.json``.

    The network, the prior and the bodies are loaded before the first track, so that a missing file stops nothing half-way.
    A track that cannot be read is skipped, and the evaluation says why. Without a labeler in ``settings``, tracks with
    labels use them (``oracle``), others ``retrieval``, or ``none`` if the prior has no dictionary. ``progress`` is called
    as (track, done, total) before each track, and returns what follows the steps within it. Raises SemttaError for an
    unknown track and if every track is skipped.
    """
    settings = dict(settings or {})
    preset = settings.pop("preset", preset)
    chosen = _chosen(dataset, tracks)
    for name in dataset.protocol.bodies:
        load_body(name).regressor(dataset.protocol.joint_set)
    roles, _ = build_roles(preset, settings)
    usual = "retrieval" if roles.prior.labels else "none"
    parts = shared_labeler(settings)
    before, after, skipped = {}, {}, {}
    for done, track in enumerate(chosen):
        steps = progress(track, done, len(chosen)) if progress else None
        try:
            video = dataset.load(track)
            options = {"labeler": "oracle" if video.labels else usual, **settings}
            _, result = adapt_video(video, out, preset, options, resume, steps, **parts)
            if video.ground_truth is not None:
                before[track] = evaluate(result, video.ground_truth, roles.body, unadapted=True)
                after[track] = evaluate(result, video.ground_truth, roles.body)
        except SemttaError as error:
            skipped[track] = str(error)
    evaluation = Evaluation(dataset.protocol, before, after, skipped)
    if len(skipped) == len(chosen):
        first = next(iter(skipped.values()))
        raise SemttaError(f"None of the {len(chosen)} tracks could be adapted; the first: {first}")
    evaluation.save(out / "evaluation.json")
    return evaluation
