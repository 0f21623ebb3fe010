"""What is asked for: when, where, and of what."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Narrows a question; what is left out does not.

    Parameters
    ----------
    start, end
        With their zone; 24 hours before the end, and now.
    datastreams, things, properties, stations, networks
        Ids.
    region
        As the way down the tree; empty: what is of here.
    bbox
        West, south, east, north in degrees.
    polygon
        In WKT: `POLYGON((120 30, 123 30, 123 32, 120 30))`.
    near, radius_m
        Longitude and latitude, and so far around it.
    """

    start: datetime | None = None
    end: datetime | None = None
    datastreams: Sequence[str] | None = None
    things: Sequence[str] | None = None
    properties: Sequence[str] | None = None
    stations: Sequence[str] | None = None
    networks: Sequence[str] | None = None
    region: str | None = None
    bbox: tuple[float, float, float, float] | None = None
    polygon: str | None = None
    near: tuple[float, float] | None = None
    radius_m: float | None = None

    def parameters(self) -> dict[str, str | float | None]:
        """Return the parameters of a query."""
        return {
            "start": time_text(self.start),
            "end": time_text(self.end),
            "datastream": _names(self.datastreams),
            "thing": _names(self.things),
            "property": _names(self.properties),
            "station": _names(self.stations),
            "network": _names(self.networks),
            "region": self.region,
            "bbox": _figures(self.bbox),
            "polygon": self.polygon,
            "near": _figures(self.near),
            "radius_m": self.radius_m,
        }


def time_text(time: datetime | None) -> str | None:
    """Return a time as the API takes it.

    Raises
    ------
    ValueError
        It has no zone.
    """
    if time is not None and time.tzinfo is None:
        raise ValueError(f"the time {time} has no zone: give it one, for instance tzinfo=UTC")
    return None if time is None else time.isoformat()


def _names(names: Sequence[str] | None) -> str | None:
    if names is None:
        return None
    if isinstance(names, str):
        names = [names]
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(names)
    return line.getvalue()


def _figures(figures: Sequence[float] | None) -> str | None:
    return None if figures is None else ",".join(repr(float(one)) for one in figures)
