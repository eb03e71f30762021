"""MPI-INF-3DHP's test set (Mehta et al., 3DV 2017): six people, TS1 to TS6, indoors and outdoors.

``root`` is the folder with ``TS1/annot_data.mat`` and ``TS1/imageSequence/img_%06d.jpg`` to TS6, or its parent
(``mpi_inf_3dhp_test_set``). ``annot_data.mat`` is MATLAB v7.3, which is HDF5: ``annot2``, ``annot3``, ``univ_annot3``
[N, 1, 17, 2 or 3] (pixels; millimetres, camera frame; the same scaled to a person of average size) and ``valid_frame`` [N, 1].
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ..constants import H36M17
from ..data.images import ImageFrames, image_size
from ..errors import SemttaError, missing_extra
from ..types import Camera, EvaluationProtocol, GroundTruth, Video
from . import protocols
from .base import Finding, missing_dataset, register
from .checks import require_finite, require_keys
from .conversion import boxes_around, frame_step, to_keypoints

TRACKS = tuple(f"TS{i}" for i in range(1, 7))
#: Number of frames with valid_frame; 2929 in total.
VALID = {"TS1": 603, "TS2": 540, "TS3": 505, "TS4": 553, "TS5": 276, "TS6": 452}
#: Assumed: the annotation gives no frame rate.
FPS = 25.0
#: The release's order of joints.
JOINTS = (
    "Head_Top", "Neck", "R_Shoulder", "R_Elbow", "R_Wrist", "L_Shoulder", "L_Elbow", "L_Wrist", "R_Hip", "R_Knee", "R_Ankle",
    "L_Hip", "L_Knee", "L_Ankle", "Pelvis", "Torso", "Nose",
)  # fmt: skip
ORDER = [JOINTS.index(name) for name in H36M17]
#: The 3D annotation that each protocol uses.
ANNOTATION = {"3dhp/spin": "univ_annot3", "3dhp/boa": "annot3"}


@dataclass(frozen=True)
class MPIInf3DHP:
    """One track per test subject, with only the frames that are valid and show all 17 joints, as in SPIN and BOA."""

    root: Path
    protocol: EvaluationProtocol
    name: str = "3dhp"

    def tracks(self) -> list[str]:
        """Those of TS1 to TS6 whose annotation exists."""
        return [track for track in TRACKS if (self.root / track / "annot_data.mat").is_file()]

    def load(self, track: str) -> Video:
        """The track: the 17 joints (metres, camera frame) and SPIN's boxes, 1.2 times the box of the annotated 2D joints.

        The release has no keypoints: they are read from ``TSn/openpose`` if that folder exists (OpenPose's files, one per frame,
        numbered like the images from 1), else left to a detector. Raises SemttaError for a missing track, a damaged annotation,
        NaN, missing images, and a track without any evaluated frame.
        """
        folder = self.root / track
        if track not in self.tracks():
            raise SemttaError(f"3dhp has no track '{track}': {folder / 'annot_data.mat'} does not exist.")
        points, joints, valid = read_annotation(folder / "annot_data.mat", ANNOTATION[self.protocol.name])
        images = [folder / "imageSequence" / f"img_{i + 1:06d}.jpg" for i in range(len(valid))]
        first = next((path for path, ok in zip(images, valid, strict=True) if ok and path.is_file()), None)
        if first is None:
            raise SemttaError(f"{track}: there is no image of a valid frame: unpack {folder / 'imageSequence'}.")
        kept = np.flatnonzero(valid & inside(points, image_size(first)))
        if not len(kept):
            raise SemttaError(f"{track}: no frame is evaluated ({self.protocol.frames}).")
        require_finite(joints[kept], f"{folder / 'annot_data.mat'}: {ANNOTATION[self.protocol.name]}", kept)
        frames = ImageFrames.open([images[i] for i in kept])
        truth = GroundTruth(torch.from_numpy(joints[kept]), "h36m17", body="", protocol=self.protocol)
        video = Video(
            name=track,
            frames=frames,
            num_frames=len(kept),
            fps=FPS / frame_step(kept),
            size=frames.size,
            boxes=boxes_around(points[kept]),
            frame_index=torch.from_numpy(kept),
            ground_truth=replace(truth, camera=fit_camera(points[kept], joints[kept])),
            source=str(folder),
        )
        return with_openpose(video, folder / "openpose", len(valid))

    def check(self) -> list[Finding]:
        """The annotation, valid frames and images of each of the six subjects."""
        findings = [Finding("TS*/annot_data.mat", len(self.tracks()), 6, "unpack mpi_inf_3dhp_test_set.zip here")]
        for track in self.tracks():
            path = self.root / track
            try:
                valid = read_annotation(path / "annot_data.mat", "annot3")[2]
            except SemttaError as error:
                findings.append(Finding(f"{track}: valid frames", 0, VALID[track], str(error)))
                continue
            findings.append(
                Finding(f"{track}: valid frames", int(valid.sum()), VALID[track], "the annotation is of another version")
            )
            images = sum(1 for _ in (path / "imageSequence").glob("img_*.jpg"))
            findings.append(Finding(f"{track}: images", images, len(valid), f"unpack {track}/imageSequence"))
        return findings


def read_annotation(path: Path, which: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """2D joints [N, 17, 2] (pixels), 3D joints [N, 17, 3] (metres, camera frame), both in H36M's order, and valid [N] bool."""
    try:
        import h5py
    except ImportError as error:
        raise missing_extra("Reading MPI-INF-3DHP", "datasets", error) from error
    try:
        with h5py.File(path, "r") as file:
            require_keys(file, ("annot2", which, "valid_frame"), path)
            points, joints, valid = (np.asarray(file[key]) for key in ("annot2", which, "valid_frame"))
    except OSError as error:
        raise SemttaError(f"{path} is not MATLAB v7.3 (HDF5), or is truncated ({error}).") from error
    count = len(valid)
    if points.shape != (count, 1, 17, 2) or joints.shape != (count, 1, 17, 3):
        shapes = f"annot2 is {points.shape} and {which} {joints.shape}"
        raise SemttaError(f"{path}: {shapes}: expected [N, 1, 17, 2] and [N, 1, 17, 3].")
    return points[:, 0, ORDER], (joints[:, 0, ORDER] / 1000).astype(np.float32), valid.reshape(count, -1)[:, 0] != 0


def fit_camera(points: np.ndarray, joints: np.ndarray) -> Camera:
    """The camera that best projects joints [N, J, 3] to points [N, J, 2], by least squares; the annotation has none."""
    rays = (joints[..., :2] / joints[..., 2:]).reshape(-1, 2).astype(np.float64)
    one, zero = np.ones(len(rays)), np.zeros(len(rays))
    rows = np.concatenate((np.stack((rays[:, 0], one, zero), -1), np.stack((rays[:, 1], zero, one), -1)))
    focal, x, y = np.linalg.lstsq(rows, points.reshape(-1, 2).T.ravel(), rcond=None)[0]
    return Camera(float(focal), (float(x), float(y)))


def inside(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Mask [N] of the frames whose points [N, J, 2] all lie inside the image."""
    return np.asarray(((points >= 0) & (points < np.array(size))).all((-1, -2)))


def with_openpose(video: Video, folder: Path, count: int) -> Video:
    """The video with OpenPose's keypoints of the person in its boxes, from files numbered like the images."""
    if not folder.is_dir():
        return video
    from ..detectors.readers.openpose import OpenPoseReader

    detections = OpenPoseReader().read(folder)
    assert video.frame_index is not None
    assert video.boxes is not None
    if detections is None or detections.num_frames > count + 1:
        raise SemttaError(f"{folder} does not hold OpenPose's files for the {count} images (one JSON each, numbered from 1).")
    joints = next(iter(detections.poses.values())).shape[1]
    chosen = np.zeros((video.num_frames, joints, 3), np.float32)
    for i, frame in enumerate(video.frame_index.tolist()):
        people = detections.poses.get(frame + 1, np.zeros((0, joints, 3)))
        if len(people):
            visible = people[..., 2:] > 0
            center = (people[..., :2] * visible).sum(1) / np.maximum(visible.sum(1), 1)
            chosen[i] = people[np.linalg.norm(center - video.boxes[i, :2].numpy(), axis=-1).argmin()]
    return replace(video, keypoints=to_keypoints(chosen, detections.joint_set, f"openpose: {folder}"))


@register("3dhp", needs=("protocol",))
def mpi_inf_3dhp(root: str | Path | None = None, split: str = "test", protocol: str | None = None) -> MPIInf3DHP:
    """The MPI-INF-3DHP test set, from the user's copy."""
    folder = Path(root or "")
    folder = folder / "mpi_inf_3dhp_test_set" if (folder / "mpi_inf_3dhp_test_set").is_dir() else folder
    dataset = MPIInf3DHP(folder, protocols.find("3dhp", protocol, "3dhp/boa"))
    if root is None or not dataset.tracks():
        raise missing_dataset(
            "3dhp", root, "https://vcai.mpi-inf.mpg.de/3dhp-dataset (mpi_inf_3dhp_test_set.zip)", "its own licence, research only"
        )
    return dataset
