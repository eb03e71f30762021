"""EgoBody (Zhang et al., ECCV 2022): people seen from a head-mounted camera, often cut off by the image.

``root`` is the folder of the release. Files used: ``data_splits.csv``, ``data_info_release.csv``, and for each recording
``egocentric_color/REC/DATE/PV/TIMESTAMP_frame_%05d.jpg``, ``DATE_pv.txt``, ``keypoints.npz``, ``valid_frame.npz`` beside it,
``smpl_interactee_SPLIT/REC/body_idx_I/results/frame_%05d/000.pkl`` and ``calibrations/REC/cal_trans/holo_to_kinect12.json``.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ..data.images import ImageFrames
from ..errors import SemttaError
from ..geometry import axis_angle_to_matrix
from ..io.arrays import read_array_pickle, read_npz
from ..types import BodyParams, Camera, GroundTruth, Video
from . import protocols
from .base import DatasetFiles, Finding, missing_dataset, register
from .checks import require_finite, require_keys
from .conversion import rotate_root, spin_boxes, to_keypoints

FPS = 30.0
#: Frames in which the interactee is visible, by split.
FRAMES = {"train": 90_124, "val": 23_332, "test": 62_155}
#: From the head-mounted camera's frame (y up, z backward) to this project's camera frame (y down, z forward).
FLIP = np.diag([1.0, -1.0, -1.0, 1.0])


@dataclass(frozen=True)
class Recording:
    """A row of ``data_info_release.csv``."""

    name: str
    body: int  # index of the interactee
    gender: str
    start: int  # first and last frame, inclusive
    stop: int


@dataclass(frozen=True)
class EgoBody(DatasetFiles):
    """One track per recording of the split: the interactee, whom the camera wearer looks at."""

    name: str = "egobody"

    def tracks(self) -> list[str]:
        """The recordings of the split whose images are unpacked, sorted."""
        return [name for name in self._recordings() if (self.root / "egocentric_color" / name).is_dir()]

    def load(self, track: str) -> Video:
        """The track: OpenPose's 25 keypoints, the release's boxes, SMPL parameters in the camera frame of each image.

        It has the frames from start_frame to end_frame that are valid according to ``valid_frame.npz`` and have a fit, in
        order. The joints come from the SMPL body of the annotated gender, which must be installed. Raises SemttaError for
        missing files, NaN, and a track without any evaluated frame.
        """
        recordings = self._recordings()
        if track not in recordings:
            raise SemttaError(f"egobody has no recording '{track}' in the split '{self.split}' of data_splits.csv.")
        recording = recordings[track]
        folder = self._folder(track)
        detected = _read_npz(folder / "keypoints.npz", ("imgname", "center", "scale", "keypoints"))
        valid = _read_npz(folder / "valid_frame.npz", ("imgname", "valid"))
        valid_frames = {frame_number(name) for name, flag in zip(valid["imgname"], valid["valid"], strict=True) if flag}
        fits = self.root / f"smpl_interactee_{self.split}" / track / f"body_idx_{recording.body}" / "results"
        rows = {}
        for row, name in enumerate(detected["imgname"]):
            number = frame_number(name)
            if number in rows:
                raise SemttaError(f"{folder / 'keypoints.npz'} has frame {number} twice.")
            has_fit = (fits / f"frame_{number:05d}" / "000.pkl").is_file()
            if number in valid_frames and recording.start <= number <= recording.stop and has_fit:
                rows[number] = row
        if not rows:
            raise SemttaError(f"{track}: no frame is evaluated ({self.protocol.frames}), or {fits} is not unpacked.")
        times = {number: timestamp(detected["imgname"][row]) for number, row in sorted(rows.items())}
        to_camera, camera = self._cameras(track, folder, times)
        kept, lost = list(to_camera), [number for number in times if number not in to_camera]
        order = [rows[number] for number in kept]
        names = [str(detected["imgname"][row]) for row in order]
        frames = ImageFrames.open([self.root / name for name in names])
        values = read_fits(fits, kept)
        truth = to_camera_frame(values, np.stack(list(to_camera.values())), f"smpl-{recording.gender}")
        require_finite(detected["keypoints"][order], f"{folder / 'keypoints.npz'}: keypoints", kept)
        return Video(
            name=track,
            frames=frames,
            num_frames=len(kept),
            fps=FPS,
            size=frames.size,
            keypoints=to_keypoints(detected["keypoints"][order], "body25", "OpenPose, as released with EgoBody"),
            boxes=spin_boxes(detected["center"][order], detected["scale"][order]),
            frame_index=torch.tensor(kept),
            ground_truth=replace(truth, camera=camera, protocol=self.protocol),
            source=str(folder),
            messages=(_lost(lost),) if lost else (),
        )

    def _cameras(self, track: str, folder: Path, times: Mapping[int, str]) -> tuple[dict[int, np.ndarray], Camera]:
        """By frame, the transform [4, 4] from the master Kinect to the camera; and the intrinsics of the first of these frames.

        Frames in which the head-mounted camera was not tracked (its pose is all zero or cannot be inverted) are not among them.
        """
        calibration = self.root / "calibrations" / track
        path = next((p for p in (calibration / "cal_trans", calibration) if (p / "holo_to_kinect12.json").is_file()), None)
        if path is None:
            raise SemttaError(f"{calibration} has no holo_to_kinect12.json: unpack calibrations.zip of EgoBody.")
        calibrated = np.array(json.loads((path / "holo_to_kinect12.json").read_text())["trans"], dtype=np.float64)
        if not _is_pose(calibrated):
            raise SemttaError(f"{path / 'holo_to_kinect12.json'} is no transform of 4 x 4 numbers that can be inverted.")
        kinect_to_holo = np.linalg.inv(calibrated)
        center, poses, focal = read_pv(next(iter(sorted(folder.glob("*_pv.txt"))), folder / "pv.txt"))
        missing = next((time for time in times.values() if time not in poses), None)
        if missing:
            raise SemttaError(f"{folder}: the camera of image {missing} is not in its _pv.txt: unpack it again.")
        tracked = {number: time for number, time in times.items() if _is_pose(poses[time])}
        if not tracked:
            raise SemttaError(f"{track}: the head-mounted camera was tracked in none of the {len(times)} frames ({folder}).")
        transforms = {number: FLIP @ np.linalg.inv(poses[time]) @ kinect_to_holo for number, time in tracked.items()}
        return transforms, Camera(focal[next(iter(tracked.values()))], center)

    def check(self) -> list[Finding]:
        """Recordings of the split, their images, their fits and their calibration."""
        recordings, advice = self._recordings(), "get it at https://egobody.inf.ethz.ch and unpack it here"
        counts: dict[str, int] = {}
        for what in ("egocentric_color", f"smpl_interactee_{self.split}", "calibrations"):
            counts[what] = sum((self.root / what / name).is_dir() for name in recordings)
        frames = 0
        for name in self.tracks():
            try:
                flags = _read_npz(self._folder(name) / "valid_frame.npz", ("imgname", "valid"))
                in_range = [recordings[name].start <= frame_number(image) <= recordings[name].stop for image in flags["imgname"]]
                frames += int((flags["valid"] & np.array(in_range, dtype=bool)).sum())
            except SemttaError:
                continue
        return [
            Finding(f"recordings of the split '{self.split}'", len(recordings), None, advice),
            *(Finding(f"{what}/RECORDING", count, len(recordings), advice) for what, count in counts.items()),
            Finding("valid frames, start_frame to end_frame", frames, FRAMES.get(self.split), advice),
        ]

    def _recordings(self) -> dict[str, Recording]:
        splits, info = self.root / "data_splits.csv", self.root / "data_info_release.csv"
        try:
            with splits.open(newline="") as file:
                names = {row[self.split].strip() for row in csv.DictReader(file) if row[self.split]}
            with info.open(newline="") as file:
                rows = [row for row in csv.DictReader(file) if row["recording_name"] in names]
            recordings = {}
            for row in rows:
                index, gender = row["body_idx_fpv"].split()
                name = row["recording_name"]
                recordings[name] = Recording(name, int(index), gender, int(row["start_frame"]), int(row["end_frame"]))
        except (OSError, KeyError, ValueError) as error:
            raise SemttaError(f"{splits} and {info} are not EgoBody's ({type(error).__name__}: {error}).") from error
        return dict(sorted(recordings.items()))

    def _folder(self, track: str) -> Path:
        folders = sorted(path for path in (self.root / "egocentric_color" / track).glob("202*") if path.is_dir())
        if not folders:
            raise SemttaError(f"{self.root / 'egocentric_color' / track} is not unpacked.")
        return folders[0]


def _is_pose(matrix: np.ndarray) -> bool:
    """Whether a transform can be inverted: finite, and no axis of it lost."""
    return matrix.shape == (4, 4) and bool(np.isfinite(matrix).all()) and abs(np.linalg.det(matrix[:3, :3])) > 1e-6


def _lost(frames: list[int]) -> str:
    shown = ", ".join(map(str, frames[:5])) + (" ..." if len(frames) > 5 else "")
    return f"Left out: {len(frames)} frames in which the head-mounted camera was not tracked ({shown})."


def read_fits(folder: Path, numbers: list[int]) -> dict[str, np.ndarray]:
    """SMPL's ``global_orient`` [T, 3], ``body_pose`` [T, 69], ``betas`` [T, 10], ``transl`` [T, 3] in the Kinect frame."""
    values: dict[str, list[np.ndarray]] = {"global_orient": [], "body_pose": [], "betas": [], "transl": []}
    for number in numbers:
        path = folder / f"frame_{number:05d}" / "000.pkl"
        fit = read_array_pickle(path)
        require_keys(fit, values, path)
        for key, rows in values.items():
            rows.append(np.asarray(fit[key], dtype=np.float64).ravel())
    stacked = {key: np.stack(rows) for key, rows in values.items()}
    for key, array in stacked.items():
        require_finite(array, f"{folder}: {key}", numbers)
    return stacked


def to_camera_frame(values: Mapping[str, np.ndarray], to_camera: np.ndarray, body: str) -> GroundTruth:
    """Fits in the master Kinect's frame, transformed by ``to_camera`` [T, 4, 4] into ground truth in the camera frame."""
    from ..body import load

    rotation, shift = torch.from_numpy(to_camera[:, :3, :3]).float(), torch.from_numpy(to_camera[:, :3, 3]).float()
    poses = torch.from_numpy(np.concatenate((values["global_orient"], values["body_pose"]), -1)).float()
    rotations = rotate_root(axis_angle_to_matrix(poses.unflatten(-1, (24, 3))), rotation)
    betas = torch.from_numpy(values["betas"][:, :10]).float()
    model = load(body)
    # SMPL rotates about its pelvis, which is not its origin: pelvis = rest + translation in both frames.
    rest = model.rest_joints(betas)[:, 0]
    pelvis = (rotation @ (rest + torch.from_numpy(values["transl"]).float())[..., None])[..., 0] + shift
    params = BodyParams(rotations, betas, pelvis - rest)
    return GroundTruth(model.joints(rotations, betas, params.translation), "smpl24", params, body=body)


def frame_number(name: str) -> int:
    """``.../132754997786014666_frame_01888.jpg`` -> 1888."""
    return int(Path(str(name)).stem.rsplit("_", 1)[-1])


def timestamp(name: str) -> str:
    """``.../132754997786014666_frame_01888.jpg`` -> ``132754997786014666``."""
    return Path(str(name)).name.split("_", 1)[0]


def read_pv(path: Path) -> tuple[tuple[float, float], dict[str, np.ndarray], dict[str, float]]:
    """The principal point in pixels; by timestamp, camera to world [4, 4] and the focal length in pixels."""
    try:
        first, *rows = path.read_text().splitlines()
        center = tuple(float(value) for value in first.strip("() ").split(",")[:2])
        poses, focal = {}, {}
        for row in rows:
            time, *numbers = row.split(",")
            poses[time] = np.array(numbers[2:18], dtype=np.float64).reshape(4, 4)
            focal[time] = float(numbers[0])
    except (OSError, ValueError) as error:
        raise SemttaError(
            f"{path} is not one of EgoBody's lists of cameras (_pv.txt) ({type(error).__name__}: {error})."
        ) from error
    return (center[0], center[1]), poses, focal


def _read_npz(path: Path, keys: tuple[str, ...]) -> dict[str, np.ndarray]:
    data = read_npz(path)
    require_keys(data, keys, path)
    return data


@register("egobody", needs=("protocol",))
def egobody(root: str | Path | None = None, split: str = "test", protocol: str | None = None) -> EgoBody:
    """EgoBody, from the user's copy."""
    if root is None or not (Path(root) / "data_splits.csv").is_file():
        raise missing_dataset("egobody", root, "https://egobody.inf.ethz.ch", "its own licence, non-commercial research")
    return EgoBody(Path(root), split, protocols.find("egobody", protocol, "egobody/h36m14"))
