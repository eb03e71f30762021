"""3DPW (von Marcard et al., ECCV 2018): people outdoors, filmed with a hand-held camera; motion from IMUs and video.

``root`` is the folder with ``imageFiles/SEQUENCE/image_%05d.jpg`` and either the release's ``sequenceFiles/SPLIT/*.pkl`` or
CycleAdapt's ``3DPW_test.json`` (with both, the JSON's boxes and keypoints are used). docs/datasets.md describes both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..constants import COCO18
from ..data.boxes import boxes_from_keypoints
from ..data.images import ImageFrames
from ..errors import SemttaError
from ..geometry import axis_angle_to_matrix
from ..io.arrays import read_array_pickle
from ..types import BodyParams, Camera, GroundTruth, Keypoints2D, Video
from . import cycleadapt_json, protocols
from .base import DatasetFiles, Finding, missing_dataset, register
from .checks import require_finite, require_keys
from .conversion import rotate_root

FPS = 30.0
#: Official numbers of sequences, tracks, and frames with a valid camera pose, by split.
COUNTS: dict[str, tuple[int | None, ...]] = {"test": (24, 37, 35_515), "train": (24, None, None), "validation": (12, None, None)}
BODIES = {"m": "smpl-male", "f": "smpl-female"}
KEYS = (
    "poses", "betas", "trans", "jointPositions", "poses2d", "cam_poses", "cam_intrinsics", "campose_valid", "genders",
)  # fmt: skip
#: The limb joints of COCO-18, which VIBE counts.
_LIMBS = [i for i, name in enumerate(COCO18) if name[2:] in ("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle")]


@dataclass(frozen=True)
class ThreeDPW(DatasetFiles):
    """One track per person and sequence, called ``SEQUENCE_PERSON``, with only the protocol's frames."""

    name: str = "3dpw"

    def tracks(self) -> list[str]:
        """The names of the tracks. A sequence whose file cannot be read counts as one track; loading it reports why."""
        if self._json.is_file() and not self._sequences():
            return cycleadapt_json.tracks(self._json)
        names = []
        for path in self._sequences():
            try:
                names += [f"{path.stem}_{person}" for person in range(len(_read(path)["poses"]))]
            except SemttaError:
                names.append(f"{path.stem}_0")
        return sorted(names)

    def load(self, track: str) -> Video:
        """The track: OpenPose's 18 keypoints, SMPL parameters of the annotated gender, joints in the camera frame.

        Raises SemttaError for an unknown track, a pickle that is damaged or holds more than arrays, missing images, frames out
        of order, NaN, and a track without any evaluated frame.
        """
        sequence, _, person = track.rpartition("_")
        path = self.root / "sequenceFiles" / self.split / f"{sequence}.pkl"
        if not path.is_file() and not self._json.is_file():
            raise SemttaError(
                f"3dpw has no track '{track}': {path} does not exist. List the tracks with 'semtta doctor --dataset 3dpw'."
            )
        if not path.is_file():
            return self._boxed(cycleadapt_json.load(self._json, self.root / "imageFiles", track, self.protocol, FPS))
        video = self._boxed(self._from_release(path, track, int(person)))
        if not self._json.is_file():
            return video
        refined = cycleadapt_json.refine(video, self._json, sequence, int(person))
        return refined if video.boxes is None else replace(refined, boxes=video.boxes)

    def _boxed(self, video: Video) -> Video:
        """Under SPIN's protocol with its boxes: each frame's own, 1.2 times what all its detected points cover."""
        if self.protocol.name != protocols.SPIN or video.keypoints is None:
            return video
        boxes = boxes_from_keypoints(video.keypoints, threshold=0.0, expand=1.2, memory=0, smooth=1, size=video.size)
        return replace(video, boxes=boxes)

    def _from_release(self, path: Path, track: str, person: int) -> Video:
        data = _read(path)
        if not 0 <= person < len(data["poses"]):
            raise SemttaError(f"3dpw has no track '{track}': {path.name} has {len(data['poses'])} people.")
        poses, trans = np.asarray(data["poses"][person]), np.asarray(data["trans"][person])
        count = len(poses)
        detected = np.asarray(data["poses2d"][person]).transpose(0, 2, 1)  # [T, 18, 3]
        cameras = np.asarray(data["cam_poses"])
        if not len(detected) == len(cameras) == len(trans) == count:
            raise SemttaError(f"{path}: poses, keypoints and cameras are of different lengths: the file is damaged.")
        order = np.asarray(data.get("img_frame_ids", np.arange(count)))
        if (np.diff(order) <= 0).any():
            raise SemttaError(f"{path}: frames are out of order (img_frame_ids, after frame {int(np.diff(order).argmin())}).")
        kept = np.flatnonzero(self._evaluated(np.asarray(data["campose_valid"][person]), detected))
        if not len(kept):
            raise SemttaError(f"{track}: no frame is evaluated ({self.protocol.frames}).")
        betas = np.asarray(data["betas"][person]).ravel()[:10]
        joints = np.asarray(data["jointPositions"][person]).reshape(count, 24, 3)
        by_frame = {"poses": poses, "trans": trans, "jointPositions": joints, "cam_poses": cameras}
        for name, values in ({key: rows[kept] for key, rows in by_frame.items()} | {"betas": betas}).items():
            require_finite(values, f"{path}: {name} of person {person}", kept)

        params, in_camera = to_camera(poses[kept], betas, trans[kept], joints[kept], cameras[kept])
        frames = ImageFrames.open([self.root / "imageFiles" / path.stem / f"image_{i:05d}.jpg" for i in kept])
        body = BODIES.get(str(data["genders"][person])[:1].lower(), "smpl")
        intrinsics = np.asarray(data["cam_intrinsics"], dtype=np.float64)
        camera = Camera(float(intrinsics[0, 0]), (float(intrinsics[0, 2]), float(intrinsics[1, 2])))
        return Video(
            name=track,
            frames=frames,
            num_frames=len(kept),
            fps=FPS,
            size=frames.size,
            keypoints=keypoints(detected[kept], "OpenPose, as released with 3DPW"),
            frame_index=torch.from_numpy(kept),
            ground_truth=GroundTruth(in_camera, "smpl24", params, body=body, camera=camera, protocol=self.protocol),
            source=str(path),
        )

    def _evaluated(self, campose_valid: np.ndarray, detected: np.ndarray) -> np.ndarray:
        """Mask [T] of the frames that the protocol evaluates."""
        if self.protocol.frames == protocols.LIMBS_SEEN:
            return (detected[:, _LIMBS, 2] > 0.3).sum(-1) > 6
        return campose_valid.astype(bool)

    def check(self) -> list[Finding]:
        """The numbers of sequences, tracks, frames and images, against the official ones."""
        num_sequences, num_tracks, num_frames = COUNTS.get(self.split, (None, None, None))
        tracks = frames = images = expected_images = 0
        damaged = []
        for path in self._sequences():
            try:
                data = _read(path)
            except SemttaError as error:
                damaged.append(str(error))
                continue
            tracks += len(data["poses"])
            frames += int(sum(np.asarray(valid).astype(bool).sum() for valid in data["campose_valid"]))
            expected_images += len(data["poses"][0])
            images += sum(1 for _ in (self.root / "imageFiles" / path.stem).glob("image_*.jpg"))
        unpack = "unpack sequenceFiles.zip of 3DPW's page here"
        return [
            Finding(f"sequenceFiles/{self.split}/*.pkl", len(self._sequences()), num_sequences, unpack),
            *(Finding(error, 0, None, unpack) for error in damaged),
            Finding("tracks (people in sequences)", tracks, num_tracks, unpack),
            Finding("frames with campose_valid", frames, num_frames, unpack),
            Finding("imageFiles/*/image_*.jpg", images, expected_images or None, "unpack imageFiles.zip of 3DPW's page here"),
        ]

    @property
    def _json(self) -> Path:
        return self.root / f"3DPW_{self.split}.json"

    def _sequences(self) -> Sequence[Path]:
        return sorted((self.root / "sequenceFiles" / self.split).glob("*.pkl"))


def to_camera(
    poses: np.ndarray, betas: np.ndarray, trans: np.ndarray, joints: np.ndarray, cameras: np.ndarray
) -> tuple[BodyParams, torch.Tensor]:
    """SMPL parameters and joints from the world to the camera frame.

    Args:
        poses [T, 72] axis-angle, betas [10], trans [T, 3], joints [T, 24, 3] metres, world frame.
        cameras: [T, 4, 4], world to camera (x right, y down, z forward).

    Returns:
        Parameters in the camera frame of each image, and the joints [T, 24, 3].
    """
    rotation = torch.from_numpy(cameras[:, :3, :3]).float()
    shift = torch.from_numpy(cameras[:, :3, 3]).float()
    rotations = rotate_root(axis_angle_to_matrix(torch.from_numpy(poses).float().unflatten(-1, (24, 3))), rotation)
    in_camera = torch.from_numpy(joints).float() @ rotation.mT + shift[:, None]
    # SMPL rotates about its pelvis, which is not its origin: pelvis = rest + trans in both frames.
    rest = torch.from_numpy(joints[:, 0] - trans).float()
    shape = torch.zeros(10).index_copy(0, torch.arange(len(betas)), torch.from_numpy(betas).float())
    return BodyParams(rotations, shape.expand(len(poses), 10), in_camera[:, 0] - rest), in_camera


def keypoints(points: np.ndarray, source: str) -> Keypoints2D:
    """Keypoints from COCO-18 points [T, 18, 3] (x, y, confidence); points that are not finite get confidence 0."""
    values = torch.from_numpy(np.nan_to_num(points.astype(np.float32), posinf=0, neginf=0))
    return Keypoints2D(values[..., :2], values[..., 2] * torch.from_numpy(np.isfinite(points).all(-1)), "coco18", source)


def _read(path: Path) -> Mapping[str, Any]:
    data = read_array_pickle(path)
    require_keys(data, KEYS, path)
    return data


@register("3dpw", needs=("protocol",))
def threedpw(root: str | Path | None = None, split: str = "test", protocol: str | None = None) -> ThreeDPW:
    """3DPW, from the user's copy."""
    dataset = ThreeDPW(Path(root or ""), split, protocols.find("3dpw", protocol, "3dpw/cycleadapt"))
    if root is None or not (dataset._sequences() or dataset._json.is_file()):
        raise missing_dataset(
            "3dpw", root, f"https://virtualhumans.mpi-inf.mpg.de/3DPW (its sequenceFiles/{split}/*.pkl and imageFiles)",
            "its own licence, non-commercial research",
        )  # fmt: skip
    return dataset
