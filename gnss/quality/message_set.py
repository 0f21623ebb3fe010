"""Which messages come and how often, against what was promised or what came before.

A number whose interval was promised (a sourcetable's format details, `1077(1)`) is missing when it has not
come for three intervals, two minutes at least; and comes too seldom when its mean interval is twice as long.
One that nobody promised but that came regularly is missing when it has stayed away for ten of its own
intervals, and half as long again as ever lately. Ephemerides that are sent when they change are no promise.

Looked at is each station once a minute of its epochs' time, so that nothing depends on how frames are cut.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gnss.epoch_columns import NO_TIME_US
from gnss.quality.score import Finding
from kernels.compiled import njit

FOLLOWED = frozenset({1013, 1029, 1230})
"""Numbers that nothing else asks for."""
MESSAGES = 24
"""Numbers of a station that are followed; the first that come, promised ones before."""
MINUTE_US = 60_000_000
LEAST_AWAY_US = 120_000_000
PROMISED_INTERVALS, LEARNT_INTERVALS = 3, 10
SELDOM = 2.0
"""Times the promised interval."""
LEARNT_COUNT, LEARNT_SPAN_US = 10, 600_000_000
LONGEST_LEARNT_US = 120_000_000
"""Messages that came less often were no promise."""
FORGOTTEN_US = 86_400_000_000
POINTS = 60.0
MOST_KEPT = 8
"""States of a station that are remembered: those of the minutes that one batch can hold."""

_BACK_US, _AHEAD_US = 60_000_000, 8 * 86_400_000_000
_AT_ONCE = 1024

MESSAGE = np.dtype(
    [
        ("first_us", "<i8"),
        ("last_us", "<i8"),
        ("interval_us", "<f4"),  # running mean
        ("longest_us", "<f4"),  # lately
        ("promised_us", "<f4"),  # 0: not promised
        ("seen", "<i4"),
        ("number", "<i2"),  # 0: free
    ],
    align=True,
)
HEAD = np.dtype([("since_us", "<i8"), ("minute", "<i8"), ("away", "<u4"), ("seldom", "<u4")], align=True)
BYTES_A_STATION = MESSAGES * MESSAGE.itemsize + HEAD.itemsize


class _Away(msgspec.Struct, array_like=True):
    """What is wrong with a station's messages from a time on."""

    from_us: int
    missing: list[tuple[int, int, float]] = []
    """Number, when it came last (or since when it is waited for), promised interval in s (0: learnt one)."""
    seldom: list[tuple[int, float, float]] = []
    """Number, mean interval and promised interval in s."""


class _Snapshot(msgspec.Struct, array_like=True):
    head: bytes
    messages: bytes
    kept: list[_Away]


@dataclass(frozen=True, slots=True)
class Change:
    """Other points of a station from a time on."""

    station: int
    points: float
    from_us: int


class MessageTable:
    """The messages of many stations by row."""

    def __init__(self) -> None:
        self._messages = np.zeros((16, MESSAGES), MESSAGE)
        self._heads = np.zeros(16, HEAD)
        self._kept: dict[int, list[_Away]] = {}

    def begin(self, s: int, promised: Mapping[int, float]) -> None:
        """Make row `s` a station's of which nothing came.

        Parameters
        ----------
        promised
            Interval in s by message number; what is not there may come or not.
        """
        while s >= len(self._heads):
            self._messages = np.concatenate([self._messages, np.zeros_like(self._messages)])
            self._heads = np.concatenate([self._heads, np.zeros_like(self._heads)])
        self._heads[s] = (NO_TIME_US, 0, 0, 0)
        self._messages[s] = np.zeros((), MESSAGE)
        for k, (number, interval_s) in enumerate(sorted(promised.items())[:MESSAGES]):
            self._messages[s, k]["number"] = number
            self._messages[s, k]["promised_us"] = interval_s * 1e6
        self._kept.pop(s, None)

    def take(
        self, stations: NDArray[np.int32], numbers: NDArray[np.int16], times_us: NDArray[np.int64]
    ) -> list[Change]:
        """Take frames; return which stations get other points.

        Parameters
        ----------
        stations, numbers, times_us
            Row, message number and epoch (`NO_TIME_US`: none yet, not counted) of each frame, shape (n,);
            each station's in the order of its stream.
        """
        if len(times_us) and (times_us != times_us[0]).any():
            order = np.argsort(times_us, kind="stable")
            stations, numbers, times_us = stations[order], numbers[order], times_us[order]
        changes: list[Change] = []
        room = min(len(stations), _AT_ONCE)
        who, when = np.zeros(room, np.int64), np.zeros(room, np.int64)
        states, heads = np.zeros((room, MESSAGES), MESSAGE), np.zeros(room, HEAD)
        i = 0
        while i < len(stations):
            i, n = _take(
                self._messages, self._heads, stations, numbers, times_us, i, who, when, states, heads
            )
            changes += [self._change(int(who[k]), int(when[k]), states[k], heads[k]) for k in range(n)]
        return changes

    def _change(self, s: int, from_us: int, messages: Any, head: Any) -> Change:
        """Remember what is wrong from a time on."""
        away = _Away(from_us)
        for k in range(MESSAGES):
            one = messages[k]
            promised_s = float(one["promised_us"]) * 1e-6
            if int(head["away"]) >> k & 1:
                last_us = int(one["last_us"] if one["seen"] else head["since_us"])
                away.missing.append((int(one["number"]), last_us, promised_s))
            elif int(head["seldom"]) >> k & 1:
                away.seldom.append((int(one["number"]), float(one["interval_us"]) * 1e-6, promised_s))
        kept = self._kept.setdefault(s, [])
        kept.append(away)
        del kept[:-MOST_KEPT]
        if len(kept) == 1 and not away.missing and not away.seldom:
            del self._kept[s]
        return Change(s, POINTS if away.missing or away.seldom else 100.0, from_us)

    def findings(self, s: int, time_us: int) -> tuple[Finding, ...]:
        """Return what is wrong with a station's messages at a time."""
        now = None
        for away in self._kept.get(s, ()):
            if away.from_us <= time_us:
                now = away
        if now is None:
            return ()
        found = []
        for number, last_us, promised_s in now.missing:
            away_s = (time_us - last_us) * 1e-6
            promise = f"promised every {promised_s:g} s" if promised_s else "it came regularly before"
            found.append(_finding(f"Message {number} has not come for {away_s:.0f} s ({promise}).", away_s))
        for number, interval_s, promised_s in now.seldom:
            text = f"Message {number} comes every {interval_s:.0f} s (promised every {promised_s:g} s)."
            found.append(_finding(text, interval_s, promised_s))
        return tuple(found)

    def snapshot(self, s: int) -> bytes:
        """Return the state of one station."""
        used = self._messages[s][: int(np.count_nonzero(self._messages[s]["number"]))]
        return msgspec.msgpack.encode(
            _Snapshot(self._heads[s].tobytes(), used.tobytes(), self._kept.get(s, []))
        )

    def restore(self, s: int, state: bytes) -> None:
        """Give a station, which was begun, what `snapshot` gave; promises are those of `begin`."""
        saved = msgspec.msgpack.decode(state, type=_Snapshot)
        promised = {int(one["number"]): float(one["promised_us"]) for one in self._messages[s]}
        self._heads[s] = np.frombuffer(saved.head, HEAD)[0]
        messages = np.frombuffer(saved.messages, MESSAGE)
        self._messages[s] = np.zeros((), MESSAGE)
        self._messages[s, : len(messages)] = messages
        rows = self._messages[s]
        for one in rows:
            one["promised_us"] = promised.pop(int(one["number"]), 0.0)
        free = np.flatnonzero(rows["number"] == 0).tolist()
        for k, (number, promised_us) in zip(free, ((n, p) for n, p in promised.items() if n), strict=False):
            rows[k]["number"], rows[k]["promised_us"] = number, promised_us
        if saved.kept:
            self._kept[s] = saved.kept


def _finding(text: str, value: float, threshold: float | None = None) -> Finding:
    check = "The receiver's output configuration, the sourcetable or registry."
    return Finding("messages", text, value, threshold, check)


@njit(cache=True, nogil=True, error_model="numpy")
def _look(messages: Any, head: Any, now_us: int) -> tuple[int, int]:
    """Return which rows of a station stay away, and which come too seldom, as bits."""
    away, seldom = 0, 0
    for k in range(MESSAGES):
        one = messages[k]
        if one.number == 0:
            break
        last_us = one.last_us if one.seen else head.since_us
        away_us = now_us - last_us
        if one.promised_us > 0.0:
            if away_us > max(PROMISED_INTERVALS * one.promised_us, LEAST_AWAY_US):
                away |= 1 << k
            elif one.seen >= LEARNT_COUNT and one.interval_us > SELDOM * one.promised_us:
                seldom |= 1 << k
        elif (
            one.seen >= LEARNT_COUNT
            and one.last_us - one.first_us >= LEARNT_SPAN_US
            and one.interval_us <= LONGEST_LEARNT_US
            and away_us < FORGOTTEN_US
            and away_us > max(LEARNT_INTERVALS * one.interval_us, 1.5 * one.longest_us, LEAST_AWAY_US)
        ):
            away |= 1 << k
    return away, seldom


@njit(cache=True, nogil=True, error_model="numpy")
def _note(messages: Any, number: int, t_us: int) -> None:
    """Take a message of a station at an epoch."""
    for k in range(MESSAGES):
        one = messages[k]
        if one.number == 0:
            one.number = number
        if one.number != number:
            continue
        gap_us = t_us - one.last_us
        if one.seen == 0 or gap_us > FORGOTTEN_US:
            one.seen = 1
            one.first_us = t_us
            one.last_us = t_us
            one.interval_us = 0.0
            one.longest_us = 0.0
        elif gap_us > 0:
            # all of one epoch are one
            one.seen += 1
            one.last_us = t_us
            # an outage of the station is not the rhythm of a message
            most_us = 10.0 * max(one.interval_us, one.promised_us)
            step_us = min(float(gap_us), most_us) if most_us > 0.0 else float(gap_us)
            one.interval_us += (step_us - one.interval_us) * max(1.0 / (one.seen - 1), 0.05)
            one.longest_us = max(one.longest_us * (1.0 - 1.0 / 1024.0), float(gap_us))
        return


@njit(cache=True, nogil=True, error_model="numpy")
def _take(
    messages: Any,
    heads: Any,
    stations: Any,
    numbers: Any,
    times_us: Any,
    begin: int,
    who: Any,
    when: Any,
    states: Any,
    states_heads: Any,
) -> tuple[int, int]:
    """Take frames from `begin` on, until there is no room for changes; return where, and how many changes."""
    n = 0
    for i in range(begin, len(stations)):
        s, t_us = stations[i], times_us[i]
        if t_us == NO_TIME_US:
            continue
        head = heads[s]
        if head.since_us == NO_TIME_US or t_us < head.minute * MINUTE_US - _BACK_US or (
            t_us > (head.minute + 1) * MINUTE_US + _AHEAD_US
        ):  # fmt: skip
            head.since_us = t_us
            head.minute = t_us // MINUTE_US
            for k in range(MESSAGES):
                messages[s, k].seen = 0
        minute = t_us // MINUTE_US
        if minute > head.minute:
            if n == len(who):
                return i, n
            away, seldom = _look(messages[s], head, minute * MINUTE_US)
            head.minute = minute
            if away != head.away or seldom != head.seldom:
                head.away = away
                head.seldom = seldom
                who[n], when[n] = s, (minute + 1) * MINUTE_US
                states[n] = messages[s]
                states_heads[n] = head
                n += 1
        _note(messages[s], numbers[i], t_us)
    return len(stations), n


def promised_messages(format_details: str) -> dict[int, float]:
    """Return interval in s by message number from a sourcetable's format details, as "1005(10),1077(1)".

    Numbers without an interval, and what is no number, are left out.
    """
    pairs = re.findall(r"\b(\d{4})\s*\(\s*(\d+(?:\.\d+)?)\s*\)", format_details)
    return {int(number): float(interval) for number, interval in pairs if float(interval) > 0}
