"""Labelled motion clips in the SMPL convention, read from packed ``SOURCE_SPLIT.npz`` files.

Keys: ``poses`` int16 [N, 72] (axis-angle = poses * pose_scale, radians), ``trans`` [N, 3] (pelvis, metres, y up), ``fps``,
``start``, ``length`` and the labels of each clip. World: y up; the zero pose is a T-pose facing +z, left arm on +x.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import SemttaError
from ..geometry import axis_angle_to_matrix
from ..io.arrays import read_npz
from ..io.files import reading, write_atomically

FPS = 30
#: Sources that no training run uses: the motions of the included benchmark and demo.
TEST_ONLY = ("deepmimic", "deepmimic_sie")


@dataclass(frozen=True)
class MotionClip:
    """One labelled motion."""

    clip_id: str
    source: str
    content: str  # "walking"
    style: str  # "normal"
    text: str  # "a person is walking"
    axis_angle: np.ndarray  # [T, 72] float32 radians
    trans: np.ndarray  # [T, 3] float32 metres, pelvis, y up

    def __len__(self) -> int:
        return len(self.axis_angle)

    def rotations(self, start: int = 0, stop: int | None = None) -> Tensor:
        """Matrices [T, 24, 3, 3] of frames ``start`` to ``stop``, world frame."""
        return axis_angle_to_matrix(torch.from_numpy(self.axis_angle[start:stop]).unflatten(-1, (24, 3)))


def load_file(path: Path) -> list[MotionClip]:
    """The clips in one packed file; raises SemttaError for a file of another kind, rate or skeleton, or with NaN."""
    if not path.is_file():
        raise SemttaError(f"No motion file {path}. Give the folder of the packed motions.")
    with reading(path, "a packed motion file"):
        pack = read_npz(path)
        poses = pack["poses"].astype(np.float32) * np.float32(pack["pose_scale"])
        trans, fps, source = pack["trans"].astype(np.float32), float(pack["fps"]), str(pack["source"])
        first, lengths = (pack[key].astype(np.int64, casting="safe") for key in ("start", "length"))
        names = [pack[key] for key in ("clip_id", "content", "style", "text")]
        rows = list(zip(*names, first.tolist(), lengths.tolist(), strict=True))
    if poses.ndim != 2 or poses.shape[1] != 72:
        raise SemttaError(f"{path}: poses are {poses.shape}, expected [N, 72] (24 joints).")
    if fps != FPS:
        raise SemttaError(f"{path}: {fps:g} frames per second, expected {FPS}: resample it first.")
    if trans.shape != (len(poses), 3):
        raise SemttaError(f"{path}: translations are {trans.shape}, expected [{len(poses)}, 3].")
    if not (np.isfinite(poses).all() and np.isfinite(trans).all()):
        raise SemttaError(f"{path}: motion with NaN or infinite values.")
    clips = []
    for clip_id, content, style, text, start, length in rows:
        if not 0 <= start < start + length <= len(poses):
            raise SemttaError(f"{path}: clip {clip_id} is frames {start} to {start + length} of {len(poses)}.")
        part = slice(start, start + length)
        clips.append(MotionClip(str(clip_id), source, str(content), str(style), str(text), poses[part], trans[part]))
    return clips


def save_file(path: Path, clips: Sequence[MotionClip], licence: str) -> None:
    """Write the clips of one source as a packed file; angles are quantised to about 1e-4 rad."""
    scale = np.pi / 32767
    lengths = [len(clip) for clip in clips]
    arrays: dict[str, Any] = {
        "poses": np.concatenate([np.rint(clip.axis_angle / scale) for clip in clips]).astype(np.int16),
        "pose_scale": np.float64(scale),
        "trans": np.concatenate([clip.trans for clip in clips]).astype(np.float32),
        "fps": np.int32(FPS),
        "start": np.cumsum([0, *lengths[:-1]]),
        "length": np.array(lengths, np.int32),
        **{key: np.array([getattr(clip, key) for clip in clips]) for key in ("clip_id", "content", "style", "text")},
        "source": clips[0].source,
        "licence": licence,
    }
    write_atomically(path, lambda part: np.savez_compressed(part, **arrays))


def load(folder: str | Path, split: str, sources: Iterable[str] | None = None) -> list[MotionClip]:
    """All clips of a split (``train``, ``val``, ``test``).

    ``sources``: by default every source in the folder except ``TEST_ONLY``.
    """
    folder = Path(folder)
    if sources is None:
        names = sorted(p.name.removesuffix(f"_{split}.npz") for p in folder.glob(f"*_{split}.npz"))
        sources = [name for name in names if name not in TEST_ONLY]
    clips = [clip for source in sources for clip in load_file(folder / f"{source}_{split}.npz")]
    if not clips:
        raise SemttaError(f"No packed motions (*_{split}.npz) in {folder}.")
    return clips


def contents(clips: Sequence[MotionClip]) -> list[str]:
    """The distinct content labels, sorted."""
    return sorted({clip.content for clip in clips})
