"""Training images for the estimator: crops of one person with SMPL-format labels, written as shards.

A shard ``00012`` is ``00012.images.npy`` (uint8 [N, 3, size, size], RGB) and ``00012.npz`` with

===============  ===============  =============================================================================
``rotations``    [N, 24, 3]       axis-angle, parent-relative; the global rotation is into the camera frame
``betas``        [N, 10]
``joints3d``     [N, 29, 3]       ``smpl29``, metres, relative to the pelvis, camera frame (x right, y down, z forward)
``joints2d``     [N, 29, 2]       pixels of a nominal crop of 224, whatever ``size``; hidden joints too
``visible``      [N, 29] bool     inside crop and frame, not hidden by the body or anything in front
``camera``       [N, 3]           (s, tx, ty) with which ``geometry.project_to_crop`` best maps joints3d to joints2d
``source_index`` [N] int64        frame of the motion files (clips in the order of ``mocap.load``)
===============  ===============  =============================================================================

float32 unless stated otherwise. The crop is a square around the joints' bounding box (without the hands, which detectors do
not give): its side is the longer side of that box times ``Domain.expand``, its centre is shifted by up to ``Domain.shift`` of
the side. Pixels outside the video frame are black. A shard depends only on (seed, shard number, settings).

    semtta synth images --out images --count 100000 --domain studio --mocap mocap --workers 2
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ..constants import SMPL29
from ..errors import CannotWrite, SemttaError, require_at_least
from ..geometry import CROP_FOCAL_PX, CROP_PX
from ..io.files import write_atomically
from ..motions import mocap as motions
from ..motions.poses import NO_AUGMENTATION, Augmentation, PoseSampler
from ..rendering.rasterizer import average_samples, rasterize, rendered_visibility, shade, vertex_normals
from ..types import Progress
from .appearance import sample_appearance
from .domains import Domain, get_domain
from .figures import WORLD_TO_CAMERA, Figure, load_figure
from .scenes import background, occlude, photograph, sample_film, sample_light
from .workers import in_any_order

Array = NDArray[np.floating]

_BATCH = 64  # bodies posed at once
_SUPERSAMPLING = 2
_BOX_JOINTS = [i for i, name in enumerate(SMPL29) if "Hand" not in name]
_UPPER_JOINTS = [i for i, name in enumerate(SMPL29) if not any(k in name for k in ("Hand", "Knee", "Ankle", "Foot"))]
BETAS_STD = 1.0


@dataclass(frozen=True)
class ImageJob:
    """Everything that determines what a run writes."""

    domain: str
    mocap: str
    split: str
    count: int
    size: int
    seed: int
    shard: int
    varied: bool  # whether poses are mixed, mirrored and perturbed, or as recorded

    @property
    def shards(self) -> int:
        return -(-self.count // self.shard)

    def length(self, index: int) -> int:
        return min(self.shard, self.count - index * self.shard)


def generate(
    out: Path, count: int, domain: str, mocap: Path, size: int = 112, seed: int = 0, workers: int = 1,
    shard: int = 2048, split: str = "train", varied: bool = True,
    progress: Progress | None = None,
) -> list[Path]:  # fmt: skip
    """Write ``count`` labelled images of a domain (``studio``, ``wild``) to folder ``out``; returns the label files.

    ``varied``: poses are mixed, mirrored and perturbed (for training) instead of as recorded (for evaluation).

    Complete shards are kept, so an interrupted run resumes where it stopped, and a larger ``count`` adds to an earlier run.
    ``progress`` follows the images. Raises SemttaError if ``out`` holds images with other settings, or cannot be written.
    """
    get_domain(domain)
    require_at_least(1, count=count, shard=shard)
    require_at_least(16, size=size)
    require_at_least(0, seed=seed)
    job = ImageJob(domain, str(mocap), split, count, size, seed, shard, varied)
    out = Path(out)
    _check_settings(out, job)
    todo = [i for i in range(job.shards) if not _is_complete(_labels(out, i), job.length(i))]
    done = count - sum(job.length(i) for i in todo)
    tasks = [(out, job, i) for i in todo]
    for index in in_any_order(_write_shard, tasks, workers):
        done += job.length(index)
        if progress:
            progress(f"{domain} images", done, count)
    return [_labels(out, i) for i in range(job.shards)]


def _labels(out: Path, index: int) -> Path:
    return out / f"{index:05d}.npz"


def _is_complete(labels: Path, count: int) -> bool:
    if not labels.exists():
        return False
    with np.load(labels) as data:
        return len(data["source_index"]) == count


def _check_settings(out: Path, job: ImageJob) -> None:
    """Make the folder and note the settings in it; SemttaError if it holds images with other settings."""
    settings = json.dumps({k: v for k, v in asdict(job).items() if k not in ("count", "mocap")}, indent=1)
    try:
        out.mkdir(parents=True, exist_ok=True)
        note = out / "images.json"
        if note.exists() and note.read_text() != settings:
            raise SemttaError(f"{out} holds images with other settings ({note}). Give another folder with --out.")
        write_atomically(note, lambda path: path.write_text(settings))
    except OSError as error:
        raise CannotWrite.of(out, error) from error


def _write_shard(task: tuple[Path, ImageJob, int]) -> int:
    out, job, index = task
    images, labels = render_shard(job, index)
    try:  # the labels come last: they mark the shard as complete
        write_atomically(out / f"{index:05d}.images.npy", lambda path: np.save(path, images))
        write_atomically(_labels(out, index), lambda path: np.savez(path, **labels))
    except OSError as error:
        raise CannotWrite.of(out, error) from error
    return index


@lru_cache(maxsize=1)
def _sampler(folder: str, split: str, varied: bool) -> PoseSampler:
    return PoseSampler(motions.load(folder, split), Augmentation() if varied else NO_AUGMENTATION)


def render_shard(job: ImageJob, index: int) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """Images uint8 [N, 3, size, size] and labels (see the module docstring) of one shard."""
    rng = np.random.default_rng((job.seed, index, sum(job.domain.encode()), sum(job.split.encode())))
    sampler, figure, domain = _sampler(job.mocap, job.split, job.varied), load_figure(), get_domain(job.domain)
    images, rows = np.empty((job.length(index), 3, job.size, job.size), np.uint8), []
    for start in range(0, len(images), _BATCH):
        count = min(_BATCH, len(images) - start)
        poses, source = sampler.sample(rng, count)
        poses[:, 0], distance = _view_from_camera(rng, poses[:, 0], domain)
        betas = rng.normal(0, BETAS_STD, (count, 10)).clip(-3, 3).astype(np.float32)
        vertices, joints = figure.vertices(poses, betas), figure.joints(poses, betas)
        for i in range(count):
            picture, points, visible = _render_crop(rng, figure, vertices[i], joints[i], distance[i], job.size, domain)
            images[start + i] = picture.transpose(2, 0, 1)
            rows.append((poses[i], betas[i], joints[i], points, visible, source[i]))
    keys = ("rotations", "betas", "joints3d", "joints2d", "visible", "source_index")
    labels = {key: np.stack([row[k] for row in rows]) for k, key in enumerate(keys)}
    labels["camera"] = fit_camera(labels["joints3d"], labels["joints2d"])
    return images, labels


def _view_from_camera(rng: np.random.Generator, pelvis: Array, domain: Domain) -> tuple[Array, Array]:
    """Pelvis rotations [N, 3] (y up) seen by random cameras: rotations [N, 3] in the camera frame, distances [N] in metres."""
    count = len(pelvis)
    position = rng.random((2, count))
    if domain.cameras:  # one of a few fixed cameras
        position = np.repeat((np.floor(position[:1] * domain.cameras) + 0.5) / domain.cameras, 2, 0)
    height = domain.height_m[0] + position[0] * (domain.height_m[1] - domain.height_m[0])
    distance = domain.distance_m[0] + position[1] * (domain.distance_m[1] - domain.distance_m[0])
    aim = np.rad2deg(np.arctan2(height - 0.95, distance))
    angles = np.stack((rng.uniform(*domain.roll_deg, count), aim + rng.uniform(*domain.pitch_deg, count)), -1)
    camera = Rotation.from_euler("ZX", angles, degrees=True)
    heading = Rotation.from_euler("y", rng.uniform(0, 360, (count, 1)), degrees=True)
    rotation = camera * Rotation.from_matrix(WORLD_TO_CAMERA) * heading * Rotation.from_rotvec(pelvis)
    return rotation.as_rotvec().astype(np.float32), (distance * rng.uniform(0.9, 1.1, count)).astype(np.float32)


def _render_crop(
    rng: np.random.Generator, figure: Figure, vertices: Array, joints: Array, distance: float, size: int, domain: Domain
) -> tuple[NDArray[np.uint8], Array, NDArray[np.bool_]]:
    """One crop: image [size, size, 3], joints [29, 2] in pixels of a crop of 224, and whether each is visible [29]."""
    look = sample_appearance(rng, figure.anatomy, domain)
    normals = vertex_normals(vertices, figure.faces)
    vertices = vertices + normals * look.thickness[:, None]
    off_axis = rng.uniform(-1, 1, 2) * (domain.off_axis, 0.5 * domain.off_axis)
    position = np.array((*(off_axis * distance), distance), np.float32)
    surface, joints = vertices + position, joints + position
    points = joints[:, :2] / joints[:, 2:]
    side, center = _crop_box(rng, points, domain)
    fine = _SUPERSAMPLING * size
    zoom, middle = fine / side, fine / 2

    def to_pixels(plane: Array) -> Array:
        return ((plane - center) * zoom + middle).astype(np.float32)

    pixels = to_pixels(points)
    raster = rasterize(to_pixels(surface[:, :2] / surface[:, 2:]), surface[:, 2], figure.faces, (fine, fine))
    person = average_samples(raster, figure.faces, 255 * shade(look.colors, normals, sample_light(rng, domain)), _SUPERSAMPLING)
    picture = background(rng, (size, size), domain)
    picture = picture * (1 - person[..., 3:]) + person[..., :3]
    covered = np.zeros((size, size), bool)
    if rng.random() < domain.occluded:
        lows, highs = pixels.min(0) / _SUPERSAMPLING, pixels.max(0) / _SUPERSAMPLING
        covered = occlude(rng, picture, (*lows, *highs), domain) > 0.5
    photo = photograph(rng, picture, sample_film(rng, domain))
    if rng.random() < domain.truncated:
        photo = photo.copy()
        outside = _outside_frame(rng, size)
        photo[outside] = 0
        covered |= outside
    covered = covered.repeat(_SUPERSAMPLING, 0).repeat(_SUPERSAMPLING, 1)
    visible = rendered_visibility(pixels, joints[:, 2], raster, figure.face_part, covered)
    return photo, pixels * np.float32(CROP_PX / fine), visible


def _crop_box(rng: np.random.Generator, points: Array, domain: Domain) -> tuple[float, Array]:
    """Side and centre [2] of a square crop around joints [29, 2], in the units of ``points``."""
    chosen = points[_UPPER_JOINTS if rng.random() < domain.upper_box else _BOX_JOINTS]
    low, high = chosen.min(0), chosen.max(0)
    side = float((high - low).max() * rng.uniform(*domain.expand))
    return side, (low + high) / 2 + side * rng.uniform(-domain.shift, domain.shift, 2)


def _outside_frame(rng: np.random.Generator, size: int) -> NDArray[np.bool_]:
    """[size, size] bool, True beyond an edge of the video frame, most often the lower one."""
    outside = np.zeros((size, size), bool)
    for _ in range(1 + (rng.random() < 0.25)):
        depth = int(size * rng.uniform(0.05, 0.5))
        edge = rng.choice(4, p=(0.5, 0.2, 0.2, 0.1))
        if edge == 0:
            outside[size - depth :] = True
        elif edge == 1:
            outside[:, : depth * 3 // 4] = True
        elif edge == 2:
            outside[:, size - depth * 3 // 4 :] = True
        else:
            outside[: depth // 2] = True
    return outside


def fit_camera(joints3d: Array, joints2d: Array) -> Array:
    """Least-squares (s, tx, ty) [N, 3] of ``geometry.project_to_crop`` from joints [N, J, 3] to pixels [N, J, 2].

    With ``k = 112 s`` the projection is ``k (X + tx) / (1 + k Z / f)``, which is linear in k, k tx and k ty if the denominator
    comes from the last estimate: three iterations of linear least squares.
    """
    xyz, pixels = joints3d.astype(np.float64), joints2d.astype(np.float64) - CROP_PX / 2
    k = np.zeros((len(xyz), 1, 1))
    for _ in range(3):
        target = pixels * (1 + k * xyz[..., 2:] / CROP_FOCAL_PX)
        x0, u0 = xyz[..., :2].mean(1, keepdims=True), target.mean(1, keepdims=True)
        spread = ((xyz[..., :2] - x0) ** 2).sum((1, 2), keepdims=True)
        k = ((xyz[..., :2] - x0) * (target - u0)).sum((1, 2), keepdims=True) / spread
    offset = (u0 / k - x0)[:, 0]
    return np.concatenate((2 * k[:, 0] / CROP_PX, offset), -1).astype(np.float32)
