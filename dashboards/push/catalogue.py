"""Which site and property a datastream belongs to, as the store knows it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

import structlog

from dashboards.fallback import AwayError, Fallback, from_store
from sensors.model import Datastream
from storage.columns import SeriesRow
from storage.store import StorageError, Store

log = structlog.get_logger()

MOST_SERIES = 200_000
EVERY_S = 60.0
"""A datastream may be put under another property."""
SOON_S = 10.0
"""After a sample of a datastream that is not known."""


class Belongs(NamedTuple):
    """Where a datastream belongs."""

    thing_id: str
    property_id: str


class Catalogue:
    """Remembers it. `known` stands until the store was asked."""

    def __init__(self, known: Iterable[Datastream] = ()) -> None:
        self._known = {one.id: Belongs(one.thing_id, one.property_id) for one in known}
        self._is_short = False

    def find(self, datastream_id: str) -> Belongs:
        """Return where a datastream belongs; of one nobody knows, what its id says (`site.property`)."""
        found = self._known.get(datastream_id)
        if found is None:
            self._is_short = True
            thing, _, name = datastream_id.rpartition(".")
            found = Belongs(thing, name)
        return found

    def is_datastream(self, identity: str) -> bool:
        """Return whether an id is that of a datastream that is known."""
        return identity in self._known

    def take(self, rows: Iterable[SeriesRow]) -> None:
        """Know these and no others."""
        self._known = {row.id: Belongs(row.thing_id, row.property_id) for row in rows}

    async def follow(self, store: Store, fallback: Fallback | None = None) -> None:
        """Ask the store again and again, in a thread; while it is away what was known stands."""
        while True:
            self._is_short = False
            try:
                self.take(await from_store(fallback, lambda: store.series(limit=MOST_SERIES)))
            except (AwayError, StorageError) as error:
                log.debug("the store does not say which datastreams there are", error=str(error))
            for _ in range(round(EVERY_S / SOON_S)):
                await asyncio.sleep(SOON_S)
                if self._is_short:
                    break
