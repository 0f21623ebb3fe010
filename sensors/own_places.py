"""Positions that samples bring with them, put before these as samples of series of their own.

So the test of the location finds them as it finds those of other series of the site, and the kernel of all
tests knows of no second way.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class OwnPlaces(NamedTuple):
    """Where some samples of a batch were taken; columns of shape (m,)."""

    rows: NDArray[np.int64]
    """In ascending order."""
    longitude: NDArray[np.float64]
    latitude: NDArray[np.float64]


class Columns(NamedTuple):
    """Samples in the order of arrival; columns of shape (n,)."""

    series: NDArray[np.int32]
    time_us: NDArray[np.int64]
    value: NDArray[np.float64]
    received_at_us: NDArray[np.int64]


def with_places(columns: Columns, places: OwnPlaces, slots: NDArray[np.int32]) -> Columns:
    """Return the samples, before each the longitude and latitude that it brings.

    Parameters
    ----------
    columns
        Their series are slots; -1: none.
    slots
        Those that longitude and latitude of each slot have, shape (slots, 2); -1: nobody asks for them.
    """
    of_rows = columns.series[places.rows]
    asked = (of_rows >= 0) & (slots[of_rows, 0] >= 0)
    if not asked.any():
        return columns
    rows, own = places.rows[asked], slots[of_rows[asked]]
    counts = np.ones(len(columns.series), np.int64)
    counts[rows] = 3
    place_of = np.repeat(np.arange(len(counts)), counts)
    made = Columns(
        columns.series[place_of],
        columns.time_us[place_of],
        columns.value[place_of],
        columns.received_at_us[place_of],
    )
    at = np.cumsum(counts)[rows] - 3
    for place, told in enumerate((places.longitude[asked], places.latitude[asked])):
        made.series[at + place], made.value[at + place] = own[:, place], told
    return made
