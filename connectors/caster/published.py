"""What was published, looked at many pieces at once: what streams contain, and what rovers will need of them.

A look at one epoch costs more to begin than to do. Who wants to know what has come asks for a look first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from connectors.caster.contents import StreamContents
from connectors.caster.frames_kernel import MOST_KEPT, SLOTS, Kept, look_at

MAX_TYPES = 64
"""Of messages, of one station."""
MOST_PIECES, MOST_BYTES = 256, 1_000_000
"""That wait to be looked at."""
_FIRST_STATIONS = 64


@dataclass(frozen=True, slots=True)
class Looked:
    """Pieces that were looked at, in the order in which they came."""

    station_ids: list[str]
    at_s: list[float]
    """When they came (monotonic)."""
    time_ms: list[int]
    """When their first observations were made, in ms of GPS time's day; `NO_TIME`: there are none."""
    kept: list[tuple[int, int, int, bytes]]
    """Which piece, and number, satellite (of an ephemeris, else 0) and frame of what a new rover needs.

    An ephemeris that is as before comes again after a minute only (`Published.tell_again`).
    """


@dataclass(slots=True, eq=False)
class Published:
    """What all stations have published. All calls come from the event loop."""

    _ids: list[str] = field(default_factory=list)
    _pieces: list[bytes] = field(default_factory=list)
    _at_s: list[float] = field(default_factory=list)
    _n_bytes: int = 0
    _rows: dict[str, int] = field(default_factory=dict)
    _numbers: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, MAX_TYPES), np.int64))
    _rhythms: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, MAX_TYPES, 2)))
    _told: NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, SLOTS, 2), np.int32))
    _counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    """Bytes, and pieces that were not empty."""
    _kept: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros((MOST_PIECES + MOST_KEPT, len(Kept)), np.int64)
    )

    def add(self, station_id: str, frames: bytes, now_s: float) -> bool:
        """Take whole valid frames of a station, to be looked at later; return whether it is time to look."""
        self._ids.append(station_id)
        self._pieces.append(frames)
        self._at_s.append(now_s)
        self._n_bytes += len(frames)
        return len(self._ids) >= MOST_PIECES or self._n_bytes >= MOST_BYTES

    def look(self) -> Iterator[Looked]:
        """Look at what waits; yield what was found, in one part unless there is very much of it."""
        ids, pieces, at_s = self._ids, self._pieces, self._at_s
        self._ids, self._pieces, self._at_s, self._n_bytes = [], [], [], 0
        while ids:
            n, looked = self._look_at(ids, pieces, at_s)
            yield looked
            ids, pieces, at_s = ids[n:], pieces[n:], at_s[n:]

    def tell_again(self, station_ids: Iterable[str]) -> None:
        """Let each ephemeris of some stations come as if it had not been told: someone new wants to know."""
        known = [row for one in station_ids if (row := self._rows.get(one)) is not None]
        self._told[known] = 0

    def of(self, station_id: str) -> StreamContents:
        """Return what a station's stream has been seen to contain so far."""
        row = self._rows.get(station_id)
        if row is None:
            return StreamContents()
        n_bytes, n_epochs = self._counts[row].tolist()
        return StreamContents(n_bytes, n_epochs, self._numbers[row].copy(), self._rhythms[row].copy())

    def _look_at(self, ids: list[str], pieces: list[bytes], at_s: list[float]) -> tuple[int, Looked]:
        rows = np.array([self._row(station_id) for station_id in ids], np.int64)
        sizes = np.array([len(piece) for piece in pieces], np.int64)
        frames, time_ms = b"".join(pieces), np.empty(len(ids), np.int64)
        n, n_kept = look_at(
            np.frombuffer(frames, np.uint8),
            np.cumsum(sizes),
            np.array(at_s),
            rows,
            self._numbers,
            self._rhythms,
            self._told,
            self._counts,
            time_ms,
            self._kept,
        )
        kept = [
            (piece, number, satellite, frames[begin:end])
            for piece, number, satellite, begin, end in self._kept[:n_kept].tolist()
        ]
        return int(n), Looked(ids[:n], at_s[:n], time_ms[:n].tolist(), kept)

    def _row(self, station_id: str) -> int:
        row = self._rows.get(station_id)
        if row is None:
            row = self._rows[station_id] = len(self._rows)
            if row == len(self._counts):
                more = max(_FIRST_STATIONS, len(self._counts))
                self._numbers, self._rhythms, self._told, self._counts = (
                    np.concatenate((of_all, np.zeros((more, *of_all.shape[1:]), of_all.dtype)))
                    for of_all in (self._numbers, self._rhythms, self._told, self._counts)
                )
        return row
