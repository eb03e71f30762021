"""Cuts of a video: frames with which another shot begins, found in small pictures while the file is decoded."""

from __future__ import annotations

import numpy as np

#: Side of the small pictures, pixels.
SMALL = 32
#: A cut changes the picture by at least so much (mean absolute difference of its small pixels, of 255; half of it for the
#: histogram of colours alone would do) ...
CHANGE = 14.0
#: ... and so many times as much as any other frame within a quarter of a second.
SUDDEN, NEAR_S = 2.5, 0.25
#: Share of the picture's colours that are others after a cut.
COLOURS = 0.2
#: Levels of each colour in the histograms.
LEVELS = 6


class CutFinder:
    """Is given the frames of a video one by one, and keeps two numbers of each."""

    def __init__(self) -> None:
        self._before: tuple[np.ndarray, np.ndarray] | None = None
        self._changes: list[tuple[float, float]] = []

    def add(self, picture: np.ndarray) -> None:
        """The next frame: uint8 RGB [SMALL, SMALL, 3]."""
        pixels = picture.astype(np.float32)
        bins = (picture.astype(np.int32) * LEVELS) >> 8
        counts = np.bincount((bins @ (LEVELS * LEVELS, LEVELS, 1)).ravel(), minlength=LEVELS**3)
        if self._before is not None:
            others = np.abs(counts - self._before[1]).sum() / (2 * counts.sum())
            self._changes.append((float(np.abs(pixels - self._before[0]).mean()), float(others)))
        self._before = pixels, counts

    def found(self, times_s: np.ndarray) -> tuple[int, ...]:
        """Frames with which another shot begins; ``times_s`` [T] of the frames, the first T of those that were given.

        The change is sudden and stays: one frame of a flash changes the picture twice.
        """
        if len(times_s) < 2:
            return ()
        change, colours = np.array(self._changes[: len(times_s) - 1]).T
        step = float(np.median(np.diff(times_s)))
        reach = max(1, round(NEAR_S / max(step, 1e-3)))
        padded = np.pad(change, reach)
        around = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).copy()
        around[:, reach] = 0
        sudden = change >= np.maximum(CHANGE, SUDDEN * around.max(-1))
        return tuple((np.flatnonzero(sudden & (colours >= COLOURS)) + 1).tolist())
