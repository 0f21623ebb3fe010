"""Station coordinates: messages 1005 and 1006, the antenna reference point in an Earth-centred frame.

Layout: RTCM 10403.3, tables 3.5-6 and 3.5-7, as open implementations publish and agree on it.
"""

from __future__ import annotations

from dataclasses import dataclass

MESSAGE_WITHOUT_HEIGHT, MESSAGE_WITH_HEIGHT = 1005, 1006
STATION_MESSAGES = frozenset((MESSAGE_WITHOUT_HEIGHT, MESSAGE_WITH_HEIGHT))
_BITS = {MESSAGE_WITHOUT_HEIGHT: 152, MESSAGE_WITH_HEIGHT: 168}
_COORDINATE_BITS = 38
_COORDINATE_AT = (34, 74, 114)
_HEIGHT_AT, _HEIGHT_BITS = 152, 16
_STEPS_PER_M = 10_000
_SYSTEMS_SERVED = 0b111
"""DF022 to DF024: the station serves GPS, GLONASS and Galileo."""


@dataclass(frozen=True, slots=True)
class StationPosition:
    """Where a station's antenna reference point is."""

    reference_station: int
    """DF003, 0 to 4095."""
    ecef_m: tuple[float, float, float]
    """Resolution 0.1 mm. Three zeros come from a sender that was not told its position."""
    antenna_height_m: float | None
    """Of the reference point above the marker; None: not told (1005)."""


def decode_position(payload: bytes) -> StationPosition | None:
    """Return the position of a 1005 or 1006; None for another message, or one that is too short."""
    number = int.from_bytes(payload[:2], "big") >> 4
    size = len(payload) * 8
    if size < _BITS.get(number, size + 1):
        return None
    bits = int.from_bytes(payload, "big")

    def field(at: int, width: int) -> int:
        return bits >> (size - at - width) & ((1 << width) - 1)

    x, y, z = (_signed(field(at, _COORDINATE_BITS)) / _STEPS_PER_M for at in _COORDINATE_AT)
    height_m = field(_HEIGHT_AT, _HEIGHT_BITS) / _STEPS_PER_M if number == MESSAGE_WITH_HEIGHT else None
    return StationPosition(field(12, 12), (x, y, z), height_m)


def encode_1006(reference_station: int, ecef_m: tuple[float, float, float], antenna_height_m: float) -> bytes:
    """Return the payload of a 1006 (`gnss.rtcm.framing.build_frame` frames it), rounded to 0.1 mm.

    The ITRF realization year, the oscillator and quarter-cycle indicators are sent as 0, a physical station
    of GPS, GLONASS and Galileo.

    Raises
    ------
    ValueError
        A value that does not fit its field: coordinates beyond 13,743 km, heights outside of 0 to 6.5535 m.
    """
    bits = MESSAGE_WITH_HEIGHT

    def put(value: int, width: int) -> None:
        nonlocal bits
        if not 0 <= value < 1 << width:
            raise ValueError(f"{value} does not fit {width} bits of a 1006: check the station's coordinates")
        bits = bits << width | value

    put(reference_station, 12)
    put(0, 6)
    put(_SYSTEMS_SERVED, 3)
    put(0, 1)
    half = 1 << (_COORDINATE_BITS - 1)
    for axis, metres in enumerate(ecef_m):
        steps = round(metres * _STEPS_PER_M)
        if not -half <= steps < half:
            raise ValueError(
                f"a coordinate of {metres} m does not fit a 1006: check the station's coordinates"
            )
        put(steps % (2 * half), _COORDINATE_BITS)
        if axis < 2:
            put(0, 2)
    put(round(antenna_height_m * _STEPS_PER_M), _HEIGHT_BITS)
    return bits.to_bytes(_BITS[MESSAGE_WITH_HEIGHT] // 8, "big")


def _signed(value: int) -> int:
    return value - (1 << _COORDINATE_BITS) if value >> (_COORDINATE_BITS - 1) else value
