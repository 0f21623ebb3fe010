import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import codec
from streams.call_definitions import Consultation, Escalation, Step
from streams.call_records import CallReceipt, CallReceipts, Calls
from streams.calling import joined
from streams.processor import Processor
from streams.processors.calls import MOST_TOGETHER, CallPeople
from streams.records import AlertTransitions, Changes, Command, CommandOutcomes, Commands
from streams.topics import CALLS, topics_of
from tests.streams.processors.people import PLAN, S, change, datastream, everybody, step


def made(plan=PLAN, **plans):
    processor = CallPeople([datastream()])
    assert not processor.on_batch(everybody(plan, **plans))
    return processor


def take(processor, *steps):
    return joined(processor.on_batch(AlertTransitions(transitions=list(steps))))


def until(processor, now_s):
    return joined(processor.on_time(round(now_s * S)))


def said(processor, order, state, at_s):
    receipt = CallReceipt.of(order, state, round(at_s * S))
    return joined(processor.on_batch(CallReceipts(receipts=[receipt])))


def brief(calls):
    return [(o.at_us / S, o.person, o.channel, o.purpose, o.step) for o in calls.orders]


def ended(calls):
    return [(a.person, a.answer, a.at_us / S) for a in calls.answers]


def test_it_is_a_processor_that_writes_what_it_says():
    processor = made()
    assert isinstance(processor, Processor)
    outputs = processor.on_batch(AlertTransitions(transitions=[step()]))
    assert {topic for o in outputs for topic in topics_of(o)} == {CALLS} == set(processor.writes)
    assert all(codec.decode(codec.encode(o)) == o for o in outputs)
    with pytest.raises(TypeError, match="calls does not read"):
        processor.on_batch(CommandOutcomes(outcomes=[]))


def test_an_unanswered_red_alert_walks_the_roster_within_its_deadlines_and_the_log_proves_it():
    processor = made()
    calls = joined([take(processor, step()), until(processor, 10_000)])
    turn = [
        (0, "li", "voice", "call", 1),
        (0, "li", "sms", "call", 1),
        (0, "elder", "sms", "message", 2),
        (0, "farmer", "sms", "message", 2),
        (180, "wang", "voice", "call", 3),
        (180, "wang", "sms", "call", 3),
        (600, "head", "voice", "call", 4),
        (600, "head", "sms", "call", 4),
    ]
    again = [(at + 900, *rest) for at, *rest in turn]
    assert brief(calls) == turn + again
    assert len({o.call_id for o in calls.orders}) == 16
    assert ended(calls) == [
        (person, "unreachable", at + begin)
        for begin in (0, 900)
        for person, at in (("li", 180), ("wang", 600), ("head", 900))
    ]
    assert [o.deadline_us / S for o in calls.orders[:2]] == [180, 180]
    assert processor.counts()["calls_exhausted"] == 1
    assert until(processor, 10**6) == Calls()


def test_an_acknowledged_alert_stops_calls_at_once():
    processor = made()
    first = take(processor, step())
    done = take(processor, step(2, state="acknowledged", change="acknowledged", by="Li", at_us=20 * S))
    assert ended(done) == [("li", "acknowledged", 20)]
    assert done.withdrawn == [o.call_id for o in first.orders if o.purpose == "call"]
    assert until(processor, 10_000) == Calls()


def test_who_answers_without_having_been_called_is_logged_too():
    processor = made()
    take(processor, step())
    done = take(processor, step(2, state="acknowledged", change="acknowledged", by="guest", at_us=S))
    assert [(a.person, a.answer, a.step) for a in done.answers] == [("guest", "acknowledged", 0)]


def test_a_refusal_and_a_channel_that_fails_call_the_next_one_at_once():
    processor = made()
    first = take(processor, step())
    refused = said(processor, first.orders[0], "refused", 5)
    assert ended(refused) == [("li", "refused", 5)]
    assert refused.withdrawn == [first.orders[1].call_id]
    assert [one[:2] for one in brief(refused)] == [(5, "wang"), (5, "wang")]
    half = said(processor, refused.orders[0], "failed", 6)
    assert half == Calls(), "the other channel may still reach wang"
    failed = said(processor, refused.orders[1], "failed", 7)
    assert ended(failed) == [("wang", "unreachable", 7)]
    assert [one[:2] for one in brief(failed)] == [(7, "head"), (7, "head")]
    assert said(processor, refused.orders[1], "failed", 8) == Calls(), "said again"


def test_a_step_that_reaches_nobody_is_not_waited_for():
    processor = made()
    processor.on_batch(Changes(changes=[change("roster", "duty", None, 2)]))
    calls = take(processor, step())
    assert [one[:2] for one in brief(calls)] == [(0, "elder"), (0, "farmer"), (0, "head"), (0, "head")]
    assert processor.counts()["calls_to_nobody"] == 2
    assert brief(until(processor, 299)) == []
    assert brief(until(processor, 300))[0][:2] == (300, "elder"), "the second turn"


def test_blue_is_a_message_only_and_a_rise_calls():
    processor = made()
    assert [one[3] for one in brief(take(processor, step(level="blue")))] == ["message", "message"]
    assert until(processor, 500) == Calls()
    rise = take(processor, step(2, change="level", at_us=600 * S))
    assert brief(rise)[0] == (600, "li", "voice", "call", 1)
    fallen = take(processor, step(3, change="level", level="blue", at_us=601 * S))
    assert fallen == Calls(), "who has been called is still to answer"


def test_who_has_it_in_hand_is_told_that_it_is_worse():
    processor = made()
    take(processor, step(level="blue"))
    take(processor, step(2, level="blue", state="acknowledged", change="acknowledged", by="li", at_us=S))
    told = take(processor, step(3, state="acknowledged", change="level", at_us=9 * S))
    assert [(o.person, o.purpose) for o in told.orders] == [("li", "message"), ("li", "message")]
    assert until(processor, 10_000) == Calls()


def test_silenced_and_historic_alerts_call_nobody_until_they_are_not():
    processor = made()
    assert take(processor, step(silenced="s")) == Calls()
    assert take(processor, step(alert_id="a2", historic=True)) == Calls()
    assert len(take(processor, step(2, change="unsilenced", at_us=5 * S)).orders) == 4
    again = take(processor, step(3, change="silenced", silenced="s", at_us=6 * S))
    assert len(again.withdrawn) == 2
    assert until(processor, 10_000) == Calls()


def over(number=2, at_s=900, **more):
    usual = {"state": "open", "change": "ended", "at_us": at_s * S, "ended_at_us": at_s * S}
    return step(number, **{**usual, **more})


def test_who_was_called_hears_that_it_is_over_on_each_way_and_once():
    processor = made()
    first = joined([take(processor, step()), until(processor, 300)])
    called = {(o.person, o.channel, o.to) for o in first.orders}
    assert {person for person, _, _ in called} == {"li", "elder", "farmer", "wang"}
    done = take(processor, over(at_s=310))
    told = {(o.person, o.channel, o.to) for o in done.orders}
    assert told == called
    assert {(o.purpose, o.at_us, o.alert_id) for o in done.orders} == {("message", 310 * S, "a1")}
    assert {o.text for o in done.orders} == {"ENDED, was red: Slope moves, since 1970-01-01 00:00 UTC"}
    assert not {o.call_id for o in done.orders} & {o.call_id for o in first.orders}
    later = until(processor, 700)
    assert {o.person for o in later.orders} == {"head"}, "nobody has answered yet"
    assert later.orders[0].text.endswith(", over since 1970-01-01 00:05 UTC")
    steps = [
        over(3, state="acknowledged", change="acknowledged", by="Head", at_s=720, ended_at_us=310 * S),
        over(4, state="closed", change="closed", at_s=2000, ended_at_us=310 * S),
    ]
    assert not [o for one in steps for o in take(processor, one).orders]


def test_an_alert_that_was_answered_tells_its_end_too_and_a_restart_changes_nothing():
    processor = made()
    take(processor, step())
    take(processor, step(2, state="acknowledged", change="acknowledged", by="li", at_us=20 * S))
    other = CallPeople([datastream()])
    other.restore(processor.snapshot())
    closed = over(3, state="closed", change="closed")
    done = take(other, closed)
    assert {o.person for o in done.orders} == {"li", "elder", "farmer"}
    assert done == take(processor, closed)


def test_of_a_group_people_hear_when_the_last_one_is_over():
    processor = made(msgspec.structs.replace(PLAN, group_by="site"))
    take(processor, step(), step(alert_id="a2", at_us=S))
    assert not take(processor, over(state="closed", change="closed", at_s=100)).orders
    done = take(processor, over(alert_id="a2", at_s=150))
    assert {o.person for o in done.orders} >= {"li", "elder", "farmer"}
    assert len(done.orders) == len({(o.person, o.channel) for o in done.orders})
    assert "(and 1 more)" in done.orders[0].text


def test_who_was_never_called_hears_of_no_end():
    processor = made()
    take(processor, step(silenced="s"), step(alert_id="a2", historic=True))
    assert take(processor, over(silenced="s"), over(alert_id="a2", historic=True)) == Calls()


def test_what_does_not_last_calls_nobody():
    processor = made(msgspec.structs.replace(PLAN, persist_s=30))
    assert take(processor, step()) == Calls()
    assert take(processor, step(2, change="ended", ended_at_us=20 * S, at_us=20 * S)) == Calls()
    assert until(processor, 1000) == Calls()
    take(processor, step(alert_id="a2", opened_at_us=1000 * S, at_us=1000 * S))
    assert brief(until(processor, 1031))[0][0] == 1030


def test_alerts_of_a_site_are_one_calling_and_one_answer_covers_them():
    processor = made(msgspec.structs.replace(PLAN, group_by="site"))
    first = take(processor, step())
    others = [step(alert_id=f"b{i}", rule=f"r{i}", at_us=i * S, opened_at_us=i * S) for i in range(1, 9)]
    assert take(processor, *others) == Calls()
    (head, *_) = [o for o in until(processor, 600).orders if o.person == "head"]
    assert head.alert_ids == ["a1", *(f"b{i}" for i in range(1, 9))]
    for one in [step(), *others][:-1]:
        acknowledged = msgspec.structs.replace(
            one, number=2, state="acknowledged", change="acknowledged", by="head", at_us=610 * S
        )
        assert take(processor, acknowledged).withdrawn == []
    last = msgspec.structs.replace(
        others[-1], number=2, state="acknowledged", change="acknowledged", by="head", at_us=610 * S
    )
    assert head.call_id in take(processor, last).withdrawn
    assert until(processor, 10_000) == Calls()
    assert len(first.orders) == 4


def test_more_alerts_than_one_calling_holds_wait_for_room():
    processor = made(msgspec.structs.replace(PLAN, group_by="plan"))
    steps = [step(alert_id=f"b{i}") for i in range(MOST_TOGETHER + 3)]
    assert len(take(processor, *steps).orders) == 4
    answered = [
        msgspec.structs.replace(one, number=2, state="acknowledged", change="acknowledged", by="li", at_us=S)
        for one in steps[: MOST_TOGETHER + 1]
    ]
    assert take(processor, *answered).orders == []
    assert {tuple(o.also) for o in until(processor, 180).orders} == {
        (f"b{MOST_TOGETHER + 1}", f"b{MOST_TOGETHER + 2}")
    }


def test_a_higher_alert_of_the_site_mutes_and_its_end_lets_call():
    tilt = msgspec.structs.replace(PLAN, rule="tilt", muted_by=["tangent"])
    processor = made(tilt=tilt)
    take(processor, step())
    assert take(processor, step(alert_id="t", rule="tilt", at_us=S)) == Calls()
    over = take(processor, step(2, change="ended", ended_at_us=9 * S, at_us=9 * S))
    assert {o.alert_id for o in over.orders if o.purpose == "call"} == {"t"}
    assert {o.text.partition(",")[0] for o in over.orders if o.alert_id == "a1"} == {"ENDED"}


def test_when_the_first_of_a_group_is_answered_the_turns_of_the_others_have_ids_of_their_own():
    processor = made(msgspec.structs.replace(PLAN, group_by="site"))
    ids = [o.call_id for o in take(processor, step(), step(alert_id="b")).orders]
    take(processor, step(2, state="acknowledged", change="acknowledged", by="li", at_us=S))
    ids += [o.call_id for o in until(processor, 10_000).orders]
    assert len(set(ids)) == len(ids) == 16


def test_a_consultation_asks_each_person_and_logs_each_answer():
    asked = Consultation(persons=["li", "head"], needed=2, channels=["voice"])
    processor = made(msgspec.structs.replace(PLAN, consultation=asked))
    opened = step(level="orange", state="consultation", proposed="red", decide_until_us=600 * S)
    calls = take(processor, opened)
    consulted = [o for o in calls.orders if o.purpose == "consultation"]
    assert [(o.person, o.level, o.deadline_us) for o in consulted] == [
        ("li", "red", 600 * S),
        ("head", "red", 600 * S),
    ]
    assert ended(said(processor, consulted[0], "answered", 5)) == [("li", "confirmed", 5)]
    decided = Command(
        id="c", kind="decide_alert", target="a1", by="Head", at_us=7 * S, arguments={"answer": "decline"}
    )
    calls = joined(processor.on_batch(Commands(commands=[decided])))
    assert ended(calls) == [("head", "declined", 7)]
    assert calls.withdrawn == [consulted[1].call_id]


def test_who_does_not_answer_a_consultation_is_logged():
    asked = Consultation(persons=["li", "head"])
    processor = made(msgspec.structs.replace(PLAN, consultation=asked))
    take(processor, step(level="blue", state="consultation", proposed="red", decide_until_us=600 * S))
    assert ended(until(processor, 700)) == [("li", "unreachable", 600), ("head", "unreachable", 600)]


STORY = st.lists(
    st.tuples(
        st.sampled_from(["step", "time", "refused", "failed", "answered"]),
        st.integers(1, 400),
        st.integers(0, 3),
        st.sampled_from(["blue", "red"]),
        st.integers(0, 30),
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(STORY, st.sampled_from(["alert", "site"]), st.data())
def test_a_restart_at_any_moment_neither_doubles_nor_loses_a_call_and_no_cut_of_time_shows(story, by, data):
    plan = msgspec.structs.replace(PLAN, group_by=by)
    restarts = data.draw(st.sets(st.integers(0, 25)))
    straight, broken = made(plan), made(plan)
    wholes, pieces = [], []
    alive, now_s = {}, 0

    def both(give):
        wholes.append(joined(give(straight)))
        pieces.append(joined(give(broken)))

    for number, (what, after_s, which, level, row) in enumerate(story):
        at_s = now_s + after_s
        # the other one looks more often
        pieces += [joined(broken.on_time(between * S)) for between in range(now_s, at_s, 97)]
        now_s = at_s
        if number in restarts:
            chunks = list(broken.snapshot())
            broken = CallPeople([datastream()])
            broken.restore(chunks)
            assert list(broken.snapshot()) == chunks
        orders = joined(wholes).orders
        if what == "step":
            before = alive.get(which)
            if before is None or before.state == "closed":
                after = step(
                    alert_id=f"a{which}.{number}", level=level, at_us=now_s * S, opened_at_us=now_s * S
                )
            else:
                kinds = {"open": ("acknowledged", "acknowledged"), "acknowledged": ("closed", "closed")}
                state, change_ = kinds[before.state]
                after = msgspec.structs.replace(
                    before, number=before.number + 1, state=state, change=change_, by="li", at_us=now_s * S
                )
            alive[which] = after
            both(lambda one, after=after: one.on_batch(AlertTransitions(transitions=[after])))
        elif what == "time" or not orders:
            both(lambda one, now_s=now_s: one.on_time(now_s * S))
        else:
            receipt = CallReceipt.of(orders[row % len(orders)], what, now_s * S)
            both(lambda one, receipt=receipt: one.on_batch(CallReceipts(receipts=[receipt])))
    both(lambda one: one.on_time((now_s + 50_000) * S))
    whole, cut = joined(wholes), joined(pieces)
    assert cut == whole
    ids = [o.call_id for o in whole.orders]
    assert len(set(ids)) == len(ids)
    closed = {one.alert_id: one.at_us for one in alive.values() if one.state != "open"}
    for order in whole.orders:
        if by == "alert" and order.alert_id in closed and order.purpose == "call":
            assert order.at_us <= closed[order.alert_id]


def test_nobody_is_left_uncalled_by_a_plan_that_comes_later():
    processor = CallPeople([datastream()])
    assert take(processor, step()) == Calls()
    calls = joined(processor.on_batch(everybody()))
    assert len(calls.orders) == 4


def test_escalations_of_many_levels_and_lower_ones_serve():
    only_yellow = msgspec.structs.replace(
        PLAN, levels={"yellow": Escalation(steps=[Step(to=["person:head"])])}
    )
    processor = made(only_yellow)
    assert take(processor, step(level="blue")) == Calls()
    assert [o.person for o in take(processor, step(alert_id="x", level="red")).orders] == ["head", "head"]


@pytest.mark.parametrize(
    "plan",
    [
        msgspec.structs.replace(PLAN, muted_by=["gateway"], group_by="site"),
        msgspec.structs.replace(PLAN, group_by="plan"),
        msgspec.structs.replace(PLAN, group_by="alert"),
    ],
    ids=["muted", "no room", "each"],
)
def test_thousands_at_once_are_not_looked_at_again_and_again(monkeypatch, plan):
    looked = []
    usual = CallPeople._look_at

    def look_at(self, known, at_us):
        looked.append(known)
        return usual(self, known, at_us)

    monkeypatch.setattr(CallPeople, "_look_at", look_at)
    sites = [f"s{i}" for i in range(50)]
    processor = CallPeople([datastream(f"{site}.w{k}", site) for site in sites for k in range(20)])
    processor.on_batch(everybody(plan))
    gateways = [step(alert_id=f"g{one}", rule="gateway", subject_id=one) for one in sites]
    alerts = [
        step(alert_id=f"{one}.w{k}", rule="no_data", subject_id=f"{one}.w{k}", at_us=S)
        for one in sites
        for k in range(20)
    ]
    take(processor, *gateways, *alerts)
    assert len(looked) < 4 * (len(gateways) + len(alerts))
    looked.clear()
    begun = take(processor, *(ended_step(one, 2 * S) for one in gateways))
    assert len(looked) < 4 * len(gateways) + len(alerts)
    assert bool(begun.orders) or plan.group_by != "site"
    looked.clear()
    take(processor, *(ended_step(one, 3 * S) for one in alerts))
    assert len(looked) < 4 * len(alerts)


def ended_step(one, at_us):
    return msgspec.structs.replace(one, number=2, change="closed", state="closed", at_us=at_us)
