"""Ephemerides for tests: those of recordings, and what other programs read of the same message."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from pyrtcm import RTCMMessage

from gnss.capture import reference_time
from gnss.rtcm.ephemeris import EPHEMERIS_MESSAGES
from gnss.rtcm.framing import find_frames

PI = 3.1415926535898
WRITTEN_US = 1_735_689_600_000_000
"""2025: before it all recordings were made."""
GLONASS_2018_US = 1_534_804_200_000_000
"""2018-08-20: of a recording that has nothing but GLONASS, which tells the date but for four years."""


@cache
def messages(path: Path) -> tuple[int, tuple[bytes, ...]]:
    """Return when a capture begins (UTC), and the payloads of its ephemerides."""
    content = path.read_bytes()
    near_us, _ = reference_time(content, date_us=None, modified_us=WRITTEN_US)
    if path.name == "test_glo_eph.rtcm":
        near_us = GLONASS_2018_US
    index = find_frames(np.frombuffer(content, np.uint8), final=True)
    chosen = np.isin(index.message, EPHEMERIS_MESSAGES)
    frames = zip(index.start[chosen].tolist(), index.length[chosen].tolist(), strict=True)
    return near_us, tuple(content[start + 3 : start + 3 + length] for start, length in frames)


def captures(root: Path) -> Iterator[Path]:
    """Yield all captures of RTCM below a folder."""
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.name.endswith(".gz"):
            yield path


def of_pyrtcm(payload: bytes) -> list[float]:
    """Return the fields that pyrtcm reads, in our units, in their order; without reserved ones."""
    row: list[float] = []
    fields = vars(RTCMMessage(payload=payload))
    for name, value in fields.items():
        if name.startswith("_") or name in {"DF002", "DF526", "DF544", "DF545"} or "DF001" in name:
            continue
        if name == "DF107":  # t_k in one number
            row += [value >> 7, value >> 1 & 63, value & 1]
        elif fields["DF002"] == 1020:
            row.append(value * GLONASS_UNITS.get(name, 1))
        else:
            row.append(value * (PI if name in HALF_CIRCLES else 1e-9 if name in NANOSECONDS else 1))
    if fields["DF002"] == 1020:
        row[1] -= 7  # DF040 as sent
    return row


def of_rust(fields: dict[str, Any]) -> list[float]:
    """Return the fields of a vector of rtcm-rs, in our units, in their order; without reserved ones."""
    row = []
    for name, value in fields.items():
        if name.startswith(("reserved", "spare")):
            continue
        if name == "glo_m_n4_year":
            row.append((value - 1992) / 4)
        elif name in {"tb_min", "tk_s"}:
            row.append(value / (15 if name == "tb_min" else 30))
        elif "_km" in name:
            row.append(value * 1000)
        else:
            row.append(value * (PI if name.endswith(("_sc", "_sc_s")) else 1))
    return row


GLONASS_UNITS = {
    **{f"DF{number}": 1000.0 for number in range(111, 120)},
    "DF121": 2.0**-40,
    "DF124": 2.0**-30,
    "DF125": 2.0**-30,
    "DF133": 2.0**-31,
    "DF135": 2.0**-30,
}
NANOSECONDS = {"DF513", "DF514"}
HALF_CIRCLES = {
    *("DF079", "DF087", "DF088", "DF095", "DF097", "DF099", "DF100"),
    *("DF524", "DF535", "DF536", "DF540", "DF541", "DF542", "DF543"),
    *("DF491", "DF499", "DF500", "DF507", "DF509", "DF511", "DF512"),
    *("DF436", "DF437", "DF444", "DF446", "DF448", "DF449", "DF450"),
    *("DF292", "DF298", "DF299", "DF306", "DF308", "DF310", "DF311"),
}
