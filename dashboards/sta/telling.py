"""What subscribers of SensorThings are told over MQTT (18-088, receive-updates-via-mqtt), and where.

A topic is the path of what it is about: a list of entities, an entity, a property of it, and of observations
some of their values (`?$select=`). An entity is written as HTTP answers it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from dashboards.sta import answer
from dashboards.sta.options import Options, read
from storage.sta_query import SITE, STATION, EntityName, Row
from streams.records import FlaggedSamples, ObjectKind

ENTITIES_OF: dict[ObjectKind, tuple[tuple[EntityName, int], ...]] = {
    "thing": (("Things", SITE), ("Locations", SITE)),
    "station": (("Things", STATION), ("Locations", STATION)),
    "datastream": (("Datastreams", SITE),),
    "sensor": (("Sensors", SITE),),
    "property": (("ObservedProperties", SITE),),
}
"""What is to be told of again when a command changed an object."""
_NO_TOPIC = frozenset("+#\0")


class Told(NamedTuple):
    """A message of a topic."""

    topic: str
    payload: bytes


class Telling:
    """Writes messages.

    Parameters
    ----------
    base
        Address of the service's root, for links.
    prefix
        Begins all topics.
    selects
        Values of observations, with commas between: each gets topics of its own.
    """

    def __init__(self, base: str, prefix: str, selects: Sequence[str]) -> None:
        self._base, self._prefix = base, prefix
        self._whole = Options()
        self._selects = [(text, read([("$select", text)], "Observations", 0)) for text in selects]

    def observations(
        self, batch: FlaggedSamples, rows: range, is_known: Callable[[str], bool]
    ) -> Iterator[Told]:
        """Yield the messages about some samples, of datastreams that are known."""
        tells: dict[str, bool] = {}
        for i in rows:
            name = batch.datastream_ids[batch.series[i]]
            if name not in tells:
                tells[name] = is_known(name) and not _NO_TOPIC & set(name)
            if not tells[name]:
                continue
            row = _row(batch, i, name)
            where = f"{_entity('Datastreams', name)}/Observations"
            whole = self._written("Observations", row, self._whole)
            yield from self._at((where, "Observations"), whole)
            for text, options in self._selects:
                part = self._written("Observations", row, options)
                yield from self._at((f"{where}?$select={text}", f"Observations?$select={text}"), part)

    def entity(self, entity: EntityName, row: Row) -> Iterator[Told]:
        """Yield the messages about an entity that is new or was changed."""
        identity = answer.identity_of(entity, row)
        if _NO_TOPIC & set(identity):
            return
        here = _entity(entity, identity)
        topics = [entity, here]
        if entity == "Datastreams":
            topics.append(f"{_entity('Things', answer.thing_id(row['kind'], row['thing_key']))}/{entity}")
        if entity == "Locations":
            topics.append(f"{_entity('Things', identity)}/{entity}")
        yield from self._at(topics, self._written(entity, row, self._whole))
        for name, value in answer.properties_of(entity, row).items():
            yield from self._at((f"{here}/{name}",), msgspec.json.encode({name: value}))

    def _written(self, entity: EntityName, row: Row, options: Options) -> bytes:
        return msgspec.json.encode(answer.entity(self._base, entity, row, options))

    def _at(self, topics: Sequence[str], payload: bytes) -> Iterator[Told]:
        for topic in topics:
            yield Told(f"{self._prefix}/{topic}", payload)


def _entity(entity: str, identity: str) -> str:
    return f"{entity}('{identity.replace(chr(39), 2 * chr(39))}')"


def _row(batch: FlaggedSamples, i: int, name: str) -> Row:
    """Return a sample as the database has it."""
    value = float(batch.value[i])
    return {
        "kind": SITE,
        "time_us": int(batch.time_us[i]),
        "received_at_us": int(batch.received_at_us[i]),
        "result": value if math.isfinite(value) else None,
        "flag": int(batch.flag[i]),
        "test_flags": dict(zip(batch.tests, batch.flags[i].tolist(), strict=True)),
        "revision": int(batch.revision[i]),
        "datastream": {"id": name},
    }
