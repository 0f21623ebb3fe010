"""The course of one hazard at one series: it persists and begins, gets worse, stays quiet and ends.

Shared by kinds of detectors: their states have the columns `EPISODE`, their limits `COURSE`.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from kernels.compiled import njit
from sensors.crossing import fill
from sensors.detectors.finding import LEVELS, Finding, Phase

NOTHING, BEGIN, UPDATE, END, FAULT_BEGIN, FAULT_END = -1, 0, 1, 2, 3, 4
PHASES: tuple[Phase, ...] = ("begin", "update", "end", "begin", "end")
"""By the code of a crossing."""
NO_LEVEL = -1

EPISODE = [
    ("fed", "i8"),  # a sample has come
    ("last_us", "i8"),
    ("last_received_us", "i8"),
    ("begun", "i8"),
    ("level", "i8"),
    ("onset_us", "i8"),
    ("quiet", "i8"),
    ("quiet_us", "i8"),  # since when it has been quiet
    ("worst", "f8"),
    ("over_n", "i8", (len(LEVELS),)),  # samples in a row that reach a level
    ("over_us", "i8", (len(LEVELS),)),  # the first of them
    ("fault", "i8"),  # what is wrong with the sensor, in the kind's own numbers
    ("fault_us", "i8"),
    ("told_us", "i8"),  # when it was last seen to be wrong
]
COURSE = [
    ("least_n", "i8"),  # samples in a row, and
    ("least_us", "i8"),  # time, that a level must be reached before it is said
    ("hold_us", "i8"),  # quiet time that ends it
    ("max_gap_us", "i8"),
    ("silence_us", "i8"),
]


class Course(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters that all such detectors have. All defaults are own choice."""

    least_samples: int = 2
    """So many samples in a row must reach a level, so that one spike counts for nothing."""
    least_s: float = 0.0
    hold_s: float = 3600.0
    """It ends when it has been quiet for so long."""
    max_gap_s: float = 3600.0
    """A longer gap empties the windows."""
    silence_end_s: float = 86_400.0
    """It ends when nothing usable has been received for so long."""

    def check(self) -> None:
        """Refuse what makes no sense.

        Raises
        ------
        ValueError
            The message says what.
        """
        if self.least_samples < 1:
            raise ValueError("least_samples must be 1 or more")
        if min(self.least_s, self.hold_s) < 0 or min(self.max_gap_s, self.silence_end_s) <= 0:
            raise ValueError("least_s and hold_s must not be below 0, max_gap_s and silence_end_s above it")


def set_course(course: Course, limits: Any) -> None:
    """Fill the columns `COURSE`."""
    limits["least_n"] = course.least_samples
    limits["least_us"] = round(course.least_s * 1e6)
    limits["hold_us"] = round(course.hold_s * 1e6)
    limits["max_gap_us"] = round(course.max_gap_s * 1e6)
    limits["silence_us"] = round(course.silence_end_s * 1e6)


@njit(cache=True, nogil=True)
def is_number(value: float) -> bool:
    """Return whether a value can be reckoned with: squares and sums of what is larger would be infinite."""
    return bool(abs(value) <= 1e12)


@njit(cache=True, nogil=True)
def arrives(limit: Any, s: Any, time_us: int, received_at_us: int) -> bool:
    """Note a sample's arrival; return whether windows must begin anew: the first, a gap, a clock set back."""
    s.last_received_us = max(s.last_received_us, received_at_us)
    anew = s.fed == 0 or time_us <= s.last_us or time_us - s.last_us > limit.max_gap_us
    s.fed = 1
    s.last_us = time_us
    if anew:
        s.quiet = 0
        s.over_n[:] = 0
    return bool(anew)


@njit(cache=True, nogil=True)
def highest(limits: Any, value: float) -> int:
    """Return the index of the highest of ascending limits that a value reaches, or NO_LEVEL."""
    found = NO_LEVEL
    for k in range(len(limits)):
        if value >= limits[k]:
            found = k
    return found


@njit(cache=True, nogil=True)
def follow(limit: Any, s: Any, level: int, quiet: bool, time_us: int, value: float) -> int:
    """Go on with the level that a sample reaches (NO_LEVEL: none); return a code, mostly NOTHING.

    The onset is the first of the samples that made it begin; `worst` the value farthest from 0 since then.
    """
    confirmed = NO_LEVEL
    for k in range(len(s.over_n)):
        if level < k:
            s.over_n[k] = 0
            continue
        if s.over_n[k] == 0:
            s.over_us[k] = time_us
        s.over_n[k] += 1
        if s.over_n[k] >= limit.least_n and time_us - s.over_us[k] >= limit.least_us:
            confirmed = k
    if s.begun == 0:
        if confirmed == NO_LEVEL:
            return NOTHING
        s.begun, s.level, s.onset_us, s.quiet, s.worst = 1, confirmed, s.over_us[0], 0, value
        return BEGIN
    if abs(value) > abs(s.worst):
        s.worst = value
    if confirmed > s.level:
        s.level = confirmed
        s.quiet = 0
        return UPDATE
    if not quiet:
        s.quiet = 0
        return NOTHING
    if s.quiet == 0:
        s.quiet, s.quiet_us = 1, time_us
    if time_us - s.quiet_us < limit.hold_us:
        return NOTHING
    s.begun = s.quiet = 0
    return END


@njit(cache=True, nogil=True)
def blame(s: Any, fault: int, since_us: int, time_us: int) -> int:
    """Say that the sensor is wrong; return FAULT_BEGIN, or NOTHING when that was said."""
    s.told_us = time_us
    if s.fault != 0:
        return NOTHING
    s.fault, s.fault_us = fault, since_us
    return FAULT_BEGIN


@njit(cache=True, nogil=True)
def acquit(s: Any, time_us: int, after_us: int) -> int:
    """Return FAULT_END when nothing was wrong for long, else NOTHING."""
    if s.fault == 0 or time_us - s.told_us < after_us:
        return NOTHING
    s.fault = 0
    return FAULT_END


@njit(cache=True, nogil=True)
def cross(
    crossing: Any, s: Any, slot: int, row: int, code: int, at_us: int, value: float, threshold: float
) -> None:
    """Fill a crossing; a limit that was left out has no number."""
    level, onset_us = (s.level, s.onset_us) if code <= END else (0, s.fault_us)
    limit = threshold if np.isfinite(threshold) else 0.0
    fill(crossing, slot, row, code, level, onset_us, at_us, value, limit)


@njit(cache=True, nogil=True)
def tick(limits: Any, state: Any, live: Any, now_us: int, begin: int, crossings: Any) -> tuple[int, int]:
    """End what nobody reports on any more: `Kind.tick` of all these kinds."""
    for slot in range(begin, len(live)):
        s = state[slot]
        if not live[slot] or now_us - s.last_received_us <= limits[slot].silence_us:
            continue
        found = 0
        if s.begun != 0:
            s.begun = 0
            cross(crossings[found], s, slot, -1, END, s.last_us, 0.0, 0.0)
            found += 1
        if s.fault != 0:
            s.fault = 0
            cross(crossings[found], s, slot, -1, FAULT_END, s.last_us, 0.0, 0.0)
            found += 1
        if found:
            return slot + 1, found
    return len(live), 0


def make_finding(
    crossing: Any, title: str, evidence: dict[str, Any], sensor_rule: str, digits: int = 4
) -> Finding:
    """Return what a crossing says; `sensor_rule` goes with those about the sensor."""
    code = int(crossing["code"])
    return Finding(
        phase=PHASES[code],
        level=LEVELS[int(crossing["level"])],
        onset_us=int(crossing["onset_us"]),
        at_us=int(crossing["at_us"]),
        title=title,
        value=round(float(crossing["value"]), digits),
        threshold=round(float(crossing["threshold"]), digits),
        evidence=evidence,
        rule=sensor_rule if code >= FAULT_BEGIN else "",
    )


def why_ended(crossing: Any, state: Any) -> dict[str, Any]:
    """Return the evidence of an end."""
    silent = int(crossing["row"]) < 0
    return {
        "reason": "nothing usable was received any more" if silent else "it has been quiet for long enough",
        "worst": round(float(state["worst"]), 4),
    }


def left_out(level: float | None) -> bool:
    """Return whether there is no such level: null, or infinite where a format has no null, as TOML."""
    return level is None or level == np.inf


def check_levels(name: str, levels: tuple[float | None, ...], *, falling: bool = False) -> None:
    """Refuse limits that are not one for each level, in order, or left out.

    Raises
    ------
    ValueError
        The message names them.
    """
    given = [level for level in levels if not left_out(level)]
    if len(levels) != len(LEVELS):
        raise ValueError(f"{name} must have {len(LEVELS)} limits: {', '.join(LEVELS)}; inf leaves one out")
    if not np.isfinite(np.array(given, np.float64)).all():
        raise ValueError(f"{name} must be numbers; inf leaves one out")
    if given != sorted(given, key=float, reverse=falling):  # type: ignore[arg-type]
        raise ValueError(f"{name} must {'fall' if falling else 'rise'} from level to level")


def limits_of(levels: tuple[float | None, ...], sign: float = 1.0) -> list[float]:
    """Return limits for `highest`, times a sign: what is left out is never reached."""
    return [np.inf if level is None or left_out(level) else sign * level for level in levels]
