"""MSM decoding against pyrtcm, on recordings, and against the published vectors of rtcm-rs."""

from __future__ import annotations

import re
import tarfile
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from pyrtcm import RTCMMessage, RTCMReader

from gnss.observations import UNKNOWN_CHANNEL, MsmFrames, Observations
from gnss.rtcm.framing import find_frames
from gnss.rtcm.msm import decode_msm
from gnss.rtcm.signals import RINEX_CODES
from gnss.systems import System

C_M_MS = 299_792.458
CAPTURES = [
    "swift/week-rollover-STR17.rtcm3",
    "swift/week-rollover-STR24.rtcm3",
    "asv/fw206mrtk_rtcm",
    "asv/imu_rtcm",
    "qzsl6tool/20221213-010900.rtcm",
]
# offsets c_k of the lock time 2^(k+1) * i - c_k for 64 + 32 k <= i < 96 + 32 k (RTCM 10403.3, DF407)
DF407_OFFSETS = [64, 256, 768, 2048, 5120, 12288, 28672, 65536, 147456, 327680, 720896, 1572864, 3407872]
DF407_OFFSETS += [7340032, 15728640, 33554432, 71303168, 150994944, 318767104, 671088640, 1409286144]


def lock_ms(kind: int, indicator: int) -> int:
    if kind < 6:
        return 2 ** (indicator + 4) if indicator else 0
    if indicator < 64:
        return indicator
    k = (indicator - 64) // 32
    return 2 ** (k + 1) * indicator - DF407_OFFSETS[k] if indicator <= 704 else -1


def decode(data: bytes) -> tuple[MsmFrames, Observations]:
    buffer = np.frombuffer(data, np.uint8)
    found = find_frames(buffer, final=True)
    return decode_msm(buffer, found.start, found.length)


def ones(mask: int, width: int) -> list[int]:
    return [i + 1 for i in range(width) if mask >> (width - 1 - i) & 1]


def rows_of(message: RTCMMessage) -> list[tuple[Any, ...]]:
    """Return satellite, signal, range, phase, rate, C/N0, indicator, half-cycle, channel of each cell."""

    def value(field: int, position: int, invalid: float | None = None) -> float:
        found = getattr(message, f"DF{field}_{position:02d}", None)
        return np.nan if found is None or found == invalid else float(found)

    number = int(message.identity)
    system, kind = System((number - 1071) // 10), number % 10
    satellites, signals = ones(message.DF394, 64), ones(message.DF395, 32)
    cells = [(s, g) for s in range(len(satellites)) for g in signals]
    cells = [c for c, bit in zip(cells, f"{message.DF396:0{len(cells)}b}", strict=True) if bit == "1"]
    rows = []
    for i, (s, signal) in enumerate(cells, 1):
        rough = value(397, s + 1, 255) + value(398, s + 1)
        if kind < 6:
            fine_range, fine_phase = value(400, i, -(2**14) * 2**-24), value(401, i, -(2**21) * 2**-29)
            cn0, indicator = value(403, i, 0), value(402, i)
        else:
            fine_range, fine_phase = value(405, i, -(2**19) * 2**-29), value(406, i, -(2**23) * 2**-31)
            cn0, indicator = value(408, i, 0), value(407, i)
        rate = value(399, s + 1, -8192) + value(404, i, -16384 * 0.0001)
        channel = value(419, s + 1) - 7 if system is System.GLONASS else 0.0
        rows.append(
            (
                satellites[s] + (19 if system is System.SBAS else 0),
                signal,
                (rough + fine_range) * C_M_MS,
                (rough + fine_phase) * C_M_MS,
                rate,
                cn0,
                int(indicator),
                int(value(420, i)),
                int(channel) if -7 <= channel <= 7 else UNKNOWN_CHANNEL,
            )
        )
    return rows


def assert_rows(seen: Observations, at: slice, rows: list[tuple[Any, ...]], kind: int) -> None:
    names = ["satellite", "signal", "range_m", "phase_m", "rate_m_s", "cn0_dbhz"]
    names += ["lock_indicator", "half_cycle", "channel"]
    tolerance = {"range_m": 1e-4, "phase_m": 1e-5, "rate_m_s": 1e-6}
    wanted = list(zip(*rows, strict=True)) or [()] * len(names)
    for name, column in zip(names, wanted, strict=True):
        np.testing.assert_allclose(
            getattr(seen, name)[at], column, rtol=0, atol=tolerance.get(name, 0), err_msg=name
        )
    assert seen.lock_ms[at].tolist() == [lock_ms(kind, row[6]) for row in rows]


@pytest.mark.parametrize("capture", CAPTURES)
def test_every_observation_equals_pyrtcm(data, capture: str) -> None:
    stream = (data / f"rtcm3/{capture}").read_bytes()
    index = find_frames(np.frombuffer(stream, np.uint8), final=True)
    frames, seen = decode_msm(np.frombuffer(stream, np.uint8), index.start, index.length)
    number = index.message
    assert len(frames) == np.count_nonzero((number >= 1071) & (number <= 1137) & (number % 10 >= 4))
    assert frames.damaged == 0
    assert len(seen) == frames.cells.sum()
    ends = np.cumsum(frames.cells)
    compared = 0
    for row in range(len(frames)):
        begin, length = index.start[frames.frame[row]], index.length[frames.frame[row]]
        message = RTCMReader.parse(stream[begin : begin + length + 6])
        at = slice(ends[row] - frames.cells[row], ends[row])
        assert int(message.identity) == frames.message[row]
        assert frames.reference_station[row] == message.DF003
        assert (frames.more_follow[row], frames.clock_steering[row]) == (message.DF393, message.DF411)
        assert set(seen.row[at]) <= {row}
        assert set(seen.system[at]) <= {frames.system[row]} == {(int(message.identity) - 1071) // 10}
        assert_rows(seen, at, rows_of(message), int(message.identity) % 10)
        compared += int(frames.cells[row])
    assert compared > 1000


FIELD = re.compile(r"(\w+):(?:Some\()?(None|SigId\((\d),'(\w)',?\)|-?[\d.]+(?:e-?\d+)?)")
VECTORS = [f"1{group}{kind}" for group in ("07", "08", "09", "10", "11", "12", "13") for kind in "4567"]


def vector_rows(text: str, system: System) -> list[tuple[Any, ...]]:
    """Read the decoded fields as rtcm-rs prints them into the rows of `rows_of`."""
    found = FIELD.findall(re.sub(r"\s", "", text))
    signals = {code: number for number, code in RINEX_CODES[system].items()}
    satellites: dict[int, dict[str, float]] = {}
    cells: list[dict[str, float]] = []
    for name, written, band, attribute in found:
        value = np.nan if written == "None" else 0.0 if band else float(written)
        if name == "satellite_id":
            opened: dict[str, float] = {"satellite": value}
            satellites.setdefault(int(value), opened)
        elif name == "signal_id":
            opened["signal"] = signals[band + attribute]
            cells.append(opened)
        elif satellites:
            opened[name.replace("_ext", "")] = value
    rows = []
    for cell in cells:
        satellite = satellites[int(cell["satellite"])]
        rough = satellite["gnss_satellite_rough_range_integer_ms"]
        rough += satellite["gnss_satellite_rough_range_mod1ms_ms"]
        rate = satellite.get("gnss_satellite_rough_phaserange_rates_m_s", np.nan)
        channel = satellite.get("glonass_satellite_frequency_channel_number", np.nan)
        unknown = UNKNOWN_CHANNEL if system is System.GLONASS else 0
        rows.append(
            (
                int(cell["satellite"]) + (19 if system is System.SBAS else 0),
                int(cell["signal"]),
                (rough + cell["gnss_signal_fine_pseudorange_ms"]) * C_M_MS,
                (rough + cell["gnss_signal_fine_phaserange_ms"]) * C_M_MS,
                rate + cell.get("gnss_signal_fine_phaserange_rate_m_s", np.nan),
                cell["gnss_signal_cnr_dbhz"],
                int(cell["gnss_phaserange_lock_time_ind"]),
                int(cell["half_cycle_ambiguity_ind"]),
                unknown if np.isnan(channel) else int(channel),
            )
        )
    return rows


def test_published_vectors_of_all_systems(data) -> None:
    compared = 0
    with tarfile.open(data / "rtcm3/rtcm-rs-vectors.tar.gz") as archive:
        files = {m.name.rpartition("/")[2]: m for m in archive.getmembers() if m.isfile()}

        def read(name: str) -> bytes:
            opened = archive.extractfile(files[name])
            assert opened is not None
            return opened.read()

        names = [n for n in files if n[3:7] in VECTORS and n.endswith(".rtcm")]
        for name in names:
            system = System((int(name[3:7]) - 1071) // 10)
            frames, seen = decode(read(name))
            rows = vector_rows(read(name.replace(".rtcm", ".txt")).decode(), system)
            assert (len(frames), frames.damaged) == (1, 0)
            assert_rows(seen, slice(None), rows, int(name[6]))
            compared += len(rows)
    assert len(names) > 100
    assert compared > 2000


def test_columns_hold_what_the_contract_says(data) -> None:
    frames, seen = decode((data / "rtcm3/asv/imu_rtcm").read_bytes())
    assert [getattr(seen, f.name).shape for f in fields(seen)] == [(len(seen),)] * len(fields(seen))
    assert seen.range_m.dtype == seen.cn0_dbhz.dtype == np.float64
    assert (seen.lock_ms.dtype, seen.lock_indicator.dtype, seen.channel.dtype) == (
        np.int32,
        np.int16,
        np.int8,
    )
    assert (frames.time_ms.dtype, frames.reference_station.dtype) == (np.int64, np.int16)
