"""Calls, receipts and answers in every store."""

from __future__ import annotations

from storage.rows import CallRow
from streams.call_records import CallReceipt, CallReceipts, Calls
from tests.storage.timescaledb import ALL_STORES
from tests.streams.calls import S, answer, order

pytestmark = ALL_STORES


def commit(store, *batches):
    store.commit(batches, None, now_us=7)


def test_calls_are_due_until_something_is_said_of_them_or_nobody_needs_them(store):
    orders = [order("c1"), order("c2", at_us=5 * S), order("c3"), order("c4", deadline_us=20 * S)]
    commit(store, Calls(orders=orders))
    assert [one.call_id for one in store.due_calls(15 * S)] == ["c2", "c1", "c3", "c4"]
    assert [one.call_id for one in store.due_calls(20 * S, 2)] == ["c2", "c1"]
    commit(store, CallReceipts(receipts=[CallReceipt.of(orders[0], "accepted", 11 * S)]))
    commit(store, Calls(withdrawn=["c3", "unknown"]))
    assert [one.call_id for one in store.due_calls(20 * S)] == ["c2"]
    commit(store, Calls(orders=orders))
    assert [one.call_id for one in store.due_calls(20 * S)] == ["c2"], "what comes again is no news"
    assert store.call("c3") == orders[2]
    assert store.call("c9") is None


def test_a_receipt_may_come_before_its_order(store):
    one = order()
    commit(store, CallReceipts(receipts=[CallReceipt.of(one, "failed", 11 * S, "busy")]))
    commit(store, Calls(orders=[one]))
    assert store.due_calls(11 * S) == []
    assert store.alert_calls("a1") == [CallRow(one, [CallReceipt.of(one, "failed", 11 * S, "busy")], False)]


def test_the_log_of_an_alert_has_each_attempt_and_what_was_said_in_order(store):
    first, second = order("c2", also=["b1"]), order("c1", at_us=11 * S)
    said = [CallReceipt.of(first, state, at_s * S) for state, at_s in (("accepted", 10), ("answered", 40))]
    commit(store, Calls(orders=[first, second], withdrawn=["c1"]), CallReceipts(receipts=said))
    commit(store, CallReceipts(receipts=[CallReceipt.of(first, "answered", 90 * S, "again")]))
    assert store.alert_calls("a1") == [CallRow(first, said, False), CallRow(second, [], True)]
    assert store.alert_calls("b1") == [CallRow(first, said, False)]
    assert store.alert_calls("other") == []


def test_a_later_answer_replaces_an_earlier_one_and_answers_are_found_by_time(store):
    late = answer(answer="acknowledged", at_us=300 * S)
    commit(store, Calls(answers=[answer(), answer(person="wang", called_us=20 * S)]))
    commit(store, Calls(answers=[late]))
    commit(store, Calls(answers=[answer()]))
    assert store.alert_answers("a1") == [late, answer(person="wang", called_us=20 * S)]
    assert store.answers(15 * S, 25 * S) == [answer(person="wang", called_us=20 * S)]
    assert [one.person for one in store.answers(0, 25 * S, 1)] == ["wang"]
