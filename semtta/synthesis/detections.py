"""2D keypoints as a detector would give them, simulated from the true ones.

The error model and the measurements behind it (distances as a fraction of the person's standing height in the image):

* Error of a visible joint. OpenPose against marker-based capture: of the mean errors of the joints 47 % are below 20 mm,
  80 % below 30 mm, 10 % above 40 mm (Nakano et al., Frontiers in Sports and Active Living
  2020), that is 1.2 % of a height of 1.7 m for the median joint; hips and knees have a systematic error of 30-50 mm,
  ankles of 1-15 mm (Needham et al., Scientific Reports 2021). Two BlazePose models on the project's real clips differ
  by 0.7 % (squats) and 1.1 % (dribbling) in the median, 95th percentile 1.8 % and 2.8 %; hips, wrists and feet most.
* Most of it varies slowly: on the same clips the second difference over sqrt(6), which contains only the white noise, is
  0.3-0.7 % per axis. Hence a slow error (correlated over about 0.4 s) of 0.8 % per axis and joint, and white noise of
  0.4 %, times a factor per joint that ranks them by the disagreement of COCO's annotators (Lin et al., OKS: hips most, eyes
  least). The median error is then 1.0 % (18 mm), and 5 % of the errors are above 40 mm.
* Speed and blur: the white noise grows by 15 % of a joint's displacement between frames, and with the blur of the film.
* Hidden joints. OpenPose drops a joint whose score is too low and returns (0, 0, 0): always outside the frame, nine times
  in ten behind an object, one time in four behind the person's own body, in runs of frames rather than independently.
  Otherwise it guesses, with low confidence and three times (object) or twice (own body) the error.
* Left and right of a pair of limbs are occasionally swapped for a few frames, ten times as often in side view (the
  dribbling clip has such runs); one joint in three hundred is an outlier somewhere else on the person.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import norm

from ..constants import BODY25
from ..types import Keypoints2D

Array = NDArray[np.floating]
Flags = NDArray[np.bool_]

#: Factor on the error of each joint.
SPREAD = {
    "Nose": 0.6, "Eye": 0.5, "Ear": 0.7, "Neck": 0.8, "Shoulder": 1.0, "Elbow": 1.1, "Wrist": 1.2, "Pelvis": 1.1,
    "Hip": 1.4, "Knee": 1.1, "Ankle": 1.0, "BigToe": 1.1, "SmallToe": 1.2, "Heel": 1.1,
}  # fmt: skip
_LIMBS = (("Shoulder", "Elbow", "Wrist"), ("Hip", "Knee", "Ankle", "BigToe", "SmallToe", "Heel"))


@dataclass(frozen=True)
class SimulatedDetector:
    """Errors as fractions of the person's standing height in pixels; probabilities per frame and joint (or pair of limbs)."""

    slow: float = 0.008
    slow_frames: float = 12.0  # correlation time
    jitter: float = 0.004
    speed: float = 0.15
    missing: float = 0.004  # probability that a visible joint is missing
    behind_object: float = 0.9
    behind_self: float = 0.25
    swap: float = 0.002
    swap_from_side: float = 0.02
    swap_frames: float = 2.5  # mean length
    outlier: float = 0.003


def detect(
    rng: np.random.Generator, joints: Array, height_px: Array, outside: Flags, behind_object: Flags, behind_self: Flags,
    blur_px: float = 0.0, detector: SimulatedDetector | None = None,
) -> Keypoints2D:  # fmt: skip
    """Simulated ``body25`` keypoints, from the true image points.

    Args:
        joints: [T, 25, 2] pixels. height_px: [T] standing height of the person in pixels.
        outside, behind_object, behind_self: [T, 25] bool: outside the frame, hidden by an object, hidden by the body itself.
        blur_px: sigma of the image's blur.
    Returns: xy [T, 25, 2] and confidence [T, 25]; both 0 where the detector finds nothing.
    """
    detector = detector or SimulatedDetector()
    count = len(joints)
    spread = np.array([SPREAD[name.split("_")[-1]] for name in BODY25])
    scale = height_px[:, None] * spread
    factor = np.where(behind_object, 3.0, np.where(behind_self, 2.0, 1.0))
    displacement = np.linalg.norm(np.gradient(joints, axis=0), axis=-1) if count > 1 else np.zeros(joints.shape[:2])
    white = np.sqrt((detector.jitter * scale) ** 2 + (detector.speed * displacement) ** 2 + (0.3 * blur_px) ** 2)
    slow = detector.slow * scale[..., None] * _slow(rng, (count, 25, 2), detector.slow_frames)
    error = factor[..., None] * (slow + white[..., None] * rng.standard_normal((count, 25, 2)))

    outlier = rng.random((count, 25)) < detector.outlier
    offset = rng.standard_normal((count, 25, 2))
    offset *= (height_px[:, None] * rng.uniform(0.06, 0.3, (count, 25)) / np.linalg.norm(offset, axis=-1))[..., None]
    xy = joints + np.where(outlier[..., None], offset, error)

    confidence = 0.85 - 0.07 * spread + 0.07 * rng.standard_normal((count, 25))
    confidence -= 4 * np.linalg.norm(error, axis=-1) / height_px[:, None]
    confidence *= np.where(behind_object, 0.35, np.where(behind_self, 0.65, 1.0)) * np.where(outlier, 0.5, 1.0)
    probability = np.where(behind_object, detector.behind_object, np.where(behind_self, detector.behind_self, detector.missing))
    dropped = outside | (norm.cdf(_slow(rng, (count, 25), 6.0)) < probability)
    confidence = np.where(dropped, 0, confidence.clip(0.05, 0.98))
    xy = np.where(dropped[..., None], 0, xy)
    _swap(rng, xy, confidence, joints, height_px, detector)
    points, scores = (torch.from_numpy(values.astype(np.float32)) for values in (xy, confidence))
    return Keypoints2D(points, scores, "body25", "simulated detector")


def _slow(rng: np.random.Generator, shape: tuple[int, ...], frames: float) -> NDArray:
    """Unit Gaussian noise over time (first axis) whose autocorrelation falls to 1/e after ``frames`` frames."""
    white = rng.standard_normal(shape)
    keep = np.exp(-1 / frames)
    for t in range(1, len(white)):
        white[t] = keep * white[t - 1] + np.sqrt(1 - keep**2) * white[t]
    return white


def _swap(
    rng: np.random.Generator, xy: NDArray, confidence: NDArray, joints: Array, height_px: Array, detector: SimulatedDetector
) -> None:
    """Swap the left and right arms or legs for runs of frames, in place."""
    for limb in _LIMBS:
        left, right = ([BODY25.index(f"{side}_{name}") for name in limb] for side in "LR")
        distance = np.abs(joints[:, left[0], 0] - joints[:, right[0], 0]) / height_px
        probability = np.where(distance < 0.04, detector.swap_from_side, detector.swap)
        stop = 0
        for t in np.flatnonzero(rng.random(len(xy)) < probability).tolist():
            if t < stop:
                continue
            stop = t + int(rng.geometric(1 / detector.swap_frames))
            for array in (xy, confidence):
                array[t:stop, left], array[t:stop, right] = array[t:stop, right].copy(), array[t:stop, left].copy()
