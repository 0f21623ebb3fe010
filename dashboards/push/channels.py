"""Channels: what a viewer may ask to be told of."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from enum import IntEnum

from sensors.detectors import LEVELS

NETWORK = "network"
KINDS = ("region", "station", "thing", "property", "level")
"""Of channels that name something; the whole network has no name."""
MOST_CHANNELS = 100
"""Of one viewer."""
MOST_LETTERS = 300
"""Of one channel."""


class Source(IntEnum):
    """What channels are made of. Its order is that of the places in a cursor."""

    REPORTS = 0
    SAMPLES = 1
    ALERTS = 2


_SOURCES = {
    NETWORK: frozenset({Source.REPORTS, Source.ALERTS}),
    "region": frozenset({Source.REPORTS, Source.ALERTS}),
    "station": frozenset({Source.REPORTS, Source.ALERTS}),
    "thing": frozenset({Source.SAMPLES, Source.ALERTS}),
    "property": frozenset({Source.SAMPLES, Source.ALERTS}),
    "level": frozenset({Source.ALERTS}),
}
_OF_CHANGES = (NETWORK, "region")
"""Those that tell verdicts of stations only where they change."""


def channels_of(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the channels that lists name, each once and in order: the same for all who ask for the same.

    Parameters
    ----------
    texts
        Channels with commas between them; one that has a comma itself stands in quotes, as in CSV.

    Raises
    ------
    ValueError
        One is no channel, or there are none or too many; the text says what to write.
    """
    try:
        rows = csv.reader(list(texts), skipinitialspace=True, strict=True)
        found = {one for row in rows for one in row if one}
    except csv.Error as error:
        raise ValueError(f"this is no list of channels: {error}") from None
    if not found:
        raise ValueError(f"name a channel: {NETWORK}, or {', '.join(f'{kind}:ID' for kind in KINDS)}")
    if len(found) > MOST_CHANNELS:
        raise ValueError(f"these are {len(found)} channels: ask for at most {MOST_CHANNELS}")
    for one in found:
        _check(one)
    return tuple(sorted(found))


def sources_of(channels: Sequence[str]) -> frozenset[Source]:
    """Return what channels are made of."""
    return frozenset().union(*(_SOURCES[one.partition(":")[0]] for one in channels))


def tells_changes(channels: Sequence[str]) -> bool:
    """Return whether one of them tells verdicts of stations where they change."""
    return any(one.partition(":")[0] in _OF_CHANGES for one in channels)


def _check(channel: str) -> None:
    kind, colon, name = channel.partition(":")
    shown = ascii(channel[:60])
    if channel == NETWORK:
        return
    if not colon or kind not in KINDS:
        known = ", ".join(f"{one}:ID" for one in KINDS)
        raise ValueError(f"{shown} is no channel: write {NETWORK}, or one of {known}")
    if kind == "level" and name not in LEVELS:
        raise ValueError(f"{shown} is no channel: a level is one of {', '.join(LEVELS)}")
    if not name and kind != "region":
        raise ValueError(f"{shown} names nothing: write an id behind the colon")
    if len(channel) > MOST_LETTERS:
        raise ValueError(f"{shown}... is too long: a channel has at most {MOST_LETTERS} letters")
