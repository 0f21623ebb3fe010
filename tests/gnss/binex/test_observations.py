"""Record 0x7F-05, as an own writer makes it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnss.binex.framing import BinexFramer, Record
from gnss.binex.observations import epoch_of
from gnss.binex.signals import SIGNALS, SYSTEMS
from gnss.rtcm.signals import wavelength_m
from gnss.systems import UNKNOWN_CHANNEL, System
from gnss.time import GPS_EPOCH_US
from tests.gnss.binex.encode import Satellite, Signal, epoch_record

NO_CHANNELS = np.full(256, UNKNOWN_CHANNEL, np.int8)
TIME_US = GPS_EPOCH_US + 1_234_567 * 60_000_000 + 59_999_000


@st.composite
def satellites(draw) -> list[Satellite]:
    some = []
    for number in draw(st.lists(st.integers(1, 30), min_size=1, max_size=64)):
        system = draw(st.sampled_from(SYSTEMS))
        codes = [int(code) for code in np.flatnonzero(SIGNALS[SYSTEMS.index(system)])]
        first_mm = draw(st.integers(1, 40_000_000_000))
        signals = [
            Signal(
                code=draw(st.sampled_from(codes)),
                range_mm=first_mm + (draw(st.integers(-min(first_mm - 1, 500_000), 500_000)) if i else 0),
                phase_off_m=draw(st.sampled_from([0.0, 1.2346, -41.8, 60.0002, -167.0, 800.1, -800.1])),
                cn0_tenths=draw(st.integers(10, 600)),
                doppler_hz=draw(st.none() | st.integers(-8_000_000, 8_000_000).map(lambda n: n / 256)),
                slip=draw(st.booleans()),
                slip_count=draw(st.none() | st.integers(0, 0xFFFF)),
            )
            for i in range(draw(st.integers(1, 7)))
        ]
        channel = draw(st.none() | st.integers(-7, 6)) if system is System.GLONASS else None
        some.append(Satellite(system, number, signals, channel))
    return some


@settings(deadline=None)
@given(some=satellites(), is_big=st.booleans(), clock=st.booleans())
def test_what_was_written_is_read(some, is_big: bool, clock: bool) -> None:
    (record,) = BinexFramer().feed(epoch_record(TIME_US, some, is_big=is_big, clock=clock)).records
    epoch = epoch_of(record, NO_CHANNELS)
    assert epoch is not None
    assert (epoch.time_gps_us, epoch.unknown_signals) == (TIME_US, 0)
    assert epoch.is_whole == (len(some) < 64)
    wanted = [(s, o) for s in some for o in s.signals]
    seen = epoch.observations
    assert len(seen) == len(epoch.slipped) == len(epoch.slip_count) == len(wanted)
    for i, (satellite, signal) in enumerate(wanted):
        assert (seen.system[i], seen.satellite[i]) == (satellite.system, satellite.number)
        assert seen.signal[i] == SIGNALS[SYSTEMS.index(satellite.system), signal.code]
        assert seen.range_m[i] == pytest.approx(signal.range_mm / 1000, abs=1e-6)
        assert seen.phase_m[i] - seen.range_m[i] == pytest.approx(signal.phase_off_m, abs=0.5e-4)
        assert seen.cn0_dbhz[i] == pytest.approx(signal.cn0_tenths / 10)
        channel = 0 if satellite.system is not System.GLONASS else satellite.channel
        assert seen.channel[i] == (UNKNOWN_CHANNEL if channel is None else channel)
        wave_m = wavelength_m(seen.system[i], seen.signal[i], seen.channel[i])
        rate = np.nan if signal.doppler_hz is None else -signal.doppler_hz * wave_m
        assert seen.rate_m_s[i] == pytest.approx(rate, nan_ok=True)
        assert epoch.slipped[i] == signal.slip
        assert epoch.slip_count[i] == (-1 if signal.slip_count is None else signal.slip_count)


@settings(deadline=None)
@given(some=satellites(), cut=st.integers(0, 2000), extra=st.binary(max_size=4))
def test_a_record_that_ends_too_early_has_no_epoch(some, cut: int, extra: bytes) -> None:
    (record,) = BinexFramer().feed(epoch_record(TIME_US, some)).records
    short = record.message[: cut % len(record.message)]
    assert epoch_of(Record(0x7F, short, True), NO_CHANNELS) is None
    assert epoch_of(Record(0x7F, record.message + extra, True), NO_CHANNELS) is not None


def test_frequency_numbers_that_ephemerides_told_are_taken() -> None:
    signal = Signal(1, 20_000_000_000, 0.0, 450, doppler_hz=100.0)
    (record,) = BinexFramer().feed(epoch_record(TIME_US, [Satellite(System.GLONASS, 5, [signal])])).records
    channels = NO_CHANNELS.copy()
    channels[5] = -3
    epoch = epoch_of(record, channels)
    assert epoch is not None
    assert epoch.observations.channel.tolist() == [-3]
    assert epoch.observations.rate_m_s[0] == pytest.approx(-100.0 * wavelength_m(1, 2, -3))


def test_signals_without_a_number_in_msm_are_counted() -> None:
    signals = [Signal(code, 20_000_000_000, 0.0, 450) for code in (1, 4, 18)]
    (record,) = BinexFramer().feed(epoch_record(TIME_US, [Satellite(System.GPS, 5, signals)])).records
    epoch = epoch_of(record, NO_CHANNELS)
    assert epoch is not None
    assert (len(epoch.observations), epoch.unknown_signals) == (1, 2)
