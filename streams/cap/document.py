"""One message of the Common Alerting Protocol 1.2 as XML. Pure: values in, bytes out.

Polygons and circles are latitude first, unlike GeoJSON. A time has an offset and never a Z (section 3.3.2);
identifiers and senders have no space, comma, `<` or `&` (section 3.2.1), since references are lists of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Literal
from xml.etree import ElementTree as ET

from sensors.detectors import Level
from streams.alert_words import LEVEL, Words, event_of
from streams.cap.areas import NamedArea, Place
from streams.cap.config import CapConfig
from streams.cap.messages import CapMessage, messages
from streams.records import AlertTransition

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
MEDIA_TYPE = "application/cap+xml"
MOST_REFERENCES = 50
MOST_PARAMETERS = 20

Language = Literal["zh-CN", "en"]
_SEVERITY: dict[Level, str] = {"red": "Extreme", "orange": "Severe", "yellow": "Moderate", "blue": "Minor"}
_URGENCY: dict[Level, str] = {
    "red": "Immediate",
    "orange": "Expected",
    "yellow": "Expected",
    "blue": "Future",
}
_RESPONSE: dict[Level, str] = {"red": "Execute", "orange": "Prepare", "yellow": "Monitor", "blue": "Monitor"}
_INSTRUCTION: dict[str, Words] = {
    "Execute": Words("Act now as your plan for a red warning says.", "请立即按红色预警预案行动。"),
    "Prepare": Words("Get ready to act as your plan says.", "请按预案做好行动准备。"),
    "Monitor": Words("Watch how things develop.", "请密切关注事态发展。"),
    "AllClear": Words("The warning is over.", "预警解除。"),
}
_CERTAINTIES = ("Observed", "Likely", "Possible", "Unlikely", "Unknown")
_EXPECTED_KEYS = ("forecast", "predicted", "expected")
"""In the evidence of what is not there yet."""
# XML 1.0, production 2: what is in no document, however it is escaped
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NO_IDENTIFIER = re.compile(r"[\s,<&]")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known besides the alert itself."""

    place: Place = field(default_factory=Place)
    area: NamedArea | None = None
    web: str = ""
    """Where the alert is shown; empty: nowhere."""


def document(
    config: CapConfig, steps: Sequence[AlertTransition], message: CapMessage, around: Surroundings
) -> bytes:
    """Return a message as an XML document in UTF-8.

    Parameters
    ----------
    steps
        All steps of the alert up to this message or further, oldest first: the message refers to those
        before it.
    message
        One of `messages(steps)`.
    """
    step = message.step
    alert = ET.Element("alert", xmlns=NAMESPACE)
    _add(alert, "identifier", identifier(step))
    _add(alert, "sender", config.sender)
    _add(alert, "sent", time_of(config, step.at_us))
    _add(alert, "status", config.status)
    _add(alert, "msgType", message.type)
    _add(alert, "scope", "Public")
    if message.type == "Ack":
        _add(alert, "note", "The warning was received and answered. 预警已收到并应答。")
    elif config.status != "Actual":
        _add(alert, "note", "This is an exercise or a test, no real warning. 此为演练或测试,并非真实预警。")
    before = [one.step for one in messages(steps) if one.step.number < step.number and one.type != "Ack"]
    if before:
        told = [
            f"{config.sender},{identifier(one)},{time_of(config, one.at_us)}"
            for one in before[-MOST_REFERENCES:]
        ]
        _add(alert, "references", " ".join(told))
    _add(alert, "incidents", _NO_IDENTIFIER.sub("_", step.alert_id))
    if message.type != "Ack":
        for language in ("zh-CN", "en"):
            _info(alert, language, config, message, around)
    made: bytes = ET.tostring(alert, encoding="utf-8", xml_declaration=True)
    return made


def identifier(step: AlertTransition) -> str:
    """Return a message's identifier: the id of the alert and the number of its step."""
    return _NO_IDENTIFIER.sub("_", f"{step.alert_id}.{step.number}")


def headline(message: CapMessage, place: Place, language: Language) -> str:
    """Return one line that says it all, in one language."""
    step = message.step
    event, level = event_of(step.rule, place.domain).words, LEVEL[step.level]
    where = place.name or step.subject_id
    if language == "zh-CN":
        return f"{where}{event.zh}{level.zh}预警" + ("解除" if message.type == "Cancel" else "")
    ended = " is over" if message.type == "Cancel" else ""
    return f"{level.en.capitalize()} warning{ended}: {event.en}, {where}"


def certainty_of(evidence: Mapping[str, Any]) -> str:
    """Return how sure it is: measured, or worked out for the time to come.

    Evidence may say so itself (`certainty`). Where there is none, since a region keeps it, it is likely.
    """
    said = evidence.get("certainty")
    if isinstance(said, str) and said.capitalize() in _CERTAINTIES:
        return said.capitalize()
    expected = any(key.startswith(_EXPECTED_KEYS) for key in evidence)
    return "Observed" if evidence and not expected else "Likely"


def time_of(config: CapConfig, time_us: int) -> str:
    """Return a time with an offset from UTC, in whole seconds; UTC itself is -00:00."""
    zone = timezone(timedelta(seconds=config.offset_s))
    local = (_EPOCH + timedelta(seconds=time_us // 1_000_000)).astimezone(zone)
    return f"{local:%Y-%m-%dT%H:%M:%S}{config.utc_offset if config.offset_s else '-00:00'}"


def clean(text: str) -> str:
    """Return a text without what no XML document can hold."""
    return _NO_XML.sub("\ufffd", text)


def _info(
    alert: ET.Element, language: Language, config: CapConfig, message: CapMessage, around: Surroundings
) -> None:
    step, is_over = message.step, message.type == "Cancel"
    event = event_of(step.rule, around.place.domain)
    response = "AllClear" if is_over else _RESPONSE[step.level]
    info = ET.SubElement(alert, "info")
    _add(info, "language", language)
    _add(info, "category", event.category)
    _add(info, "event", _in(language, event.words))
    _add(info, "responseType", response)
    _add(info, "urgency", "Past" if is_over else _URGENCY[step.level])
    _add(info, "severity", _SEVERITY[step.level])
    _add(info, "certainty", certainty_of(step.evidence))
    _named(info, "eventCode", "groundswell:rule", step.rule)
    _add(info, "effective", time_of(config, step.at_us))
    _add(info, "onset", time_of(config, step.onset_us))
    if config.expires_hours:
        _add(info, "expires", time_of(config, step.at_us + int(config.expires_hours * 3.6e9)))
    name = config.sender_name_zh if language == "zh-CN" else config.sender_name
    _add(info, "senderName", name or config.sender_name)
    _add(info, "headline", headline(message, around.place, language)[:160])
    _add(info, "description", step.title)
    _add(info, "instruction", _in(language, _INSTRUCTION[response]))
    if around.web:
        _add(info, "web", around.web)
    if config.contact:
        _add(info, "contact", config.contact)
    _named(info, "parameter", "groundswell:level", step.level)
    _named(info, "parameter", "groundswell:subject", step.subject_id)
    for key, value in _measures(step.evidence):
        _named(info, "parameter", f"groundswell:{key}", value)
    _area(info, language, config, step, around)


def _area(
    info: ET.Element, language: Language, config: CapConfig, step: AlertTransition, around: Surroundings
) -> None:
    place, known = around.place, around.area
    area = ET.SubElement(info, "area")
    where = place.name or step.subject_id
    if known is not None:
        named = known.name if language == "zh-CN" else known.name_en
        where = f"{named}: {where}"
    _add(area, "areaDesc", where)
    if known is not None:
        for ring in known.rings:
            closed = [*ring, ring[0]] if ring[0] != ring[-1] else ring
            _add(
                area, "polygon", " ".join(f"{latitude:.6f},{longitude:.6f}" for longitude, latitude in closed)
            )
    elif place.longitude is not None and place.latitude is not None:
        _add(area, "circle", f"{place.latitude:.6f},{place.longitude:.6f} {config.radius_km:g}")
    if known is not None:
        for name, code in known.geocodes.items():
            _named(area, "geocode", name, code)


def _measures(evidence: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return figures and texts of the evidence's top level, in its order; tables stay at the API."""
    found = []
    for key, value in evidence.items():
        if isinstance(value, bool | int | float | str) and len(str(value)) <= 200:
            found.append((str(key)[:100], str(value)))
    return found[:MOST_PARAMETERS]


def _in(language: Language, words: Words) -> str:
    return words.zh if language == "zh-CN" else words.en


def _add(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = clean(text)


def _named(parent: ET.Element, kind: str, name: str, value: str) -> None:
    made = ET.SubElement(parent, kind)
    _add(made, "valueName", name)
    _add(made, "value", value)
