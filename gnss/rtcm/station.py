"""What a station says of itself: its position (1005, 1006), antenna and receiver (1007, 1008, 1033)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from gnss.rtcm.fields import Values
from gnss.rtcm.messages import Message, decode, encode, message
from gnss.rtcm.texts import printable

MESSAGE_WITHOUT_HEIGHT, MESSAGE_WITH_HEIGHT = 1005, 1006
STATION_MESSAGES = frozenset((MESSAGE_WITHOUT_HEIGHT, MESSAGE_WITH_HEIGHT))
METADATA_MESSAGES = STATION_MESSAGES | {1007, 1008, 1033}


@dataclass(frozen=True, slots=True)
class StationPosition:
    """Where a station's antenna reference point is."""

    reference_station: int
    """DF003, 0 to 4095."""
    ecef_m: tuple[float, float, float]
    """Resolution 0.1 mm. Three zeros come from a sender that was not told its position."""
    antenna_height_m: float | None
    """Of the reference point above the marker; None: not told (1005)."""


@dataclass(frozen=True, slots=True)
class StationMetadata:
    """What a station has said of itself so far; None: not told.

    Texts are safe to print and short (`gnss.rtcm.texts.printable`), and never empty.
    """

    reference_station: int | None = None
    """DF003, 0 to 4095."""
    antenna_descriptor: str | None = None
    """Name of antenna and radome, as in the IGS's list where the sender knows it."""
    antenna_serial: str | None = None
    receiver_descriptor: str | None = None
    receiver_firmware: str | None = None
    receiver_serial: str | None = None
    position: StationPosition | None = None
    antenna_height_m: float | None = None
    """Of the reference point above the marker; a 1005 does not tell it and leaves it as it is."""


def decode_position(payload: bytes) -> StationPosition | None:
    """Return the position of a 1005 or 1006; None for another message, or one that is too short."""
    values = _values(payload, STATION_MESSAGES)
    return None if values is None else _position(values)


def update(metadata: StationMetadata, payload: bytes) -> StationMetadata:
    """Return the metadata after one more message; the same for a message that tells none, or that is damaged.

    The last that was told wins. An empty text and a position of three zeros tell nothing. Another reference
    station is another station, of which nothing is known yet; another antenna or receiver has another serial
    number (and firmware): the old one is forgotten even if the message tells no new one.
    """
    values = _values(payload, METADATA_MESSAGES)
    if values is None:
        return metadata
    station = values["reference_station"]
    if metadata.reference_station != station:
        metadata = StationMetadata(reference_station=station)
    if "x_m" in values:
        position = _position(values)
        if not any(position.ecef_m):
            return metadata
        height_m = position.antenna_height_m
        known_m = metadata.antenna_height_m if height_m is None else height_m
        return replace(metadata, position=position, antenna_height_m=known_m)
    told: dict[str, Any] = {name: printable(v) for name, v in values.items() if isinstance(v, str)}
    if told["antenna_descriptor"] not in {"", metadata.antenna_descriptor}:
        metadata = replace(metadata, antenna_serial=None)
    if told.get("receiver_descriptor", "") not in {"", metadata.receiver_descriptor}:
        metadata = replace(metadata, receiver_firmware=None, receiver_serial=None)
    return replace(metadata, **{name: text for name, text in told.items() if text})


def encode_1006(reference_station: int, ecef_m: tuple[float, float, float], antenna_height_m: float) -> bytes:
    """Return the payload of a 1006 (`gnss.rtcm.framing.build_frame` frames it), rounded to 0.1 mm.

    The ITRF realization year, the oscillator and quarter-cycle indicators are sent as 0, a physical station
    of GPS, GLONASS and Galileo.

    Raises
    ------
    ValueError
        A value that does not fit its field: coordinates beyond 13,743 km, heights outside of 0 to 6.5535 m.
    """
    x_m, y_m, z_m = ecef_m
    values = {
        "reference_station": reference_station,
        "itrf_year": 0,
        "serves_gps": 1,
        "serves_glonass": 1,
        "serves_galileo": 1,
        "virtual": 0,
        "x_m": x_m,
        "single_oscillator": 0,
        "y_m": y_m,
        "quarter_cycle": 0,
        "z_m": z_m,
        "antenna_height_m": antenna_height_m,
    }
    return encode(message(MESSAGE_WITH_HEIGHT, values))


def _values(payload: bytes, numbers: frozenset[int]) -> Values | None:
    if int.from_bytes(payload[:2], "big") >> 4 not in numbers:
        return None
    read = decode(payload)
    return read.values if isinstance(read, Message) else None


def _position(values: Values) -> StationPosition:
    ecef_m = values["x_m"], values["y_m"], values["z_m"]
    return StationPosition(values["reference_station"], ecef_m, values.get("antenna_height_m"))
