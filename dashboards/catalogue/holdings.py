"""What is stored of which series and stations: read once for some minutes, then told in every form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from sensors.model import ObservedProperty
from storage.columns import SeriesRow
from storage.extents import Extent
from storage.pages import every
from storage.rows import StationRow
from storage.store import Store
from streams.network_definition import NetworkDefinition
from streams.records import Change, ObjectKind

Properties = Mapping[str, ObservedProperty]
MOST_SERIES = 1_000_000
PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Holdings:
    """Series and stations with the extents of what is stored of them."""

    properties: Properties
    series: Sequence[SeriesRow]
    """By id."""
    series_extents: Mapping[int, Extent]
    """By `SeriesRow.key`."""
    networks: Mapping[str, frozenset[str]]
    """Datastreams of each network, as it is now."""
    stations: Sequence[StationRow]
    """By id, with their exact places."""
    reports: Mapping[str, Extent]
    figures: Mapping[str, Extent]
    hours: Mapping[str, Extent]
    """By station."""
    alerts: Extent | None


def read(store: Store, configured: Mapping[str, Iterable[str]]) -> Holdings:
    """Read what there is; `configured` are the members of networks that the configuration names."""
    series = store.series(limit=MOST_SERIES)
    return Holdings(
        properties={one.id: one for one in store.observed_properties()},
        series=series,
        series_extents=store.series_extents([row.key for row in series]),
        networks=_networks(store, configured),
        stations=store.station_places(),
        reports=store.station_extents("reports"),
        figures=store.station_extents("figures"),
        hours=store.station_extents("periods"),
        alerts=store.alert_extent(),
    )


def joined(extents: Iterable[Extent | None]) -> Extent | None:
    """Return from the earliest begin to the latest end; None: of none there is anything."""
    known = [one for one in extents if one is not None]
    if not known:
        return None
    return Extent(min(one.begin_us for one in known), max(one.end_us for one in known))


def objects(store: Store, kind: ObjectKind) -> Iterator[Change]:
    """Return the newest change of each object of a kind that commands made."""
    return every(lambda after: store.objects(kind, after=after, limit=PAGE))


def _networks(store: Store, configured: Mapping[str, Iterable[str]]) -> dict[str, frozenset[str]]:
    found = {name: frozenset(members) for name, members in configured.items()}
    for name in configured:
        change = store.object("network", name)
        if change is not None and change.after is None and change.verb != "revert":
            del found[name]
    for change in objects(store, "network"):
        if change.after is not None and change.verb != "revert":
            found[change.id] = frozenset(msgspec.convert(change.after, NetworkDefinition).members)
    return dict(sorted(found.items()))
