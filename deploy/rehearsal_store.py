"""What a rehearsal asks of a store: nothing of it changes anything."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import msgspec

from deploy.data_folder import database, refusing_damage
from deploy.refusal import Refusal
from deploy.settings import Settings
from storage.by_receipt import SampleStore
from storage.pages import every
from storage.paging import encode_cursor
from storage.postgres import PostgresStore
from storage.rows import AlertHistory, CallRow, CommandRow, Page
from storage.sqlite import SqliteReader
from storage.store import StorageError
from streams.call_records import CallReceipts
from streams.records import AlertTransition, Change, Changes, Commands, ObjectKind, Record
from streams.regions import region_of

MOST_COMMANDS = 100_000
_ABOUT_ALERTS = ("acknowledge_alert", "comment_alert", "lower_alert", "decide_alert")
_PAGE = 1000

Steps = Sequence[AlertTransition]
"""Of one alert, the oldest first."""
Act = tuple[int, int, Record]
"""When somebody did something, its place among what was done then, and what."""


class RehearsalStore(SampleStore, Protocol):
    """What is asked of a store (`storage.store.Store`); nothing of it changes anything."""

    def alerts(self, *, after: str | None = None, limit: int = 100) -> Page[AlertTransition]:
        """Return alerts as they are now, the newest opening first."""
        ...

    def alert(self, alert_id: str) -> AlertHistory | None:
        """Return one alert with its transitions."""
        ...

    def alert_calls(self, alert_id: str) -> list[CallRow]:
        """Return all calls about an alert with what was said of each."""
        ...

    def commands_between(self, start_us: int, end_us: int, limit: int = 10_000) -> list[CommandRow]:
        """Return the commands of a time, the oldest first."""
        ...

    def changes(
        self, *, kind: ObjectKind | None = None, after: str | None = None, limit: int = 100
    ) -> Page[Change]:
        """Return what commands changed, the newest first."""
        ...


@contextlib.contextmanager
def reading(settings: Settings, data: Path | None) -> Iterator[RehearsalStore]:
    """Open what an installation has stored, to read.

    Raises
    ------
    Refusal
        There is nothing, or it cannot be read.
    """
    if settings.database.url and data is None:
        try:
            opened: Any = PostgresStore(settings.database.url)
        except StorageError as error:
            raise Refusal(str(error)) from error
        with contextlib.closing(opened) as store:
            try:
                yield store
            except StorageError as error:
                raise Refusal(str(error)) from error
        return
    folder = data or Path(settings.server.data)
    if not database(folder).exists():
        raise Refusal(f"nothing is kept in {folder} yet; name the folder of a run with --data DIR")
    with refusing_damage(folder), contextlib.closing(SqliteReader(database(folder))) as store:
        yield store


def stored_alerts(store: RehearsalStore, end_us: int, since_us: int) -> Iterator[Steps]:
    """Yield this installation's own alerts that were opened before a time and not closed before another."""
    before_end = encode_cursor("alerts", (end_us, ""))
    for alert in every(lambda after: store.alerts(after=after, limit=_PAGE), before_end):
        if region_of(alert.alert_id) or (alert.state == "closed" and alert.at_us < since_us):
            continue
        if (history := store.alert(alert.alert_id)) is not None:
            yield [msgspec.structs.replace(step, evidence={}) for step in history.transitions]


def every_change(store: RehearsalStore) -> Iterator[Change]:
    """Yield what commands changed, the newest first."""
    return every(lambda after: store.changes(after=after, limit=_PAGE))


def newest(changes: Iterable[Change]) -> list[Change]:
    """Return the newest change of each object, of those that are given the newest first."""
    found: dict[tuple[ObjectKind, str], Change] = {}
    for one in changes:
        found.setdefault(one.key, one)
    return list(reversed(found.values()))


def acts(
    store: RehearsalStore, changes: Sequence[Change], came: Iterable[Steps], begin_us: int, end_us: int
) -> list[Record]:
    """Return what people answered, silenced and saw in a time, the oldest first.

    Parameters
    ----------
    changes
        All of them, the newest first: what was silenced or seen before is so at the begin.
    came
        The alerts about which somebody may have been called.
    """
    done = chain(
        _said(changes, begin_us, end_us),
        _commands(store, begin_us, end_us),
        _receipts(store, came, begin_us, end_us),
    )
    return [record for _, _, record in sorted(done, key=lambda act: act[:2])]


def _said(changes: Sequence[Change], begin_us: int, end_us: int) -> Iterator[Act]:
    for one in reversed(changes):
        if one.kind in {"silence", "sighting"} and one.at_us < end_us:
            at_us = max(one.at_us, begin_us)
            yield at_us, one.version, Changes(changes=[msgspec.structs.replace(one, at_us=at_us)])


def _commands(store: RehearsalStore, begin_us: int, end_us: int) -> Iterator[Act]:
    for row in store.commands_between(begin_us, end_us, MOST_COMMANDS):
        if row.command.kind in _ABOUT_ALERTS:
            yield row.command.at_us, 0, Commands(commands=[row.command])


def _receipts(store: RehearsalStore, came: Iterable[Steps], begin_us: int, end_us: int) -> Iterator[Act]:
    known: set[tuple[str, str]] = set()
    for steps in came:
        for call in store.alert_calls(steps[0].alert_id):
            for one in call.receipts:
                key = (one.call_id, one.state)
                if begin_us <= one.at_us < end_us and key not in known:
                    known.add(key)
                    yield one.at_us, 0, CallReceipts(receipts=[one])
