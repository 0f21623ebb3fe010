"""Paths and templates of a mapping, taken apart once and asked for each sample."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from sensors.payloads import UnusableError, printable

IDS_REMEMBERED = 100_000
"""Datastream ids that are known to be good; most messages bring the same ones again."""

_PLACE = re.compile(r"\{([^{}]+)\}")
_ID = re.compile(r"[^\s\x00-\x1f\x7f\ud800-\udfff]{1,200}")
"""Half a surrogate pair, which JSON can spell, is no text: neither a store nor a wire takes it."""

ABSENT = object()
Finder = Callable[[Any], Any]
"""Returns what stands at a path, or `ABSENT`."""
Namer = Callable[[list[str], Any, Any], str]
"""Returns the datastream's id, given the levels of the topic, the sample and the message."""


def is_key(path: str) -> bool:
    """Return whether a path is one key of a table, and nothing else."""
    return bool(path) and "." not in path and not _is_index(path)


def finder(path: str) -> Finder:
    """Return what finds a path: keys and list indices with dots between them, or a key that holds dots."""
    if not path:
        return lambda node: node
    if is_key(path):
        return lambda node: node.get(path, ABSENT) if isinstance(node, dict) else ABSENT
    keys = [(key, int(key[:9]) if _is_index(key) else None) for key in path.split(".")]

    def find(node: Any) -> Any:
        if isinstance(node, dict) and path in node:
            return node[path]
        for key, index in keys:
            if isinstance(node, dict) and key in node:
                node = node[key]
            elif isinstance(node, list) and index is not None and index < len(node):
                node = node[index]
            else:
                return ABSENT
        return node

    return find


def namer(template: str) -> Namer:
    """Return what fills a template: `{1}` is a level of the topic, `{name}` a field.

    It raises `UnusableError` where a message does not have these. Whether it is an id `checked` tells.
    """
    texts = _PLACE.split(template)  # what stands between the places, and each place's name
    parts = [_field(text) if number % 2 else text for number, text in enumerate(texts)]
    filled = [part for part in parts if part]
    if len(filled) == 1 and not isinstance(only := filled[0], str):
        return only

    def name_of(levels: list[str], sample: Any, message: Any) -> str:
        return "".join(x if isinstance(x, str) else x(levels, sample, message) for x in filled)

    return name_of


def name_of_field(template: str) -> str:
    """Return the key of the field that a template is filled with; empty: there is more to it than that."""
    place = _PLACE.fullmatch(template)
    return place[1] if place is not None and is_key(place[1]) else ""


def part_of_id(text: str) -> str:
    """Return a device's own name as ids of datastreams have it: no spaces, and a dot for each slash."""
    return "_".join(text.replace("/", ".").split())


def _is_index(key: str) -> bool:
    return key.isascii() and key.isdigit()


def _field(name: str) -> Namer:
    """Return what fills one place of a template."""
    if _is_index(name):
        index = int(name[:9])

        def level(levels: list[str], _sample: Any, _message: Any) -> str:
            if index >= len(levels):
                raise UnusableError(f"the datastream asks for level {name[:9]} of the topic, which has fewer")
            return levels[index]

        return level
    find = finder(name)

    def field(_levels: list[str], sample: Any, message: Any) -> str:
        found = find(sample)
        if found is ABSENT:
            found = find(message)
        if isinstance(found, str):
            return found
        if isinstance(found, bool) or not isinstance(found, int):
            raise UnusableError(f"field {name} should be a name, since the datastream is called after it")
        return str(found) if abs(found) < 10**18 else ""

    return field


@lru_cache(IDS_REMEMBERED)
def checked(name: str) -> str:
    """Return a name that can be a datastream's id.

    Raises
    ------
    UnusableError
        It cannot.
    """
    if not _ID.fullmatch(name):
        raise UnusableError(f"{printable(name)} cannot be a datastream: 1 to 200 characters without spaces")
    return name
