"""What satellites a station sees now, for those stations that somebody looks at. Nothing for the others.

Bytes of stations go in, where satellites are and how strong each signal is comes out. Directions follow from
broadcast ephemerides; they are seen from the place that is given, so they tell no more of it. May be asked
and fed from any thread; decoding is done by who feeds (`hear`) or asks (`sky`).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from gnss.assembly.table import Assembled, EpochTable
from gnss.ephemeris import SATELLITES
from gnss.ephemeris_book import SLOT_US, EphemerisBook
from gnss.epoch_columns import NO_TIME_US
from gnss.geodesy import geodetic_to_ecef
from gnss.orbits import azimuth_elevation
from gnss.rtcm.ephemeris import EPHEMERIS_MESSAGES
from gnss.rtcm.signals import rinex_code
from gnss.sky import sky_at
from gnss.systems import System
from streams.records import EphemerisMessages, RawChunk, Record

MOST_STATIONS = 64
"""That are looked at in one process at a time."""
LOOK_US = 15_000_000
"""A station is looked at for so long after somebody asked last."""
MOST_WAITING = 16
"""Chunks of a station that wait until somebody asks; older ones are left out."""
LARGEST_BYTES = 65_536
"""A chunk with more is no epoch."""
MOST_NUMBERS = 20_000
"""Stations of whose bytes ephemerides are taken, before all of them begin anew."""

Place = tuple[float, float]
"""Longitude and latitude, degrees."""


@dataclass(frozen=True, slots=True)
class SeenSatellite:
    """A satellite that a station sees, or should see."""

    system: System
    satellite: int
    azimuth_deg: float | None
    """None: there is no ephemeris yet, or no place of the station."""
    elevation_deg: float | None
    cn0_dbhz: dict[str, float]
    """By the signal's RINEX code; empty: it is above the horizon and does not come."""


@dataclass(frozen=True, slots=True)
class StationSky:
    """What a station sees at an epoch."""

    time_us: int
    satellites: list[SeenSatellite]
    """By system and number."""


@dataclass(slots=True)
class _Looked:
    place: Place | None
    until_us: int
    epoch_us: int = 0
    strengths: dict[tuple[int, int], dict[str, float]] = field(default_factory=dict)
    """C/N0 of the newest epoch by system and satellite, and by signal."""
    waiting: deque[RawChunk] = field(default_factory=lambda: deque(maxlen=MOST_WAITING))
    made: StationSky | None = None
    made_of: tuple[int, int] = (0, 0)
    """Epoch and version of the ephemerides."""


class SkyWatch:
    """Follows the streams of stations that somebody looks at."""

    def __init__(self) -> None:
        self.trouble = ""
        """Why no stream comes, in a sentence, where that is known."""
        self._lock = threading.Lock()
        """Of who is looked at; never held for long."""
        self._looked: dict[str, _Looked] = {}
        self._work = threading.Lock()
        """Of all that is decoded."""
        self._book = EphemerisBook()
        self._table = EpochTable(EPHEMERIS_MESSAGES)
        self._numbers: dict[str, int] = {}

    def go_on(self, station_id: str, now_us: int) -> bool:
        """Look at a station for longer; False: nobody looks at it yet."""
        with self._lock:
            one = self._looked.get(station_id)
            if one is not None:
                one.until_us = now_us + LOOK_US
            return one is not None

    def begin(self, station_id: str, place: Place | None, now_us: int) -> bool:
        """Begin to look at a station, from a place; False: as many as can be are looked at."""
        with self._lock:
            self._forget(now_us)
            if len(self._looked) >= MOST_STATIONS:
                return False
            self._looked[station_id] = _Looked(place, now_us + LOOK_US)
            return True

    def looked_at(self, now_us: int) -> list[str]:
        """Return the stations that somebody looks at."""
        with self._lock:
            self._forget(now_us)
            return list(self._looked)

    def offer(self, chunk: RawChunk) -> None:
        """Take a chunk, if somebody looks at its station; it is decoded when they ask. Never waits."""
        one = self._looked.get(chunk.station_id)
        if one is not None and len(chunk.payload) <= LARGEST_BYTES:
            one.waiting.append(chunk)

    def listen(self, batches: Sequence[Record]) -> None:
        """Take the ephemerides among what processors say: those that any station sent serve all."""
        for batch in batches:
            if isinstance(batch, EphemerisMessages):
                with self._work:
                    for one in batch.messages:
                        self._learn(one.payload, one.known_us)

    def hear(self, chunks: Iterable[RawChunk]) -> None:
        """Decode chunks: of stations that are looked at all, of the others their ephemerides."""
        with self._work:
            self._decode([one for one in chunks if len(one.payload) <= LARGEST_BYTES])

    def rest(self) -> None:
        """Let go of the streams' ends, where nothing more is to come for a while."""
        with self._work:
            self._begin_anew()

    def sky(self, station_id: str) -> StationSky | None:
        """Return what a station sees; None: nothing came since somebody looks at it."""
        one = self._looked.get(station_id)
        if one is None:
            return None
        with self._work:
            self._decode([one.waiting.popleft() for _ in range(len(one.waiting))])
            if not one.epoch_us:
                return None
            made_of = one.epoch_us, self._book.version
            if one.made is None or one.made_of != made_of:
                one.made, one.made_of = StationSky(one.epoch_us, self._seen(one)), made_of
            return one.made

    def _forget(self, now_us: int) -> None:
        for name in [name for name, one in self._looked.items() if one.until_us < now_us]:
            del self._looked[name]

    def _begin_anew(self) -> None:
        self._table, self._numbers = EpochTable(EPHEMERIS_MESSAGES), {}

    def _decode(self, chunks: Sequence[RawChunk]) -> None:
        if not chunks:
            return
        if len(self._numbers) > MOST_NUMBERS:
            self._begin_anew()
        numbers = self._numbers
        found = self._table.feed_columns(
            [numbers.setdefault(one.station_id, len(numbers)) for one in chunks],
            [one.payload for one in chunks],
            [one.received_at_us for one in chunks],
            [one.reference_us for one in chunks],
        )
        others = found.others
        known_us = np.where(others.received_at_us != NO_TIME_US, others.received_at_us, others.epoch_us)
        for payload, at_us in zip(others.payload, known_us.tolist(), strict=True):
            if at_us != NO_TIME_US:
                self._learn(payload, at_us)
        for name, one in list(self._looked.items()):
            if name in numbers:
                _take(one, found, numbers[name])

    def _learn(self, payload: bytes, known_us: int) -> None:
        # as of before the slots that others would have to hear of it: here it serves at once
        self._book.add_message(payload, known_us - 2 * SLOT_US)

    def _seen(self, one: _Looked) -> list[SeenSatellite]:
        places = self._directions(one)
        up = [key for key, place in places.items() if place.is_healthy and place.elevation_deg >= 0.0]
        seen = []
        for key in sorted({*one.strengths, *up}):
            place = places.get(key)
            seen.append(
                SeenSatellite(
                    system=System(key[0]),
                    satellite=key[1],
                    azimuth_deg=None if place is None else place.azimuth_deg,
                    elevation_deg=None if place is None else place.elevation_deg,
                    cn0_dbhz=one.strengths.get(key, {}),
                )
            )
        return seen

    def _directions(self, one: _Looked) -> dict[tuple[int, int], _Direction]:
        """Return where all satellites are of which an ephemeris serves."""
        if one.place is None:
            return {}
        sky = sky_at(self._book, one.epoch_us)
        rows = np.flatnonzero(sky.known)
        origin_m = np.array(geodetic_to_ecef(*one.place, 0.0))
        azimuth, elevation = azimuth_elevation(sky.position_m[rows], origin_m)
        columns = np.degrees(azimuth), np.degrees(elevation), sky.healthy[rows].astype(bool)
        return {
            (row // SATELLITES, row % SATELLITES + 1): _Direction(*of)
            for row, *of in zip(rows.tolist(), *(column.tolist() for column in columns), strict=True)
        }


class _Direction(NamedTuple):
    azimuth_deg: float
    elevation_deg: float
    is_healthy: bool
    """By its own word."""


def _take(one: _Looked, found: Assembled, number: int) -> None:
    """Remember the newest epoch of a station."""
    mine = np.flatnonzero(found.epochs.station == number)
    if not len(mine):
        return
    row, every = int(mine[-1]), found.epochs.observations
    first = int(found.epochs.first[row])
    some = slice(first, first + int(found.epochs.count[row]))
    columns = (every.system[some], every.satellite[some], every.signal[some], every.cn0_dbhz[some])
    one.epoch_us, one.strengths = int(found.epochs.time_us[row]), {}
    for system, satellite, signal, cn0_dbhz in zip(*(column.tolist() for column in columns), strict=True):
        code = rinex_code(system, signal)
        if satellite and code is not None and cn0_dbhz > 0.0:
            one.strengths.setdefault((system, satellite), {})[code] = cn0_dbhz
