"""Members of networks tell, each in its partition; what their networks say does not depend on these."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import codec
from streams.deciders import Deciders
from streams.listening import MOST_WAITING, PATIENCE_US, Listening
from streams.network_definition import NetworkDefinition
from streams.network_records import Decisions, Telling, Tellings, ToldSample
from streams.objects import Objects
from streams.partitions import pieces, split
from streams.pipeline import Pipeline
from streams.processor import Processor
from streams.processors.alert import Alert
from streams.processors.correlate import Correlate
from streams.processors.tell import Tell
from streams.records import Changes, CommandOutcomes, Detections
from streams.topics import TELLINGS
from tests.streams.processors.networks import (
    T0,
    S,
    base,
    datastreams,
    detection,
    detections,
    flagged,
    plain,
    revisions,
    transitions,
)
from tests.streams.processors.people import change

SITES = [f"s{i}" for i in range(6)]
EVERY = {
    "shakes": ("coincidence", SITES[:5], {"window_s": 5.0, "lateness_s": 10.0}),
    "moves": ("common_mode", SITES, {"wait_s": 20.0, "window_s": 10.0}),
    "waves": ("confirmation", SITES[2:], {"travel_s": 30.0}),
    "agree": ("neighbor", SITES[:3], {"suspect": 1.0, "fail": 2.0, "wait_s": 5.0, "tolerance_s": 2.0}),
}
RULES = ("shaking", "displacement", "sea_level")


def us(at_s):
    return T0 + round(at_s * S)


def held(site, rule, at_s, network, **more):
    return detection(site, rule, at_s, part_of=f"network/{network}", **more)


def run(line, batches, until_s):
    outputs = line.run(batches, us(until_s))
    assert not line.failures
    return outputs


def pipeline(made):
    return Pipeline([Tell(made), Correlate(made), Alert(datastreams(made))])


def test_both_are_processors_and_refuse_what_they_do_not_read():
    for one in (Tell({}), Correlate({})):
        assert isinstance(one, Processor)
        assert list(one.on_end()) == []
        assert list(one.on_time(1)) == []
        with pytest.raises(TypeError, match="does not read"):
            one.on_batch(CommandOutcomes(outcomes=[]))


def test_three_stations_are_an_alert_of_the_network_beside_their_own():
    line = pipeline(base({"shakes": EVERY["shakes"]}, SITES))
    found = [detection(site, "shaking", 100 + i) for i, site in enumerate(SITES[:3])]
    outputs = run(line, [flagged(*((site, 99, 0.0) for site in SITES)), Detections(detections=found)], 103)
    steps = [(one.rule, one.subject_id, one.level) for one in transitions(outputs)]
    assert ("network_event", "shakes", "yellow") in steps
    assert len(steps) == 4
    ends = [
        detection(site, "shaking", 110 + i, onset_s=100 + i, phase="end") for i, site in enumerate(SITES[:3])
    ]
    outputs = run(line, [Detections(detections=ends)], 113)
    (over,) = [one for one in detections(run(line, [], 200)) if one.detector == "network_event"]
    assert (over.phase, (over.detected_at_us - T0) / S) == ("end", pytest.approx(122, abs=0.001))


def test_a_step_of_one_station_waits_and_is_then_its_alert():
    line = pipeline(base({"moves": EVERY["moves"]}, SITES))
    outputs = run(line, [Detections(detections=[held("s1", "displacement", 100, "moves")])], 110)
    assert transitions(outputs) == []
    (opened,) = transitions(run(line, [], 130))
    assert (opened.rule, opened.subject_id, opened.at_us) == ("displacement", "s1.x", us(120))
    assert opened.evidence["network"] == "moves"


def test_steps_of_many_are_the_networks_alert_and_nobody_elses():
    line = pipeline(base({"moves": EVERY["moves"]}, SITES))
    found = [held(site, "displacement", 100 + i, "moves") for i, site in enumerate(SITES[:4])]
    outputs = run(line, [Detections(detections=found)], 110) + run(line, [], 300)
    assert {(one.rule, one.subject_id) for one in transitions(outputs)} == {("network_movement", "moves")}


def test_a_tsunami_of_one_gauge_is_orange_until_another_confirms_it():
    made = base({"waves": EVERY["waves"]}, SITES)
    line, deciders = pipeline(made), Deciders(Objects(made, ("network", "datastream", "thing")))
    first = deciders.marked(detection("s2", "sea_level", 100, level="red"))
    assert "orange at most until another station of network waves" in first.evidence["why"]
    (alone,) = transitions(run(line, [Detections(detections=[first])], 101))
    assert (alone.rule, alone.level) == ("sea_level", "orange")
    second = deciders.marked(detection("s3", "sea_level", 110))
    assert second == detection("s3", "sea_level", 110)
    outputs = run(line, [Detections(detections=[second])], 111)
    assert {(one.rule, one.subject_id, one.level) for one in transitions(outputs)} == {
        ("sea_level", "s3.x", "yellow"),
        ("network_tsunami", "waves", "red"),
    }


def test_neighbours_flags_are_revisions_with_all_that_was_known():
    line = pipeline(base({"agree": EVERY["agree"]}, SITES))
    rows = [("s0", 100, 1.0), ("s1", 100, 1.1), ("s2", 100, 9.0), ("s4", 100, 7.0)]
    assert revisions(run(line, [flagged(*rows)], 101)) == []
    assert revisions(run(line, [], 110)) == [
        ("s0", 100, 100, 1, 2),
        ("s1", 100, 100, 1, 2),
        ("s2", 100, 100, 4, 4),
    ]
    later = run(line, [flagged(("s2", 100, 9.0), revision=1)], 111)
    assert revisions(later + run(line, [], 112)) == [("s2", 100, 101, 4, 4)]
    (batch,) = [one for one in later if isinstance(one, Tellings)]
    assert batch.tellings[0].sample.flags == {"gross_range": 1, "spike": 2}


def test_what_a_network_said_is_not_told_to_it_again():
    """The journal of one process gives each processor all that was made in a round once more."""
    made = base(EVERY, SITES)
    tell = Tell(made)
    tell.on_batch(Detections(detections=[detection("s2", "displacement", 100, network="moves")]))
    rows = flagged(("s0", 100, 1.0), revision=100)
    tell.on_batch(rows)
    told = [one for batch in tell.on_time(us(101)) for one in batch.tellings]
    assert all(one.finding is None and one.sample is None for one in told)


def test_a_member_of_no_network_and_late_data_tell_nothing():
    tell = Tell(base(EVERY, SITES))
    late = msgspec.structs.replace(held("s1", "displacement", 100, "moves"), historic=True)
    tell.on_batch(Detections(detections=[late, detection("s5", "shaking", 100), detection("s9", "tilt", 1)]))
    assert list(tell.on_time(us(101))) == []


# --- whatever the partitions ------------------------------------------------------------------------


def story(seed, n=60):
    """Return what happens at each site: (time in s, site, detection or sample)."""
    random = np.random.default_rng(seed)
    made = []
    for at_s in np.sort(random.integers(100, 400, n)).tolist():
        site = SITES[random.integers(len(SITES))]
        rule = RULES[random.integers(3)]
        onset_s = at_s - int(random.integers(0, 12))
        level = ("blue", "yellow", "orange", "red")[random.integers(4)]
        phase = ("begin", "update", "end")[random.integers(3)]
        part_of = "network/moves" if rule == "displacement" else ""
        made.append((at_s, site, detection(site, rule, at_s, onset_s, phase, level, part_of)))
        if random.random() < 0.7:
            made.append((at_s, site, (site, at_s, float(random.normal(0, 1.5)))))
    return made


def batches(happened):
    rows = [one for *_, one in happened if isinstance(one, tuple)]
    found = [one for *_, one in happened if not isinstance(one, tuple)]
    return ([flagged(*rows)] if rows else []) + ([Detections(detections=found)] if found else [])


def said(outputs):
    """Return what came out, in an order of its own."""
    found = [*plain(detections(outputs)), *revisions(outputs)]
    found += [
        msgspec.to_builtins(one)
        for batch in outputs
        if isinstance(batch, Decisions)
        for one in batch.detections
    ]
    return sorted(map(repr, found))


def together(made, happened, until_s, *, cut_s=1000):
    """Return what one process makes of it."""
    line, outputs = Pipeline([Tell(made), Correlate(made)]), []
    first = [flagged(*((site, 90, 0.0) for site in SITES))]
    outputs += run(line, first, 90)
    for begin_s in range(91, 500, cut_s):
        some = [one for one in happened if begin_s <= one[0] < begin_s + cut_s]
        outputs += run(line, batches(some), min(begin_s + cut_s - 1, 500))
    return outputs + run(line, [], until_s)


def travelled(batch):
    return [codec.decode(message) for message in pieces(batch)]


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_neither_partitions_nor_cuts_nor_restarts_change_what_networks_say(seed):
    random = np.random.default_rng(seed)
    made = base(EVERY, SITES)
    happened = story(seed)
    expected = said(together(made, happened, 700))
    assert said(together(made, happened, 700, cut_s=int(random.integers(1, 40)))) == expected

    # each part of the sites tells for itself, some of them long before others
    parts = [SITES[:2], SITES[2:3], SITES[3:]]
    queues = []
    for part in parts:
        tell, told = Tell(made), []
        told += Pipeline([tell]).run([flagged(*((site, 90, 0.0) for site in part))], us(90))
        at_s = 90
        while at_s < 700:
            after_s = min(at_s + int(random.integers(1, 60)), 700)
            some = [one for one in happened if at_s < one[0] <= after_s and one[1] in part]
            told += Pipeline([tell]).run(batches(some), us(after_s))
            state, tell = list(tell.snapshot()), Tell(made)
            tell.restore(state)
            at_s = after_s
        queues.append(told)
    tasks = [Correlate(made) for _ in range(TELLINGS.partitions)]
    outputs = []
    for queue in queues:  # the first batches of all come first
        feed(tasks, [queue.pop(0)], outputs)
    reached = [0, 0, 0]
    while any(queues):
        # nobody is ahead by more than patience
        behind = min((reached[i] for i, queue in enumerate(queues) if queue), default=0)
        ready = [i for i, queue in enumerate(queues) if queue and newest(queue[0]) < behind + PATIENCE_US]
        i = int(random.choice(ready or [min((j for j in range(3) if queues[j]), key=lambda j: reached[j])]))
        reached[i] = newest(queues[i][0])
        feed(tasks, [queues[i].pop(0)], outputs)
        if random.random() < 0.1:
            k = int(random.integers(len(tasks)))
            state, tasks[k] = list(tasks[k].snapshot()), Correlate(made)
            tasks[k].restore(state)
    assert sum(task.counts()["late_tellings"] for task in tasks) == 0
    assert said(outputs) == expected


def newest(batch):
    return max(one.told_us for one in batch.tellings)


def feed(tasks, told, outputs):
    for batch in told:
        for partition, part in split(batch, TELLINGS, lambda name: name).items():
            for piece in travelled(part):
                outputs += tasks[partition].on_batch(piece)


# --- one network by itself --------------------------------------------------------------------------


def listening(kind="confirmation", **parameters):
    made = NetworkDefinition(kind=kind, members=[f"{one}.x" for one in SITES], parameters=parameters)
    return Listening("n", made, {f"{one}.x": one for one in SITES})


def telling(site, at_s, found=None):
    return Telling(network="n", members=[f"{site}.x"], told_us=us(at_s), finding=found)


def test_who_is_far_behind_is_not_waited_for_and_counted_when_it_comes():
    one = listening()
    for site in SITES[:2]:
        one.hear(telling(site, 0))
    one.hear(telling("s0", 10, detection("s0", "sea_level", 10)))
    one.hear(telling("s0", 11))
    assert (list(one.said()), one.now_us) == ([], us(0))
    one.hear(telling("s0", 10 + PATIENCE_US / S + 1))
    assert (list(one.said()), one.now_us) == ([], us(11))
    one.hear(telling("s1", 5, detection("s1", "sea_level", 5)))
    ((at_us, confirmed),) = one.said()
    assert at_us == us(11)
    assert confirmed.finding.rule == "network_tsunami"
    assert one.counts()["late_tellings"] == 1


def test_what_waits_is_bounded():
    one = listening("common_mode")
    one.hear(telling("s0", 0))
    found = detection("s1", "displacement", 10)
    for _ in range(MOST_WAITING + 3):
        one.hear(telling("s1", 10, found))
    assert list(one.said()) == []
    assert len(one.state().waiting) == MOST_WAITING


def test_a_network_that_fails_begins_anew_and_holds_nothing_back(monkeypatch):
    made = base({"moves": EVERY["moves"], "waves": EVERY["waves"]}, SITES)
    correlate = Correlate(made)
    broken = correlate._networks["moves"]._network
    monkeypatch.setattr(broken, "take", lambda _: 1 / 0)
    told = [
        Telling(network=name, members=[f"{site}.x"], told_us=us(10), finding=detection(site, rule, 10))
        for name, site, rule in (
            ("moves", "s3", "displacement"),
            ("waves", "s3", "sea_level"),
            ("waves", "s4", "sea_level"),
        )
    ]
    after = [Telling(network=name, members=["s3.x", "s4.x"], told_us=us(20)) for name in ("moves", "waves")]
    outputs = correlate.on_batch(Tellings(tellings=[*told, *after]))
    found = detections(outputs)
    assert [one.detector for one in found] == ["displacement", "network_tsunami"]
    assert found[0].evidence["why"] == "the network could not judge it"
    assert correlate.counts()["network_failures"] == 1
    assert "ZeroDivisionError" in correlate._networks["moves"].last_failure


def test_tellings_of_strangers_are_counted_and_left_out():
    correlate = Correlate(base({"waves": EVERY["waves"]}, SITES))
    strangers = [
        Telling(network="other", members=["s3.x"], told_us=1),
        Telling(network="waves", members=["s0.x"], told_us=1, finding=detection("s0", "sea_level", 1)),
        Telling(network="waves", members=["nobody"], told_us=2**40),
    ]
    assert list(correlate.on_batch(Tellings(tellings=strangers))) == []
    assert correlate.counts()["unknown_tellings"] == 3


def test_a_network_that_is_deleted_lets_go_of_what_waits_and_ends_what_it_began():
    made = base({"moves": EVERY["moves"], "waves": EVERY["waves"]}, SITES)
    line = pipeline(made)
    found = [held("s0", "displacement", 100, "moves")]
    found += [detection(f"s{i}", "sea_level", 100 + i) for i in (2, 3)]
    run(line, [Detections(detections=found)], 110)
    gone = [change("network", name, None, i + 1, us(111)) for i, name in enumerate(("moves", "waves"))]
    outputs = run(line, [Changes(changes=gone)], 112)
    told = {(one.detector, one.phase) for one in detections(outputs)}
    assert told == {("displacement", "begin"), ("network_tsunami", "end")}
    assert {(one.rule, one.change) for one in transitions(outputs)} == {
        ("displacement", "opened"),
        ("network_tsunami", "ended"),
    }


def test_a_network_goes_on_with_other_parameters_and_may_be_new():
    made = base({"moves": EVERY["moves"]}, SITES)
    line = pipeline(made)
    run(line, [Detections(detections=[held("s0", "displacement", 100, "moves")])], 101)
    longer = msgspec.structs.replace(made["network", "moves"], parameters={"wait_s": 50.0})
    new = NetworkDefinition(kind="coincidence", members=["s0.x", "s1.x"], parameters={"least": 2})
    changes = [
        change("network", "moves", longer, 1, us(102)),
        change("network", "shakes", new, 2, us(102)),
    ]
    assert transitions(run(line, [Changes(changes=changes)], 125)) == []
    found = [detection(site, "shaking", 126) for site in SITES[:2]]
    outputs = run(line, [Detections(detections=found)], 127)
    assert "network_event" in {one.rule for one in transitions(outputs)}
    (opened,) = transitions(run(line, [], 151))
    assert (opened.rule, opened.at_us) == ("displacement", us(150))
    again = pipeline(made)
    again.restore(line.snapshots())
    ends = [detection(site, "shaking", 160, onset_s=126, phase="end") for site in SITES[:2]]
    expected, found = (run(one, [Detections(detections=ends)], 300) for one in (line, again))
    expected = plain(detections(expected))
    assert plain(detections(found)) == expected
    assert expected[-1]["phase"] == "end"


def test_tellings_survive_the_way():
    sample = ToldSample(time_us=1, value=float("nan"), received_at_us=2, revision=0, flag=9, flags={"gap": 9})
    told = Telling(network="n", members=["s.x"], told_us=5, sample=sample)
    batch = Tellings(tellings=[told, telling("s0", 10, detection("s0", "sea_level", 10))])
    (back,) = travelled(batch)
    assert repr(back) == repr(batch)
    deep = {}
    for _ in range(200):
        deep = {"a": deep}
    (message,) = pieces(Tellings(tellings=[telling("s0", 1, detection("s0", "x", 1, deep=deep))]))
    with pytest.raises(codec.CodecError, match="levels"):
        codec.decode(message)
