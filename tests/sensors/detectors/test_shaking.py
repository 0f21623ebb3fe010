"""Shaking: a network's recording, ObsPy's ratios, holes, dead channels, wrong rates."""

import gzip
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, sosfilt

from sensors.coincidence import Coincidence, Trigger
from sensors.detectors.bank import Bank
from sensors.detectors.finding import Subject
from sensors.detectors.shaking import KIND, ShakingParameters, ratios
from tests.seismology import read
from tests.seismology import trigger as obspy
from tests.sensors.detectors.contract import (
    Input,
    S,
    assert_cuts_do_not_matter,
    assert_ends_in_silence,
    assert_survives,
    every,
    find,
    rows,
    story,
)

RATE_HZ = 100.0
CHANNELS = ("UH1._.SHZ", "UH2._.SHZ", "UH3._.SHZ", "UH3._.SHN", "UH3._.SHE", "UH4._.EHZ")


def noise(n, seed=0):
    return np.random.default_rng(seed).normal(0, 100, n).round()


def burst(n, at, amplitude=3000.0, seed=1):
    """Return an event of 15 Hz that decays in a second."""
    after = np.arange(n) - at
    wave = amplitude * np.sin(2 * np.pi * 15 * after / RATE_HZ) * np.exp(-np.maximum(after, 0) / RATE_HZ)
    return np.where(after >= 0, wave, 0.0) + noise(n, seed)


def triggers_of(samples, trace):
    bank = Bank(KIND)
    rate_hz = trace.stats.sampling_rate
    slot = bank.add(ShakingParameters(sampling_rate_hz=rate_hz), Subject(trace.id, "count"))
    for piece in samples:
        for told in bank.on_rows(piece._replace(slot=piece.slot + slot)):
            finding = told.finding
            assert not finding.rule
            off_us = finding.at_us if finding.phase == "end" else None
            yield finding.at_us, Trigger(trace.stats.station, trace.stats.channel, finding.onset_us, off_us)


@pytest.mark.parametrize("packet_s", [0.37, 1.0, 11.0, 1000.0])
def test_the_recorded_network_has_exactly_three_events(data, packet_s):
    told = []
    for channel in CHANNELS:
        with gzip.open(data / f"seismic/BW.{channel}.D.2010.147.cut.slist.gz") as file:
            (trace,) = read(file)
        stats = trace.stats
        times = every(1 / stats.sampling_rate, stats.npts, stats.starttime.ns // 1000)
        n = max(1, round(packet_s * stats.sampling_rate))
        pieces = [rows([Input(times[i : i + n], trace.data[i : i + n])]) for i in range(0, stats.npts, n)]
        told += list(triggers_of(pieces, trace))
    told.sort(key=lambda one: (one[0], one[1].on_us))
    network = Coincidence()
    events = network.take(trigger for _, trigger in told)
    events += network.advance(told[-1][0] + 3600 * S)
    ends = [e for e in events if e.phase == "end"]
    assert not any(e.withdrawn for e in ends)
    assert [
        (str(datetime.fromtimestamp(round(e.onset_us / 1e6, 2), UTC).time())[:11], len(e.stations))
        for e in ends
    ] == [("16:24:33.21", 4), ("16:27:01.26", 3), ("16:27:30.51", 4)]


def test_ratio_and_triggers_are_those_of_obspy():
    value = burst(6000, 2500) + burst(6000, 4200, 1500.0, 2)
    sos = butter(4, [10, 20], btype="band", fs=RATE_HZ, output="sos")
    expected = obspy.recursive_sta_lta(sosfilt(sos, value - value[0]), 50, 1000)
    bank = Bank(KIND)
    slot = bank.add(ShakingParameters(), Subject("x", "count"))
    got = np.empty(len(value))
    ratios(bank.limits[slot], bank.state[slot], value, got)
    np.testing.assert_allclose(got, expected, rtol=1e-9)
    times = every(1 / RATE_HZ, len(value))
    found = find(KIND, ShakingParameters(), Input(times, value))
    onsets = [f.at_us for f in found if f.phase == "begin"]
    ends = [f.at_us for f in found if f.phase == "end"]
    theirs = obspy.trigger_onset(expected, 3.5, 1.0)
    assert len(theirs) == 2
    assert onsets == times[theirs[:, 0]].tolist()
    assert ends == times[theirs[:, 1] + 1].tolist()


def test_a_trigger_tells_its_amplitude_and_gets_worse():
    found = find(
        KIND, ShakingParameters(amplitudes=(2000.0, 1e4)), Input(every(0.01, 6000), burst(6000, 2000))
    )
    assert story(found) == [("begin", "blue"), ("update", "yellow"), ("end", "yellow")]
    assert 0 <= found[0].at_us - every(0.01, 4000)[2000] < 0.1 * S
    assert {f.onset_us for f in found} == {found[0].onset_us}
    assert found[-1].evidence["peak"] == pytest.approx(2700, rel=0.2)
    samples = found[0].evidence["samples"]
    assert len(samples["time_us"]) == len(samples["ratio"]) == 200
    assert max(samples["ratio"]) >= 3.5


def test_neither_steady_noise_nor_its_slow_growth_triggers():
    n = 200_000
    for seed in range(3):
        value = noise(n, seed) * np.interp(np.arange(n), [100_000, 115_000], [1.0, 5.0])
        assert find(KIND, ShakingParameters(), Input(every(0.01, n), value)) == []


@pytest.mark.parametrize(("hole", "heard"), [(7, True), (30, False)])
def test_a_short_hole_is_bridged_and_a_long_one_begins_anew(hole, heard):
    value, times = burst(4000, 2500), every(0.01, 4000)
    keep = np.abs(np.arange(4000) - 2300) > hole / 2
    found = find(KIND, ShakingParameters(), Input(times[keep], value[keep]))
    # Five seconds after a hole that begins anew the long average is not trusted yet.
    assert story(found) == ([("begin", "blue"), ("end", "blue")] if heard else [])


def test_a_hole_alone_triggers_nothing():
    for seed in range(10):
        keep = np.random.default_rng(seed).random(20_000) > 0.02
        value = noise(20_000, seed) + 5e5
        assert find(KIND, ShakingParameters(), Input(every(0.01, 20_000)[keep], value[keep])) == []


def test_a_dead_channel_is_a_problem_of_the_sensor_and_its_return_no_shaking():
    value = noise(12_000)
    value[3000:6000] = 17.0
    found = find(KIND, ShakingParameters(), Input(every(0.01, 11_000), value[:11_000]))
    assert story(found) == [("begin", "blue", "shaking_sensor")]
    assert "does not move" in found[0].title
    longer = find(KIND, ShakingParameters(), Input(every(0.01, 20_000), np.append(value, noise(8000, 4))))
    assert story(longer)[1:] == [("end", "blue", "shaking_sensor")]


@pytest.mark.parametrize("rate_hz", [50.0, 200.0, 1.0])
def test_a_wrong_rate_is_told(rate_hz):
    found = find(KIND, ShakingParameters(), Input(every(1 / rate_hz, 3000), noise(3000)))
    assert story(found)[0] == ("begin", "blue", "shaking_sensor")
    assert f"sends {rate_hz:g} samples a second, not 100" in found[0].title


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_it_keeps_the_contract(seed):
    value, times = burst(3000, 1700, seed=seed), every(0.01, 3000)
    keep = np.random.default_rng(seed).random(3000) > 0.01
    assert_cuts_do_not_matter(KIND, ShakingParameters(), [Input(times[keep], value[keep])], seed)
    assert_survives(KIND, ShakingParameters(), 1, 0.01, seed)


def test_silence_ends_it():
    assert_ends_in_silence(KIND, ShakingParameters(), [Input(every(0.01, 2000), burst(2000, 1990))])


@pytest.mark.parametrize(
    "wrong",
    [{"on": 0.5}, {"sta_s": 20.0}, {"sampling_rate_hz": 30.0}, {"amplitudes": (3.0, 1.0)}, {"fill_s": 9.0}],
)
def test_parameters_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=r"must|high_hz"):
        ShakingParameters(**wrong)
