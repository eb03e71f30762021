"""MPI-INF-3DHP's test set (Mehta et al., 3DV 2017): six people, TS1 to TS6, indoors and outdoors.

``root`` is the folder with ``TS1/annot_data.mat`` and ``TS1/imageSequence/img_%06d.jpg`` to TS6, or the one above it
(``mpi_inf_3dhp_test_set``). ``annot_data.mat`` is MATLAB v7.3, which is HDF5: ``annot2``, ``annot3``, ``univ_annot3``
[N, 1, 17, 2 or 3] (pixels; millimetres, camera frame; the same for a person of average size) and ``valid_frame`` [N, 1].
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ..constants import H36M17
from ..data.images import ImageFrames, image_size
from ..errors import SemttaError, missing_extra
from ..types import Camera, EvaluationProtocol, GroundTruth, Keypoints2D, Video
from . import protocols
from .base import Finding, no_folder, register
from .checks import around, finite, need, typical_step

TRACKS = tuple(f"TS{i}" for i in range(1, 7))
#: Frames with valid_frame: 2929 in all.
VALID = {"TS1": 603, "TS2": 540, "TS3": 505, "TS4": 553, "TS5": 276, "TS6": 452}
#: The annotation gives no rate; taken as 25 frames per second.
FPS = 25.0
#: The release's order of joints.
JOINTS = (
    "Head_Top", "Neck", "R_Shoulder", "R_Elbow", "R_Wrist", "L_Shoulder", "L_Elbow", "L_Wrist", "R_Hip", "R_Knee", "R_Ankle",
    "L_Hip", "L_Knee", "L_Ankle", "Pelvis", "Torso", "Nose",
)  # fmt: skip
ORDER = [JOINTS.index(name) for name in H36M17]
#: Which of the two annotations a protocol compares with.
ANNOTATION = {"3dhp/spin": "univ_annot3", "3dhp/boa": "annot3"}


@dataclass(frozen=True)
class MPIInf3DHP:
    """One track for each test person; only frames that are valid and show all 17 joints are in it, as in SPIN and BOA."""

    root: Path
    protocol: EvaluationProtocol
    name: str = "3dhp"

    def tracks(self) -> list[str]:
        """Those of TS1 to TS6 whose annotation is there."""
        return [track for track in TRACKS if (self.root / track / "annot_data.mat").is_file()]

    def load(self, track: str) -> Video:
        """The track: the 17 joints in the camera frame, metres, and SPIN's boxes, 1.2 times those of the annotated 2D joints.

        Keypoints are those of ``TSn/openpose`` (OpenPose's files, one a frame, numbered as the images from 1) where that
        folder is there, else left to a detector: the release has none. Raises SemttaError for a track that is not there, a
        damaged annotation, NaN, images that are missing, and a track without a frame that counts.
        """
        folder = self.root / track
        if track not in self.tracks():
            raise SemttaError(f"3dhp has no track '{track}': {folder / 'annot_data.mat'} is not there.")
        points, joints, valid = read_annotation(folder / "annot_data.mat", ANNOTATION[self.protocol.name])
        images = [folder / "imageSequence" / f"img_{i + 1:06d}.jpg" for i in range(len(valid))]
        first = next((path for path, good in zip(images, valid, strict=True) if good and path.is_file()), None)
        if first is None:
            raise SemttaError(f"{track}: no image of a valid frame is there: unpack {folder / 'imageSequence'}.")
        kept = np.flatnonzero(valid & inside(points, image_size(first)))
        if not len(kept):
            raise SemttaError(f"{track}: no frame counts ({self.protocol.frames}).")
        finite(joints[kept], f"{folder / 'annot_data.mat'}: {ANNOTATION[self.protocol.name]}", kept)
        frames = ImageFrames.open([images[i] for i in kept])
        truth = GroundTruth(torch.from_numpy(joints[kept]), "h36m17", body="", protocol=self.protocol)
        video = Video(
            name=track,
            frames=frames,
            num_frames=len(kept),
            fps=FPS / typical_step(kept),
            size=frames.size,
            boxes=around(points[kept]),
            frame_index=torch.from_numpy(kept),
            ground_truth=replace(truth, camera=fit_camera(points[kept], joints[kept])),
            source=str(folder),
        )
        return with_openpose(video, folder / "openpose", len(valid))

    def check(self) -> list[Finding]:
        """Annotations, their frames and the images of each of the six."""
        found = [Finding("TS*/annot_data.mat", len(self.tracks()), 6, "unpack mpi_inf_3dhp_test_set.zip here")]
        for track in self.tracks():
            path = self.root / track
            try:
                valid = read_annotation(path / "annot_data.mat", "annot3")[2]
            except SemttaError as error:
                found.append(Finding(f"{track}: valid frames", 0, VALID[track], str(error)))
                continue
            found.append(Finding(f"{track}: valid frames", int(valid.sum()), VALID[track], "its annotation is another one"))
            images = sum(1 for _ in (path / "imageSequence").glob("img_*.jpg"))
            found.append(Finding(f"{track}: images", images, len(valid), f"unpack {track}/imageSequence"))
        return found


def read_annotation(path: Path, which: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """2D joints [N, 17, 2] pixels, 3D joints [N, 17, 3] metres, camera frame (both in H36M's order), valid [N] bool."""
    try:
        import h5py
    except ImportError as error:
        raise missing_extra("Reading MPI-INF-3DHP", "datasets", error) from error
    try:
        with h5py.File(path, "r") as file:
            need(file, ("annot2", which, "valid_frame"), path)
            points, joints, valid = (np.asarray(file[key]) for key in ("annot2", which, "valid_frame"))
    except OSError as error:
        raise SemttaError(f"{path} is not MATLAB v7.3 (HDF5), or is truncated ({error}).") from error
    count = len(valid)
    if points.shape != (count, 1, 17, 2) or joints.shape != (count, 1, 17, 3):
        shapes = f"annot2 is {points.shape} and {which} {joints.shape}"
        raise SemttaError(f"{path}: {shapes}: expected [N, 1, 17, 2] and [N, 1, 17, 3].")
    return points[:, 0, ORDER], (joints[:, 0, ORDER] / 1000).astype(np.float32), valid.reshape(count, -1)[:, 0] != 0


def fit_camera(points: np.ndarray, joints: np.ndarray) -> Camera:
    """The camera that projects joints [N, J, 3] nearest to points [N, J, 2], by least squares; the file has none."""
    rays = (joints[..., :2] / joints[..., 2:]).reshape(-1, 2).astype(np.float64)
    one, zero = np.ones(len(rays)), np.zeros(len(rays))
    rows = np.concatenate((np.stack((rays[:, 0], one, zero), -1), np.stack((rays[:, 1], zero, one), -1)))
    focal, x, y = np.linalg.lstsq(rows, points.reshape(-1, 2).T.ravel(), rcond=None)[0]
    return Camera(float(focal), (float(x), float(y)))


def inside(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Frames [N] whose points [N, J, 2] are all inside the image."""
    return np.asarray(((points >= 0) & (points < np.array(size))).all((-1, -2)))


def with_openpose(video: Video, folder: Path, count: int) -> Video:
    """The video with OpenPose's keypoints of the person whose box it has, for files numbered as the images."""
    if not folder.is_dir():
        return video
    from ..detectors.readers import OpenPoseReader

    found = OpenPoseReader().read(folder)
    assert video.frame_index is not None
    assert video.boxes is not None
    if found is None or found.num_frames > count + 1:
        raise SemttaError(f"{folder} is not OpenPose's files of the {count} images (one JSON for each, numbered from 1).")
    joints = next(iter(found.poses.values())).shape[1]
    chosen = np.zeros((video.num_frames, joints, 3), np.float32)
    for i, frame in enumerate(video.frame_index.tolist()):
        people = found.poses.get(frame + 1, np.zeros((0, joints, 3)))
        if len(people):
            seen = people[..., 2:] > 0
            middle = (people[..., :2] * seen).sum(1) / np.maximum(seen.sum(1), 1)
            chosen[i] = people[np.linalg.norm(middle - video.boxes[i, :2].numpy(), axis=-1).argmin()]
    values = torch.from_numpy(chosen)
    return replace(video, keypoints=Keypoints2D(values[..., :2], values[..., 2], found.joint_set, f"openpose: {folder}"))


@register("3dhp", needs=("protocol",))
def mpi_inf_3dhp(root: str | Path | None = None, split: str = "test", protocol: str | None = None) -> MPIInf3DHP:
    """The user's MPI-INF-3DHP test set."""
    folder = Path(root or "")
    folder = folder / "mpi_inf_3dhp_test_set" if (folder / "mpi_inf_3dhp_test_set").is_dir() else folder
    dataset = MPIInf3DHP(folder, protocols.find("3dhp", protocol, "3dhp/boa"))
    if root is None or not dataset.tracks():
        raise no_folder(
            "3dhp", root, "https://vcai.mpi-inf.mpg.de/3dhp-dataset (mpi_inf_3dhp_test_set.zip)", "its own licence, research only"
        )
    return dataset
