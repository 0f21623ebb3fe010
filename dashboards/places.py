"""Where the subjects of alerts are, as the store knows it."""

from __future__ import annotations

from collections.abc import Callable

from dashboards.sensitivity import coarse_station
from storage.store import Store
from streams.cap.areas import Place

FRESH_US = 60_000_000
"""A place is looked up again after so long; until then, and while the store is away, it is believed."""
MOST_PLACES = 10_000


class Places:
    """Looks places up. Several threads may ask.

    Parameters
    ----------
    store
        Asked in the thread of who asks.
    station_decimals
        Of degrees, of stations; None: as exact as known.
    """

    def __init__(
        self, store: Store, clock_us: Callable[[], int], station_decimals: int | None = None
    ) -> None:
        self._store, self._clock_us, self._decimals = store, clock_us, station_decimals
        self._known: dict[str, tuple[int, Place]] = {}
        self._domains: dict[str, str] = {}

    def remembered(self, subject_id: str) -> Place:
        """Return what was known last, without asking."""
        _, place = self._known.get(subject_id, (0, Place()))
        return place

    def find(self, subject_id: str) -> Place:
        """Return where a datastream, a thing or a station is; an empty place when nobody knows.

        It raises what the store raises.
        """
        now_us = self._clock_us()
        asked_us, place = self._known.get(subject_id, (None, Place()))
        if asked_us is not None and now_us - asked_us < FRESH_US:
            return place
        place = self._look_up(subject_id)
        while len(self._known) >= MOST_PLACES:
            self._known.pop(next(iter(self._known), ""), None)
        self._known[subject_id] = (now_us, place)
        return place

    def _look_up(self, subject_id: str) -> Place:
        datastream = self._store.datastream(subject_id)
        thing = self._store.thing(subject_id if datastream is None else datastream.thing_id)
        if thing is not None:
            domain = "" if datastream is None else self._domain(datastream.property_id)
            return Place(thing.name or thing.id, thing.longitude, thing.latitude, domain)
        station = self._store.station(subject_id)
        if station is None:
            return Place()
        if self._decimals is not None:
            station = coarse_station(station, self._decimals)
        return Place(station.name or station.id, station.longitude, station.latitude)

    def _domain(self, property_id: str) -> str:
        if property_id not in self._domains:
            self._domains = {one.id: one.domain for one in self._store.observed_properties()}
        return self._domains.get(property_id, "")
