"""Motions in the files of other systems, in the camera frame: which person, which frames, where.

Read are the results of 4D-Humans / PHALP, WHAM, GVHMR, TRAM, PromptHMR and SAM 3D Body, as their own demos write them, and
motions in AMASS's keys, this project's ``motion.npz`` among them. What a file holds decides, not its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import SemttaError, first_line
from ..geometry import axis_angle_to_matrix, matrix_to_axis_angle
from ..io.pickles import read_results
from .mhr import from_sam3d, is_sam3d

#: PHALP's camera looks at the picture, made square, at 256 pixels.
_PHALP_FOCAL, _PHALP_PX = 5000.0, 256
#: Which way a body stands counts as upright in the world and not in the camera, if its up axis points along z.
_UPRIGHT = 0.7


@dataclass(frozen=True)
class FileMotion:
    """One person: n frames of a video, in the camera frame (x right, y down, z forward)."""

    frames: Tensor  # [n] int64, ascending, their numbers in the video
    rotations: Tensor  # [n, 24, 3, 3] parent-relative
    betas: Tensor  # [n, 10] of ``family``
    translation: Tensor | None  # [n, 3] metres, of the body's origin; None: the file has no camera
    family: str  # whose shapes and origin: "smpl", "smplx", "open", "mhr"
    focal_px: Tensor | None = None  # [n] that the translation goes with; None: the picture's diagonal
    width_px: float | None = None  # of the picture that the focal length is of; None: the video's
    length: int | None = None  # frames of the video; None: the file does not say

    def whole(self) -> FileMotion:
        """The same with every frame from 0 on: between the person's frames on the shortest way, beyond them held."""
        count = self.length or int(self.frames[-1]) + 1
        wanted = torch.arange(count)
        if len(self.frames) == count:
            return self
        after = torch.searchsorted(self.frames, wanted).clamp(max=len(self.frames) - 1)
        before = torch.where(self.frames[after] == wanted, after, (after - 1).clamp(min=0))
        span = (self.frames[after] - self.frames[before]).clamp(min=1)
        share = ((wanted - self.frames[before]) / span).clamp(0, 1)

        def mixed(values: Tensor | None) -> Tensor | None:
            if values is None:
                return None
            weight = share.view(-1, *[1] * (values.dim() - 1)).to(values)
            return values[before] + weight * (values[after] - values[before])

        first = self.rotations[before]
        turn = matrix_to_axis_angle(first.mT @ self.rotations[after]) * share[:, None, None].to(first)
        betas = mixed(self.betas)
        assert betas is not None
        return FileMotion(
            wanted, first @ axis_angle_to_matrix(turn), betas, mixed(self.translation), self.family, mixed(self.focal_px),
            self.width_px, count,
        )  # fmt: skip


def read_motion(path: str | Path, person: int = 0) -> FileMotion:
    """The motion of one of the people in a file, the ``person``-th in the file's own order.

    Raises SemttaError for a file that cannot be read, that is of no known system, that does not hold the person, or whose
    motion is not finite or not in the camera frame.
    """
    path = Path(path)
    content = read_results(path)
    found = next(((name, read) for name, fits, read in _SYSTEMS if fits(content)), None)
    if found is None:
        known = ", ".join(name for name, *_ in _SYSTEMS)
        raise SemttaError(f"{path} holds no motion that is known: results of {known} are read.")
    system, read = found
    try:
        people = read(content)
    except SemttaError as error:
        raise SemttaError(f"{path}: {error}") from error
    except Exception as error:  # a file of another version can raise nearly anything
        raise SemttaError(f"{path} is not {system}'s ({type(error).__name__}: {first_line(error)}).") from error
    if person >= len(people):
        raise SemttaError(f"{path} holds {len(people)} people, the first is 0: there is no estimator.person={person}.")
    motion = people[person]
    for name, value in (("rotations", motion.rotations), ("betas", motion.betas), ("translation", motion.translation)):
        if value is not None and not bool(value.isfinite().all()):
            raise SemttaError(f"{path}: {name} with NaN or infinite values.")
    return motion


def _tensor(value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach().float().cpu()
    return torch.from_numpy(np.array(value, dtype=np.float32))


def _turned(axis_angle: Any) -> Tensor:
    """Axis-angle [n, 66 or more] of SMPL, SMPL-H or SMPL-X -> 24 rotations; hands of more than one joint are left at rest."""
    poses = _tensor(axis_angle).flatten(1).unflatten(-1, (-1, 3))
    count = 24 if poses.shape[1] == 24 else 22
    full = poses.new_zeros(len(poses), 24, 3)
    full[:, :count] = poses[:, :count]
    return axis_angle_to_matrix(full)


def _sorted(frames: Any, **values: Any) -> tuple[Tensor, dict[str, Any]]:
    """Frame numbers ascending, and the rows of each value in that order."""
    numbers = torch.as_tensor(np.asarray(frames)).long().flatten()
    order = numbers.argsort()
    return numbers[order], {name: value[order] for name, value in values.items()}


def _is(*keys: str) -> Callable[[Any], bool]:
    return lambda content: isinstance(content, Mapping) and all(key in content for key in keys)


def _each(*keys: str) -> Callable[[Any], bool]:
    """A mapping of mappings that have the keys."""
    fits = _is(*keys)
    return lambda content: isinstance(content, Mapping) and bool(content) and all(fits(value) for value in content.values())


def _gvhmr(content: Mapping[str, Any]) -> list[FileMotion]:
    params, intrinsics = content["smpl_params_incam"], _tensor(content["K_fullimg"])
    poses = torch.cat((_tensor(params["global_orient"]), _tensor(params["body_pose"])), -1)
    count = len(poses)
    betas = _tensor(params["betas"]).expand(count, 10)
    width = 2 * float(intrinsics[0, 0, 2])
    return [
        FileMotion(
            torch.arange(count), _turned(poses), betas, _tensor(params["transl"]), "smplx", intrinsics[:, 0, 0].expand(count),
            width, count,
        )
    ]  # fmt: skip


def _wham(content: Mapping[Any, Any]) -> list[FileMotion]:
    people = []
    for _, one in sorted(content.items(), key=lambda item: item[0]):
        frames, rows = _sorted(
            one["frame_ids"], poses=_tensor(one["pose"]), betas=_tensor(one["betas"]).flatten(0, -2), trans=_tensor(one["trans"])
        )
        people.append(FileMotion(frames, _turned(rows["poses"]), rows["betas"], rows["trans"].view(-1, 3), "smpl"))
    return people


def _phalp(content: Mapping[str, Any]) -> list[FileMotion]:
    tracks: dict[int, list[tuple[int, Any, Any, Any]]] = {}
    for frame, (_, seen) in enumerate(sorted(content.items())):
        for row, track in enumerate(seen["tid"]):
            if row < len(seen["smpl"]):
                tracks.setdefault(int(track), []).append((frame, seen["smpl"][row], seen["camera"][row], seen["size"][row]))
    people = []
    for _, rows in sorted(tracks.items()):
        poses = [
            torch.cat((_tensor(p["global_orient"]).view(-1, 3, 3), _tensor(p["body_pose"]).view(-1, 3, 3))) for _, p, *_ in rows
        ]
        betas = torch.stack([_tensor(smpl["betas"]).flatten()[:10] for _, smpl, *_ in rows])
        height, width = np.asarray(rows[0][3]).ravel()[:2]
        focal = torch.full((len(rows),), _PHALP_FOCAL / _PHALP_PX * float(max(height, width)))
        frames = torch.tensor([frame for frame, *_ in rows])
        places = torch.stack([_tensor(camera).flatten()[:3] for *_, camera, _ in rows])
        people.append(
            FileMotion(frames, torch.stack(poses), betas, places, "smpl", focal, float(width), len(content))
        )  # fmt: skip
    return people


def _tram(content: Mapping[str, Any]) -> list[FileMotion]:
    frames, rows = _sorted(
        content["frame"], rotations=_tensor(content["pred_rotmat"]).view(-1, 24, 3, 3), betas=_tensor(content["pred_shape"]),
        places=_tensor(content["pred_trans"]).view(-1, 3),
    )  # fmt: skip
    return [FileMotion(frames, rows["rotations"], rows["betas"], rows["places"], "smpl")]


def _prompthmr(content: Mapping[str, Any]) -> list[FileMotion]:
    camera, people = content["camera"], []
    focal, center = float(np.asarray(camera["img_focal"])), np.asarray(camera["img_center"], dtype=float).ravel()
    length = len(camera["pred_cam_R"]) if "pred_cam_R" in camera else None
    for _, one in sorted(content["people"].items(), key=lambda item: item[0]):
        params = one["smplx_cam"]
        frames, rows = _sorted(
            one["frames"], poses=_tensor(params["pose"]), betas=_tensor(params["shape"]), trans=_tensor(params["trans"])
        )
        focals = torch.full((len(frames),), focal)
        betas = rows["betas"].flatten(1)[:, :10]
        people.append(
            FileMotion(frames, _turned(rows["poses"]), betas, rows["trans"], "smplx", focals, 2 * float(center[0]), length)
        )
    return people


def _sam3d(content: Any) -> list[FileMotion]:
    joints = from_sam3d(content)
    zeros = joints.translation.new_zeros(len(joints.frames), 10)
    return [
        FileMotion(
            joints.frames, joints.rotations, zeros, joints.translation, "mhr", joints.focal_px, None, joints.length
        )
    ]  # fmt: skip


def _amass(content: Mapping[str, Any]) -> list[FileMotion]:
    """AMASS's keys. With ``camera_focal_px`` it is this project's; else it must be in the camera frame all the same."""
    rotations = _turned(content["poses"])
    count, joints = len(rotations), np.asarray(content["poses"]).shape[-1] // 3
    betas = _tensor(content["betas_per_frame"] if "betas_per_frame" in content else content["betas"])
    betas = betas.reshape(-1, betas.shape[-1])[:, :10].expand(count, 10)
    if "camera_focal_px" not in content:
        up = rotations[:, 0, :, 1].mean(0)
        if float(up[2]) > _UPRIGHT:
            raise SemttaError(
                "the person stands along z: this is AMASS's world, not the camera frame (x right, y down, z forward). "
                "Give a motion as the camera sees it."
            )
        family = {24: "smpl", 55: "smplx"}.get(joints, "smplh")
        return [FileMotion(torch.arange(count), rotations, betas, None, family, length=count)]
    focal = torch.full((count,), float(content["camera_focal_px"]))
    family = str(content["body"]).split("-")[0] if "body" in content else "smpl"
    width = float(np.asarray(content["image_size"]).ravel()[0])
    return [FileMotion(torch.arange(count), rotations, betas, _tensor(content["trans"]), family, focal, width, count)]


#: Name, whether a file's content is of that system, and its reader.
_SYSTEMS: tuple[tuple[str, Callable[[Any], bool], Callable[[Any], list[FileMotion]]], ...] = (
    ("GVHMR", _is("smpl_params_incam", "K_fullimg"), _gvhmr),
    ("TRAM", _is("pred_rotmat", "pred_trans", "frame"), _tram),
    ("PromptHMR", _is("people", "camera"), _prompthmr),
    ("WHAM", _each("pose", "trans", "betas", "frame_ids"), _wham),
    ("4D-Humans / PHALP", _each("tid", "smpl", "camera", "size"), _phalp),
    ("SAM 3D Body", is_sam3d, _sam3d),
    ("AMASS", _is("poses", "trans"), _amass),
)
