"""Batches cut by partition, and cut again until they are messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams import codec
from streams.call_records import CallReceipts, Calls, Presences
from streams.network_records import Decisions, Tellings
from streams.records import (
    AlertTransitions,
    Changes,
    CommandOutcomes,
    Commands,
    Deliveries,
    Descriptions,
    Detections,
    EphemerisMessages,
    FlaggedSamples,
    NetworkShare,
    RawBatch,
    Record,
    SampleBatch,
    SourceChanges,
    SourceStates,
    StationPeriods,
    StationReports,
    Tick,
)
from streams.sample_extras import of_rows
from streams.topics import IN_LINE, MESSAGE_BYTES, RAW, SAMPLES, TELLINGS, Topic, partition_of

Samples = TypeVar("Samples", bound=SampleBatch | FlaggedSamples)

_LISTS: dict[type[Record], tuple[str, ...]] = {
    RawBatch: ("chunks",),
    EphemerisMessages: ("messages",),
    StationReports: ("reports", "figures"),
    StationPeriods: ("periods",),
    Detections: ("detections",),
    AlertTransitions: ("transitions",),
    Deliveries: ("steps", "webhooks", "orders"),
    Commands: ("commands",),
    CommandOutcomes: ("outcomes",),
    Changes: ("changes",),
    SourceChanges: ("changes",),
    SourceStates: ("states", "gone"),
    Descriptions: ("descriptions",),
    Calls: ("orders", "answers", "withdrawn"),
    CallReceipts: ("receipts",),
    Presences: ("presences",),
    Tellings: ("tellings",),
    Decisions: ("detections",),
}
"""Batches that are lists of records, and where these stand."""
_WHOLE = Tick | NetworkShare
"""Batches that are never cut."""
_IN_LINE_KINDS: dict[str, tuple[str, ...]] = {
    RAW.name: ("station",),
    SAMPLES.name: ("thing", "datastream", "rule", "network", "sighting", "property"),
    TELLINGS.name: ("thing", "datastream", "network"),
}
"""Changes that those who read a topic need to know: nobody's password travels further than it must."""
_KEYS = (
    "station_id",
    "webhook_id",
    "alert_id",
    "subject_id",
    "target",
    "id",
    "call_id",
    "datastream_id",
    "network",
)
_ROWS: dict[type[Record], tuple[str, ...]] = {
    SampleBatch: ("series", "time_us", "value", "received_at_us"),
    FlaggedSamples: ("series", "time_us", "value", "received_at_us", "revision", "flags", "flag"),
}
"""Batches that are columns, and which of their fields have a row for each sample."""


class RecordTooLargeError(ValueError):
    """One record alone is larger than a message. Trying again cannot help."""

    def __init__(self, key: str, size: int, most_bytes: int) -> None:
        shown = ascii(key[:60])
        super().__init__(
            f"a record of {shown} is a message of {size} bytes and {most_bytes} are possible; "
            "send it in parts"
        )
        self.key = key
        """Id of what the record is about."""
        self.size = size


def split(batch: Record, topic: Topic, site_of: Callable[[str], str]) -> dict[int, Record]:
    """Cut a batch by partition.

    Parameters
    ----------
    batch
        Any but a tick, which belongs to every partition.
    topic
        The one that it goes to.
    site_of
        Site of a datastream's id: samples of a site share a partition.

    Returns
    -------
    dict[int, Record]
        What goes to each partition, in the order in which it stood in the batch; partitions that get
        nothing are left out. A batch that comes in line (`IN_LINE`) goes to every partition. Datastreams
        without a sample are no longer named.

    Raises
    ------
    TypeError
        The batch is of a kind that has no partition.
    """
    if topic in IN_LINE.get(type(batch), ()):
        if isinstance(batch, Changes):
            kinds = _IN_LINE_KINDS[topic.name]
            batch = Changes(changes=[change for change in batch.changes if change.kind in kinds])
            if not batch.changes:
                return {}
        return dict.fromkeys(range(topic.partitions), batch)
    if isinstance(batch, SampleBatch | FlaggedSamples):
        return dict(split_samples(batch, lambda name: partition_of(site_of(name), topic)))
    if type(batch) not in _LISTS or (type(batch) in IN_LINE and type(batch) is not topic.batch):
        raise TypeError(f"{type(batch).__name__} has no partition of its own")
    names = _LISTS[type(batch)]
    if topic.partitions == 1:
        return {0: batch} if any(getattr(batch, name) for name in names) else {}
    known: dict[str, int] = {}
    parts: dict[int, dict[str, list[Record]]] = {}
    for name in names:
        for record in getattr(batch, name):
            identity = key_of(record)
            partition = known.get(identity)
            if partition is None:
                partition = known[identity] = partition_of(identity, topic)
            part = parts.get(partition)
            if part is None:
                part = parts[partition] = {each: [] for each in names}
            part[name].append(record)
    return {partition: type(batch)(**parts[partition]) for partition in sorted(parts)}


def split_samples(batch: Samples, partition_of: Callable[[str], int]) -> dict[int, Samples]:
    """Cut a batch of samples by partition, as `split` does, given what tells it of a datastream's id."""
    if not len(batch):
        return {}
    names = batch.datastream_ids
    of_series = np.fromiter(map(partition_of, names), np.int32, len(names))
    partition = of_series[batch.series]
    order = np.argsort(partition, kind="stable")
    numbers, begins = np.unique(partition[order], return_index=True)
    if len(numbers) == 1:
        return {int(numbers[0]): rows_of(batch, slice(None))}
    ends = np.append(begins[1:], len(batch))
    return {
        int(number): rows_of(batch, order[begin:end])
        for number, begin, end in zip(numbers, begins, ends, strict=True)
    }


def pieces(batch: Record, most_bytes: int = MESSAGE_BYTES) -> list[bytes]:
    """Encode a batch as messages of at most `most_bytes` each, halving it until they fit.

    Their records, one message after the other, are those of the batch; none of an empty one.

    Raises
    ------
    RecordTooLargeError
        A single record does not fit.
    """
    if not isinstance(batch, _WHOLE) and not _count(batch):
        return []
    message = codec.encode(batch)
    if len(message) <= most_bytes:
        return [message]
    if isinstance(batch, _WHOLE) or _count(batch) == 1:
        raise RecordTooLargeError(_first_key(batch), len(message), most_bytes)
    first, second = _halves(batch)
    return pieces(first, most_bytes) + pieces(second, most_bytes)


def keyed(batch: Changes) -> list[tuple[bytes, bytes]]:
    """Return key and message of each object, the newest change of it: for a topic that is compacted.

    Raises
    ------
    RecordTooLargeError
        A change does not fit.
    """
    newest = {f"{change.kind}/{change.id}".encode(): change for change in batch.changes}
    return [(key, pieces(Changes(changes=[change]))[0]) for key, change in newest.items()]


def rows_of(batch: Samples, rows: NDArray[np.int64] | slice) -> Samples:
    """Return some samples, in this order, with those datastreams alone that they have."""
    columns = {name: getattr(batch, name)[rows] for name in _ROWS[type(batch)]}
    names = batch.datastream_ids
    used = np.bincount(columns["series"], minlength=len(names)) > 0
    if not used.all():
        columns["series"] = (np.cumsum(used, dtype=np.int32) - 1)[columns["series"]]
        names = list(compress(names, used.tolist()))
    places = of_rows(batch.places, rows, len(batch))
    waves = of_rows(batch.waves, rows, len(batch))
    taken: Samples = msgspec.structs.replace(
        batch, datastream_ids=names, **columns, places=places, waves=waves
    )
    return taken


def named_site(datastream_id: str) -> str:
    """Return the site after which a datastream is named: `site.property` or `site/property`."""
    end = max(datastream_id.rfind("."), datastream_id.rfind("/"))
    return datastream_id[:end] if end > 0 else datastream_id


def key_of(record: Record) -> str:
    """Return the id of what a record is about."""
    for name in _KEYS:
        if hasattr(record, name):
            return str(getattr(record, name))
    raise TypeError(f"{type(record).__name__} has no key")


def _count(batch: Record) -> int:
    if isinstance(batch, SampleBatch | FlaggedSamples):
        return len(batch)
    return sum(len(getattr(batch, name)) for name in _LISTS[type(batch)])


def _first_key(batch: Record) -> str:
    if isinstance(batch, SampleBatch | FlaggedSamples):
        return batch.datastream_ids[int(batch.series[0])]
    if isinstance(batch, NetworkShare):
        return batch.source
    records: Sequence[Record] = [r for name in _LISTS.get(type(batch), ()) for r in getattr(batch, name)]
    return key_of(records[0]) if records else type(batch).__name__


def _halves(batch: Record) -> tuple[Record, Record]:
    if isinstance(batch, SampleBatch | FlaggedSamples):
        rows, middle = np.arange(len(batch)), len(batch) // 2
        return rows_of(batch, rows[:middle]), rows_of(batch, rows[middle:])
    first, second = {}, {}
    for name in _LISTS[type(batch)]:
        records = getattr(batch, name)
        # Of two lists with one record each, one stays: the halves are smaller than the whole in any case.
        middle = (len(records) + 1) // 2 if name == _LISTS[type(batch)][0] else len(records) // 2
        first[name], second[name] = records[:middle], records[middle:]
    return type(batch)(**first), type(batch)(**second)
