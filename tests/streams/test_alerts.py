import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.detectors import LEVELS
from streams.alerts import MOST_STEPS, SHOWN_AFTER_ANSWER_US, acknowledge, advance, alert_id, comment, expire
from streams.records import Command, Detection

BEGIN = Detection(
    detector="sea_level",
    version="1",
    subject_id="gauge.water_level",
    phase="begin",
    level="blue",
    onset_us=1000,
    at_us=2000,
    detected_at_us=3000,
    title="High water",
    value=0.1,
    threshold=0.05,
    unit="m",
    evidence={"values": [0.1]},
)


def then(**changes):
    return msgspec.structs.replace(BEGIN, **changes)


def command(target="x", by="Li", **changes):
    return Command(id="c1", kind="acknowledge_alert", target=target, by=by, at_us=9000, **changes)


def opened():
    alert = advance(None, BEGIN)
    assert alert is not None
    return alert


def test_an_alert_opens_with_what_the_detector_found():
    alert = opened()
    assert (alert.number, alert.state, alert.change, alert.level) == (1, "open", "opened", "blue")
    assert (alert.onset_us, alert.opened_at_us, alert.at_us) == (1000, 3000, 3000)
    assert (alert.rule, alert.subject_id, alert.title) == ("sea_level", "gauge.water_level", "High water")
    assert alert.evidence == {"values": [0.1]}


def test_its_id_depends_on_rule_subject_and_onset_and_nothing_else():
    alert = opened()
    assert alert.alert_id == alert_id("sea_level", "gauge.water_level", 1000)
    again = advance(None, then(level="red", detected_at_us=5, title="other"))
    assert again is not None
    assert again.alert_id == alert.alert_id
    others = {alert_id("a", "b", 1), alert_id("ab", "", 1), alert_id("a", "b", 2), alert_id("", "ab", 1)}
    assert len(others) == 4


def test_a_higher_level_is_taken_at_once_and_a_lower_one_never():
    alert = advance(opened(), then(phase="update", level="orange", detected_at_us=4000, title="Higher"))
    assert alert is not None
    assert (alert.number, alert.level, alert.change, alert.title) == (2, "orange", "level", "Higher")
    assert (alert.at_us, alert.opened_at_us) == (4000, 3000)
    assert advance(alert, then(phase="update", level="yellow")) is None
    assert advance(alert, then(phase="update", level="orange")) is None


def answered(alert):
    step = acknowledge(alert, command(target=alert.alert_id)).transition
    assert step is not None
    return step


def test_the_end_of_an_answered_alert_closes_it_and_keeps_the_evidence_of_the_beginning():
    alert = advance(answered(opened()), then(phase="end", detected_at_us=5000, evidence={"reason": "calm"}))
    assert alert is not None
    assert (alert.number, alert.state, alert.change, alert.at_us) == (3, "closed", "closed", 5000)
    assert alert.ended_at_us == 5000
    assert alert.evidence == {"values": [0.1], "end": {"reason": "calm"}}
    for late in (BEGIN, then(phase="update", level="red"), then(phase="end")):
        assert advance(alert, late) is None


def test_an_alert_that_nobody_answered_stays_open_when_its_hazard_is_over():
    alert = advance(opened(), then(phase="end", detected_at_us=5000))
    assert alert is not None
    assert (alert.number, alert.state, alert.change, alert.ended_at_us) == (2, "open", "ended", 5000)
    for late in (BEGIN, then(phase="update", level="red"), then(phase="end")):
        assert advance(alert, late) is None
    assert expire(alert, 10**15) is None

    alert = answered(alert)
    assert (alert.number, alert.state, alert.by) == (3, "acknowledged", "Li")
    assert expire(alert, alert.at_us + SHOWN_AFTER_ANSWER_US - 1) is None
    closed = expire(alert, alert.at_us + SHOWN_AFTER_ANSWER_US)
    assert closed is not None
    assert expire(alert, alert.at_us + 2 * SHOWN_AFTER_ANSWER_US) == closed, "the cut of time shows"
    assert (closed.number, closed.state, closed.change, closed.by) == (4, "closed", "closed", "")


def test_a_historic_alert_needs_no_answer():
    alert = advance(None, then(historic=True))
    end = advance(alert, then(phase="end", historic=True))
    assert end is not None
    assert (end.state, end.change) == ("closed", "closed")


def test_an_answered_alert_whose_hazard_goes_on_does_not_expire():
    assert expire(answered(opened()), 10**15) is None


def test_an_end_without_a_beginning_opens_nothing_but_an_update_does():
    assert advance(None, then(phase="end")) is None
    alert = advance(None, then(phase="update", level="red"))
    assert alert is not None
    assert (alert.number, alert.level, alert.change) == (1, "red", "opened")


def test_what_is_historic_does_not_touch_what_calls_people():
    assert advance(opened(), then(phase="end", historic=True)) is None
    historic = advance(None, then(historic=True))
    assert historic is not None
    assert historic.historic
    closed = advance(historic, then(phase="end", historic=True))
    assert closed is not None
    assert closed.historic


def remark(text="the gauge is being cleaned", at_us=9000, **changes):
    arguments = {"comment": text}
    return Command(
        id="c2", kind="comment_alert", target="x", by="Wang", at_us=at_us, arguments=arguments, **changes
    )


def test_a_comment_is_a_step_that_answers_nothing():
    step = comment(opened(), remark()).transition
    assert step is not None
    assert (step.number, step.change, step.state, step.by) == (2, "commented", "open", "Wang")
    assert (step.comment, step.level, step.evidence) == (
        "the gauge is being cleaned",
        "blue",
        {"values": [0.1]},
    )
    again = comment(step, remark())
    assert (again.ok, again.transition) == (True, None), "it came twice"
    assert comment(step, remark("and now it is clean")).transition is not None
    after = comment(answered(step), remark(at_us=9500)).transition
    assert after is not None
    assert (after.state, after.number) == ("acknowledged", 4)
    ended = advance(step, then(phase="end", detected_at_us=9800))
    assert ended is not None
    assert (ended.state, ended.by, ended.comment) == ("open", "", "")


@pytest.mark.parametrize("text", ["", "  ", "x" * 2001, 5])
def test_a_comment_that_is_none_is_refused(text):
    answer = comment(opened(), remark(text))
    assert (answer.ok, answer.transition) == (False, None)


def test_what_is_closed_unknown_or_full_takes_no_comment():
    closed = advance(answered(opened()), then(phase="end", detected_at_us=5000))
    full = msgspec.structs.replace(opened(), number=MOST_STEPS)
    for alert in (closed, None, full):
        answer = comment(alert, remark())
        assert (answer.ok, answer.transition) == (False, None)
    assert comment(msgspec.structs.replace(full, number=MOST_STEPS - 1), remark()).ok


def test_acknowledging_is_noted_once_and_leaves_the_level_free_to_rise():
    answer = acknowledge(opened(), command(arguments={"comment": "on it"}))
    assert answer.ok
    alert = answer.transition
    assert alert is not None
    assert (alert.number, alert.state, alert.change) == (2, "acknowledged", "acknowledged")
    assert (alert.by, alert.comment, alert.at_us) == ("Li", "on it", 9000)
    again = acknowledge(alert, command(by="Wang"))
    assert again.ok
    assert again.transition is None
    higher = advance(alert, then(phase="update", level="red"))
    assert higher is not None
    assert (higher.state, higher.level, higher.by) == ("acknowledged", "red", "")


@pytest.mark.parametrize(
    ("which", "asked", "words"),
    [
        ("none", command("no-such"), "no alert 'no-such'"),
        ("closed", command(), "is closed"),
        ("open", command(by="  "), "needs a name"),
        ("open", command(by="x" * 201), "too long"),
        ("open", command(arguments={"comment": 5}), "comment must be text"),
        ("open", command(arguments={"comment": "x" * 2001}), "comment must be text"),
    ],
)
def test_what_cannot_be_acknowledged_is_refused_with_the_reason(which, asked, words):
    closed = advance(answered(opened()), then(phase="end"))
    alert = {"none": None, "open": opened(), "closed": closed}[which]
    answer = acknowledge(alert, asked)
    assert not answer.ok
    assert words in answer.message
    assert answer.transition is None


steps = st.lists(
    st.one_of(
        st.builds(
            then,
            phase=st.sampled_from(["begin", "update", "end"]),
            level=st.sampled_from(LEVELS),
            historic=st.booleans(),
        ),
        st.builds(command),
    ),
    max_size=12,
)


@given(steps)
def test_whatever_happens_numbers_count_levels_rise_and_closed_is_final(happenings):
    alert, seen = None, []
    for happening in happenings:
        if isinstance(happening, Detection):
            step = advance(alert, happening)
        else:
            step = acknowledge(alert, happening).transition
        if step is not None:
            alert = step
            seen.append(step)
    assert [s.number for s in seen] == list(range(1, len(seen) + 1))
    assert [LEVELS.index(s.level) for s in seen] == sorted(LEVELS.index(s.level) for s in seen)
    assert all(s.state != "closed" for s in seen[:-1])
    assert len({(s.alert_id, s.onset_us, s.opened_at_us, s.historic) for s in seen}) <= 1
