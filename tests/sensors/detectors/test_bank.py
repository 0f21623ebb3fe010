"""Banks of detectors: many series at once give what each gives alone, in any cut, over restarts."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from sensors.detectors import LEVELS
from sensors.detectors.bank import Bank, Kind, OneSeries, Rows, Told
from sensors.detectors.finding import Finding, Samples, Subject


class Above(msgspec.Struct, frozen=True, kw_only=True):
    limit: float = 1.0
    silence_s: float = 10.0


LIMITS = np.dtype([("limit", "f8"), ("silence_us", "i8")])
STATE = np.dtype([("since_us", "i8"), ("received_at_us", "i8"), ("n", "i8"), ("offset", "f8")])


@njit
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
    """Two crossings of a sample that is twice the limit: begin, and worse."""
    for i in range(begin, len(slot)):
        s, limit = state[slot[i]], limits[slot[i]].limit
        s.received_at_us = received_at_us[i]
        if not usable[i]:
            continue
        if role[i] == 1:
            s.offset = value[i]
            continue
        s.n += 1
        over, found = value[i] - s.offset, 0
        for code in range(2):
            if (code == 0) == (s.since_us == 0) and over > limit * (code + 1):
                s.since_us = time_us[i] if code == 0 else s.since_us
                _cross(crossings[found], slot[i], i, code, time_us[i], over, limit)
                found += 1
        if found:
            return i + 1, found
    return len(slot), 0


@njit
def tick(limits: Any, state: Any, live: Any, now_us: int, begin: int, crossings: Any) -> tuple[int, int]:
    for slot in range(begin, len(live)):
        s = state[slot]
        if live[slot] and s.since_us and now_us - s.received_at_us > limits[slot].silence_us:
            s.since_us = 0
            _cross(crossings[0], slot, -1, 2, now_us, 0.0, 0.0)
            return slot + 1, 1
    return len(live), 0


@njit
def _cross(crossing: Any, slot: int, row: int, code: int, at_us: int, value: float, limit: float) -> None:
    crossing.slot, crossing.row, crossing.code, crossing.at_us = slot, row, code, at_us
    crossing.value, crossing.threshold = value, limit


def tell(parameters: Above, state: Any, crossing: Any, subject: Subject) -> Finding:
    phase = ("begin", "update", "end")[int(crossing["code"])]
    return Finding(
        phase=phase,  # type: ignore[arg-type]
        level=LEVELS[0],
        onset_us=int(state["since_us"]),
        at_us=int(crossing["at_us"]),
        title=f"{subject.name} above {parameters.limit}",
        value=float(crossing["value"]),
        threshold=float(crossing["threshold"]),
        evidence={"samples": int(state["n"])},
    )


def settle(parameters: Above, limits: Any) -> None:
    limits["limit"], limits["silence_us"] = parameters.limit, parameters.silence_s * 1e6


KIND = Kind("above", "1", Above, LIMITS, STATE, settle, take, tick, tell, lambda _: ("offset",))
SAMPLES = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 1), st.floats(-3, 3), st.booleans()), max_size=60
)


def rows(samples: list[tuple[int, int, float, bool]], begin: int = 0) -> Rows:
    """Return samples one second apart."""
    time_us = 1_000_000 * np.arange(begin + 1, begin + 1 + len(samples))
    columns = list(zip(*samples, strict=True)) if samples else [(), (), (), ()]
    return Rows(
        np.array(columns[0], np.int64), np.array(columns[1], np.int64), time_us,
        np.array(columns[2], np.float64), np.array(columns[3], np.bool_), time_us,
    )  # fmt: skip


def bank() -> Bank[Above]:
    made = Bank(KIND)
    slots = [made.add(Above(limit=0.5 + i / 4), Subject(f"s{i}", "m")) for i in range(7)]
    assert slots == list(range(7))
    return made


@settings(max_examples=60, deadline=None)
@given(SAMPLES, st.data())
def test_neither_cuts_nor_restarts_nor_other_series_change_what_is_found(
    samples: list[tuple[int, int, float, bool]], data: st.DataObject
) -> None:
    whole, at = bank(), 60_000_000
    expected = [*whole.on_rows(rows(samples)), *whole.on_time(at)]
    pieces, cut = [], bank()
    begin = 0
    while begin < len(samples):
        end = data.draw(st.integers(begin + 1, len(samples)))
        pieces += [
            Told(told.slot, told.row + begin, msgspec.structs.replace(told.finding, sample=told.row + begin))
            for told in cut.on_rows(rows(samples[begin:end], begin))
        ]
        if data.draw(st.booleans()):
            states = [cut.snapshot(slot) for slot in range(7)]
            cut = bank()
            for slot, state in enumerate(states):
                cut.restore(slot, state)
        begin = end
    assert [*pieces, *cut.on_time(at)] == expected

    for slot in range(7):
        alone = OneSeries(KIND, Above(limit=0.5 + slot / 4), Subject(f"s{slot}", "m"))
        found: list[Finding] = []
        every = rows(samples)
        for i in np.flatnonzero(every.slot == slot).tolist():
            columns = [column[i : i + 1] for column in every]
            found += alone.on_samples(Samples(*columns[2:]), role=int(every.role[i]))
        found += alone.on_time(at)
        same = [msgspec.structs.replace(told.finding, sample=-1) for told in expected if told.slot == slot]
        assert [msgspec.structs.replace(one, sample=-1) for one in found] == same


def test_a_slot_that_is_used_again_knows_nothing_of_who_had_it() -> None:
    made = bank()
    assert [told.slot for told in made.on_rows(rows([(3, 0, 3.0, True)]))] == [3, 3]
    made.remove(3)
    assert list(made.on_time(10**12)) == []
    assert made.add(Above(limit=9.0), Subject("new", "m")) == 3
    assert int(made.state[3]["n"]) == 0
    assert list(made.on_rows(rows([(3, 0, 3.0, True)]))) == []
    made.renew(3, Above(limit=1.0), Subject("new", "m"))
    assert int(made.state[3]["n"]) == 1
    assert [told.finding.title for told in made.on_rows(rows([(3, 0, 1.5, True)], 1))] == ["new above 1.0"]


def test_a_state_of_another_version_is_refused() -> None:
    other = Bank(Kind("above", "2", Above, LIMITS, STATE, settle, take, tick, tell))
    slot = other.add(Above(), Subject("s", "m"))
    with pytest.raises(msgspec.DecodeError, match="another version"):
        bank().restore(0, other.snapshot(slot))
