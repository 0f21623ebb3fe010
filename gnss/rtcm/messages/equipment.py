"""1007, 1008, 1033: what antenna and receiver a station has."""

from __future__ import annotations

from gnss.rtcm.fields import Field, Unsigned, Values
from gnss.rtcm.messages import Table, register, told
from gnss.rtcm.texts import Text

_ANTENNA: tuple[Field, ...] = (
    Unsigned("reference_station", 12),
    Text("antenna_descriptor"),
    Unsigned("antenna_setup", 8),
)
_SERIAL = Text("antenna_serial")


def _line(values: Values) -> str:
    parts = [f"station {values['reference_station']}", told("antenna", values["antenna_descriptor"])]
    if values.get("antenna_serial"):
        parts.append(told("serial", values["antenna_serial"]))
    if "receiver_descriptor" in values:
        parts.append(told("receiver", values["receiver_descriptor"]))
        parts.append(told("firmware", values["receiver_firmware"]))
    if values.get("receiver_serial"):
        parts.append(told("serial", values["receiver_serial"]))
    return ", ".join(parts)


register(
    Table(1007, "antenna", _ANTENNA, line=_line),
    Table(1008, "antenna and serial number", (*_ANTENNA, _SERIAL), line=_line),
    Table(
        1033,
        "receiver and antenna",
        (
            *_ANTENNA,
            _SERIAL,
            Text("receiver_descriptor"),
            Text("receiver_firmware"),
            Text("receiver_serial"),
        ),
        line=_line,
    ),
)
