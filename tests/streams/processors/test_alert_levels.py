"""Levels that fall, and levels about which people are asked first."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.detectors import LEVELS
from streams.alerts import alert_id
from streams.call_definitions import Consultation, PlanDefinition
from streams.call_records import CallReceipt, CallReceipts
from streams.processors.alert import Alert
from streams.records import AlertTransitions, Command, CommandOutcomes, Commands, Detections
from tests.streams.processors.people import S, datastream, everybody
from tests.streams.processors.test_alert import detection

NAME = alert_id("sea_level", "g.level", 1)
HOLD = PlanDefinition(hold_s=100)
ASK = PlanDefinition(consultation=Consultation(persons=["li", "head"], deadline_s=600))


def made(plan):
    processor = Alert([datastream()])
    processor.on_batch(everybody(plan))
    return processor


def steps(outputs):
    return [
        (t.at_us / S, t.change, t.state, t.level, t.proposed)
        for batch in outputs
        if isinstance(batch, AlertTransitions)
        for t in batch.transitions
    ]


def found(level, at_s, phase="update"):
    one = msgspec.structs.replace(detection(phase, level=level), detected_at_us=round(at_s * S))
    return Detections(detections=[one])


def ask(kind, by="li", at_s=0.0, **arguments):
    one = Command(
        id=f"{kind}{at_s}", kind=kind, target=NAME, by=by, at_us=round(at_s * S), arguments=arguments
    )
    return Commands(commands=[one])


def outcomes(outputs):
    return [(o.ok, o.message) for b in outputs if isinstance(b, CommandOutcomes) for o in b.outcomes]


def test_a_level_falls_after_the_hold_time_to_the_highest_that_was_measured_in_it():
    processor = made(HOLD)
    assert steps(processor.on_batch(found("orange", 0, "begin")))[0][1:4] == ("opened", "open", "orange")
    assert steps(processor.on_batch(found("blue", 10))) == []
    assert steps(processor.on_batch(found("yellow", 50))) == []
    assert steps(processor.on_batch(found("blue", 60))) == []
    assert steps(processor.on_time(110 * S - 1)) == []
    assert steps(processor.on_time(500 * S)) == [
        (110, "level", "open", "yellow", None),
        (210, "level", "open", "blue", None),
    ]


def test_the_old_level_again_within_the_hold_time_begins_it_anew():
    processor = made(HOLD)
    processor.on_batch(found("orange", 0, "begin"))
    processor.on_batch(found("blue", 10))
    assert steps(processor.on_batch(found("orange", 100))) == []
    assert steps(processor.on_time(500 * S)) == []


def test_without_a_plan_that_lets_it_no_level_falls():
    for plan in (PlanDefinition(), msgspec.structs.replace(HOLD, rule="another")):
        processor = made(plan)
        processor.on_batch(found("orange", 0, "begin"))
        processor.on_batch(found("blue", 10))
        assert steps(processor.on_time(10**6 * S)) == []


def test_red_falls_by_a_person_only_and_what_was_found_before_does_not_raise_it_again():
    processor = made(HOLD)
    processor.on_batch(found("red", 0, "begin"))
    processor.on_batch(found("blue", 10))
    assert steps(processor.on_time(1000 * S)) == []
    assert outcomes(processor.on_batch(ask("lower_alert", at_s=1001, level="red")))[0][0]
    assert not outcomes(processor.on_batch(ask("lower_alert", at_s=1001, level="purple")))[0][0]
    lowered = processor.on_batch(ask("lower_alert", at_s=1002, level="orange"))
    assert steps(lowered) == [(1002, "level", "open", "orange", None)]
    assert not outcomes(processor.on_batch(ask("lower_alert", at_s=1003, level="red")))[0][0]
    assert steps(processor.on_batch(found("red", 0, "begin"))) == [], "a repetition"
    assert steps(processor.on_batch(found("red", 1010)))[0][3] == "red"


def test_red_is_asked_about_and_stands_at_orange_until_somebody_confirms():
    processor = made(ASK)
    assert steps(processor.on_batch(found("red", 0, "begin"))) == [
        (0, "opened", "consultation", "orange", "red")
    ]
    assert steps(processor.on_batch(found("red", 1))) == [], "it is asked about already"
    (ok, text) = outcomes(processor.on_batch(ask("decide_alert", "guest", 5, answer="confirm")))[0]
    assert not ok
    assert "is not asked" in text
    outputs = processor.on_batch(ask("decide_alert", "Head", 6, answer="confirm"))
    assert steps(outputs) == [(6, "level", "open", "red", None)]
    assert not outcomes(processor.on_batch(ask("decide_alert", "li", 7, answer="decline")))[0][0]


@pytest.mark.parametrize(("otherwise", "level"), [("confirm", "red"), ("decline", "orange")])
def test_after_the_deadline_the_configured_default_holds(otherwise, level):
    consultation = msgspec.structs.replace(ASK.consultation, otherwise=otherwise)
    processor = made(msgspec.structs.replace(ASK, consultation=consultation))
    processor.on_batch(found("orange", 0, "begin"))
    assert steps(processor.on_batch(found("red", 100)))[0][1:] == (
        "consultation", "consultation", "orange", "red",
    )  # fmt: skip
    assert steps(processor.on_time(700 * S - 1)) == []
    (step,) = steps(processor.on_time(10_000 * S))
    assert (step[0], *step[2:]) == (700, "open", level, None)


def test_who_declines_by_phone_decides_when_nobody_is_left_who_could_confirm():
    processor = made(ASK)
    processor.on_batch(found("red", 0, "begin"))

    def say(person, state, at_s):
        receipt = CallReceipt(
            call_id=person, alert_ids=[NAME], purpose="consultation", person=person, state=state,
            at_us=at_s * S,
        )  # fmt: skip
        return steps(processor.on_batch(CallReceipts(receipts=[receipt])))

    assert say("li", "refused", 5) == []
    assert say("head", "refused", 6) == [(6, "declined", "open", "orange", None)]
    assert steps(processor.on_batch(found("red", 4))) == [], "found before it was declined"
    assert steps(processor.on_batch(found("red", 9)))[0][1] == "consultation", "found again since"


def test_an_answer_to_a_call_acknowledges_all_alerts_that_it_is_about():
    processor = made(PlanDefinition())
    other = alert_id("sea_level", "g.level", 2)
    processor.on_batch(Detections(detections=[detection(), detection(onset_us=2)]))
    receipt = CallReceipt(
        call_id="c", alert_ids=[NAME, other, "gone"], purpose="call", person="li", state="answered",
        at_us=9 * S, detail="pressed 1",
    )  # fmt: skip
    (batch,) = processor.on_batch(CallReceipts(receipts=[receipt]))
    assert [(t.alert_id, t.state, t.by, t.comment) for t in batch.transitions] == [
        (NAME, "acknowledged", "li", "pressed 1"),
        (other, "acknowledged", "li", "pressed 1"),
    ]
    assert processor.on_batch(CallReceipts(receipts=[receipt])) == [], "said again"
    refused = msgspec.structs.replace(receipt, state="refused")
    assert processor.on_batch(CallReceipts(receipts=[refused])) == []


def test_who_acknowledges_during_a_consultation_does_not_end_it():
    processor = made(ASK)
    processor.on_batch(found("red", 0, "begin"))
    outputs = processor.on_batch(ask("acknowledge_alert", "duty", 5))
    assert steps(outputs) == [(5, "acknowledged", "acknowledged", "orange", "red")]
    outputs = processor.on_batch(ask("decide_alert", "li", 6, answer="confirm"))
    assert steps(outputs) == [(6, "level", "acknowledged", "red", None)]


STORY = st.lists(
    st.tuples(
        st.sampled_from(["found", "time", "confirm", "decline", "acknowledge", "comment", "lower", "end"]),
        st.integers(1, 300),
        st.sampled_from(LEVELS),
    ),
    max_size=20,
)
BOTH = PlanDefinition(hold_s=100, consultation=Consultation(persons=["li"], deadline_s=200))


@given(STORY, st.sets(st.integers(0, 20)))
def test_neither_a_restart_nor_how_often_time_is_told_changes_the_steps(story, restarts):
    straight, broken = made(BOTH), made(BOTH)
    whole, pieces, now_s = [], [], 0
    for number, (what, gap_s, level) in enumerate(story):
        for between in range(now_s, now_s + gap_s, 37):
            pieces += broken.on_time(between * S)
        now_s += gap_s
        if number in restarts:
            chunks = list(broken.snapshot())
            broken = Alert([datastream()])
            broken.restore(chunks)
            assert list(broken.snapshot()) == chunks
        batch = {
            "found": found(level, now_s),
            "end": found(level, now_s, "end"),
            "confirm": ask("decide_alert", "li", now_s, answer="confirm"),
            "decline": ask("decide_alert", "li", now_s, answer="decline"),
            "acknowledge": ask("acknowledge_alert", "li", now_s),
            "comment": ask("comment_alert", "li", now_s, comment=level),
            "lower": ask("lower_alert", "li", now_s, level=level),
        }.get(what)
        for processor, outputs in ((straight, whole), (broken, pieces)):
            outputs.extend(processor.on_time(now_s * S) if batch is None else processor.on_batch(batch))
    whole += straight.on_time((now_s + 500) * S)
    pieces += broken.on_time((now_s + 500) * S)

    def all_steps(outputs):
        return [t for b in outputs if isinstance(b, AlertTransitions) for t in b.transitions]

    one, other = all_steps(whole), all_steps(pieces)
    assert other == one
    assert [t.number for t in one] == list(range(1, len(one) + 1)), "one webhook id for each step"
    for before, after in pairwise(one):
        if before.level == "red" and after.level != "red":
            assert after.by == "li", "red falls by a person only"
        if after.level == "red" and before.level != "red":
            assert before.proposed == "red", "nobody was passed over"
