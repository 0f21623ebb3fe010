"""Whole captures of RTCM 3: when they were made, their epochs, their summary, and pieces for a replay."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

import numpy as np

from gnss.epoch_parts import frame_headers
from gnss.epochs import Epoch, EpochAssembler
from gnss.observations import PARTIAL
from gnss.rtcm.ephemeris import EPHEMERIS_MESSAGES, EphemerisWeek, decode_week
from gnss.rtcm.framing import HEADER_BYTES, find_frames
from gnss.rtcm.signals import rinex_code
from gnss.systems import UNKNOWN_CHANNEL, System
from gnss.time import GPS_EPOCH_US, SECOND_US, WEEK_US, gps_to_utc, gps_week, iso_z, resolve_week

WeekFrom = Literal["date", "ephemeris", "file time"]

STEP_BYTES = 262_144
MAX_PIECE_BYTES = 262_144
"""Of a replay: a longer stretch without an epoch is cut."""
CLUE_TIMES = 15
CLUE_EPHEMERIDES = 64
WEEK_MS = WEEK_US // 1000
HOUR_MS = 3_600_000
_LETTERS = [system.letter for system in System]


class ObservationRow(NamedTuple):
    """One signal of one satellite at one epoch; None where the sender gave no value."""

    epoch: str
    """ISO 8601, UTC."""
    satellite: str
    """As in RINEX: G05."""
    signal: str
    """RINEX band and attribute: 1C. An unknown signal is its number: #7."""
    range_m: float | None
    phase_m: float | None
    rate_m_s: float | None
    cn0_dbhz: float | None
    lock_s: float | None
    half_cycle: bool
    channel: int | None
    """GLONASS frequency number; None for other systems and when unknown."""
    partial: bool
    """Range and phase lack whole milliseconds of light (`gnss.observations.PARTIAL`)."""


def reference_time(buffer: bytes, *, date_us: int | None, modified_us: int) -> tuple[int, WeekFrom]:
    """Return when a capture begins, and where the week is known from.

    Messages tell the time of the week. The week comes from a date, else from the ephemerides near the
    capture's begin (most of them decide), else from the file's time: the last one that is not behind it.

    Parameters
    ----------
    buffer
        The capture.
    date_us
        Roughly when it was made, UTC, right to three and a half days.
    modified_us
        When the file was written, UTC; also resolves the roll-over of the weeks in ephemerides.

    Returns
    -------
    UTC of the first epoch in us; without observations of a system that tells the time of the week, the date
    or the file's time as it is, or the middle one of the ephemerides' reference times.
    """
    first_ms, weeks = _clues(buffer)
    if date_us is not None:
        return _begin(first_ms, date_us), "date"
    if weeks:
        return _begin_by_weeks(first_ms, weeks, int(gps_week(modified_us))), "ephemeris"
    if first_ms is None:
        return modified_us, "file time"
    # what a file holds was not made after it, but for a clock that is wrong
    return _begin(first_ms, modified_us - WEEK_US // 2 + HOUR_MS * 1000), "file time"


def epochs(buffer: bytes, reference_us: int) -> Iterator[Epoch]:
    """Return the epochs of a capture, decoded a piece at a time; `reference_time` gives the reference."""
    return _assemble(EpochAssembler(), buffer, reference_us)


def summary(buffer: bytes, *, date_us: int | None, modified_us: int) -> dict[str, Any]:
    """Return what a capture holds, ready for JSON; arguments as for `reference_time`."""
    reference_us, week_from = reference_time(buffer, date_us=date_us, modified_us=modified_us)
    assembler = EpochAssembler()
    count, first, last = 0, None, None
    for epoch in _assemble(assembler, buffer, reference_us):
        count += 1
        last = epoch.time_us
        first = last if first is None else first
    return {
        "bytes": len(buffer),
        "frames": assembler.frames,
        "bad_frames": assembler.bad_frames,
        "epochs": count,
        "first_epoch": None if first is None else iso_z(first),
        "last_epoch": None if last is None else iso_z(last),
        "messages": {str(number): n for number, n in sorted(assembler.messages.items())},
        "week_from": week_from,
    }


def split_for_replay(buffer: bytes, reference_us: int) -> Iterator[tuple[int | None, bytes]]:
    """Cut a capture where epochs begin; the pieces joined are the capture.

    Yields
    ------
    The time of the epoch in us, and its bytes with all that comes before the next one (the first piece has
    also what stands before its epoch). A longer piece than `MAX_PIECE_BYTES` is cut in several of the same
    time. The time is None when the capture has no epoch.
    """
    begin, time_us = 0, None
    for epoch in epochs(buffer, reference_us):
        if time_us is not None:
            yield from _cut(buffer, begin, epoch.begin, time_us)
            begin = epoch.begin
        time_us = epoch.time_us
    yield from _cut(buffer, begin, len(buffer), time_us)


def observation_rows(some: Iterable[Epoch]) -> Iterator[ObservationRow]:
    """Return the observations of epochs one by one."""
    for epoch in some:
        when, seen = iso_z(epoch.time_us), epoch.observations
        columns = zip(
            seen.system.tolist(),
            seen.satellite.tolist(),
            seen.signal.tolist(),
            seen.range_m.tolist(),
            seen.phase_m.tolist(),
            seen.rate_m_s.tolist(),
            seen.cn0_dbhz.tolist(),
            seen.lock_ms.tolist(),
            seen.half_cycle.tolist(),
            seen.channel.tolist(),
            (seen.flags & PARTIAL != 0).tolist(),
            strict=True,
        )
        for (
            system,
            satellite,
            signal,
            range_m,
            phase_m,
            rate_m_s,
            cn0_dbhz,
            lock_ms,
            half,
            channel,
            partial,
        ) in columns:
            has_channel = system == System.GLONASS and channel != UNKNOWN_CHANNEL
            yield ObservationRow(
                epoch=when,
                satellite=f"{_LETTERS[system]}{satellite:02d}",
                signal=rinex_code(system, signal) or f"#{signal}",
                range_m=_rounded(range_m, 4),
                phase_m=_rounded(phase_m, 5),
                rate_m_s=_rounded(rate_m_s, 4),
                cn0_dbhz=_rounded(cn0_dbhz, 4),
                lock_s=None if lock_ms < 0 else lock_ms / 1000,
                half_cycle=bool(half),
                channel=channel if has_channel else None,
                partial=partial,
            )


def _assemble(assembler: EpochAssembler, buffer: bytes, reference_us: int) -> Iterator[Epoch]:
    for at in range(0, len(buffer), STEP_BYTES):
        piece = buffer[at : at + STEP_BYTES]
        yield from assembler.feed(piece, received_at_us=None, reference_us=reference_us)
    yield from assembler.finish()


def _cut(buffer: bytes, begin: int, end: int, time_us: int | None) -> Iterator[tuple[int | None, bytes]]:
    for at in range(begin, end, MAX_PIECE_BYTES):
        yield time_us, buffer[at : min(at + MAX_PIECE_BYTES, end)]


def _rounded(value: float, digits: int) -> float | None:
    return None if math.isnan(value) else round(value, digits)


def _clues(buffer: bytes) -> tuple[int | None, list[tuple[EphemerisWeek, int | None]]]:
    """Return the first GPS time of the week in ms, and weeks with the time of the week at which they came.

    Looks no further than it must. A time that most others near the begin are not within an hour of is not
    taken.
    """
    times_ms: list[int] = []
    weeks: list[tuple[EphemerisWeek, int | None]] = []
    tail = b""
    for at in range(0, len(buffer), STEP_BYTES):
        data = tail + buffer[at : at + STEP_BYTES]
        array = np.frombuffer(data, np.uint8)
        index = find_frames(array)
        tail = data[index.consumed :]
        headers = frame_headers(array, index)
        of_week = (headers.system != System.GLONASS) & (headers.time_ms >= 0)
        frame, time_ms = headers.frame[of_week], headers.time_ms[of_week]
        times_ms += time_ms[: CLUE_TIMES - len(times_ms)].tolist()
        now_ms: int | None = times_ms[0] if times_ms else None
        for i in np.flatnonzero(np.isin(index.message, EPHEMERIS_MESSAGES)).tolist():
            begin = int(index.start[i]) + HEADER_BYTES
            week = decode_week(data[begin : begin + int(index.length[i])])
            before = int(np.searchsorted(frame, i))
            now_ms = int(time_ms[before - 1]) if before else now_ms
            if week is not None:
                weeks.append((week, now_ms))
        if len(times_ms) >= CLUE_TIMES and len(weeks) >= CLUE_EPHEMERIDES:
            break
    return _first_time(times_ms), weeks


def _first_time(times_ms: list[int]) -> int | None:
    if not times_ms:
        return None
    steps = sorted(_signed_ms(time_ms - times_ms[0]) for time_ms in times_ms)
    middle_ms = times_ms[0] + steps[len(steps) // 2]
    return next(t for t in times_ms if abs(_signed_ms(t - middle_ms)) <= HOUR_MS)


def _signed_ms(step_ms: int) -> int:
    """Return a difference of times of the week in -3.5 to 3.5 days."""
    return (step_ms + WEEK_MS // 2) % WEEK_MS - WEEK_MS // 2


def _begin(first_ms: int | None, hint_us: int) -> int:
    return hint_us if first_ms is None else int(resolve_week(first_ms, hint_us))


def _begin_by_weeks(
    first_ms: int | None, weeks: list[tuple[EphemerisWeek, int | None]], near_week: int
) -> int:
    # counts that do not roll over within a lifetime resolve the shorter ones
    longest = max(week.period for week, _ in weeks)
    near_week = _most_common(week.resolved(near_week) for week, _ in weeks if week.period == longest)
    if first_ms is None:
        references = sorted(week.reference_s(near_week) for week, _ in weeks)
        return int(gps_to_utc(GPS_EPOCH_US + references[len(references) // 2] * SECOND_US))
    begins = []
    for week, at_ms in weeks:
        now_ms = first_ms if at_ms is None else at_ms
        reference_ms = week.reference_s(near_week) * 1000
        here_ms = reference_ms + _signed_ms(now_ms - reference_ms)
        begins.append((here_ms - _signed_ms(now_ms - first_ms)) // WEEK_MS)
    return int(gps_to_utc(GPS_EPOCH_US + (_most_common(begins) * WEEK_MS + first_ms) * 1000))


def _most_common(values: Iterable[int]) -> int:
    return Counter(values).most_common(1)[0][0]
