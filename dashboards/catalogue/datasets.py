"""The data sets that there are: observations of each property, networks, stations, alerts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from dashboards.catalogue.holdings import Holdings, joined
from dashboards.catalogue.words import KINDS, KindName, of_network, of_property
from storage.columns import SeriesRow
from storage.extents import Extent
from storage.rows import Box, StationRow
from streams.alert_words import Words

OBSERVATIONS, NETWORK = "observations.", "network."
"""How ids begin of what there is one of for each property, and for each network."""
STATION_SETS: tuple[tuple[str, KindName, float], ...] = (
    ("stations.quality", "quality", 1.0),
    ("stations.figures", "figures", 60.0),
    ("stations.hours", "hours", 3_600.0),
    ("stations.raw", "raw", 1.0),
)
"""Id, kind, and seconds between rows."""
ALERTS = "alerts"

Frequency = Literal["continual", "asNeeded"]
"""As ISO 19115 has it (MD_MaintenanceFrequencyCode)."""


class Member(NamedTuple):
    """A series or station of a data set."""

    id: str
    name: str
    longitude: float | None
    latitude: float | None
    height_m: float | None
    extent: Extent | None


@dataclass(frozen=True, slots=True)
class DataSet:
    """What is known of a data set."""

    id: str
    kind: KindName
    title: Words
    abstract: Words
    members: Sequence[Member]
    """By id; none of alerts."""
    extent: Extent | None
    box: Box | None
    """None: no place is known."""
    unit: str = ""
    """Of values; empty: it has several, or none."""
    definition: str = ""
    """Where a vocabulary says what is observed."""
    properties: tuple[str, ...] = ()
    datums: tuple[str, ...] = ()
    """Of heights."""
    period_s: float | None = None
    """Between rows."""
    frequency: Frequency = "continual"


def data_sets(holdings: Holdings, stations: Sequence[StationRow], *, has_raw: bool) -> list[DataSet]:
    """Return all data sets, by kind and id.

    Parameters
    ----------
    stations
        With places as exact as whoever asks may know them.
    has_raw
        This process has the archive of what stations sent.
    """
    made = [*_observations(holdings), *_networks(holdings)]
    if stations:
        made += _of_stations(holdings, stations, has_raw=has_raw)
    alerts = KINDS["alerts"]
    everywhere = [
        *(_series(row, holdings) for row in holdings.series),
        *(_station(row, {}) for row in stations),
    ]
    made.append(
        DataSet(
            ALERTS, "alerts", alerts.title, alerts.abstract, [], holdings.alerts, _box(everywhere),
            frequency="asNeeded",
        )
    )  # fmt: skip
    return made


def find(sets: Iterable[DataSet], identity: str) -> DataSet | None:
    """Return the data set of an id."""
    return next((one for one in sets if one.id == identity), None)


def _observations(holdings: Holdings) -> Iterator[DataSet]:
    groups: dict[str, list[SeriesRow]] = defaultdict(list)
    for row in holdings.series:
        groups[row.property_id].append(row)
    for name in sorted(groups):
        observed = holdings.properties.get(name)
        title, abstract = of_property(name, observed)
        unit = "" if observed is None else observed.unit
        yield _of_series(
            f"{OBSERVATIONS}{name}",
            "observations",
            (title, abstract),
            groups[name],
            holdings,
            unit=unit,
            definition="" if observed is None else observed.definition,
            period_s=None if observed is None else observed.sampling_period_s,
        )


def _networks(holdings: Holdings) -> Iterator[DataSet]:
    for name, members in holdings.networks.items():
        rows = [row for row in holdings.series if row.id in members]
        yield _of_series(f"{NETWORK}{name}", "network", of_network(name), rows, holdings)


def _of_series(
    identity: str,
    kind: KindName,
    words: tuple[Words, Words],
    rows: Sequence[SeriesRow],
    holdings: Holdings,
    *,
    unit: str = "",
    definition: str = "",
    period_s: float | None = None,
) -> DataSet:
    members = [_series(row, holdings) for row in rows]
    return DataSet(
        identity,
        kind,
        *words,
        members,
        joined(one.extent for one in members),
        _box(members),
        unit=unit,
        definition=definition,
        properties=tuple(sorted({row.property_id for row in rows})),
        datums=tuple(sorted({row.height_datum for row in rows if row.height_m is not None})),
        period_s=period_s,
    )


def _of_stations(holdings: Holdings, stations: Sequence[StationRow], *, has_raw: bool) -> Iterator[DataSet]:
    extents: dict[KindName, Mapping[str, Extent]] = {
        "quality": holdings.reports, "figures": holdings.figures, "hours": holdings.hours,
        "raw": holdings.reports,
    }  # fmt: skip
    for identity, kind, period_s in STATION_SETS:
        if kind == "raw" and not has_raw:
            continue
        members = [_station(row, extents[kind]) for row in stations]
        yield DataSet(
            identity,
            kind,
            KINDS[kind].title,
            KINDS[kind].abstract,
            members,
            joined(one.extent for one in members),
            _box(members),
            datums=("ellipsoidal",) if any(one.height_m is not None for one in members) else (),
            period_s=period_s,
        )


def _series(row: SeriesRow, holdings: Holdings) -> Member:
    extent = holdings.series_extents.get(row.key)
    return Member(row.id, row.name, row.longitude, row.latitude, row.height_m, extent)


def _station(row: StationRow, extents: Mapping[str, Extent]) -> Member:
    return Member(row.id, row.name, row.longitude, row.latitude, row.height_m, extents.get(row.id))


def _box(members: Iterable[Member]) -> Box | None:
    known = [
        (one.longitude, one.latitude)
        for one in members
        if one.longitude is not None and one.latitude is not None
    ]
    if not known:
        return None
    longitudes, latitudes = zip(*known, strict=True)
    return Box(min(longitudes), min(latitudes), max(longitudes), max(latitudes))
