"""One motion filmed by several calibrated cameras: the files of each view, and the people in it with their joints in 3D."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from ..constants import BODY25, LIMBS12, joint_set, shared_joints
from ..data.calibration import View, read_calibration
from ..data.frames import VideoFile
from ..detectors import detect_people, detectors, read_people
from ..errors import SemttaError
from ..io.files import reading, write_npz
from ..types import Keypoints2D, Landmarks3D
from .folder import VIDEOS
from .multiview_people import gathered, match_people, nearest_people
from .multiview_triangulation import biases, filled, low_passed, triangulate, without_jumps

#: Gaps of a joint of at most this many seconds are bridged.
MAX_GAP_S = 0.2
#: Cut-off of the low-pass filter, Hz: what is common for people who walk and exercise.
CUTOFF_HZ = 6.0
#: People seen in a smaller part of the frames, or of the views, do not count (passers-by, false detections).
FEWEST_FRAMES, FEWEST_VIEWS = 0.3, 2
#: A camera whose points are this far off in the median (metres at the joints) is reported.
BIASED = 0.05
#: Videos may differ in length by this fraction; the shortest counts.
LENGTHS = 0.02
KEYPOINTS = ("{}_keypoints.npz", "{}_keypoints.json", "{}_keypoints.zip", "{}_keypoints", "{}.npz", "{}.json", "{}_json", "{}")
VIDEO_FOLDERS, KEYPOINT_FOLDERS = ("", "videos"), ("", "pose", "keypoints", "videos")
TRUTH = "truth.npz"
_LIMBS = [BODY25.index(name) for name in LIMBS12]


@dataclass(frozen=True)
class Files:
    """The files of one view."""

    view: View
    video: Path | None
    keypoints: Path | None


@dataclass(frozen=True)
class Recording:
    """What is known of a recording of P people."""

    views: tuple[Files, ...]
    videos: tuple[VideoFile | None, ...]
    fps: float
    joints: np.ndarray  # [P, T, 25, 3] BODY_25 in the world, metres; NaN where not known
    keypoints: tuple[tuple[Keypoints2D, ...], ...]  # per view, per person: [T, J] pixels, with landmarks if the file has any
    messages: tuple[str, ...] = ()  # what the user should know

    @property
    def valid(self) -> np.ndarray:
        """Frames [P, T] in which all twelve limb joints are known."""
        return np.isfinite(self.joints[:, :, _LIMBS]).all((-1, -2))


def calibration_file(root: Path) -> Path | None:
    """``Calib*.toml`` in the folder or its subfolder ``calib*``, else ``*.qca.txt``; SemttaError for several of a kind."""
    folders = [root, *sorted(p for p in root.glob("[Cc]alib*") if p.is_dir())]
    for pattern in ("[Cc]alib*.toml", "*.qca.txt"):
        for folder in folders:
            found = sorted(folder.glob(pattern))
            if len(found) > 1:
                names = ", ".join(path.name for path in found)
                raise SemttaError(f"{folder} has several calibrations ({names}): leave one of them there.")
            if found:
                return found[0]
    return None


def find_files(root: Path) -> list[Files]:
    """The views of a recording with their files; SemttaError if no video and no keypoints can be told to be a camera's."""
    calibration = calibration_file(root)
    assert calibration is not None
    views = read_calibration(calibration)
    videos = [p for name in VIDEO_FOLDERS for p in sorted((root / name).glob("*")) if p.suffix.lower() in VIDEOS]
    names = [view.name for view in views]
    of_view = _assigned(names, [path.stem for path in videos])
    files = []
    for index, view in enumerate(views):
        video = None if of_view[index] is None else videos[int(of_view[index] or 0)]
        stems = [view.name] if video is None else [video.stem, view.name]
        places = (root / folder / name.format(stem) for folder in KEYPOINT_FOLDERS for stem in stems for name in KEYPOINTS)
        keypoints = next((p for p in places if p.is_file() or (p.is_dir() and any(p.glob("*.json")))), None)
        files.append(Files(view, video, keypoints))
    if not any(item.video or item.keypoints for item in files):
        raise SemttaError(f"{root} has no video of the cameras {', '.join(names)}: name the videos like the cameras (cam01.mp4).")
    return files


def _assigned(cameras: Sequence[str], stems: Sequence[str]) -> list[int | None]:
    """The video of each camera: of the same name up to case, signs and leading zeros, else the only one whose name holds the
    camera's; if no name fits and there are as many of both, in order."""
    plain_stems = [_plain(stem) for stem in stems]
    chosen: list[int | None] = []
    for camera in map(_plain, cameras):
        same = [i for i, stem in enumerate(plain_stems) if stem == camera]
        same = same or [i for i, stem in enumerate(plain_stems) if camera in stem]
        chosen.append(same[0] if len(same) == 1 else None)
    return list(range(len(stems))) if not any(c is not None for c in chosen) and len(stems) == len(cameras) else chosen


def _plain(name: str) -> str:
    return re.sub(r"0+(?=\d)", "", re.sub(r"[^a-z0-9]", "", name.lower()))


def read_recording(root: Path) -> Recording:
    """The people of a recording, matched across views and triangulated; kept while the files do not change.

    In views without keypoints BlazePose finds the people, and their keypoints are kept beside the video. A ``truth.npz`` in the
    folder (``joints`` [P, T, J, 3] metres in the world of the calibration, ``joint_names`` [J]) replaces the triangulation.

    Raises:
        SemttaError: a file is damaged, the videos are not of the same length, or nobody is seen by two cameras.
    """
    files = find_files(root)
    paths = [calibration_file(root), root / TRUTH, *(p for item in files for p in (item.video, item.keypoints))]
    stamps = tuple((str(p), p.stat().st_mtime_ns) for p in paths if p is not None and p.exists())
    return _read(root, stamps)


@lru_cache(maxsize=2)
def _read(root: Path, _stamps: tuple[tuple[str, int], ...]) -> Recording:
    files = find_files(root)
    videos = [None if item.video is None else VideoFile.open(item.video) for item in files]
    for item, video in zip(files, videos, strict=True):
        if video is not None and video.size != item.view.size:
            raise SemttaError(f"{video.path.name} has {video.size[0]} x {video.size[1]} pixels, its camera in the calibration "
                              f"{item.view.size[0]} x {item.view.size[1]}: calibrate at the videos' size.")  # fmt: skip
    lengths = [video.num_frames for video in videos if video is not None]
    if not lengths:
        raise SemttaError(f"{root} has keypoints but no videos: put at least one camera's video there.")
    count, fps = min(lengths), next(video.fps for video in videos if video is not None)
    if max(lengths) > (1 + LENGTHS) * count + 1:
        raise SemttaError(
            f"The videos in {root} have {count} to {max(lengths)} frames: cut them so that they start and end together."
        )

    people = [_people(item, video, count) for item, video in zip(files, videos, strict=True)]
    raw = [_poses(item.view, one, count) for item, one in zip(files, people, strict=True)]
    projections = np.stack([item.view.projection for item in files])
    limbs = [poses[:, :, _LIMBS] for poses in raw]
    given = _given_truth(root / TRUTH, count)
    if given is not None:
        chosen = [nearest_people(projections, limbs, joints[:, _LIMBS]) for joints in given]
        joints = given
    else:
        chosen = [c for c in match_people(projections, limbs) if _counts(c)]
        if not chosen:
            raise SemttaError(f"Nobody in {root} is seen by two cameras: check that calibration and videos belong together.")
        joints = np.stack([_joints(projections, gathered(raw, c), fps) for c in chosen])
    keypoints = tuple(
        tuple(_person(item, one, c[index]) for c in chosen) for index, (item, one) in enumerate(zip(files, people, strict=True))
    )
    return Recording(tuple(files), tuple(videos), fps, joints, keypoints, _calibration_notes(files, projections, raw, chosen))


def _calibration_notes(
    files: Sequence[Files], projections: np.ndarray, raw: Sequence[np.ndarray], chosen: Sequence[np.ndarray]
) -> tuple[str, ...]:
    """A message if one camera sees everything beside where the others do; with fewer than four it cannot be told which."""
    if len(files) < 4:
        return ()
    pose = np.concatenate([gathered(raw, c)[:, :, _LIMBS] for c in chosen], 1)
    off = biases(projections, pose[..., :2], pose[..., 2])
    worst = int(np.linalg.norm(off, axis=-1).argmax())
    x, y = off[worst]
    if np.hypot(x, y) < BIASED:
        return ()
    return (
        f"{files[worst].view.name} sees the joints {abs(x) * 100:.0f} cm to the {'right' if x > 0 else 'left'} and "
        f"{abs(y) * 100:.0f} cm {'below' if y > 0 else 'above'} where the other cameras put them: "
        "check its calibration, and that its video starts with theirs.",
    )


def _counts(chosen: np.ndarray) -> bool:
    return bool(((chosen >= 0).sum(0) >= FEWEST_VIEWS).mean() >= FEWEST_FRAMES)


def _people(item: Files, video: VideoFile | None, count: int) -> list[Keypoints2D]:
    """Everyone in a view, at least ``count`` frames each; an empty list if it has neither keypoints nor people."""
    if item.keypoints is None and video is None:
        return []
    if item.keypoints is None:
        assert video is not None
        people = detect_people(detectors.create("blazepose"), video, video.num_frames, video.size, "blazepose")
        write_keypoints(video.path.with_name(f"{video.path.stem}_keypoints.npz"), people, video.size)
        return [one[:count] for one in people]
    frames = count if video is None else video.num_frames
    return [one[:count] for one in read_people(item.keypoints, frames, item.view.size, may_be_longer=video is None)]


def write_keypoints(path: Path, people: Sequence[Keypoints2D], size: tuple[int, int]) -> None:
    """People of one view as npz: ``keypoints`` [T, P, J, 3], ``joint_set``, ``width``, ``height``; and if they have landmarks
    ``landmarks_xyz`` [T, P, L, 3] metres, ``landmarks_confidence`` [T, P, L], ``landmarks_joint_set``."""
    arrays = {"keypoints": torch.stack([torch.cat((one.xy, one.confidence[..., None]), -1) for one in people], 1).numpy()}
    found = [one.landmarks for one in people if one.landmarks is not None]
    if len(found) == len(people):
        arrays |= {
            "landmarks_xyz": torch.stack([one.xyz for one in found], 1).numpy(),
            "landmarks_confidence": torch.stack([one.confidence for one in found], 1).numpy(),
            "landmarks_joint_set": np.array(found[0].joint_set),
        }
    write_npz(path, **arrays, joint_set=people[0].joint_set, width=size[0], height=size[1])


def _poses(view: View, people: Sequence[Keypoints2D], count: int) -> np.ndarray:
    """BODY_25 joints [P, T, 25, 3] of a view's people: normalised coordinates without distortion, confidence (0: lacking)."""
    out = []
    for one in people:
        source, target = shared_joints(one.joint_set, "body25")
        pose = np.zeros((len(one), len(BODY25), 3))
        pose[:, target, :2] = view.normalised(one.xy[:, source].double().numpy())
        pose[:, target, 2] = one.confidence[:, source].numpy()
        out.append(pose)
    return np.stack(out) if out else np.zeros((0, count, len(BODY25), 3))


def _joints(projections: np.ndarray, pose: np.ndarray, fps: float) -> np.ndarray:
    """BODY_25 joints [T, 25, 3] in the world from a person's points [V, T, 25, 3]."""
    found = triangulate(projections, pose[..., :2], pose[..., 2]).points
    joints = low_passed(filled(without_jumps(found, fps), round(MAX_GAP_S * fps)), fps, CUTOFF_HZ)
    return _with_midpoints(joints)


def _with_midpoints(joints: np.ndarray) -> np.ndarray:
    """BODY_25 joints [..., 25, 3] with a neck and pelvis from the shoulders and hips where there is none."""
    out = joints.copy()
    for name, sides in (("Neck", ("L_Shoulder", "R_Shoulder")), ("Pelvis", ("L_Hip", "R_Hip"))):
        index, middle = BODY25.index(name), out[..., [BODY25.index(side) for side in sides], :].mean(-2)
        out[..., index, :] = np.where(np.isfinite(out[..., index, :]), out[..., index, :], middle)
    return out


def _given_truth(path: Path, count: int) -> np.ndarray | None:
    """Joints [P, T, 25, 3] of ``truth.npz``; None if there is no such file."""
    if not path.is_file():
        return None
    with reading(path, "a truth", then=": give joints [P, T, J, 3] in metres and joint_names [J]"):
        with np.load(path, allow_pickle=False) as data:
            joints, names = np.asarray(data["joints"], dtype=np.float64), [str(name) for name in data["joint_names"]]
        if joints.ndim != 4 or joints.shape[2:] != (len(names), 3) or not joints.size:
            raise ValueError(f"joints are {list(joints.shape)}, with {len(names)} names")
        if missing := [name for name in LIMBS12 if name not in names]:
            raise ValueError(f"it lacks {', '.join(missing)}")
        if joints.shape[1] < count:
            raise ValueError(f"it has {joints.shape[1]} frames, the videos {count}")
    out = np.full((len(joints), count, len(BODY25), 3), np.nan)
    for index, name in enumerate(names):
        if name in BODY25:
            out[:, :, BODY25.index(name)] = joints[:, :count, index]
    return _with_midpoints(out)


def _person(item: Files, people: Sequence[Keypoints2D], chosen: np.ndarray) -> Keypoints2D:
    """One person's keypoints [T, J] in a view: in each frame those of ``chosen`` [T], -1: not seen; with landmarks if any."""
    if not people:
        zeros = torch.zeros(len(chosen), len(BODY25))
        return Keypoints2D(zeros[..., None].expand(-1, -1, 2), zeros, "body25")
    number, rows = torch.from_numpy(chosen).clamp(min=0), torch.arange(len(chosen))
    xy, confidence = (torch.stack(values)[number, rows] for values in ([p.xy for p in people], [p.confidence for p in people]))
    points = replace(people[0], xy=xy, confidence=confidence * torch.from_numpy(chosen >= 0)[:, None], landmarks=None)
    if all(one.landmarks is not None for one in people):
        found = [one.landmarks for one in people if one.landmarks is not None]
        xyz, sure = (torch.stack(v)[number, rows] for v in ([m.xyz for m in found], [m.confidence for m in found]))
        sure = sure * torch.from_numpy(chosen >= 0)[:, None]
        return replace(points, landmarks=replace(found[0], xyz=xyz, confidence=sure))
    return replace(points, landmarks=_landmarks(item.keypoints, points))


def _landmarks(path: Path | None, points: Keypoints2D) -> Landmarks3D | None:
    """The landmarks that a keypoint npz holds for the poses ``points``; None if it holds none."""
    if path is None or path.suffix.lower() != ".npz":
        return None
    with reading(path, "readable keypoints"):
        with np.load(path, allow_pickle=False) as data:
            if "landmarks_xyz" not in data.files:
                return None
            poses, xyz, confidence = (data[key][: len(points)] for key in ("keypoints", "landmarks_xyz", "landmarks_confidence"))
            name = str(data["landmarks_joint_set"])
        if poses.ndim == 3:
            poses, xyz, confidence = poses[:, None], xyz[:, None], confidence[:, None]
        if xyz.shape != (*poses.shape[:2], len(joint_set(name)), 3) or confidence.shape != xyz.shape[:-1]:
            raise ValueError(f"landmarks_xyz is {list(xyz.shape)}")
        mine = torch.cat((points.xy, points.confidence[..., None]), -1).numpy()
        number = np.abs(poses - mine[:, None]).sum((-1, -2)).argmin(1)
        rows, seen = np.arange(len(points)), (points.confidence > 0).any(-1)
        sure = torch.from_numpy(confidence[rows, number]).float() * seen[:, None]
        return Landmarks3D(torch.from_numpy(xyz[rows, number]).float(), sure, name, points.source)
