"""Messages of broadcast ephemerides: 1019, 1020 and 1041 to 1046, read and written.

The table of a message and what its fields mean stand in the file of its family.
"""

from __future__ import annotations

from gnss.ephemeris import Ephemeris, GlonassEphemeris
from gnss.rtcm.ephemeris_beidou import BEIDOU
from gnss.rtcm.ephemeris_fields import EphemerisMessage, KeplerMessage
from gnss.rtcm.ephemeris_galileo import F_NAV, I_NAV
from gnss.rtcm.ephemeris_glonass import GLONASS
from gnss.rtcm.ephemeris_gps import GPS, QZSS
from gnss.rtcm.ephemeris_navic import NAVIC
from gnss.rtcm.ephemeris_sbas import SBAS
from gnss.rtcm.ephemeris_week import EphemerisWeek
from gnss.rtcm.fields import MalformedError, Values
from gnss.systems import System

__all__ = [
    "EPHEMERIS_MESSAGES",
    "WEEK_MESSAGES",
    "EphemerisWeek",
    "decode_ephemeris",
    "decode_fields",
    "decode_week",
    "encode_ephemeris",
]

_MESSAGES: dict[int, EphemerisMessage] = {
    message.number: message for message in (GPS, GLONASS, NAVIC, BEIDOU, SBAS, QZSS, F_NAV, I_NAV)
}
_STATE_VECTORS = {System.GLONASS: GLONASS.number, System.SBAS: SBAS.number}
EPHEMERIS_MESSAGES = tuple(_MESSAGES)
"""Numbers of all of them."""
WEEK_MESSAGES = tuple(number for number, message in _MESSAGES.items() if isinstance(message, KeplerMessage))
"""Numbers of those that tell the week: not 1020 and 1043."""


def decode_fields(payload: bytes) -> Values | None:
    """Return the fields of an ephemeris by name; None for another message, or one that is too short.

    Parameters
    ----------
    payload
        Without header and CRC.
    """
    message = _MESSAGES.get(_number(payload))
    if message is None:
        return None
    try:
        return message.read(payload)
    except MalformedError:
        return None


def decode_ephemeris(payload: bytes, near_us: int) -> Ephemeris | None:
    """Return the ephemeris of a message.

    Parameters
    ----------
    payload
        Without header and CRC.
    near_us
        UTC near its reference time. Weeks roll over after 1024 or more, so that for most a time right to some
        years is enough; GLONASS needs one right to two years, or to half a day where the sender does not know
        the date; SBAS to half a day.

    Returns
    -------
    None for another message, one that is too short, and satellites or times that cannot be. Whether the orbit
    is one is not looked at.
    """
    values = decode_fields(payload)
    return None if values is None else _MESSAGES[_number(payload)].ephemeris(values, near_us)


def encode_ephemeris(ephemeris: Ephemeris) -> bytes:
    """Return the message of an ephemeris, without header and CRC; values are rounded to its steps.

    Raises
    ------
    ValueError
        A value does not fit the message, or a time is not one that it can say.
    """
    if isinstance(ephemeris, GlonassEphemeris):
        number = _STATE_VECTORS.get(ephemeris.system, -1)
    else:
        number = ephemeris.message
    message = _MESSAGES.get(number)
    if message is None or isinstance(message, KeplerMessage) == isinstance(ephemeris, GlonassEphemeris):
        raise ValueError(f"no message {number} carries such an ephemeris: give one of {EPHEMERIS_MESSAGES}")
    return message.write(message.values(ephemeris))


def decode_week(payload: bytes) -> EphemerisWeek | None:
    """Return the week of an ephemeris; None for another message, or one that is too short.

    RTCM observations tell the time of the week only; an ephemeris tells the week in which it was sent, with a
    roll-over, and its reference time (toe) in the week. GLONASS (1020) and SBAS (1043) have no week.
    """
    message = _MESSAGES.get(_number(payload))
    if not isinstance(message, KeplerMessage):
        return None
    values = decode_fields(payload)
    return None if values is None else message.week(values)


def _number(payload: bytes) -> int:
    return int.from_bytes(payload[:2], "big") >> 4 if len(payload) > 1 else -1
