"""QARTOD tests of many series at once, sample by sample: gross range, spike, rate of change, flat line.

Source: U.S. IOOS, Manual for Real-Time Quality Control of Water Level Data, version 2.1 (2021), section 3,
tests 4, 6, 7 and 8. Flags: 1 pass, 2 not evaluated, 3 suspect, 4 fail, 9 missing.

Where the program ioos_qc 3.0 differs from the manual, a series chooses its `behaviour`:

- rate of change. manual: a fixed limit for successive samples (never less than the whole limit, however
  close they are), or N_DEV standard deviations of the TIM_DEV before; without a sample before it, not
  evaluated. ioos_qc: change per second of whole seconds; pass without a sample before it.
- flat line. manual: so many samples before the newest differ from it by less than the tolerance; the first
  sample is not evaluated, a missing one breaks the line. ioos_qc: the range in a window of so many samples
  and the newest is below the tolerance; missing ones are skipped.
- gaps. manual: a long gap makes the tests forget what was before. ioos_qc: nothing is forgotten.

The standard deviation is taken in steps of TIM_DEV / 25, over between 24 and 25 of them, the current one
included, without samples that failed the gross range.

A spike verdict needs the sample that follows: it comes with that sample, as revision 1 of the one before,
and until then it is 2. Results do not depend on how samples are cut into batches.

A sample as old as the newest of its series is a repetition and is not judged again. An older one came too
late for the tests that need an order: only its range is judged, and it has revision -1, so that it never
replaces a sample that was judged in order. When the newest lies in the future and the next one does not,
a device's clock was set back, and the order begins anew.

Overall flag: missing is 9; else fail before suspect before not evaluated before pass, over the tests that
are switched on. A sample passes only when all of them were made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from sensors.qartod_kernel import BINS, PARAMETERS, STATE, judge
from sensors.quality_tests import QualityTests

TESTS: Final = ("gross_range", "spike", "rate_of_change", "flat_line")
_NEVER_US = 2**62
_SNAPSHOT_SERIES = 64


@dataclass(frozen=True, slots=True)
class Judged:
    """Rows that came out, in order; a revision stands just before the sample that brought it."""

    series: NDArray[np.int32]
    time_us: NDArray[np.int64]
    value: NDArray[np.float64]
    received_at_us: NDArray[np.int64]
    revision: NDArray[np.int32]
    flags: NDArray[np.uint8]
    """Shape (n, 4), columns as `TESTS`."""
    flag: NDArray[np.uint8]
    repeated: int
    late: int


class _SeriesGroup(msgspec.Struct, array_like=True):
    """Snapshot of some series: ids, and their rows of each array."""

    layout: int
    ids: list[str]
    widths: list[int]
    state: bytes
    ring: bytes
    bins: bytes


class Qartod:
    """The tests of many series, each in its slot.

    Parameters
    ----------
    ids
        Names of the series, for snapshots.
    tests
        Of each series.
    sampling_period_s
        Of each series; makes the default of what counts as a gap.
    """

    def __init__(
        self, ids: Sequence[str], tests: Sequence[QualityTests], sampling_period_s: Sequence[float]
    ) -> None:
        n = len(ids)
        self._slots = {name: slot for slot, name in enumerate(ids)}
        self._free: list[int] = []
        """Rows that nobody has."""
        self._parameters = np.zeros(n, PARAMETERS)
        for slot, (of_series, period_s) in enumerate(zip(tests, sampling_period_s, strict=True)):
            self._parameters[slot] = _parameters(of_series, period_s)
        self._state = np.zeros(n, STATE)
        widths = [t.flat_line.fail_count for t in tests if t.flat_line is not None]
        self._ring = np.zeros((n, max(widths, default=0)))
        by_deviations = bool((self._parameters["deviations"] > 0).any())
        self._bins = np.zeros((n, BINS if by_deviations else 0, 4))

    def judge(
        self,
        series: NDArray[np.int32],
        time_us: NDArray[np.int64],
        value: NDArray[np.float64],
        received_at_us: NDArray[np.int64],
    ) -> Judged:
        """Judge samples in the order of arrival; all columns have shape (n,).

        `series` is the slot, or -1 for a series without tests: its samples are flagged 2.
        """
        n = 2 * len(series)
        slots, time_out, value_out = np.empty(n, np.int32), np.empty(n, np.int64), np.empty(n)
        received, revision = np.empty(n, np.int64), np.empty(n, np.int32)
        flag, flags = np.empty(n, np.uint8), np.empty((n, len(TESTS)), np.uint8)
        # Columns that came off the wire are read-only, for which the kernel would be compiled once more.
        size, repeated, late = judge(
            np.array(series, np.int32),
            np.array(time_us, np.int64),
            np.array(value, np.float64),
            np.array(received_at_us, np.int64),
            self._parameters,
            self._state,
            self._ring,
            self._bins,
            (slots, time_out, value_out, received, revision, flag),
            flags,
        )
        return Judged(
            slots[:size],
            time_out[:size],
            value_out[:size],
            received[:size],
            revision[:size],
            flags[:size],
            flag[:size],
            repeated,
            late,
        )

    def slots(self, names: Sequence[str]) -> NDArray[np.int32]:
        """Return where each series is; -1: it has no tests."""
        return np.fromiter(map(self._slots.get, names, repeat(-1)), np.int32, len(names))

    def change(self, name: str, tests: QualityTests | None, sampling_period_s: float) -> None:
        """Give a series, perhaps a new one, other tests, or none; it begins anew and no other notices."""
        if tests is None:
            slot = self._slots.pop(name, None)
            if slot is not None:
                self._free.append(slot)
            return
        if name not in self._slots:
            if not self._free:
                self._grow()
            self._slots[name] = self._free.pop()
        slot = self._slots[name]
        self._parameters[slot] = _parameters(tests, sampling_period_s)
        self._state[slot] = np.zeros((), STATE)
        width = 0 if tests.flat_line is None else tests.flat_line.fail_count
        if width > self._ring.shape[1]:
            old, self._ring = self._ring, np.zeros((len(self._ring), width))
            for other in self._slots.values():
                self._lay(other, old[other])
        if self._parameters[slot]["deviations"] > 0 and not self._bins.shape[1]:
            self._bins = np.zeros((len(self._ring), BINS, 4))
        self._ring[slot], self._bins[slot] = 0.0, 0.0

    def _grow(self) -> None:
        """Make room for as many series again."""
        n = len(self._state)
        self._free = list(range(2 * n + 7, n - 1, -1))
        for name in ("_parameters", "_state", "_ring", "_bins"):
            old = getattr(self, name)
            new = np.zeros((2 * n + 8, *old.shape[1:]), old.dtype)
            new[:n] = old
            setattr(self, name, new)

    def snapshot(self) -> Iterable[bytes]:
        """Return the state of all series that have one, in small pieces."""
        ids = [name for name, slot in self._slots.items() if self._state["n"][slot] > 0]
        for begin in range(0, len(ids), _SNAPSHOT_SERIES):
            some = ids[begin : begin + _SNAPSHOT_SERIES]
            slots = [self._slots[name] for name in some]
            yield msgspec.msgpack.encode(
                _SeriesGroup(
                    STATE.itemsize,
                    some,
                    [self._ring.shape[1], self._bins.shape[1]],
                    self._state[slots].tobytes(),
                    self._ring[slots].tobytes(),
                    self._bins[slots].tobytes(),
                )
            )

    def restore(self, pieces: Iterable[bytes]) -> None:
        """Take back a snapshot. Series that are gone are dropped; of the last values, as many stay as fit."""
        for piece in pieces:
            group = msgspec.msgpack.decode(piece, type=_SeriesGroup)
            if group.layout != STATE.itemsize:  # written by another version of the program
                continue
            state = np.frombuffer(group.state, STATE)
            ring = np.frombuffer(group.ring).reshape(len(group.ids), group.widths[0])
            bins = np.frombuffer(group.bins).reshape(len(group.ids), group.widths[1], 4)
            for i, name in enumerate(group.ids):
                slot = self._slots.get(name)
                if slot is None:
                    continue
                self._state[slot] = state[i]
                if ring.shape[1] == self._ring.shape[1]:
                    self._ring[slot] = ring[i]
                else:
                    self._lay(slot, ring[i])
                if bins.shape[1] == self._bins.shape[1]:
                    self._bins[slot] = bins[i]

    def _lay(self, slot: int, ring: NDArray[np.float64]) -> None:
        """Take the last values from a ring of another width."""
        state, width = self._state[slot], self._ring.shape[1]
        kept = min(int(state["ring_n"]), width)
        if kept:
            at = np.arange(int(state["ring_at"]) - kept, int(state["ring_at"])) % len(ring)
            self._ring[slot, :kept] = ring[at]
        state["ring_n"], state["ring_at"] = kept, kept % width if width else 0


def _parameters(tests: QualityTests, period_s: float) -> NDArray[np.void]:
    p = np.zeros((), PARAMETERS)
    ioos_qc = tests.series.behaviour == "ioos_qc"
    p["ioos_qc"] = ioos_qc
    p["on"] = [getattr(tests, name) is not None for name in TESTS]
    p["low"], p["high"] = p["user_low"], p["user_high"] = -np.inf, np.inf
    p["spike_suspect"] = p["spike_fail"] = p["rate_limit"] = p["rate_fail"] = np.inf
    if (gross := tests.gross_range) is not None:
        p["low"], p["high"] = gross.span
        p["user_low"], p["user_high"] = gross.user_span or gross.span
    if (spike := tests.spike) is not None:
        p["spike_suspect"] = spike.suspect
        p["spike_fail"] = np.inf if spike.fail is None else spike.fail
    if (rate := tests.rate_of_change) is not None:
        p["rate_per_s"] = rate.per_s
        p["rate_limit"] = np.inf if rate.limit is None else rate.limit
        p["rate_fail"] = np.inf if rate.fail_limit is None else rate.fail_limit
        p["deviations"] = rate.deviations or 0.0
        p["bin_us"] = round(rate.period_s * 1e6 / BINS)
    if (flat := tests.flat_line) is not None:
        p["flat_suspect"], p["flat_fail"] = flat.suspect_count, flat.fail_count
        p["flat_tolerance"] = flat.tolerance
    gap_s = tests.series.max_gap_s
    if gap_s is None:
        p["max_gap_us"] = _NEVER_US if ioos_qc else round(max(5 * period_s, 600.0) * 1e6)
    else:
        p["max_gap_us"] = round(gap_s * 1e6)
    return p
