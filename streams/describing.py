"""What a region has: its own stations, sites and datastreams as they are in force, and those from below.

Pure. What an installation describes itself wins over what a region below says of the same id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from sensors.model import Datastream, Station, Thing
from streams.definition import Definition
from streams.definitions import (
    CONTROL,
    DatastreamDefinition,
    StationDefinition,
    ThingDefinition,
)
from streams.objects import Base, Objects
from streams.records import (
    Changes,
    DatastreamDescription,
    DescribedKind,
    Description,
    Descriptions,
    Gone,
    ObjectKind,
    Record,
    StationDescription,
    ThingDescription,
)
from streams.regions import within

DESCRIBED: tuple[DescribedKind, ...] = ("station", "thing", "datastream")
MOST_DESCRIBED = 20_000
"""Of a kind that one region may describe, those that are gone included."""
_LINE, _UNIT = 200, 40
_HIGHEST_M = 20_000.0
_KINDS: dict[type[Record], DescribedKind] = {
    StationDescription: "station",
    ThingDescription: "thing",
    DatastreamDescription: "datastream",
}
_FOLLOWED: dict[ObjectKind, DescribedKind] = {kind: kind for kind in DESCRIBED}

Key = tuple[DescribedKind, str]


def kind_of(one: Description) -> DescribedKind:
    """Return what kind of object it is about."""
    return one.kind if isinstance(one, Gone) else _KINDS[type(one)]


def described(identity: str, made: Definition) -> Description:
    """Return what others may know of an object: neither its source nor its limits.

    Raises
    ------
    TypeError
        It is of a kind that nobody describes.
    """
    if isinstance(made, StationDefinition):
        return StationDescription(
            id=identity,
            name=_line(made.name or identity),
            longitude=made.longitude,
            latitude=made.latitude,
            height_m=_height_m(made.height_m),
            interval_s=made.interval_s,
            antenna=None if made.antenna is None else _line(made.antenna),
            receiver=None if made.receiver is None else _line(made.receiver),
            paused=made.paused,
        )
    if isinstance(made, ThingDefinition):
        return ThingDescription(
            id=identity,
            name=_line(made.name or identity),
            longitude=made.longitude,
            latitude=made.latitude,
            height_m=_height_m(made.height_m),
            height_datum=_line(made.height_datum),
            description=made.description.replace("\0", " "),
        )
    if isinstance(made, DatastreamDefinition):
        return DatastreamDescription(
            id=identity,
            thing_id=made.thing,
            property_id=made.property,
            name=_line(made.name or identity),
            unit=_line(made.unit)[:_UNIT],
        )
    raise TypeError(f"nobody describes a {type(made).__name__}")


def entry_of(one: Description) -> Station | Thing | Datastream | None:
    """Return what a registry keeps of a description; None: the object is gone."""
    if isinstance(one, StationDescription):
        return Station(
            id=one.id,
            name=one.name,
            longitude=one.longitude,
            latitude=one.latitude,
            height_m=one.height_m,
            interval_s=one.interval_s,
            antenna=one.antenna,
            receiver=one.receiver,
            paused=one.paused,
        )
    if isinstance(one, ThingDescription):
        return Thing(
            id=one.id,
            name=one.name,
            longitude=one.longitude,
            latitude=one.latitude,
            height_m=one.height_m,
            height_datum=one.height_datum,
            description=one.description,
        )
    if isinstance(one, DatastreamDescription):
        return Datastream(
            id=one.id, thing_id=one.thing_id, property_id=one.property_id, name=one.name, unit=one.unit
        )
    return None


class Below:
    """What one region below says, as far as it is believed: of itself, and no more than `MOST_DESCRIBED`.

    Parameters
    ----------
    region
        Its name, with which all of its ids have to begin.
    """

    def __init__(self, region: str) -> None:
        self.region = region
        self.beyond = 0
        """Descriptions that were left out, since there were too many."""
        self._known: set[Key] = set()
        self._counts: Counter[DescribedKind] = Counter()

    def __len__(self) -> int:
        return len(self._known)

    def take(self, batch: Record) -> list[Description]:
        """Return what counts of a message.

        Raises
        ------
        ValueError
            It speaks of what is not this region's.
        """
        if not isinstance(batch, Descriptions):
            raise ValueError(f"{type(batch).__name__} in the place of descriptions")
        for one in batch.descriptions:
            names = [one.id, one.thing_id] if isinstance(one, DatastreamDescription) else [one.id]
            for name in names:
                if not within(self.region, name):
                    raise ValueError(f"region {self.region} cannot speak of {name[:80]!r}")
        return [one for one in batch.descriptions if self._counts_for(one)]

    def _counts_for(self, one: Description) -> bool:
        kind = kind_of(one)
        key = kind, one.id
        if key in self._known:
            return True
        if isinstance(one, Gone):
            return False
        if self._counts[kind] >= MOST_DESCRIBED:
            self.beyond += 1
            return False
        self._known.add(key)
        self._counts[kind] += 1
        return True


class InForce:
    """All that an installation knows of objects, its own and those of the regions right below it.

    Parameters
    ----------
    base
        What the configuration defines.
    regions
        Names of the regions right below.
    """

    def __init__(self, base: Base, regions: Iterable[str]) -> None:
        self.below = {region: Below(region) for region in regions}
        self._objects = Objects(base, DESCRIBED)
        self._regional: dict[Key, Description] = {}

    @property
    def unreadable(self) -> int:
        """Changes that were passed over, since a newer program wrote them."""
        return self._objects.unreadable

    def take_changes(self, changes: Changes) -> list[Key]:
        """Take changes of own objects; return what they are about."""
        return [(_FOLLOWED[kind], name) for kind, name in self._objects.take(changes)]

    def take_below(self, region: str, batch: Record) -> list[Key]:
        """Take what a region below says; return what it is about.

        Raises
        ------
        ValueError
            It speaks of what is not its own.
        """
        taken = self.below[region].take(batch)
        self._regional.update({(kind_of(one), one.id): one for one in taken})
        return [(kind_of(one), one.id) for one in taken]

    def __iter__(self) -> Iterator[Key]:
        """Yield all objects that are or were described."""
        yield from self._regional
        for kind in DESCRIBED:
            for name, _ in self._objects.all(kind, Definition):
                yield kind, name

    def get(self, key: Key) -> Description:
        """Return what an object is now; `Gone` also for one that never was."""
        own = self._objects.find(*key, Definition)
        if own is not None:
            return described(key[1], own)
        return self._regional.get(key) or Gone(kind=key[0], id=key[1], is_deleted=True)

    def speaker(self, key: Key) -> str:
        """Return the region below that alone can say what an object is; empty: this installation does."""
        if self._objects.find(*key, Definition) is not None:
            return ""
        return next((region for region in self.below if within(region, key[1])), "")


def _line(text: str) -> str:
    """Return a text in one line, as others take it."""
    return CONTROL.sub(" ", text)[:_LINE]


def _height_m(height_m: float | None) -> float | None:
    return None if height_m is None or not abs(height_m) <= _HIGHEST_M else height_m
