"""Attempts to reach people, and steps that subscribers were told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from dashboards.service.figures import Calls, ChannelRow, WebhookRow
from storage.rows import DeliveryStateName
from storage.service import CallSaid, DeliverySums
from streams.answer_statistics import figures
from streams.call_records import CallAnswer, ReceiptState


def calls(attempts: Iterable[CallSaid], answers: Sequence[CallAnswer]) -> Calls:
    """Return attempts by channel, and how quickly people answered: all of them, and by level."""
    by_channel: dict[str, list[CallSaid]] = defaultdict(list)
    for one in attempts:
        by_channel[one.head.channel].append(one)
    return Calls(
        attempts=sum(map(len, by_channel.values())),
        channels=[_channel(name, by_channel[name]) for name in sorted(by_channel)],
        answers=[*figures(answers, "all"), *figures(answers, "level")],
    )


def webhooks(rows: Iterable[DeliverySums]) -> list[WebhookRow]:
    """Return the subscribers by name."""
    by_name: dict[str, dict[DeliveryStateName, DeliverySums]] = defaultdict(dict)
    for row in rows:
        by_name[row.webhook_id][row.state] = row
    return [_webhook(name, by_name[name]) for name in sorted(by_name)]


def _channel(name: str, some: Sequence[CallSaid]) -> ChannelRow:
    def said(*states: ReceiptState) -> int:
        return sum(not one.said.isdisjoint(states) for one in some)

    return ChannelRow(
        channel=name,
        attempts=len(some),
        delivered=said("delivered", "answered", "refused"),
        answered=said("answered", "refused"),
        failed=said("failed"),
        withdrawn=sum(one.is_withdrawn for one in some),
    )


def _webhook(name: str, by_state: dict[DeliveryStateName, DeliverySums]) -> WebhookRow:
    delivered = by_state.get("delivered")

    def steps(state: DeliveryStateName) -> int:
        return by_state[state].steps if state in by_state else 0

    return WebhookRow(
        webhook_id=name,
        steps=sum(one.steps for one in by_state.values()),
        delivered=steps("delivered"),
        given_up=steps("given_up"),
        pending=steps("pending"),
        failed_attempts=sum(one.attempts for one in by_state.values()),
        delay_mean_s=None if delivered is None else delivered.delay_mean_s,
        delay_max_s=None if delivered is None else delivered.delay_max_s,
    )
