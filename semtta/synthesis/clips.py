"""Rendered video clips of one moving person, with ground truth and detector-like keypoints."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import av
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ..errors import CannotWrite, require_at_least, unknown_name
from ..geometry import axis_angle_to_matrix, matrix_to_axis_angle
from ..io.files import write_atomically
from ..io.names import ffmpeg_url
from ..motions import mocap
from ..motions.mocap import FPS, MotionClip
from ..rendering.rasterizer import Light, average_samples, pixels_of, rasterize, rendered_visibility, shade, vertex_normals
from ..types import BodyParams, Camera, GroundTruth, Keypoints2D
from .appearance import Appearance, sample_appearance
from .cameras import CameraView, Framing, place_camera
from .detections import SimulatedDetector, detect
from .domains import WILD, Domain
from .figures import Figure, load_figure
from .layers import Layer, backdrop, furniture, interpolate
from .scenes import Film, paint, photograph, sample_film, sample_light

Array = NDArray[np.floating]
Flags = NDArray[np.bool_]
Situation = Literal["clear", "occluded", "truncated"]

_SUPERSAMPLING = 2
_SHUTTER = 0.5  # of the time between frames
_CHUNK = 32  # frames whose meshes are posed at once


@dataclass(frozen=True)
class Script:
    """What a clip shows."""

    situation: Situation = "clear"  # occluded: furniture in front of the legs; truncated: the legs below the frame
    hidden: tuple[float, float] = (0.28, 0.75)  # part of the clip in which the legs are hidden
    size: tuple[int, int] = (640, 480)  # width, height, pixels; even numbers
    azimuth_deg: float | None = None  # camera direction, from the person's front to their left; None = random
    follow: float = 0.9  # how much of the person's movement the camera pans along with; 0 = it is static
    subframes: int = 3  # subframes that an exposure averages (motion blur)
    detector: SimulatedDetector = field(default_factory=SimulatedDetector)


@dataclass(frozen=True)
class Clip:
    """A rendered clip with its ground truth. Camera frame: x right, y down, z forward, metres."""

    name: str
    label: str
    frames: NDArray[np.uint8]  # [T, H, W, 3] RGB
    fps: float
    camera: Camera
    truth: GroundTruth  # smpl24; visible [T, 24]: in the frame and not behind anything but the body itself
    self_occluded: Flags  # [T, 24] behind the person's own body (``visible`` does not count this)
    keypoints: Keypoints2D  # body25

    @property
    def size(self) -> tuple[int, int]:
        """Width, height in pixels."""
        return self.frames.shape[2], self.frames.shape[1]


@dataclass(frozen=True)
class _Scene:
    """Everything in a clip except the person's motion."""

    figure: Figure
    view: CameraView
    look: Appearance
    light: Light
    background: Layer
    furniture: Layer | None
    film: Film
    shadow: NDArray  # [T, 4] pixels: centre x, y, semi-axes


def render_clip(motion: MotionClip, script: Script | None = None, domain: Domain = WILD, seed: int = 0, name: str = "") -> Clip:
    """Render a motion (30 fps, y up): a random person on the ``open`` body, in a random scene and camera of a domain."""
    script, rng, figure = script or Script(), np.random.default_rng(seed), load_figure()
    betas = rng.normal(0, 0.8, (1, 10)).clip(-2, 2).astype(np.float32).repeat(len(motion), 0)
    poses = motion.axis_angle.reshape(-1, 24, 3).astype(np.float32)
    world = figure.joints(poses, betas) + motion.trans[:, None]
    floor_y = float(world[..., 1].min() - 0.07)
    heading = Rotation.from_rotvec(poses[:, 0])
    tilt = script.hidden if script.situation == "truncated" else None
    framing = Framing(script.size, script.azimuth_deg, script.follow, tilt)
    view = place_camera(rng, world, heading.apply((0, 0, 1)), floor_y, framing, domain)

    poses = poses.copy()
    poses[:, 0] = (Rotation.from_matrix(view.rotation) * heading).as_rotvec()
    pelvis = view.to_camera(motion.trans[:, None]).astype(np.float32)
    joints, keypoints3d = (figure.joints(poses, betas, joint_set) + pelvis for joint_set in ("smpl24", "body25"))
    height_px = view.focal_px * _standing_height(figure, betas[:1]) / pelvis[:, 0, 2]
    layer = None
    if script.situation == "occluded":
        layer = furniture(rng, view.to_pixels(joints), float(height_px.mean()), view, script.hidden)
    scene = _Scene(
        figure, view, sample_appearance(rng, figure.anatomy, domain), sample_light(rng, domain),
        backdrop(rng, view, floor_y, float(pelvis[:, 0, 2].mean()), domain), layer, _film(rng, domain),
        _shadow(view, motion.trans, floor_y),
    )  # fmt: skip
    surface, normals = _surface(figure, scene.look, poses, betas, pelvis)
    frames = _render_frames(rng, scene, surface, normals, script)

    outside, behind_object, behind_self = _occlusion(scene, surface, joints, "smpl24")
    truth = GroundTruth(
        torch.from_numpy(joints), "smpl24",
        BodyParams(
            axis_angle_to_matrix(torch.from_numpy(poses)), torch.from_numpy(betas),
            torch.from_numpy(pelvis[:, 0] - figure.rest_pelvis(betas)),
        ),
        torch.from_numpy(~(outside | behind_object)), body=figure.body.name,
    )  # fmt: skip
    occlusion = _occlusion(scene, surface, keypoints3d, "body25")
    blur_px = scene.film.defocus * max(script.size)
    keypoints = detect(rng, view.to_pixels(keypoints3d), height_px, *occlusion, blur_px=blur_px, detector=script.detector)
    camera = Camera(float(view.focal_px), view.center)
    return Clip(name or motion.clip_id, motion.content, frames, float(FPS), camera, truth, behind_self, keypoints)


def sample_clip(
    folder: str | Path, label: str, situation: Situation, frames: int = 120, split: str = "val", seed: int = 0
) -> Clip:
    """Render a random motion with this label from the packed motions in ``folder``, at most ``frames`` frames long."""
    require_at_least(2, frames=frames)
    require_at_least(0, seed=seed)
    clips = mocap.load(folder, split)
    chosen = [clip for clip in clips if clip.content == label]
    if not chosen:
        raise unknown_name("label", label, mocap.contents(clips))
    if situation not in get_args(Situation):
        raise unknown_name("situation", situation, get_args(Situation))
    rng = np.random.default_rng(seed)
    clip = chosen[rng.integers(len(chosen))]
    start = int(rng.integers(max(len(clip) - frames, 0) + 1))
    part = slice(start, start + frames)
    trans = clip.trans[part] - clip.trans[start] * np.array([1, 0, 1], np.float32)
    motion = replace(clip, axis_angle=clip.axis_angle[part], trans=trans.astype(np.float32))
    return render_clip(motion, Script(situation), seed=seed)


def _standing_height(figure: Figure, betas: Array) -> float:
    return float(np.ptp(figure.vertices(np.zeros((1, 24, 3), np.float32), betas)[0, :, 1]))


def _film(rng: np.random.Generator, domain: Domain) -> Film:
    """A domain's film without motion blur and compression: the renderer and the video codec add those."""
    film = sample_film(rng, domain)
    return Film((0.0, 0.0), film.gain, film.brightness, 0.4 * film.defocus, 1.0, 0.6 * film.grain, None)


def _shadow(view: CameraView, trans: Array, floor_y: float) -> NDArray:
    """Shadows on the floor under the pelvis: ellipses [T, 4] (centre x, y, semi-axes; pixels)."""
    below = np.where((False, True, False), floor_y, trans)
    below = view.to_camera(below[:, None])[:, 0]
    half = 0.38 * view.focal_px / below[:, 2]
    flat = np.clip((view.position[1] - floor_y) / below[:, 2], 0.08, 1)
    return np.concatenate((view.to_pixels(below), half[:, None], (half * flat)[:, None]), -1)


def _surface(figure: Figure, look: Appearance, poses: Array, betas: Array, pelvis: Array) -> tuple[Array, Array]:
    """Clothed surface [T, V, 3] (metres, camera frame) and its normals [T, V, 3]."""
    chunks = [figure.vertices(poses[i : i + _CHUNK], betas[i : i + _CHUNK]) for i in range(0, len(poses), _CHUNK)]
    skin = np.concatenate(chunks)
    normals = np.stack([vertex_normals(vertices, figure.faces) for vertices in skin])
    return skin + normals * look.thickness[:, None] + pelvis, normals


def _render_frames(rng: np.random.Generator, scene: _Scene, surface: Array, normals: Array, script: Script) -> NDArray[np.uint8]:
    """The frames [T, H, W, 3], uint8 RGB."""
    width, height = script.size
    frames = np.empty((len(surface), height, width, 3), np.uint8)
    times = ((np.arange(script.subframes) + 0.5) / script.subframes - 0.5) * _SHUTTER
    for t in range(len(frames)):
        colors = 255 * shade(scene.look.colors, normals[t], scene.light)
        exposures = [_compose(scene, surface, colors, t + time) for time in times]
        frames[t] = photograph(rng, np.mean(exposures, 0), scene.film)
    return frames


def _compose(scene: _Scene, surface: Array, colors: Array, frame: float) -> Array:
    """The image [H, W, 3] at a fractional frame."""
    view, (width, height) = scene.view, scene.view.size
    window = interpolate(view.window, frame)
    picture = scene.background.crop(window, frame, view.size)
    ellipse = np.zeros((1, 16), np.float32)
    ellipse[:, 0], ellipse[:, 5] = 1, 1
    ellipse[:, 1:5] = interpolate(scene.shadow, frame)
    ellipse[:, 15] = ellipse[:, 4]
    picture *= 1 - 0.5 * paint(np.zeros_like(picture), ellipse)[..., None]

    vertices = interpolate(surface, frame)
    points = view.to_pixels(vertices)
    left, top = np.clip(np.floor(points.min(0)), 0, (width, height)).astype(int)
    right, bottom = np.clip(np.ceil(points.max(0)), 0, (width, height)).astype(int)
    if right > left and bottom > top:  # supersample only the region with the person
        fine = ((bottom - top) * _SUPERSAMPLING, (right - left) * _SUPERSAMPLING)
        raster = rasterize((points - (left, top)) * _SUPERSAMPLING, vertices[:, 2], scene.figure.faces, fine)
        person = average_samples(raster, scene.figure.faces, colors, _SUPERSAMPLING)
        part = picture[top:bottom, left:right]
        part *= 1 - person[..., 3:]
        part += person[..., :3]
    if scene.furniture is not None:
        front = scene.furniture.crop(window, frame, view.size)
        picture = picture * (1 - front[..., 3:]) + front[..., :3]
    return picture


def _occlusion(scene: _Scene, surface: Array, joints: Array, joint_set: str) -> tuple[Flags, Flags, Flags]:
    """Which joints [T, J, 3] are outside the frame, behind furniture, behind the body itself: three masks [T, J]."""
    view, size = scene.view, scene.view.size[::-1]
    points, depth = view.to_pixels(joints), joints[..., 2]
    flags = np.zeros((3, *joints.shape[:2]), bool)
    for t in range(len(joints)):
        inside, pixel = pixels_of(points[t], size)
        flags[0, t] = ~inside
        if scene.furniture is not None:
            cover = scene.furniture.crop(view.window[t], t, view.size)[..., 3]
            flags[1, t] = inside & (cover[pixel] > 0.5)
        raster = rasterize(view.to_pixels(surface[t]), surface[t, :, 2], scene.figure.faces, size)
        visible = rendered_visibility(points[t], depth[t], raster, scene.figure.face_part, None, joint_set)
        flags[2, t] = inside & ~flags[1, t] & ~visible
    return flags[0], flags[1], flags[2]


def save_clip(clip: Clip, folder: str | Path, crf: int = 23) -> None:
    """Write ``NAME.mp4``, ``keypoints.npz`` and ``ground_truth.npz`` (see ``truth_arrays``) to a folder."""
    folder = Path(folder)
    try:
        write_atomically(folder / f"{clip.name}.mp4", lambda path: write_video(path, clip.frames, clip.fps, crf))
        stack = torch.cat((clip.keypoints.xy, clip.keypoints.confidence[..., None]), -1).numpy()
        width, height = clip.size
        keypoints: dict[str, Any] = {
            "keypoints": stack,
            "fps": clip.fps,
            "width": width,
            "height": height,
            "label": clip.label,
        }
        write_atomically(folder / "keypoints.npz", lambda path: np.savez_compressed(path, **keypoints))
        arrays = truth_arrays(clip)
        write_atomically(folder / "ground_truth.npz", lambda path: np.savez_compressed(path, **arrays))
    except OSError as error:
        raise CannotWrite.of(folder, error) from error


def truth_arrays(clip: Clip) -> dict[str, Any]:
    """The ground truth as arrays: ``poses`` [T, 72] (axis-angle; the global rotation is into the camera frame), ``betas`` [10],
    ``trans`` [T, 3] (added to the posed body), ``joints`` [T, 24, 3], ``visible`` and ``self_occluded`` [T, 24],
    ``fps``, ``focal_px``, ``center_px`` [2], ``width``, ``height``, ``label``, ``body``."""
    truth, params = clip.truth, clip.truth.params
    assert params is not None
    assert params.translation is not None
    assert truth.visible is not None
    return {
        "poses": matrix_to_axis_angle(params.rotations).flatten(1).numpy(),
        "betas": params.betas[0].numpy(),
        "trans": params.translation.numpy(),
        "joints": truth.joints.numpy(),
        "visible": truth.visible.numpy(),
        "self_occluded": clip.self_occluded,
        "fps": np.float32(clip.fps),
        "focal_px": np.float32(clip.camera.focal_px),
        "center_px": np.array(clip.camera.center_px, np.float32),
        "width": np.int32(clip.size[0]),
        "height": np.int32(clip.size[1]),
        "label": np.str_(clip.label),
        "body": np.str_(truth.body),
    }


def write_video(path: str | Path, frames: NDArray[np.uint8], fps: float, crf: int = 23) -> None:
    """Frames [T, H, W, 3] (RGB, even sides) as h264, yuv420p."""
    with av.open(ffmpeg_url(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=round(fps))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        # The same frames must give the same file: x264 does not ensure that with AVX-512 or with several threads.
        stream.options = {"crf": str(crf), "preset": "slow", "threads": "1", "x264-params": "asm=sse2"}
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
