import csv
import gzip
from datetime import UTC, datetime, timedelta
from importlib.resources import files

import msgspec
import numpy as np
import pytest

import sensors.detectors
from sensors.catalogue import parse_catalogue
from sensors.detectors import Finding, register_kind
from sensors.detectors.bank import Kind
from sensors.model import Datastream, Thing
from sensors.simulate import TideGauge, Tsunami
from streams import codec
from streams.pipeline import Pipeline
from streams.processor import Processor
from streams.processors.alert import Alert
from streams.processors.detect import Detect
from streams.processors.quality_control import QualityControl
from streams.records import AlertTransitions, Detections, FlaggedSamples, SampleBatch

S = 1_000_000
MINUTE = 60 * S
START = 1_700_000_000 * S
THING = Thing(id="gauge", name="Tide gauge", longitude=0.0, latitude=0.0)


def level(name="gauge.level", detectors=None):
    return Datastream(
        id=name,
        thing_id="gauge",
        property_id="water_level",
        name=name,
        unit="m",
        detectors={"sea_level": {}} if detectors is None else detectors,
    )


def pipeline(datastreams=None):
    datastreams = datastreams or [level()]
    text = files("sensors.catalogue").joinpath("ocean.toml").read_text(encoding="utf-8")
    quality = QualityControl(parse_catalogue(text), datastreams)
    return Pipeline([quality, Detect(datastreams, [THING]), Alert()])


def samples(times, values, received=None, name="gauge.level"):
    return SampleBatch(
        datastream_ids=[name],
        series=np.zeros(len(times), np.int32),
        time_us=times,
        value=values,
        received_at_us=times + 2 * S if received is None else received,
    )


def run(line, batch, size=1000, restart=False):
    outputs = []
    for begin in range(0, len(batch), size):
        cut = slice(begin, begin + size)
        columns = {c: getattr(batch, c)[cut] for c in ("series", "time_us", "value", "received_at_us")}
        outputs += line.run([SampleBatch(datastream_ids=batch.datastream_ids, **columns)], None)
        if restart:
            state, line = line.snapshots(), pipeline()
            line.restore(state)
    assert not line.failures
    return outputs


def transitions(outputs):
    return [t for o in outputs if isinstance(o, AlertTransitions) for t in o.transitions]


def detections(outputs):
    return [d for o in outputs if isinstance(o, Detections) for d in o.detections]


def tsunami_at(times, begin_us, seed=1):
    gauge = TideGauge(seed, Tsunami(begin_us, 0.6, 1500, decay_s=3000))
    return np.array([gauge.value(int(t)) for t in times])


# --- real tide gauges -----------------------------------------------------------------------------

RECORDINGS = {
    "tohoku_tsunami": ("2011-03-11T16:30", "2011-03-11T16:50"),
    "samoa2009": ("2009-09-29T19:36", "2009-09-29T19:50"),
}


def recording(data, name):
    with gzip.open(data / f"tidegauge/nukualofa_{name}_detided.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    stamps = [datetime.fromisoformat(r["time"]).replace(tzinfo=UTC) for r in rows]
    times = np.array([int(stamp.timestamp()) for stamp in stamps], np.int64) * S
    return samples(times, np.array([float(r["height"]) for r in rows]))


def stamp(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * S


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_real_tsunami_is_one_alert_in_time(data, name):
    earliest, latest = map(stamp, RECORDINGS[name])
    steps = transitions(run(pipeline(), recording(data, name)))
    assert len({s.alert_id for s in steps}) == 1
    opened, ended = steps[0], steps[-1]
    assert (opened.change, ended.change) == ("opened", "ended")
    assert earliest <= opened.onset_us <= latest
    assert opened.onset_us < opened.opened_at_us <= latest + 2 * S
    assert "Tide gauge" in opened.title
    assert ended.at_us - opened.onset_us > timedelta(hours=12) / timedelta(microseconds=1)
    assert all(len(msgspec.json.encode(s.evidence)) < 16_000 for s in steps)


@pytest.mark.parametrize("name", RECORDINGS)
@pytest.mark.parametrize(("size", "restart"), [(1, False), (331, True)])
def test_real_tsunamis_in_pieces_and_with_restarts(data, name, size, restart):
    whole = recording(data, name)
    before = stamp(RECORDINGS[name][0]) - 4 * 60 * MINUTE
    keep = (whole.time_us >= before) & (whole.time_us < before + 16 * 60 * MINUTE)
    part = samples(whole.time_us[keep], whole.value[keep])
    expected = transitions(run(pipeline(), part, size=100_000))
    assert [s.change for s in expected][:1] == ["opened"]
    assert transitions(run(pipeline(), part, size, restart)) == expected


# --- order ----------------------------------------------------------------------------------------


def test_it_is_a_processor_whose_findings_can_travel():
    times = START + np.arange(300) * MINUTE
    outputs = run(pipeline(), samples(times, tsunami_at(times, int(times[200]))))
    found = [o for o in outputs if isinstance(o, Detections)]
    assert isinstance(Detect([], []), Processor)
    assert codec.decode(codec.encode(found[0])) == found[0]
    (first, *_) = detections(found)
    assert (first.subject_id, first.unit, first.historic) == ("gauge.level", "m", False)
    assert first.detected_at_us == first.at_us + 2 * S


def test_sending_everything_again_changes_nothing():
    times = START + np.arange(900) * MINUTE
    batch = samples(times, tsunami_at(times, int(times[200])))
    line = pipeline()
    first = transitions(run(line, batch))
    assert [s.change for s in first] == ["opened", "level", "ended"]
    state, line = line.snapshots(), pipeline()
    line.restore(state)
    assert transitions(run(line, batch)) == []


def test_late_data_make_historic_alerts():
    times = START + np.arange(2000) * MINUTE
    values = tsunami_at(times, int(times[400]))
    line = pipeline()
    live = samples(times[1000:1200], values[1000:1200])
    late = samples(times[:1000], values[:1000], received=np.full(1000, times[1200]))
    assert transitions(run(line, live)) == []
    steps = transitions(run(line, late))
    assert steps[0].change == "opened"
    assert times[400] < steps[0].onset_us < times[406]
    assert all(s.historic for s in steps)
    assert steps[0].opened_at_us == times[1200]
    assert transitions(run(line, samples(times[1200:1500], values[1200:1500]))) == []


def test_a_sample_that_is_a_little_late_is_left_out():
    times = START + np.arange(300) * MINUTE
    values = tsunami_at(times, int(times[-1]) + MINUTE)
    order = np.arange(300)
    order[100], order[101] = 101, 100
    line = pipeline()
    assert detections(run(line, samples(times[order], values[order]))) == []
    assert line.processors[1].left_out == 1


def test_one_sample_with_a_wrong_clock_does_not_silence_a_gauge():
    times = START + np.arange(700) * MINUTE
    values = tsunami_at(times, int(times[500]))
    received = times + 2 * S
    wrong = times.copy()
    wrong[300] += 8 * 60 * MINUTE
    steps = transitions(run(pipeline(), samples(wrong, values, received)))
    assert steps[0].change == "opened"
    assert not steps[0].historic
    assert times[500] < steps[0].onset_us < times[506]


def test_findings_of_several_series_come_in_the_order_of_their_samples():
    names = ["b", "a"]
    times = START + np.arange(300) * MINUTE
    early, later = tsunami_at(times, int(times[200])), tsunami_at(times, int(times[220]), seed=2)
    batch = SampleBatch(
        datastream_ids=names,
        series=np.tile(np.array([0, 1], np.int32), 300),
        time_us=np.repeat(times, 2),
        value=np.column_stack([later, early]).ravel(),
        received_at_us=np.repeat(times, 2) + np.tile([30 * S, 0], 300),
    )

    def found(size):
        return detections(run(pipeline([level("a"), level("b")]), batch, size))

    whole = found(10_000)
    assert [d.subject_id for d in whole if d.phase == "begin"] == ["a", "b"]
    assert {d.detected_at_us - d.at_us for d in whole} == {30 * S}
    assert found(7) == whole


def passes(_limits, _state, slot, *_):
    return len(slot), 0


def install(monkeypatch, name, take=passes, tick=lambda _limits, _state, live, *_: (len(live), 0)):
    """Let there be a kind of detector with these kernels."""
    sensors.detectors.detector_names()
    monkeypatch.setattr(sensors.detectors, "_kinds", dict(sensors.detectors._kinds))
    nothing = np.dtype([("nothing", "i8")])
    say = {"phase": "begin", "level": "blue", "onset_us": 0, "at_us": 0, "value": 0.0, "threshold": 0.0}
    tell = lambda *_: Finding(title="t", evidence={}, **say)  # noqa: E731
    register_kind(Kind(name, "1", _Empty, nothing, nothing, lambda *_: None, take, tick, tell))


class _Empty(msgspec.Struct):
    pass


def test_only_hard_failures_keep_a_sample_from_a_detector(monkeypatch):
    def listen(_limits, _state, slot, _role, _time_us, value, usable, *_):
        heard.extend(zip(value.tolist(), usable.tolist(), strict=True))
        return len(slot), 0

    heard = []
    install(monkeypatch, "listener", listen)
    values = [1.0, 2.0, 99.0, 1.0, float("nan"), *[1.5] * 7]
    times = START + np.arange(len(values)) * MINUTE
    run(pipeline([level(detectors={"listener": {}})]), samples(times, np.array(values)))
    assert len(heard) == len(values)
    assert [usable for _, usable in heard] == [True, True, False, True, False, *[True] * 5, False, False]


# --- failures -------------------------------------------------------------------------------------


def test_a_failing_detector_harms_no_other(monkeypatch):
    def take(*_):
        raise ZeroDivisionError("oh")

    def tick(*_):
        raise KeyError("no")

    install(monkeypatch, "broken", take, tick)
    times = START + np.arange(300) * MINUTE
    line = pipeline([level("x", {"broken": {}}), level(detectors={"broken": {}, "sea_level": {}})])
    outputs = run(line, samples(times, tsunami_at(times, int(times[200]))))
    outputs += line.run([samples(times[:1], np.array([1.0]), name="x")], int(times[-1]))
    assert [d.phase for d in detections(outputs)][:1] == ["begin"]
    detect = line.processors[1]
    assert detect.failures == {"x broken": 2, "gauge.level broken": 2}
    assert "ZeroDivisionError" in detect.last_failure or "KeyError" in detect.last_failure


def test_silence_ends_an_event_at_the_first_full_minute_whoever_tells_the_time_when():
    times = START + np.arange(230) * MINUTE
    silent_us = int(times[-1]) + 2 * S + 86_400 * S
    found = []
    for ticks in ([silent_us + 61 * S], range(silent_us - 300 * S, silent_us + 300 * S, 7 * S)):
        line = pipeline()
        run(line, samples(times, tsunami_at(times, int(times[200]))))
        found.append([one for tick in ticks for one in detections(line.run([], tick))])
    (end,) = found[0]
    assert (end.phase, end.detected_at_us) == ("end", -(-silent_us // MINUTE) * MINUTE)
    assert found[1] == found[0]


def test_a_state_of_another_version_begins_anew():
    times = START + np.arange(300) * MINUTE
    old = pipeline()
    run(old, samples(times, tsunami_at(times, int(times[-1]))))

    class Older(Detect):
        def _pieces(self):
            for piece in Detect._pieces(self):
                row = msgspec.msgpack.decode(piece)
                yield msgspec.msgpack.encode([*row[:5], b"\x93"] if row[1] else row)

    detect = Older([level()], [THING])
    detect.restore(list(old.processors[1].snapshot()))
    new = Detect([level()], [THING])
    new.restore(list(detect.snapshot()))
    assert new.failures == {"gauge.level sea_level": 1}
    with pytest.raises(TypeError, match="detect does not read"):
        new.on_batch(Detections(detections=[]))


@pytest.mark.parametrize(
    ("detectors", "words"), [({"tsunami": {}}, "no detector 'tsunami'"), ({"sea_level": {"x": 1}}, "`x`")]
)
def test_wrong_detectors_are_refused_at_once(detectors, words):
    with pytest.raises(ValueError, match=words):
        Detect([level(detectors=detectors)], [THING])


def test_series_without_a_detector_cost_nothing():
    times = START + np.arange(3) * MINUTE
    line = pipeline([level(detectors={})])
    outputs = run(line, samples(times, np.ones(3)))
    assert [type(o) for o in outputs] == [FlaggedSamples]
    assert len(line.snapshots()["detect"]) == 1
