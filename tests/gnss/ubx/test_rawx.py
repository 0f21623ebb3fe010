"""RXM-RAWX against pyubx2, value by value."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyubx2 import UBXReader

from gnss.rtcm.signals import RINEX_CODES, wavelength_m
from gnss.systems import System
from gnss.time import GPS_EPOCH_US
from gnss.ubx.framing import UbxFrame, UbxFramer, build_ubx
from gnss.ubx.rawx import RXM_RAWX, epoch_of
from tests.gnss.ubx.recordings import recording

SYSTEMS = {0: "G", 1: "S", 2: "E", 3: "C", 5: "J", 6: "R"}
C_M_S = 299_792_458.0


@pytest.mark.parametrize(("name", "least"), [("zed-f9p-rawx", 2500), ("neo-m8t-rawx", 500)])
def test_values_are_those_of_pyubx2(name: str, least: int) -> None:
    compared = 0
    for frame in UbxFramer().feed(recording(name)).frames:
        if frame.kind != RXM_RAWX:
            assert epoch_of(frame) is None
            continue
        told = UBXReader.parse(build_ubx(frame.kind, frame.payload))
        epoch = epoch_of(frame)
        assert epoch is not None
        seen = epoch.observations
        assert epoch.time_gps_us == GPS_EPOCH_US + told.week * 604_800_000_000 + round(told.rcvTow * 1e6)
        assert (epoch.leap_s, epoch.clock_reset) == (told.leapS, bool(told.clkReset))
        assert len(seen) + epoch.unknown_signals == told.numMeas
        assert epoch.unknown_signals == 0
        late_m = (told.rcvTow - round(told.rcvTow, 3)) * C_M_S
        assert abs(late_m) < 0.02
        for i in range(told.numMeas):
            (sv, range_m, cycles, doppler, lock, cn0, valid, half, taken) = (
                getattr(told, f"{field}_{i + 1:02d}")
                for field in (
                    "svId", "prMes", "cpMes", "doMes", "locktime", "cno", "cpValid", "halfCyc", "subHalfCyc",
                )
            )  # fmt: skip
            letter = SYSTEMS[int(getattr(told, f"gnssId_{i + 1:02d}"))]
            system = System(seen.system[i])
            assert system.letter == letter
            assert seen.satellite[i] == (sv - 100 if letter == "S" else sv)
            if system is System.GLONASS:
                assert seen.channel[i] == getattr(told, f"freqId_{i + 1:02d}") - 7
            wave_m = float(wavelength_m(system, seen.signal[i], seen.channel[i]))
            assert seen.range_m[i] == range_m
            assert seen.phase_m[i] == pytest.approx(cycles * wave_m if valid else math.nan, nan_ok=True)
            assert seen.rate_m_s[i] == pytest.approx(-doppler * wave_m)
            assert (seen.cn0_dbhz[i], seen.lock_ms[i]) == (cn0, lock)
            assert (seen.half_cycle[i], epoch.half_cycle_taken[i]) == (1 - half, bool(taken))
            compared += 1
    assert compared >= least


def rawx(rows: list[tuple], *, tow_s: float = 1000.0, week: int = 2200, version: int = 1) -> UbxFrame:
    """Return a message with rows of gnssId, svId, sigId, freqId, tracking."""
    body = struct.pack("<dHbBBBxx", tow_s, week, 18, len(rows), 1, version)
    for gnss, sv, signal, frequency, tracking in rows:
        body += struct.pack(
            "<ddfBBBBHBBBBBx", 2.2e7, 1.15e8, -500.0, gnss, sv, signal, frequency, 3000, 40, 1, 1, 1, tracking
        )
    return UbxFrame(RXM_RAWX, body)


def test_signals_have_the_codes_of_the_interface_description() -> None:
    wanted = {
        0: {0: "G1C", 3: "G2L", 4: "G2S", 6: "G5I", 7: "G5Q"},
        1: {0: "S1C"},
        2: {0: "E1C", 1: "E1B", 3: "E5I", 4: "E5Q", 5: "E7I", 6: "E7Q", 8: "E6B", 9: "E6C", 10: "E6A"},
        3: {
            0: "C2I",
            1: "C2I",
            2: "C7I",
            3: "C7I",
            4: "C6I",
            5: "C1P",
            6: "C1D",
            7: "C5P",
            8: "C5D",
            10: "C6I",
        },
        5: {0: "J1C", 4: "J2S", 5: "J2L", 8: "J5I", 9: "J5Q"},
        6: {0: "R1C", 2: "R2C"},
        7: {0: "I5A"},
    }
    for gnss, codes in wanted.items():
        rows = [(gnss, 121 if gnss == 1 else 3, signal, 7, 7) for signal in range(256)]
        epoch = epoch_of(rawx(rows[:255]))
        assert epoch is not None
        seen = epoch.observations
        found = [
            System(s).letter + RINEX_CODES[System(s)][int(g)]
            for s, g in zip(seen.system.tolist(), seen.signal.tolist(), strict=True)
        ]
        assert found == list(codes.values())
        assert epoch.unknown_signals == 255 - len(codes)


def test_a_glonass_satellite_without_slot_and_unknown_systems_are_left_out() -> None:
    epoch = epoch_of(rawx([(6, 255, 0, 7, 7), (4, 3, 0, 0, 7), (6, 3, 0, 200, 7)]))
    assert epoch is not None
    assert (len(epoch.observations), epoch.unknown_signals) == (1, 2)
    assert np.isnan(epoch.observations.phase_m[0])  # its wavelength is not known


def test_version_0_has_one_signal_of_a_system() -> None:
    epoch = epoch_of(rawx([(0, 3, 77, 0, 7)], version=0))
    assert epoch is not None
    assert epoch.observations.signal.tolist() == [2]


@pytest.mark.parametrize(
    ("tow_s", "week"), [(math.nan, 2200), (-1.0, 2200), (604_801.0, 2200), (5.0, 0), (math.inf, 1)]
)
def test_a_message_without_a_time_has_no_epoch(tow_s: float, week: int) -> None:
    assert epoch_of(rawx([(0, 3, 0, 0, 7)], tow_s=tow_s, week=week)) is None


@given(st.binary(max_size=120))
def test_any_payload_is_read_or_not(payload: bytes) -> None:
    epoch = epoch_of(UbxFrame(RXM_RAWX, payload))
    assert epoch is None or len(epoch.observations) + epoch.unknown_signals == payload[11]
