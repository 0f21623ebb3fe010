"""Each fault does exactly what it says: the same station with it and without it."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from gnss.observations import Observations
from gnss.rtcm.framing import find_frames
from gnss.rtcm.messages import Message, decode
from gnss.rtcm.msm import decode_msm
from gnss.rtcm.signals import L1_HZ, L5_HZ, frequency_hz, wavelength_m
from gnss.rtcm.station import decode_position
from gnss.simulate import Fault, SimulatedSky, SimulatedStation
from gnss.systems import System

SECOND_US = 1_000_000
START_US = 1_790_000_010 * SECOND_US
MS_M = 299_792.458


def station(*faults: Fault, seed: int = 1, **rest) -> SimulatedStation:
    return SimulatedStation(1234, 121.2, 31.1, 22.0, seed=seed, faults=faults, **rest)


def at(second: float) -> int:
    return START_US + round(second * SECOND_US)


def fault(kind, magnitude: float = 0.0, begin_s: int = 5, end_s: int = 3600, **rest) -> Fault:
    return Fault(kind, at(begin_s), at(end_s), magnitude, **rest)


def observed(frames):
    buffer = np.frombuffer(b"".join(frames), np.uint8)
    index = find_frames(buffer, final=True)
    return index, *decode_msm(buffer, index.start, index.length)


def keys(o: Observations) -> list[tuple[int, int, int]]:
    return list(zip(o.system.tolist(), o.satellite.tolist(), o.signal.tolist(), strict=True))


def twins(planted: Fault, seconds, **rest):
    """Yield the observations of an ill station and of a healthy one."""
    ill, well = station(planted, **rest), station(**rest)
    for second in seconds:
        yield second, ill.observe(at(second)), well.observe(at(second))


def equal(a: Observations, b: Observations) -> bool:
    return all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(Observations))


ALL = {
    "outage": {},
    "loss": {"magnitude": 1.0},
    "latency": {"magnitude": 1.0},
    "corruption": {"magnitude": 1.0},
    "out_of_order": {"magnitude": 1.0},
    "slips": {"magnitude": 3.0},
    "slip": {},
    "jamming": {"magnitude": 10.0},
    "multipath": {"magnitude": 1.0},
    "clock_jump": {"magnitude": 1.0},
    "clock_jump_of_ranges": {"magnitude": 1.0},
    "moved": {"magnitude": 5.0},
    "moved_and_told": {"magnitude": 5.0},
    "storm": {},
    "missing_system": {"system": System.GALILEO},
    "wrong_station_id": {},
    "wrong_antenna": {},
}
ONCE = {"slip", "clock_jump", "clock_jump_of_ranges"}


@pytest.mark.parametrize("kind", list(ALL))
def test_before_its_begin_and_behind_its_end_nothing_is_wrong(kind):
    ill, well = station(fault(kind, begin_s=33, end_s=38, **ALL[kind])), station()
    differs = set()
    for second in range(30, 60):
        if ill.emit(at(second)) != well.emit(at(second)):
            differs.add(second)
    assert differs
    assert min(differs) >= 33
    if kind in {"outage", "slips", "jamming", *ONCE}:
        assert max(differs) > 40  # ambiguities, lock times and clocks stay changed
    else:
        assert max(differs) <= 38


def test_an_outage_is_silent_and_resets_the_locks():
    source = station(fault("outage", begin_s=2, end_s=4))
    emissions = [source.emit(at(i)) for i in range(6)]
    assert [bool(e.frames) for e in emissions] == [True, True, False, False, True, True]
    assert observed(emissions[1].frames)[2].lock_ms.min() >= 500
    assert observed(emissions[4].frames)[2].lock_ms.max() == 0


def test_loss_takes_a_share_of_epochs_and_no_lock():
    source = station(fault("loss", 0.3, begin_s=0))
    emissions = [source.emit(at(i)) for i in range(300)]
    lost = sum(not e.frames for e in emissions)
    assert 0.2 * 300 < lost < 0.4 * 300
    newest = next(e for e in reversed(emissions) if e.frames)
    assert np.median(observed(newest.frames)[2].lock_ms) > 200_000


def test_latency_and_corruption():
    assert station(fault("latency", 3.0)).emit(at(9)).delay_s == pytest.approx(
        station().emit(at(9)).delay_s + 3
    )
    ill, well = station(fault("corruption", 0.4, begin_s=0)), station()
    frames = bad = 0
    for i in range(20):
        damaged, sound = ill.emit(at(i)).frames, well.emit(at(i)).frames
        assert [len(f) for f in damaged] == [len(f) for f in sound]
        for one, other in zip(damaged, sound, strict=True):
            flipped = int.from_bytes(one, "big") ^ int.from_bytes(other, "big")
            assert flipped.bit_count() <= 1
            bad += flipped.bit_count()
            frames += 1
    assert 0.3 * frames < bad < 0.5 * frames


def test_out_of_order_swaps_epochs_and_loses_none():
    ill, well = station(fault("out_of_order", 0.5, begin_s=10, end_s=50)), station()
    sent = [ill.emit(at(i)).frames for i in range(60)]
    plain = [well.emit(at(i)).frames for i in range(60)]
    assert sorted(f for frames in sent for f in frames) == sorted(f for frames in plain for f in frames)
    held = [i for i in range(60) if not sent[i]]
    assert 8 < len(held) < 25
    assert 10 <= min(held) <= max(held) < 50
    for i in held:
        assert sent[i + 1] == plain[i + 1] + plain[i]


@pytest.mark.parametrize(
    ("magnitude", "chosen"),
    [(0.0, None), (1.0, None), (-7.0, None), (2.0, (System.GALILEO, 23))],
)
def test_a_slip_moves_one_phase_by_whole_cycles_and_nothing_else(magnitude: float, chosen):
    rest = {}
    if chosen:
        system, signal = chosen
        up = [s for s in station().truth(at(20)).satellites if s.system is system and s.elevation_deg > 30]
        rest = {"system": system, "satellite": up[0].satellite, "signal": signal}
    ill, well = station(fault("slip", magnitude, begin_s=20, **rest)), station()
    slipped = set()
    for second in range(40):
        a, b = ill.observe(at(second)), well.observe(at(second))
        assert keys(a) == keys(b)
        for name in ("range_m", "rate_m_s", "cn0_dbhz", "lock_ms", "half_cycle", "flags"):
            assert np.array_equal(getattr(a, name), getattr(b, name))
        apart = (a.phase_m - b.phase_m) / wavelength_m(a.system, a.signal, a.channel)
        moved = np.flatnonzero(apart)
        assert len(moved) == (second >= 20)
        for i in moved:
            assert apart[i] == pytest.approx(magnitude or 1.0, abs=1e-6)
            slipped.add(keys(a)[i])
    assert len(slipped) == 1
    (key,) = slipped
    if chosen:
        assert key == (rest["system"], rest["satellite"], rest["signal"])
    else:
        satellites = ill.truth(at(20)).satellites
        highest = max(satellites, key=lambda s: s.elevation_deg)
        assert key[:2] == (highest.system, highest.satellite)
    (event,) = ill.truth(at(20)).events
    assert (event.kind, event.magnitude) == ("slip", magnitude or 1.0)
    assert (event.system, event.satellite, event.signal) == key
    assert not ill.truth(at(21)).events


def test_slips_are_told_by_lock_times_and_by_the_truth():
    ill = station(fault("slips", 7.0, begin_s=10, end_s=30))
    well, total, signals = station(), 0, 0
    before: dict[tuple[int, int, int], float] = {}
    for second in range(40):
        a, b = ill.observe(at(second)), well.observe(at(second))
        cycles = np.round((a.phase_m - b.phase_m) / wavelength_m(a.system, a.signal, a.channel))
        now = dict(zip(keys(a), cycles.tolist(), strict=True))
        slipped = {key: value - before.get(key, 0.0) for key, value in now.items()}
        new = sorted(key for key, jump in slipped.items() if jump)
        assert all(slipped[key] == 7.0 for key in new)
        events = ill.truth(at(second)).events
        assert sorted((e.system, e.satellite, e.signal) for e in events) == new
        assert not any(a.lock_ms[i] for i, key in enumerate(keys(a)) if key in new)
        assert not new or 10 <= second < 30
        total, signals, before = total + len(new), signals + len(now), now
    assert 0.5 * signals * 0.01 < total < 0.5 * signals * 0.03


@pytest.mark.parametrize("carrier_hz", [L1_HZ, L5_HZ])
def test_jamming_takes_a_band_and_what_is_weak_in_it(carrier_hz: float):
    for second, a, b in twins(fault("jamming", 12.0, begin_s=2, carrier_hz=carrier_hz), range(5)):
        if second < 2:
            continue
        jammed = np.abs(frequency_hz(b.system, b.signal, b.channel) - carrier_hz) < 40e6
        assert 30 < jammed.sum() < len(b) - 30
        left = np.isin([hash(k) for k in keys(b)], [hash(k) for k in keys(a)])
        assert left[~jammed].all()
        assert 0 < (~left).sum() < jammed.sum()
        assert b.cn0_dbhz[~left].max() < 38.5
        assert b.cn0_dbhz[left & jammed].min() > 35.5
        assert np.allclose(b.cn0_dbhz[left] - a.cn0_dbhz, np.where(jammed[left], 12.0, 0.0))


def test_multipath_adds_its_rms_to_all_codes():
    added = []
    for _, a, b in twins(fault("multipath", 1.5, begin_s=0), range(0, 600, 2)):
        assert np.array_equal(a.phase_m, b.phase_m)
        added.append(dict(zip(keys(a), a.range_m - b.range_m, strict=True)))
    common = set.intersection(*(set(epoch) for epoch in added))
    rms = [np.sqrt(np.mean([epoch[k] ** 2 for epoch in added])) for k in common]
    assert np.mean(rms) == pytest.approx(1.5, rel=0.03)
    assert min(rms) > 1.2


@pytest.mark.parametrize("ms", [1.0, -3.0])
def test_a_clock_jump_moves_codes_and_phases_alike(ms: float):
    for second, a, b in twins(fault("clock_jump", ms), range(10)):
        assert keys(a) == keys(b)
        step_m = ms * MS_M * (second >= 5)
        # the receiver measures so much earlier, by which a range changes by its rate
        early_m = a.rate_m_s * ms * 1e-3 * (second >= 5)
        assert np.abs(a.range_m - b.range_m - step_m + early_m).max() < 0.01
        assert np.abs(a.phase_m - b.phase_m - step_m + early_m).max() < 0.01
        assert np.array_equal(a.lock_ms, b.lock_ms)
    ill = station(fault("clock_jump", ms))
    happened = []
    for i in range(10):
        ill.emit(at(i))
        truth = ill.truth(at(i))
        happened += truth.events
        assert truth.clock_s == pytest.approx(
            station().truth(at(i)).clock_s + ms * 1e-3 * (i >= 5), abs=1e-12
        )
    assert [(e.kind, e.epoch_us, e.magnitude) for e in happened] == [("clock_jump", at(5), ms)]


def test_a_clock_jump_of_ranges_leaves_the_phases_as_they_are():
    for second, a, b in twins(fault("clock_jump_of_ranges", 1.0), range(10)):
        assert np.abs(a.range_m - b.range_m - MS_M * (second >= 5)).max() < 1e-6
        assert np.array_equal(a.phase_m, b.phase_m)
        assert np.array_equal(a.lock_ms, b.lock_ms)


def test_msm_sends_a_jump_of_ranges_with_phases_moved_by_whole_cycles():
    ill, well = station(fault("clock_jump_of_ranges", 1.0)), station()
    for second in range(10):
        a, b = observed(ill.emit(at(second)).frames)[2], observed(well.emit(at(second)).frames)[2]
        assert keys(a) == keys(b)
        length = wavelength_m(a.system, a.signal, a.channel)
        apart_m = a.phase_m - b.phase_m
        if second < 5:
            assert not apart_m.any()
            continue
        assert np.abs(a.range_m - b.range_m - MS_M).max() < 0.001
        assert np.abs(apart_m - MS_M).max() < 0.15
        cycles = apart_m / length
        assert np.abs(cycles - np.round(cycles)).max() < 0.01
        assert a.lock_ms.max() <= (second - 5) * 1000


@pytest.mark.parametrize("kind", ["moved", "moved_and_told"])
def test_a_moved_antenna(kind):
    ill, well = station(fault(kind, 30.0)), station()
    for second in (0, 10):
        a, b = ill.observe(at(second)), well.observe(at(second))
        east_m = 30.0 * (second > 5)
        place = {(s.system, s.satellite): s for s in well.truth(at(second)).satellites}
        seen = [place[k[:2]] for k in keys(b)]
        azimuth, elevation = (
            np.radians([getattr(s, name) for s in seen]) for name in ("azimuth_deg", "elevation_deg")
        )
        nearer_m = east_m * np.sin(azimuth) * np.cos(elevation)
        assert np.abs(a.range_m - b.range_m + nearer_m).max() < 0.01
        told = [decode_position(f[3:-3]) for f in ill.emit(at(second)).frames]
        (told,) = [p for p in told if p is not None]
        offset_m = np.linalg.norm(np.array(told.ecef_m) - well.ecef_m)
        assert offset_m == pytest.approx(east_m if kind == "moved_and_told" else 0.0, abs=2e-4)
        true_m = np.linalg.norm(np.array(ill.truth(at(second)).ecef_m) - well.ecef_m)
        assert true_m == pytest.approx(east_m, abs=1e-6)


@pytest.mark.parametrize("whose", ["station", "sky"])
def test_a_storm_has_the_roti_that_was_asked_for_and_no_slips(whose: str):
    storm = fault("storm", 3.0, begin_s=300, end_s=2400)
    source = station(sky=SimulatedSky(storms=[storm])) if whose == "sky" else station(storm)
    phases: dict[tuple[int, int, int], list[float]] = {}
    for second in range(2700):
        o = source.observe(at(second))
        for key, metres in zip(keys(o), o.phase_m, strict=True):
            phases.setdefault(key, []).append(metres)
    rotis: dict[int, list[float]] = {0: [], 900: [], 1500: []}
    compared = 0
    for (system, satellite, signal), high in phases.items():
        low = phases.get((system, satellite, 10))
        if system != System.GPS or signal != 2 or low is None or not len(high) == len(low) == 2700:
            continue
        free = np.array(high) - np.array(low)
        assert np.abs(np.diff(free)).max() < 0.05
        f1, f2 = frequency_hz(0, 2, 0), frequency_hz(0, 10, 0)
        rot = np.diff(free[::30]) / (40.3e16 * (1 / f2**2 - 1 / f1**2)) * 2.0
        for begin, found in rotis.items():
            found.append(float(np.std(rot[begin // 30 : begin // 30 + 10])))
        compared += 1
    assert compared > 4
    assert np.median(rotis[0]) < 0.2
    for begin in (900, 1500):
        assert 2.0 < np.median(rotis[begin]) < 4.0


def test_a_missing_system_is_missing_and_the_rest_complete():
    ill = station(fault("missing_system", system=System.GLONASS))
    for second in (0, 10):
        index, frames, o = observed(ill.emit(at(second)).frames)
        assert (System.GLONASS in o.system) == (second == 0)
        assert frames.more_follow.tolist() == [1] * (len(frames) - 1) + [0]
        assert index.bad == 0
        assert {System.GPS, System.GALILEO, System.QZSS, System.BEIDOU} <= set(o.system.tolist())


def test_wrong_station_and_wrong_antenna():
    ill = station(fault("wrong_station_id", 77.0))
    assert set(observed(ill.emit(at(0)).frames)[1].reference_station.tolist()) == {1234}
    assert set(observed(ill.emit(at(9)).frames)[1].reference_station.tolist()) == {77}
    other = station(fault("wrong_station_id"))
    assert set(observed(other.emit(at(9)).frames)[1].reference_station.tolist()) == {1235}
    ill, well = station(fault("wrong_antenna", begin_s=40)), station()
    antennas = {}
    for source in (ill, well):
        for second in range(90):
            for frame in source.emit(at(second)).frames:
                told = decode(frame[3:-3])
                if isinstance(told, Message) and told.number == 1033:
                    late = second >= 40
                    antennas.setdefault((source is ill, late), set()).add(told.values["antenna_descriptor"])
    assert antennas[True, False] == antennas[False, False] == antennas[False, True]
    assert len(antennas[True, True]) == 1
    assert antennas[True, True] != antennas[True, False]


def test_two_faults_of_a_kind_add_up():
    both = station(fault("latency", 1.0), fault("latency", 2.5))
    assert both.emit(at(6)).delay_s == pytest.approx(station().emit(at(6)).delay_s + 3.5)


def test_faults_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="no fault"):
        Fault("rain", 0, 1)
    with pytest.raises(ValueError, match="system"):
        Fault("missing_system", 0, 1)
    with pytest.raises(ValueError, match="storm"):
        SimulatedSky(storms=[Fault("outage", 0, 1)])
