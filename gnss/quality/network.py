"""What most stations of a network show at once, and hence no station is blamed for.

Kept are, minute by minute, each station's mean ROTI and share of slipped satellites. An epoch is judged with
the medians of two minutes before: by then all stations in time have told theirs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnss.quality.ionosphere import network_median
from gnss.quality.judgements import Judgements

MINUTE_US = 60_000_000
BEFORE = 2
KEPT = 4

Float64 = NDArray[np.float64]


class Network:
    """Medians over the stations of one table, minute by minute; bounded by the number of stations."""

    def __init__(self) -> None:
        self._sums: dict[int, Float64] = {}
        self._medians: dict[int, tuple[float, float]] = {}
        self._roti: dict[int, Float64] = {}
        self.newest = -1

    def states(self, time_us: NDArray[np.int64], station: NDArray[np.int32]) -> Float64:
        """Return what epochs are judged with, shape (n, 3).

        Median ROTI and median share of slipped satellites of the network, and the station's own ROTI, all of
        two minutes before; NaN: not known. So at the begin of a storm no station is ahead of the others.
        """
        states = np.full((len(time_us), 3), np.nan)
        if not self._medians:
            return states
        minutes = time_us // MINUTE_US - BEFORE
        for minute, medians in self._medians.items():
            rows = np.flatnonzero(minutes == minute)
            if len(rows):
                states[rows, :2] = medians
                known = rows[station[rows] < len(self._roti[minute])]
                states[known, 2] = self._roti[minute][station[known]]
        return states

    def turn(self, time_us: int) -> None:
        """Let time reach `time_us`: minutes that are over by then get their medians."""
        minute = time_us // MINUTE_US
        if minute <= self.newest:
            return
        self.newest = minute
        for old in [m for m in self._sums if m <= minute - BEFORE]:
            sums = self._sums.pop(old)
            with np.errstate(invalid="ignore", divide="ignore"):
                own = sums[:, 0] / sums[:, 1]
                roti = network_median(own)
                slipped = network_median(sums[:, 2] / sums[:, 3])
            if roti is not None and slipped is not None:
                self._medians[old], self._roti[old] = (roti, slipped), own
        for old in [m for m in self._medians if m < minute - KEPT]:
            del self._medians[old], self._roti[old]

    def add(self, judgements: Judgements, stations: int) -> None:
        """Take judgements of a table with room for so many stations."""
        minutes = judgements["time_us"] // MINUTE_US
        if not len(minutes):
            return
        first = max(int(minutes.min()), self.newest - BEFORE + 1)
        for minute in range(first, min(int(minutes.max()), self.newest + 1) + 1):
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
