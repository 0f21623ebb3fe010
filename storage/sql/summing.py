"""Sums of rows and of buckets, for windows and for the next level."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from itertools import groupby, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.sql import coverage, report_sums, sample_sums
from storage.sql.database import Connection, Database
from storage.sql.levels import ROWS, STATIONS, Kind, floor_to

Sums = tuple[Any, ...]


class Summing(Database):
    """Reads sums; what is summed up already counts where it is to be believed."""

    @abstractmethod
    def _list(self, numbers: Sequence[int]) -> Any:
        """Return a list of numbers as a parameter of a query."""

    @abstractmethod
    def _latencies(self, value: Any) -> NDArray[np.int64]:
        """Return the latencies that stand in a row of `report_sums`, in any order."""

    def _window_sums(
        self, connection: Connection, kind: Kind, name: str, start_us: int, end_us: int, window_us: int
    ) -> list[Sums]:
        """Return the sums of a station or datastream by windows, oldest first; empty windows are absent."""
        found = connection.execute(self._queries[f"{kind.of}_key_of"], {"id": name}).fetchone()
        if found is None:
            return []
        (key,) = found
        asked = {"kind": kind.number, "key": key, "start_us": start_us, "end_us": end_us}
        marks = connection.execute(self._queries["marks_of_key"], asked).fetchall()
        floors = self._floors(connection, kind)
        rows: list[Sums] = []
        for piece in coverage.pieces(start_us, end_us, window_us, marks, floors):
            rows += self._sums(connection, kind, piece.level, [key], piece.start_us, piece.end_us, window_us)
        return longer(kind, rows, window_us)

    def _sums(
        self,
        connection: Connection,
        kind: Kind,
        level: int,
        keys: Sequence[int],
        start_us: int,
        end_us: int,
        window_us: int,
    ) -> list[Sums]:
        """Return sums from one level: of rows by windows of this length, else the buckets as they are."""
        asked = {
            "keys": self._list(keys), "start_us": start_us, "end_us": end_us, "window_us": window_us,
        }  # fmt: skip
        if level != ROWS:
            query = self._rollup_query(f"read_{kind.name}_rollup", kind, level)
            return connection.execute(query, asked).fetchall()
        found = connection.execute(self._queries[f"{kind.what}_sums"], asked).fetchall()
        if kind is STATIONS:
            reasons = connection.execute(self._queries["report_reasons"], asked)
            return report_sums.of_rows(found, reasons, [self._latencies(row[-1]) for row in found])
        return sample_sums.of_rows(found, connection.execute(self._queries["sample_flags"], asked))

    def _rollup_query(self, name: str, kind: Kind, level: int) -> str:
        return self._queries[name].replace(" rollup", f" {kind.table(level)}")

    def _floors(self, connection: Connection, kind: Kind) -> dict[int, int]:
        """Return by level of a kind before which time nothing is stored."""
        rows = connection.execute(self._queries["floors"], {}).fetchall()
        return {level: before_us for number, level, before_us in rows if number == kind.number}


def longer(kind: Kind, rows: Sequence[Sums], length_us: int) -> list[Sums]:
    """Return the sums of longer buckets from those of their parts, by key and time."""
    if all(row[1] % length_us == 0 for row in rows) and _are_apart(rows):
        return list(rows)
    added: Callable[[Sequence[Sums], int], Sums] = (
        report_sums.added if kind is STATIONS else sample_sums.added
    )
    return [
        added(list(some), begin_us)
        for (_, begin_us), some in groupby(rows, key=lambda row: (row[0], floor_to(row[1], length_us)))
    ]


def _are_apart(rows: Sequence[Sums]) -> bool:
    """Tell whether each row has a key and begin of its own."""
    return all(one[1] != other[1] or one[0] != other[0] for one, other in pairwise(rows))
