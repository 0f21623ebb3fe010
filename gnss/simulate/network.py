"""Thousands of stations for benchmarks: a few are simulated, the others send the same as other stations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from gnss.simulate.restamp import restamp_for
from gnss.simulate.sky import SimulatedSky, nominal_sky
from gnss.simulate.station import SimulatedStation

DISTINCT = 16
_WEST, _EAST, _SOUTH, _NORTH, _HIGHEST_M = 85.0, 122.0, 20.0, 46.0, 2000.0
STATION_NUMBERS = 4096


def simulated_network(
    n: int,
    epochs_us: Iterable[int],
    seed: int,
    *,
    distinct: int = DISTINCT,
    sky: SimulatedSky | None = None,
) -> Iterator[list[tuple[int, bytes]]]:
    """Give, for each epoch, the bytes of all stations, without delays or faults.

    Parameters
    ----------
    n
        Stations, numbered from 0. Reference station (DF003) of station i: i modulo 4096.
    epochs_us
        UTC, in order.
    seed
        Of places, clocks and noise.
    distinct
        Stations that are simulated; station i sends what station i modulo `distinct` observes.
    sky
        The nominal one without.

    Yields
    ------
    (station, bytes), by station: MSM7 of five systems (about 2 kB), ephemerides and station messages.
    """
    random = np.random.default_rng(seed)
    shared = sky or nominal_sky()
    few = [
        SimulatedStation(
            i,
            float(random.uniform(_WEST, _EAST)),
            float(random.uniform(_SOUTH, _NORTH)),
            float(random.uniform(0.0, _HIGHEST_M)),
            seed * 1000 + i,
            sky=shared,
        )
        for i in range(min(n, distinct))
    ]
    numbers = np.arange(n, dtype=np.int64)
    for epoch_us in epochs_us:
        sent: list[bytes] = [b""] * n
        for i, station in enumerate(few):
            frames = b"".join(station.emit(epoch_us).frames)
            mine = slice(i, n, len(few))
            sent[mine] = restamp_for(frames, numbers[mine] % STATION_NUMBERS)
        yield list(enumerate(sent))
