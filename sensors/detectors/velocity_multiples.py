"""Landslides by how far they came in 30 days: detector `velocity_multiples`.

D(t) = S(t) - S(t - 30 d) of the cumulative displacement S, against 1, 5 and 10 times a constant V0 of the
site: yellow, orange, red (Chen et al. 2024, Bulletin of Engineering Geology and the Environment 83, 437, as
it is read by others). V0 is found once from a long quiet time and stored: 1.5 times the mean plus twice the
standard deviation of the values of D that do not exceed their 90 % quantile; it is not learned live, or a
slope that accelerates slowly would never be told.

D is a sum over a month and does not jump, so one block is enough; steps are looked at first
(`sensors/slow_series.py`). A wave of a day is at the same place 30 days before, and goes out.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from kernels.compiled import njit
from sensors.blocks import NOTHING, SET_BACK
from sensors.crossing import fill
from sensors.detectors import Finding, Subject, register_kind
from sensors.detectors.bank import Kind
from sensors.detectors.finding import LEVELS
from sensors.detectors.tangent_angle import DAY_S, DIRECTIONS, Direction
from sensors.findings import (
    Limits,
    check_limits,
    check_positive,
    curve,
    limits_of,
    of_hazard,
    of_sensor,
    why_ended,
)
from sensors.ladder import END, LADDER, climb, is_over, pause
from sensors.slow_events import end_event, tick
from sensors.slow_series import FAULT_BEGIN, FAULT_END, SLOW, SLOW_LIMITS, report_fault, set_slow, take_slow
from sensors.windows import append, points, since, value_at

VERSION = "1"
FORMULA = (
    "D(t) = S(t) - S(t - span), between blocks on their line; a level is reached when D >= multiple * V0"
)
CAPACITY = 160
_POINTS = 128
"""So many points are kept of a span."""


class VelocityMultiplesParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters, for displacement in mm. Levels are for every site to edit, and no standard's."""

    v0_mm: float
    """Movement in a span that is still quiet, set by an expert."""
    multiples: Limits = (None, 1.0, 5.0, 10.0)
    span_s: float = 30 * DAY_S
    direction: Direction = "rising"
    interval_s: float = 3600.0
    end_share: float = 0.8
    """Quiet is a D below this share of the lowest limit."""
    jump_share: float = 0.5
    """A step from block to block of this share of V0 is looked at before it is believed."""
    max_gap_s: float = 5 * DAY_S
    """Over a longer gap no value is found on a line."""
    end_quiet_s: float = 3 * DAY_S
    stuck_s: float = 2 * DAY_S
    fault_quiet_s: float = 2 * DAY_S
    silence_end_s: float = 7 * DAY_S

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        check_positive(self)
        check_limits("multiples", self.multiples)
        given = [limit for limit in self.multiples if limit is not None]
        if not given or given[0] <= 0 or self.end_share > 1:
            raise ValueError("multiples must have limits above 0, and end_share must not be above 1")
        if self.interval_s > self.span_s / 8:
            raise ValueError("interval_s must be an eighth of span_s at most")


LIMITS = np.dtype(
    [
        ("slow", SLOW_LIMITS),
        ("direction", "f8"),
        ("moved", "f8", (4,)),
        ("span_us", "i8"),
        ("end", "f8"),
        ("quiet_us", "i8"),
        ("silence_us", "i8"),
    ]
)
STATE = np.dtype(
    [("slow", SLOW), ("ring", points(CAPACITY)), ("last", points(1)), ("moved", "f8"), ("ladder", LADDER)]
)


def settle(parameters: VelocityMultiplesParameters, limits: Any) -> None:
    """Fill the limits."""
    p = parameters
    set_slow(limits["slow"], p, jump=p.jump_share * p.v0_mm)
    limits["direction"] = DIRECTIONS[p.direction]
    limits["moved"] = p.v0_mm * np.array(limits_of(p.multiples))
    limits["span_us"], limits["end"] = p.span_s * 1e6, p.end_share * limits["moved"].min()
    limits["quiet_us"], limits["silence_us"] = p.end_quiet_s * 1e6, p.silence_end_s * 1e6


@njit(cache=True, nogil=True)
def take(
    limits: Any,
    state: Any,
    slot: Any,
    role: Any,
    time_us: Any,
    value: Any,
    usable: Any,
    received_at_us: Any,
    begin: int,
    crossings: Any,
) -> tuple[int, int]:
    """See `Kind.take`."""
    for i in range(begin, len(slot)):
        s, limit = state[slot[i]], limits[slot[i]]
        if role[i] > 0:
            continue
        is_event = s.ladder.onset_us != 0
        at = take_slow(s.slow, limit.slow, time_us[i], value[i], usable[i], received_at_us[i], is_event)
        if at == NOTHING and s.slow.news == 0:
            continue
        found = 0
        if s.slow.news:
            report_fault(s.slow, crossings[0], slot[i], i, time_us[i])
            found = 1
        if at == SET_BACK:
            s.ring.n = s.last.n = 0
            pause(s.ladder)
        elif at != NOTHING:
            for k in range(s.slow.out_n):
                found += _take_block(limit, s, s.slow.out_us[k], s.slow.out[k], crossings[found], slot[i], i)
        if found:
            return i + 1, found
    return len(slot), 0


@njit(cache=True, nogil=True)
def _take_block(limit: Any, s: Any, time_us: int, value: float, crossing: Any, slot: int, row: int) -> int:
    """Take a block; return how many crossings it made: 0 or 1."""
    ring, ladder, max_gap_us = s.ring, s.ladder, limit.slow.max_gap_us
    if s.last.n and time_us - s.last.time_us[0] > max_gap_us:
        pause(ladder)
    append(s.last, time_us, value)
    if ring.n == 0 or time_us - ring.time_us[ring.n - 1] >= limit.span_us // _POINTS:
        append(ring, time_us, value)
    before_us = time_us - limit.span_us
    before = np.nan
    if since(ring, before_us) < ring.n:
        before = value_at(ring, before_us, max_gap_us)
    if np.isnan(before):
        return 0
    moved = value - before
    s.moved = abs(moved) if limit.direction == 0.0 else moved * limit.direction
    reached = -1
    for level in range(4):
        if s.moved >= limit.moved[level]:
            reached = level
    code = climb(ladder, time_us, reached, s.moved, 1)
    if code:
        level = ladder.level
        fill(crossing, slot, row, code, level, ladder.onset_us, time_us, s.moved, limit.moved[level])
        return 1
    if not is_over(ladder, time_us, s.moved < limit.end, limit.quiet_us):
        return 0
    end_event(s, time_us, False, limit.moved.min(), crossing, slot, row)
    return 1


def tell(parameters: VelocityMultiplesParameters, state: Any, crossing: Any, subject: Subject) -> Finding:
    """Return the finding of a crossing."""
    code, name = int(crossing["code"]), subject.name
    window = curve(state["ring"])
    if code in (FAULT_BEGIN, FAULT_END):
        return of_sensor(
            crossing,
            "begin" if code == FAULT_BEGIN else "end",
            f"Displacement meter {name}:",
            "mm",
            {"window": window},
            rule="velocity_multiples_sensor",
        )
    if code == END:
        return of_hazard(crossing, f"Slope {name} slowed down", why_ended(crossing, "D"))
    moved, days = float(crossing["value"]), parameters.span_s / DAY_S
    title = (
        f"Slope {name} moved {moved:.4g} mm in {days:g} days, {moved / parameters.v0_mm:.1f} times V0 "
        f"({LEVELS[int(crossing['level'])]} from {crossing['threshold']:.4g} mm)"
    )
    evidence = {
        "formula": FORMULA,
        "version": VERSION,
        "parameters": msgspec.structs.asdict(parameters),
        "limits_mm": [None if m is None else m * parameters.v0_mm for m in parameters.multiples],
        "samples": window,
    }
    return of_hazard(crossing, title, evidence)


register_kind(
    Kind(
        name="velocity_multiples",
        version=VERSION,
        parameters=VelocityMultiplesParameters,
        limits=LIMITS,
        state=STATE,
        settle=settle,
        take=take,
        tick=tick,
        tell=tell,
    )
)
