"""Rows of decoded messages, gathered to one batch."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

import numpy as np

from sensors.payloads import Rows
from streams.records import SampleBatch


@dataclass(slots=True)
class GatheredRows:
    """Messages stay in their order, and rows of each in theirs, which their mapping has put in order."""

    _names: list[str] = field(default_factory=list)
    _time_us: array[int] = field(default_factory=lambda: array("q"))
    _value: array[float] = field(default_factory=lambda: array("d"))
    _received_at_us: list[int] = field(default_factory=list)
    """Of each message."""
    _counts: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._value)

    def add(self, rows: Rows, received_at_us: int) -> None:
        """Take the rows of a message."""
        self._names += rows.datastream_ids
        self._time_us += rows.time_us
        self._value += rows.value
        self._received_at_us.append(received_at_us)
        self._counts.append(len(rows))

    def batch(self) -> SampleBatch:
        """Return all of them."""
        numbers = {name: number for number, name in enumerate(dict.fromkeys(self._names))}
        series = np.fromiter(map(numbers.__getitem__, self._names), np.int32, len(self._names))
        return SampleBatch(
            datastream_ids=list(numbers),
            series=series,
            time_us=np.array(self._time_us),
            value=np.array(self._value),
            received_at_us=np.repeat(np.array(self._received_at_us, np.int64), self._counts),
        )
