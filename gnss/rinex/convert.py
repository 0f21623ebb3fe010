"""A recording of RTCM messages to observation and navigation files of hours or days, in two passes.

The first pass finds what the files will hold, and what the station says of itself; the second gives their
text as the epochs come. Between two epochs nothing but the file at hand is remembered, so that a recording
may have any length.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

from gnss.assembly.assembled import Assembled
from gnss.ephemeris import Ephemeris, GlonassEphemeris
from gnss.epoch_columns import NO_TIME_US, EpochColumns
from gnss.rinex.header import ObservationHeader
from gnss.rinex.names import period_begin_us
from gnss.rinex.station_header import completed, header_of
from gnss.rinex.write import RinexBody, RinexSurvey
from gnss.rinex.write_header import Contents
from gnss.rinex.write_navigation import without_sending
from gnss.rtcm.ephemeris import EPHEMERIS_MESSAGES, decode_ephemeris
from gnss.rtcm.station import METADATA_MESSAGES, StationMetadata, update
from gnss.systems import UNKNOWN_CHANNEL
from gnss.time import SECOND_US, WEEK_US, gps_to_utc, iso_z

MESSAGES = frozenset(EPHEMERIS_MESSAGES) | METADATA_MESSAGES
"""What an `EpochTable` must tell besides observations."""
MOST_CHANGES = 20
MOST_EPHEMERIDES = 20_000
"""Of one file; 150 satellites that change theirs every ten minutes send so many in a day."""
_BACK = "epochs of a file that was over when they came"
_OUTSIDE = "epochs outside of the period"
_SURPLUS = "ephemerides because there were too many"
_GLONASS = 1020


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for."""

    marker: str
    period_s: int
    """Length of a file: a day or a part of it."""
    interval_s: float | None = None
    """Only epochs at multiples of it are written; None: all."""
    begin_us: int | None = None
    """Epochs before and from `end_us` on are passed over, UTC; None: no limit."""
    end_us: int | None = None


@dataclass(frozen=True, slots=True)
class FilePlan:
    """An observation file before it is written."""

    begin_us: int
    """Nominal, UTC."""
    contents: Contents
    header: ObservationHeader


@dataclass(frozen=True, slots=True)
class Lines:
    """The next lines of an observation file."""

    plan: FilePlan
    text: bytes


@dataclass(frozen=True, slots=True)
class Navigation:
    """All ephemerides of a period."""

    begin_us: int
    ephemerides: tuple[Ephemeris, ...]


class FirstPass:
    """Takes a recording; then `plans` says which files it makes."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._periods = _Periods(wanted)
        self._surveys: dict[int, tuple[RinexSurvey, StationMetadata]] = {}
        self._metadata = StationMetadata()
        self._channels: dict[int, int] = {}
        self.changes: list[str] = []
        """What the station said of itself and then otherwise, in words; the first ones."""

    def take(self, assembled: Assembled, reference_us: int) -> None:
        """Look at the next piece.

        Parameters
        ----------
        assembled
            Of one station, with `MESSAGES`.
        reference_us
            UTC near its begin, for messages before the first epoch.
        """
        for period, epochs in self._periods.of(assembled.epochs):
            survey, _ = self._surveys.get(period.begin_us) or (self._survey(period), None)
            survey.add(epochs)
            self._surveys[period.begin_us] = survey, self._metadata
        for message, near_us, payload in _others(assembled, reference_us):
            if message in METADATA_MESSAGES:
                self._hear(update(self._metadata, payload), near_us)
            elif message == _GLONASS:
                ephemeris = decode_ephemeris(payload, near_us)
                if isinstance(ephemeris, GlonassEphemeris) and ephemeris.channel != UNKNOWN_CHANNEL:
                    self._channels[ephemeris.satellite] = ephemeris.channel
        if self._surveys:
            latest_us = max(self._surveys)
            self._surveys[latest_us] = self._surveys[latest_us][0], self._metadata

    def plans(self) -> list[FilePlan]:
        """Return the observation files, oldest first; a period whose epochs have no value has none."""
        made: list[FilePlan] = []
        later = StationMetadata()
        for begin_us, (survey, told) in sorted(self._surveys.items(), reverse=True):
            later = completed(told, later)
            try:
                contents = survey.contents(self._channels)
            except ValueError:
                continue
            made.append(FilePlan(begin_us, contents, header_of(later, self._wanted.marker)))
        return made[::-1]

    def _survey(self, period: _Period) -> RinexSurvey:
        return RinexSurvey(
            begin_us=period.first_us, end_us=period.behind_us, interval_s=self._wanted.interval_s
        )

    def _hear(self, metadata: StationMetadata, near_us: int) -> None:
        before, self._metadata = self._metadata, metadata
        if metadata is before or len(self.changes) >= MOST_CHANGES:
            return
        for name in (f.name for f in fields(StationMetadata)):
            old, new = getattr(before, name), getattr(metadata, name)
            if name == "position" and old is not None and new is not None:
                old, new = old.ecef_m, new.ecef_m
            if old is not None and new is not None and old != new:
                words = name.removesuffix("_m").replace("_", " ")
                self.changes.append(f"{iso_z(near_us)}: {words} changed from {old} to {new}")


class SecondPass:
    """Takes the same recording again and gives the files' text."""

    def __init__(self, wanted: Wanted, plans: list[FilePlan]) -> None:
        self._wanted = wanted
        self._plans = {plan.begin_us: plan for plan in plans}
        self._periods = _Periods(wanted)
        self._body: RinexBody | None = None
        self._body_begin_us = NO_TIME_US
        self._ephemerides: dict[Ephemeris, Ephemeris] = {}
        self._ephemerides_begin_us = NO_TIME_US
        self._left_out: Counter[str] = Counter()
        self.epochs: Counter[int] = Counter()
        """Epochs that were written, by the begin of the file."""
        self.other_weeks = 0
        """Messages of ephemerides that serve another week than that of the epochs: a wrong date, mostly."""

    def take(self, assembled: Assembled, reference_us: int) -> Iterator[Lines | Navigation]:
        """Yield what the next piece brings; arguments as for `FirstPass.take`."""
        for period, epochs in self._periods.of(assembled.epochs):
            plan = self._plans.get(period.begin_us)
            if plan is None:
                continue
            text = self._body_of(period, plan).add(epochs)
            if text:
                yield Lines(plan, text)
        for message, near_us, payload in _others(assembled, reference_us):
            if message in METADATA_MESSAGES or not self._periods.is_asked_for(near_us):
                continue
            begin_us = period_begin_us(near_us, self._wanted.period_s)
            if begin_us > self._ephemerides_begin_us:
                yield from self._navigation()
                self._ephemerides_begin_us = begin_us
            self._keep(payload, near_us)

    def finish(self) -> Iterator[Navigation]:
        """Yield the last navigation file."""
        self._close()
        yield from self._navigation()

    @property
    def left_out(self) -> dict[str, int]:
        """What could not be written, by reason."""
        return dict(self._left_out + self._periods.left_out)

    def _body_of(self, period: _Period, plan: FilePlan) -> RinexBody:
        if self._body is None or period.begin_us != self._body_begin_us:
            self._close()
            self._body_begin_us = period.begin_us
            self._body = RinexBody(
                plan.contents,
                begin_us=period.first_us,
                end_us=period.behind_us,
                interval_s=self._wanted.interval_s,
            )
        return self._body

    def _keep(self, payload: bytes, near_us: int) -> None:
        ephemeris = decode_ephemeris(payload, near_us)
        if ephemeris is None:
            self._left_out["ephemerides that cannot be read"] += 1
            return
        self.other_weeks += abs(int(gps_to_utc(ephemeris.toe_gps_us)) - near_us) > WEEK_US // 2
        if len(self._ephemerides) < MOST_EPHEMERIDES:
            self._ephemerides.setdefault(without_sending(ephemeris), ephemeris)
        elif without_sending(ephemeris) not in self._ephemerides:
            self._left_out[_SURPLUS] += 1

    def _navigation(self) -> Iterator[Navigation]:
        if self._ephemerides:
            yield Navigation(self._ephemerides_begin_us, tuple(self._ephemerides.values()))
            self._ephemerides = {}

    def _close(self) -> None:
        if self._body is not None:
            self.epochs[self._body_begin_us] += self._body.epochs
            self._left_out += Counter(
                {reason: n for reason, n in self._body.left_out.items() if reason != _OUTSIDE}
            )
            self._body = None


def interval_of(plans: Sequence[FilePlan]) -> float | None:
    """Return the most frequent step of the epochs of files, in seconds; None: there is none."""
    steps = [np.diff(plan.contents.gps_us) for plan in plans]
    steps_ms, counts = np.unique((np.concatenate([*steps, [0]]) + 500) // 1000, return_counts=True)
    usable = steps_ms > 0
    return float(steps_ms[usable][np.argmax(counts[usable])]) / 1000.0 if usable.any() else None


@dataclass(frozen=True, slots=True)
class _Period:
    """Of a file."""

    begin_us: int
    """Nominal, UTC."""
    first_us: int
    """From which on epochs are asked for, UTC."""
    behind_us: int


class _Periods:
    """Cuts epochs where files end; what goes back to a file that is over is left out and counted."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._latest_us = NO_TIME_US
        self.left_out: Counter[str] = Counter()

    def is_asked_for(self, time_us: int) -> bool:
        begin_us, end_us = self._wanted.begin_us, self._wanted.end_us
        return (begin_us is None or time_us >= begin_us) and (end_us is None or time_us < end_us)

    def of(self, epochs: EpochColumns) -> Iterator[tuple[_Period, EpochColumns]]:
        """Yield periods with their epochs, and others that are not asked for."""
        period_us = self._wanted.period_s * SECOND_US
        at = 0
        while at < len(epochs):
            time_us = int(epochs.time_us[at])
            begin_us = period_begin_us(time_us, self._wanted.period_s)
            # the next one begins at its own full hour: a leap second may lie between
            end_us = period_begin_us(begin_us + period_us + 2 * SECOND_US, self._wanted.period_s)
            inside = (epochs.time_us[at:] >= begin_us) & (epochs.time_us[at:] < end_us)
            behind = len(epochs) if inside.all() else at + int(np.argmin(inside))
            if begin_us < self._latest_us:
                self.left_out[_BACK] += behind - at
            else:
                self._latest_us = begin_us
                first_us = begin_us if self._wanted.begin_us is None else max(begin_us, self._wanted.begin_us)
                behind_us = end_us if self._wanted.end_us is None else min(end_us, self._wanted.end_us)
                if first_us < behind_us:
                    yield _Period(begin_us, first_us, behind_us), _rows(epochs, slice(at, behind))
            at = behind


def _rows(epochs: EpochColumns, rows: slice) -> EpochColumns:
    """Return some of the epochs, with the observations of all."""
    columns = {f.name: getattr(epochs, f.name) for f in fields(EpochColumns)}
    chosen = {name: column[rows] for name, column in columns.items() if name != "observations"}
    return EpochColumns(observations=epochs.observations, **chosen)


def _others(assembled: Assembled, reference_us: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield number, time (UTC) and payload of messages."""
    others = assembled.others
    columns = zip(others.message.tolist(), others.epoch_us.tolist(), others.payload, strict=True)
    for message, epoch_us, payload in columns:
        yield message, reference_us if epoch_us == NO_TIME_US else epoch_us, payload
