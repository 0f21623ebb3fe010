"""A site's own alert, from findings, reports of people, and what networks let go on."""

import msgspec
import numpy as np
import pytest

from sensors.fusion import FusionParameters
from streams.definitions import SightingDefinition
from streams.network_records import Decisions
from streams.pipeline import Pipeline
from streams.processor import OfPartition, Processor
from streams.processors.alert import Alert
from streams.processors.correlate import Correlate
from streams.processors.detect import Detect
from streams.processors.fuse import Fuse
from streams.processors.tell import Tell
from streams.records import Changes, CommandOutcomes, Detections, SampleBatch
from streams.topics import SAMPLES, partition_of
from tests.streams.processors.networks import (
    T0,
    S,
    base,
    datastreams,
    detection,
    detections,
    flagged,
    things,
    transitions,
)
from tests.streams.processors.people import change

SITES = ["slope", "gauge"]
FUSION = FusionParameters(hold_s=100.0)


def us(at_s):
    return T0 + round(at_s * S)


def made(networks=None):
    return base(networks or {}, SITES, FUSION)


def pipeline(of=None):
    of = of or made()
    return Pipeline([Tell(of), Correlate(of), Fuse(of), Alert(datastreams(of))])


def run(line, batches, until_s):
    outputs = line.run(batches, us(until_s))
    assert not line.failures
    return outputs


def part(rule, at_s, level, phase="begin", **more):
    return detection("slope", rule, at_s, phase=phase, level=level, part_of="thing/slope", **more)


def steps(outputs):
    return [(one.rule, one.subject_id, one.change, one.level) for one in transitions(outputs)]


def sighting(identity, level, end_s, at_s, version=1, site="slope"):
    definition = SightingDefinition(site=site, level=level, text="cracks in the road", end_us=us(end_s))
    return Changes(changes=[change("sighting", identity, definition, version, us(at_s))])


def test_it_is_a_processor_and_refuses_what_it_does_not_read():
    fuse = Fuse(made())
    assert isinstance(fuse, Processor)
    assert isinstance(fuse, OfPartition)
    assert list(fuse.on_end()) == []
    with pytest.raises(TypeError, match="does not read"):
        fuse.on_batch(CommandOutcomes(outcomes=[]))


def test_a_site_has_one_alert_whose_evidence_is_all_of_it():
    line = pipeline()
    found = [part("tangent_angle", 100, "red"), part("crack", 101, "orange")]
    assert steps(run(line, [Detections(detections=found)], 102)) == [("fusion", "slope", "opened", "orange")]
    outputs = run(line, [Detections(detections=[part("rainfall", 110, "yellow")])], 111)
    assert steps(outputs) == [("fusion", "slope", "level", "red")]
    (step,) = transitions(outputs)
    shown = {one["family"]: [each["rule"] for each in one["evidence"]] for one in step.evidence["families"]}
    assert shown == {"displacement": ["tangent_angle", "crack"], "rain": ["rainfall"]}


def test_what_is_in_no_family_goes_its_own_way():
    line = pipeline()
    outputs = run(line, [Detections(detections=[detection("slope", "crack_sensor", 100)])], 101)
    assert steps(outputs) == [("crack_sensor", "slope.x", "opened", "yellow")]


def test_a_persons_report_confirms_red_until_it_ends():
    line = pipeline()
    run(line, [Detections(detections=[part("tangent_angle", 100, "red")])], 101)
    outputs = run(line, [sighting("r1", "red", 200, 110)], 111)
    assert steps(outputs) == [("fusion", "slope", "level", "red")]
    (finding,) = detections(outputs)
    people = next(one for one in finding.evidence["families"] if one["family"] == "person")
    assert people["evidence"][0]["title"] == "t: cracks in the road"
    (fallen,) = detections(run(line, [], 250))
    assert (fallen.phase, fallen.level, fallen.detected_at_us) == ("update", "orange", us(200))


def test_a_report_is_taken_back_or_changed():
    line = pipeline()
    assert steps(run(line, [sighting("r1", "yellow", 900, 100)], 101)) == [
        ("fusion", "slope", "opened", "yellow")
    ]
    assert steps(run(line, [sighting("r1", "red", 900, 110, version=2)], 111)) == [
        ("fusion", "slope", "level", "red")
    ]
    gone = Changes(changes=[change("sighting", "r1", None, 3, us(120))])
    (over,) = detections(run(line, [gone], 121))
    assert (over.phase, over.detected_at_us) == ("end", us(120))


def test_levels_fall_after_the_hold_time_and_the_alert_ends():
    line = pipeline()
    run(line, [Detections(detections=[part("tilt", 100, "orange")])], 101)
    run(line, [Detections(detections=[part("tilt", 120, "orange", "end", onset_s=100)])], 121)
    assert detections(run(line, [], 219)) == []
    (over,) = detections(run(line, [], 230))
    assert (over.phase, over.detected_at_us) == ("end", us(220))


def test_each_site_is_put_together_in_its_own_partition_only():
    tasks = []
    for partition in range(SAMPLES.partitions):
        fuse = Fuse(made())
        fuse.partition = partition
        tasks.append(fuse)
    batches = [sighting("r1", "red", 900, 100), Decisions(detections=[part("displacement", 101, "yellow")])]
    said = [[one for batch in batches for one in detections(fuse.on_batch(batch))] for fuse in tasks]
    own = partition_of("slope", SAMPLES)
    assert [bool(found) for found in said] == [partition == own for partition in range(SAMPLES.partitions)]


def test_what_a_network_lets_go_on_comes_to_the_site_and_raises_no_alert_of_its_own():
    networks = {"moves": ("common_mode", SITES, {"wait_s": 20.0})}
    line = pipeline(made(networks))
    held = detection("slope", "displacement", 100, level="red", part_of="network/moves")
    assert steps(run(line, [Detections(detections=[held])], 110)) == []
    outputs = run(line, [], 130)
    assert steps(outputs) == [("fusion", "slope", "opened", "orange")]
    (decided,) = [one for batch in outputs if isinstance(batch, Decisions) for one in batch.detections]
    assert (decided.part_of, decided.detected_at_us) == ("thing/slope", us(120))


def test_a_site_changes_while_it_is_looked_at():
    line = pipeline()
    run(line, [Detections(detections=[part("tangent_angle", 100, "red"), part("crack", 100, "red")])], 101)
    thing = made()["thing", "slope"]
    families = FusionParameters(families={"gnss": ["tangent_angle"], "crack": ["crack"]}, triggers=[])
    other = msgspec.structs.replace(thing, fusion=families)
    outputs = run(line, [Changes(changes=[change("thing", "slope", other, 1, us(110))])], 111)
    assert steps(outputs) == [("fusion", "slope", "level", "red")]
    none = msgspec.structs.replace(thing, fusion=None)
    outputs = run(line, [Changes(changes=[change("thing", "slope", none, 2, us(120))])], 121)
    assert steps(outputs) == [("fusion", "slope", "ended", "red")]


def test_what_goes_on_moves_when_a_site_begins_or_ceases_to_put_it_together():
    """With a detector: it knows what goes on."""
    of = base({}, SITES)
    limits = {"yellow_m": 5.0, "orange_m": 6.0, "hold_s": 1.0}
    of["datastream", "slope.x"] = msgspec.structs.replace(
        of["datastream", "slope.x"], detectors={"high_water": limits}
    )
    line = Pipeline([Detect(datastreams(of), things(of), base=of), Fuse(of), Alert(datastreams(of))])
    (opened,) = transitions(run(line, [flagged(*(("slope", i, 5.5) for i in range(10)))], 10))
    assert (opened.rule, opened.level) == ("high_water", "yellow")

    together = FusionParameters(families={"water": ["high_water"]}, triggers=[])
    thing = msgspec.structs.replace(of["thing", "slope"], fusion=together)
    outputs = run(line, [Changes(changes=[change("thing", "slope", thing, 1, us(20))])], 21)
    assert steps(outputs) == [
        ("high_water", "slope.x", "ended", "yellow"),
        ("fusion", "slope", "opened", "yellow"),
    ]
    apart = msgspec.structs.replace(thing, fusion=None)
    outputs = run(line, [Changes(changes=[change("thing", "slope", apart, 2, us(30))])], 31)
    assert ("fusion", "slope", "ended", "yellow") in steps(outputs)


def test_a_restart_changes_nothing():
    line = pipeline()
    run(line, [sighting("r1", "yellow", 200, 90)], 91)
    run(line, [Detections(detections=[part("tangent_angle", 100, "red")])], 101)
    again = pipeline()
    again.restore(line.snapshots())
    assert again.snapshots() == line.snapshots()
    for one in (line, again):
        found = detections(run(one, [], 500))
        assert [(each.phase, each.level, each.detected_at_us) for each in found] == [
            ("update", "orange", us(200))
        ]


def test_a_site_that_fails_begins_anew_and_no_other_notices(monkeypatch):
    fuse = Fuse(made())
    other = detection("gauge", "tilt", 100, part_of="thing/gauge")
    fuse.on_batch(Detections(detections=[part("tilt", 100, "red"), other]))
    monkeypatch.setattr(fuse._sites["slope"], "take", lambda *_: 1 / 0)
    worse = msgspec.structs.replace(other, level="orange", phase="update")
    outputs = fuse.on_batch(Detections(detections=[part("tilt", 110, "red"), worse]))
    assert [(one.subject_id, one.phase) for one in detections(outputs)] == [("gauge", "update")]
    assert fuse.counts()["fusion_failures"] == 1
    assert "ZeroDivisionError" in fuse.last_failure
    again = fuse.on_batch(Detections(detections=[part("tilt", 120, "red")]))
    assert [one.phase for one in detections(again)] == ["begin"]


def test_samples_late_data_and_sites_without_fusion_are_passed_over():
    fuse = Fuse(base({}, SITES))
    late = msgspec.structs.replace(part("tilt", 100, "red"), historic=True)
    assert list(fuse.on_batch(Detections(detections=[part("tilt", 100, "red"), late]))) == []
    none = np.zeros(0, np.int64)
    empty = SampleBatch(
        datastream_ids=[], series=none.astype(np.int32), time_us=none, value=np.zeros(0), received_at_us=none
    )
    assert list(fuse.on_batch(empty)) == []
    assert list(fuse.on_time(us(1000))) == []
