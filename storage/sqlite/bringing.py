"""Rows of large commits on their way into their tables (see `arrivals.py`)."""

from __future__ import annotations

import json
import math
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import structlog
from numpy.typing import NDArray

from storage.sqlite.arrivals import MOST_ROWS, Arrivals, Keys, Newest, Times, span_us
from storage.sqlite.bulk import put_many
from storage.sqlite.database import QUERIES, SqliteDatabase
from storage.sqlite.tables import EPOCHS, FIGURES, SAMPLES, TABLES, Table
from storage.store import StorageError

log = structlog.get_logger()

STEP_ROWS = 4000
"""Of a transaction: a commit that waits for it waits for about 20 ms."""
BREATH_S = 0.002
TURN_S = 2.0
"""Of a call: the log is shortened and summing up goes on between, and nobody waits for a million rows."""
_LAST_KEY = 2**62
_NEWEST = {EPOCHS.name: "station_times", FIGURES.name: "figures_times", SAMPLES.name: "datastream_times"}
_ASKED_AT_ONCE = 10_000

Row = tuple[object, ...]
Rows = Callable[[NDArray[np.intp], NDArray[np.int64] | None], Sequence[Row]]
"""Returns rows by their places, each behind a number if there are some."""


class SqliteBringing(SqliteDatabase):
    """The part of the store that knows where rows stand.

    Parameters
    ----------
    behind
        Whether rows of large commits may come into their tables some seconds later: by `tidy`, which somebody
        calls about once a second. Questions find them wherever they stand.
    """

    def __init__(self, path: Path | str, *, behind: bool = False) -> None:
        super().__init__(path)
        self._may_wait = behind
        self._arrivals = Arrivals()
        self._bringing = threading.Lock()
        self._steps: Iterator[None] | None = None
        """Of what is being brought."""
        self._newest: dict[str, Newest] = {}
        self._number: int | None = None
        """Of the commit under way, if its rows wait."""
        self._written: dict[str, tuple[Keys, Times, NDArray[np.bool_]]] = {}
        """Rows of the commit under way, by table, and which of them wait below its number."""
        self._bring_what_was_left()

    @property
    def _rows_wait(self) -> bool:
        return self._arrivals.rows > 0

    def tidy(self) -> None:
        """Bring some rows into their tables when it is time, and pages of the log into the file."""
        with self._bringing:
            with self._lock:
                last, is_much = self._arrivals.due, self._arrivals.rows > MOST_ROWS // 2
            if self._steps is None and last is not None:
                self._steps = self._bring(last)
            if self._steps is not None:
                self._go_on(self._steps, None if is_much else TURN_S)
        super().tidy()

    def close(self) -> None:
        """Bring what waits, and close all connections."""
        try:
            self._bring_all()
        except (sqlite3.Error, StorageError):  # it stands where it stands
            log.warning("rows are brought into their tables at the next start")
        super().close()

    @contextmanager
    def _rows_of_a_commit(self, rows: int) -> Iterator[None]:
        """Write so many rows within; what is remembered of them is theirs only if they were committed."""
        if self._arrivals.rows > MOST_ROWS:
            self._bring_all()
        with self._lock:
            waits = self._may_wait and rows > 0 and self._arrivals.takes(rows)
            self._number = self._arrivals.next_number if waits else None
            self._written = {}
            try:
                yield
                self._remember()
            finally:
                self._number, self._written = None, {}

    def _note_arrival(self, connection: sqlite3.Connection) -> None:
        """Note the commit, if rows of it wait."""
        mine = self._waiting_here()
        if self._number is not None and mine:
            connection.execute(QUERIES["add_arrival"], (self._number, *span_us(mine)))

    def _waiting_here(self) -> dict[str, tuple[Keys, Times]]:
        """Return the rows that wait below the number of this commit, by table; of some tables none."""
        return {
            table: (keys[is_mine], times_us[is_mine])
            for table, (keys, times_us, is_mine) in self._written.items()
            if is_mine.any()
        }

    def _put_rows(
        self, connection: sqlite3.Connection, table: Table, keys: Keys, times_us: Times, rows: Rows
    ) -> NDArray[np.bool_]:
        """Write the rows of a commit into one table, each where it belongs.

        Parameters
        ----------
        keys, times_us
            Of the rows, shape (n,), in this order, each pair once.
        rows
            Gives them.

        Returns
        -------
        numpy.ndarray
            Which of them wait, shape (n,).
        """
        below = self._below(connection, table, keys, times_us)
        waits = below > 0
        if waits.any():
            chosen = np.flatnonzero(waits)
            chosen = chosen[np.argsort(below[chosen], kind="stable")]
            put_many(connection, table.put_arrived, rows(chosen, below[chosen]), may_repeat=True)
        if not waits.all():
            put_many(connection, table.put, rows(np.flatnonzero(~waits), None), may_repeat=True)
        mine = below == (self._number or -1)
        self._written[table.name] = keys, times_us, mine
        return waits

    def _below(
        self, connection: sqlite3.Connection, table: Table, keys: Keys, times_us: Times
    ) -> NDArray[np.int64]:
        """Return the commit below whose number each row is to stand; 0: in the table itself."""
        if self._number is None and not self._rows_wait:
            return np.zeros(len(keys), np.int64)
        below = np.full(len(keys), self._number or 0)
        is_late = times_us <= self._newest_of(connection, table).at(keys)
        if not is_late.any():
            return below
        late = np.flatnonzero(is_late)
        found = self._arrivals.find(table.name, keys[late], times_us[late])
        below[late[found > 0]] = found[found > 0]
        if self._number is not None:
            late = late[found == 0]
            below[late[self._are_known(connection, table, keys[late], times_us[late])]] = 0
        return below

    def _are_known(
        self, connection: sqlite3.Connection, table: Table, keys: Keys, times_us: Times
    ) -> NDArray[np.bool_]:
        """Return which rows stand in their table already; shape (n,)."""
        known = np.zeros(len(keys), np.bool_)
        for begin in range(0, len(keys), _ASKED_AT_ONCE):
            some = slice(begin, begin + _ASKED_AT_ONCE)
            asked = json.dumps(list(zip(keys[some].tolist(), times_us[some].tolist(), strict=True)))
            known[[begin + i for (i,) in connection.execute(table.known, {"rows": asked})]] = True
        return known

    def _newest_of(self, connection: sqlite3.Connection, table: Table) -> Newest:
        """Return it as it was before this commit."""
        if table.name not in self._newest:
            self._newest[table.name] = Newest.of(connection.execute(QUERIES[_NEWEST[table.name]]))
        return self._newest[table.name]

    def _remember(self) -> None:
        """Note what was committed."""
        for table, (keys, times_us, _) in self._written.items():
            if table in self._newest:
                self._newest[table].raise_to(keys, times_us)
        mine = self._waiting_here()
        if self._number is not None and mine:
            self._arrivals.add(self._number, mine)

    # --- into the tables ------------------------------------------------------------------------------

    def _bring_all(self) -> None:
        with self._bringing:
            with self._lock:
                last = self._arrivals.next_number - 1
            if last:
                self._go_on(self._bring(last), None)

    def _bring_what_was_left(self) -> None:
        """Bring what a process left that was killed."""
        with self._reading() as connection:
            (last,) = connection.execute(QUERIES["last_arrival"]).fetchone()
        if last is not None:
            with self._bringing:
                self._go_on(self._bring(last), None)

    def _go_on(self, steps: Iterator[None], most_s: float | None) -> None:
        """Take steps for so long, or until there are no more; what has failed is begun anew the next time."""
        until_s = math.inf if most_s is None else time.monotonic() + most_s
        self._steps = None
        for _ in steps:
            if time.monotonic() > until_s:
                self._steps = steps
                break

    def _bring(self, last: int) -> Iterator[None]:
        """Bring rows of commits up to this one into their tables, in short transactions."""
        for table in TABLES.values():
            for low, high in self._spans(table, last):
                asked: Mapping[str, int] = {"last": last, "low": low, "high": high}
                with self._lock:
                    with self._transaction(synced=False) as writer:
                        writer.execute(table.settle, asked)
                        writer.execute(table.leave, asked)
                    self._arrivals.brought(table.name, last, high)
                time.sleep(BREATH_S)  # a commit that waits comes first
                yield
        with self._lock:
            with self._transaction() as writer:
                writer.execute(QUERIES["drop_arrivals"], {"last": last})
            self._arrivals.forget(last)

    def _spans(self, table: Table, last: int) -> list[tuple[int, int]]:
        """Return spans of keys that have the rows of a transaction each; together they have all keys."""
        with self._reading() as connection:
            counts = connection.execute(table.counts, {"last": last}).fetchall()
        spans, low, rows = list[tuple[int, int]](), 0, 0
        for key, count in counts:
            rows += count
            if rows >= STEP_ROWS:
                spans.append((low, key))
                low, rows = key + 1, 0
        if rows:
            spans.append((low, _LAST_KEY))
        return spans
