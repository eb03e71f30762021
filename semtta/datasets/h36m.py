"""Human3.6M (Ionescu et al., PAMI 2014) as preprocessed by SPIN: an npz of annotations and the images that it names.

``root`` is the folder that the image names are relative to, with the npz in it or in ``dataset_extras``: ``h36m_train.npz``
(split ``train``), ``h36m_valid_protocol1.npz`` or ``..2.npz`` (splits ``p1``, also called ``test``, and ``p2``). Keys:
``imgname`` such as ``S1/images/S1_Directions_1.54138969_000001.jpg``, ``center`` [N, 2] and ``scale`` [N] (box side / 200),
``S`` [N, 24, 4] (metres, root at 0, confidence), and optionally ``part`` [N, 24, 3] (pixels, confidence), ``pose``
[N, 72], ``shape`` [N, 10].
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..constants import H36M17
from ..data.images import ImageFrames
from ..errors import SemttaError
from ..geometry import axis_angle_to_matrix
from ..io.arrays import read_npz
from ..types import BodyParams, GroundTruth, Video
from . import protocols
from .base import DatasetFiles, Finding, missing_dataset, register
from .checks import require_finite, require_keys
from .conversion import frame_step, spin_boxes, to_keypoints

FPS = 50.0
FILES = {"train": "h36m_train.npz", "p1": "h36m_valid_protocol1.npz", "p2": "h36m_valid_protocol2.npz"}
#: SPIN's 24 annotated joints; "" for those that Human3.6M lacks.
SPIN24 = (
    "R_Ankle", "R_Knee", "R_Hip", "L_Hip", "L_Knee", "L_Ankle", "R_Wrist", "R_Elbow", "R_Shoulder", "L_Shoulder", "L_Elbow",
    "L_Wrist", "Neck", "", "Pelvis", "", "Torso", "Nose", "Head_Top", "", "", "", "", "",
)  # fmt: skip
ORDER = [SPIN24.index(name) for name in H36M17]


@dataclass(frozen=True)
class H36M(DatasetFiles):
    """One track per video: subject, action and camera, such as ``S1_Directions_1.54138969``."""

    file: Path
    name: str = "h36m"

    def tracks(self) -> list[str]:
        """The names of the videos with frames in the npz."""
        return sorted({sequence(name) for name in self._read(("imgname",))["imgname"]})

    def load(self, track: str) -> Video:
        """The track in frame order: annotated 2D joints, SPIN's boxes, 3D joints relative to the pelvis.

        A frame is not ``valid`` if a joint has no confidence. Raises SemttaError for an unknown track, missing images, NaN,
        and duplicate frames.
        """
        data = self._read(("imgname", "center", "scale", "S"), ("part", "pose", "shape"))
        names = [str(name) for name in data["imgname"]]
        rows = [row for row, name in enumerate(names) if sequence(name) == track]
        if not rows:
            raise SemttaError(f"h36m has no track '{track}' in {self.file.name}.")
        rows.sort(key=lambda row: frame_number(names[row]))
        numbers = np.array([frame_number(names[row]) for row in rows])
        if (np.diff(numbers) == 0).any():
            raise SemttaError(f"{self.file}: {track} has frame {numbers[np.diff(numbers).argmin()]} twice.")
        arrays = {key: values[rows] for key, values in data.items() if key != "imgname"}
        for key, values in arrays.items():
            require_finite(values, f"{self.file}: {key} of {track}", numbers)
        frames = ImageFrames.open([self.root / str(data["imgname"][row]) for row in rows])
        joints = torch.from_numpy(arrays["S"][:, ORDER].astype(np.float32))
        params, points = None, None
        if "pose" in arrays and "shape" in arrays:
            poses = torch.from_numpy(arrays["pose"].astype(np.float32)).unflatten(-1, (24, 3))
            params = BodyParams(axis_angle_to_matrix(poses), torch.from_numpy(arrays["shape"].astype(np.float32)))
        if "part" in arrays:
            points = to_keypoints(arrays["part"][:, ORDER], "h36m17", "annotated")
        return Video(
            name=track,
            frames=frames,
            num_frames=len(rows),
            fps=FPS / frame_step(numbers),
            size=frames.size,
            keypoints=points,
            boxes=spin_boxes(arrays["center"], arrays["scale"]),
            frame_index=torch.from_numpy(numbers),
            ground_truth=GroundTruth(
                joints[..., :3], "h36m17", params, valid=(joints[..., 3] > 0).all(-1), body="smpl", protocol=self.protocol
            ),
            source=str(self.file),
        )

    def check(self) -> list[Finding]:
        """The videos and images that the npz names, and whether it has poses to train on."""
        data = self._read(("imgname",), ("pose", "part"))
        present = sum((self.root / str(name)).is_file() for name in data["imgname"])
        return [
            Finding(f"videos in {self.file.name}", len(self.tracks()), None),
            Finding("images", present, len(data["imgname"]), "extract them from the videos, as SPIN's preprocessing does"),
            Finding("SMPL poses, to train on", len(data.get("pose", ())), len(data["imgname"]), "MoShed poses: ask the authors"),
        ]

    def _read(self, keys: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
        data = read_npz(self.file)
        require_keys(data, keys, self.file)
        return {key: data[key] for key in (*keys, *optional) if key in data}


def sequence(name: str) -> str:
    """``S1/images/S1_Directions_1.54138969_000001.jpg`` -> ``S1_Directions_1.54138969``."""
    return Path(str(name)).stem.rpartition("_")[0]


def frame_number(name: str) -> int:
    """``S1/images/S1_Directions_1.54138969_000001.jpg`` -> 1."""
    return int(Path(str(name)).stem.rpartition("_")[2])


@register("h36m", needs=("protocol",))
def h36m(root: str | Path | None = None, split: str = "train", protocol: str | None = None) -> H36M:
    """Human3.6M, from the user's copy."""
    split = "p1" if split == "test" else split
    if split not in FILES:
        raise SemttaError(f"h36m has no split '{split}': give train, p1 (test) or p2.")
    folder = Path(root or "")
    file = next((f for f in (folder / FILES[split], folder / "dataset_extras" / FILES[split]) if f.is_file()), None)
    if root is None or file is None:
        raise missing_dataset(
            "h36m", root, f"http://vision.imar.ro/human3.6m and make {FILES[split]} with SPIN's preprocessing",
            "its own licence, academic use",
        )  # fmt: skip
    return H36M(folder, split, protocols.find("h36m", protocol, "h36m/spin"), file)
