"""What a detector found in a video, kept in a file so that another run of the same frames need not look again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import SemttaError
from ..io.arrays import read_npz
from ..io.files import sha256, write_npz
from ..types import Keypoints2D, Landmarks3D, Video
from ..version import __version__


def detections_key(video: Video, detector: Mapping[str, Any]) -> str:
    """What detections are of: the content of the video's file, the frames that were looked at, and the detector's settings."""
    index = torch.arange(video.num_frames) if video.frame_index is None else video.frame_index.cpu().long()
    frames = hashlib.sha256(index.numpy().tobytes()).hexdigest()
    content = [sha256(Path(video.source)), frames, list(video.size), dict(detector), __version__]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def write_detections(path: Path, key: str, tracks: list[Keypoints2D]) -> None:
    """Write tracks [T, J], atomically."""
    arrays: dict[str, Any] = {"key": key, "people": len(tracks)}
    for number, track in enumerate(tracks):
        parts: dict[str, Keypoints2D | Landmarks3D | None] = {"keypoints": track, "landmarks": track.landmarks}
        for name, part in parts.items():
            if part is not None:
                place = part.xy if isinstance(part, Keypoints2D) else part.xyz
                arrays |= {f"{name}_{number}": torch.cat((place, part.confidence[..., None]), -1).float().numpy()}
                arrays |= {f"{name}_{number}_joint_set": part.joint_set, f"{name}_{number}_source": part.source}
    write_npz(path, **arrays)


def read_detections(path: Path, key: str) -> list[Keypoints2D] | None:
    """The tracks in a file; None if there is none, if it is damaged, and if they are of something else."""
    try:
        arrays = read_npz(path)
        if str(arrays["key"]) != key:
            return None
        return [_track(arrays, number) for number in range(int(arrays["people"]))]
    except (SemttaError, OSError, KeyError, ValueError, TypeError):
        return None


def _track(arrays: Mapping[str, np.ndarray], number: int) -> Keypoints2D:
    def part(name: str) -> tuple[torch.Tensor, torch.Tensor, str, str]:
        values, of = torch.from_numpy(arrays[f"{name}_{number}"]), f"{name}_{number}"
        return values[..., :-1], values[..., -1], str(arrays[f"{of}_joint_set"]), str(arrays[f"{of}_source"])

    keypoints = Keypoints2D(*part("keypoints"))
    return replace(keypoints, landmarks=Landmarks3D(*part("landmarks"))) if f"landmarks_{number}" in arrays else keypoints
