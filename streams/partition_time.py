"""The time of a partition: the highest receiving time that was seen in it, moved on by ticks."""

from __future__ import annotations

import msgspec

from streams.call_records import CallReceipts, Presences, Resumed
from streams.network_records import Tellings
from streams.records import Commands, Detections, RawBatch, Record, SampleBatch, Tick

UNKNOWN_US = 0
CLOCKS_APART_US = 60_000_000
"""So far ahead the clock of who commands may be; commands from further ahead count as of then."""


def time_of(batch: Record) -> int:
    """Return the newest receiving time in a batch, us; `UNKNOWN_US` where it tells none (a replay)."""
    if isinstance(batch, RawBatch):
        return max((c.received_at_us or UNKNOWN_US for c in batch.chunks), default=UNKNOWN_US)
    if isinstance(batch, SampleBatch):
        return int(batch.received_at_us.max()) if len(batch) else UNKNOWN_US
    if isinstance(batch, Commands):
        return max((c.at_us for c in batch.commands), default=UNKNOWN_US)
    if isinstance(batch, Detections):
        return max((d.detected_at_us for d in batch.detections), default=UNKNOWN_US)
    if isinstance(batch, CallReceipts):
        return max((r.at_us for r in batch.receipts), default=UNKNOWN_US)
    if isinstance(batch, Presences):
        return max((p.at_us for p in batch.presences), default=UNKNOWN_US)
    if isinstance(batch, Tellings):
        return max((t.told_us for t in batch.tellings), default=UNKNOWN_US)
    return batch.now_us if isinstance(batch, Tick | Resumed) else UNKNOWN_US


def believed(batch: Commands, stamp_us: int) -> Commands:
    """Return commands of which none is asked later than it came.

    A time far ahead would be the partition's from then on: silences would be over, alerts never expire.

    Parameters
    ----------
    stamp_us
        When it came, as somebody else tells: who reads it again must be told the same.
    """
    latest_us = stamp_us + CLOCKS_APART_US
    if all(command.at_us <= latest_us for command in batch.commands):
        return batch
    return Commands(
        commands=[msgspec.structs.replace(c, at_us=min(c.at_us, latest_us)) for c in batch.commands]
    )
