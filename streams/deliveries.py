"""How far webhooks have been told of the alerts: values, and what one step makes of them. No I/O.

The topic of alerts keeps every transition for ever, so that a webhook's state is a place in it: what stands
before was taken or given up, what stands behind waits. That is small however long a receiver is away, and
keeps the order. All states are in a compacted topic; a repeated message shares its id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import msgspec

from streams.records import AlertTransition, AlertTransitions, DeliveryStep, WebhookOrder, WebhookStep

REFUSALS = 8
"""So often a receiver refuses a message, before it is asked whether it takes the next one."""
ALERTS_REMEMBERED = 5_000
_ANNOUNCED_KEY, _ORDERED_KEY = b"*", b"+"
"""No id of a webhook is so, nor begins with `=`."""


class Place(NamedTuple):
    """Where a transition stands in the topic of alerts."""

    offset: int
    row: int = 0
    """In its message."""


class Item(NamedTuple):
    """A transition that is to be told."""

    place: Place
    behind: Place
    """Where the next one stands."""
    transition: AlertTransition


class Heard:
    """The last step of each alert, so that what a bridge sends again is told once.

    Bounded: of more than `ALERTS_REMEMBERED` that one is forgotten first that was heard longest ago.
    """

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self.repeated = 0
        """Steps that came again."""

    def is_new(self, transition: AlertTransition) -> bool:
        """Return whether a step is no repetition, and remember it."""
        before = self._last.pop(transition.alert_id, 0)
        self._last[transition.alert_id] = max(before, transition.number)
        if len(self._last) > ALERTS_REMEMBERED:
            del self._last[next(iter(self._last))]
        self.repeated += transition.number <= before
        return transition.number > before


class Announced(msgspec.Struct, frozen=True, kw_only=True, tag="announced"):
    """All transitions before this offset have pending deliveries for the webhooks of their time."""

    offset: int


class Progress(msgspec.Struct, frozen=True, kw_only=True, tag="progress"):
    """How far one webhook is."""

    webhook_id: str
    offset: int
    """Of the message in the topic of alerts with the transition that is to be told next."""
    row: int = 0
    """Of the transition in it."""
    attempts: int = 0
    """That failed to tell it so far."""
    refusals: int = 0
    """Those of them that the receiver answered with a refusal of this message."""
    next_attempt_us: int = 0
    over: bool = False
    """It is not configured any more and nothing of it waits; when it comes back it begins anew."""
    disabled: str = ""
    """Why nothing is told until a person says so; empty: it is told."""

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place(self.offset, self.row)


class Ordered(msgspec.Struct, frozen=True, kw_only=True, tag="ordered"):
    """All orders of people before this offset of the topic of deliveries were taken."""

    offset: int


class Replay(msgspec.Struct, frozen=True, kw_only=True, tag="replay"):
    """How far the telling once more of some steps is."""

    order: WebhookOrder
    offset: int
    """As of `Progress`."""
    end: int
    """The first offset that is not in it: what stands from there on is told anyway."""
    row: int = 0
    attempts: int = 0
    refusals: int = 0
    next_attempt_us: int = 0
    over: bool = False

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place(self.offset, self.row)


State = Announced | Progress | Ordered | Replay


class UnreadableStateError(ValueError):
    """A state was written by another version of the program, or is damaged."""


def encode(state: State) -> tuple[bytes, bytes]:
    """Return key and value of a state's message."""
    if isinstance(state, Progress):
        key = state.webhook_id.encode()
    elif isinstance(state, Replay):
        key = b"=" + state.order.id.encode()
    else:
        key = _ANNOUNCED_KEY if isinstance(state, Announced) else _ORDERED_KEY
    return key, msgspec.msgpack.encode(state)


def decode(value: bytes) -> State:
    """Return the state of a message.

    Raises
    ------
    UnreadableStateError
        Trying again cannot help.
    """
    try:
        return msgspec.msgpack.decode(value, type=State)  # type: ignore[no-any-return]
    except msgspec.MsgspecError as error:
        raise UnreadableStateError(
            f"the state of deliveries cannot be read ({error}): bring all processes to one version"
        ) from error


def items(offset: int, batch: AlertTransitions) -> list[Item]:
    """Return what is to be told of a message; what is historic, or silenced, calls nobody."""
    last = len(batch.transitions) - 1
    return [
        Item(Place(offset, i), Place(offset, i + 1) if i < last else Place(offset + 1), transition)
        for i, transition in enumerate(batch.transitions)
        if not transition.historic and not transition.silenced
    ]


def restored(
    found: Iterable[State], webhook_ids: Sequence[str], end: int, recent: int
) -> tuple[Announced, dict[str, Progress], list[State]]:
    """Return where to go on, and which states have to be written first.

    Parameters
    ----------
    found
        All states of the topic, oldest first.
    webhook_ids
        Those that are configured. A new one is told what is announced from now on.
    end
        Offset at which the topic of alerts ends.
    recent
        Offset in it from which on alerts are told when there is no state that fits.

    Returns
    -------
    tuple
        What is announced; the progress of each webhook that has something to be told, configured or not;
        states that are new.
    """
    announced: Announced | None = None
    known: dict[str, Progress] = {}
    for state in found:
        if isinstance(state, Announced):
            announced = state
        elif isinstance(state, Progress):
            known[state.webhook_id] = state
    new: list[State] = []
    if announced is None:
        announced = Announced(offset=recent)
        new.append(announced)
    elif announced.offset > end:  # the topic was lost, wholly or its end
        announced = Announced(offset=recent)
        for name, one in known.items():
            if one.offset > end:
                known[name] = Progress(webhook_id=name, offset=recent, over=one.over, disabled=one.disabled)
        new = [announced, *known.values()]
    progress = {name: one for name, one in known.items() if not one.over}
    for name in webhook_ids:
        if name not in progress:
            progress[name] = Progress(webhook_id=name, offset=announced.offset)
            new.append(progress[name])
    return announced, progress, new


def announcements(found: Sequence[Item], webhook_ids: Sequence[str], now_us: int) -> list[DeliveryStep]:
    """Return the pending deliveries of new transitions."""
    return [_step(name, item, "pending", now_us) for item in found for name in webhook_ids]


def settled(
    now: Progress, item: Item, at_us: int, given_up: str | None = None
) -> tuple[Progress, DeliveryStep]:
    """Return what is when a message was taken, or given up for a reason: the next one is due at once."""
    after = Progress(
        webhook_id=now.webhook_id, offset=item.behind.offset, row=item.behind.row, disabled=now.disabled
    )
    attempts = now.attempts + 1
    if given_up is None:
        return after, _step(now.webhook_id, item, "delivered", at_us, attempts)
    return after, _step(now.webhook_id, item, "given_up", at_us, attempts, given_up)


def postponed(
    now: Progress, item: Item, next_attempt_us: int, error: str, *, refused: bool
) -> tuple[Progress, DeliveryStep]:
    """Return what is after an attempt that failed; all behind it wait with it."""
    after = Progress(
        webhook_id=now.webhook_id,
        offset=item.place.offset,
        row=item.place.row,
        attempts=now.attempts + 1,
        refusals=now.refusals + refused,
        next_attempt_us=next_attempt_us,
    )
    return after, _step(now.webhook_id, item, "pending", next_attempt_us, after.attempts, error)


def disabled(now: Progress, at_us: int, reason: str) -> tuple[Progress, WebhookStep]:
    """Return what is when a receiver wants no more messages: what is next, and all behind it, waits."""
    after = msgspec.structs.replace(now, disabled=reason)
    return after, WebhookStep(webhook_id=now.webhook_id, state="disabled", at_us=at_us, reason=reason)


def resumed(now: Progress, at_us: int) -> tuple[Progress, WebhookStep]:
    """Return what is when a person wants a webhook to be told again: what waits is due at once."""
    after = msgspec.structs.replace(now, disabled="", attempts=0, refusals=0, next_attempt_us=0)
    return after, WebhookStep(webhook_id=now.webhook_id, state="active", at_us=at_us)


def again(
    item: Item,
    webhook_id: str,
    state: Literal["pending", "delivered", "given_up"],
    at_us: int,
    attempts: int = 0,
    error: str = "",
) -> DeliveryStep:
    """Return a step of telling something once more."""
    step = _step(webhook_id, item, state, at_us, attempts, error)
    return msgspec.structs.replace(step, again=True)


def _step(
    webhook_id: str,
    item: Item,
    state: Literal["pending", "delivered", "given_up"],
    at_us: int,
    attempts: int = 0,
    error: str = "",
) -> DeliveryStep:
    return DeliveryStep(
        webhook_id=webhook_id,
        alert_id=item.transition.alert_id,
        number=item.transition.number,
        state=state,
        next_attempt_us=at_us,
        attempts=attempts,
        error=error,
    )
