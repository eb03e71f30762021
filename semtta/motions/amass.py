"""AMASS's motions (Mahmood et al., ICCV 2019) at 30 frames per second, with BABEL's labels (Punnakkal et al., CVPR 2021).

They are packed once (``pack``) and then used like any other motions. AMASS is a folder of ``DATASET/SUBJECT/NAME_poses.npz``, or
of ``DATASET/DATASET/SUBJECT/...`` as BABEL's ``feat_p`` has it, of SMPL-H (``poses`` [N, 156], ``trans`` [N, 3],
``mocap_framerate``), or ``NAME_stageii.npz`` of SMPL-X (``poses`` [N, 165], ``mocap_frame_rate``). BABEL is ``train.json`` and
``val.json``: of each sequence ``feat_p`` (the file in AMASS), ``dur`` in seconds, ``frame_ann`` and ``seq_ann`` with ``labels``
of ``raw_label``, ``start_t``, ``end_t``. AMASS's world has z up; all motions of this project have y up.
"""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import SemttaError
from ..geometry import axis_angle_to_matrix, matrix_to_axis_angle, resample_rotations
from ..geometry.timing import MAX_FPS, MAX_FRAMES
from ..io.arrays import read_npz
from ..io.files import reading
from .mocap import FPS, MotionClip, save_file

log = logging.getLogger(__name__)

#: AMASS's own split by subset, which MotionCLIP follows; subsets named in neither are for training.
SPLITS = {
    "val": ("humaneva", "hdm05", "sfu", "mosh"),
    "test": ("transitions", "ssm"),
}
#: Names of datasets in the SMPL-H release and in BABEL -> in the SMPL-X release, without capitals and underscores.
RELEASES = {
    "mpihdm05": "hdm05", "mpimosh": "mosh", "ssmsynced": "ssm", "transitionsmocap": "transitions", "mpilimits": "poseprior",
    "tcdhandmocap": "tcdhands", "dfaust67": "dfaust", "biomotionlabntroje": "bmlrub",
}  # fmt: skip
#: SMPL's 24 joints among SMPL-H's 52 and SMPL-X's 55: the body, and the first joint of each index finger for the hand.
SMPLH = (*range(22), 22, 37)
SMPLX = (*range(22), 25, 40)
#: MotionCLIP cuts sequences into pieces of this length, and draws a window from each.
PIECE, WINDOW = 100, 60
#: AMASS's world (z up) -> y up.
Z_TO_Y = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])


@dataclass(frozen=True)
class Sequence:
    """One sequence at 30 frames per second, world y up."""

    name: str  # its file in AMASS
    axis_angle: np.ndarray  # [T, 72] float32 radians
    trans: np.ndarray  # [T, 3] metres
    labels: np.ndarray  # [T] raw labels, "" where BABEL has none

    def __len__(self) -> int:
        return len(self.labels)


def window_label(raw_labels: np.ndarray) -> str:
    """MotionCLIP's label of a window: ``" and ".join(np.unique(raw_labels))``; frames without a label do not count."""
    names = np.unique(raw_labels)
    return " and ".join(names[names != ""].tolist())


def draw_windows(sequence: Sequence, seed: int = 0, piece: int = PIECE, window: int = WINDOW) -> list[MotionClip]:
    """One labelled window from every piece of a sequence, as MotionCLIP draws them.

    The offset within the piece is random, seeded by ``seed`` and the sequence's name, so the labels depend on the seed but
    not on which other sequences there are. A shorter last piece gives a window if it is long enough for one; windows without
    any label are dropped.
    """
    random = np.random.default_rng((seed, zlib.crc32(sequence.name.encode())))
    clips = []
    for start in range(0, len(sequence), piece):
        slack = min(piece, len(sequence) - start) - window
        if slack < 0:
            continue
        first = start + int(random.integers(slack + 1))
        frames = slice(first, first + window)
        label = window_label(sequence.labels[frames])
        if label:
            names = (f"{sequence.name}#{first}", "amass", label, "", f"a person is {label}")
            clips.append(MotionClip(*names, sequence.axis_angle[frames], sequence.trans[frames]))
    return clips


def pack(amass: str | Path, babel: str | Path, out: str | Path, seed: int = 0, draws: int = 1) -> dict[str, int]:
    """Write the labelled windows of AMASS as ``amass_train.npz``, ``amass_val.npz`` and ``amass_test.npz``: packed motions.

    ``draws`` windows are drawn from each piece (seeds ``seed``, ``seed + 1`` ...). Files that cannot be read are skipped with
    a warning, and what of AMASS and BABEL does not meet is counted in one. Returns the number of windows of each split; raises
    SemttaError if there is none to train on.
    """
    annotations, counts = read_babel(babel), {}
    for line in unmatched(amass, annotations):
        log.warning(line)
    for split in ("train", "val", "test"):
        clips = []
        for sequence in read_sequences(amass, annotations, split):
            for draw in range(draws):
                clips += draw_windows(sequence, seed + draw)
        if not clips and split == "train":
            raise SemttaError(f"No labelled motion: {amass} has no DATASET/SUBJECT/*_poses.npz with labels in {babel}.")
        if clips:
            save_file(Path(out) / f"amass_{split}.npz", clips, "AMASS and BABEL: their own licences, non-commercial research")
        counts[split] = len(clips)
    return counts


def read_sequences(amass: str | Path, annotations: Mapping[str, Mapping[str, Any]], split: str) -> Iterator[Sequence]:
    """The sequences of a split that have an annotation and can be read, sorted by name."""
    for path, name in motion_files(amass):
        annotation = annotations.get(_key(name))
        if split_of(name) != split or annotation is None:
            continue
        try:
            yield read_sequence(path, name, annotation)
        except SemttaError as error:
            log.warning("Skipped: %s", error)


def motion_files(amass: str | Path) -> list[tuple[Path, str]]:
    """The files of AMASS, sorted, each with its name: ``DATASET/SUBJECT/NAME_poses.npz``, in either layout."""
    root = Path(amass)
    patterns = [f"{folders}/*_{ending}.npz" for folders in ("*/*", "*/*/*") for ending in ("poses", "stageii")]
    return [(path, "/".join(path.parts[-3:])) for path in sorted(p for pattern in patterns for p in root.glob(pattern))]


def unmatched(amass: str | Path, annotations: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What of AMASS and BABEL does not meet, in words: files that no annotation is of, and annotations without a file."""
    files = {_key(name): name for _, name in motion_files(amass)}
    missing = {str(item["feat_p"]) for key, item in annotations.items() if key not in files}
    lines = []
    if unlabelled := sorted(name for key, name in files.items() if key not in annotations):
        lines.append(f"{len(unlabelled)} of {len(files)} files of AMASS have no annotation in BABEL, such as {unlabelled[0]}.")
    if missing:
        count = len({str(item["feat_p"]) for item in annotations.values()})
        lines.append(f"{len(missing)} of {count} annotations of BABEL have no file in {amass}, such as {min(missing)}.")
    return lines


def split_of(name: str) -> str:
    """The split that an AMASS file belongs to."""
    return next((split for split, sets in SPLITS.items() if _dataset(name.split("/")[0]) in sets), "train")


def _dataset(name: str) -> str:
    """What a dataset is called whatever the release."""
    plain = name.lower().replace("_", "")
    return RELEASES.get(plain, plain)


def read_babel(folder: str | Path) -> dict[str, Mapping[str, Any]]:
    """BABEL's annotation of each AMASS file, from ``train.json`` and ``val.json``; raises SemttaError if they are missing."""
    annotations: dict[str, Mapping[str, Any]] = {}
    for name in ("train.json", "val.json"):
        path = Path(folder) / name
        absent = (
            f"No {path}: get BABEL at https://babel.is.tue.mpg.de (its own licence, non-commercial research) and give the folder "
            "with train.json and val.json as --babel."
        )
        with reading(path, "a BABEL annotation", missing=absent):
            for item in json.loads(path.read_text(encoding="utf-8")).values():
                # the dataset twice: BMLrub/BioMotionLab_NTroje/rub001/0000_treadmill_norm_poses.npz
                _, dataset, file = item["feat_p"].split("/", 2)
                annotations[_key(f"{dataset}/{file}")] = item
    return annotations


def _key(name: str) -> str:
    """A file's name without what differs between AMASS's releases."""
    dataset, _, file = name.partition("/")
    file = file.removesuffix(".npz").removesuffix("_poses").removesuffix("_stageii").replace(" ", "_")
    return f"{_dataset(dataset)}/{file}"


def read_sequence(path: Path, name: str, annotation: Mapping[str, Any]) -> Sequence:
    """An AMASS file at 30 frames per second; raises SemttaError for a file of another kind, or with NaN."""
    with reading(path, "an AMASS motion, or is damaged"):
        data = read_npz(path)
        poses, trans = data["poses"].astype(np.float32), data["trans"].astype(np.float32)
        rate = float(data["mocap_framerate" if "mocap_framerate" in data else "mocap_frame_rate"])
    joints = {156: SMPLH, 165: SMPLX, 72: tuple(range(24))}.get(poses.shape[-1] if poses.ndim else 0)
    possible = 0 < len(poses) * FPS <= MAX_FRAMES * rate and rate <= MAX_FPS if poses.ndim == 2 else False
    if joints is None or not possible or trans.shape != (len(poses), 3):
        shape = f"poses are {poses.shape}, translations {trans.shape} at {rate:g} per second"
        raise SemttaError(f"{path}: {shape}: expected [N, 156] (SMPL-H) or [N, 165] (SMPL-X), and [N, 3].")
    if not (np.isfinite(poses).all() and np.isfinite(trans).all()):
        raise SemttaError(f"{path}: motion with NaN or infinite values.")
    rotations = axis_angle_to_matrix(torch.from_numpy(poses).unflatten(-1, (-1, 3))[:, list(joints)])
    rotations[:, 0] = Z_TO_Y @ rotations[:, 0]
    rotations = resample_rotations(rotations, rate, FPS)
    times = np.linspace(0, len(poses) - 1, len(rotations))
    with reading(f"BABEL's annotation of {name}", "whole"):
        labels = babel_frame_labels(annotation, len(poses))
    translations = np.stack([np.interp(times, np.arange(len(poses)), column) for column in (trans @ Z_TO_Y.numpy().T).T], -1)
    return Sequence(
        name,
        matrix_to_axis_angle(rotations).flatten(1).numpy(),
        translations.astype(np.float32),
        labels[times.round().astype(int)],
    )


def babel_frame_labels(annotation: Mapping[str, Any], frames: int) -> np.ndarray:
    """BABEL's raw label of each frame [N]: its frame labels, the later ones first; else the sequence labels, joined."""
    labels = np.full(frames, "", dtype=object)
    if annotation.get("frame_ann"):
        rate = frames / float(annotation["dur"])
        for item in annotation["frame_ann"]["labels"]:
            labels[round(float(item["start_t"]) * rate) : round(float(item["end_t"]) * rate)] = item["raw_label"].strip()
    elif annotation.get("seq_ann"):
        labels[:] = " and ".join(item["raw_label"].strip() for item in annotation["seq_ann"]["labels"])
    return labels
