"""Which levels answer a question: the coarsest that is exact, for each part of its time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from storage.sql.levels import END_US, FIRST_US, LENGTHS_US, ROWS, ceil_to, floor_to

_MOST_HOLES = 32
"""Pieces of a range that are read apart; more become one."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a range and the level that it is read from."""

    level: int
    start_us: int
    end_us: int


def pieces(
    start_us: int,
    end_us: int,
    window_us: int,
    marks: Sequence[tuple[int, int, int]],
    floors: Mapping[int, int],
) -> list[Piece]:
    """Return what to read for windows over a range, oldest first.

    Parameters
    ----------
    marks
        Level, begin and end of what is not to be believed, each with all levels above it.
    floors
        By level: what lies before is no longer there.
    """
    usable = [level for level in (2, 1, 0) if window_us % LENGTHS_US[level] == 0]
    # of what is no longer there nothing better can be made
    lows = [floors.get(level - 1, FIRST_US) for level, _, _ in marks]
    heeded = [
        (level, max(low, begin_us), until_us)
        for low, (level, begin_us, until_us) in zip(lows, marks, strict=True)
        if until_us > low
    ]
    return list(_cover(start_us, end_us, usable, heeded, floors))


def _cover(
    start_us: int,
    end_us: int,
    levels: Sequence[int],
    marks: Sequence[tuple[int, int, int]],
    floors: Mapping[int, int],
) -> Iterator[Piece]:
    if start_us >= end_us:
        return
    if not levels:
        yield Piece(ROWS, start_us, end_us)
        return
    level, rest = levels[0], levels[1:]
    length_us = LENGTHS_US[level]
    low = ceil_to(max(start_us, floors.get(level, FIRST_US), FIRST_US), length_us)
    high = floor_to(min(end_us, END_US), length_us)
    if low >= high:
        yield from _cover(start_us, end_us, rest, marks, floors)
        return
    yield from _cover(start_us, low, rest, marks, floors)
    at_us = low
    for begin_us, until_us in _holes(level, low, high, marks):
        if at_us < begin_us:
            yield Piece(level, at_us, begin_us)
        yield from _cover(begin_us, until_us, rest, marks, floors)
        at_us = until_us
    if at_us < high:
        yield Piece(level, at_us, high)
    yield from _cover(high, end_us, rest, marks, floors)


def _holes(level: int, low: int, high: int, marks: Sequence[tuple[int, int, int]]) -> list[tuple[int, int]]:
    """Return where this level is not to be believed: whole buckets, apart from each other."""
    length_us = LENGTHS_US[level]
    spans = sorted(
        (max(low, floor_to(begin_us, length_us)), min(high, ceil_to(end_us, length_us)))
        for below, begin_us, end_us in marks
        if below <= level and begin_us < high and end_us > low
    )
    holes: list[tuple[int, int]] = []
    for begin_us, end_us in spans:
        if holes and begin_us <= holes[-1][1]:
            holes[-1] = (holes[-1][0], max(holes[-1][1], end_us))
        else:
            holes.append((begin_us, end_us))
    return holes if len(holes) <= _MOST_HOLES else [(holes[0][0], holes[-1][1])]
