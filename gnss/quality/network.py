"""What most stations of a network show at once, and hence no station is blamed for.

Kept are, minute by minute, each station's mean ROTI and share of slipped satellites. An epoch is judged with
the medians of two minutes before. Half a minute after its end a minute is closed: what came by then is told
to whoever judges other stations of the network, and half a minute is left for that. So the medians are those
of all stations, however many tables these are divided among.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from gnss.quality.ionosphere import network_median
from gnss.quality.judgements import Judgements

MINUTE_US = 60_000_000
TURN_US = MINUTE_US // 2
"""A minute is closed at the first turn behind its end."""
BEFORE = 2
KEPT = 4
MOST_MINUTES = 64
"""Of which shares of others are kept: in a replay these may be ahead."""
_OWN = ""

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


class Share(NamedTuple):
    """What stations showed in a minute."""

    minute: int
    """Since 1970."""
    roti_tecu_min: Float32
    """Mean of each station that has one, shape (n,)."""
    slipped: Float32
    """Mean share of slipped satellites of each station that has one, shape (m,)."""


class _Snapshot(msgspec.Struct):
    turn: int
    sums: dict[int, bytes]
    own: dict[int, bytes]
    shares: dict[int, dict[str, tuple[bytes, bytes]]]


class Network:
    """Medians over the stations of one table and of others, minute by minute; bounded."""

    def __init__(self) -> None:
        self._sums: dict[int, Float64] = {}
        self._roti: dict[int, Float64] = {}
        """Of the own stations, by row, in closed minutes."""
        self._shares: dict[int, dict[str, Share]] = {}
        self._medians: dict[int, tuple[float, float]] = {}
        self._untold: list[Share] = []
        self._turn = -1

    def states(self, time_us: NDArray[np.int64], station: NDArray[np.int32]) -> Float64:
        """Return what epochs are judged with, shape (n, 3).

        Median ROTI and median share of slipped satellites of the network, and the station's own ROTI, all of
        two minutes before; NaN: not known. So at the begin of a storm no station is ahead of the others.
        """
        states = np.full((len(time_us), 3), np.nan)
        if not self._shares:
            return states
        minutes = time_us // MINUTE_US - BEFORE
        first, last = int(minutes.min()), int(minutes.max())
        for minute in [m for m in self._shares if first <= m <= last]:
            rows = np.flatnonzero(minutes == minute)
            states[rows, :2] = self._medians_of(minute)
            own = self._roti.get(minute)
            if own is not None:
                known = rows[station[rows] < len(own)]
                states[known, 2] = own[station[known]]
        return states

    def turn(self, time_us: int) -> None:
        """Let time reach `time_us`: minutes that were over half a minute before are closed."""
        turn = time_us // TURN_US
        if turn <= self._turn:
            return
        self._turn = turn
        for minute in [m for m in self._sums if m < self._open_from()]:
            sums = self._sums.pop(minute)
            with np.errstate(invalid="ignore", divide="ignore"):
                own, slipped = sums[:, 0] / sums[:, 1], sums[:, 2] / sums[:, 3]
            share = Share(minute, _known(own), _known(slipped))
            self._roti[minute] = own
            self._untold.append(share)
            self._put(_OWN, share)
        oldest = turn // 2 - KEPT
        for old in [m for m in self._shares if m < oldest]:
            self._drop(old)

    def hear(self, source: str, share: Share) -> None:
        """Take what stations of another table showed.

        Parameters
        ----------
        source
            Names that table; what it told of the minute before is replaced.
        """
        self._put(source, share)

    def untold(self) -> list[Share]:
        """Take away what others have to be told."""
        untold, self._untold = self._untold, []
        return untold

    def add(self, judgements: Judgements, stations: int) -> None:
        """Take judgements of a table with room for so many stations."""
        minutes = judgements["time_us"] // MINUTE_US
        if not len(minutes):
            return
        first = max(int(minutes.min()), self._open_from())
        for minute in range(first, min(int(minutes.max()), self._turn // 2 + 1) + 1):
            rows = judgements[minutes == minute]
            if not len(rows):
                continue
            sums = self._sums.get(minute)
            if sums is None or len(sums) < stations:
                more = np.zeros((stations, 4))
                if sums is not None:
                    more[: len(sums)] = sums
                sums = self._sums[minute] = more
            station = rows["station"]
            for column, values in ((0, rows["roti_tecu_min"]), (2, rows["slipped_share"])):
                known = np.isfinite(values)
                np.add.at(sums[:, column], station, np.where(known, values, 0.0))
                np.add.at(sums[:, column + 1], station, known.astype(np.float64))

    def forget(self, s: int) -> None:
        """Forget a station: its row may be given to another."""
        for sums in self._sums.values():
            sums[s : s + 1] = 0.0
        for own in self._roti.values():
            own[s : s + 1] = np.nan

    def snapshot(self, rows: list[int]) -> bytes:
        """Return the state of the stations in some rows, and what others told."""
        state = _Snapshot(
            turn=self._turn,
            sums={m: _rows(sums, rows, 0.0).tobytes() for m, sums in self._sums.items()},
            own={m: _rows(own, rows, np.nan).tobytes() for m, own in self._roti.items()},
            shares={
                m: {s: (x.roti_tecu_min.tobytes(), x.slipped.tobytes()) for s, x in shares.items()}
                for m, shares in self._shares.items()
            },
        )
        return msgspec.msgpack.encode(state)

    def restore(self, state: bytes, rows: list[int]) -> None:
        """Take what `snapshot` returned; the stations, in its order, stand in these rows now."""
        read = msgspec.msgpack.decode(state, type=_Snapshot)
        room = max(rows, default=-1) + 1
        self._turn = read.turn
        self._medians, self._untold = {}, []
        self._sums, self._roti, self._shares = {}, {}, {}
        for minute, sums in read.sums.items():
            self._sums[minute] = np.zeros((room, 4))
            self._sums[minute][rows] = np.frombuffer(sums, np.float64).reshape(-1, 4)
        for minute, own in read.own.items():
            self._roti[minute] = np.full(room, np.nan)
            self._roti[minute][rows] = np.frombuffer(own, np.float64)
        for minute, shares in read.shares.items():
            for source, (roti, slipped) in shares.items():
                share = Share(minute, np.frombuffer(roti, np.float32), np.frombuffer(slipped, np.float32))
                self._put(source, share)

    def _open_from(self) -> int:
        """Return the first minute that is not closed."""
        return (self._turn - 1) // 2

    def _put(self, source: str, share: Share) -> None:
        self._shares.setdefault(share.minute, {})[source] = share
        self._medians.pop(share.minute, None)
        while len(self._shares) > MOST_MINUTES:
            self._drop(min(self._shares))

    def _drop(self, minute: int) -> None:
        del self._shares[minute]
        self._medians.pop(minute, None)
        self._roti.pop(minute, None)

    def _medians_of(self, minute: int) -> tuple[float, float]:
        medians = self._medians.get(minute)
        if medians is None:
            shares = self._shares[minute].values()
            roti = network_median(np.concatenate([share.roti_tecu_min for share in shares]))
            slipped = network_median(np.concatenate([share.slipped for share in shares]))
            medians = (np.nan, np.nan) if roti is None or slipped is None else (roti, slipped)
            self._medians[minute] = medians
        return medians


def _known(values: Float64) -> Float32:
    return values[np.isfinite(values)].astype(np.float32)


def _rows(values: Float64, rows: list[int], nothing: float) -> Float64:
    """Return some rows; what has no row yet is `nothing`."""
    some = np.full((len(rows), *values.shape[1:]), nothing)
    there = np.array(rows, np.int64)
    known = there < len(values)
    some[known] = values[there[known]]
    return some
