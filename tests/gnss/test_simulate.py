"""Simulated stations send bytes that other programs read, and what they observe is true."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
from pyrtcm import RTCMReader

from gnss.ephemeris_book import EphemerisBook
from gnss.geodesy import geodetic_to_ecef
from gnss.observations import Observations
from gnss.quality.position import solve
from gnss.rtcm.ephemeris import EPHEMERIS_MESSAGES, decode_ephemeris
from gnss.rtcm.framing import find_frames
from gnss.rtcm.msm import decode_msm
from gnss.rtcm.signals import frequency_hz
from gnss.simulate import Emission, SimulatedSky, SimulatedStation
from gnss.sky import sky_at
from gnss.systems import System

SECOND_US = 1_000_000
START_US = 1_790_000_010 * SECOND_US
FIVE = {System.GPS, System.GLONASS, System.GALILEO, System.QZSS, System.BEIDOU}
C_M_S = 299_792_458.0


def station(seed: int = 1, **rest) -> SimulatedStation:
    return SimulatedStation(1234, 121.2, 31.1, 22.0, seed=seed, **rest)


def observed(emission: Emission):
    buffer = np.frombuffer(b"".join(emission.frames), np.uint8)
    index = find_frames(buffer, final=True)
    return index, *decode_msm(buffer, index.start, index.length)


def cells(o: Observations) -> list[tuple[int, int, int]]:
    return list(zip(o.system.tolist(), o.satellite.tolist(), o.signal.tolist(), strict=True))


def test_pyrtcm_reads_every_message():
    source, numbers = station(), []
    source.emit(START_US)
    for i in (10, 20, 25, 35):
        frames = source.emit(START_US + i * SECOND_US).frames
        messages = [m for _, m in RTCMReader(io.BytesIO(b"".join(frames)))]
        assert len(messages) == len(frames)
        numbers += [int(m.identity) for m in messages]
        observations = [m for m in messages if 1071 <= int(m.identity) <= 1137]
        assert [m.DF393 for m in observations] == [1] * (len(observations) - 1) + [0]
        assert {int(m.identity) for m in observations} == {1077, 1087, 1097, 1117, 1127}
        for m in messages:
            if m.identity == "1006":
                position = [m.DF025, m.DF026, m.DF027]
                assert position == pytest.approx(geodetic_to_ecef(121.2, 31.1, 22.0), abs=1e-4)
    assert numbers.count(1006) == 3
    assert {1033, 1230} <= set(numbers)
    assert {1019, 1020, 1042, 1044, 1046} <= set(numbers)


@pytest.mark.parametrize("step_s", [1, 5, 30])
def test_each_satellite_in_view_sends_its_ephemeris_in_half_a_minute(step_s: int):
    source, told, most = station(), [], 0
    source.emit(START_US)
    for i in range(step_s, 31, step_s):
        index, *_ = observed(emission := source.emit(START_US + i * SECOND_US))
        payloads = [f[3:-3] for f in emission.frames if (f[3] << 4 | f[4] >> 4) in EPHEMERIS_MESSAGES]
        most = max(most, len(payloads))
        told += [decode_ephemeris(p, START_US) for p in payloads]
        assert len(index) == len(emission.frames)
    up = {(s.system, s.satellite) for s in source.truth(START_US + 15 * SECOND_US).satellites}
    assert {(e.system, e.satellite) for e in told} >= up
    assert len(told) <= len(up) + 2
    assert most <= 4 * step_s
    assert {(e.system, e.satellite): e for e in told}.items() <= {
        (e.system, e.satellite): e for e in source.sky.ephemerides(START_US)
    }.items()


def test_an_epoch_has_the_size_of_a_five_system_station():
    source, counts = station(), []
    for hour in range(0, 24, 2):
        _, frames, o = observed(source.emit(START_US + hour * 3600 * SECOND_US))
        assert 5 <= len(frames) <= 8
        counts.append(len(o))
        assert np.isfinite(o.range_m).all()
        assert ((o.range_m > 1.9e7) & (o.range_m < 4.3e7)).all()
        assert 27 < o.cn0_dbhz.min() < o.cn0_dbhz.max() < 52
        assert not o.half_cycle.any()
        assert not o.flags.any()
        assert set(np.unique(o.system)) == FIVE
    assert 145 < np.mean(counts) < 175


def test_a_clean_station_observes_what_the_truth_expects():
    source = station()
    for i in range(0, 7200, 300):
        t = START_US + i * SECOND_US
        o = source.observe(t)
        expected = [(s.system, s.satellite, g) for s in source.truth(t).satellites for g in s.signals]
        assert sorted(cells(o)) == sorted(expected)


def test_elevations_agree_with_the_ephemerides_of_the_stream():
    source, book = station(), EphemerisBook()
    for i in range(31):
        for frame in source.emit(START_US + i * SECOND_US).frames:
            book.add_message(frame[3:-3], START_US + i * SECOND_US)
    t = START_US + 60 * SECOND_US
    sky, up = sky_at(book, t), geodetic_to_ecef(121.2, 31.1, 1022.0) - source.ecef_m
    compared = 0
    for s in source.truth(t).satellites:
        line = sky.position_m[int(s.system) * 64 + s.satellite - 1] - source.ecef_m
        sine = line @ up / np.linalg.norm(line) / np.linalg.norm(up)
        if np.isfinite(sine):  # one may have risen meanwhile
            assert np.degrees(np.arcsin(sine)) == pytest.approx(s.elevation_deg, abs=0.01)
            compared += 1
    assert compared > 35


def position_errors(source: SimulatedStation, keep, seconds: range) -> np.ndarray:
    book, errors = EphemerisBook(), []
    for half_hour in range(-1, 4):
        book.extend(source.sky.ephemerides(START_US + half_hour * 1800 * SECOND_US))
    for i in seconds:
        t = START_US + i * SECOND_US
        o, sky, out = source.observe(t), sky_at(book, t), np.full(8, np.nan)
        k = keep(o)
        observations = (o.system[k], o.satellite[k], o.signal[k], o.range_m[k], o.cn0_dbhz[k])
        places = (sky.healthy, sky.position_m, sky.velocity_m_s, sky.acceleration_m_s2)
        clocks = (sky.clock_s, sky.clock_rate, sky.group_delay_s)
        used = solve(*observations, *places, *clocks, source.ecef_m, out)
        assert used > 3
        errors.append([*(out[:3] - source.ecef_m), out[5] - source.truth(t).clock_s])
    return np.array(errors)


@pytest.mark.parametrize("system", [None, System.GPS, System.GLONASS, System.GALILEO, System.BEIDOU])
@pytest.mark.parametrize("clock", ["steered", "free"])
def test_positions_of_each_system_are_right(system: System | None, clock):
    source = station(clock=clock)

    def keep(o: Observations):
        return np.ones(len(o), bool) if system is None else o.system == system

    errors = position_errors(source, keep, range(0, 3000, 25))
    assert np.linalg.norm(errors[:, :3], axis=1).mean() < 2.0
    assert np.abs(errors[:, :3].mean(axis=0)).max() < 0.6
    if system in {None, System.GPS}:
        assert np.abs(errors[:, 3]).max() * C_M_S < 10.0


def test_phase_and_code_move_together_and_the_rate_is_their_derivative():
    source = station()
    a = observed(source.emit(START_US))[2]
    b = observed(source.emit(START_US + SECOND_US))[2]
    assert cells(a) == cells(b)
    moved = b.phase_m - a.phase_m
    assert np.abs(moved - (a.rate_m_s + b.rate_m_s) / 2).max() < 0.1
    assert np.abs((b.range_m - a.range_m) - moved).max() < 3.0
    assert ((b.lock_ms - a.lock_ms) > 0).all()


@pytest.mark.parametrize("clock", ["steered", "free"])
def test_the_rate_of_a_moving_rover_is_the_difference_of_its_ranges(clock):
    """At 250 m/s: phases a second apart against the rates at both times."""
    east_m_s, north_m_s, up_m_s = velocity = (250.0, -40.0, 8.0)
    rover, here = station(clock=clock), np.array(geodetic_to_ecef(121.2, 31.1, 22.0))
    east_deg_s = east_m_s / np.linalg.norm(geodetic_to_ecef(121.2 + 1e-4, 31.1, 22.0) - here) * 1e-4
    north_deg_s = north_m_s / np.linalg.norm(geodetic_to_ecef(121.2, 31.1 + 1e-4, 22.0) - here) * 1e-4
    found = []
    for i in range(-3, 4):
        place = 121.2 + i * east_deg_s, 31.1 + i * north_deg_s, 22.0 + i * up_m_s
        rover.move(*place, velocity)
        found.append(rover.observe(START_US + i * SECOND_US))
    compared = 0
    for a, b in itertools.pairwise(found):
        assert cells(a) == cells(b)
        off = np.abs(b.phase_m - a.phase_m - (a.rate_m_s + b.rate_m_s) / 2)
        assert off.max() < 0.1
        compared += len(off)
    assert compared > 800
    at_rest = station(clock=clock)
    assert np.abs(found[3].rate_m_s - at_rest.observe(START_US).rate_m_s).max() > 100.0


@pytest.mark.parametrize("clock", ["steered", "free"])
def test_the_clock_stays_where_such_a_receiver_keeps_it(clock):
    source = station(clock=clock)
    offsets = np.array([source.truth(START_US + i * 90 * SECOND_US).clock_s for i in range(480)])
    steps = np.diff(offsets)
    if clock == "steered":
        assert np.abs(offsets).max() < 1e-6
        assert np.abs(steps).max() < 2e-7
    else:
        assert np.abs(offsets).max() < 5.1e-4
        jumps = np.abs(steps) > 5e-4
        assert 5 < jumps.sum() < 30
        assert np.abs(np.abs(steps[jumps]) - 1e-3).max() < 1e-4


def test_a_free_clock_steps_codes_and_phases_alike():
    source = station(clock="free")
    times = [START_US + i * SECOND_US for i in range(3600)]
    clocks = np.array([source.truth(t).clock_s for t in times])
    at = int(np.argmax(np.abs(np.diff(clocks))))
    step_m = C_M_S * 1e-3 * np.sign(clocks[at + 1] - clocks[at])
    a, b = source.observe(times[at]), source.observe(times[at + 1])
    smooth = (a.rate_m_s + b.rate_m_s) / 2
    assert np.abs(b.phase_m - a.phase_m - smooth - step_m).max() < 1.0
    assert np.abs(b.range_m - a.range_m - smooth - step_m).max() < 4.0


def pass_columns(source: SimulatedStation, seconds: range):
    """Return values by signal: lists of time (s), code, phase, lock (ms)."""
    found: dict[tuple[int, int, int], list[tuple[float, float, float, int]]] = {}
    for i in seconds:
        o = source.observe(START_US + i * SECOND_US)
        for key, r, p, lock in zip(cells(o), o.range_m, o.phase_m, o.lock_ms, strict=True):
            found.setdefault(key, []).append((i, r, p, lock))
    return {key: np.array(rows) for key, rows in found.items()}


def hz_of(source: SimulatedStation, key) -> float:
    channel = next(s.channel for s in source.sky.satellites if (s.system, s.satellite) == key[:2])
    return float(frequency_hz(*key[:1], key[2], channel))


def test_signals_come_and_go_once_and_keep_their_lock_between():
    source = station()
    seconds = range(0, 6 * 3600, 30)
    passes = pass_columns(source, seconds)
    begun, ended = 0, 0
    for rows in passes.values():
        t, lock = rows[:, 0], rows[:, 3]
        gaps = np.diff(t) > 30
        assert gaps.sum() <= 1  # some satellites come twice in six hours
        since = t.copy()
        since[~np.r_[True, gaps]] = np.nan
        since = np.fmax.accumulate(since)
        assert np.array_equal(lock, (t - since) * 1000)
        begun += t[0] > 0
        ended += t[-1] < seconds[-1]
    assert begun > 50
    assert ended > 50


def test_ionosphere_is_smooth_and_multipath_moderate():
    """ROT and ROTI as Pi (1997) defines them, MP as Estey and Meertens (1999), without our indicators."""
    source = station()
    passes = pass_columns(source, range(0, 3600, 1))
    keys = {key[:2] for key in passes}
    rotis, multipaths, slips, compared = [], [], 0, 0
    for sat in keys:
        whole = [k for k in passes if k[:2] == sat and len(passes[k]) == 3600]
        mine = sorted(whole, key=lambda k: -hz_of(source, k))
        if len(mine) < 2 or hz_of(source, mine[0]) == hz_of(source, mine[-1]):
            continue
        high, low = passes[mine[0]], passes[mine[-1]]
        f1, f2 = hz_of(source, mine[0]), hz_of(source, mine[-1])
        free = high[:, 2] - low[:, 2]
        slips += int((np.abs(np.diff(free)) > 0.05).sum())
        compared += len(free)
        rot = np.diff(free[::30]) / (40.3e16 * (1 / f2**2 - 1 / f1**2)) * 2.0
        rotis += [float(np.std(rot[k : k + 10])) for k in range(0, len(rot) - 9, 10)]
        a = (f1 / f2) ** 2
        mp = high[:, 1] - high[:, 2] - 2.0 / (a - 1.0) * free
        multipaths.append(np.mean([np.var(mp[k : k + 300]) for k in range(0, 3600, 300)]))
    assert compared > 100_000
    assert slips == 0
    assert max(rotis) < 0.2
    assert 0.2 < np.sqrt(np.mean(multipaths)) < 0.4
    assert np.sqrt(max(multipaths)) < 0.9


def test_the_same_epochs_give_the_same_bytes():
    times = [START_US + i * SECOND_US for i in range(4)]
    one, other = station(), station(sky=SimulatedSky())
    sent = [one.emit(t) for t in times]
    other.sky.at(START_US + 86_400 * SECOND_US)  # what else the sky was asked for changes nothing
    again = []
    for t in times:
        other.truth(t)
        again.append(other.emit(t))
    assert sent == again
    assert station(seed=2).emit(START_US) != sent[0]


def test_stations_share_the_sky_of_an_epoch():
    sky = SimulatedSky()
    assert sky.at(START_US) is sky.at(START_US)
    first = sky.at(START_US)
    for i in range(1, 20):
        sky.at(START_US + i * SECOND_US)
    assert np.array_equal(sky.at(START_US).position_m, first.position_m)


@pytest.mark.parametrize("kind", [4, 5, 6, 7])
def test_other_kinds_of_msm(kind: int):
    _, frames, o = observed(station(kind=kind).emit(START_US))
    assert set((frames.message % 10).tolist()) == {kind}
    whole = station().observe(START_US)
    assert cells(o) == cells(whole)
    assert np.abs(o.range_m - whole.range_m).max() < 0.02
    assert np.abs(o.phase_m - whole.phase_m).max() < 0.001


def test_a_station_without_ephemerides_sends_none():
    numbers = set()
    source = station(sends_ephemerides=False)
    for i in range(30):
        numbers |= set(observed(source.emit(START_US + i * SECOND_US))[0].message.tolist())
    assert not numbers & set(EPHEMERIS_MESSAGES)
