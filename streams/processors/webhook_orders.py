"""Commands about webhooks in; orders for whoever sends, and answers, out. It has no state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

import msgspec

from streams.alerts import NAME_LIMIT
from streams.processor import Outputs
from streams.records import (
    EARLIEST_US,
    LATEST_US,
    Command,
    CommandOutcome,
    CommandOutcomes,
    Commands,
    Deliveries,
    Record,
    TimeUs,
    WebhookOrder,
)
from streams.topics import COMMAND_OUTCOMES, COMMANDS, DELIVERIES, Topic

KINDS = ("resume_webhook", "replay_webhook")


class _Replay(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of a replay."""

    alert_id: Annotated[str, msgspec.Meta(max_length=300)] = ""
    number: Annotated[int, msgspec.Meta(ge=0, le=10**9)] = 0
    start_us: TimeUs = EARLIEST_US
    end_us: TimeUs = LATEST_US


class WebhookOrders:
    """Implements `streams.processor.Processor`."""

    name = "webhook_orders"
    reads: tuple[Topic, ...] = (COMMANDS,)
    writes: tuple[Topic, ...] = (DELIVERIES, COMMAND_OUTCOMES)

    def __init__(self) -> None:
        self._refused = 0

    def on_batch(self, batch: Record) -> Outputs:
        """Take commands; all but those about webhooks are answered elsewhere."""
        if not isinstance(batch, Commands):
            raise TypeError(f"{self.name} does not read {type(batch).__name__}")
        orders, outcomes = [], []
        for command in batch.commands:
            if command.kind not in KINDS:
                continue
            try:
                orders.append(_order(command))
            except ValueError as error:
                self._refused += 1
                outcomes.append(CommandOutcome(id=command.id, ok=False, message=f"{error}."))
                continue
            done = (
                "is sent to again" if command.kind == "resume_webhook" else "is told again what was asked for"
            )
            text = f"Webhook {command.target} {done}."
            outcomes.append(CommandOutcome(id=command.id, ok=True, message=text))
        outputs: list[Record] = [Deliveries(steps=[], orders=orders)] if orders else []
        if outcomes:
            outputs.append(CommandOutcomes(outcomes=outcomes))
        return outputs

    def on_time(self, now_us: int) -> Outputs:  # noqa: ARG002 - the protocol has it
        """Time changes nothing."""
        return []

    def on_end(self) -> Outputs:
        """Nothing is pending."""
        return []

    def snapshot(self) -> Iterator[bytes]:
        """There is no state."""
        return iter(())

    def restore(self, chunks: Iterable[bytes]) -> None:
        """There is no state."""

    def counts(self) -> dict[str, int]:
        """Commands that were refused."""
        return {"refused_commands": self._refused}


def _order(command: Command) -> WebhookOrder:
    by = command.by.strip()
    if not by or len(by) > NAME_LIMIT:
        raise ValueError(
            f"This needs a name: say in `by` who asks for it, in at most {NAME_LIMIT} characters"
        )
    if not command.target or len(command.target) > NAME_LIMIT:
        raise ValueError("Say which webhook is meant")
    if command.kind == "resume_webhook":
        return WebhookOrder(id=command.id, webhook_id=command.target, what="resume", at_us=command.at_us)
    asked = msgspec.convert(command.arguments, _Replay)
    if asked.start_us >= asked.end_us:
        raise ValueError("The time ends before it begins: give an end that is later than the start")
    if asked.number and not asked.alert_id:
        raise ValueError("A number belongs to an alert: say which one")
    return WebhookOrder(
        id=command.id,
        webhook_id=command.target,
        what="replay",
        at_us=command.at_us,
        alert_id=asked.alert_id,
        number=asked.number,
        start_us=asked.start_us,
        end_us=asked.end_us,
    )
