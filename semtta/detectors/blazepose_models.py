"""The two models of MediaPipe's pose solution: a detector of people in a picture, and landmarks inside a region."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..constants import BLAZEPOSE33, BODY25
from ..errors import SemttaError
from ..geometry.crops import crop_square, cut

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

_GREY = (127, 127, 127)
_TRUNK = [BLAZEPOSE33.index(name) for name in ("L_Shoulder", "R_Shoulder", "R_Hip", "L_Hip")]
_PAINTED = [
    [BLAZEPOSE33.index(f"{side}_{name}") for name in names]
    for side in "LR"
    for names in (("Shoulder", "Elbow", "Wrist"), ("Shoulder", "Hip", "Knee", "Ankle", "BigToe"))
]
_HIPS = [BLAZEPOSE33.index("L_Hip"), BLAZEPOSE33.index("R_Hip")]


class Pose(NamedTuple):
    """One frame's person."""

    points: np.ndarray  # [33, 3] x, y in pixels of the image, visibility
    world: np.ndarray  # [33, 3] metres from the middle of the hips, x right, y down, z forward, as the image is
    following: Roi  # where to look in the next frame
    presence: float = 1.0  # probability that a person is there


class Roi:
    """A rotated square region of the image: centre and side in pixels, and the angle (radians, clockwise) of its up axis."""

    def __init__(self, center: np.ndarray, size_point: np.ndarray) -> None:
        dx, dy = size_point - center
        self.size_point = size_point
        self.center, self.side = center, 2 * ROI_SCALE * math.hypot(dx, dy)
        self.angle = math.pi / 2 - math.atan2(-dy, dx)

    @property
    def reach(self) -> float:
        """The size of the person in it, pixels."""
        return self.side / ROI_SCALE

    def moved(self, by: np.ndarray) -> Roi:
        """The same region elsewhere, by [2] pixels."""
        return Roi(self.center + by, self.size_point + by)

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

    def from_image(self, points: np.ndarray) -> np.ndarray:
        """The inverse of ``to_image``."""
        return np.asarray((points - self.center) @ self.rotation() / self.side + 0.5)

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
    """The detector model: the regions of the people in a square of a picture, the most certain first."""

    def __init__(self, model: Any) -> None:
        self._run = _Runner(model, {"raw": (1, 2254, 12), "scores": (1, 2254, 1)})
        self._anchors = anchor_centers()

    def __call__(self, frame: np.ndarray, square: Sequence[float] | None = None, hidden: Sequence[Pose] = ()) -> list[Roi]:
        """Regions in a frame [H, W, 3]. ``square``: centre x, centre y, side; None: the whole frame. ``hidden``: people who are
        known, painted over so that others are found beside them."""
        height, width = frame.shape[:2]
        x, y, side = square or (width / 2, height / 2, max(width, height))
        picture = crop_square(frame, [x, y, side], DETECTOR_PX)
        corner = np.array([x, y]) - side / 2
        if hidden:
            picture = painted_over(picture, [(pose.points[:, :2] - corner) * (DETECTOR_PX / side) for pose in hidden])
        out = self._run(picture.astype(np.float32) / 127.5 - 1)
        found = find_people(out["raw"][0], out["scores"][0, :, 0], self._anchors)
        return [Roi(*(points[:2] * side + corner)) for points in found]


class LandmarkModel:
    """The landmark model: 33 landmarks inside a region, and the region for the next frame."""

    def __init__(self, model: Any) -> None:
        shapes = {"landmarks": (1, 195), "presence": (1, 1), "heatmaps": (1, 64, 64, 39), "world": (1, 117)}
        self._run = _Runner(model, shapes)

    def __call__(self, frame: np.ndarray, roi: Roi, hidden: Sequence[Pose] = ()) -> Pose | None:
        """The landmarks, and the region for the next frame; None if nobody is there.

        ``hidden``: people who are painted over, so that the one behind them is found.
        """
        if not (1 < roi.side < 8 * max(frame.shape)):
            return None
        picture = roi.sample(frame, LANDMARK_PX)
        if hidden:
            picture = painted_over(picture, [roi.from_image(pose.points[:, :2]) * LANDMARK_PX for pose in hidden])
        out = self._run(picture.astype(np.float32) / 255)
        if out["presence"][0, 0] < MIN_PRESENCE:
            return None
        raw = out["landmarks"].reshape(39, 5)
        points = roi.to_image(refine(raw[:, :2] / LANDMARK_PX, _sigmoid(out["heatmaps"][0])))
        landmarks = np.concatenate([points[:33], _sigmoid(raw[:33, 3:4])], -1)
        world = upright(out["world"].reshape(39, 3)[:33], roi)
        return Pose(landmarks, world, Roi(points[33], points[34]), float(out["presence"][0, 0]))


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


def find_people(raw: np.ndarray, scores: np.ndarray, anchors: np.ndarray, least: float = MIN_SCORE) -> list[np.ndarray]:
    """The four points [4, 2] of each person, in units of the detector's input image, the most certain first.

    raw [N, 12]: box centre, box size and four points, in pixels relative to the anchor; scores [N]: logits. Detections
    whose box overlaps a more certain one's (IoU > 0.3) are averaged with it, weighted by score.
    """
    scores = _sigmoid(scores)
    keep = scores >= least
    raw, scores, anchors = raw[keep] / DETECTOR_PX, scores[keep], anchors[keep]
    low, high = anchors + raw[:, :2] - raw[:, 2:4] / 2, anchors + raw[:, :2] + raw[:, 2:4] / 2
    points = anchors[:, None] + raw[:, 4:].reshape(-1, 4, 2)
    found, free = [], np.full(len(scores), True)
    while free.any():
        best = int(np.where(free, scores, -1.0).argmax())
        overlap = (np.minimum(high, high[best]) - np.maximum(low, low[best])).clip(min=0).prod(-1)
        union = (high - low).prod(-1) + (high - low)[best].prod() - overlap
        near = free & (overlap > MIN_OVERLAP * union)
        near[best] = True
        found.append(np.average(points[near], axis=0, weights=scores[near]))
        free &= ~near
    return found


def painted_over(picture: np.ndarray, people: Sequence[np.ndarray]) -> np.ndarray:
    """A picture [S, S, 3] with people, their landmarks [33, 2] in its pixels, painted grey along their trunk and limbs."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    for points in people:
        size = max(float(np.ptp(points, axis=0).max()), 1.0)
        draw.polygon([tuple(points[i]) for i in _TRUNK], fill=_GREY)
        for chain in _PAINTED:
            draw.line([tuple(points[i]) for i in chain], fill=_GREY, width=max(2, round(0.09 * size)), joint="curve")
        head = 0.09 * size
        draw.ellipse((*(points[0] - head), *(points[0] + head)), fill=_GREY)
    return np.asarray(image)


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


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -80, 80)))
