"""Small least-squares problems over the frames of a clip, solved at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import block_diag, coo_matrix, csr_matrix, diags, kron
from scipy.sparse import identity as eye
from scipy.sparse.linalg import spsolve

Array = NDArray[np.float64]


def second_differences(times: Array) -> csr_matrix:
    """Accelerations [T - 2, T] of values at times [T], s: ``2 ((x_2 - x_1) / h_2 - (x_1 - x_0) / h_1) / (h_1 + h_2)``."""
    count = len(times)
    if count < 3:
        return csr_matrix((0, count))
    h = np.diff(times)
    first, second = h[:-1], h[1:]
    mean = (first + second) / 2
    rows = np.arange(count - 2)
    values = (1 / (first * mean), -(1 / first + 1 / second) / mean, 1 / (second * mean))
    return sum(coo_matrix((v, (rows, rows + k)), (count - 2, count)).tocsr() for k, v in enumerate(values))


def blend(targets: Array, weights: Array, times: Array, acceleration: float, still: float) -> Array:
    """Values [T, D] that are ``targets`` where they have weight, die away elsewhere, and do not jump.

    Minimises ``sum w (x - target)^2 + sum (x'' / acceleration)^2 + sum (x / still)^2``.

    Args:
        targets: [T, D], of any value where the weight is 0.
        weights: [T], one over the variance that is allowed.
        times: seconds [T].
        acceleration: standard deviation of x'', in units of x by s^2.
        still: standard deviation of x.
    """
    bends = second_differences(times) / acceleration
    system = (bends.T @ bends + diags(weights + still**-2)).tocsc()
    known = np.where(weights[:, None] > 0, targets, 0.0)
    return np.asarray(spsolve(system, weights[:, None] * known)).reshape(targets.shape)


def shift_root(
    feet: Array, runs: list[tuple[int, int, int]], weights: Array, levels: Array, hold: Array, times: Array, standing: float,
    acceleration: float,
) -> tuple[Array, Array]:  # fmt: skip
    """How the whole body should move so that feet stay where they stand, as far as the picture leaves it open.

    Minimises over shifts d [T, 3] and places a [R, 3] of the contacts

        ``sum_r sum_t w_t |x_t + d_t - a_r|^2 / standing^2 + sum_t d_t^T H_t d_t + sum (d'' / acceleration)^2``

    with the height of each place given. That is one sparse linear system.

    Args:
        feet: points [T, K, 3] in the world.
        runs: contacts: point, first frame, last frame (exclusive).
        weights: [T, K] in [0, 1].
        levels: heights [R] of the contacts.
        hold: H [T, 3, 3]: one over the variance of what the picture lets the body move by.
        times: seconds [T].
        standing, acceleration: standard deviations, metres and m/s^2.
    Returns:
        Shifts d [T, 3] and places a [R, 3].
    """
    count, places = len(feet), len(runs)
    bends = second_differences(times) / acceleration
    smooth = kron(bends.T @ bends, eye(3))
    blocks = np.arange(3 * count).reshape(count, 3)
    rows, columns = (np.broadcast_to(x, (count, 3, 3)) for x in (blocks[:, :, None], blocks[:, None, :]))
    held = coo_matrix((hold.reshape(-1), (rows.reshape(-1), columns.reshape(-1))), (3 * count, 3 * count))
    entries: list[tuple[int, int, float]] = []
    value: list[float] = []
    for number, (point, start, stop) in enumerate(runs):
        for t in range(start, stop):
            root = float(np.sqrt(weights[t, point])) / standing
            for axis in range(3):
                row = len(value)
                entries.append((row, 3 * t + axis, root))
                known = feet[t, point, axis]
                if axis < 2:
                    entries.append((row, 3 * count + 2 * number + axis, -root))
                else:
                    known = known - levels[number]
                value.append(-root * known)
    size = 3 * count + 2 * places
    system = block_diag((smooth + held, csr_matrix((2 * places, 2 * places)))).tocsc()
    right = np.zeros(size)
    if entries:
        row_of, column_of, entry = map(np.array, zip(*entries, strict=True))
        equations = coo_matrix((entry, (row_of.astype(int), column_of.astype(int))), (len(value), size)).tocsr()
        system = system + equations.T @ equations
        right = equations.T @ np.array(value)
    solved = np.asarray(spsolve((system + 1e-9 * eye(size)).tocsc(), right))
    anchors = np.concatenate((solved[3 * count :].reshape(places, 2), levels[:, None]), 1)
    return solved[: 3 * count].reshape(count, 3), anchors
