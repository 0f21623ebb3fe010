"""When a phase arrives: pickers for a piece of a seismogram around a trigger."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.compiled import njit


class Pick(NamedTuple):
    """An arrival."""

    at: int
    """Index of the first sample above the threshold."""
    upwards: bool
    """The first motion goes to higher values."""


def pick_baer(
    value: NDArray[np.float64],
    rate_hz: float,
    *,
    least_up: int,
    most_down: int,
    threshold: float = 10.0,
    update_threshold: float = 20.0,
    settle: int = 200,
) -> Pick | None:
    """Return the first arrival, or None.

    The squared envelope is y^2 + y'^2 sum(y^2) / sum(y'^2); its square, less its mean and over its standard
    deviation, is the characteristic function. Source: Baer and Kradolfer (1987), BSSA 77(4), 1437-1445.

    Parameters
    ----------
    value
        Shape (n,), filtered or not.
    rate_hz
        Samples a second.
    least_up
        An arrival lasts so many samples. A function above four times the threshold counts twice more.
    most_down
        So many samples below the threshold end it.
    threshold, update_threshold
        Of the characteristic function; above the second one mean and deviation are not learned.
    settle
        In the first samples nothing is picked, and all of them are learned.
    """
    at, slope = _baer(
        np.asarray(value, np.float64), rate_hz, least_up, most_down, threshold, update_threshold, settle
    )
    return None if at < 0 else Pick(int(at), bool(slope > 0))


@njit(cache=True, nogil=True)
def _baer(
    value: Any,
    rate_hz: float,
    least_up: int,
    most_down: int,
    threshold: float,
    update_threshold: float,
    settle: int,
) -> tuple[int, float]:
    energy = energy_of_slope = total = squares = 0.0
    learned = 0
    mean, deviation = 0.0, 1.0
    candidate, slope_there, bonus, down = -1, 0.0, 0, 0
    for i in range(1, len(value)):
        slope = (value[i] - value[i - 1]) * rate_hz
        energy += value[i] ** 2
        energy_of_slope += slope**2
        weight = energy / energy_of_slope if energy_of_slope > 0.0 else 0.0
        function = (value[i] ** 2 + weight * slope**2) ** 2
        score = (function - mean) / deviation if deviation > 0.0 else 0.0
        if score > threshold and i > settle:
            if candidate < 0:
                candidate, slope_there, bonus = i, slope, 1
            elif score > 4 * threshold and down == 0:
                bonus += 2
            down = 0
        elif candidate >= 0:
            down += 1
            if down > most_down:
                if i - candidate - down + bonus >= least_up:
                    return candidate, slope_there
                candidate = -1
        if score < update_threshold or i <= settle:
            learned += 1
            total += function
            squares += function * function
            mean = total / learned
            deviation = np.sqrt(max(squares / learned - mean * mean, 0.0))
    if candidate >= 0 and len(value) - candidate - down + bonus >= least_up:
        return candidate, slope_there
    return -1, 0.0


def pick_aic(value: NDArray[np.float64]) -> int | None:
    """Return the index at which a piece is best split into noise and signal; None: it is too short or flat.

    The minimum of Akaike's criterion k log var(y[:k]) + (n - k - 1) log var(y[k:]), which needs a piece with
    one arrival. Source: Maeda (1985), Zisin 38, 365-379.
    """
    criterion = aic(np.asarray(value, np.float64))
    return int(np.argmin(criterion)) if np.isfinite(criterion).any() else None


@njit(cache=True, nogil=True)
def aic(value: Any) -> Any:
    """Return Akaike's criterion for each split, shape (n,); infinite where a part does not vary."""
    n = len(value)
    criterion = np.full(n, np.inf)
    first = np.zeros(n)  # variance of value[:k]
    mean = square = 0.0
    for k in range(1, n):
        step = value[k - 1] - mean
        mean += step / k
        square += step * (value[k - 1] - mean)
        first[k] = square / k
    mean = square = 0.0
    for k in range(n - 1, 1, -1):
        step = value[k] - mean
        mean += step / (n - k)
        square += step * (value[k] - mean)
        second = square / (n - k)
        if first[k] > 0.0 and second > 0.0:
            criterion[k] = k * np.log(first[k]) + (n - k - 1) * np.log(second)
    return criterion
