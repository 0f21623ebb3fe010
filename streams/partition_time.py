"""The time of a partition: the highest receiving time that was seen in it, moved on by ticks."""

from __future__ import annotations

from streams.records import Commands, Detections, RawBatch, Record, SampleBatch, Tick

UNKNOWN_US = 0


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
    return batch.now_us if isinstance(batch, Tick) else UNKNOWN_US
