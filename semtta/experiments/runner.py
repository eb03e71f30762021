"""One run of a study, its key, and the folder of results."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import filelock
import torch

from ..api import adapt, versions
from ..body import body_of
from ..build import Resolved, build_roles, resolve
from ..data import first_frames
from ..errors import SemttaError, first_line
from ..io.files import is_temporary, plain, remove_leftovers, write_text
from ..io.run_folder import clip_folder
from ..methods import Roles
from ..pipeline.identity import weights_digest
from ..pipeline.locate import locate
from ..settings import flatten
from ..types import EvaluationProtocol, Video
from ..version import __version__
from .machine import commit, hardware
from .measure import measure, measure_landmarks
from .study import Study, check_names, to_yaml

FORMAT = 1
RUNS, IDENTITY, STUDY, LOCK = "runs", "identity.json", "study.yaml", ".lock"
#: Settings that change where or how fast a run executes but not its result; the seed is in the record's name.
NOT_KEYED = ("device", "threads", "seed", "loop.micro_batch")

Record = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One adaptation of one clip."""

    study: Study
    row: str  # the first row that needs it
    track: str
    seed: int
    settings: Resolved
    key: str  # hash of everything that determines the numbers, except track and seed
    landmarks: bool = False  # the row is of the detector's landmarks alone

    @property
    def file(self) -> Path:
        """The path of its record, relative to the study's folder."""
        return clip_folder(RUNS, self.track) / f"{self.key}-seed{self.seed}.json"


@dataclass(frozen=True)
class Plan:
    """All runs of a study. Rows with equal settings share their runs."""

    study: Study
    tracks: tuple[str, ...]
    protocol: EvaluationProtocol
    settings: Mapping[str, Resolved]  # row -> settings
    keys: Mapping[str, str]  # row -> hash

    def job(self, row: str, track: str, seed: int) -> Job:
        resolved = self.settings[row]
        seeded = replace(resolved, config=resolved.config.changed({"seed": seed}))
        landmarks = next(item.landmarks for item in self.study.rows if item.name == row)
        return Job(self.study, row, track, seed, seeded, self.keys[row], landmarks)

    def jobs(self) -> list[Job]:
        """Each run once, clip by clip, so that an interrupted study has complete clips."""
        jobs: dict[Path, Job] = {}
        for seed in range(self.study.seeds):
            for track in self.tracks:
                for row in self.settings:
                    job = self.job(row, track, seed)
                    jobs.setdefault(job.file, job)
        return list(jobs.values())


def make_plan(study: Study, device: str | None = None) -> Plan:
    """Resolve the settings of every row, and hash them with the weights of the parts.

    Raises SemttaError for anything in the study that is unknown or not installed.
    """
    check_names(study)
    dataset = study.open()
    tracks = _tracks(study, list(dataset.tracks()))
    settings, keys = {}, {}
    for row in study.rows:
        if row.is_on(study.dataset or ""):
            found = resolve(study.preset_of(row), {**study.chosen(row), **({"device": device} if device else {})})
            settings[row.name] = found
            keys[row.name] = _key(study, dataset.protocol, found, build_roles(found.config), row.landmarks)
    return Plan(study, tuple(tracks), dataset.protocol, settings, keys)


def _tracks(study: Study, names: list[str]) -> list[str]:
    unknown = [name for name in study.tracks if name not in names]
    if unknown:
        raise SemttaError(f"Dataset '{study.dataset}' ({study.split}) has no clip '{unknown[0]}'. It has: {', '.join(names)}.")
    chosen = [name for name in names if name in study.tracks] if study.tracks else names
    if not chosen:
        raise SemttaError(f"Dataset '{study.dataset}' has no clips in the split '{study.split}'.")
    count = min(study.max_tracks or len(chosen), len(chosen))
    return [chosen[round(i * (len(chosen) - 1) / max(1, count - 1))] for i in range(count)]


def _key(study: Study, protocol: EvaluationProtocol, resolved: Resolved, roles: Roles, landmarks: bool = False) -> str:
    settings = {name: value for name, value in flatten(resolved.config.dump()).items() if name not in NOT_KEYED}
    settings["prior.sigma"] = roles.prior.threshold
    weights = {name: weights_digest(part) for name, part in vars(roles).items()}
    values = [FORMAT, __version__, study.dataset, study.split, study.frames, plain(asdict(protocol)), plain(settings), weights]
    values += ["landmarks"] if landmarks else []
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def run_job(job: Job, parallel: int = 1) -> Record:
    """Adapt a clip and measure the result; returns the record of the run or of its failure, without raising."""
    try:
        video = first_frames(job.study.open().load(job.track), job.study.frames)
        if job.landmarks:
            return _landmarks(job, video, parallel)
        torch.manual_seed(job.seed)
        result = adapt(video, resolved=job.settings)
        numbers = measure(result, video, body_of(result))
    except Exception as error:
        kind, text = type(error).__name__, first_line(error)
        return failed(job, text if isinstance(error, SemttaError) or text == kind else f"{kind}: {text}")
    done = {
        **numbers, "seconds": result.config["seconds"], "video_frames": len(result.joints), "parallel": parallel,
        "found_labels": [[x.start, x.stop, x.label] for x in result.labels], "messages": list(result.messages),
        "device": result.config["device"], "hardware": hardware(result.config["device"]),
    }  # fmt: skip
    return plain({**_head(job, "done"), **done})


def _landmarks(job: Job, video: Video, parallel: int) -> Record:
    """The record of a detector's landmarks alone: those that came with the keypoints, or BlazePose's."""
    config, start = job.settings.config, time.perf_counter()
    found = locate(video, config.changed({"evidence.landmarks": "always"}), box_scale=1.0, landmarks=True)
    spent = {"detecting": time.perf_counter() - start}
    return plain({
        **_head(job, "done"), **measure_landmarks(found), "seconds": spent, "video_frames": video.num_frames,
        "parallel": parallel, "found_labels": [], "messages": list(found.messages), "device": "cpu", "hardware": hardware("cpu"),
    })  # fmt: skip


def failed(job: Job, reason: str) -> Record:
    """The record of a failed run."""
    return plain({**_head(job, "failed"), "error": reason})


def _head(job: Job, status: str) -> Record:
    return {
        "format": FORMAT, "status": status, "row": job.row, "dataset": job.study.dataset, "split": job.study.split,
        "track": job.track, "seed": job.seed, "key": job.key, "settings": job.settings.config.dump(),
        "versions": versions(), "commit": commit(), "made": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
    }  # fmt: skip


@dataclass(frozen=True)
class StudyFolder:
    """The folder with the results of one study on one dataset, from one version."""

    path: Path

    def read(self, job: Job) -> Record | None:
        """The record of a run; None if there is none."""
        try:
            record = json.loads((self.path / job.file).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return record if isinstance(record, dict) and record.get("format") == FORMAT else None

    def write(self, job: Job, record: Record) -> None:
        """Write the record of a run, atomically."""
        self.write_file(job.file, json.dumps(record, indent=1, ensure_ascii=False) + "\n")

    def write_file(self, name: str | Path, text: str) -> None:
        """Write a text file in the folder, atomically; SemttaError if it cannot be written."""
        with writing(self.path):
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            write_text(self.path / name, text)


def missing(plan: Plan, folder: StudyFolder) -> list[Job]:
    """The runs that have not been made yet or have failed."""
    return [job for job in plan.jobs() if (folder.read(job) or {}).get("status") != "done"]


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError into a SemttaError that says that ``path`` cannot be written."""
    try:
        yield
    except OSError as error:
        raise SemttaError(f"Cannot write to {path} ({error.strerror or error}): give another folder with --out.") from error


@contextmanager
def opened(path: str | Path, study: Study) -> Iterator[StudyFolder]:
    """Open the folder of a study's results and lock it for this process.

    Raises SemttaError if another process has locked it, it cannot be written, or it holds something else: another study, dataset,
    split, protocol or clip length, or results from another version.
    """
    path = Path(path)
    identity = {
        "format": FORMAT, "semtta": __version__, "study": study.name, "dataset": study.dataset, "split": study.split,
        "protocol": study.protocol, "frames": study.frames, "quick": study.quick,
    }  # fmt: skip
    folder, lock = StudyFolder(path), filelock.FileLock(path / LOCK, timeout=0)
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
        _check_identity(path, identity)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise SemttaError(f"Another run is working on {path}: wait for it, or give another folder with --out.") from error
    for place in (path, *(item for item in path.rglob("*") if item.is_dir())):
        remove_leftovers(place)
    try:
        folder.write_file(IDENTITY, json.dumps(identity, indent=1) + "\n")
        folder.write_file(STUDY, to_yaml(study))
        yield folder
    finally:
        lock.release()


def _check_identity(path: Path, identity: Mapping[str, Any]) -> None:
    advice = "give another folder with --out"
    if not (path / IDENTITY).exists():
        if any(item.name != LOCK and not is_temporary(item.name) for item in path.iterdir()):
            raise SemttaError(f"{path} is not empty and holds no results of a study: {advice}.")
        return
    try:
        found = json.loads((path / IDENTITY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict):
        raise SemttaError(f"{path / IDENTITY} is damaged: {advice}.")
    for name, wanted in identity.items():
        if found.get(name) != wanted:
            raise SemttaError(f"{path} holds results of another {name} ({found.get(name)}, not {wanted}): {advice}.")
