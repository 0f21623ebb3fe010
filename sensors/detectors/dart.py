"""Tsunamis in the pressure at the sea floor (DART stations): detector `bottom_pressure`.

The tide is predicted from the past three hours by Mofjeld's polynomial (`sensors/mofjeld.py`); what is left
is the residual, in metres of water. Three things are told, each by a rule of its own:

- `bottom_pressure_event`: the residual reached 30 mm, NOAA's limit. It may be an earthquake: seismic waves
  come 3 to 28 minutes after one and can exceed those of the tsunami that follows.
- `bottom_pressure`: a tsunami, told from seismic waves by its period. All residuals of the last four
  minutes are on one side, 30 mm at least; their mean stands out of what changes from sample to sample
  (`sensors/residuals.py`); and the level itself moves, since a residual that comes from the past in the
  prediction is none. Seismic waves take less than 3 to 5 minutes, tsunamis 5 to 90. Samples must be no
  further apart than two minutes: with fifteen it cannot be told, and the event is all that is said.
- `bottom_pressure_sensor`: a sample that jumped and returned is a spike and left out; five of them, or of
  residuals that no tsunami has, within an hour or so are a fault. A level that jumped and stays for five
  minutes is a shifted zero: history is shifted with it, so that the watch goes on. A value that does not
  change for three hours is stuck; residuals that change sides within minutes for three hours are noise,
  since no earthquake shakes for so long.

A sample that is 33 mm off the one before it (the tide's slope taken away; 13 cm after a quarter of an hour)
waits for the next: only then it is known whether it is a spike, a step or a wave.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numba import njit

from sensors import mofjeld, residuals, steps
from sensors.crossing import cross, is_credible
from sensors.detectors import LEVELS, Finding, Subject, register_kind
from sensors.detectors.bank import Kind
from sensors.mofjeld import AHEAD_US, HISTORY, HOUR_US, WEIGHTS, predict
from sensors.residuals import RESIDUALS, level_reached, stands_out, take
from sensors.steps import STEP

VERSION = "1"
FORMULA = (
    "tide(t) = sum w(i) H*(t - 5.25 min - i h), i = 0..3, H* = mean of the one-minute means within 5 min "
    "(interpolated where there are fewer than 5 samples); residual = height - tide; event where |residual| "
    ">= threshold; tsunami where this holds on one side for all samples of min_duration, |their mean| >= 4 * "
    "(rms change from sample to sample) / sqrt(2 n), max - min of the height >= 0.15 * max |residual| + 5 mm"
)
EVENT_RULE = "bottom_pressure_event"
SENSOR_RULE = "bottom_pressure_sensor"

(
    _EVENT,
    _EVENT_END,
    _BEGIN,
    _UPDATE,
    _END,
    _SPIKES,
    _STEP,
    _STUCK,
    _NOISY,
    _SENSOR_END,
) = range(10)
_SILENT, _BLAMED = 1.0, 2.0
"""Why something ends: nothing was received; it was the sensor."""
_FAULTS = {
    _SPIKES: "{0:.0f} values within about an hour that no sea makes",
    _STEP: "the level jumped by {0:+.2f} m and stayed there",
    _STUCK: "the value does not change",
    _NOISY: "the level has changed to and fro for hours",
}
_RESOLUTION_M = 1e-4
_STILL_M = 0.01
"""Noise and slow seismic waves behind a step."""
_BEND_M_PER_H2 = 0.13
"""Half the curvature of a semidiurnal tide of 1 m: how far it may leave its slope."""
_MOVED_M, _MOVED_SHARE = 0.005, 0.15
"""A wave of 5 to 90 minutes moves by a quarter of its residual in any four minutes."""
_WARM_UP_STEP_M = 0.5
"""More than a tide makes in 15 minutes."""
_FEW_SPIKES = 1.5
_SPIKES_AT_ONCE = 4.5
"""Five within an hour or so: they fade."""
_SPIKES_FORGOTTEN_US = 3_600_000_000
_CHANGED_SIDES_US = 150_000_000
"""Half of the shortest tsunami's period."""
_SHAKEN_US = 1_800_000_000


class BottomPressureParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters. The levels are this program's own choice, for every site to edit, and no standard's.

    Default levels: coastal amplitudes of 0.3, 1 and 3 m, by Green's law from a depth of 10 m to one of
    5,000 m (divided by the fourth root of 500).
    """

    threshold_m: float = 0.03
    """NOAA's for the North Pacific."""
    yellow_m: float = 0.06
    orange_m: float = 0.2
    red_m: float = 0.6
    credible_m: float = 3.0
    """The largest tsunami that was measured in deep water is below 2 m."""
    min_duration_s: float = 240.0
    """So long all residuals of a tsunami are on one side; three minutes are too few near an earthquake."""
    max_step_s: float = 120.0
    """Samples further apart cannot tell a tsunami."""
    step_hold_s: float = 300.0
    """How long a level may stand still after a jump before the sensor is blamed."""
    stuck_s: float = 10_800.0
    noisy_s: float = 10_800.0
    end_quiet_s: float = 14_400.0
    """A DART station stays in event mode for four hours."""
    max_gap_s: float = 2700.0
    """A longer gap empties the history; two samples of a quarter-hour may be missing."""
    silence_end_s: float = 86_400.0
    """What began ends when nothing usable has been received for so long."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if min(msgspec.structs.astuple(self)) <= 0:
            raise ValueError("every parameter must be above 0")
        if not self.threshold_m <= self.yellow_m <= self.orange_m <= self.red_m:
            raise ValueError("threshold_m <= yellow_m <= orange_m <= red_m must hold")
        if self.max_gap_s > 3600:
            raise ValueError("max_gap_s must not be above 3600: the tide bends too much in between")


LIMITS = np.dtype(
    [
        ("level_m", "f8", (len(LEVELS),)),
        ("credible_m", "f8"),
        ("min_duration_us", "i8"),
        ("max_step_us", "i8"),
        ("step_hold_us", "i8"),
        ("stuck_us", "i8"),
        ("noisy_us", "i8"),
        ("end_quiet_us", "i8"),
        ("max_gap_us", "i8"),
        ("silence_end_us", "i8"),
    ]
)
STATE = np.dtype(
    [
        ("history", HISTORY),
        ("recent", RESIDUALS),
        ("last_us", "i8"),
        ("received_at_us", "i8"),
        ("last_value", "f8"),
        ("slope", "f8"),  # of the tide, per hour
        ("nodes", "f8", (4,)),
        ("is_judged", "?"),
        ("step", STEP),  # a jump that is not understood yet
        ("change2", "f8"),  # of `recent`, before that
        # the sensor
        ("same_since_us", "i8"),
        ("same_samples", "i8"),
        ("spikes", "f8"),  # fading
        ("spike_us", "i8"),
        ("side", "i8"),
        ("side_us", "i8"),  # it changed to this side
        ("shaken_since_us", "i8"),
        ("shaken_us", "i8"),
        ("fault_us", "i8"),  # blamed since; 0: it is not
        ("faulty_us", "i8"),  # the last time
        # what goes on
        ("event_us", "i8"),
        ("event_largest", "f8"),
        ("onset_us", "i8"),  # of the tsunami
        ("level", "i8"),
        ("largest", "f8"),
        ("exceeded_us", "i8"),
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
def _keep_us(p: Any) -> int:
    return int(max(p.min_duration_us, p.step_hold_us) + p.max_step_us)


@njit(cache=True, nogil=True)
def _forget(s: Any) -> None:
    mofjeld.clear(s.history)
    residuals.clear(s.recent)
    s.is_judged = False
    s.step.since_us = s.same_since_us = s.same_samples = s.side = s.shaken_us = 0
    if s.exceeded_us != 0:
        s.exceeded_us = -1  # quiet begins anew with the next that is judged


@njit(cache=True, nogil=True)
def _judge(s: Any, p: Any, slot: int, row: int, time_us: int, value: float, crossings: Any) -> int:
    if s.last_us != 0:
        since_us = time_us - s.last_us
        if not 0 < since_us <= p.max_gap_us:
            _forget(s)
        elif since_us * residuals.CAPACITY < _keep_us(p):
            return 0
    found = _look_whether_stuck(s, p, slot, row, time_us, value, crossings)
    before_us, before = s.last_us, s.last_value
    s.last_us, s.last_value = time_us, value
    mofjeld.add(s.history, time_us, value, 1)
    slope = s.slope
    tide, s.slope = predict(s.history, time_us, p.max_gap_us, s.nodes)
    if np.isnan(tide):
        if before_us != 0 and abs(value - before) > _WARM_UP_STEP_M:
            _forget(s)
            mofjeld.add(s.history, time_us, value, 1)
        s.is_judged, s.step.since_us = False, 0
        return _end_of_fault(s, p, slot, row, time_us, found, crossings)
    residual = value - tide
    hours = (time_us - before_us) / HOUR_US
    r = s.recent
    jump = 0.0
    if s.is_judged and r.n > 0 and time_us - before_us <= p.max_step_us:
        jump = residual - r.residual[r.n - 1]
    change2 = r.change2
    was_judged, s.is_judged = s.is_judged, True
    take(r, time_us, value, residual, jump, p.level_m[0], _keep_us(p))
    if s.step.since_us != 0:
        found = _look_at_step(s, p, slot, row, time_us, value, found, crossings)
        if not s.is_judged:
            return found
    elif (
        was_judged
        and abs(value - before - slope * hours) >= _least_step(s, p, hours)
        and (s.event_us == 0 or time_us - before_us <= p.max_step_us)  # else it may be the wave
    ):
        steps.open_step(s.step, time_us, before + slope * hours, value, slope)
        s.change2 = change2
    if abs(residual) > p.credible_m and s.step.since_us == 0:
        found = _count_spike(s, slot, row, time_us, time_us, found, crossings)
    _look_whether_noisy(s, time_us)
    if s.shaken_us != 0 and time_us - s.shaken_since_us >= p.noisy_us:
        found = _blame(s, _NOISY, slot, row, s.shaken_since_us, time_us, residual, found, crossings)
        s.shaken_since_us = time_us - p.noisy_us
        if s.event_us != 0:
            found = _end_event(s, p, slot, row, time_us, _BLAMED, found, crossings)
    found = _look_for_waves(s, p, slot, row, time_us, residual, found, crossings)
    return _end_of_fault(s, p, slot, row, time_us, found, crossings)


@njit(cache=True, nogil=True)
def _least_step(s: Any, p: Any, hours: float) -> float:
    """Return what a jump must be to be told from noise and the tide's bend while it is waited for.

    While waves go on it must be larger: the crest of one may stand still behind a steep front.
    """
    waited = max(p.step_hold_us / HOUR_US, (steps.LEAST - 1) * hours)
    least = max(p.level_m[0], 3 * (_STILL_M + _BEND_M_PER_H2 * waited * waited))
    return float(least if s.event_us == 0 else 3 * least)


# --- the sensor -----------------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _blame(
    s: Any,
    code: int,
    slot: int,
    row: int,
    onset_us: int,
    time_us: int,
    value: float,
    found: int,
    crossings: Any,
) -> int:
    s.faulty_us = time_us
    if s.fault_us != 0:
        return found
    s.fault_us = onset_us
    found = cross(crossings, found, slot, row, code, 0, onset_us, time_us, value, 0.0)
    crossings[found - 1].extra[0] = s.recent.n
    return found


@njit(cache=True, nogil=True)
def _end_of_fault(s: Any, p: Any, slot: int, row: int, time_us: int, found: int, crossings: Any) -> int:
    if s.fault_us != 0 and time_us - s.faulty_us >= p.end_quiet_us:
        onset_us, s.fault_us = s.fault_us, 0
        found = cross(crossings, found, slot, row, _SENSOR_END, 0, onset_us, time_us, 0.0, 0.0)
    return found


@njit(cache=True, nogil=True)
def _look_whether_stuck(
    s: Any, p: Any, slot: int, row: int, time_us: int, value: float, crossings: Any
) -> int:
    if s.same_samples > 0 and abs(value - s.last_value) <= _RESOLUTION_M:
        s.same_samples += 1
        if s.same_samples > residuals.LEAST and time_us - s.same_since_us >= p.stuck_us:
            return _blame(s, _STUCK, slot, row, s.same_since_us, time_us, value, 0, crossings)
        return 0
    if s.same_samples > residuals.LEAST and s.last_us - s.same_since_us >= p.stuck_us // 2:
        _forget(s)  # what it was stuck at is no tide
    s.same_since_us, s.same_samples = time_us, 1
    return 0


@njit(cache=True, nogil=True)
def _look_whether_noisy(s: Any, time_us: int) -> None:
    side = s.recent.side[s.recent.n - 1]
    if s.shaken_us != 0 and time_us - s.shaken_us > _SHAKEN_US:
        s.shaken_us = 0
    if side in (0, s.side):
        return
    if s.side != 0 and time_us - s.side_us <= _CHANGED_SIDES_US:
        if s.shaken_us == 0:
            s.shaken_since_us = time_us
        s.shaken_us = time_us
    s.side, s.side_us = side, time_us


@njit(cache=True, nogil=True)
def _count_spike(s: Any, slot: int, row: int, onset_us: int, time_us: int, found: int, crossings: Any) -> int:
    """Take a value that no sea makes; while something goes on, an earthquake may make them."""
    s.spikes = s.spikes * np.exp(-(time_us - s.spike_us) / _SPIKES_FORGOTTEN_US) + 1.0
    s.spike_us = time_us
    if s.event_us == 0 and s.spikes >= _SPIKES_AT_ONCE:
        found = _blame(s, _SPIKES, slot, row, onset_us, time_us, s.spikes, found, crossings)
    return found


@njit(cache=True, nogil=True)
def _look_at_step(
    s: Any, p: Any, slot: int, row: int, time_us: int, value: float, found: int, crossings: Any
) -> int:
    """Tell spike, step and wave by what comes behind a jump."""
    r = s.recent
    onset_us, offset = s.step.since_us, steps.offset(s.step, time_us, value)
    what = steps.look(s.step, time_us, value, _STILL_M, _BEND_M_PER_H2, p.step_hold_us)
    if what == steps.RETURNED:
        begin = r.n - 1
        while begin > 0 and r.time_us[begin - 1] >= onset_us:
            begin -= 1
        for k in range(begin, r.n - 1):
            mofjeld.add(s.history, r.time_us[k], r.value[k], -1)
        tide, s.slope = predict(s.history, time_us, p.max_gap_us, s.nodes)
        found = _count_spike(s, slot, row, onset_us, time_us, found, crossings)
        r.n = begin
        if s.spikes < _FEW_SPIKES:  # or it is noise, which must count as such
            r.change2 = s.change2
        take(r, time_us, value, value - tide, 0.0, p.level_m[0], _keep_us(p))
    elif what == steps.STANDS:
        # From now on the shifted level is the level: the watch goes on without a pause.
        mofjeld.shift(s.history, onset_us, offset)
        found = _blame(s, _STEP, slot, row, onset_us, time_us, offset, found, crossings)
        residuals.clear(r)
        r.change2 = s.change2
        s.is_judged = False
    return found


# --- waves ----------------------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _look_for_waves(
    s: Any, p: Any, slot: int, row: int, time_us: int, residual: float, found: int, crossings: Any
) -> int:
    r = s.recent
    side = r.side[r.n - 1]
    if s.exceeded_us == -1:
        s.exceeded_us = time_us
    sound = s.step.since_us == 0 and s.same_samples < residuals.LEAST and abs(residual) <= p.credible_m
    if side != 0 and sound:
        s.exceeded_us = time_us
        if s.event_us == 0 and (s.shaken_us == 0 or time_us - s.shaken_since_us < p.noisy_us):
            first = r.n - 1
            while first > 0 and r.side[first - 1] != 0:
                first -= 1
            s.event_us, s.event_largest = r.time_us[first], residual
            found = cross(crossings, found, slot, row, _EVENT, 0, s.event_us, time_us, residual, p.level_m[0])
            crossings[found - 1].extra[:] = s.nodes
        if s.onset_us == 0:
            found = _look_for_tsunami(s, p, slot, row, time_us, found, crossings)
    if abs(residual) > abs(s.event_largest):
        s.event_largest = residual
    if s.onset_us != 0:
        if abs(residual) > abs(s.largest):
            s.largest = residual
        level = level_reached(r, p.level_m, p.min_duration_us // 2)
        if level > s.level:
            s.level = level
            found = cross(
                crossings,
                found,
                slot,
                row,
                _UPDATE,
                level,
                s.onset_us,
                time_us,
                residuals.worst(r),
                p.level_m[level],
            )
            crossings[found - 1].extra[:] = s.nodes
    if s.exceeded_us > 0 and time_us - s.exceeded_us >= p.end_quiet_us:
        if s.onset_us != 0:
            found = _end_tsunami(s, p, slot, row, time_us, 0.0, found, crossings)
        if s.event_us != 0:
            found = _end_event(s, p, slot, row, time_us, 0.0, found, crossings)
        s.exceeded_us = 0
    return found


@njit(cache=True, nogil=True)
def _look_for_tsunami(s: Any, p: Any, slot: int, row: int, time_us: int, found: int, crossings: Any) -> int:
    r = s.recent
    begin = r.n - 1
    low = high = r.value[begin]
    side, largest = r.side[begin], 0.0
    while r.time_us[begin] > time_us - p.min_duration_us:
        if begin == 0 or r.side[begin - 1] != side or r.time_us[begin] - r.time_us[begin - 1] > p.max_step_us:
            return found
        begin -= 1
        low, high = min(low, r.value[begin]), max(high, r.value[begin])
        largest = max(largest, abs(r.residual[begin]))
    if largest > p.credible_m or r.n - begin < residuals.LEAST or not stands_out(r, begin):
        return found
    if high - low < _MOVED_M + _MOVED_SHARE * max(largest, abs(r.residual[r.n - 1])):
        return found
    while begin > 0 and r.side[begin - 1] == side:
        begin -= 1
    s.onset_us, s.level, s.largest = (
        r.time_us[begin],
        level_reached(r, p.level_m, p.min_duration_us // 2),
        residuals.worst(r),
    )
    found = cross(crossings, found, slot, row, _BEGIN, s.level, s.onset_us, time_us, s.largest, p.level_m[0])
    crossings[found - 1].extra[:] = s.nodes
    return found


@njit(cache=True, nogil=True)
def _end_event(
    s: Any, p: Any, slot: int, row: int, time_us: int, why: float, found: int, crossings: Any
) -> int:
    found = cross(
        crossings, found, slot, row, _EVENT_END, 0, s.event_us, time_us, s.event_largest, p.level_m[0]
    )
    crossings[found - 1].extra[0] = why
    s.event_us, s.event_largest = 0, 0.0
    return found


@njit(cache=True, nogil=True)
def _end_tsunami(
    s: Any, p: Any, slot: int, row: int, time_us: int, why: float, found: int, crossings: Any
) -> int:
    found = cross(crossings, found, slot, row, _END, s.level, s.onset_us, time_us, s.largest, p.level_m[0])
    crossings[found - 1].extra[0] = why
    s.onset_us = 0
    return found


@njit(cache=True, nogil=True)
def _tick(limits: Any, state: Any, live: Any, now_us: int, begin: int, crossings: Any) -> tuple[int, int]:
    for slot in range(begin, len(live)):
        s, p = state[slot], limits[slot]
        if not live[slot] or s.last_us == 0 or now_us - s.received_at_us <= p.silence_end_us:
            continue
        found = 0
        if s.onset_us != 0:
            found = _end_tsunami(s, p, slot, -1, s.last_us, _SILENT, found, crossings)
        if s.event_us != 0:
            found = _end_event(s, p, slot, -1, s.last_us, _SILENT, found, crossings)
        if s.fault_us != 0:
            onset_us, s.fault_us = s.fault_us, 0
            found = cross(crossings, found, slot, -1, _SENSOR_END, 0, onset_us, s.last_us, 0.0, 0.0)
        if found:
            return slot + 1, found
    return len(live), 0


# --- words ----------------------------------------------------------------------------------------------


def _settle(p: BottomPressureParameters, limits: Any) -> None:
    limits["level_m"] = p.threshold_m, p.yellow_m, p.orange_m, p.red_m
    limits["credible_m"] = p.credible_m
    for name in (
        "min_duration", "max_step", "step_hold", "stuck", "noisy", "end_quiet", "max_gap", "silence_end",
    ):  # fmt: skip
        limits[f"{name}_us"] = round(getattr(p, f"{name}_s") * 1e6)


def _tell(p: BottomPressureParameters, state: Any, crossing: Any, subject: Subject) -> Finding:
    code, value = int(crossing["code"]), float(crossing["value"])
    threshold = float(crossing["threshold"])
    name, rule = subject.name, ""
    evidence: dict[str, Any] = {}
    if code in _FAULTS:
        rule = SENSOR_RULE
        title = f"Bottom pressure at {name}: {_FAULTS[code].format(value)}; check the sensor"
        evidence = {"samples": residuals.columns(state["recent"], int(crossing["extra"][0]))}
    elif code == _SENSOR_END:
        title, rule = f"Bottom pressure at {name}: no further trouble", SENSOR_RULE
    elif code in (_EVENT_END, _END):
        rule = EVENT_RULE if code == _EVENT_END else ""
        title = f"Bottom pressure at {name} is back at the tide"
        why = {_SILENT: "nothing usable was received any more", _BLAMED: "the sensor is too noisy to tell"}
        reason = why.get(float(crossing["extra"][0]), "the residual stayed below the threshold")
        evidence = {"reason": reason, "largest_residual_m": round(value, 4)}
    else:
        size, side = abs(value) * 1e3, "above" if value >= 0 else "below"
        if code == _EVENT:
            rule = EVENT_RULE
            title = f"Bottom pressure at {name} {size:.0f} mm {side} the tide: an earthquake or a tsunami"
        else:
            title = f"Tsunami at {name}: bottom pressure {size:.0f} mm {side} the tide"
        at_us = int(crossing["at_us"])
        evidence = {
            "formula": FORMULA,
            "version": VERSION,
            "parameters": msgspec.structs.asdict(p),
            "threshold_m": threshold,
            "prediction": {
                "weights": list(WEIGHTS),
                "time_us": [at_us - AHEAD_US - k * HOUR_US for k in range(4)],
                "mean": [round(v, 4) for v in crossing["extra"].tolist()],
            },
            "window": mofjeld.columns(state["history"]),
            "samples": residuals.columns(state["recent"], int(state["recent"]["n"])),
        }
    begins = code in (_EVENT, _BEGIN) or code in _FAULTS
    return Finding(
        phase="begin" if begins else "update" if code == _UPDATE else "end",
        level=LEVELS[int(crossing["level"])],
        onset_us=int(crossing["onset_us"]),
        at_us=int(crossing["at_us"]),
        title=title,
        value=value,
        threshold=threshold,
        evidence=evidence,
        rule=rule,
    )


register_kind(
    Kind(
        "bottom_pressure",
        VERSION,
        BottomPressureParameters,
        LIMITS,
        STATE,
        _settle,
        _take,
        _tick,
        _tell,
    )
)
