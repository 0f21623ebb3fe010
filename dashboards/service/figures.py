"""What all forms of the monthly report say.

JSON, CSV and the page are made from the same `ServiceReport`, so that their numbers are the same. Shares are
0 to 1; None is "not known" and becomes null in JSON.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from streams.answer_statistics import AnswerFigures

SCHEMA = "groundswell/service-report/1"
NoteCode = Literal[
    "not_over", "not_summed_up", "sessions_not_kept", "sessions_forgotten", "sessions_cut", "alerts_cut",
    "answers_cut", "calls_cut", "commands_cut", "series_expected", "outages_by_hour",
]  # fmt: skip


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be known of the figures."""

    code: NoteCode
    value: float | None = None
    """Seconds that are not summed up, days that sessions are kept, or how many were counted."""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Sessions of rovers, as far as they lie in the month."""

    sessions: int
    begun: int
    hours: float
    n_bytes: int = msgspec.field(name="bytes")
    accounts: int
    positions: int
    """GGA sentences with a position, of the whole sessions."""
    fixed_share: float | None
    """Of these."""


class NamedUsage(msgspec.Struct, frozen=True, kw_only=True):
    """Sessions of one account, mountpoint, caster or kind."""

    name: str
    usage: Usage


class Sessions(msgspec.Struct, frozen=True, kw_only=True):
    """Who got corrections."""

    kept_days: int
    """That sessions are kept after their end."""
    total: Usage
    by_kind: list[NamedUsage]
    """station: mountpoints of one station; roaming: those that lead from base to base."""
    by_mountpoint: list[NamedUsage]
    by_region: list[NamedUsage]
    """Of the casters."""
    by_account: list[NamedUsage]


class Users(msgspec.Struct, frozen=True, kw_only=True):
    """Who used the installation."""

    accounts_with_sessions: int | None
    """None: nothing is kept of sessions."""
    people_with_changes: int
    """Names under which something was changed or answered: people and programs."""
    changes: int
    """What was asked for, by anybody."""
    refused: int
    accounts_by_role: dict[str, int] | None = None
    """As of now, with those for rovers alone; told to who manages them."""


class MonthShare(msgspec.Struct, frozen=True, kw_only=True):
    """The network over a month."""

    month: str
    stations: int
    epochs: int
    epochs_expected: int
    epochs_share: float | None


class DayShare(msgspec.Struct, frozen=True, kw_only=True):
    """The network over a day of UTC, or its part in the month."""

    day: str
    stations: int
    epochs: int
    epochs_expected: int
    epochs_share: float | None


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """A time in which nothing was judged."""

    begin: datetime
    end: datetime
    seconds: float


class StationRow(msgspec.Struct, frozen=True, kw_only=True):
    """A station over the month."""

    station_id: str
    name: str
    region: str
    epochs: int
    epochs_expected: int
    epochs_share: float | None
    judged_share: float
    """Of the month's time, in which epochs were expected of it: paused, new and lost stations have less."""
    good_share: float | None
    degraded_share: float | None
    bad_share: float | None
    unknown_share: float | None
    """Of the seconds with a report."""
    latency_mean_s: float | None
    bad_frames_share: float | None


class Availability(msgspec.Struct, frozen=True, kw_only=True):
    """Of the service and of the stations."""

    service_share: float | None
    """Of the month's time, in which stations were judged; None: there are none."""
    outages: list[Outage]
    stations: int
    """Known before the month's end, or with reports in it."""
    unheard: int
    """Of these, of which nothing was heard."""
    epochs: int
    epochs_expected: int
    epochs_share: float | None
    months: list[MonthShare]
    days: list[DayShare]


class PropertyRow(msgspec.Struct, frozen=True, kw_only=True):
    """The series of an observed property."""

    property_id: str
    name: str
    name_zh: str
    series: int
    silent: int
    """Of which nothing came."""
    samples: int
    expected: int
    completeness: float | None
    """Of those expected by period; of a series at most all."""
    good_share: float | None
    suspect_share: float | None
    failed_share: float | None
    missing_share: float | None


class SeriesRow(msgspec.Struct, frozen=True, kw_only=True):
    """A datastream."""

    datastream_id: str
    property_id: str
    region: str
    samples: int
    expected: int | None
    completeness: float | None
    good_share: float | None


class Sensors(msgspec.Struct, frozen=True, kw_only=True):
    """Of all datastreams."""

    series: int
    silent: int
    samples: int
    completeness: float | None
    properties: list[PropertyRow]


class AlertCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts that were opened in the month."""

    name: str
    """A level (the highest that it had), a rule, or a region; empty: this one."""
    alerts: int
    acknowledged: int
    ended: int
    """Of which the hazard was found to be over."""
    declined: int
    """Of which a higher level was proposed, and people declined it."""
    silenced: int
    """That called nobody since a silence covered them."""
    open: int
    """As of now."""
    median_acknowledge_s: float | None
    """From the opening to the first acknowledgement."""


class Alerts(msgspec.Struct, frozen=True, kw_only=True):
    """What was alerted."""

    total: AlertCounts
    historic: int
    """Found in late data: they call nobody and are not counted above."""
    by_level: list[AlertCounts]
    by_rule: list[AlertCounts]
    by_region: list[AlertCounts]


class ChannelRow(msgspec.Struct, frozen=True, kw_only=True):
    """Attempts to reach people on one channel."""

    channel: str
    attempts: int
    delivered: int
    answered: int
    failed: int
    withdrawn: int
    """Not needed any more."""


class Calls(msgspec.Struct, frozen=True, kw_only=True):
    """Who was called, and how quickly people answered."""

    attempts: int
    channels: list[ChannelRow]
    answers: list[AnswerFigures]
    """Of all, with an empty name, and by level."""


class WebhookRow(msgspec.Struct, frozen=True, kw_only=True):
    """Steps of alerts that a subscriber was to be told."""

    webhook_id: str
    steps: int
    delivered: int
    given_up: int
    pending: int
    failed_attempts: int
    delay_mean_s: float | None
    delay_max_s: float | None


class ServiceReport(msgspec.Struct, frozen=True, kw_only=True):
    """All figures of a month."""

    schema: str
    month: str
    zone: str
    """utc or beijing."""
    begin: datetime
    end: datetime
    until: datetime
    """The end, or when this was made."""
    made: datetime
    program: str
    """Its version."""
    notes: list[Note]
    users: Users
    sessions: Sessions | None
    """None: nothing is kept of them."""
    availability: Availability
    sensors: Sensors
    alerts: Alerts
    calls: Calls
    webhooks: list[WebhookRow]
    stations: list[StationRow]
    """The worst first."""
    series: list[SeriesRow]
    """The worst first, at most a thousand."""


def share(some: float, of: float) -> float | None:
    """Return a share; None of nothing."""
    return some / of if of > 0 else None
