"""What is told of where a station is: exactly to who may change it, to others about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from gnss.quality.period import StationPeriod
from storage.rows import StationRow
from streams.records import ObjectKind

DECIMALS = 2
"""Of degrees, about a kilometre: what lists of mountpoints tell by convention."""
_PLACES = frozenset({"position", "place"})
"""What tells it of what a stream says of its station (`gnss.quality.metadata_words`)."""


def coarse_station(row: StationRow, decimals: int) -> StationRow:
    """Return a station with its place rounded to decimals of degrees, and without its height."""
    return msgspec.structs.replace(
        row,
        longitude=_rounded(row.longitude, decimals),
        latitude=_rounded(row.latitude, decimals),
        height_m=None,
    )


def coarse_definition(
    kind: ObjectKind, values: Mapping[str, Any] | None, decimals: int
) -> dict[str, Any] | None:
    """Return a definition with its place as coarse, if it is a station's."""
    if values is None or kind != "station":
        return None if values is None else dict(values)
    places = {name: _rounded(values[name], decimals) for name in ("longitude", "latitude") if name in values}
    return {name: value for name, value in values.items() if name != "height_m"} | places


def without_place(period: StationPeriod) -> StationPeriod:
    """Return what a station's hours show, without where its stream says that it is."""
    told = {name: value for name, value in period.metadata.items() if name not in _PLACES}
    return replace(period, metadata=told)


def _rounded(value: float | None, decimals: int) -> float | None:
    return None if value is None else round(value, decimals)
