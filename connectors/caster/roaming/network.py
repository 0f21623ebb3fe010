"""All bases as columns: where they are, whether they send, and how good they are said to be. No I/O."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectors.caster.frames_kernel import NO_TIME
from connectors.caster.published import Looked
from connectors.caster.roaming.near import point_km
from connectors.caster.roaming.station_messages import StationMessages
from gnss.geodesy import ecef_to_geodetic
from gnss.quality.judgements import STATES, UNKNOWN
from gnss.rtcm.station import decode_position
from sensors.model import Station

Place = tuple[float, float]
"""Longitude and latitude in degrees."""
NEVER_S = -math.inf
SCORE_S = 60.0
"""Time constant of the score's smoothing: a base that turns bad is left by its state, not by its score."""
_CODES = {name: code for code, name in enumerate(STATES)}
_TOLD_M = 5_000_000.0
"""From the Earth's centre: a position that is nearer was never told."""


@dataclass(slots=True)
class Base:
    """What the caster itself has seen of a station, and what was judged of it."""

    last_epoch_s: float = NEVER_S
    """When its last observations came (monotonic)."""
    steady_from_s: float = NEVER_S
    """It has not been silent since; in the future: it was silent a short while ago."""
    time_ms: int | None = None
    """Of its last epoch, in GPS time's day."""
    state: int = UNKNOWN
    """Code of `gnss.quality.judgements.STATES`."""
    score: float = 0.0
    """0 to 100, smoothed."""
    judged_s: float = NEVER_S
    messages: StationMessages = field(default_factory=StationMessages)


@dataclass(frozen=True, slots=True)
class Columns:
    """The network at one moment; row i is one base."""

    ids: tuple[str, ...]
    rows: dict[str, int]
    places_km: NDArray[np.float64]
    """Earth-centred, shape (n, 3)."""
    sends: NDArray[np.bool_]
    """It is not silent."""
    steady: NDArray[np.bool_]
    """It has not been silent for a while."""
    state: NDArray[np.uint8]
    """Unknown where the last verdict is too old."""
    score: NDArray[np.float64]
    """0 to 100; means nothing where the state is unknown."""


class Network:
    """What is known of all bases.

    Parameters
    ----------
    silent_s
        A base that sends no epoch for so long is silent.
    recovery_s
        For so long it must not be silent before it counts as steady again.
    verdict_s
        A verdict that is older counts no more.
    """

    def __init__(self, silent_s: float, recovery_s: float, verdict_s: float) -> None:
        self.bases: dict[str, Base] = {}
        self.has_strangers = False
        """Something came from a station that is none of those that there are."""
        self._silent_s = silent_s
        self._recovery_s = recovery_s
        self._verdict_s = verdict_s
        self._ids: tuple[str, ...] = ()
        self._rows: dict[str, int] = {}
        self._places_km = np.empty((0, 3))
        self._told: dict[str, Place | None] = {}
        self._decoded: dict[str, tuple[bytes, Place | None]] = {}

    @property
    def size(self) -> int:
        """How many bases have a place."""
        return len(self._ids)

    def set_stations(self, stations: Iterable[Station]) -> Collection[str]:
        """Take the stations that there are; return those that are new.

        A station without a place in the registry is where its stream says; with neither it is no base.
        """
        self.has_strangers = False
        told: dict[str, Place | None] = {}
        for station in stations:
            if station.longitude is not None and station.latitude is not None:
                told[station.id] = station.longitude, station.latitude
            else:
                told[station.id] = self._told_place(station.id)
        if told == self._told:
            return ()
        self._told = told
        self._decoded = {name: one for name, one in self._decoded.items() if name in told}
        new = told.keys() - self.bases
        self.bases = {name: self.bases.get(name) or Base() for name in told}
        places = {name: place for name, place in sorted(told.items()) if place is not None}
        self._ids = tuple(places)
        self._rows = {name: row for row, name in enumerate(self._ids)}
        self._places_km = np.array([point_km(*place) for place in places.values()]).reshape(-1, 3)
        return new

    def hear(self, looked: Looked) -> None:
        """Take what stations have sent."""
        bases = [self.bases.get(station_id) for station_id in looked.station_ids]
        for base, now_s, time_ms in zip(bases, looked.at_s, looked.time_ms, strict=True):
            if base is None:
                self.has_strangers = True
            elif time_ms != NO_TIME:
                base.time_ms = time_ms
                if now_s - base.last_epoch_s > self._silent_s and base.last_epoch_s != NEVER_S:
                    base.steady_from_s = now_s + self._recovery_s
                base.last_epoch_s = now_s
        for piece, number, satellite, frame in looked.kept:
            if (base := bases[piece]) is not None:
                base.messages.keep(number, satellite, frame, looked.at_s[piece])

    def judge(self, station_id: str, state: str, score: int | None, now_s: float) -> None:
        """Take a verdict."""
        base = self.bases.get(station_id)
        if base is not None:
            code, points = _CODES.get(state, UNKNOWN), float(score or 0)
            share = -math.expm1((base.judged_s - now_s) / SCORE_S) if base.state != UNKNOWN else 1.0
            base.score += share * (points - base.score)
            base.state, base.judged_s = code, now_s

    def excuse(self, seconds: float) -> None:
        """Let nobody count as silent for a time in which this program did not listen."""
        for base in self.bases.values():
            base.last_epoch_s += seconds

    def columns(self, now_s: float) -> Columns:
        """Return the network as it is now."""
        bases = [self.bases[name] for name in self._ids]
        last_s = _column([base.last_epoch_s for base in bases], np.float64)
        steady_from_s = _column([base.steady_from_s for base in bases], np.float64)
        judged_s = _column([base.judged_s for base in bases], np.float64)
        state = _column([base.state for base in bases], np.uint8)
        sends = now_s - last_s <= self._silent_s
        return Columns(
            ids=self._ids,
            rows=self._rows,
            places_km=self._places_km,
            sends=sends,
            steady=sends & (steady_from_s <= now_s),
            state=np.where(now_s - judged_s <= self._verdict_s, state, np.uint8(UNKNOWN)),
            score=_column([base.score for base in bases], np.float64),
        )

    def middle(self) -> Place | None:
        """Return longitude and latitude of the middle of all bases."""
        if not self._ids:
            return None
        x, y, z = (float(v) for v in 1000.0 * self._places_km.mean(axis=0))
        longitude, latitude, _ = ecef_to_geodetic(x, y, z)
        return float(longitude), float(latitude)

    def _told_place(self, station_id: str) -> Place | None:
        base = self.bases.get(station_id)
        message = None if base is None else base.messages.position()
        if message is None:
            return self._told.get(station_id)
        known = self._decoded.get(station_id)
        if known is None or known[0] != message:
            known = self._decoded[station_id] = message, _place(message)
        return known[1]


def _place(message: bytes) -> Place | None:
    """Return what a station says of itself, to 10 m: jitter of its own estimate moves nobody."""
    position = decode_position(message)
    if position is None or np.linalg.norm(position.ecef_m) < _TOLD_M:
        return None
    longitude, latitude, _ = ecef_to_geodetic(*position.ecef_m)
    return round(float(longitude), 4), round(float(latitude), 4)


def _column(values: list[Any], kind: type[np.generic]) -> NDArray[Any]:
    return np.array(values, kind)
