"""MSM decoding against pyrtcm, on recordings, and against the published vectors of rtcm-rs."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from pyrtcm import RTCMMessage, RTCMReader

from gnss.observations import PARTIAL, UNKNOWN_CHANNEL, MsmFrames, Observations
from gnss.rtcm.framing import find_frames
from gnss.rtcm.msm import decode_msm
from gnss.rtcm.signals import RINEX_CODES
from gnss.systems import System
from tests.gnss.rtcm.vectors import vectors

C_M_MS = 299_792.458
CAPTURES = [
    "swift/week-rollover-STR17.rtcm3",
    "swift/week-rollover-STR24.rtcm3",
    "asv/fw206mrtk_rtcm",
    "asv/imu_rtcm",
    "qzsl6tool/20221213-010900.rtcm",
    "swift/missing-gps.rtcm",
    "swift/piksi-5Hz.rtcm3",
    "pyrtcm/pygpsdata-RTCMMSM3.log",
]
# offsets c_k of the lock time 2^(k+1) * i - c_k for 64 + 32 k <= i < 96 + 32 k (RTCM 10403.3, DF407)
DF407_OFFSETS = [64, 256, 768, 2048, 5120, 12288, 28672, 65536, 147456, 327680, 720896, 1572864, 3407872]
DF407_OFFSETS += [7340032, 15728640, 33554432, 71303168, 150994944, 318767104, 671088640, 1409286144]


def lock_ms(kind: int, indicator: int) -> int:
    if indicator < 0:
        return -1
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
        rough = (value(397, s + 1, 255) if kind > 3 else 0) + value(398, s + 1)
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
                -1 if np.isnan(indicator) else int(indicator),
                0 if kind == 1 else int(value(420, i)),
                int(channel) if -7 <= channel <= 7 else UNKNOWN_CHANNEL,
            )
        )
    return rows


def assert_rows(seen: Observations, rows: list[tuple[Any, ...]], kinds: list[int]) -> None:
    """Compare all cells at once, which is quicker by far; `kinds` has the kind of MSM of each."""
    names = ["satellite", "signal", "range_m", "phase_m", "rate_m_s", "cn0_dbhz"]
    names += ["lock_indicator", "half_cycle", "channel"]
    tolerance = {"range_m": 1e-4, "phase_m": 1e-5, "rate_m_s": 1e-6}
    wanted = list(zip(*rows, strict=True)) or [()] * len(names)
    for name, column in zip(names, wanted, strict=True):
        np.testing.assert_allclose(
            getattr(seen, name), column, rtol=0, atol=tolerance.get(name, 0), err_msg=name
        )
    assert seen.lock_ms.tolist() == [lock_ms(kind, row[6]) for kind, row in zip(kinds, rows, strict=True)]
    assert seen.flags.tolist() == [PARTIAL if kind < 4 else 0 for kind in kinds]


@pytest.mark.parametrize("capture", CAPTURES)
def test_every_observation_equals_pyrtcm(data, capture: str) -> None:
    stream = (data / f"rtcm3/{capture}").read_bytes()
    index = find_frames(np.frombuffer(stream, np.uint8), final=True)
    frames, seen = decode_msm(np.frombuffer(stream, np.uint8), index.start, index.length)
    number = index.message
    assert len(frames) == np.count_nonzero((number >= 1071) & (number <= 1137) & (number % 10 >= 1))
    assert frames.damaged == 0
    assert len(seen) == frames.cells.sum()
    wanted: list[tuple[Any, ...]] = []
    kinds: list[int] = []
    for row in range(len(frames)):
        begin, length = index.start[frames.frame[row]], index.length[frames.frame[row]]
        message = RTCMReader.parse(stream[begin : begin + length + 6])
        assert int(message.identity) == frames.message[row]
        assert frames.reference_station[row] == message.DF003
        assert (frames.more_follow[row], frames.clock_steering[row]) == (message.DF393, message.DF411)
        assert frames.system[row] == (int(message.identity) - 1071) // 10
        rows = rows_of(message)
        assert len(rows) == frames.cells[row]
        wanted += rows
        kinds += [int(message.identity) % 10] * len(rows)
    np.testing.assert_array_equal(seen.row, np.repeat(np.arange(len(frames)), frames.cells))
    np.testing.assert_array_equal(seen.system, np.repeat(frames.system, frames.cells))
    assert_rows(seen, wanted, kinds)
    assert len(wanted) > (50 if "MSM3" in capture else 1000)


VECTORS = [1071 + 10 * group + kind for group in range(7) for kind in range(7)]


def vector_rows(message: dict[str, Any], system: System, kind: int) -> list[tuple[Any, ...]]:
    """Return the decoded fields that rtcm-rs publishes as the rows of `rows_of`."""

    def value(fields_of: dict[str, Any], name: str, absent: float = np.nan) -> float:
        # fields of MSM6 and MSM7 have the word ext in their names
        found = fields_of.get(
            name, fields_of.get(name.replace("_m", "_ext_m").replace("_ind", "_ext_ind"), absent)
        )
        return np.nan if found is None else found

    signals = {code: number for number, code in RINEX_CODES[system].items()}
    data = message["data_segment"]
    satellites = {int(s["satellite_id"]): s for s in data["satellite_data"]}
    rows = []
    for cell in data["signal_data"]:
        satellite = satellites[int(cell["satellite_id"])]
        rough = value(satellite, "gnss_satellite_rough_range_integer_ms", 0.0 if kind < 4 else np.nan)
        rough += value(satellite, "gnss_satellite_rough_range_mod1ms_ms")
        rate = value(satellite, "gnss_satellite_rough_phaserange_rates_m_s")
        channel = value(satellite, "glonass_satellite_frequency_channel_number")
        unknown = UNKNOWN_CHANNEL if system is System.GLONASS else 0
        cn0 = cell.get("gnss_signal_cnr_dbhz", cell.get("gnss_signal_cnr_ext_dbhz"))
        rows.append(
            (
                int(cell["satellite_id"]) + (19 if system is System.SBAS else 0),
                signals[cell["signal_id"]],
                (rough + value(cell, "gnss_signal_fine_pseudorange_ms")) * C_M_MS,
                (rough + value(cell, "gnss_signal_fine_phaserange_ms")) * C_M_MS,
                rate + value(cell, "gnss_signal_fine_phaserange_rate_m_s"),
                np.nan if cn0 is None else cn0,
                int(value(cell, "gnss_phaserange_lock_time_ind", -1)),
                int(cell.get("half_cycle_ambiguity_ind", 0)),
                unknown if np.isnan(channel) else int(channel),
            )
        )
    return rows


@pytest.mark.parametrize("number", VECTORS)
def test_published_vectors_of_all_systems(number: int) -> None:
    system, kind = System((number - 1071) // 10), number % 10
    compared = 0
    for _, frame, message in vectors(number):
        frames, seen = decode(frame)
        assert (len(frames), frames.damaged) == (1, 0)
        rows = vector_rows(message, system, kind)
        assert_rows(seen, rows, [kind] * len(rows))
        assert (frames.message[0], frames.system[0]) == (number, system)
        assert frames.reference_station[0] == message["reference_station_id"]
        assert frames.more_follow[0] == message["msm_multiple_message_flag"]
        assert frames.clock_steering[0] == message["clock_steering_ind"]
        assert frames.time_ms[0] == vector_time_ms(message, system)
        assert set(seen.system.tolist()) <= {system}
        assert seen.row.tolist() == [0] * int(frames.cells[0])
        compared += len(seen)
    assert compared > 10


def vector_time_ms(message: dict[str, Any], system: System) -> int:
    """Return `MsmFrames.time_ms`; some vectors have times that no clock shows."""
    sent = next(int(v) for name, v in message.items() if name.endswith("_epoch_time_ms"))
    if system is System.GLONASS:
        return (sent - 10_800_000) % 86_400_000 if sent < 86_401_000 else -1
    if system is System.BEIDOU:
        sent = sent + 14_000 if sent < 604_800_000 else sent + 14_000 - 2**30
        return sent % 604_800_000 if 0 <= sent < 604_814_000 else -1
    return sent if sent < 604_800_000 else -1


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
