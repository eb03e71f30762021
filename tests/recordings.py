"""A made-up recording: two people who walk, seen by four cameras, with calibration files in both formats."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from scipy.spatial.transform import Rotation

from semtta.constants import BODY25

SIZE, FPS = (320, 240), 30
FACE_AND_FEET = [i for i, name in enumerate(BODY25) if any(word in name for word in ("Nose", "Eye", "Ear", "Toe", "Heel"))]


class MadeUpCamera(NamedTuple):
    name: str
    matrix: np.ndarray  # [3, 3]
    distortion: np.ndarray  # [4] k1, k2, p1, p2
    rotation: np.ndarray  # [3, 3] world to camera
    position: np.ndarray  # [3] metres

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """OpenCV's model, written down again."""
        x, y, z = np.moveaxis((points - self.position) @ self.rotation.T, -1, 0)
        x, y = x / z, y / z
        k1, k2, p1, p2 = self.distortion
        r2 = x**2 + y**2
        radial = 1 + k1 * r2 + k2 * r2**2
        u = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x**2)
        v = y * radial + p1 * (r2 + 2 * y**2) + 2 * p2 * x * y
        return np.stack((self.matrix[0, 0] * u + self.matrix[0, 2], self.matrix[1, 1] * v + self.matrix[1, 2]), -1)

    def in_frame(self, points: np.ndarray) -> np.ndarray:
        return (points - self.position) @ self.rotation.T


def cameras(count: int = 4, seed: int = 0) -> list[MadeUpCamera]:
    """Around the origin of a world with z up, 4 to 5 m away, tilted and rolled a little."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(count):
        turn = 2 * np.pi * (i + 0.2 * rng.random()) / count
        position = np.array([np.cos(turn), np.sin(turn), 0.0]) * (4 + rng.random()) + [0, 0, 1 + rng.random()]
        forward = np.array([0, 0, 0.9]) - position
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0, 0, 1])
        right /= np.linalg.norm(right)
        rotation = np.stack((right, np.cross(forward, right), forward))
        rotation = Rotation.from_rotvec([0, 0, 0.2 * rng.normal()]).as_matrix() @ rotation
        matrix = np.array([[260.0, 0, 158 + i], [0, 262.0, 121 - i], [0, 0, 1]])
        made.append(MadeUpCamera(f"cam{i + 1:02d}", matrix, np.array([-0.12, 0.05, 0.002, -0.001]), rotation, position))
    return made


def walking(frames: int, start: tuple[float, float], heading: float, size: float = 1.0) -> np.ndarray:
    """BODY_25 joints [T, 25, 3], metres, of somebody who walks; z up. Not anatomy: limbs of constant length that swing."""
    t = np.arange(frames) / FPS
    forward = np.array([np.cos(heading), np.sin(heading), 0])
    left = np.array([-np.sin(heading), np.cos(heading), 0])
    up = np.array([0, 0, 1.0])
    joints = np.full((frames, 25, 3), np.nan)
    pelvis = np.array([*start, 0.95]) + np.outer(0.8 * t, forward)
    neck = pelvis + 0.5 * up

    def hang(top: np.ndarray, length: float, angle: np.ndarray) -> np.ndarray:
        return top + length * (np.outer(np.sin(angle), forward) - np.outer(np.cos(angle), up))

    joints[:, BODY25.index("Pelvis")], joints[:, BODY25.index("Neck")] = pelvis, neck
    for side, sign in (("L", 1), ("R", -1)):
        swing = sign * 0.5 * np.sin(2 * np.pi * 0.9 * t)
        hip, shoulder = pelvis + 0.1 * sign * left, neck + 0.18 * sign * left
        knee, elbow = hang(hip, 0.42, swing), hang(shoulder, 0.28, -swing)
        for name, points in (("Hip", hip), ("Knee", knee), ("Ankle", hang(knee, 0.4, swing - 0.2)), ("Shoulder", shoulder),
                             ("Elbow", elbow), ("Wrist", hang(elbow, 0.25, 0.4 - swing))):  # fmt: skip
            joints[:, BODY25.index(f"{side}_{name}")] = points
    return joints * [1, 1, size] * 1.0


def two_people(frames: int = 24) -> np.ndarray:
    """Joints [2, T, 25, 3] in the world; they pass each other."""
    return np.stack([walking(frames, (-0.6, 0.35), 0.0), walking(frames, (0.5, -0.35), np.pi, 0.9)])


def detected(camera: MadeUpCamera, people: np.ndarray, noise_px: float, rng: np.random.Generator) -> np.ndarray:
    """Keypoints [T, P, 25, 3] as a detector gives them: noisy, without face and feet, the people in any order in each frame."""
    points = np.concatenate((camera.pixels(people), np.full((*people.shape[:-1], 1), 0.9)), -1)
    points[..., :2] += noise_px * rng.normal(size=points[..., :2].shape)
    points[:, :, FACE_AND_FEET] = 0
    out = points.transpose(1, 0, 2, 3)
    return np.stack([frame[rng.permutation(len(frame))] for frame in out])


def toml(made: list[MadeUpCamera], **changes: str) -> str:
    """The calibration as Pose2Sim writes it; ``changes``: lines to replace in every camera."""
    text = ""
    for camera in made:
        lines = {
            "name": f'"{camera.name}"', "size": f"[ {SIZE[0]}.0, {SIZE[1]}.0]", "matrix": str(camera.matrix.tolist()),
            "distortions": str(camera.distortion.tolist()),
            "rotation": str(Rotation.from_matrix(camera.rotation).as_rotvec().tolist()),
            "translation": str((-camera.rotation @ camera.position).tolist()), "fisheye": "false",
        } | changes  # fmt: skip
        text += f"[{camera.name}]\n" + "\n".join(f"{key} = {value}" for key, value in lines.items()) + "\n\n"
    return text + "[metadata]\nadjusted = false\nerror = 0.0\n"


def qualisys(made: list[MadeUpCamera]) -> str:
    """The calibration as Qualisys writes it: positions in mm, pixels in 64ths, the camera looks along -z; a marker camera too."""
    cameras = '<camera active="1" model="Miqus M3" serial="1"><transform x="0"/></camera>'
    for camera in made:
        turned = np.diag([1.0, -1.0, -1.0]) @ camera.rotation
        place = " ".join(f'r{i + 1}{j + 1}="{turned[i, j]!r}"' for i in range(3) for j in range(3)).replace("np.float64(", "")
        x, y, z = (float(v) * 1000 for v in camera.position)
        fu, fv, cu, cv = (float(camera.matrix[i]) * 64 for i in ((0, 0), (1, 1), (0, 2), (1, 2)))
        k1, k2, p1, p2 = (float(v) for v in camera.distortion)
        cameras += f"""
          <camera active="1" avg-residual="0.4" model="Miqus Video" serial="{camera.name}" viewrotation="0">
            <fov_video bottom="{SIZE[1] - 1}" left="0" right="{SIZE[0] - 1}" top="0"/>
            <transform {place.replace(")", "")} x="{x}" y="{y}" z="{z}"/>
            <intrinsic focalLengthU="{fu}" focalLengthV="{fv}" centerPointU="{cu}" centerPointV="{cv}" skew="0.0"
              radialDistortion1="{k1}" radialDistortion2="{k2}" radialDistortion3="0.0"
              tangentalDistortion1="{p1}" tangentalDistortion2="{p2}"/>
          </camera>"""
    return f'<?xml version="1.0" encoding="ASCII"?>\n<calibration source="made up"><cameras>{cameras}</cameras></calibration>'


def write_video(path: Path, frames: int, size: tuple[int, int] = SIZE) -> None:
    """A grey video."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as target:
        stream = target.add_stream("h264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for _ in range(frames):
            target.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), 127, np.uint8), format="rgb24")))
        target.mux(stream.encode())


def write_recording(folder: Path, frames: int = 24, noise_px: float = 0.5, count: int = 4) -> np.ndarray:
    """``Calib.toml``, ``camNN.mp4`` and ``camNN_keypoints.npz`` with landmarks; returns the true joints [2, T, 25, 3], world."""
    made, people, rng = cameras(count), two_people(frames), np.random.default_rng(1)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Calib.toml").write_text(toml(made))
    for camera in made:
        write_video(folder / f"{camera.name}.mp4", frames)
        points = detected(camera, people, noise_px, rng)
        np.savez(folder / f"{camera.name}_keypoints.npz", **with_landmarks(camera, people, points))
    return people


def with_landmarks(camera: MadeUpCamera, people: np.ndarray, points: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays of a keypoint file in which each pose has its true joints, from the mid hip, as landmarks (BODY_25)."""
    true = camera.in_frame(people).transpose(1, 0, 2, 3)
    true = np.nan_to_num(true - true[:, :, [BODY25.index("Pelvis")]])
    pixels = camera.pixels(people).transpose(1, 0, 2, 3)
    off = np.nanmean(
        np.linalg.norm(points[:, :, None, :, :2] - pixels[:, None], axis=-1)[..., 1:15], -1
    )  # [T, detection, person]
    chosen = off.argmin(-1)
    xyz = np.take_along_axis(true, chosen[:, :, None, None], 1)
    return {
        "keypoints": points, "landmarks_xyz": xyz, "landmarks_confidence": np.ones(xyz.shape[:-1]),
        "landmarks_joint_set": np.array("body25"),
    }  # fmt: skip
