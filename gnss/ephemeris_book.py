"""The ephemerides that a network knows: what to keep of them, and which one serves at a time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from gnss.ephemeris import SATELLITES, Ephemeris, GlonassEphemeris, KeplerEphemeris, is_orbit, is_usable
from gnss.ephemeris_validity import serves
from gnss.rtcm.ephemeris import EPHEMERIS_MESSAGES, decode_ephemeris
from gnss.systems import System
from gnss.time import NO_TIME, SECOND_US, utc_to_gps

SLOT_US = 30 * SECOND_US
"""What came to be known within a slot serves from the begin of the next but one: others of the network, who
heard it first, have a slot's time to tell of it."""
MOST_TIMED = 4
"""Ephemerides of a satellite (of Galileo: and kind) with a time from which they are known."""
MOST_UNTIMED = 512
"""Those without: the ones of files."""
FARTHEST_S = 86_400
"""A reference time farther from the time at which it came to be known is not kept."""
REPEATED_US = 600 * SECOND_US
MOST_PAYLOADS = 4096
"""Messages that are recognised when they come again so soon."""

_F_NAV = 1045


class Chosen(NamedTuple):
    """The ephemeris that serves for a satellite."""

    row: int
    """system * 64 + satellite - 1."""
    ephemeris: Ephemeris
    usable: bool
    """Whether the satellite calls itself healthy, by the newest that is known of it."""


class _Kept(NamedTuple):
    ephemeris: Ephemeris
    known_us: int


class _Shelf:
    """The ephemerides of a satellite (of Galileo: and kind), oldest reference time first."""

    __slots__ = ("timed", "untimed")

    def __init__(self) -> None:
        self.timed: list[_Kept] = []
        self.untimed: list[_Kept] = []

    def __iter__(self) -> Iterator[_Kept]:
        yield from self.untimed
        yield from self.timed

    def put(self, new: _Kept) -> None:
        """Add one; the oldest makes room."""
        some, most = (self.untimed, MOST_UNTIMED) if new.known_us == NO_TIME else (self.timed, MOST_TIMED)
        insort(some, new, key=_order)
        if len(some) > most:
            del some[0]

    def take_same(self, ephemeris: Ephemeris, known_us: int) -> _Kept | None:
        """Return the one that says the same; it is taken away when it came to be known later."""
        for some in (self.untimed, self.timed):
            for i in range(bisect_left(some, ephemeris.toe_gps_us, key=_toe), len(some)):
                one = some[i]
                if one.ephemeris.toe_gps_us != ephemeris.toe_gps_us:
                    break
                if _is_same(one.ephemeris, ephemeris):
                    if known_us < one.known_us:
                        del some[i]
                    return one
        return None

    def timed_known(self, slot_us: int) -> list[_Kept]:
        """Return those that came to be known a slot before a time, oldest first."""
        return [one for one in self.timed if one.known_us <= slot_us - SLOT_US]

    def untimed_near(self, slot_gps_us: int) -> list[_Kept]:
        """Return those without a time that are next to a time on both sides, oldest first."""
        some = self.untimed
        behind = bisect_left(some, slot_gps_us, key=_toe)
        first = bisect_left(some, _toe(some[behind - 1]), 0, behind, key=_toe) if behind else 0
        last = bisect_right(some, _toe(some[behind]), behind, key=_toe) if behind < len(some) else behind
        return some[first:last]


class _Snapshot(msgspec.Struct):
    kepler: list[tuple[KeplerEphemeris, int]]
    state_vectors: list[tuple[GlonassEphemeris, int]]
    refused: int


class EphemerisBook:
    """Ephemerides of all satellites of a network, bounded.

    What serves at a time depends only on what was known when the slot of 30 seconds before it began, so that
    it does not depend on how the input was cut, nor among how many books that tell each other a network is
    divided; as long as no satellite had more than `MOST_TIMED` issues since.
    """

    def __init__(self) -> None:
        self._shelves: dict[tuple[System, int, bool], _Shelf] = {}
        self._payloads: dict[bytes, int] = {}
        self.version = 0
        """Another number when something changed."""
        self.refused = 0
        """Ephemerides that are no orbits, or that are older or newer than a day."""

    def __len__(self) -> int:
        return sum(len(shelf.timed) + len(shelf.untimed) for shelf in self._shelves.values())

    def add(self, ephemeris: Ephemeris, known_us: int = NO_TIME) -> bool:
        """Keep an ephemeris when it is a new one.

        Parameters
        ----------
        ephemeris
            Of any system.
        known_us
            When it was received, UTC; `NO_TIME`: it counts as known from the begin.

        Returns
        -------
        Whether it was new, or known earlier than before: one that differs from another in the time of sending
        alone is not.
        """
        key = _key(ephemeris)
        shelf = self._shelves.get(key)
        same = None if shelf is None else shelf.take_same(ephemeris, known_us)
        if shelf is not None and same is not None:
            if known_us < same.known_us:
                shelf.put(same._replace(known_us=known_us))
                self.version += 1
                return True
            return False
        if not is_orbit(ephemeris) or (known_us != NO_TIME and _is_far(ephemeris, known_us)):
            self.refused += 1
            return False
        self._shelves.setdefault(key, _Shelf()).put(_Kept(ephemeris, known_us))
        self.version += 1
        return True

    def add_message(self, payload: bytes, known_us: int) -> bool:
        """Keep the ephemeris of an RTCM message, as `add` does; one that was just seen costs next to nothing.

        Parameters
        ----------
        payload
            Without header and CRC. Another message than an ephemeris is left out.
        known_us
            When it was received, UTC; it resolves the week.
        """
        if int.from_bytes(payload[:2], "big") >> 4 not in EPHEMERIS_MESSAGES:
            return False
        seen_us = self._payloads.get(payload)
        if seen_us is not None and 0 <= known_us - seen_us < REPEATED_US:
            return False
        if len(self._payloads) >= MOST_PAYLOADS:
            self._payloads.clear()
        self._payloads[payload] = known_us
        ephemeris = decode_ephemeris(payload, known_us)
        return ephemeris is not None and self.add(ephemeris, known_us)

    def extend(self, ephemerides: Iterable[Ephemeris], known_us: int = NO_TIME) -> int:
        """Add several; return how many were new."""
        return sum([self.add(ephemeris, known_us) for ephemeris in ephemerides])

    def chosen(self, time_us: int) -> tuple[Chosen, ...]:
        """Return the ephemeris that serves for each satellite in the slot of a time (UTC), by row.

        It is the one whose reference time is nearest to the slot's begin. For Galileo I/NAV goes before
        F/NAV.
        """
        slot_us = slot_begin(time_us)
        slot_gps_us = int(utc_to_gps(slot_us))
        found: dict[int, Chosen] = {}
        # F/NAV stands behind I/NAV
        for key in sorted(self._shelves):
            row = key[0] * SATELLITES + key[1] - 1
            if row in found:
                continue
            shelf = self._shelves[key]
            timed = shelf.timed_known(slot_us)
            best = _nearest([*shelf.untimed_near(slot_gps_us), *timed], slot_gps_us)
            if best is not None:
                found[row] = Chosen(row, best.ephemeris, _is_healthy(best, timed))
        return tuple(found.values())

    def snapshot(self) -> bytes:
        """Return the state for `restore`."""
        kept = [one for shelf in self._shelves.values() for one in shelf]
        state = _Snapshot(
            [(e, known) for e, known in kept if isinstance(e, KeplerEphemeris)],
            [(e, known) for e, known in kept if isinstance(e, GlonassEphemeris)],
            self.refused,
        )
        return msgspec.msgpack.encode(state)

    def restore(self, state: bytes) -> None:
        """Take the state that `snapshot` returned in place of the own one."""
        read = msgspec.msgpack.decode(state, type=_Snapshot)
        self._shelves.clear()
        self._payloads.clear()
        everything: list[tuple[Ephemeris, int]] = [*read.kepler, *read.state_vectors]
        for ephemeris, known_us in everything:
            self._shelves.setdefault(_key(ephemeris), _Shelf()).put(_Kept(ephemeris, known_us))
        self.refused = read.refused
        self.version += 1


def slot_begin(time_us: int) -> int:
    """Return the begin of the slot of a time, both UTC."""
    return time_us // SLOT_US * SLOT_US


def _key(ephemeris: Ephemeris) -> tuple[System, int, bool]:
    is_f_nav = isinstance(ephemeris, KeplerEphemeris) and ephemeris.message == _F_NAV
    return ephemeris.system, ephemeris.satellite, is_f_nav


def _is_same(one: Ephemeris, other: Ephemeris) -> bool:
    """Return whether two ephemerides of a satellite say the same; the time of sending does not matter."""
    if one.toe_gps_us != other.toe_gps_us:
        return False
    if isinstance(one, KeplerEphemeris) or isinstance(other, KeplerEphemeris):
        return one == other
    return _but_for_sending(one) == _but_for_sending(other)


def _but_for_sending(e: GlonassEphemeris) -> tuple[object, ...]:
    vectors = e.position_m, e.velocity_m_s, e.acceleration_m_s2
    return (e.channel, e.clock_s, e.clock_rate, vectors, e.health, e.age_days, e.flags, e.delta_tau_s)


def _is_far(ephemeris: Ephemeris, known_us: int) -> bool:
    return abs(ephemeris.toe_gps_us - int(utc_to_gps(known_us))) > FARTHEST_S * SECOND_US


def _toe(one: _Kept) -> int:
    return one.ephemeris.toe_gps_us


def _order(one: _Kept) -> tuple[int, int]:
    return one.ephemeris.toe_gps_us, one.known_us


def _nearest(some: list[_Kept], time_gps_us: int) -> _Kept | None:
    """Return the one that serves and has the nearest reference time; of equal ones the newest."""
    serving = [one for one in some if serves(one.ephemeris, time_gps_us)]
    serving.sort(key=_order)
    return min(reversed(serving), key=lambda one: abs(_toe(one) - time_gps_us), default=None)


def _is_healthy(best: _Kept, timed: list[_Kept]) -> bool:
    """Return what the latest known ephemeris says that is not older: the nearest one may have been before."""
    newer = [
        one
        for one in timed
        if one.known_us > best.known_us and one.ephemeris.toe_gps_us >= best.ephemeris.toe_gps_us
    ]
    return is_usable(max(newer, key=lambda one: one.known_us, default=best).ephemeris)
