"""Rollups, kept up step by step beside the commits.

A commit notes which minutes its rows touch (`rollup_marks`) and does no more. A step here takes the oldest
mark that is due, makes the buckets that it covers anew from the level below, and marks the buckets above;
all in one transaction, so that a kill loses nothing. Nothing is added to a bucket: rows that come late,
twice or revised are in the level below when the bucket is made of it. A mark is due when its time is mostly
over, so that a bucket is made once.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from storage.rows import RollupHealth
from storage.sql.database import Connection, Parameters
from storage.sql.levels import DAY_US, FIRST_US, KINDS, LENGTHS_US, ROWS, Kind, Mark, ceil_to, floor_to
from storage.sql.marks import MOST_KEYS
from storage.sql.summing import Summing, Sums, longer

SETTLE_US = {"minutes_us": 75_000_000, "hours_us": 4_500_000_000, "days_us": 90_000_000_000}
"""After the first mark of a minute, an hour, a day; it comes when the bucket begins, if nothing is late."""
_DAYS_A_STEP = 400
_DEARER = 10
"""So much more work than a minute is an hour or a day, which this process sums up itself."""


class Rolling(Summing):
    """The part of a store that keeps rollups."""

    _step_buckets: int
    """About so many buckets are made anew in a step."""
    _note = "add_mark"
    """The query by which a commit marks."""

    _frozen = 0

    # --- of each database -----------------------------------------------------------------------------

    @abstractmethod
    def _keeping(self) -> AbstractContextManager[Connection]:
        """Keep rollups in one transaction; nobody else does so at the time."""

    @abstractmethod
    def _put_rollup(self, connection: Connection, kind: Kind, level: int, rows: Sequence[Sums]) -> None:
        """Insert buckets, of which none is there."""

    @abstractmethod
    def _listed(self, value: Any) -> list[int]:
        """Return the list of numbers of a column."""

    # --- for all --------------------------------------------------------------------------------------

    def roll_up(self, now_us: int) -> bool:
        """Make some buckets anew; False: none was due.

        Call it again and again in a thread of its own; a step takes a fraction of a second.

        Raises
        ------
        StorageError
            The database is away. Trying again is always right.
        """
        with self._keeping() as connection:
            due = connection.execute(self._queries["due_mark"], {"now_us": now_us, **SETTLE_US}).fetchone()
            if due is None:
                return False
            number, level, begin_us, end_us = due
            kind = KINDS[number]
            span = _Span(kind, level, begin_us, end_us)
            floor_us = self._floors(connection, kind).get(level - 1, FIRST_US)
            if begin_us < floor_us:
                self._freeze(connection, span, ceil_to(floor_us, LENGTHS_US[level]))
            elif end_us - begin_us > DAY_US and level == 0:
                self._split(connection, span, now_us)
            else:
                self._make_anew(connection, span, now_us)
            return True

    def rollup_health(self) -> RollupHealth:
        """Return how far the rollups are behind."""
        with self._reading() as connection:
            rows = connection.execute(self._queries["count_marks"], {}).fetchall()
        oldest = {level: at_us for level, _, at_us in rows}
        return RollupHealth(sum(n for _, n, _ in rows), oldest.get(0), self._frozen)

    def _mark(self, connection: Connection, kind: Kind, marks: Sequence[Mark], now_us: int) -> None:
        """Note in a commit what its rows touch."""
        rows = [
            {
                "kind": kind.number, "level": 0, "begin_us": one.begin_us, "end_us": one.end_us,
                "marked_at_us": now_us, "keys": None if one.keys is None else self._list(one.keys),
            }
            for one in marks
        ]  # fmt: skip
        for row in rows:
            self._put_mark(connection, row)

    def _put_mark(self, connection: Connection, row: Parameters) -> None:
        connection.execute(self._queries[self._note], row)

    # --- inside ---------------------------------------------------------------------------------------

    def _make_anew(self, connection: Connection, span: _Span, now_us: int) -> None:
        """Make the next of what the marks of a span cover; they go when all is made."""
        work = self._work(connection, span)
        buckets = -(-(span.end_us - span.begin_us) // LENGTHS_US[span.level])
        most = max(1, self._step_buckets // buckets // (1 if span.level == 0 else _DEARER))
        keys = work.keys
        if keys is None:
            keys = self._keys_after(connection, span.kind, work.done_key, most)
        elif len(keys) > most:
            self._replace(connection, span, work, keys[most:])
            keys = keys[:most]
        else:
            self._drop(connection, work.numbers)
        if work.keys is None:
            if len(keys) < most:
                self._drop(connection, work.numbers)
            else:
                asked = {"number": work.numbers[0], "done_key": keys[-1]}
                connection.execute(self._queries["advance_mark"], asked)
        if keys:
            begins = self._make(connection, span, keys)
            self._mark_above(connection, span, begins, None if work.keys is None else keys, now_us)

    def _make(self, connection: Connection, span: _Span, keys: Sequence[int]) -> list[int]:
        """Make buckets of some keys anew; return their begins, each once."""
        kind, level = span.kind, span.level
        length_us = LENGTHS_US[level]
        source = self._sums(connection, kind, level - 1, keys, span.begin_us, span.end_us, length_us)
        rows = source if level - 1 == ROWS else longer(kind, source, length_us)
        asked = {"keys": self._list(keys), "start_us": span.begin_us, "end_us": span.end_us}
        connection.execute(self._rollup_query(f"drop_{kind.name}_rollup", kind, level), asked)
        self._put_rollup(connection, kind, level, rows)
        return sorted({row[1] for row in rows})

    def _mark_above(
        self,
        connection: Connection,
        span: _Span,
        begins: Sequence[int],
        keys: Sequence[int] | None,
        now_us: int,
    ) -> None:
        """Mark what is made of these buckets."""
        level = span.level + 1
        if level == len(LENGTHS_US):
            return
        length_us = LENGTHS_US[level]
        for begin_us in sorted({floor_to(one, length_us) for one in begins}):
            above = _Span(span.kind, level, begin_us, begin_us + length_us)
            self._mark_once(connection, above, keys, now_us)

    def _split(self, connection: Connection, span: _Span, now_us: int) -> None:
        """Replace a mark over a long time by marks of the days in which there are rows, key after key."""
        work = self._work(connection, span)
        if work.keys is None:
            keys = self._keys_after(connection, span.kind, work.done_key, 1)
        else:
            keys = work.keys[:1]
        at_us, days = span.begin_us, 0
        while keys and days < _DAYS_A_STEP:
            asked = {"key": keys[0], "start_us": at_us, "end_us": span.end_us}
            (next_us,) = connection.execute(self._queries[f"next_{span.kind.what}_us"], asked).fetchone()
            if next_us is None:
                break
            begin_us = floor_to(next_us, DAY_US)
            at_us, days = begin_us + DAY_US, days + 1
            day = _Span(span.kind, 0, begin_us, at_us)
            self._mark_once(connection, day, None if work.keys is None else keys, now_us)
        else:
            if keys and at_us < span.end_us:  # the rest of this one waits
                rest = _Span(span.kind, 0, at_us, span.end_us)
                self._mark_once(connection, rest, keys, now_us)
        if work.keys is not None:
            if len(work.keys) > 1:
                self._replace(connection, span, work, work.keys[1:])
            else:
                self._drop(connection, work.numbers)
        elif keys:
            asked = {"number": work.numbers[0], "done_key": keys[0]}
            connection.execute(self._queries["advance_mark"], asked)
        else:
            self._drop(connection, work.numbers)

    def _freeze(self, connection: Connection, span: _Span, floor_us: int) -> None:
        """Leave what lies before a floor as it is."""
        work = self._work(connection, span)
        self._frozen += len(work.numbers)
        if span.end_us <= floor_us:
            self._drop(connection, work.numbers)
        else:
            asked = {"keys": self._list(work.numbers), "begin_us": floor_us}
            connection.execute(self._queries["begin_mark_later"], asked)

    def _work(self, connection: Connection, span: _Span) -> _Work:
        """Return what the marks of a span ask for together; several that name all keys become one."""
        rows = connection.execute(self._queries["marks_of_span"], span.asked()).fetchall()
        numbers = [row[0] for row in rows]
        wide = [row for row in rows if row[1] is None]
        if not wide:
            keys = sorted({key for row in rows for key in self._listed(row[1])})
            if len(keys) <= MOST_KEYS:
                return _Work(numbers, keys, 0, rows[0][3])
        elif len(rows) == 1:
            return _Work(numbers, None, rows[0][2], rows[0][3])
        self._drop(connection, numbers)
        marked_at_us = min(row[3] for row in rows)
        asked = {**span.asked(), "marked_at_us": marked_at_us}
        (number,) = connection.execute(self._queries["add_work"], asked).fetchone()
        return _Work([number], None, 0, marked_at_us)

    def _mark_once(
        self, connection: Connection, span: _Span, keys: Sequence[int] | None, now_us: int
    ) -> None:
        named = None if keys is None else self._list(keys)
        asked = {**span.asked(), "marked_at_us": now_us, "keys": named}
        connection.execute(self._queries["add_mark_once"], asked)

    def _replace(self, connection: Connection, span: _Span, work: _Work, keys: Sequence[int]) -> None:
        self._drop(connection, work.numbers)
        asked = {**span.asked(), "marked_at_us": work.marked_at_us, "keys": self._list(keys)}
        connection.execute(self._queries["add_mark"], asked)

    def _drop(self, connection: Connection, numbers: Sequence[int]) -> None:
        if numbers:
            connection.execute(self._queries["drop_marks"], {"keys": self._list(numbers)})

    def _keys_after(self, connection: Connection, kind: Kind, after: int, limit: int) -> list[int]:
        asked = {"after": after, "limit": limit}
        return [key for (key,) in connection.execute(self._queries[f"{kind.of}_keys_after"], asked)]


@dataclass(frozen=True, slots=True)
class _Span:
    """Buckets of a level that are made anew together."""

    kind: Kind
    level: int
    begin_us: int
    end_us: int

    def asked(self) -> dict[str, Any]:
        """Return it as parameters."""
        return {
            "kind": self.kind.number, "level": self.level, "begin_us": self.begin_us, "end_us": self.end_us,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Work:
    """What the marks of a span ask for."""

    numbers: list[int]
    keys: list[int] | None
    done_key: int
    marked_at_us: int
