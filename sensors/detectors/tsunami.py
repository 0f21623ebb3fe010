"""Tsunamis (and meteotsunamis) at tide gauges: detector `sea_level`.

The tide is a quadratic over the two hours before a sample, carried on to it; what is left is the residual.
An event begins when the residual persists beyond the largest of a fixed limit, a multiple of the median
absolute deviation in those two hours, and a multiple of what is usual at this gauge, the root mean square of
the residual over a day: a harbour that swings, or a large tide that a quadratic does not follow, has higher
limits than a quiet gauge. In the last samples (five, or twice the least duration) at least three and 60 %
exceed it on one side, they span the least duration, none behind them exceeds it on the other side, and
their mean stands out of what changes from sample to sample. So neither a spike nor a splash counts, nor
seismic waves, which are too fast for that (`sensors/residuals.py`). Where samples are further apart than half
of the shortest tsunami's period, both sides count, and nothing tells periods: such a gauge must average.

While an event goes on its waves are in the window and blow up the deviation. The threshold hence stays as it
was at the beginning, and the event ends when the residual has stayed below a part of it for three hours.

A gauge can fail so that it looks like a wave. A level that jumps from one sample to the next and then stands
still against the tide is a shifted datum; a level that does not change at all is a stuck gauge. Both are
watched, at most ten minutes: if it moves it is a tsunami at once, else a problem of the sensor. A level that
jumps after it stood still for twenty minutes was stuck: what it showed is no tide, and is forgotten. After
that, as after a gap, nothing is judged until the window has been filled again.

Samples that do not count as usable are left out; suspect ones are not, since a tsunami looks like a fault.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from kernels.compiled import njit
from sensors import residuals, running_quadratic
from sensors.crossing import cross, is_credible
from sensors.detectors import LEVELS, Finding, Subject, register_kind
from sensors.detectors.bank import Kind
from sensors.residuals import (
    RESIDUALS,
    half_wave,
    is_stuck,
    jumped,
    level_reached,
    stands_out,
    stands_still,
    take,
)
from sensors.running_quadratic import WINDOW, deviation, is_ready, learn, shift, trend_at

VERSION = "3"
FORMULA = (
    "tide(t) = quadratic by least squares over the samples of [t - window, t); residual = level - tide; "
    "exceeded where |residual| > max(floor, multiple * MAD, usual_multiple * usual), MAD = median "
    "|r - median r| in the window, usual = rms of the residual over a day; begin when >= 3 and >= 60 % of "
    "the last max(5 samples, 2 * min_duration) exceed on one side, over >= min_duration, and |their mean| "
    ">= 4 * (rms change from sample to sample) / sqrt(2 n)"
)
SENSOR_RULE = "sea_level_sensor"
_LEAST_NOISE_M = 0.005
_RESOLUTION_M = 0.001
_STUCK_US = 1_200_000_000
_DAY_US = 86_400_000_000
_RECENT = 30
"""So many samples of the least duration are looked at, at most: faster ones are left out."""
(_BEGIN, _UPDATE, _END, _SILENCE, _JUMPED, _STUCK, _SENSOR_END) = range(7)


class SeaLevelParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters. The levels are this program's defaults, for every site to edit, and no standard's."""

    window_s: float = 7200.0
    floor_m: float = 0.05
    multiple: float = 5.0
    usual_multiple: float = 5.0
    """A narrow-band sea of this rms has waves higher than five times it once in 270,000 (Rayleigh)."""
    min_duration_s: float = 120.0
    yellow_m: float = 0.3
    orange_m: float = 1.0
    red_m: float = 3.0
    end_quiet_s: float = 10_800.0
    end_share: float = 0.6
    """Quiet is a residual below this share of the threshold at the beginning."""
    ease_s: float = 5400.0
    """A level that was not reached for so long is told to be over; waves of a tsunami follow within that."""
    max_gap_s: float = 600.0
    """A longer gap empties the window."""
    step_hold_s: float = 600.0
    """How long a level may stand still after a jump before the sensor is blamed."""
    silence_end_s: float = 86_400.0
    """An event ends when nothing usable has been received for so long."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if min(msgspec.structs.astuple(self)) <= 0:
            raise ValueError("every parameter must be above 0")
        if not self.floor_m <= self.yellow_m <= self.orange_m <= self.red_m:
            raise ValueError("floor_m <= yellow_m <= orange_m <= red_m must hold")
        if self.end_share > 1:
            raise ValueError("end_share must not be above 1")


LIMITS = np.dtype(
    [
        ("window_us", "i8"),
        ("multiple", "f8"),
        ("usual_multiple", "f8"),
        ("min_duration_us", "i8"),
        ("level_m", "f8", (len(LEVELS),)),
        ("end_quiet_us", "i8"),
        ("end_share", "f8"),
        ("ease_us", "i8"),
        ("max_gap_us", "i8"),
        ("step_hold_us", "i8"),
        ("silence_end_us", "i8"),
    ]
)
STATE = np.dtype(
    [
        ("window", WINDOW),
        ("recent", RESIDUALS),
        ("last_us", "i8"),
        ("same_value", "f8"),  # the last values are this
        ("same_since_us", "i8"),
        ("received_at_us", "i8"),
        ("is_judged", "?"),
        ("last_residual", "f8"),
        ("usual2", "f8"),  # mean square of the residual over a day
        ("usual_us", "i8"),  # of how much time
        ("pending_us", "i8"),  # a fault is suspected since; 0: no
        ("onset_us", "i8"),  # of the event that goes on; 0: there is none
        ("level", "i8"),  # the highest of the event
        ("told", "i8"),  # the level that was told last
        ("reached_us", "i8", (len(LEVELS),)),  # when each level was reached last
        ("threshold", "f8"),
        ("largest", "f8"),
        ("quiet_since_us", "i8"),
        ("fault_us", "i8"),  # the sensor is blamed since; 0: it is not
    ]
)


@njit(cache=True, nogil=True)
def _take(
    limits: Any,
    state: Any,
    slot: Any,
    role: Any,  # noqa: ARG001
    time_us: Any,
    value: Any,
    usable: Any,
    received_at_us: Any,
    begin: int,
    crossings: Any,
) -> tuple[int, int]:
    for i in range(begin, len(slot)):
        if usable[i] and is_credible(value[i]):
            s, p = state[slot[i]], limits[slot[i]]
            s.received_at_us = max(s.received_at_us, received_at_us[i])
            found = _judge(s, p, slot[i], i, time_us[i], value[i], crossings)
            if found:
                return i + 1, found
    return len(slot), 0


@njit(cache=True, nogil=True)
def _forget(s: Any) -> None:
    running_quadratic.clear(s.window)
    residuals.clear(s.recent)
    s.pending_us = s.quiet_since_us = 0
    s.is_judged = False


@njit(cache=True, nogil=True)
def _judge(s: Any, p: Any, slot: int, row: int, time_us: int, value: float, crossings: Any) -> int:
    since_us = time_us - s.last_us
    if s.last_us != 0:
        if not 0 < since_us <= p.max_gap_us:
            _forget(s)
            s.same_since_us = time_us
        elif since_us * _RECENT < p.min_duration_us:
            return 0
    last_us, s.last_us = s.last_us, time_us
    if last_us == 0 or abs(value - s.same_value) > _RESOLUTION_M:
        stood_us, since = last_us - s.same_since_us, s.same_since_us
        jumped_by, s.same_value, s.same_since_us = value - s.same_value, value, time_us
        if stood_us >= _STUCK_US and s.window.n > 0 and abs(jumped_by) > p.level_m[0]:
            return _was_stuck(s, slot, row, since, time_us, jumped_by, p.level_m[0], crossings)
    if not is_ready(s.window, time_us, p.window_us):
        s.is_judged = False
        learn(s.window, time_us, value, p.window_us)
        return 0
    residual = value - trend_at(s.window, time_us)
    mad = 0.0
    threshold = p.level_m[0]
    if s.onset_us != 0:
        threshold = s.threshold
    else:
        threshold = max(threshold, p.usual_multiple * np.sqrt(s.usual2))
        if abs(residual) > threshold:
            mad = deviation(s.window)
            threshold = max(threshold, p.multiple * mad)
        _learn_usual(s, min(abs(residual), threshold), since_us)
    jump = residual - s.last_residual if s.is_judged else 0.0
    s.is_judged, s.last_residual = True, residual
    take(s.recent, time_us, value, residual, jump, threshold, 2 * p.min_duration_us)
    if s.onset_us != 0:
        learn(s.window, time_us, value, p.window_us)
        return _follow(s, p, slot, row, time_us, residual, crossings)
    found = _watch(s, p, slot, row, time_us, threshold, mad, crossings)
    if abs(residual) <= threshold and s.onset_us == 0 and s.pending_us == 0:
        learn(s.window, time_us, value, p.window_us)
    if s.fault_us != 0 and time_us - s.fault_us >= p.end_quiet_us:
        onset_us, s.fault_us = s.fault_us, 0
        found = cross(crossings, found, slot, row, _SENSOR_END, 0, onset_us, time_us, 0.0, p.level_m[0])
    return found


@njit(cache=True, nogil=True)
def _learn_usual(s: Any, size: float, since_us: int) -> None:
    """Take a residual into what is usual; `size` is no more than the threshold, or a spike would count."""
    if not s.is_judged:
        return
    s.usual_us = min(s.usual_us + since_us, _DAY_US)
    s.usual2 += since_us / s.usual_us * (size * size - s.usual2)


@njit(cache=True, nogil=True)
def _watch(
    s: Any, p: Any, slot: int, row: int, time_us: int, threshold: float, mad: float, crossings: Any
) -> int:
    """Look whether an event begins, or the sensor has failed."""
    r = s.recent
    begin = half_wave(r, p.min_duration_us)
    if begin < 0 or not (s.pending_us != 0 or stands_out(r, begin)):
        s.pending_us = 0
        return 0
    if mad == 0.0:  # the newest sample itself does not exceed
        mad = deviation(s.window)
    stuck = is_stuck(r, _RESOLUTION_M)
    faulty = stuck or stands_still(r, begin, max(1.4826 * mad, _LEAST_NOISE_M))
    if s.pending_us == 0 and (stuck or (faulty and jumped(r, begin))):
        s.pending_us = r.time_us[begin]
    if s.pending_us == 0 or not faulty:
        return _begin(s, p, slot, row, time_us, begin, threshold, mad, crossings)
    if time_us - s.pending_us < p.step_hold_us:
        return 0
    return _blame_sensor(s, slot, row, time_us, begin, threshold, stuck, crossings)


@njit(cache=True, nogil=True)
def _begin(
    s: Any,
    p: Any,
    slot: int,
    row: int,
    time_us: int,
    begin: int,
    threshold: float,
    mad: float,
    crossings: Any,
) -> int:
    s.onset_us = s.pending_us if s.pending_us != 0 else s.recent.time_us[begin]
    s.pending_us = s.quiet_since_us = 0
    s.threshold, s.largest, s.level = (
        threshold,
        residuals.worst(s.recent),
        level_reached(s.recent, p.level_m, p.min_duration_us // 2),
    )
    s.told = s.level
    s.reached_us[:] = 0
    s.reached_us[: s.level + 1] = time_us
    found = cross(crossings, 0, slot, row, _BEGIN, s.level, s.onset_us, time_us, s.largest, threshold)
    crossings[0].extra[0] = mad
    return found


@njit(cache=True, nogil=True)
def _follow(s: Any, p: Any, slot: int, row: int, time_us: int, residual: float, crossings: Any) -> int:
    """Go on with an event."""
    if abs(residual) > abs(s.largest):
        s.largest = residual
    if abs(residual) >= p.end_share * s.threshold:
        s.quiet_since_us = 0
    elif s.quiet_since_us == 0:
        s.quiet_since_us = time_us
    level = _level_now(s, p, time_us)
    if level != s.told:
        s.told, s.level = level, max(s.level, level)
        worst = residuals.worst(s.recent)
        return cross(crossings, 0, slot, row, _UPDATE, level, s.onset_us, time_us, worst, p.level_m[level])
    if s.quiet_since_us == 0 or time_us - s.quiet_since_us < p.end_quiet_us:
        return 0
    return _end(s, slot, row, _END, time_us, residual, crossings)


@njit(cache=True, nogil=True)
def _level_now(s: Any, p: Any, time_us: int) -> int:
    """Return the highest level that was reached a short while ago."""
    s.reached_us[: level_reached(s.recent, p.level_m, p.min_duration_us // 2) + 1] = time_us
    highest = 0
    for k in range(1, len(s.reached_us)):
        if s.reached_us[k] != 0 and time_us - s.reached_us[k] < p.ease_us:
            highest = k
    return highest


@njit(cache=True, nogil=True)
def _end(s: Any, slot: int, row: int, code: int, at_us: int, residual: float, crossings: Any) -> int:
    found = cross(crossings, 0, slot, row, code, s.level, s.onset_us, at_us, residual, s.threshold)
    s.onset_us = 0
    return found


@njit(cache=True, nogil=True)
def _blame_sensor(
    s: Any, slot: int, row: int, time_us: int, begin: int, threshold: float, stuck: bool, crossings: Any
) -> int:
    r = s.recent
    exceeding = np.empty(r.n)
    n = 0
    for k in range(begin, r.n):
        if r.side[k] != 0:
            exceeding[n] = r.residual[k]
            n += 1
    offset = np.median(exceeding[:n])
    # From now on the shifted level is the level: the watch goes on without a pause.
    shift(s.window, offset)
    onset_us, samples = s.pending_us, r.n
    s.pending_us = 0
    s.is_judged = False
    residuals.clear(r)
    if s.fault_us != 0:
        return 0
    s.fault_us = onset_us
    code = _STUCK if stuck else _JUMPED
    found = cross(crossings, 0, slot, row, code, 0, onset_us, time_us, offset, threshold)
    crossings[0].extra[0] = samples
    return found


@njit(cache=True, nogil=True)
def _was_stuck(
    s: Any,
    slot: int,
    row: int,
    onset_us: int,
    time_us: int,
    jumped_by: float,
    threshold: float,
    crossings: Any,
) -> int:
    """Forget what a stuck gauge showed."""
    _forget(s)
    if s.fault_us != 0:
        return 0
    s.fault_us = onset_us
    return cross(crossings, 0, slot, row, _STUCK, 0, onset_us, time_us, jumped_by, threshold)


@njit(cache=True, nogil=True)
def _tick(limits: Any, state: Any, live: Any, now_us: int, begin: int, crossings: Any) -> tuple[int, int]:
    for slot in range(begin, len(live)):
        s, p = state[slot], limits[slot]
        if not live[slot] or s.last_us == 0 or now_us - s.received_at_us <= p.silence_end_us:
            continue
        found = 0
        if s.onset_us != 0:
            found = _end(s, slot, -1, _SILENCE, s.last_us, 0.0, crossings)
        if s.fault_us != 0:
            onset_us, s.fault_us = s.fault_us, 0
            found = cross(crossings, found, slot, -1, _SENSOR_END, 0, onset_us, s.last_us, 0.0, p.level_m[0])
        if found:
            return slot + 1, found
    return len(live), 0


def _settle(p: SeaLevelParameters, limits: Any) -> None:
    limits["window_us"], limits["min_duration_us"] = round(p.window_s * 1e6), round(p.min_duration_s * 1e6)
    limits["multiple"], limits["usual_multiple"] = p.multiple, p.usual_multiple
    limits["end_share"], limits["ease_us"] = p.end_share, round(p.ease_s * 1e6)
    limits["level_m"] = p.floor_m, p.yellow_m, p.orange_m, p.red_m
    limits["end_quiet_us"], limits["max_gap_us"] = round(p.end_quiet_s * 1e6), round(p.max_gap_s * 1e6)
    limits["step_hold_us"], limits["silence_end_us"] = (
        round(p.step_hold_s * 1e6),
        round(p.silence_end_s * 1e6),
    )


def _tell(p: SeaLevelParameters, state: Any, crossing: Any, subject: Subject) -> Finding:
    code, residual, threshold = int(crossing["code"]), float(crossing["value"]), float(crossing["threshold"])
    evidence: dict[str, Any] = {}
    rule = ""
    if code in (_JUMPED, _STUCK):
        what = "does not change" if code == _STUCK else f"jumped by {residual:+.2f} m and stayed there"
        title = f"Tide gauge {subject.name}: the level {what}; check the gauge"
        samples = residuals.columns(state["recent"], int(crossing["extra"][0]))
        evidence = {"threshold_m": round(threshold, 4), "samples": samples}
        rule = SENSOR_RULE
    elif code == _SENSOR_END:
        title, rule = f"Tide gauge {subject.name}: no further jump", SENSOR_RULE
    elif code in (_END, _SILENCE):
        title = f"Sea level back at the tide at {subject.name}"
        evidence = {
            "reason": (
                "the residual stayed below the threshold"
                if code == _END
                else "nothing usable was received any more"
            ),
            "largest_residual_m": round(float(state["largest"]), 4),
            "quiet_since_us": int(state["quiet_since_us"]) or None,
        }
    else:
        side = "above" if residual >= 0 else "below"
        title = f"Sea level {abs(residual):.2f} m {side} the tide at {subject.name}"
        evidence = {
            "formula": FORMULA,
            "version": VERSION,
            "parameters": msgspec.structs.asdict(p),
            "threshold_m": round(threshold, 4),
            "usual_m": round(float(np.sqrt(state["usual2"])), 5),
            "window": running_quadratic.columns(state["window"]),
            "samples": residuals.columns(state["recent"], int(state["recent"]["n"])),
        }
        if code == _BEGIN:
            evidence["mad_m"] = round(float(crossing["extra"][0]), 5)
    return Finding(
        phase="begin" if code in (_BEGIN, _JUMPED, _STUCK) else "update" if code == _UPDATE else "end",
        level=LEVELS[int(crossing["level"])],
        onset_us=int(crossing["onset_us"]),
        at_us=int(crossing["at_us"]),
        title=title,
        value=residual,
        threshold=threshold,
        evidence=evidence,
        rule=rule,
    )


register_kind(Kind("sea_level", VERSION, SeaLevelParameters, LIMITS, STATE, _settle, _take, _tick, _tell))
