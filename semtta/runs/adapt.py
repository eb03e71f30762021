"""Videos to folders of results: what ``semtta adapt`` does, with its checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..body import load as load_body
from ..build import Resolved, build_labeler, build_roles, resolve
from ..datasets import Dataset
from ..devices import choose_device
from ..errors import SemttaError
from ..io.names import require_text
from ..io.run_folder import DETECTIONS, locked, refuse_earlier_run, run_names, safe_name
from ..labelers import Labeler
from ..methods import Roles
from ..metrics import evaluate
from ..results import AdaptResult
from ..types import Progress, Video
from .evaluate import Evaluation, chosen_tracks, reason_of
from .people import Who, check_seconds, read_people, read_who
from .together import adapt_together

Settings = Mapping[str, Any] | Iterable[tuple[str, Mapping[str, Any]]]
Finished = list[tuple[Path, AdaptResult]]


def adapt_files(
    paths: Sequence[Path],
    out: Path,
    keypoints: Path | None = None,
    label: str | None = None,
    person: Who | str = None,
    preset: str | None = None,
    settings: Settings = (),
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
    done: Callable[[Path, Finished], None] | None = None,
    start: float | None = None,
    end: float | None = None,
) -> Finished:
    """Adapt to the people of video files, one file after the other, and write every file of each run to ``out/<its name>``.

    Args:
        paths: the videos; two of one name are told apart by their parent folders.
        keypoints: of the one video; of several, a folder that holds a file or folder for each, by the video's stem.
        label: what everybody in them does.
        person: whom in each of them: a number, a ``Click``, None for everybody, or the text of ``--person``.
        preset, settings: see ``semtta.build.resolve``.
        resume: keep what is finished and go on with what is not, if it is of the same run.
        overwrite: replace what is there.
        done: called after each video with its folder, and the folder and result of each of its people.
        start, end: seconds of the part of each video that is looked at.

    Returns:
        The folder and result of each person in each video.

    Raises:
        SemttaError: names, keypoints, times and settings are looked at before anything is run.
    """
    require_text(out, *paths, *filter(None, [keypoints]))
    who = read_who(person) if isinstance(person, str) else person
    check_seconds(start, end)
    names = run_names(paths)
    points = keypoints_of(paths, keypoints)
    if not (resume or overwrite):
        for name in names:
            refuse_earlier_run(out / name, (who,) if isinstance(who, int) else None)
    resolved = resolve(preset, settings)
    choose_device(resolved.config.device)
    roles, labeler = build_roles(resolved.config), build_labeler(resolved.config)  # a budget holds for all of them
    finished: Finished = []
    for path, name, points_path in zip(paths, names, points, strict=True):
        clip = out / name
        with locked(clip):
            seen = read_people(path, resolved.config, who, points_path, label, start, end, progress, kept=clip / DETECTIONS)
            found = adapt_together(seen.people, clip, resolved, resume, overwrite, progress, roles, labeler, seen.video)
            if points_path is not None:
                (clip / DETECTIONS).unlink(missing_ok=True)
        if done is not None:
            done(clip, found)
        finished += found
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
    """Adapt to one person and write every file of the run to ``out/<name>`` (by default the video's); see ``adapt_together``."""
    clip = out / safe_name(name or video.name)
    with locked(clip):
        return adapt_together([video], clip, resolved, resume, overwrite, progress, roles, labeler)[0]


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
