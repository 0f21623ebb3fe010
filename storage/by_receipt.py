"""Stored samples as they came: in the order of their receipt, some at a time.

Stores keep samples by datastream and time. Here they are read by time, a stretch after the other, each once,
and those that were received later than what is read next wait (`held_samples.py`): nearly none where
samples come as they are measured, a whole memory of a device where it was sent days later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from storage.held_samples import HeldSamples, rows_of
from storage.received_waves import WaveStore, waves_of, with_waves
from storage.rows import ReceivedSamples
from streams.records import EARLIEST_US, LATEST_US, SampleBatch

AHEAD_US = 300_000_000
"""Clocks of devices may be so much ahead; samples from further ahead come after others, as late as this."""
LOOK_BACK_US = 7 * 86_400_000_000
"""Samples that came later than that are passed over."""
MOST_ROWS = 200_000
"""Of a stretch."""
ROWS_WITH_WAVES = 2_000
"""Given out at a time, where there are waveforms."""
_FIRST_WIDTH_US = 60_000_000
_NO_TIME = np.zeros(0, np.int64)
_NOTHING = ReceivedSamples(np.zeros(0, np.int32), _NO_TIME, np.zeros(0), _NO_TIME, np.zeros(0, np.bool_))
_LONGEST_WIDTH_US = 86_400_000_000


class SampleStore(WaveStore, Protocol):
    """What is asked of a store (`storage.store.Store`)."""

    def received_samples(
        self,
        datastream_ids: Sequence[str],
        start_us: int,
        end_us: int,
        *,
        received_from_us: int,
        received_before_us: int,
        limit: int,
    ) -> ReceivedSamples:
        """Return samples that were measured in a time and received in another."""
        ...


@dataclass(frozen=True, slots=True)
class Arrival:
    """What was received before a time, and behind what was given out before."""

    samples: SampleBatch
    """In the order of their receipt; may be empty."""
    until_us: int
    """Everything that was received before this has been given out."""


@dataclass(frozen=True, slots=True)
class ByReceipt:
    """Samples of some datastreams that were received in a time, the end not in it.

    Parameters
    ----------
    is_in_time
        Give them out as if each had been received when it was measured; the time is then that of measuring.
    """

    store: SampleStore
    datastream_ids: Sequence[str]
    begin_us: int
    end_us: int
    is_in_time: bool = False
    most_rows: int = MOST_ROWS

    def arrivals(self) -> Iterator[Arrival]:
        """Yield them, and how far time has come."""
        ahead_us = 0 if self.is_in_time else AHEAD_US
        at_us = self.begin_us if self.is_in_time else self.begin_us - LOOK_BACK_US
        stop_us, width_us = self.end_us + ahead_us, _FIRST_WIDTH_US
        waved = with_waves(self.store, self.datastream_ids, at_us, stop_us)
        with closing(HeldSamples()) as held:
            while at_us < stop_us:
                to_us = min(at_us + width_us, stop_us)
                found = self._read(at_us, to_us)
                if len(found) > self.most_rows and width_us > 1:
                    width_us = max(width_us // 4, 1)
                    continue
                held.add(found)
                at_us, until_us = to_us, to_us - ahead_us
                if until_us > self.begin_us:
                    for due in held.before(until_us):
                        size = ROWS_WITH_WAVES if waved else len(due)
                        for begin in range(0, len(due), size):
                            part = rows_of(due, np.arange(begin, min(begin + size, len(due))))
                            yield Arrival(self._batch(part, waved), int(part.received_at_us[-1]))
                    yield Arrival(self._batch(_NOTHING, waved), until_us)
                if len(found) < self.most_rows // 4:
                    width_us = min(2 * width_us, _LONGEST_WIDTH_US)

    def _read(self, start_us: int, end_us: int) -> ReceivedSamples:
        found = self.store.received_samples(
            self.datastream_ids,
            start_us,
            end_us,
            received_from_us=EARLIEST_US if self.is_in_time else self.begin_us,
            received_before_us=LATEST_US if self.is_in_time else self.end_us,
            limit=self.most_rows + 1,
        )
        if self.is_in_time:
            found = replace(found, received_at_us=found.time_us, is_late=found.is_late & False)
        return found

    def _batch(self, samples: ReceivedSamples, waved: frozenset[int]) -> SampleBatch:
        return SampleBatch(
            datastream_ids=list(self.datastream_ids),
            series=samples.series,
            time_us=samples.time_us,
            value=samples.value,
            received_at_us=samples.received_at_us,
            waves=waves_of(self.store, self.datastream_ids, samples, waved),
        )
