"""Videos to folders of results: what ``semtta adapt`` does, with its checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..api import adapt
from ..body import load as load_body
from ..build import Resolved, build_labeler, build_roles, resolve
from ..data import load_video
from ..datasets import Dataset
from ..devices import choose_device
from ..errors import CannotWrite, SemttaError
from ..export import exporters
from ..io.files import replacing_files
from ..io.names import require_text
from ..io.run_folder import CHECKPOINT, FINISHED, clip_folder, locked, refuse_earlier_run, run_names, safe_name
from ..labelers import Labeler
from ..methods import Roles
from ..metrics import evaluate
from ..pipeline.checkpoint import another_run
from ..pipeline.identity import differences, run_identity
from ..results import AdaptResult, load, save
from ..types import Progress, Video
from .evaluate import Evaluation, chosen_tracks, reason_of

Settings = Mapping[str, Any] | Iterable[tuple[str, Mapping[str, Any]]]


def adapt_files(
    paths: Sequence[Path],
    out: Path,
    keypoints: Path | None = None,
    label: str | None = None,
    person: int = 0,
    preset: str | None = None,
    settings: Settings = (),
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
    done: Callable[[Path, AdaptResult], None] | None = None,
    camera: Mapping[str, Any] | None = None,
) -> list[tuple[Path, AdaptResult]]:
    """Adapt to video files, one after the other, and write every file of each run to ``out/<its name>``.

    Args:
        paths: the videos; two of one name are told apart by their parent folders.
        keypoints: of the one video; of several, a folder that holds a file or folder for each, by the video's stem.
        label, person: of all of them.
        preset, settings: see ``semtta.build.resolve``.
        resume: keep what is finished and go on with what is not, if it is of the same run.
        overwrite: replace what is there.
        done: called after each video.
        camera: ``focal_px``, ``fov_deg`` or ``camera`` of all of them, as ``load_video`` takes it.

    Raises:
        SemttaError: names, keypoints and settings are looked at before anything is run.
    """
    require_text(out, *paths, *filter(None, [keypoints]))
    names = run_names(paths, person)
    points = keypoints_of(paths, keypoints)
    if not (resume or overwrite):
        for name in names:
            refuse_earlier_run(out / name)
    resolved = resolve(preset, settings)
    choose_device(resolved.config.device)
    roles, labeler = build_roles(resolved.config), build_labeler(resolved.config)  # a budget holds for all of them
    finished = []
    for path, name, points_path in zip(paths, names, points, strict=True):
        video = load_video(path, keypoints=points_path, label=label, person=person, progress=progress, **(camera or {}))
        finished.append(adapt_video(video, out, resolved, resume, overwrite, progress, name, roles, labeler))
        if done is not None:
            done(*finished[-1])
    return finished


def keypoints_of(paths: Sequence[Path], keypoints: Path | None) -> list[Path | None]:
    """The keypoints of each video: of several videos those in a folder that have its name; SemttaError if one lacks any.

    The name is the video's stem, and of videos of one stem that of their run: ``morning-cam1``.
    """
    if keypoints is None or len(paths) == 1:
        return [keypoints] * len(paths)
    if not keypoints.is_dir():
        raise SemttaError(
            f"--keypoints {keypoints} cannot be of {len(paths)} videos: give a folder that holds a file (or folder) for each, "
            "named as the video."
        )
    found: list[Path | None] = []
    stems, videos = [path.stem for path in paths], {path.resolve() for path in paths}
    for path, run in zip(paths, run_names(paths), strict=True):
        name = path.stem if stems.count(path.stem) == 1 else run
        own = [item for item in sorted(keypoints.iterdir()) if name in (item.stem, item.name) and item.resolve() not in videos]
        if len(own) != 1:
            what = "nothing" if not own else f"{len(own)} entries"
            raise SemttaError(f"{keypoints} holds {what} named '{name}': one file or folder of keypoints is needed for {path}.")
        found.append(own[0])
    return found


def adapt_video(
    video: Video,
    out: Path,
    resolved: Resolved,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
    name: str | None = None,
    roles: Roles | None = None,
    labeler: Labeler | None = None,
) -> tuple[Path, AdaptResult]:
    """Adapt to a video and write every file of the run to ``out/<name>`` (by default its own).

    The state is kept after every epoch in ``checkpoint.pt`` until the results are written. Raises SemttaError if the folder
    holds a run and neither ``resume`` nor ``overwrite`` is set, or ``resume`` is and the run is of something else.
    """
    folder = clip_folder(out, video.name, video.person) if name is None else out / name
    roles = roles or build_roles(resolved.config)
    with locked(folder):
        checkpoint, finished = folder / CHECKPOINT, folder / FINISHED
        if overwrite:
            checkpoint.unlink(missing_ok=True)
        elif not resume:
            refuse_earlier_run(folder)
        if resume and not overwrite and finished.exists() and not checkpoint.exists():
            return folder, same_result(folder, video, resolved, roles)
        given = {role: part for role, part in {**vars(roles), "labeler": labeler}.items() if part is not None}
        try:
            result = adapt(video, **given, resolved=resolved, progress=progress, checkpoint=checkpoint, resume=resume)
            with replacing_files(folder) as files:  # all of them at once: a folder never holds files of two runs
                save(result, folder, video=video, body=roles.body, progress=progress, name=files.name)
                written = {path.name for path in files.iterdir()}
        except CannotWrite as error:
            kept = "; the same command with --resume then goes on" if checkpoint.exists() else ""
            raise error.advising(f"Make room there or give another folder with --out{kept}.") from error
        for name in views_of(result) - written:
            (folder / name).unlink(missing_ok=True)
        checkpoint.unlink(missing_ok=True)
    return folder, result


def views_of(result: AdaptResult) -> set[str]:
    """Names of the files that are made of a run later, in its folder: the viewer and the exports. They go with their run."""
    return {"viewer.html", *(f"{safe_name(result.name)}.{suffix}" for suffix in exporters.names())}


def same_result(folder: Path, video: Video, resolved: Resolved, roles: Roles) -> AdaptResult:
    """The finished run in a folder, if it is what is asked for; SemttaError that names the difference otherwise."""
    result = load(folder)
    found = result.config.get("identity")
    wanted = run_identity(video, resolved.config, roles)
    other = differences(wanted, found if isinstance(found, dict) else {})
    if other:
        raise another_run(folder, other)
    return replace(result, messages=(*result.messages, f"{folder} was finished before: kept as it is."))


def adapt_dataset(
    dataset: Dataset,
    out: Path,
    tracks: Sequence[str] = (),
    preset: str | None = None,
    settings: Settings = (),
    resume: bool = False,
    overwrite: bool = False,
    progress: Callable[[str, int, int], Progress | None] | None = None,
) -> Evaluation:
    """Adapt to each track of a dataset (or to ``tracks``), write each run to ``out/<track>``, and ``out/evaluation.json``.

    The network, the prior and the bodies are loaded before the first track, so that a missing file stops nothing half-way.
    A track that cannot be read or run is skipped, and the evaluation says why. ``progress`` is called as (track, done, total)
    before each track, and returns what follows the steps within it. Raises SemttaError for an unknown track and if every track
    is skipped.
    """
    chosen = chosen_tracks(dataset, tracks)
    for name in dataset.protocol.bodies:
        load_body(name).regressor(dataset.protocol.joint_set)
    resolved = resolve(preset, settings)
    choose_device(resolved.config.device)
    roles, labeler = build_roles(resolved.config), build_labeler(resolved.config)
    before, after, skipped = {}, {}, {}
    for done, track in enumerate(chosen):
        steps = progress(track, done, len(chosen)) if progress else None
        try:
            video = dataset.load(track)
            _, result = adapt_video(video, out, resolved, resume, overwrite, steps, None, roles, labeler)
            if video.ground_truth is not None:
                before[track] = evaluate(result, video.ground_truth, roles.body, unadapted=True)
                after[track] = evaluate(result, video.ground_truth, roles.body)
        except Exception as error:  # of one reader or one track; the others are worth running
            skipped[track] = reason_of(error)
    evaluation = Evaluation(dataset.protocol, before, after, skipped)
    if len(skipped) == len(chosen):
        first = next(iter(skipped.values()))
        raise SemttaError(f"None of the {len(chosen)} tracks could be adapted; the first: {first}")
    evaluation.save(out / "evaluation.json")
    return evaluation
