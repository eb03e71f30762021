"""Curves over time for procedural motions: minimum-jerk transitions, repeated moves, rhythm and slow natural noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

Array = NDArray[np.floating]
Choice = TypeVar("Choice")


def minimum_jerk(progress: Array) -> Array:
    """The smoothest transition from 0 to 1, ``10 s^3 - 15 s^4 + 6 s^5`` (Flash and Hogan 1985); constant outside 0 to 1."""
    s = np.clip(progress, 0, 1)
    return s**3 * (10 + s * (6 * s - 15))


def through(time: Array, keys: Sequence[float] | Array, values: Any) -> Array:
    """Minimum-jerk transitions from key to key: values [K] or [K, n] at times [K] (increasing) -> [T] or [T, n]."""
    keys, values = np.asarray(keys, float), np.asarray(values, float)
    low = np.clip(np.searchsorted(keys, time, "right") - 1, 0, len(keys) - 2)
    share = minimum_jerk((time - keys[low]) / (keys[low + 1] - keys[low]))
    share = share.reshape(-1, *[1] * (values.ndim - 1))
    return values[low] + share * (values[low + 1] - values[low])


@dataclass(frozen=True)
class Moves:
    """A move that is done again and again: out to 1, held, back to 0, with a rest between."""

    amount: Array  # [T] 0 to 1
    number: NDArray[np.int64]  # [T] which repetition; it changes where ``amount`` is 0
    late: NDArray[np.bool_]  # [T] past the middle of its hold
    rng: np.random.Generator

    def each(self, low: float, high: float) -> Array:
        """A value [T] that is drawn anew for each repetition: for factors of ``amount``, so that nothing jumps."""
        return self.rng.uniform(low, high, self.number.max() + 1)[self.number]

    def alternating(self) -> NDArray[np.int64]:
        """0 and 1 in turn [T], or for half of the motions always the same side."""
        first, turns = self.rng.integers(2), self.rng.random() < 0.6
        return (first + self.number * turns) % 2


class Draw:
    """Random choices and curves of one motion.

    Args:
        rng: source of all that is random in the motion.
        frames: its length.
        fps: frames per second.
    """

    def __init__(self, rng: np.random.Generator, frames: int, fps: float = 30) -> None:
        self.rng, self.frames, self.fps = rng, frames, fps
        self.time = np.arange(frames) / fps
        self.tempo = float(np.exp(rng.normal(0, 0.15)))

    def between(self, low: float, high: float) -> float:
        """A uniform number."""
        return float(self.rng.uniform(low, high))

    def degrees(self, low: float, high: float) -> float:
        """A uniform angle given in degrees, in radians."""
        return float(np.deg2rad(self.rng.uniform(low, high)))

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def one_of(self, *choices: Choice) -> Choice:
        return choices[self.rng.integers(len(choices))]

    def side(self) -> int:
        """0 (left) or 1 (right)."""
        return int(self.rng.integers(2))

    def drift(self, *amplitudes: float, about: Any = 0.0, pace: float = 1.0) -> Array:
        """Slow noise about a mean: five sines of 0.08 to 0.8 Hz; [T, n] with standard deviations ``amplitudes``, [T] for one."""
        frequency = pace * np.exp(self.rng.uniform(np.log(0.08), np.log(0.8), (5, len(amplitudes))))
        size = frequency**-0.5 * self.rng.uniform(0.3, 1, frequency.shape)
        size *= np.sqrt(2 / np.square(size).sum(0)) * amplitudes
        angle = 2 * np.pi * (frequency * self.time[:, None, None] + self.rng.random(frequency.shape))
        noise = (size * np.sin(angle)).sum(1)
        return about + (noise[:, 0] if len(amplitudes) == 1 else noise)

    def once(self, seconds: float, start: float | None = None) -> Array:
        """One transition [T] from 0 to 1 that takes about ``seconds`` and begins at ``start`` (by default 0.1 to 0.5 s)."""
        start = self.between(0.1, 0.5) if start is None else start
        return minimum_jerk((self.time - start) / (seconds * self.tempo))

    def moves(self, out: float, hold: float, back: float, rest: float, jitter: float = 0.15) -> Moves:
        """Repetitions with about these durations in seconds, begun at a random moment of the first one."""
        durations = np.array((out, hold, back, rest)) * self.tempo
        clock = -self.between(0, 0.7) * float(durations.sum())
        keys, values = [clock], [0.0]
        while clock < self.time[-1]:
            for duration, value in zip(durations * self.rng.normal(1, jitter, 4).clip(0.5, 1.5), (1, 1, 0, 0), strict=True):
                clock += max(float(duration), 1e-3)
                keys.append(clock)
                values.append(float(value))
        number = np.searchsorted(np.array(keys[::4]), self.time, "right") - 1
        middle = (np.array(keys[1::4]) + np.array(keys[2::4]))[np.minimum(number, len(keys[2::4]) - 1)] / 2
        return Moves(through(self.time, keys, values), number, self.time > middle, self.rng)

    def cycle(self, durations: Sequence[float], keys: Any, spread: float = 0.06) -> Array:
        """A way [T, n] through keys [K, n] again and again; it takes ``durations`` [K] from each to the next, in seconds.

        It passes the keys that lie on its way without a stop (a monotone cubic spline), and
        every visit misses its key by a normal error of ``spread`` times the keys' range. It begins somewhere on the way from
        the last key to the first.
        """
        keys = np.asarray(keys, float)
        clock, visit = -self.between(0, 1) * durations[-1], 0
        times: list[float] = []
        values: list[Array] = []
        while not times or times[-1] < self.time[-1]:
            times.append(clock)
            values.append(keys[visit % len(keys)] + self.rng.normal(0, spread, keys.shape[1]) * np.ptp(keys, axis=0))
            clock += durations[visit % len(keys)] * self.tempo * self.between(0.85, 1.15)
            visit += 1
        return PchipInterpolator(times, values)(self.time)

    def beat(self, seconds: float, wobble: float = 0.08) -> Array:
        """The phase [T] of a rhythm in cycles of about ``seconds``, with a slowly varying tempo."""
        rate = (1 + self.drift(wobble)).clip(0.5, 1.5) / (seconds * self.tempo)
        return self.between(0, 1) + np.cumsum(rate) / self.fps


def wave(phase: Array) -> Array:
    """0 at whole phases, 1 half way between, smooth."""
    return (1 - np.cos(2 * np.pi * phase)) / 2
