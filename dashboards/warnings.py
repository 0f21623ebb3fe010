"""Alerts as a feed (Atom, RFC 4287) and on the map (GeoJSON, RFC 7946)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote
from xml.etree import ElementTree as ET

import msgspec

from dashboards import present
from dashboards.answers import AlertAnswer
from storage.store import AlertHistory
from streams.alert_words import event_of
from streams.cap.areas import NamedArea, Place
from streams.cap.config import CapConfig
from streams.cap.document import MEDIA_TYPE, clean, headline
from streams.cap.messages import CapMessage

ATOM = "http://www.w3.org/2005/Atom"
FEED_TYPE, MAP_TYPE = "application/atom+xml", "application/geo+json"
_NEVER = "1970-01-01T00:00:00Z"
"""Of a feed in which nothing has happened."""


class Warned(NamedTuple):
    """An alert with what is known of where it is."""

    history: AlertHistory
    place: Place
    area: NamedArea | None
    message: CapMessage | None
    """The one that says how things are; None: it calls nobody."""


def feed(config: CapConfig, items: Sequence[Warned], url: str, query: str, following: str | None) -> bytes:
    """Return a page of the feed: an entry an alert, with the message that says how things are.

    Parameters
    ----------
    items
        Those without a message are left out.
    url
        Where the API is reached, without a slash at its end.
    query
        Of this page; empty: there is none.
    following
        Query of the next page; None: this is the last one.
    """
    told = [(one, one.message) for one in items if one.message is not None]
    root = ET.Element("feed", xmlns=ATOM)
    _text(root, "id", f"tag:{_authority(config)},2026:groundswell/alerts")
    _text(root, "title", f"{config.sender_name}: alerts")
    times = [_time(message) for _, message in told]
    _text(root, "updated", max(times, default=_NEVER))
    _text(ET.SubElement(root, "author"), "name", config.sender_name)
    here = f"{url}/api/v1/alerts.atom"
    _link(root, "self", f"{here}?{query}" if query else here, FEED_TYPE)
    _link(root, "first", here, FEED_TYPE)
    if following is not None:
        _link(root, "next", f"{here}?{following}", FEED_TYPE)
    for (one, message), time in zip(told, times, strict=True):
        _entry(root, config, one, message, time, url)
    made: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return made


def alert_map(items: Sequence[Warned], following: str | None) -> bytes:
    """Return a FeatureCollection: a point an alert, or no geometry where its place is not known.

    Parameters
    ----------
    following
        `next` of the list; None: there are no more.
    """
    features = [_feature(one) for one in items]
    return msgspec.json.encode({"type": "FeatureCollection", "features": features, "next": following})


def _entry(
    root: ET.Element, config: CapConfig, one: Warned, message: CapMessage, time: str, url: str
) -> None:
    alert = one.history.alert
    entry = ET.SubElement(root, "entry")
    _text(entry, "id", f"tag:{_authority(config)},2026:groundswell/alerts/{quote(alert.alert_id, safe=':')}")
    _text(entry, "title", headline(message, one.place, "en"))
    _text(entry, "updated", time)
    _text(entry, "published", present.time_of(alert.opened_at_us).isoformat())
    summary = f"{headline(message, one.place, 'zh-CN')}. {message.step.title}"
    _text(entry, "summary", summary)
    place = f"{url}/api/v1/alerts/{quote(alert.alert_id, safe=':')}"
    _link(entry, "alternate", f"{place}.cap.xml", MEDIA_TYPE)
    _link(entry, "related", place, "application/json")
    ET.SubElement(entry, "category", term=message.type)
    ET.SubElement(entry, "category", term=message.step.level)


def _feature(one: Warned) -> dict[str, Any]:
    place, alert = one.place, present.alert_history(one.history, with_transitions=False)
    geometry = None
    if place.longitude is not None and place.latitude is not None:
        geometry = {"type": "Point", "coordinates": [round(place.longitude, 7), round(place.latitude, 7)]}
    event = event_of(alert.rule, place.domain).words
    return {
        "type": "Feature",
        "id": alert.id,
        "geometry": geometry,
        "properties": {
            **_face(alert),
            "event": event.en,
            "event_zh": event.zh,
            "place": place.name or None,
            "area": None if one.area is None else one.area.name,
        },
    }


def _face(alert: AlertAnswer) -> dict[str, Any]:
    """Return what a map shows of an alert: all but its evidence, which stays at the alert itself."""
    said = msgspec.structs.asdict(alert)
    return {name: value for name, value in said.items() if name not in {"id", "evidence", "transitions"}}


def _time(message: CapMessage) -> str:
    at: datetime = present.time_of(message.step.at_us)
    return at.isoformat()


def _authority(config: CapConfig) -> str:
    """Return the name under which ids are made (RFC 4151): a domain or a mail address."""
    return quote(config.sender, safe="@.-")


def _text(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = clean(text)


def _link(parent: ET.Element, relation: str, target: str, kind: str) -> None:
    ET.SubElement(parent, "link", rel=relation, href=clean(target), type=kind)
