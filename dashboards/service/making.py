"""Makes the report of a month from a store, question after question."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from dashboards.service import availability, call_rows, sensor_rows, usage
from dashboards.service.alert_counts import AlertCounter
from dashboards.service.figures import (
    SCHEMA,
    Alerts,
    Availability,
    DayShare,
    MonthShare,
    Note,
    NoteCode,
    ServiceReport,
    Sessions,
    StationRow,
    Users,
)
from dashboards.service.later import made_since
from dashboards.service.months import Month, months_before
from storage.rows import CommandRow, Page
from storage.service import AlertStep, NetworkSums, SeriesSums, StationSums
from storage.store import Store
from streams.records import Change, ObjectKind

F = TypeVar("F", bound=Callable[..., Any])

MONTHS = 12
"""Of the network's course, this one included."""
MOST_SESSION_ROWS, MOST_ALERTS, MOST_ANSWERS, MOST_CALLS, MOST_COMMANDS_A_DAY = (
    200_000, 50_000, 100_000, 100_000, 10_000,
)  # fmt: skip
ALERTS_AT_ONCE, CHANGES_AT_ONCE = 50, 1_000
SETTLED_US = 120_000_000
"""So long after a second its reports are stored."""
_DAY_US = 86_400_000_000
_MINUTE_US, _SECOND_US = 60_000_000, 1_000_000


@dataclass(frozen=True, slots=True)
class Asked:
    """What the report is about, and what is known beside the store."""

    month: Month
    now_us: int
    program: str
    kept_days: int
    """That sessions are kept; 0: they are not."""
    region_of: Callable[[str], str]
    """Of things, datastreams and casters."""
    is_stopping: Callable[[], bool] = lambda: False

    @property
    def until_us(self) -> int:
        """The month's end, or the last minute of which reports are stored by now."""
        return min(self.month.end_us, (self.now_us - SETTLED_US) // _MINUTE_US * _MINUTE_US)


class StoppedError(Exception):
    """The program ends before the report is made."""


def service_report(store: Store, asked: Asked) -> ServiceReport:
    """Return the report.

    Raises
    ------
    StoppedError
        The program stops.
    ValueError
        The month has not begun, or only just.
    """
    if asked.until_us <= asked.month.begin_us:
        raise ValueError(f"The month {asked.month.name} has not begun: ask for one that has")
    return _Making(store, asked).report()


class _Making:
    def __init__(self, store: Store, asked: Asked) -> None:
        self._store, self._asked = store, asked
        self._notes: list[Note] = []
        self._begin_us, self._until_us = asked.month.begin_us, asked.until_us
        self._length_s = (self._until_us - self._begin_us) / _SECOND_US

    def report(self) -> ServiceReport:
        month, store, asked = self._asked.month, self._store, self._asked
        if self._until_us < month.end_us:
            self._note("not_over")
        availability_figures, stations = self._availability()
        sessions = self._sessions()
        properties = {one.id: one for one in store.observed_properties()}
        sums = self._checked(store.series_sums)(self._begin_us, self._until_us)
        self._left(sums.left_us)
        rows = self._series(sums.rows)
        sensors, series = sensor_rows.sensors(rows, properties, self._length_s, asked.region_of)
        if rows:
            self._note("series_expected")
        alerts = self._alerts()
        attempts = self._checked(store.calls_said)(self._begin_us, self._until_us, limit=MOST_CALLS)
        self._note_if_cut("calls_cut", len(attempts), MOST_CALLS)
        answers = self._checked(store.answers)(self._begin_us, self._until_us, MOST_ANSWERS)
        self._note_if_cut("answers_cut", len(answers), MOST_ANSWERS)
        users = self._users(sessions)
        webhooks = call_rows.webhooks(store.delivery_sums(self._begin_us, self._until_us))
        return ServiceReport(
            schema=SCHEMA,
            month=month.name,
            zone=month.zone,
            begin=month.local(month.begin_us),
            end=month.local(month.end_us),
            until=month.local(self._until_us),
            made=month.local(asked.now_us),
            program=asked.program,
            notes=self._notes,
            users=users,
            sessions=sessions,
            availability=availability_figures,
            sensors=sensors,
            alerts=alerts,
            calls=call_rows.calls(attempts, answers),
            webhooks=webhooks,
            stations=stations,
            series=series,
        )

    def _series(self, sums: list[SeriesSums]) -> list[SeriesSums]:
        """Leave out series that were made known after the month."""
        later = self._made_later("datastream", {row.datastream_id for row in sums if not row.samples})
        return [row for row in sums if row.datastream_id not in later]

    def _made_later(self, kind: ObjectKind, unheard: Set[str]) -> Set[str]:
        """Return those of which nothing came in the month and which did not exist before its end."""
        if not unheard:
            return unheard

        def changes(after: str | None) -> Page[Change]:
            return self._checked(self._store.changes)(kind=kind, after=after, limit=CHANGES_AT_ONCE)

        return unheard & made_since(changes, self._until_us)

    def _availability(self) -> tuple[Availability, list[StationRow]]:
        store = self._store
        known = {row.id: row for row in store.station_places()}
        interval_s = {name: row.interval_s for name, row in known.items()}
        sums = self._checked(store.station_sums)(self._begin_us, self._until_us)
        self._left(sums.left_us)
        service_share, outages = self._service(sums.rows, interval_s)
        days = self._checked(store.network_sums)(self._begin_us, self._until_us).rows
        for name in self._made_later("station", known.keys() - {row.station_id for row in sums.rows}):
            del known[name]
        rows = availability.station_rows(sums.rows, known, self._length_s)
        epochs, expected = sum(row.epochs for row in rows), sum(row.epochs_expected for row in rows)
        made = Availability(
            service_share=service_share,
            outages=availability.outage_rows(outages, self._asked.month),
            stations=len(rows),
            unheard=sum(row.judged_share == 0 for row in rows),
            epochs=epochs,
            epochs_expected=expected,
            epochs_share=epochs / expected if expected else None,
            months=self._months(days),
            days=self._days(days),
        )
        return made, rows

    def _service(
        self, sums: list[StationSums], interval_s: dict[str, float]
    ) -> tuple[float | None, list[tuple[int, int]]]:
        if not sums:
            return None, []
        judged_s, spans, is_coarse = availability.outages(
            self._checked(self._store.quality_windows),
            availability.witnesses(sums, interval_s),
            interval_s,
            self._begin_us,
            self._until_us,
        )
        if is_coarse:
            self._note("outages_by_hour")
        return min(1.0, judged_s / self._length_s), spans

    def _months(self, days: list[NetworkSums]) -> list[MonthShare]:
        """Return the network's course over a year; months before the first with anything are left out."""
        *before, this = months_before(self._asked.month, MONTHS)
        rows = [
            availability.month_row(
                month, self._checked(self._store.network_sums)(month.begin_us, month.end_us).rows
            )
            for month in before
        ]
        while rows and not rows[0].stations:
            rows.pop(0)
        return [*rows, availability.month_row(this, days)]

    def _days(self, days: list[NetworkSums]) -> list[DayShare]:
        return availability.day_rows(
            days, lambda at_us: f"{datetime.fromtimestamp(at_us // _SECOND_US, UTC):%Y-%m-%d}"
        )

    def _sessions(self) -> Sessions | None:
        asked = self._asked
        if not asked.kept_days:
            self._note("sessions_not_kept")
            return None
        if self._begin_us < asked.now_us - asked.kept_days * _DAY_US:
            self._note("sessions_forgotten", asked.kept_days)
        rows = self._checked(self._store.session_sums)(
            self._begin_us, self._until_us, limit=MOST_SESSION_ROWS
        )
        self._note_if_cut("sessions_cut", len(rows), MOST_SESSION_ROWS)
        return usage.sessions(rows, asked.kept_days, asked.region_of)

    def _alerts(self) -> Alerts:
        counter = AlertCounter(self._asked.region_of)
        for taken, steps in enumerate(self._alert_steps(), 1):
            counter.take(steps)
            if taken == MOST_ALERTS:
                self._note("alerts_cut", taken)
                break
        return counter.figures()

    def _alert_steps(self) -> Iterator[list[AlertStep]]:
        after: tuple[int, str] | None = None
        while True:
            found = self._checked(self._store.alert_steps)(
                self._begin_us, self._until_us, after=after, limit=ALERTS_AT_ONCE
            )
            yield from found
            if len(found) < ALERTS_AT_ONCE:
                return
            after = found[-1][0].opened_at_us, found[-1][0].alert_id

    def _users(self, sessions: Sessions | None) -> Users:
        people, changes, refused = set[str](), 0, 0
        for row in self._commands():
            people.add(row.command.by)
            changes += 1
            refused += row.ok is False
        return Users(
            accounts_with_sessions=None if sessions is None else sessions.total.accounts,
            people_with_changes=len(people),
            changes=changes,
            refused=refused,
        )

    def _commands(self) -> Iterator[CommandRow]:
        """Yield what was asked for, day by day, so that a day at most is in memory."""
        is_cut = False
        for begin_us in range(self._begin_us, self._until_us, _DAY_US):
            end_us = min(begin_us + _DAY_US, self._until_us)
            rows = self._checked(self._store.commands_between)(begin_us, end_us, MOST_COMMANDS_A_DAY)
            yield from rows
            is_cut = is_cut or len(rows) == MOST_COMMANDS_A_DAY
        if is_cut:
            self._note("commands_cut", MOST_COMMANDS_A_DAY)

    def _checked(self, question: F) -> F:
        """Return a question to the store, unless the program stops."""
        if self._asked.is_stopping():
            raise StoppedError
        return question

    def _left(self, left_us: int) -> None:
        if left_us and not any(note.code == "not_summed_up" for note in self._notes):
            self._note("not_summed_up", left_us / _SECOND_US)

    def _note(self, code: NoteCode, value: float | None = None) -> None:
        self._notes.append(Note(code=code, value=value))

    def _note_if_cut(self, code: NoteCode, count: int, most: int) -> None:
        if count == most:
            self._note(code, most)
