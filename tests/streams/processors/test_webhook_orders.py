"""Commands about webhooks become orders, or are refused in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import codec
from streams.partitions import pieces
from streams.processor import Processor
from streams.processors.webhook_orders import WebhookOrders
from streams.records import Command, CommandOutcomes, Commands, Deliveries, WebhookOrder
from tests.webhook_store import transition


def command(kind="replay_webhook", target="duty", by="Li", **arguments):
    return Command(id="c1", kind=kind, target=target, by=by, at_us=7, arguments=arguments)


def asked(*commands):
    outputs = WebhookOrders().on_batch(Commands(commands=list(commands)))
    orders = [one for batch in outputs if isinstance(batch, Deliveries) for one in batch.orders]
    answers = [one for batch in outputs if isinstance(batch, CommandOutcomes) for one in batch.outcomes]
    return orders, answers


def test_it_is_a_processor_that_leaves_other_commands_alone():
    assert isinstance(WebhookOrders(), Processor)
    assert asked(command("acknowledge_alert"), command("put")) == ([], [])


def test_a_command_becomes_an_order_and_an_answer():
    orders, answers = asked(command("resume_webhook"), command(alert_id="a1", number=2))
    assert [(one.what, one.webhook_id, one.at_us) for one in orders] == [
        ("resume", "duty", 7),
        ("replay", "duty", 7),
    ]
    assert [one.ok for one in answers] == [True, True]
    assert answers[0].message == "Webhook duty is sent to again."
    for message in pieces(Deliveries(steps=[], orders=orders)):
        assert codec.decode(message).orders == orders


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"by": " "}, "needs a name"),
        ({"by": "x" * 300}, "needs a name"),
        ({"target": ""}, "which webhook"),
        ({"start_us": 5, "end_us": 5}, "later than the start"),
        ({"number": 3}, "belongs to an alert"),
        ({"number": -1}, "number"),
        ({"start_us": 2**62}, "start_us"),
        ({"alert_id": 5}, "alert_id"),
        ({"all": True}, "all"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, says):
    processor = WebhookOrders()
    outputs = processor.on_batch(Commands(commands=[command(**changes)]))
    (outcomes,) = outputs
    assert not outcomes.outcomes[0].ok
    assert says in outcomes.outcomes[0].message
    assert processor.counts() == {"refused_commands": 1}


@given(
    st.integers(0, 9),
    st.sampled_from(["a", "b"]),
    st.integers(0, 3),
    st.integers(0, 9),
    st.sampled_from(["", "a"]),
)
def test_an_order_wants_what_it_says(at_us, alert_id, number, start_us, wanted):
    order = WebhookOrder(
        id="o",
        webhook_id="w",
        what="replay",
        at_us=0,
        alert_id=wanted,
        number=number,
        start_us=start_us,
        end_us=8,
    )
    step = transition(alert_id, 2, at_us=at_us)
    assert order.wants(step) == (start_us <= at_us < 8 and wanted in {"", alert_id} and number in {0, 2})
