"""Judgements as columns: the figures of an epoch, or of a slot in which none came, and the verdict."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.compiled import njit

INDICATORS = (
    "outage", "epochs", "observations", "expected", "usable", "latency", "jitter", "cn0", "interference",
    "template", "slips", "multipath", "frame_errors", "ionosphere", "position", "unusual", "registry",
)  # fmt: skip
"""What is judged; the codes of findings, and the columns of `values` and `points`."""
_NUMBERS: Any = np.arange(len(INDICATORS))  # numba compiles a kernel anew for each of Python's integers
(
    I_OUTAGE, I_EPOCHS, I_OBSERVATIONS, I_EXPECTED, I_USABLE, I_LATENCY, I_JITTER, I_CN0, I_INTERFERENCE,
    I_TEMPLATE, I_SLIPS, I_MULTIPATH, I_FRAME_ERRORS, I_IONOSPHERE, I_POSITION, I_UNUSUAL, I_REGISTRY,
) = _NUMBERS  # fmt: skip

STATES = ("unknown", "good", "degraded", "bad")
UNKNOWN, GOOD, DEGRADED, BAD = range(4)
NO_SCORE = -1
NOT_KNOWN = -1
GOOD_POINTS = 70.0
DEGRADED_POINTS = 40.0

NOT_WARM, NOTHING_CAME, NOT_LIVE, CLOCK_BEHIND, NO_MULTIPATH, HELD_BAD, HELD_DEGRADED, CLOCK_STEP, STORM = (
    1 << bit for bit in range(9)
)
"""Bits of `remarks`."""

JUDGEMENT = np.dtype(
    [
        ("station", "<i4"),
        ("observations", "<i4"),
        ("time_us", "<i8"),
        ("received_at_us", "<i8"),  # NO_TIME_US: none
        ("state", "u1"),
        ("epochs", "u1"),
        ("usable_systems", "u1"),  # bits, by System
        ("band", "i1"),  # the one that dropped most
        ("score", "<i2"),  # NO_SCORE
        ("satellites", "<i2"),
        ("epochs_expected", "<i4"),
        ("observations_expected", "<i4"),  # NOT_KNOWN
        ("sky_expected", "<i4"),  # above the horizon, by ephemeris; NOT_KNOWN
        ("sky_have", "<i4"),
        ("mask_expected", "<i4"),
        ("mask_have", "<i4"),
        ("slips", "<i4"),
        ("frames", "<i4"),
        ("bad_frames", "<i4"),
        ("remarks", "<i4"),
        ("interruptions", "<i4"),
        ("reserved", "<i4"),  # so that no byte is without a name: copies of judgements are alike
        ("latency_s", "<f8"),
        ("jitter_s", "<f8"),
        ("cn0_dbhz", "<f8"),
        ("multipath_m", "<f8"),
        ("roti_tecu_min", "<f8"),
        ("clock_step_ms", "<f8"),
        ("slipped_share", "<f8"),  # of the satellites, within the window
        ("offset_m", "<f8", (3,)),  # mean single-point position: east, north, up of the coordinates
        ("offset_sd_m", "<f8", (3,)),
        ("age_s", "<f8"),
        ("held_s", "<f8"),
        ("window_epochs", "<f4"),
        ("window_expected", "<f4"),
        ("window_bad_frames", "<f4"),
        ("window_observations", "<f4"),
        ("window_slips", "<f4"),
        ("unusual", "<i4"),  # which figure of the history
        ("values", "<f8", (len(INDICATORS),)),  # NaN: not known
        ("points", "<f4", (len(INDICATORS),)),
        ("reserved_2", "<i4"),
        ("thresholds", "<f8", (len(INDICATORS),)),  # the one that was reached, else that of degraded
    ],
    align=True,
)
Judgements = NDArray[Any]
"""Shape (n,) of `JUDGEMENT`, in the order of judging."""


@njit(cache=True, nogil=True, error_model="numpy")
def points_of(value: float, perfect: float, degraded: float, bad: float) -> float:
    """Return 0 to 100 points for a value: see `gnss.quality.score`."""
    sign = 1.0 if bad > degraded else -1.0
    x = sign * value
    perfect, degraded, bad = sign * perfect, sign * degraded, sign * bad
    if x <= perfect:
        return 100.0
    if x < degraded:
        return max(100.0 - 30.0 * (x - perfect) / (degraded - perfect), GOOD_POINTS)
    if x < bad:
        return max(69.0 - 29.0 * (x - degraded) / (bad - degraded), DEGRADED_POINTS)
    return max(39.0 - 39.0 * (x - bad) / (bad - degraded), 0.0)


@njit(cache=True, nogil=True, error_model="numpy")
def state_of(score: int) -> int:
    """Return the state that follows from a score."""
    if score >= GOOD_POINTS:
        return GOOD
    return DEGRADED if score >= DEGRADED_POINTS else BAD
