"""Calls for tests."""

from streams.call_records import CallAnswer, CallOrder

S = 1_000_000


def order(call_id="c1", **changes):
    usual = {
        "alert_id": "a1",
        "subject_id": "slope.crack",
        "level": "red",
        "turn": 1,
        "step": 1,
        "purpose": "call",
        "person": "li",
        "channel": "voice",
        "to": "+8613812345678",
        "text": "RED: Slope moves",
        "at_us": 10 * S,
        "deadline_us": 1000 * S,
    }
    return CallOrder(call_id=call_id, **{**usual, **changes})


def answer(**changes):
    usual = {
        "alert_id": "a1",
        "turn": 1,
        "step": 1,
        "purpose": "call",
        "person": "li",
        "answer": "unreachable",
        "subject_id": "slope.crack",
        "site": "slope",
        "level": "red",
        "called_us": 10 * S,
        "at_us": 190 * S,
        "deadline_us": 190 * S,
    }
    return CallAnswer(**{**usual, **changes})
