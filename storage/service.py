"""What a report of the service asks of a store: sums over a month, made by the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import msgspec

from storage.rows import DeliveryStateName
from streams.call_records import Purpose, ReceiptState
from streams.records import AlertChange, AlertStateName, LevelName

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Summed(Generic[T]):
    """Rows of what is summed up by now."""

    rows: list[T]
    left_us: int
    """Of the range: it is not summed up yet, and not in the rows."""


@dataclass(frozen=True, slots=True)
class StationSums:
    """What the reports of a station come to."""

    station_id: str
    reports: int
    epochs: int
    epochs_expected: int
    good_s: int
    degraded_s: int
    bad_s: int
    unknown_s: int
    """Seconds with a report of this state."""
    latency_n: int
    latency_sum_s: float
    frames: int
    bad_frames: int


@dataclass(frozen=True, slots=True)
class NetworkSums:
    """What the reports of all stations come to over a day of UTC, or the part of it that was asked for."""

    day_us: int
    """Begin of the day."""
    stations: int
    epochs: int
    epochs_expected: int


@dataclass(frozen=True, slots=True)
class SeriesSums:
    """What the samples of a registered datastream come to."""

    datastream_id: str
    property_id: str
    period_s: float
    """That it promises; 0: it does not."""
    samples: int
    good: int
    """With flag 1 and a value."""
    suspect: int
    failed: int
    missing: int


@dataclass(frozen=True, slots=True)
class SessionSums:
    """What sessions of an account at a mountpoint of a caster come to, as far as they lie in a range."""

    caster: str
    account: str
    mountpoint: str
    is_station: bool
    """The mountpoint is a station, and not one that leads from base to base."""
    sessions: int
    begun: int
    """Those that began in the range."""
    seconds: float
    n_bytes: float
    """Of a session that lies in the range with a part of its time: that part of its bytes."""
    sentences: int
    """Positions of these sessions, also outside the range."""
    fixed: int


@dataclass(frozen=True, slots=True)
class DeliverySums:
    """What became of alert steps that a webhook was to be told in the range."""

    webhook_id: str
    state: DeliveryStateName
    steps: int
    attempts: int
    """That failed."""
    delay_mean_s: float | None
    """From when it happened to when it was delivered; None: none was."""
    delay_max_s: float | None


class AlertStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step of an alert, without its evidence (`streams.records.AlertTransition`)."""

    alert_id: str
    number: int
    state: AlertStateName
    level: LevelName
    rule: str
    subject_id: str
    title: str
    opened_at_us: int
    at_us: int
    change: AlertChange
    ended_at_us: int | None = None
    historic: bool = False
    silenced: str = ""


class CallHead(msgspec.Struct, frozen=True, kw_only=True):
    """What counts of an order (`streams.call_records.CallOrder`): not whom it calls."""

    channel: str
    purpose: Purpose
    level: LevelName


@dataclass(frozen=True, slots=True)
class CallSaid:
    """An attempt to reach somebody, and which receipts came of it."""

    head: CallHead
    is_withdrawn: bool
    said: frozenset[ReceiptState]


class ServiceQuestions(Protocol):
    """The part of a store that reports of the service ask."""

    def station_sums(self, start_us: int, end_us: int) -> Summed[StationSums]:
        """Return the sums of each station that has any, by id."""
        ...

    def network_sums(self, start_us: int, end_us: int) -> Summed[NetworkSums]:
        """Return the sums of all stations together by days of UTC, oldest first."""
        ...

    def series_sums(self, start_us: int, end_us: int) -> Summed[SeriesSums]:
        """Return the sums of each registered datastream, by id, those without samples too."""
        ...

    def session_sums(self, start_us: int, end_us: int, *, limit: int) -> list[SessionSums]:
        """Return the sums of kept sessions by caster, account and mountpoint, those with most time first."""
        ...

    def alert_steps(
        self, start_us: int, end_us: int, *, after: tuple[int, str] | None = None, limit: int = 50
    ) -> list[list[AlertStep]]:
        """Return the steps of alerts that were opened in a time, oldest first, alert by alert.

        Parameters
        ----------
        after
            Opening and id of the last alert of the call before.
        limit
            Alerts that are returned at most.
        """
        ...

    def calls_said(self, start_us: int, end_us: int, *, limit: int) -> list[CallSaid]:
        """Return the attempts of a time, the oldest first."""
        ...

    def delivery_sums(self, start_us: int, end_us: int) -> list[DeliverySums]:
        """Return what became of steps that happened in a time, by webhook and state."""
        ...
