"""Flagged samples to the columns of their table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from storage.postgres.copying import Column, fitted, pieces, row_bytes
from storage.postgres.order import last_of_each
from storage.sql.levels import Mark
from storage.sql.marks import distinct, touched
from streams.records import FlaggedSamples

Int64 = NDArray[np.int64]
Int32 = NDArray[np.int32]
_HEX = np.array([[ord(digit) for digit in f"{byte:02x}"] for byte in range(256)], np.uint8)


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of one commit: several batches, whose tests may differ."""

    batches: Sequence[FlaggedSamples]
    time_us: Int64

    @classmethod
    def of(cls, batches: Sequence[FlaggedSamples]) -> Samples:
        """Take the batches that hold something."""
        some = [batch for batch in batches if len(batch)]
        times = [np.asarray(batch.time_us, np.int64) for batch in some]
        return cls(some, np.concatenate(times) if times else np.zeros(0, np.int64))

    @property
    def datastream_ids(self) -> list[str]:
        """Ids of all batches, each once."""
        return list(dict.fromkeys(one for batch in self.batches for one in batch.datastream_ids))

    def tests(self) -> list[str]:
        """Return the lists of tests as they are kept, one a batch."""
        return [msgspec.json.encode(batch.tests).decode() for batch in self.batches]

    def sorted(self, keys: Mapping[str, int], tests: Mapping[str, int]) -> SortedSamples:
        """Return what counts; `keys` are the numbers of datastreams, `tests` those of lists of tests."""
        key = np.concatenate(
            [
                np.array([keys[one] for one in batch.datastream_ids], np.int32)[batch.series]
                for batch in self.batches
            ]
        )
        revision = np.concatenate([batch.revision for batch in self.batches])
        order, newest = last_of_each(key, self.time_us, revision)
        lengths = [len(batch) for batch in self.batches]
        packed = [nibbles(batch.flags) for batch in self.batches]
        widths = np.repeat([some.shape[1] for some in packed], lengths)
        flags = np.zeros((len(key), int(widths.max())), np.uint8)
        begin = 0
        for some in packed:
            flags[begin : begin + len(some), : some.shape[1]] = some
            begin += len(some)
        value = np.concatenate([batch.value for batch in self.batches]).astype(np.float64)
        received_us = np.concatenate([batch.received_at_us for batch in self.batches]).astype(np.int64)
        flag = np.concatenate([batch.flag for batch in self.batches]).astype(np.int16)
        names = np.repeat(np.array([tests[one] for one in self.tests()], np.int32), lengths)
        return SortedSamples(
            time_us=self.time_us[order],
            received_us=received_us[order],
            value=value[order],
            key=key[order],
            tests=names[order],
            revision=fitted(revision[order], np.int16),
            flag=flag[order],
            flags=flags[order],
            widths=widths[order],
            newest=newest,
        )


@dataclass(frozen=True)
class SortedSamples:
    """Samples in the order of datastream and time, each key once."""

    time_us: Int64
    received_us: Int64
    value: NDArray[np.float64]
    key: Int32
    tests: Int32
    revision: NDArray[np.int16]
    flag: NDArray[np.int16]
    flags: NDArray[np.uint8]
    """Shape (n, bytes), `widths` of them count."""
    widths: Int64
    newest: NDArray[np.bool_]

    @cached_property
    def touched(self) -> list[Mark]:
        """The minutes of these rows."""
        return touched(self.key, self.time_us)

    def revised(self) -> NDArray[np.bool_]:
        """Return which ones replace another, most probably."""
        return self.revision > 0

    def table(self, which: NDArray[np.bool_]) -> Iterator[bytes]:
        """Return rows of the table."""
        return self._rows(which, self.flags)

    def staged(self, which: NDArray[np.bool_]) -> Iterator[bytes]:
        """Return rows of the staging table, whose flags are hex."""
        return self._rows(which, _HEX[self.flags].reshape(len(self.flags), -1))

    def newest_times(self) -> tuple[Int32, Int64]:
        """Return the datastreams, each once, and the time of the newest sample of each."""
        return self.key[self.newest], self.time_us[self.newest]

    def _rows(self, which: NDArray[np.bool_], flags: NDArray[np.uint8]) -> Iterator[bytes]:
        digits = flags.shape[1] // max(1, self.flags.shape[1])
        for width in distinct(self.widths[which]).tolist():
            rows = np.flatnonzero(which & (self.widths == width))
            for piece in pieces(len(rows)):
                yield self._piece(rows[piece], flags[:, : width * digits])

    def _piece(self, rows: Int64, flags: NDArray[np.uint8]) -> bytes:
        nulls = np.isnan(self.value[rows])
        columns = [
            Column(self.time_us[rows]),
            Column(self.received_us[rows]),
            Column(self.value[rows], nulls if nulls.any() else None),
            Column(self.key[rows]),
            Column(self.tests[rows]),
            Column(self.revision[rows]),
            Column(self.flag[rows]),
            Column(flags[rows]),
        ]
        return row_bytes(columns)


def nibbles(flags: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return flags of shape (n, tests) with 4 bits each, the first of two in the lower half."""
    packed: NDArray[np.uint8] = flags[:, ::2] & np.uint8(0xF)
    high = flags[:, 1::2]
    packed[:, : high.shape[1]] |= high << np.uint8(4)
    return packed


def unpacked_nibbles(packed: bytes, tests: list[str]) -> dict[str, int]:
    """Return the flag of each test."""
    return {test: packed[i >> 1] >> 4 * (i & 1) & 0xF for i, test in enumerate(tests)}
