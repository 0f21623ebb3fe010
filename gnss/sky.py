"""The network's sky: where all satellites are at an epoch, computed once for all stations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from gnss.broadcast_orbits import OrbitColumns, States, compute_states, orbit_columns
from gnss.ephemeris import SATELLITES, GlonassEphemeris
from gnss.ephemeris_book import Chosen, EphemerisBook, slot_begin
from gnss.systems import UNKNOWN_CHANNEL, System
from gnss.time import utc_to_gps

ROWS = len(System) * SATELLITES
RECENT_TIMES = 64
RECENT_SLOTS = 8

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sky:
    """Satellites at a time; row system * 64 + satellite - 1. Shared: not to be written.

    A station finds where a satellite was when it sent, tau before that time, by p - tau v + tau^2/2 a, in the
    Earth-fixed frame of that earlier moment; for tau up to 0.14 s the rest is below 0.1 mm.
    """

    time_us: int
    """UTC."""
    known: NDArray[np.uint8]
    """Shape (448,): 1 when an ephemeris serves."""
    healthy: NDArray[np.uint8]
    """Shape (448,): 1 when it is known and calls itself healthy."""
    position_m: Float64
    """Shape (448, 3), Earth-fixed at that time; NaN where nothing is known, as in all that follow."""
    velocity_m_s: Float64
    """Shape (448, 3), in the rotating frame."""
    acceleration_m_s2: Float64
    """Shape (448, 3), in the rotating frame."""
    clock_s: Float64
    """Shape (448,): how much the clock is ahead, with relativity, without group delays."""
    clock_rate: Float64
    """Shape (448,), s/s."""
    group_delay_s: Float64
    """Shape (448, 2), as `gnss.ephemeris.KeplerEphemeris` has them; GLONASS: (delta tau_n, 0)."""
    channel: NDArray[np.int8]
    """Shape (448,): GLONASS frequency number; `UNKNOWN_CHANNEL` for others and where it is not known."""


class _Layout(NamedTuple):
    """The ephemerides of a slot, laid out."""

    chosen: tuple[Chosen, ...]
    rows: NDArray[np.int64]
    columns: OrbitColumns
    known: NDArray[np.uint8]
    healthy: NDArray[np.uint8]
    group_delay_s: Float64
    channel: NDArray[np.int8]
    no_offset_s: Float64


class Skies:
    """Gives the sky of a book at any time; recent ones are kept.

    Parameters
    ----------
    book
        May grow meanwhile.
    """

    def __init__(self, book: EphemerisBook) -> None:
        self._book = book
        self._version: dict[int, int] = {}
        self._layouts: dict[int, _Layout] = {}
        self._recent: dict[int, tuple[_Layout, Sky]] = {}

    def __call__(self, time_us: int) -> Sky | None:
        """Return the sky at a time (UTC); None while no ephemeris serves."""
        sky = self.at(time_us)
        return sky if sky.known.any() else None

    def at(self, time_us: int) -> Sky:
        """Return the sky at a time (UTC)."""
        layout = self._layout(slot_begin(time_us))
        kept = self._recent.get(time_us)
        if kept is not None and kept[0] is layout:
            return kept[1]
        sky = _sky(layout, time_us)
        self._recent.pop(time_us, None)
        self._recent[time_us] = layout, sky
        if len(self._recent) > RECENT_TIMES:
            del self._recent[next(iter(self._recent))]
        return sky

    def _layout(self, slot_us: int) -> _Layout:
        version = self._book.version
        layout = self._layouts.get(slot_us)
        if layout is not None and self._version[slot_us] == version:
            return layout
        chosen = self._book.chosen(slot_us)
        others = self._layouts.values() if layout is None else (layout,)
        for other in others:
            if _is_equal(other.chosen, chosen):
                layout = other
                break
        else:
            layout = _lay_out(chosen)
        self._layouts.pop(slot_us, None)
        self._layouts[slot_us], self._version[slot_us] = layout, version
        if len(self._layouts) > RECENT_SLOTS:
            oldest = next(iter(self._layouts))
            del self._layouts[oldest], self._version[oldest]
        return layout


_skies: WeakKeyDictionary[EphemerisBook, Skies] = WeakKeyDictionary()


def sky_at(book: EphemerisBook, time_us: int) -> Sky:
    """Return the sky of a book at a time (UTC), once for all who ask for the same time.

    It has only what was known before the 30 seconds in which the time lies began.
    """
    skies = _skies.get(book)
    if skies is None:
        skies = _skies[book] = Skies(book)
    return skies.at(time_us)


def _is_equal(one: tuple[Chosen, ...], other: tuple[Chosen, ...]) -> bool:
    """Return whether the same ephemerides serve; they are the same objects then."""
    return len(one) == len(other) and all(
        a.ephemeris is b.ephemeris and a.usable == b.usable for a, b in zip(one, other, strict=True)
    )


def _lay_out(chosen: tuple[Chosen, ...]) -> _Layout:
    layout = _Layout(
        chosen,
        np.array([one.row for one in chosen], np.int64),
        orbit_columns([one.ephemeris for one in chosen]),
        np.zeros(ROWS, np.uint8),
        np.zeros(ROWS, np.uint8),
        np.full((ROWS, 2), np.nan),
        np.full(ROWS, UNKNOWN_CHANNEL, np.int8),
        np.zeros(len(chosen)),
    )
    for row, ephemeris, usable in chosen:
        layout.known[row] = 1
        layout.healthy[row] = usable
        if isinstance(ephemeris, GlonassEphemeris):
            layout.group_delay_s[row] = ephemeris.delta_tau_s, 0.0
            layout.channel[row] = ephemeris.channel
        else:
            layout.group_delay_s[row] = ephemeris.group_delay_s
    return layout


def _sky(layout: _Layout, time_us: int) -> Sky:
    position_m, velocity_m_s, acceleration_m_s2 = np.full((3, ROWS, 3), np.nan)
    clock_s, clock_rate = np.full((2, ROWS), np.nan)
    states = States(position_m, velocity_m_s, acceleration_m_s2, clock_s, clock_rate)
    compute_states(layout.columns, int(utc_to_gps(time_us)), layout.no_offset_s, layout.rows, states)
    return Sky(time_us, layout.known, layout.healthy, *states, layout.group_delay_s, layout.channel)
