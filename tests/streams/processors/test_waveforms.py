"""Waveforms on their way: packets of a network's recording, as JSON, to the triggers of its stations."""

import gzip
import json
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.sample_rows import GatheredRows
from sensors.catalogue import parse_catalogue
from sensors.model import Datastream, Thing
from sensors.payloads.json import JsonMapping
from streams import codec
from streams.pipeline import Pipeline
from streams.processors.detect import Detect
from streams.processors.quality_control import QualityControl
from streams.records import Detections, FlaggedSamples, SampleBatch
from tests.seismology import read

S = 1_000_000
T0 = 1_700_000_000 * S
RATE_HZ = 100.0
PACKETS = JsonMapping(
    topic="seis/+",
    datastream="{1}.z",
    value="trace",
    time="t",
    time_format="epoch_us",
    waveform=True,
    rate="fs",
)


def pipeline(rate_hz=RATE_HZ, name="s.z"):
    text = files("sensors.catalogue").joinpath("shaking.toml").read_text(encoding="utf-8")
    stream = Datastream(
        id=name, thing_id="s", property_id="seismic_counts", name=name, unit="{count}",
        detectors={"shaking": {"sampling_rate_hz": rate_hz}},
    )  # fmt: skip
    thing = Thing(id="s", name="Station", longitude=0.0, latitude=0.0)
    return Pipeline([QualityControl(parse_catalogue(text), [stream]), Detect([stream], [thing])])


def packets(time_us, values, cuts, rate_hz=RATE_HZ):
    """What a station would send, read as it comes from a broker, over the wire between processes."""
    for part in np.split(np.arange(len(values)), cuts):
        if not len(part):
            continue
        begin_us = time_us + round(part[0] / rate_hz * 1e6)
        message = {"t": begin_us, "fs": rate_hz, "trace": [float(v) for v in values[part]]}
        gathered = GatheredRows()
        end_us = begin_us + round(len(part) / rate_hz * 1e6)
        gathered.add(PACKETS.decode("seis/s", json.dumps(message).encode(), end_us), end_us)
        yield codec.decode(codec.encode(gathered.batch()))


def triggers(batches, line=None, restart=False):
    line = line or pipeline()
    found = []
    for batch in batches:
        for out in line.run([batch], None):
            if isinstance(out, Detections):
                found += [(d.detector, d.phase, d.onset_us, d.at_us, d.value) for d in out.detections]
        if restart:
            state, line = line.snapshots(), pipeline()
            line.restore(state)
    assert not line.failures
    return found


@pytest.mark.parametrize("packet_s", [0.5, 7.3, 60.0])
def test_packets_trigger_as_single_samples_do(data, packet_s):
    """UH4 of the recorded network, which has all three events."""
    with gzip.open(data / "seismic/BW.UH4._.EHZ.D.2010.147.cut.slist.gz") as file:
        (trace,) = read(file)
    rate_hz, values = trace.stats.sampling_rate, trace.data.astype(np.float64)
    begin_us = trace.stats.starttime.ns // 1000
    n = min(len(values), 40_000)
    step = max(1, round(packet_s * rate_hz))
    found = triggers(packets(begin_us, values[:n], range(step, n, step), rate_hz), pipeline(rate_hz))
    times = begin_us + np.round(np.arange(n) / rate_hz * 1e6).astype(np.int64)
    single = SampleBatch(
        datastream_ids=["s.z"], series=np.zeros(n, np.int32), time_us=times, value=values[:n],
        received_at_us=times,
    )  # fmt: skip
    assert found == triggers([single], pipeline(rate_hz))
    assert len([one for one in found if one[:2] == ("shaking", "begin")]) >= 1


def shaken(n, seed=1):
    after = np.arange(n) - n * 2 // 3
    wave = 3000 * np.sin(2 * np.pi * 15 * after / RATE_HZ) * np.exp(-np.maximum(after, 0) / RATE_HZ)
    return (np.where(after >= 0, wave, 0.0) + np.random.default_rng(seed).normal(0, 100, n)).round()


@given(st.lists(st.integers(1, 2999), max_size=12), st.booleans())
@settings(max_examples=15, deadline=None)
def test_neither_the_size_of_packets_nor_a_restart_matters(cuts, restart):
    values = shaken(3000)
    whole = triggers(packets(T0, values, []))
    assert [one[:2] for one in whole] == [("shaking", "begin"), ("shaking", "end")]
    assert triggers(packets(T0, values, sorted(set(cuts))), restart=restart) == whole


def test_a_packet_that_comes_twice_or_late_shakes_nobody():
    first, second, third = packets(T0, shaken(3000), [1000, 2000])
    whole = triggers([first, second, third])
    assert triggers([first, first, second, third, third]) == whole
    assert [one[:2] for one in triggers([first, third, second])] == []  # a hole of ten seconds begins anew


def test_clipped_values_are_left_out_and_the_rest_goes_on():
    values = shaken(3000)
    values[1500:1504] = 5e9
    (out,) = [
        o for b in packets(T0, values, []) for o in pipeline().run([b], None) if isinstance(o, FlaggedSamples)
    ]
    assert out.flag.tolist() == [4]
    assert np.flatnonzero(np.isnan(out.waves.value)).tolist() == [1500, 1501, 1502, 1503]
    assert [one[:2] for one in triggers(packets(T0, values, [900, 1600]))] == [
        ("shaking", "begin"), ("shaking", "end"),
    ]  # fmt: skip
