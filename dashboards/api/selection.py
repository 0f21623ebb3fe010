"""Which series and stations are asked for: by lists, by place, by network and region."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
from fastapi import Query

from dashboards.api.context import Context
from dashboards.api.parameters import box
from dashboards.export import places
from dashboards.export.places import GEOCENTRIC, SYSTEMS, Region
from dashboards.export.tables import floats
from dashboards.problems import ProblemError
from dashboards.sensitivity import coarse_station
from storage.columns import SeriesRow
from storage.rows import StationRow
from streams.network_definition import NetworkDefinition
from streams.regions import region_of

MOST_NAMES = 1_000
"""Of a list in a question."""
MOST_SERIES = 20_000
MOST_RADIUS_M = 20_037_508.0
_LIST = "Several with commas; one that has a comma in quotes."


@dataclass(frozen=True, slots=True)
class Selection:
    """What is asked for; a list that is None does not narrow it."""

    datastreams: Sequence[str] | None
    things: Sequence[str] | None
    properties: Sequence[str] | None
    stations_named: Sequence[str] | None
    networks: Sequence[str] | None
    region: str | None
    place: Region
    crs: int
    """EPSG code of the places in the answer."""

    def series(self, context: Context) -> list[SeriesRow]:
        """Return the datastreams by id.

        Raises
        ------
        ProblemError
            400: a station is asked for, a network is not known, or there are too many.
        """
        if self.stations_named is not None:
            raise ProblemError(400, "Datastreams have no station: use station-windows, or leave station out.")
        ids = self.datastreams
        if self.networks is not None:
            members = {one for name in self.networks for one in _members(context, name)}
            ids = sorted(members if ids is None else members.intersection(ids))
        rows = context.store.series(
            ids=ids,
            things=self.things,
            properties=self.properties,
            box=self.place.frame(),
            limit=MOST_SERIES + 1,
        )
        if len(rows) > MOST_SERIES:
            raise ProblemError(
                400,
                f"These are more than {MOST_SERIES:,} datastreams: ask for fewer by property or place.",
            )
        if self.region is not None:
            rows = [row for row in rows if context.region_of(row.id) == self.region]
        inside = self.place.holds(
            floats([row.longitude for row in rows]), floats([row.latitude for row in rows])
        )
        return [row for row, is_there in zip(rows, inside.tolist(), strict=True) if is_there]

    def stations(self, context: Context, *, is_exact: bool) -> list[StationRow]:
        """Return the stations by id.

        Who may not know where exactly they are finds them by their coarse places, too: else a small circle
        would tell.

        Raises
        ------
        ProblemError
            400: something of datastreams is asked for.
        """
        if any(one is not None for one in (self.datastreams, self.things, self.properties, self.networks)):
            raise ProblemError(
                400,
                "Stations have no datastream, thing, property or network: ask for windows instead.",
            )
        rows = context.store.station_places()
        if self.stations_named is not None:
            wanted = set(self.stations_named)
            rows = [row for row in rows if row.id in wanted]
        if self.region is not None:
            rows = [row for row in rows if region_of(row.id) == self.region]
        if not is_exact:
            rows = [coarse_station(row, context.station_decimals) for row in rows]
        inside = self.place.holds(
            floats([row.longitude for row in rows]), floats([row.latitude for row in rows])
        )
        return [row for row, is_there in zip(rows, inside.tolist(), strict=True) if is_there]


def selection(
    datastream: Annotated[str | None, Query(description=f"Ids of datastreams. {_LIST}")] = None,
    thing: Annotated[str | None, Query(description=f"Ids of sites. {_LIST}")] = None,
    property_: Annotated[
        str | None, Query(alias="property", description=f"Ids of observed properties. {_LIST}")
    ] = None,
    station: Annotated[str | None, Query(description=f"Ids of stations. {_LIST}")] = None,
    network: Annotated[str | None, Query(description=f"Ids of networks of datastreams. {_LIST}")] = None,
    region: Annotated[str | None, Query(description="As the way down the tree; empty: of here.")] = None,
    bbox: Annotated[str | None, Query(description="west,south,east,north in degrees.")] = None,
    polygon: Annotated[str | None, Query(description="POLYGON((120 30, 123 30, 123 32, 120 30))")] = None,
    near: Annotated[str | None, Query(description="longitude,latitude; with radius_m.")] = None,
    radius_m: Annotated[float | None, Query(gt=0, le=MOST_RADIUS_M, description="Around near.")] = None,
    crs: Annotated[
        str | None, Query(description="Of places in the answer: EPSG:4490, EPSG:4326 or EPSG:4479.")
    ] = None,
    bbox_crs: Annotated[
        str | None, Query(alias="bbox-crs", description="Of bbox, polygon and near; EPSG:4479 of near only.")
    ] = None,
) -> Selection:
    """Read the parameters.

    Raises
    ------
    ProblemError
        400: one of them is none; it says what to write.
    """
    asked_in = _crs(bbox_crs, "bbox-crs")
    if asked_in == GEOCENTRIC and (bbox is not None or polygon is not None):
        raise ProblemError(400, "EPSG:4479 is for near=x,y,z only: give bbox and polygon in degrees.")
    if (near is None) != (radius_m is None):
        raise ProblemError(
            400, "near and radius_m go together: give for instance near=121.5,31.2&radius_m=5000."
        )
    try:
        ring = None if polygon is None else places.polygon(polygon)
    except ValueError as error:
        raise ProblemError(400, f"polygon={polygon[:60] if polygon else ''!r} {error}.") from None
    try:
        centre = None if near is None else places.point(near, asked_in)
    except ValueError as error:
        raise ProblemError(400, f"near={near[:60] if near else ''!r} {error}.") from None
    return Selection(
        datastreams=_names(datastream, "datastream"),
        things=_names(thing, "thing"),
        properties=_names(property_, "property"),
        stations_named=_names(station, "station"),
        networks=_names(network, "network"),
        region=region,
        place=Region(None if bbox is None else box(bbox), ring, centre, radius_m or math.inf),
        crs=_crs(crs, "crs"),
    )


def _names(text: str | None, name: str) -> list[str] | None:
    if text is None:
        return None
    try:
        names = [one for row in csv.reader([text], skipinitialspace=True, strict=True) for one in row if one]
    except csv.Error as error:
        raise ProblemError(
            400, f"{name} is no list: {error}; a name with a comma stands in quotes."
        ) from None
    if not names:
        raise ProblemError(400, f"{name} is empty: name some, or leave it out.")
    if len(names) > MOST_NAMES:
        raise ProblemError(400, f"{name} has {len(names)} names: give at most {MOST_NAMES}.")
    return names


def _crs(text: str | None, name: str) -> int:
    """Return the EPSG code of `EPSG:4490`, `4490` or `http://www.opengis.net/def/crs/EPSG/0/4490`."""
    if text is None:
        return SYSTEMS[0]
    code = text.strip().replace("/", ":").rpartition(":")[2]
    if code not in map(str, SYSTEMS):
        known = ", ".join(f"EPSG:{one}" for one in SYSTEMS)
        raise ProblemError(400, f"{name}={text[:60]!r} is not known here: use one of {known}.")
    return int(code)


def _members(context: Context, network: str) -> Sequence[str]:
    """Return the datastreams of a network, as it is now."""
    change = context.store.object("network", network)
    if change is not None:
        if change.after is not None:
            return msgspec.convert(change.after, NetworkDefinition).members
    elif network in context.networks:
        return context.networks[network]
    raise ProblemError(400, f"There is no network {network[:80]!r}: name one of the configuration.")
