"""Samples that wait for their turn: some in memory, of more all in a file that nobody else sees."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import fields

import numpy as np

from storage.rows import ReceivedSamples

MOST_HELD = 2_000_000
"""Rows in memory, 33 bytes each."""
PIECE_ROWS = 100_000

_COLUMNS = tuple(field.name for field in fields(ReceivedSamples))


class HeldSamples:
    """Takes samples in any order, gives them out in the order of their receipt.

    Of those that were received together, late ones come last, the others by their times, then by series.
    """

    def __init__(self, most: int = MOST_HELD) -> None:
        self._most = most
        self._pieces: list[ReceivedSamples] = []
        self._rows = 0
        self._disk: sqlite3.Connection | None = None

    def close(self) -> None:
        """Forget all of them."""
        self._pieces, self._rows = [], 0
        if self._disk is not None:
            self._disk.close()
            self._disk = None

    def add(self, samples: ReceivedSamples) -> None:
        """Let some more wait."""
        if not len(samples):
            return
        self._pieces.append(samples)
        self._rows += len(samples)
        if self._rows > self._most or self._disk is not None:
            self._write_down()

    def before(self, until_us: int) -> Iterator[ReceivedSamples]:
        """Yield those that were received before a time, and forget them."""
        if self._disk is not None:
            yield from self._read_back(until_us)
        elif self._pieces:
            every = joined(self._pieces)
            is_due = every.received_at_us < until_us
            rest = rows_of(every, np.flatnonzero(~is_due))
            self._pieces, self._rows = [rest] if len(rest) else [], len(rest)
            due = rows_of(every, np.flatnonzero(is_due))
            if len(due):
                order = np.lexsort((due.series, due.time_us, due.is_late, due.received_at_us))
                yield rows_of(due, order)

    def _write_down(self) -> None:
        if self._disk is None:
            self._disk = sqlite3.connect("")  # a file of SQLite's own, which is gone when it is closed
            self._disk.execute("CREATE TABLE held (series, time_us, value, received_at_us, is_late)")
            self._disk.execute("CREATE INDEX by_receipt ON held (received_at_us)")
        for piece in self._pieces:
            rows = zip(*(getattr(piece, name).tolist() for name in _COLUMNS), strict=True)
            self._disk.executemany("INSERT INTO held VALUES (?, ?, ?, ?, ?)", rows)
        self._disk.commit()
        self._pieces, self._rows = [], 0

    def _read_back(self, until_us: int) -> Iterator[ReceivedSamples]:
        assert self._disk is not None
        rows = self._disk.execute(
            "SELECT series, time_us, value, received_at_us, is_late FROM held WHERE received_at_us < ? "
            "ORDER BY received_at_us, is_late, time_us, series",
            (until_us,),
        )
        while piece := rows.fetchmany(PIECE_ROWS):
            series, time_us, value, received_at_us, is_late = zip(*piece, strict=True)
            yield ReceivedSamples(
                np.array(series, np.int32),
                np.array(time_us, np.int64),
                np.array(value, np.float64),
                np.array(received_at_us, np.int64),
                np.array(is_late, np.bool_),
            )
        self._disk.execute("DELETE FROM held WHERE received_at_us < ?", (until_us,))
        self._disk.commit()
        if self._disk.execute("SELECT 1 FROM held LIMIT 1").fetchone() is None:
            self._disk.close()
            self._disk = None


def joined(pieces: list[ReceivedSamples]) -> ReceivedSamples:
    """Return several as one; there is at least one."""
    if len(pieces) == 1:
        return pieces[0]
    return ReceivedSamples(*(np.concatenate([getattr(piece, name) for piece in pieces]) for name in _COLUMNS))


def rows_of(samples: ReceivedSamples, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> ReceivedSamples:
    """Return some rows, in the order that is asked for."""
    return ReceivedSamples(*(getattr(samples, name)[rows] for name in _COLUMNS))
