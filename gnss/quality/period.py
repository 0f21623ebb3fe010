"""What is known of one station over a period: what reports show, whatever the data came from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
UInt8 = NDArray[np.uint8]

MASK_DEG = 10.0
"""The user mask; the other mask is the horizon."""
ELEVATION_BINS = 9
"""Of ten degrees each."""


@dataclass(frozen=True, slots=True)
class SignalFigures:
    """One row for each signal of a system, shape (n,). Counts are over the period."""

    system: UInt8
    signal: UInt8
    """MSM signal id; `gnss.rtcm.signals.rinex_code` names it."""
    observations: Int64
    """That came, whether or not something could be expected."""
    expected: Int64
    """Above the horizon, by ephemeris; 0 where no ephemeris or position was known."""
    have: Int64
    """Of those, that came."""
    expected_mask: Int64
    """Above `MASK_DEG`."""
    have_mask: Int64
    lock_slips: Int64
    phase_slips: Int64
    """Found by geometry-free or Melbourne-Wuebbena combinations."""
    interruptions: Int64
    """Arcs that ended because the signal was away: not slips."""
    multipath_squares: Float64
    """Sum of squared residuals, m^2."""
    multipath_count: Int64
    cn0_sum: Float64
    cn0_squares: Float64
    cn0_count: Int64


@dataclass(frozen=True, slots=True)
class ElevationFigures:
    """By system, radio band (`gnss.quality.bands.BANDS`) and elevation: shape (7, 5, ELEVATION_BINS)."""

    # C/N0 counts each five seconds or each epoch, whichever is longer; multipath each epoch
    cn0_sum: Float64
    cn0_count: Int64
    multipath_squares: Float64
    multipath_count: Int64


@dataclass(frozen=True, slots=True)
class MinuteFigures:
    """One row for each minute of the period in which the station was judged, shape (n,). NaN: not known.

    Rows are longer than a minute where `StationPeriod.rows_s` says so.
    """

    time_us: Int64
    """Begin of the minute."""
    state: UInt8
    """The worst: 0 unknown, 1 good, 2 degraded, 3 bad."""
    score: Float64
    """The lowest."""
    epochs: Int32
    epochs_expected: Int32
    observations_share: Float64
    satellites: Float64
    cn0_dbhz: Float64
    multipath_m: Float64
    slips: Int32
    latency_s: Float64
    """Median."""
    roti_tecu_min: Float64
    """Median over the satellites."""


@dataclass(frozen=True, slots=True)
class SkyTrack:
    """Where satellites were seen, one row for each satellite and five minutes, shape (n,)."""

    time_us: Int64
    system: UInt8
    satellite: UInt8
    azimuth_deg: Float64
    elevation_deg: Float64
    cn0_dbhz: Float64
    """Of the first signal; NaN: above the horizon, but not seen."""


@dataclass(frozen=True, slots=True)
class Latencies:
    """Of all epochs that had a receiving time, in s."""

    count: int
    median_s: float
    p95_s: float
    p99_s: float
    max_s: float
    jitter_s: float
    """95th less 5th percentile."""
    exact: bool = True
    """False where percentiles are means of parts, weighted by count; count and maximum are always exact."""


@dataclass(frozen=True, slots=True)
class PositionFigures:
    """Single-point positions against the registered coordinates, in m."""

    count: int
    east_m: float
    north_m: float
    up_m: float
    """Mean offset."""
    east_sd_m: float
    north_sd_m: float
    up_sd_m: float
    reference: str
    """Where the coordinates come from: "registry", "message 1006", "RINEX header" or "mean position"."""


@dataclass(frozen=True, slots=True)
class ReasonFigures:
    """A reason that stood in verdicts of the period."""

    code: str
    seconds: float
    first_us: int
    last_us: int
    text: str
    """The last one."""
    check: str
    worst_value: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class StationPeriod:
    """One station over [begin_us, end_us), UTC. What could not be known is None or empty, never a guess."""

    station_id: str
    begin_us: int
    end_us: int
    interval_s: float
    source: str
    """In words: "stream", the name of a file."""
    epochs: int
    epochs_expected: int
    usable_epochs: dict[str, int]
    """By system letter: epochs with at least four satellites of two carriers."""
    state_seconds: dict[str, float]
    """By state: good, degraded, bad, unknown."""
    score: float | None
    """Mean score, weighted by time."""
    signals: SignalFigures
    elevation: ElevationFigures
    minutes: MinuteFigures
    sky: SkyTrack
    latency: Latencies | None = None
    late_epochs: int = 0
    out_of_order_epochs: int = 0
    frames: int = 0
    bad_frames: int = 0
    messages: dict[int, int] = field(default_factory=dict)
    """Frames by message number; empty for a file without messages."""
    gaps: list[tuple[int, int]] = field(default_factory=list)
    """Begin and end of what is missing, us, longer than one interval."""
    clock_jumps: list[tuple[int, float]] = field(default_factory=list)
    """Time and ms."""
    position: PositionFigures | None = None
    reasons: list[ReasonFigures] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    """Receiver, antenna, coordinates and what else was told, in words."""
    problems: list[str] = field(default_factory=list)
    """What could not be read or judged, in sentences."""
    rows_s: float = 60.0
    """Length of a row of `minutes`."""
