"""pyrtcm with more tables, and with its faults mended, as an oracle of messages.

- 1265 to 1270 (phase biases) are not in pyrtcm: its table of IGS SSR, which has the same fields behind the
  satellite, with the time and the satellite of each system.
- 4076 orbits (subtypes 21, 41 ...): pyrtcm has cross-track and radial rate in the wrong order; the combined
  messages (23, 43 ...) have the right one.
- 1264: pyrtcm does not add 1 to the number of layers, but does for the same fields in 4076.201.
- BeiDou orbits with a CRC of 24 bits instead of an issue of 8 bits (see `gnss.rtcm.messages.ssr`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from pyrtcm import RTCMMessage, rtcmmessage

GET, IGS = rtcmmessage.RTCM_PAYLOADS_GET, rtcmmessage.RTCM_PAYLOADS_GET_IGS
DATA_FIELDS = rtcmmessage.RTCM_DATA_FIELDS
IDENTITY = {"IDF001", "IDF002"}
ORBIT = ("IDF011", "IDF012", "IDF013", "IDF014", "IDF015", "IDF016", "IDF017", "IDF018")
PHASE_BIASES = {
    "1265": ("DF385", "DF068"),
    "1266": ("DF386", "DF384"),
    "1267": ("DF458", "DF252"),
    "1268": ("DF460", "DF429"),
    "1269": ("DF462", "DF463"),
    "1270": ("DF465", "DF488"),
}


def _renamed(table: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    renamed = {}
    for name, part in table.items():
        if isinstance(part, tuple):
            renamed[name] = (part[0], _renamed(part[1], names))
        elif name not in IDENTITY:
            renamed[names.get(name, name)] = part
    return renamed


def _tables() -> tuple[dict[str, Any], dict[str, Any]]:
    phase_biases = {
        number: _renamed(IGS["4076_026"], {"IDF003": time, "IDF011": satellite})
        for number, (time, satellite) in PHASE_BIASES.items()
    }
    orbits = {}
    for first in range(21, 122, 20):
        table = dict(IGS[f"4076_{first:03d}"])
        table["groupsat_grp"] = ("IDF010", dict.fromkeys(ORBIT, ""))
        orbits[f"4076_{first:03d}"] = table
    return phase_biases, orbits


PHASE, ORBITS = _tables()


@contextmanager
def _mended(beidou_crc: bool) -> Iterator[None]:
    wide = {"DF471": ("BIT", 24, 0, "CRC")} if beidou_crc else {}
    with patch.dict(GET, PHASE), patch.dict(IGS, ORBITS), patch.dict(DATA_FIELDS, wide):
        yield


def parse(payload: bytes, *, beidou_crc: bool = False) -> RTCMMessage:
    """Return what pyrtcm reads of a payload."""
    if int.from_bytes(payload[:2], "big") >> 4 == 1264:
        bits = "".join(f"{byte:08b}" for byte in payload)
        bits = f"{4076:012b}{0:03b}{201:08b}{bits[12:]}"
        payload = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
        parsed = parse(payload)
        del parsed.__dict__["IDF001"]  # the version, which 1264 has not
        return parsed
    with _mended(beidou_crc):
        return RTCMMessage(payload=payload)
