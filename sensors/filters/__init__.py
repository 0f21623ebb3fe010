"""Streaming filters of many series at once: one file a filter, tools for detectors and for people.

A filter is a kernel over the samples of many series in the order of arrival, with its state in arrays: O(1)
or a small window a sample. All of them

- leave out samples that failed, that are missing (flags 4 and 9) or have no value, and those that are not
  newer than the newest of their series; nothing is told of these (verdict 9);
- stand still over gaps: what was learnt before one longer than `max_gap_s` holds on, the time in between does
  not count, and the first sample after it is not judged (verdict 2);
- know event time only, so that a replay gives the same.

`FilterBank` keeps the state of one filter for many series and gives it out as bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from kernels.compiled import njit
from sensors.quality import FAIL, MISSING
from sensors.quality.arena import Arena

SKIPPED, FIRST, NEXT, AFTER_GAP = 0, 1, 2, 3


class FilterParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every filter is told."""

    max_gap_s: float = 3600.0
    """Time between two samples that is a gap; a few sampling periods."""

    def check(self) -> None:
        """Look at the parameters.

        Raises
        ------
        ValueError
            They make no sense; the message says what is needed.
        """
        if not self.max_gap_s > 0:
            raise ValueError("a filter needs a max_gap_s above 0")

    def memory_words(self) -> int:
        """How many numbers the filter remembers of a series besides its state; from `memory_at` on."""
        return 0


class Filter(Protocol):
    """What a module of a filter has."""

    PARAMETERS: np.dtype[np.void]
    """Of one series: fields of its parameters by name, `max_gap_us`, `memory_at`."""
    STATE: np.dtype[np.void]
    """Of one series; all zero before the first sample. Has `time_us` and `n`."""
    RESULT: np.dtype[np.void]
    """Of one sample; has `verdict`: 1 in control, 2 not judged, 3 out of control, 9 left out."""
    run: Callable[..., None]
    """(series, time_us, value, flag, parameters, state, memory, results)."""


COMMON: Final = [("max_gap_us", "i8"), ("memory_at", "i8")]
"""Fields of the parameters of every filter."""


@njit(cache=True, nogil=True)
def arrival(p: Any, s: Any, time_us: int, value: float, flag: int) -> int:
    """Return what a sample is to a filter, and move the time on unless it is left out."""
    if flag in (FAIL, MISSING) or not np.isfinite(value) or (s.n > 0 and time_us <= s.time_us):
        return SKIPPED
    kind = FIRST if s.n == 0 else AFTER_GAP if time_us - s.time_us > p.max_gap_us else NEXT
    s.time_us = time_us
    s.n += 1
    return kind


class FilterBank:
    """One filter over many series, each in its slot.

    Parameters
    ----------
    filter_
        The filter's module: `sensors.filters.hampel`.
    parameters
        Of each series.

    Raises
    ------
    ValueError
        Parameters make no sense.
    """

    def __init__(self, filter_: Filter, parameters: Sequence[FilterParameters]) -> None:
        self._filter = filter_
        self._parameters = np.zeros(len(parameters), filter_.PARAMETERS)
        self._state = np.zeros(len(parameters), filter_.STATE)
        self._memory = Arena()
        for row, given in zip(self._parameters, parameters, strict=True):
            given.check()
            for name in set(row.dtype.names or ()) & set(given.__struct_fields__):
                row[name] = getattr(given, name)
            row["max_gap_us"] = round(given.max_gap_s * 1e6)
            row["memory_at"] = self._memory.take(given.memory_words())

    def feed(
        self,
        series: NDArray[np.int32],
        time_us: NDArray[np.int64],
        value: NDArray[np.float64],
        flag: NDArray[np.uint8],
    ) -> NDArray[np.void]:
        """Take samples in the order of arrival, columns of shape (n,); return a result each, shape (n,)."""
        results = np.zeros(len(series), self._filter.RESULT)
        columns = (
            np.array(series, np.int32),
            np.array(time_us, np.int64),
            np.array(value, np.float64),
            np.array(flag, np.uint8),
        )
        self._filter.run(*columns, self._parameters, self._state, self._memory.data, results)
        return results

    def snapshot(self) -> bytes:
        """Return the state of all series."""
        return msgspec.msgpack.encode((self._like(), self._state.tobytes(), self._memory.data.tobytes()))

    def restore(self, state: bytes) -> None:
        """Take back what `snapshot` gave; of another version, or other series, nothing.

        Raises
        ------
        msgspec.MsgspecError
            These are no such bytes.
        """
        like, states, memory = msgspec.msgpack.decode(state, type=tuple[str, bytes, bytes])
        if like == self._like():
            self._state = np.frombuffer(states, self._filter.STATE).copy()
            self._memory.data[:] = np.frombuffer(memory)

    def _like(self) -> str:
        return f"{len(self._state)} {len(self._memory.data)} {self._filter.STATE.descr}"
