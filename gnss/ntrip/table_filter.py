"""The filter that a client of NTRIP 2 puts behind `/?` to get a part of the sourcetable.

`STR;;;RTCM 3*;;2;*GAL*;;DEU` asks for lines of a kind whose fields are like those given; empty ones match
all. A field can have `!` (not), `+` (and), `|` (or, which binds least), `*` (any characters), and before a
number `=`, `>`, `<`, `>=` or `<=` (as clients' public descriptions of RTCM 10410.1 tell them). Without case.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields
from urllib.parse import unquote_plus

from gnss.ntrip.sourcetable import CasEntry, NetEntry, Sourcetable, StrEntry, format_entry

MOST_CHARACTERS = 1000
_KINDS = {"STR": StrEntry, "CAS": CasEntry, "NET": NetEntry}
_COMPARED = re.compile(r"(>=|<=|=|>|<)\s*(-?[0-9]+(?:\.[0-9]+)?)")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "=": lambda a, b: a == b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
}
Test = Callable[[str], bool]


def filtered(table: Sourcetable, query: str) -> Sourcetable:
    """Return what a query (without `?`) asks for; all of it where the query is empty.

    Raises
    ------
    ValueError
        It is no filter; the sentence says what one looks like.
    """
    if not query:
        return table
    text = query if len(query) > MOST_CHARACTERS else _unquoted(query)
    kind, *wanted = text[: MOST_CHARACTERS + 1].split(";")
    entry_type = _KINDS.get(kind.strip().upper())
    if entry_type is None or len(text) > MOST_CHARACTERS or len(wanted) > len(fields(entry_type)):
        raise ValueError("this is no filter of a sourcetable; write for instance /?STR;;;;;;;;DEU")
    tests = [(number, _test(one)) for number, one in enumerate(wanted, 1) if one.strip()]

    def is_wanted(entry: StrEntry | CasEntry | NetEntry) -> bool:
        values = format_entry(entry).split(";")
        return all(test(values[number]) for number, test in tests)

    return Sourcetable(
        [one for one in table.streams if kind.strip().upper() == "STR" and is_wanted(one)],
        [one for one in table.casters if kind.strip().upper() == "CAS" and is_wanted(one)],
        [one for one in table.networks if kind.strip().upper() == "NET" and is_wanted(one)],
    )


def _unquoted(query: str) -> str:
    # a plus means "and", unless it is written as a browser writes a blank
    return unquote_plus(query.replace("+", "%2B"))


def _test(criterion: str) -> Test:
    alternatives = [[_term(term) for term in one.split("+") if term.strip()] for one in criterion.split("|")]
    return lambda value: any(terms and all(term(value) for term in terms) for terms in alternatives)


def _term(text: str) -> Test:
    text = text.strip()
    if text.startswith("!"):
        inner = _term(text[1:])
        return lambda value: not inner(value)
    if compared := _COMPARED.fullmatch(text):
        compare, number = _COMPARE[compared[1]], float(compared[2])
        return lambda value: (found := _number(value)) is not None and compare(found, number)
    if "*" not in text:
        wanted = text.lower()
        return lambda value: wanted == value.lower() or wanted in _parts(value)
    pieces = text.lower().split("*")
    return lambda value: _is_like(value.lower(), pieces)


def _is_like(value: str, pieces: list[str]) -> bool:
    """Return whether a text has these pieces in this order; in time that is linear, whatever is asked."""
    first, *middle, last = pieces
    if len(value) < len(first) + len(last) or not (value.startswith(first) and value.endswith(last)):
        return False
    at, end = len(first), len(value) - len(last)
    for piece in middle:
        found = value.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def _parts(value: str) -> list[str]:
    return [part.strip() for part in re.split(r"[+,]", value.lower())]


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None
