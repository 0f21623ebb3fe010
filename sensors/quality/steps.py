"""A moving window of a series in steps, so that it costs the same whatever the sampling rate.

A window of some length is kept as 25 sums over a 25th of it each; between 24 and 25 of them count, the
current one included. Kernels of several tests share it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from kernels.compiled import njit

STEPS: Final = 25
STEP_WORDS: Final = 6
"""Number of the step, samples, mean, sum of squared deviations, lowest, highest."""
WORDS: Final = STEPS * STEP_WORDS


def step_us(period_s: float) -> int:
    """Return the length of a step of a window."""
    return max(1, round(period_s * 1e6 / STEPS))


@njit(cache=True, nogil=True)
def clear(memory: Any, begin: int) -> None:
    """Begin anew."""
    memory[begin : begin + WORDS] = 0.0


@njit(cache=True, nogil=True)
def add(memory: Any, begin: int, number: int, value: float) -> None:
    """Take a value into a step (Welford 1962); the step that was there 25 steps before is forgotten."""
    at = begin + number % STEPS * STEP_WORDS
    if memory[at] != number or memory[at + 1] == 0:
        memory[at], memory[at + 1], memory[at + 2], memory[at + 3] = number, 0.0, 0.0, 0.0
        memory[at + 4], memory[at + 5] = value, value
    memory[at + 1] += 1
    delta = value - memory[at + 2]
    memory[at + 2] += delta / memory[at + 1]
    memory[at + 3] += delta * (value - memory[at + 2])
    memory[at + 4], memory[at + 5] = min(memory[at + 4], value), max(memory[at + 5], value)


@njit(cache=True, nogil=True)
def standard_deviation(memory: Any, begin: int, newest: int) -> float:
    """Join the steps up to `newest` (Chan, Golub and LeVeque 1979); NaN with fewer than two samples."""
    n, mean, squares = 0.0, 0.0, 0.0
    for i in range(STEPS):
        at = begin + i * STEP_WORDS
        more = memory[at + 1]
        if more == 0 or memory[at] <= newest - STEPS or memory[at] > newest:
            continue
        delta = memory[at + 2] - mean
        squares += memory[at + 3] + delta * delta * n * more / (n + more)
        mean += delta * more / (n + more)
        n += more
    return np.sqrt(squares / (n - 1)) if n >= 2 else np.nan


@njit(cache=True, nogil=True)
def spread(memory: Any, begin: int, newest: int) -> float:
    """Return highest less lowest value of the steps up to `newest`; NaN with fewer than two samples."""
    n, low, high = 0.0, np.inf, -np.inf
    for i in range(STEPS):
        at = begin + i * STEP_WORDS
        if memory[at + 1] == 0 or memory[at] <= newest - STEPS or memory[at] > newest:
            continue
        n += memory[at + 1]
        low, high = min(low, memory[at + 4]), max(high, memory[at + 5])
    return high - low if n >= 2 else np.nan
