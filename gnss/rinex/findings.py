"""Findings of the scans in words."""

from __future__ import annotations

from collections.abc import Callable

from gnss.rinex import epoch_lines as kinds
from gnss.rinex.epoch_lines import Findings
from gnss.rinex.problems import Problems, printable
from gnss.systems import System

_LETTERS = [system.letter for system in System]
_OF_A_FIELD = (kinds.FIELD, kinds.INDICATOR)
_SHOWN = 20


def tell(findings: Findings, line_text: Callable[[int], str], problems: Problems) -> None:
    """Add findings to the problems; `line_text` gives a line, counted from 0."""
    total = int(findings.total[0])
    rows = findings.rows[:total].tolist()
    for line, kind, first, second in rows:
        shown = printable(line_text(line)[:_SHOWN]).rstrip()
        problems.add(line + 1, _words(kind, first, second, shown))
    problems.count_more(total - len(rows))


def _words(kind: int, first: int, second: int, shown: str) -> str:
    satellite = f"{_LETTERS[second >> 8]}{second & 255:02d}" if kind in _OF_A_FIELD else ""
    return {
        kinds.WRONG_COUNT: f"this epoch promises {first} satellites and has {second}",
        kinds.LOST: f"no epoch line, left out as far as the next one: {shown!r}",
        kinds.BAD_EPOCH: f"this epoch line cannot be read: {shown!r}",
        kinds.SATELLITE: f"no satellite that is known: {shown!r}",
        kinds.REPEATED: "a satellite comes twice in its epoch",
        kinds.FIELD: f"field {first + 1} of {satellite} is no number with three decimals",
        kinds.INDICATOR: f"field {first + 1} of {satellite} has no loss of lock indicator",
        kinds.CUT: f"the file ends within this epoch, with {second} of {first} satellites",
        kinds.NO_TYPES: "the header has no observation types for this satellite's system",
    }[kind]
