"""BlazePose on the CPU: one person, tracked from frame to frame, with the two models of MediaPipe's pose solution.

The detector model finds the person's mid hip and a point that gives the body's size and direction; the landmark model
runs on the rotated square around them and gives 33 landmarks in the picture and in metres, and the two points for the next
frame.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from pydantic import Field

from ..constants import BLAZEPOSE33, BODY25
from ..errors import SemttaError, missing_extra
from ..geometry.crops import crop_square, cut
from ..registry import Settings
from ..types import FrameSource, Keypoints2D, Landmarks3D
from .base import register

DETECTOR_PX, LANDMARK_PX = 224, 256
#: Feature maps of the detector: (stride, anchors per cell); the three of stride 32 are merged.
ANCHOR_LAYERS = ((8, 2), (16, 2), (32, 6))
#: Smallest score of a detection, and smallest IoU at which detections are averaged.
MIN_SCORE, MIN_OVERLAP = 0.5, 0.3
#: Smallest probability, by the landmark model, that a person is present.
MIN_PRESENCE = 0.5
#: Side of the landmark model's square, in units of twice the distance from the mid hip to the size point.
ROI_SCALE = 1.25
HEATMAP_WINDOW, MIN_HEATMAP = 7, 0.5

#: Landmarks of each BODY_25 joint; two: their midpoint; none: the joint is never detected.
LANDMARKS: dict[str, tuple[int, ...]] = {
    "Nose": (0,), "Neck": (11, 12), "R_Shoulder": (12,), "R_Elbow": (14,), "R_Wrist": (16,), "L_Shoulder": (11,),
    "L_Elbow": (13,), "L_Wrist": (15,), "Pelvis": (23, 24), "R_Hip": (24,), "R_Knee": (26,), "R_Ankle": (28,),
    "L_Hip": (23,), "L_Knee": (25,), "L_Ankle": (27,), "R_Eye": (5,), "L_Eye": (2,), "R_Ear": (8,), "L_Ear": (7,),
    "L_BigToe": (31,), "L_SmallToe": (), "L_Heel": (29,), "R_BigToe": (32,), "R_SmallToe": (), "R_Heel": (30,),
}  # fmt: skip


Model = Literal["lite", "full", "heavy"]
_HIPS = [BLAZEPOSE33.index("L_Hip"), BLAZEPOSE33.index("R_Hip")]


class BlazePose:
    """A detector of one person: BODY_25 joints with BlazePose's visibility as confidence, and its 33 landmarks in metres.

    Visibility is the probability that a joint is not hidden. It is not a heat-map score, and on average higher than OpenPose's.

    Args:
        model: of the landmarks: lite (2.8 MB), full (6.4 MB) or heavy (27.7 MB).
        folder: with ``pose_detection.tflite`` and ``pose_landmark_MODEL.tflite``; by default the user's asset store, into which
            they are downloaded if missing.
        num_threads: of the interpreter.
    """

    def __init__(self, model: Model = "full", folder: str | Path | None = None, num_threads: int = 2) -> None:
        self.model, self._folder, self._num_threads = model, folder, num_threads

    def detect(self, frames: FrameSource, size: tuple[int, int]) -> list[Keypoints2D]:
        """The person's keypoints [T, 25] in pixels, with landmarks [T, 33]; an empty list if there is nobody in any frame."""
        detect, track = self._models()
        poses, roi = [], None
        nobody = Pose(np.zeros((33, 3)), np.zeros((33, 3)), None)
        for frame in frames:
            pose = track(frame, roi) if roi is not None else None
            if pose is None and (start := detect(frame)) is not None:  # lost, or not yet detected
                pose = track(frame, start)
            poses.append(pose or nobody)
            roi = poses[-1].following
        points, world = (torch.tensor(np.array([getattr(p, k) for p in poses]).reshape(-1, 33, 3)) for k in ("points", "world"))
        inside = ((points[..., :2] >= 0) & (points[..., :2] <= torch.tensor(size))).all(-1)
        points[..., 2] *= inside  # outside the image it only extrapolates
        if not (points[..., 2] > 0).any():
            return []
        source = f"blazepose (MediaPipe {self.model})"
        landmarks = Landmarks3D(world.float(), points[..., 2].float(), "blazepose33", source)
        joints = torch.from_numpy(to_body25(points.numpy()))
        return [Keypoints2D(joints[..., :2], joints[..., 2], "body25", source, landmarks)]

    def files(self) -> list[str]:
        """The assets that it needs."""
        folder = "blazepose" if self.model == "full" else f"blazepose-{self.model}"
        return ["blazepose/pose_detection.tflite", f"{folder}/pose_landmark_{self.model}.tflite"]

    def is_ready(self) -> bool:
        """Whether it can run without fetching anything."""
        from .. import assets

        here = {row.name for row in assets.rows() if row.path.is_file()}
        return find_spec("ai_edge_litert") is not None and set(self.files()) <= here

    def _models(self) -> tuple[PersonFinder, LandmarkModel]:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise missing_extra("The blazepose detector", "blazepose", error) from error
        if self._folder is None:
            from .. import assets

            paths = assets.fetch(*self.files())
        else:
            paths = [Path(self._folder) / Path(name).name for name in self.files()]
        models = []
        with _quiet():
            for path, name in zip(paths, self.files(), strict=True):
                try:
                    models.append(Interpreter(model_path=str(path), num_threads=self._num_threads))
                except ValueError as error:
                    asset = name.split("/")[0]
                    raise SemttaError(f"{path} is missing or not a TFLite model: run 'semtta assets fetch {asset}'.") from error
            return PersonFinder(models[0]), LandmarkModel(models[1])


class Pose(NamedTuple):
    """One frame's person."""

    points: np.ndarray  # [33, 3] x, y in pixels of the image, visibility
    world: np.ndarray  # [33, 3] metres from the middle of the hips, x right, y down, z forward, as the image is
    following: Roi | None  # where to look in the next frame


class Roi:
    """A rotated square region of the image: centre and side in pixels, and the angle (radians, clockwise) of its up axis."""

    def __init__(self, center: np.ndarray, size_point: np.ndarray) -> None:
        dx, dy = size_point - center
        self.center, self.side = center, 2 * ROI_SCALE * math.hypot(dx, dy)
        self.angle = math.pi / 2 - math.atan2(-dy, dx)

    def rotation(self) -> np.ndarray:
        """The rotation [2, 2] from the square's axes (x right, y down) to the image's."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return np.array([[cos, -sin], [sin, cos]])

    def matrix(self) -> np.ndarray:
        """The matrix [2, 2] from coordinates relative to the square (unit: its side) to pixels."""
        return self.side * self.rotation()

    def to_image(self, points: np.ndarray) -> np.ndarray:
        """Points [..., 2] of the square, 0 to 1, -> pixels of the image."""
        return (points - 0.5) @ self.matrix().T + self.center

    def sample(self, frame: np.ndarray, size: int) -> np.ndarray:
        """The square of a frame [H, W, 3], resampled to uint8 [size, size, 3]; black outside."""
        from PIL import Image

        half = self.side * (abs(math.cos(self.angle)) + abs(math.sin(self.angle))) / 2 + 2
        left, top = (int(v) for v in np.floor(self.center - half))
        right, bottom = (int(v) for v in np.ceil(self.center + half))
        shrink = max(1, int(self.side / size) // 2)
        region = Image.fromarray(cut(frame, left, top, right, bottom)).reduce(shrink)
        linear = self.matrix() / size / shrink
        corner = self.to_image(np.full(2, -0.5 / size)) + 0.5  # as MediaPipe: pixel u of the square is the point u, not u + 0.5
        offset = (corner - (left, top)) / shrink
        affine = (*linear[0], offset[0], *linear[1], offset[1])
        return np.asarray(region.transform((size, size), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR))


class PersonFinder:
    """The detector model: the region of the most confident person in the whole frame."""

    def __init__(self, model: Any) -> None:
        self._run = _Runner(model, {"raw": (1, 2254, 12), "scores": (1, 2254, 1)})
        self._anchors = anchor_centers()

    def __call__(self, frame: np.ndarray) -> Roi | None:
        height, width = frame.shape[:2]
        side = max(width, height)
        picture = crop_square(frame, [width / 2, height / 2, side], DETECTOR_PX)
        out = self._run(picture.astype(np.float32) / 127.5 - 1)
        points = best_detection(out["raw"][0], out["scores"][0, :, 0], self._anchors)
        if points is None:
            return None
        points = (points - 0.5) * side + (width / 2, height / 2)
        return Roi(points[0], points[1])


class LandmarkModel:
    """The landmark model: 33 landmarks inside a region, and the region for the next frame."""

    def __init__(self, model: Any) -> None:
        shapes = {"landmarks": (1, 195), "presence": (1, 1), "heatmaps": (1, 64, 64, 39), "world": (1, 117)}
        self._run = _Runner(model, shapes)

    def __call__(self, frame: np.ndarray, roi: Roi) -> Pose | None:
        """The landmarks, and the region for the next frame; None if nobody is there."""
        if not (1 < roi.side < 8 * max(frame.shape)):
            return None
        out = self._run(roi.sample(frame, LANDMARK_PX).astype(np.float32) / 255)
        if out["presence"][0, 0] < MIN_PRESENCE:
            return None
        raw = out["landmarks"].reshape(39, 5)
        points = roi.to_image(refine(raw[:, :2] / LANDMARK_PX, _sigmoid(out["heatmaps"][0])))
        landmarks = np.concatenate([points[:33], _sigmoid(raw[:33, 3:4])], -1)
        return Pose(landmarks, upright(out["world"].reshape(39, 3)[:33], roi), Roi(points[33], points[34]))


class _Runner:
    """A TFLite model with its outputs by name, identified by their shapes."""

    def __init__(self, model: Any, shapes: dict[str, tuple[int, ...]]) -> None:
        model.allocate_tensors()
        self._model, self._input = model, model.get_input_details()[0]["index"]
        by_shape = {tuple(int(n) for n in d["shape"]): d["index"] for d in model.get_output_details()}
        if not set(shapes.values()) <= by_shape.keys():
            raise SemttaError(f"A model with outputs {sorted(by_shape)} is not BlazePose's: run 'semtta assets fetch blazepose'.")
        self._outputs = {name: by_shape[shape] for name, shape in shapes.items()}

    def __call__(self, picture: np.ndarray) -> dict[str, np.ndarray]:
        self._model.set_tensor(self._input, picture[None])
        self._model.invoke()
        return {name: self._model.get_tensor(index) for name, index in self._outputs.items()}


def anchor_centers() -> np.ndarray:
    """Anchor centres [2254, 2] in units of the detector's input image, in the order of its outputs."""
    layers = []
    for stride, per_cell in ANCHOR_LAYERS:
        ticks = (np.arange(DETECTOR_PX // stride) + 0.5) * stride / DETECTOR_PX
        y, x = np.meshgrid(ticks, ticks, indexing="ij")
        layers.append(np.stack([x, y], -1).reshape(-1, 2).repeat(per_cell, axis=0))
    return np.concatenate(layers)


def best_detection(raw: np.ndarray, scores: np.ndarray, anchors: np.ndarray) -> np.ndarray | None:
    """The four points [4, 2] of the most confident person, in units of the detector's input image; None if there is none.

    raw [N, 12]: box centre, box size and four points, in pixels relative to the anchor; scores [N]: logits. Detections
    whose box overlaps the best one's (IoU > 0.3) are averaged with it, weighted by score.
    """
    scores = _sigmoid(scores)
    keep = scores >= MIN_SCORE
    if not keep.any():
        return None
    raw, scores, anchors = raw[keep] / DETECTOR_PX, scores[keep], anchors[keep]
    low, high = anchors + raw[:, :2] - raw[:, 2:4] / 2, anchors + raw[:, :2] + raw[:, 2:4] / 2
    points = anchors[:, None] + raw[:, 4:].reshape(-1, 4, 2)
    best = int(scores.argmax())
    overlap = (np.minimum(high, high[best]) - np.maximum(low, low[best])).clip(min=0).prod(-1)
    union = (high - low).prod(-1) + (high - low)[best].prod() - overlap
    near = overlap > MIN_OVERLAP * union
    near[best] = True
    return np.average(points[near], axis=0, weights=scores[near])


def refine(points: np.ndarray, heatmaps: np.ndarray) -> np.ndarray:
    """Move each point to the local centre of mass of its heat map, where the heat map is confident enough.

    points [N, 2], 0 to 1; heatmaps [H, W, N] in [0, 1]. The centre is computed from cell indices / size in a 7 x 7 window.
    """
    height, width, _ = heatmaps.shape
    refined = points.copy()
    reach = HEATMAP_WINDOW // 2
    for i, (x, y) in enumerate(points):
        column, row = int(x * width), int(y * height)
        if not (x >= 0 and y >= 0 and column < width and row < height):
            continue
        rows = np.arange(max(0, row - reach), min(height, row + reach + 1))
        columns = np.arange(max(0, column - reach), min(width, column + reach + 1))
        window = heatmaps[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1, i]
        if window.max() >= MIN_HEATMAP:
            refined[i] = (window.sum(0) @ columns / width, window.sum(1) @ rows / height) / window.sum()
    return refined


def upright(world: np.ndarray, roi: Roi) -> np.ndarray:
    """World landmarks [33, 3] from the axes of the region to the image's (x right, y down, z forward), from the mid hip."""
    turned = np.concatenate([world[:, :2] @ roi.rotation().T, world[:, 2:]], -1)
    return turned - turned[_HIPS].mean(0)


def to_body25(landmarks: np.ndarray) -> np.ndarray:
    """Landmarks [..., 33, 3] (x, y, visibility) -> BODY_25 joints [..., 25, 3].

    A midpoint has the lower visibility of its two ends.
    """
    joints = np.zeros((*landmarks.shape[:-2], 25, 3), np.float32)
    for joint, name in enumerate(BODY25):
        if source := list(LANDMARKS[name]):
            joints[..., joint, :2] = landmarks[..., source, :2].mean(-2)
            joints[..., joint, 2] = landmarks[..., source, 2].min(-1)
    return joints


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences the start-up messages of the interpreter's C++ code, which would break progress bars; errors still raise."""
    try:
        stderr = os.dup(2)
    except OSError:  # there is no stderr
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -80, 80)))


class BlazePoseSettings(Settings):
    """Settings of ``blazepose``."""

    model: Model = Field("full", description="of the landmarks; heavy is slower and, seen from the front, better")


@register("blazepose", settings=BlazePoseSettings)
def blazepose(settings: BlazePoseSettings) -> BlazePose:
    """BlazePose (MediaPipe): one person in 2D and 3D; downloaded once from a public package."""
    return BlazePose(settings.model)
