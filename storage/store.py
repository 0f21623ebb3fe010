"""The Store protocol: what is kept, and what can be asked. Times are microseconds of UTC since 1970."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from sensors.model import Datastream, ObservedProperty, Station, Thing
from streams.records import AlertStateName, AlertTransition, Command, Record, StationReport

T = TypeVar("T")
Aggregate = Literal["mean", "min", "max", "sum", "count", "last"]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list; `next` continues it when given back as `after`, None at the end."""

    items: list[T]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """An alert transition on its way to one webhook. It stays in the store until it is settled."""

    webhook_id: str
    message_id: str
    """`alert_id.number`: a repeated delivery shares it."""
    transition: AlertTransition
    attempts: int
    next_attempt_us: int


class Store(Protocol):
    """One writer (the pipeline), many readers."""

    def commit(
        self,
        batches: Sequence[Record],
        snapshots: Mapping[str, Sequence[bytes]],
        *,
        now_us: int,
        webhook_ids: Sequence[str] = (),
    ) -> None:
        """Keep batches and processor snapshots in one transaction; idempotent.

        A row that exists with the same key is replaced (samples: only by a revision at least as high).
        Each new alert transition that is not historic becomes a pending `Delivery` for each webhook; one
        that was stored before does not become a second delivery.
        """
        ...

    def load_snapshots(self) -> dict[str, list[bytes]]:
        """Return the chunks of the last committed snapshot by processor name."""
        ...

    def put_registry(
        self,
        *,
        stations: Sequence[Station] = (),
        things: Sequence[Thing] = (),
        properties: Sequence[ObservedProperty] = (),
        datastreams: Sequence[Datastream] = (),
    ) -> None:
        """Insert or replace what is defined; what a stream taught (a position) is not lost by it."""
        ...

    def record_command(self, command: Command, ok: bool, message: str) -> None:
        """Audit a command and its answer."""
        ...

    def due_deliveries(self, now_us: int, limit: int = 100) -> list[Delivery]:
        """Return deliveries whose time has come: for each alert and webhook only the oldest open one."""
        ...

    def settle_delivery(
        self, webhook_id: str, message_id: str, *, delivered_at_us: int | None, error: str = ""
    ) -> None:
        """Mark a delivery as done (`delivered_at_us`) or given up (None, with the error)."""
        ...

    def postpone_delivery(
        self, webhook_id: str, message_id: str, *, next_attempt_us: int, error: str
    ) -> None:
        """Count a failed attempt and set the time of the next."""
        ...


class StationRow(Station, frozen=True, kw_only=True):
    """A station with its latest verdict."""

    report: StationReport | None = None


__all__ = [
    "Aggregate",
    "AlertStateName",
    "Datastream",
    "Delivery",
    "Page",
    "StationRow",
    "Store",
    "Thing",
]
