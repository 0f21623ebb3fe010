"""Observations of OGC SensorThings (18-088, create-observations-via-mqtt): created by being published.

A message is one observation as it would be posted. Its datastream stands in the topic, as
`v1.1/Datastreams('ID')/Observations` has it, or in the message, where the topic is `v1.1/Observations`. What
a service itself tells of observations comes on the same topics; it has `@iot.selfLink` and is passed over.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from sensors.payloads import Place, Rows, UnusableError, printable, register
from sensors.payloads.mapping import FormatMapping, read_place
from sensors.payloads.numbers import read_number
from sensors.payloads.paths import checked
from sensors.payloads.times import Clock, read_time

_TOPIC = re.compile(r"(?:^|/)Datastreams\((?:'((?:[^']|'')+)'|([^'()]+))\)/Observations\Z")
_KNOWN = {"phenomenonTime", "resultTime", "result", "Datastream", "FeatureOfInterest", "parameters"}


class SensorThingsMapping(FormatMapping, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """How the messages of some topics are read: `v1.1/+/Observations` and `v1.1/Observations`."""

    def read(self, rows: Rows, payload: bytes, clock: Clock) -> None:
        """Add the observation of a message."""
        try:
            body = msgspec.json.decode(payload, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UnusableError(f"this is no observation in JSON ({error})") from None
        if "@iot.selfLink" in body:
            rows.note("silent", "this is what the service tells of an observation")
            return
        if unknown := sorted({name for name in body if "@iot." not in name} - _KNOWN):
            raise UnusableError(f"{printable(unknown[0])} of an observation cannot be kept; leave it out")
        if body.get("parameters"):
            raise UnusableError("parameters of an observation cannot be kept; leave them out")
        name = checked(_datastream_of(rows.topic, body))
        if "result" not in body or isinstance(body["result"], bool | str):
            raise UnusableError("result should be a number, or null where there is none")
        value = read_number(body["result"], "result")
        rows.add(name, _time_us(rows, body, clock), value, None, _place(rows, body))


def _datastream_of(topic: str, body: dict[str, Any]) -> str:
    if found := _TOPIC.search(topic):
        return found[2] or found[1].replace("''", "'")
    link = body.get("Datastream")
    identity = link.get("@iot.id") if isinstance(link, dict) else None
    if not topic.endswith("Observations") or not isinstance(identity, str):
        raise UnusableError('nothing says which datastream this is of; give "Datastream": {"@iot.id": "ID"}')
    return identity


def _time_us(rows: Rows, body: dict[str, Any], clock: Clock) -> int:
    raw = body.get("phenomenonTime")
    if raw is None:
        return clock.arrival(rows)
    time_us = read_time(raw, "iso8601", "UTC", "phenomenonTime")
    if doubt := clock.doubt(time_us):
        raise UnusableError(f"phenomenonTime {doubt}; correct the clock")
    return time_us


def _place(rows: Rows, body: dict[str, Any]) -> Place | None:
    """Return where the observation was made; None: at its thing, or where cannot be read, which is noted."""
    where = body.get("FeatureOfInterest")
    geometry = where.get("feature") if isinstance(where, dict) else None
    if isinstance(geometry, dict) and geometry.get("type") == "Feature":
        geometry = geometry.get("geometry")
    if where is None or (isinstance(where, dict) and "feature" not in where):
        return None
    found = geometry.get("coordinates") if isinstance(geometry, dict) else None
    if not isinstance(found, list) or len(found) not in {2, 3}:
        rows.note("unplaced", "feature is no GeoJSON point")
        return None
    names = ("longitude", "latitude", "height")
    return read_place(rows, list(zip(names, [*found, None][:3], strict=True)), ())


register("sensorthings", SensorThingsMapping)
