"""Calls go out by the channels that the configuration names, and what gateways say of them comes back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Protocol

from connectors.channels import Channel, ReceiptReader, Surroundings
from connectors.channels import message as sent
from dashboards.api.call_receipts import Callbacks
from deploy.clock import wall_clock_us
from deploy.settings import Settings
from storage.store import StorageError
from streams.bus import CallDoor, ReceiptSink
from streams.call_records import CallOrder, CallReceipt, CallReceipts

_LONGEST_SUBJECT = 120


class KnownCalls(Protocol):
    """Who knows orders."""

    def call(self, call_id: str) -> CallOrder | None:
        """Return the order of a call; None: there is none."""
        ...


class ChannelDoor:
    """Implements `streams.bus.CallDoor`."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def send(self, order: CallOrder) -> CallReceipt:
        """Carry an order out; return what is known at once."""
        said = await self._channel.send(
            sent.CallMessage(
                call_id=order.call_id,
                to=order.to,
                subject=(order.text.strip().splitlines() or [""])[0][:_LONGEST_SUBJECT],
                text=order.text,
                link=order.link,
                level=order.level,
                alert_id=order.alert_id,
                deadline_us=order.deadline_us,
            )
        )
        return CallReceipt.of(order, said.state, said.at_us, said.detail)


@contextlib.asynccontextmanager
async def channels_of(settings: Settings) -> AsyncIterator[dict[str, Channel]]:
    """Open the channels of a configuration, by name; they connect when something is sent."""
    around = Surroundings(wall_clock_us, settings.server.public_url)
    channels = {name: config.channel(name, around) for name, config in settings.channels.items()}
    try:
        yield channels
    finally:
        await asyncio.gather(*(one.close() for one in channels.values()), return_exceptions=True)


def doors_of(channels: Mapping[str, Channel]) -> dict[str, CallDoor]:
    """Return the door of each channel."""
    return {name: ChannelDoor(channel) for name, channel in channels.items()}


def callbacks_of(
    channels: Mapping[str, Channel],
    known: KnownCalls,
    sink: ReceiptSink,
    clock_us: Callable[[], int] = wall_clock_us,
) -> Callbacks | None:
    """Return what takes the calls of gateways; None: no channel has one that calls."""
    readers = {name: channel for name, channel in channels.items() if isinstance(channel, ReceiptReader)}
    if not readers:
        return None

    async def take(said: sent.CallReceipt) -> None:
        try:
            order = await asyncio.to_thread(known.call, said.call_id)
        except StorageError as error:
            raise TimeoutError("the store is away") from error
        if order is None:
            raise TimeoutError("the call is not stored yet")
        at_us = min(said.at_us, clock_us())  # a clock elsewhere must not let deadlines pass
        receipt = CallReceipt.of(order, said.state, at_us, said.detail.replace(order.to, "..."))
        await sink.put_receipts(CallReceipts(receipts=[receipt]))

    return Callbacks(readers, take)
