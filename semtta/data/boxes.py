"""Square boxes around the person in each frame, from 2D keypoints."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..errors import SemttaError
from ..types import Keypoints2D

#: Smallest side of a meaningful box before the margin, pixels.
MIN_SIDE_PX = 4.0


def boxes_from_keypoints(
    keypoints: Keypoints2D,
    threshold: float = 0.3,
    expand: float = 1.2,
    memory: int = 60,
    smooth: int = 3,
    size: tuple[int, int] | None = None,
    aspect: float = 1.0,
) -> Tensor:
    """Square boxes [T, 3] (centre x, centre y, side; pixels) around the joints of one person.

    Each frame's box holds its confident joints and those that only a nearby frame sees, placed as in that frame relative to
    the joints that both see. So a box neither shrinks nor moves to the upper body while the legs are hidden. Boxes of frames
    without keypoints are interpolated; then all boxes are smoothed.

    Args:
        keypoints: xy [T, J, 2] pixels.
        threshold: confidence above which a joint is used.
        expand: side of the box / longer side of the joints' bounding box.
        memory: how many frames away a hidden joint may have been seen; 0 uses each frame's joints alone.
        smooth: length in frames of the moving median and of the moving mean after it; 1 does nothing.
        aspect: height / width of the part of a box that matters: a joints' bounding box that is wider is heightened to it.
        size: width and height of the image, which is the box if no joint is seen in the whole clip.

    Raises:
        SemttaError: no joint is seen (and no ``size`` given), or all seen joints coincide in one point.
    """
    found = keypoints.only_found()
    xy = found.xy.detach().cpu().double().numpy()
    seen = found.confidence.detach().cpu().numpy() > threshold
    if not seen.any():
        if size is None:
            raise SemttaError(f"No joint is seen with a confidence above {threshold:g}: no box can be placed.")
        width, height = size
        return torch.tensor([width / 2, height / 2, max(size)]).expand(len(xy), 3).clone()
    if memory > 0:
        xy, seen = _recall_hidden(xy, seen, memory)
    low = np.where(seen[..., None], xy, np.inf).min(1)
    high = np.where(seen[..., None], xy, -np.inf).max(1)
    side = np.where(seen.any(1), ((high - low) * (aspect, 1)).max(-1), 0.0)
    usable = side >= MIN_SIDE_PX
    if not usable.any():
        raise SemttaError(
            "The keypoints give a box of zero size: in every frame the visible joints coincide in one point. "
            "Check the keypoints, or lower the confidence threshold."
        )
    boxes = np.column_stack([(low[usable] + high[usable]) / 2, side[usable] * expand])
    frames = np.arange(len(xy))
    boxes = np.stack([np.interp(frames, frames[usable], column) for column in boxes.T], -1)
    return torch.from_numpy(_smooth(boxes, smooth)).float()


def _recall_hidden(xy: np.ndarray, seen: np.ndarray, memory: int) -> tuple[np.ndarray, np.ndarray]:
    """Fill in each hidden joint from the nearest frame that sees it. xy [T, J, 2], seen [T, J].

    The frame must lie within ``memory`` frames; the position is shifted by the mean displacement of the joints that both frames
    see. A joint stays hidden if there is no such frame or no such joint.
    """
    filled, known = xy.copy(), seen.copy()
    for joint in np.flatnonzero(seen.any(0) & ~seen.all(0)):
        sightings = np.flatnonzero(seen[:, joint])
        hidden = np.flatnonzero(~seen[:, joint])
        after = np.searchsorted(sightings, hidden).clip(max=len(sightings) - 1)
        near = np.stack([sightings[(after - 1).clip(min=0)], sightings[after]])
        source = near[np.abs(near - hidden).argmin(0), np.arange(len(hidden))]
        common = seen[hidden] & seen[source]  # [N, J]
        usable = (np.abs(source - hidden) <= memory) & common.any(-1)
        hidden, source, common = hidden[usable], source[usable], common[usable]
        shift = ((xy[hidden] - xy[source]) * common[..., None]).sum(1) / common.sum(1)[:, None]
        filled[hidden, joint] = xy[source, joint] + shift
        known[hidden, joint] = True
    return filled, known


def _smooth(track: np.ndarray, window: int) -> np.ndarray:
    """Moving median (removes outliers), then moving mean (smooths steps), of a track [T, C]; the ends are repeated."""
    window = max(window, 1)
    before, after = (window - 1) // 2, window // 2
    for reduce in (np.median, np.mean):
        padded = np.pad(track, ((before, after), (0, 0)), mode="edge")
        track = reduce(np.lib.stride_tricks.sliding_window_view(padded, window, axis=0), axis=-1)
    return track
