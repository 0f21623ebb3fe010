"""Networks on recordings: a network of seismometers beside ObsPy, GNSS stations of Nepal."""

from datetime import UTC, datetime

import numpy as np
import pytest

from sensors.model import Datastream, Thing
from streams.definitions import DatastreamDefinition
from streams.network_definition import NetworkDefinition
from streams.pipeline import Pipeline
from streams.processors.alert import Alert
from streams.processors.correlate import Correlate
from streams.processors.detect import Detect
from streams.processors.tell import Tell
from streams.records import FlaggedSamples
from tests.seismology import read
from tests.seismology import trigger as obspy
from tests.streams.processors.networks import detections, transitions

S = 1_000_000
DAY = 86_400 * S
CHANNELS = ("UH1._.SHZ", "UH2._.SHZ", "UH3._.SHZ", "UH3._.SHN", "UH3._.SHE", "UH4._.EHZ")
EVENTS = [("16:24:33.21", 4), ("16:27:01.26", 3), ("16:27:30.51", 4)]
NEPAL = ("KKN4", "SNDL", "LHAZ", "LCK4", "TPLJ")


def pipeline(streams, network):
    things = [Thing(id=name, name=name, longitude=0, latitude=0) for name in {s.thing_id for s in streams}]
    base = {("datastream", one.id): DatastreamDefinition.of(one) for one in streams}
    base["network", "net"] = network
    detect = Detect(streams, things, base=base)
    return Pipeline([detect, Tell(base), Correlate(base), Alert(streams)])


def run(line, names, series, time_us, value, received_us, n_batches):
    """Give it judged samples in the order of their receipt."""
    order = np.argsort(received_us, kind="stable")
    outputs = []
    for rows in np.array_split(order, n_batches):
        n = len(rows)
        batch = FlaggedSamples(
            datastream_ids=names,
            series=series[rows].astype(np.int32),
            time_us=time_us[rows],
            value=value[rows],
            received_at_us=received_us[rows],
            revision=np.zeros(n, np.int32),
            tests=[],
            flags=np.zeros((n, 0), np.uint8),
            flag=np.ones(n, np.uint8),
        )
        outputs += line.run([batch], int(received_us[rows].max()))
    outputs += line.run([], int(received_us.max()) + 100 * DAY)
    assert not line.failures
    return outputs


@pytest.mark.parametrize("packet_s", [1.0, 7.0])
def test_the_recorded_network_has_the_events_that_obspy_finds(data, packet_s):
    stream = sum(
        (read(str(data / f"seismic/BW.{one}.D.2010.147.cut.slist.gz")) for one in CHANNELS[1:]),
        start=read(str(data / f"seismic/BW.{CHANNELS[0]}.D.2010.147.cut.slist.gz")),
    )
    parameters = {"sta_s": 0.5, "lta_s": 10.0, "on": 3.5, "off": 1.0}
    streams, columns = [], []
    for i, trace in enumerate(stream):
        rate_hz, station = trace.stats.sampling_rate, trace.stats.station
        streams.append(
            Datastream(
                id=f"{station}.{trace.stats.channel}",
                thing_id=station,
                property_id="p",
                name=trace.id,
                unit="count",
                detectors={"shaking": {**parameters, "sampling_rate_hz": rate_hz}},
            )
        )
        start_us = trace.stats.starttime.ns // 1000
        time_us = start_us + np.round(np.arange(trace.stats.npts) / rate_hz * S).astype(np.int64)
        packet_us = round(packet_s * S)
        received_us = time_us // packet_us * packet_us + packet_us + 100_000 * i  # sent when it is full
        columns.append((np.full(trace.stats.npts, i), time_us, trace.data.astype(float), received_us))
    names = [one.id for one in streams]
    network = NetworkDefinition(kind="coincidence", members=names)
    series, time_us, value, received_us = (np.concatenate(column) for column in zip(*columns, strict=True))
    found = detections(run(pipeline(streams, network), names, series, time_us, value, received_us, 200))
    events = [one for one in found if one.detector == "network_event"]
    ends = [one for one in events if one.phase == "end"]
    assert [(clock(one.evidence["onset_us"]), len(one.evidence["stations"])) for one in ends] == EVENTS
    assert sum(one.phase == "begin" for one in events) == len(EVENTS)

    filtered = stream.copy()
    filtered.filter("bandpass", freqmin=10, freqmax=20)
    theirs = obspy.coincidence_trigger("recstalta", 3.5, 1.0, filtered, 3, sta=0.5, lta=10)
    assert len(theirs) == len(ends)
    for one, their in zip(ends, theirs, strict=True):
        assert one.evidence["onset_us"] / S == pytest.approx(their["time"].timestamp, abs=0.05)
        assert set(one.evidence["stations"]) == set(their["stations"])


def clock(time_us):
    text = datetime.fromtimestamp(round(time_us / 1e4) / 1e2, UTC).strftime("%H:%M:%S.%f")
    return text[:-4]


def nepal(data, name):
    text = (data / f"gnss/{name}.icd.final_igs08.pos.neu").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("*") and "#" not in line]
    rows = np.array([[float(value) for value in line.split()] for line in lines if line.strip()])
    first = [int(datetime(int(year), 1, 1, tzinfo=UTC).timestamp()) * S for year in rows[:, 1]]
    return np.array(first) + ((rows[:, 2] - 0.5) * DAY).astype(np.int64), 1e3 * rows[:, [4, 3, 5]]


def gorkha(data, **parameters):
    """Return alerts of five stations around the earthquake of 2015-04-25 (day 115)."""
    streams, columns = [], []
    for name in NEPAL:
        inputs = {"north": f"{name}.north", "up": f"{name}.up"}
        time_us, enu_mm = nepal(data, name)
        for axis, component in enumerate(("east", "north", "up")):
            detectors = {"displacement": inputs} if component == "east" else {}
            streams.append(
                Datastream(
                    id=f"{name}.{component}", thing_id=name, property_id="p", name=name, unit="mm",
                    detectors=detectors,
                )
            )  # fmt: skip
            series = np.full(len(time_us), len(streams) - 1)
            columns.append((series, time_us, enu_mm[:, axis], time_us + DAY + len(streams)))
    members = [f"{name}.east" for name in NEPAL]
    network = NetworkDefinition(kind="common_mode", members=members, parameters=parameters)
    names = [one.id for one in streams]
    series, time_us, value, received_us = (np.concatenate(column) for column in zip(*columns, strict=True))
    outputs = run(pipeline(streams, network), names, series, time_us, value, received_us, 300)
    return [one for one in transitions(outputs) if one.change == "opened"]


def test_an_earthquake_that_moves_two_of_five_stations_is_one_alert_of_the_network(data):
    opened = gorkha(data, least=2, share=0.4, wait_s=2 * 86_400.0)  # solutions are daily
    assert [(one.rule, one.subject_id) for one in opened] == [("network_movement", "net")]
    (alert,) = opened
    assert [one["station"] for one in alert.evidence["stations"]] == ["KKN4", "SNDL"]
    assert alert.evidence["cause"] == "an earthquake is likely"
    day = datetime.fromtimestamp(alert.onset_us / S, UTC).timetuple().tm_yday
    assert day in {115, 116}


def test_where_more_are_needed_both_are_told_as_movements_of_their_own(data):
    opened = gorkha(data, least=3)
    assert {(one.rule, one.subject_id) for one in opened} == {
        ("displacement", "KKN4.east"),
        ("displacement", "SNDL.east"),
    }
    assert all(one.at_us - one.onset_us <= 7 * DAY for one in opened)
