"""Recordings of stations, told again in BINEX, as RTCM 3: against RTKLIB's convbin on the BINEX."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gnss.binex.signals import SIGNALS, SYSTEMS
from gnss.capture import epochs
from gnss.observations import Observations
from gnss.rtcm.signals import wavelength_m
from gnss.systems import UNKNOWN_CHANNEL, System
from gnss.time import utc_to_gps
from gnss.to_rtcm.converter import Converter
from tests.gnss.binex.encode import Satellite, Signal, epoch_record
from tests.gnss.to_rtcm.convbin import HALF_STEPS, assert_equal, convbin, read_rinex, read_rtcm

# with a time near their begin, UTC
CAPTURES = {
    "rtcm3/swift/week-rollover-STR24.rtcm3": 1_554_594_600_000_000,
    "rtcm3/asv/imu_rtcm": 1_554_302_400_000_000,
    "rtcm3/gpsd/rtcm3.bndm.log": 1_599_876_600_000_000,
}
MOST_EPOCHS = 60


def satellites_of(seen: Observations) -> list[Satellite]:
    """Return an epoch as a BINEX station tells it; values are rounded to its steps."""
    wave_m = wavelength_m(seen.system, seen.signal, seen.channel)
    some: list[Satellite] = []
    keys = sorted(set(zip(seen.system.tolist(), seen.satellite.tolist(), strict=True)))
    for system, number in keys[:64]:
        rows = np.flatnonzero((seen.system == system) & (seen.satellite == number))
        signals, channel = [], None
        for i in rows.tolist():
            codes = np.flatnonzero(SIGNALS[SYSTEMS.index(System(system))] == seen.signal[i])
            if not len(codes) or not np.isfinite(seen.range_m[i] + seen.phase_m[i] + wave_m[i]):
                continue
            if system == System.GLONASS and seen.channel[i] != UNKNOWN_CHANNEL:
                channel = int(seen.channel[i])
            range_mm = round(seen.range_m[i] * 1000)
            off_m = seen.phase_m[i] - range_mm / 1000
            off_m -= round(off_m / wave_m[i] / 400) * 400 * wave_m[i]
            rate = seen.rate_m_s[i]
            doppler_hz = None if np.isnan(rate) else -rate / wave_m[i]
            cn0 = 300 if np.isnan(seen.cn0_dbhz[i]) else round(seen.cn0_dbhz[i] * 10)
            signals.append(Signal(int(codes[-1]), range_mm, off_m, cn0, doppler_hz))
        first = {System.SBAS: 100, System.QZSS: 192}.get(System(system), 0)
        if signals:
            some.append(Satellite(System(system), number + first, signals[:7], channel))
    return some


@pytest.mark.integration
@pytest.mark.parametrize("name", list(CAPTURES))
def test_observations_equal_convbins(data, tmp_path: Path, name: str) -> None:
    records = []
    for epoch in epochs((data / name).read_bytes(), CAPTURES[name]):
        satellites = satellites_of(epoch.observations)
        if satellites and epoch.time_us % 1_000_000 == 0:
            records.append(
                epoch_record(int(utc_to_gps(epoch.time_us)), satellites, clock=len(records) % 2 == 1)
            )
        if len(records) == MOST_EPOCHS:
            break
    stream = b"".join(records)
    converter = Converter("binex")
    ours = read_rtcm(converter.feed(stream, CAPTURES[name]) + converter.finish())
    observations, _ = convbin(tmp_path, "binex", stream)
    theirs = read_rinex(observations)
    assert len(theirs) > 0.8 * len(ours) > 1000
    assert_equal(ours, theirs, HALF_STEPS | {"S": 1 / 32 + 0.001})  # it keeps tenths of a dB-Hz
    assert converter.counters.epochs == converter.written.epochs == len(records) > 10
    assert converter.counters.damaged == converter.counters.unknown_signals == 0
