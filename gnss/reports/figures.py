"""What all forms of a station's report say.

JSON, CSV and the page are made from the same `StationReport`, so that their numbers are the same. Shares are
0 to 1; None is "not known" and becomes null in JSON.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from gnss.reports.verdicts import Checked, Verdict

SCHEMA = "groundswell/station-report/1"


class Signals(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of one signal, of all signals of a system, or of all."""

    system: str | None
    """RINEX letter; None: all systems."""
    signal: str | None
    """RINEX band and attribute, "id 27" where the id has no name; None: all signals."""
    band: str | None
    observations: int
    expected: int
    have: int
    share: float | None
    """Of what the ephemerides let expect above the horizon."""
    expected_above_mask: int
    have_above_mask: int
    share_above_mask: float | None
    lock_slips: int
    phase_slips: int
    interruptions: int
    slips_per_1000_observations: float | None
    observations_per_slip: float | None
    """o/slps; None without slips."""
    multipath_rms_m: float | None
    multipath_count: int
    cn0_mean_dbhz: float | None
    cn0_sd_dbhz: float | None
    cn0_count: int


class ElevationBin(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of a system's band between two elevations."""

    system: str
    band: str
    from_deg: float
    to_deg: float
    cn0_mean_dbhz: float | None
    cn0_count: int
    multipath_rms_m: float | None
    multipath_count: int


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """Some of many."""

    count: int
    share: float | None


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why verdicts of the period were what they were."""

    code: str
    seconds: float
    first: str
    last: str
    text: str
    check: str
    worst_value: float | None
    threshold: float | None


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """What is missing."""

    begin: str
    end: str
    seconds: float


class ClockJump(msgspec.Struct, frozen=True, kw_only=True):
    """A step of the receiver's clock."""

    time: str
    milliseconds: float


class StationReport(msgspec.Struct, frozen=True, kw_only=True):
    """All figures of a station's period."""

    schema: str
    station_id: str
    begin: str
    end: str
    duration_s: float
    interval_s: float | None
    source: str
    verdict: Verdict
    checked: list[Checked]
    score: float | None
    state_seconds: dict[str, float]
    state_share: dict[str, float | None]
    epochs: int
    epochs_expected: int
    epochs_share: float | None
    usable_epochs: dict[str, Share]
    """By system letter: of the epochs that came."""
    late_epochs: int
    out_of_order_epochs: int
    mask_deg: float
    total: Signals
    systems: list[Signals]
    signals: list[Signals]
    elevation: list[ElevationBin]
    latency: dict[str, Any] | None
    frames: int
    bad_frames: int
    bad_frames_share: float | None
    messages: dict[str, int]
    gaps: list[Gap]
    gaps_seconds: float
    longest_gap_seconds: float | None
    clock_jumps: list[ClockJump]
    position: dict[str, Any] | None
    reasons: list[Reason]
    metadata: dict[str, str]
    problems: list[str]


def ratio(some: float, of: float) -> float | None:
    """Return a quotient; None where there is nothing to divide by or the result is no number."""
    return finite(some / of) if of > 0 else None


def finite(value: float | None) -> float | None:
    """Return the value as a Python float; None for None, NaN and infinities."""
    return float(value) if value is not None and math.isfinite(value) else None
