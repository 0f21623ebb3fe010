"""Simulated stations send bytes that other programs read, and the faults that were asked for."""

import io

import numpy as np
import pytest
from pyrtcm import RTCMReader

from gnss.geodesy import geodetic_to_ecef
from gnss.rtcm.framing import find_frames
from gnss.rtcm.msm import decode_msm
from gnss.simulate import Fault, SimulatedStation
from gnss.systems import System

START_US = 1_790_000_000_000_000
SECOND_US = 1_000_000


def station(*faults: Fault, seed: int = 1) -> SimulatedStation:
    return SimulatedStation(1234, 121.2, 31.1, 22.0, seed=seed, faults=faults)


def fault(kind: str, magnitude: float = 0.0, begin_s: int = 5) -> Fault:
    return Fault(kind, START_US + begin_s * SECOND_US, START_US + 3600 * SECOND_US, magnitude)


def observed(emission):
    buffer = np.frombuffer(b"".join(emission.frames), np.uint8)
    index = find_frames(buffer, final=True)
    return index, *decode_msm(buffer, index.start, index.length)


def test_pyrtcm_reads_every_message():
    emission = station().emit(START_US)
    messages = [m for _, m in RTCMReader(io.BytesIO(b"".join(emission.frames)))]
    assert [m.identity for m in messages] == ["1006", "1077", "1087", "1097", "1117", "1127"]
    assert [m.DF393 for m in messages[1:]] == [1, 1, 1, 1, 0]
    position = [messages[0].DF025, messages[0].DF026, messages[0].DF027]
    assert position == pytest.approx(geodetic_to_ecef(121.2, 31.1, 22.0), abs=1e-4)


def test_an_epoch_has_the_size_of_a_five_system_station():
    _, frames, observations = observed(station().emit(START_US))
    assert len(frames) == 5
    assert set(np.unique(observations.system)) == {
        System.GPS,
        System.GLONASS,
        System.GALILEO,
        System.QZSS,
        System.BEIDOU,
    }
    assert 100 < len(observations) < 260
    assert np.isfinite(observations.range_m).all()
    assert (observations.range_m > 1.9e7).all()
    assert (observations.range_m < 4.3e7).all()
    assert 25 < observations.cn0_dbhz.min() < observations.cn0_dbhz.max() < 55


def test_phase_and_code_move_together_and_the_rate_is_their_derivative():
    source = station()
    a = observed(source.emit(START_US))[2]
    b = observed(source.emit(START_US + SECOND_US))[2]
    assert len(a) == len(b)
    moved = b.phase_m - a.phase_m
    assert np.abs(moved - (a.rate_m_s + b.rate_m_s) / 2).max() < 0.2
    assert np.abs((b.range_m - a.range_m) - moved).max() < 5.0
    assert (b.lock_ms >= a.lock_ms).all()


def test_the_same_epochs_give_the_same_bytes():
    times = [START_US + i * SECOND_US for i in range(4)]
    one, other = station(), station()
    assert [one.emit(t) for t in times] == [other.emit(t) for t in times]
    assert station(seed=2).emit(START_US) != one.emit(START_US)


def test_an_outage_is_silent_and_resets_the_locks():
    source = station(Fault("outage", START_US + 2 * SECOND_US, START_US + 4 * SECOND_US))
    emissions = [source.emit(START_US + i * SECOND_US) for i in range(6)]
    assert [bool(e.frames) for e in emissions] == [True, True, False, False, True, True]
    assert observed(emissions[1])[2].lock_ms.min() >= 500
    assert observed(emissions[4])[2].lock_ms.max() == 0


def test_slips_move_the_phase_and_reset_the_lock():
    source, twin = station(fault("slips", 7.0)), station()
    differing = set()
    for i in range(12):
        t = START_US + i * SECOND_US
        a, b = observed(source.emit(t))[2], observed(twin.emit(t))[2]
        jumped = np.flatnonzero(np.abs(a.phase_m - b.phase_m) > 0.5)
        differing |= set(jumped)
        assert (i >= 5) or not len(jumped)
    assert len(differing) > 5


@pytest.mark.parametrize(
    ("kind", "magnitude", "check"),
    [
        ("jamming", 12.0, lambda ill, well: well.cn0_dbhz.mean() - ill.cn0_dbhz.mean() > 3.0),
        ("multipath", 2.0, lambda ill, well: np.std(ill.range_m - well.range_m) > 1.0),
    ],
)
def test_faults_of_signals(kind, magnitude, check):
    t = START_US + 10 * SECOND_US
    ill = observed(station(fault(kind, magnitude)).emit(t))[2]
    well = observed(station().emit(t))[2]
    assert check(ill, well)


def test_latency_corruption_and_loss():
    t = START_US + 10 * SECOND_US
    assert station(fault("latency", 3.0)).emit(t).delay_s - station().emit(t).delay_s == pytest.approx(3.0)
    index, frames, _ = observed(station(fault("corruption", 1.0)).emit(t))
    assert len(frames) == 0
    assert index.bad >= 5
    lost = sum(not station(fault("loss", 0.3)).emit(t + i * SECOND_US).frames for i in range(200))
    assert 30 < lost < 90
