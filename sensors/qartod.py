"""QARTOD tests of many series at once, sample by sample; what each test does stands in `sensors.quality`.

Flags: 1 pass, 2 not evaluated, 3 suspect, 4 fail, 9 missing. A series chooses its `behaviour`: that of the
manual, or that of the program ioos_qc 3.0. manual: a long gap makes the tests forget what was before it;
ioos_qc: nothing is forgotten.

Results do not depend on how samples are cut into batches. What can be told of a sample only with the next one
comes with that, as a revision of the one before: a spike, and what a partner of the same site says that is
behind in the order of arrival.

A sample as old as the newest of its series is a repetition and is not judged again. An older one came too
late for the tests that need an order: only those that need none judge it, and it has revision -1, so that it
never replaces a sample that was judged in order. When the newest lies in the future and the next one does
not, a device's clock was set back, and the order begins anew.

Overall flag: missing is 9; else fail before suspect before not evaluated before pass (manual: a sample passes
only when all of its tests were made), or pass before not evaluated (ioos_qc, as its aggregate has it, as soon
as nothing more can come). A flag 9 of a value that is there does not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from sensors.own_places import Columns, OwnPlaces, with_places
from sensors.qartod_kernel import COLUMNS, NO_STATE, PARAMETERS, REVISING, STATE, judge, settle, unpack
from sensors.quality import OWN, OWN_PLACE
from sensors.quality.arena import Arena
from sensors.quality_tests import QualityTests

_Columns = tuple[NDArray[Any], ...]
_NEVER_US = 2**62
_SNAPSHOT_SERIES = 64
_ALWAYS = 1 << COLUMNS["gross_range"]
"""Flags have this column also when no series has any test."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Rows that came out, in order; a revision stands just before the sample that brought it."""

    series: NDArray[np.int32]
    time_us: NDArray[np.int64]
    value: NDArray[np.float64]
    received_at_us: NDArray[np.int64]
    revision: NDArray[np.int32]
    tests: list[str]
    """Those that any series has, in the order of the manual."""
    flags: NDArray[np.uint8]
    """Shape (n, len(tests))."""
    flag: NDArray[np.uint8]
    repeated: int = 0
    late: int = 0


class _SeriesGroup(msgspec.Struct, array_like=True):
    """Snapshot of some series."""

    ids: list[str]
    states: dict[str, tuple[str, bytes]]
    """Of the line and each test: what its record is like, and the records."""
    words: list[dict[str, int]]
    """Of each series: how many numbers its tests remember; they follow in this order."""
    memory: bytes


class Qartod:
    """The tests of many series, each in its slot.

    Parameters
    ----------
    ids
        Names of the series, for snapshots and partners.
    tests
        Of each series.
    sampling_period_s
        Of each series; makes the default of what counts as a gap.
    sites
        Of each series: partners are of the same site. None: all are.
    """

    def __init__(
        self,
        ids: Sequence[str],
        tests: Sequence[QualityTests],
        sampling_period_s: Sequence[float],
        sites: Sequence[str] | None = None,
    ) -> None:
        n = len(ids)
        self._slots: dict[str, int] = {}
        self._free = list(range(n - 1, -1, -1))
        """Rows that nobody has."""
        self._parameters = np.zeros(n, PARAMETERS)
        self._state = np.zeros(n, STATE)
        self._memory, self._tables = Arena(), Arena()
        self._remembered: list[dict[str, tuple[int, int]]] = [{} for _ in range(n)]
        """Of each slot: where the memory of its tests begins, and its length."""
        self._looked_up: list[list[tuple[int, int]]] = [[] for _ in range(n)]
        self._sites: dict[str, str] = {}
        self._partners: dict[str, list[tuple[str, str, str]]] = {}
        """Of a series: test, field and id of each partner."""
        for name, of_series, period_s, site in zip(
            ids, tests, sampling_period_s, sites or repeat("", n), strict=True
        ):
            self._lay(name, of_series, period_s, site)
        self._find()

    def judge(
        self,
        series: NDArray[np.int32],
        time_us: NDArray[np.int64],
        value: NDArray[np.float64],
        received_at_us: NDArray[np.int64],
        places: OwnPlaces | None = None,
    ) -> Judged:
        """Judge samples in the order of arrival; all columns have shape (n,).

        `series` is the slot, or -1 for a series without tests: its samples are flagged 2. `places` are those
        that samples bring with them.
        """
        given = Columns(series, time_us, value, received_at_us)
        columns = given if places is None else with_places(given, places, self._own)
        judged = self._judge(columns)
        return judged if columns is given else self._without_places(judged, len(series))

    def _judge(self, columns: Columns) -> Judged:
        out = _columns(2 * len(columns.series))
        values = _lent(columns.value, np.float64)
        size, repeated, late = judge(
            _lent(columns.series, np.int32),
            _lent(columns.time_us, np.int64),
            values,
            values.view(np.int64),
            _lent(columns.received_at_us, np.int64),
            self._parameters,
            self._state,
            NO_STATE,
            self._memory.data,
            self._tables.data,
            out,
        )
        return self._judged(out, size, repeated, late)

    def _without_places(self, judged: Judged, n: int) -> Judged:
        """Leave out the positions that were put before samples; there were `n` of these."""
        kept = ~np.isin(judged.series, self._own[self._own >= 0])
        first = judged.revision[kept] <= 0
        return Judged(
            judged.series[kept],
            judged.time_us[kept],
            judged.value[kept],
            judged.received_at_us[kept],
            judged.revision[kept],
            judged.tests,
            judged.flags[kept],
            judged.flag[kept],
            n - int(first.sum()),
            int((judged.revision[kept] < 0).sum()),
        )

    def end(self) -> Judged:
        """Return revisions of the newest samples that only waited for a next one: there is none."""
        changed = np.zeros(len(self._state), np.bool_)
        settle(self._parameters, self._state, changed)
        slots = np.flatnonzero(changed).astype(np.int32)
        line = self._state["line"][slots]
        revision = line["revision"].astype(np.int32)
        told = line["time_us"], line["value"], line["received_at_us"], revision, line["flag"], line["flags"]
        return self._judged((slots, *told), len(slots), 0, 0)

    def _judged(self, out: _Columns, size: int, repeated: int, late: int) -> Judged:
        series, time_us, value, received_at_us, revision, flag, words = (column[:size] for column in out)
        flags = np.empty((size, len(self._columns)), np.uint8)
        unpack(words, self._columns, flags)
        return Judged(
            series, time_us, value, received_at_us, revision, self._tests, flags, flag, repeated, late
        )

    def slots(self, names: Sequence[str]) -> NDArray[np.int32]:
        """Return where each series is; -1: it has no tests."""
        return np.fromiter(map(self._slots.get, names, repeat(-1)), np.int32, len(names))

    def names(self, slots: Sequence[int]) -> list[str]:
        """Return the series in some slots."""
        there = {slot: name for name, slot in self._slots.items()}
        return [there[slot] for slot in slots]

    def change(self, name: str, tests: QualityTests | None, sampling_period_s: float, site: str = "") -> None:
        """Give a series, perhaps a new one, other tests, or none; it begins anew and no other notices."""
        for each in (name, *(name + own for own in OWN_PLACE.values())):
            slot = self._slots.pop(each, None)
            if slot is not None:
                self._clear(slot)
                self._free.append(slot)
        self._partners.pop(name, None)
        if tests is not None:
            self._lay(name, tests, sampling_period_s, site)
        self._find()

    def _lay(self, name: str, tests: QualityTests, period_s: float, site: str) -> None:
        """Give a series a slot; and those that its samples bring with them, too."""
        for own in sorted(tests.own_partners()):
            self._lay(name + own, QualityTests(series=tests.series), period_s, site)
        if not self._free:
            self._grow()
        slot = self._slots[name] = self._free.pop()
        facts, row = tests.facts(period_s), self._parameters[slot]
        on = sum(1 << COLUMNS[test] for test in tests.tests)
        row["on"], row["on_bits"] = on, sum(15 << 4 * COLUMNS[test] for test in tests.tests)
        row["revising"], row["ioos_qc"] = on & REVISING != 0, facts.ioos_qc
        gap_s = tests.series.max_gap_s
        if gap_s is None and not facts.ioos_qc:
            gap_s = max(5 * period_s, 600.0)
        row["max_gap_us"] = _NEVER_US if gap_s is None else min(round(gap_s * 1e6), _NEVER_US)
        self._sites[name] = site
        for test, parameters in tests.tests.items():
            record = row[test]
            for field in set(record.dtype.names or ()) & set(parameters.__struct_fields__):
                if isinstance(given := getattr(parameters, field), int | float):
                    record[field] = given
            parameters.fill(record, facts)
            if words := parameters.memory_words(facts):
                record["memory_at"] = self._memory.take(words)
                self._remembered[slot][test] = (int(record["memory_at"]), words)
            if len(table := parameters.table()):
                record["table_at"], record["table_rows"] = self._tables.take(table.size), len(table)
                self._tables.data[record["table_at"] :][: table.size] = table.ravel()
                self._looked_up[slot].append((int(record["table_at"]), table.size))
            for field, partner in parameters.partners().items():
                partner_id = name + partner if partner.startswith(OWN) else partner
                self._partners.setdefault(name, []).append((test, field, partner_id))

    def _find(self) -> None:
        """Let tests know where their partners are, and flags which tests there are."""
        for name, partners in self._partners.items():
            for test, field, partner in partners:
                there = self._sites.get(partner) == self._sites[name] and partner in self._slots
                slot = self._slots[partner] if there else -1
                self._parameters[self._slots[name]][test][field] = slot
        self._own = np.full((len(self._state), 2), -1, np.int32)
        for name in self._partners:
            for place, own in enumerate(OWN_PLACE.values()):
                self._own[self._slots[name], place] = self._slots.get(name + own, -1)
        on = int(np.bitwise_or.reduce(self._parameters["on"])) | _ALWAYS
        self._tests = [test for test, column in COLUMNS.items() if on >> column & 1]
        self._columns = np.array([COLUMNS[test] for test in self._tests], np.int64)

    def _clear(self, slot: int) -> None:
        for begin, words in self._remembered[slot].values():
            self._memory.give(begin, words)
        for begin, words in self._looked_up[slot]:
            self._tables.give(begin, words)
        self._remembered[slot], self._looked_up[slot] = {}, []
        self._parameters[slot], self._state[slot] = np.zeros((), PARAMETERS), NO_STATE[0]

    def _grow(self) -> None:
        """Make room for as many series again."""
        n = len(self._state)
        self._free = list(range(2 * n + 7, n - 1, -1))
        self._parameters = np.concatenate([self._parameters, np.zeros(n + 8, PARAMETERS)])
        self._state = np.concatenate([self._state, np.zeros(n + 8, STATE)])
        self._remembered += [{} for _ in range(n + 8)]
        self._looked_up += [[] for _ in range(n + 8)]

    def snapshot(self) -> Iterable[bytes]:
        """Return the state of all series that have one, in small pieces."""
        seen = self._state["line"]["time_us"] != 0
        ids = [name for name, slot in self._slots.items() if seen[slot]]
        for begin in range(0, len(ids), _SNAPSHOT_SERIES):
            some = ids[begin : begin + _SNAPSHOT_SERIES]
            slots = [self._slots[name] for name in some]
            remembered = [self._remembered[slot] for slot in slots]
            pieces = [self._memory.data[at : at + n] for one in remembered for at, n in one.values()]
            group = _SeriesGroup(
                some,
                {part: (_like(part), self._state[part][slots].tobytes()) for part in _PARTS},
                [{test: words for test, (_, words) in one.items()} for one in remembered],
                b"".join(piece.tobytes() for piece in pieces),
            )
            yield msgspec.msgpack.encode(group)

    def restore(self, pieces: Iterable[bytes]) -> None:
        """Take back a snapshot.

        Series that are gone are dropped; a test that remembers in another way, since it was configured or
        written anew, begins anew.
        """
        for piece in pieces:
            try:
                group = msgspec.msgpack.decode(piece, type=_SeriesGroup)
            except msgspec.ValidationError:  # written by another version of the program
                continue
            alike = {part: data for part, (like, data) in group.states.items() if _like(part) == like}
            if "line" not in alike:
                continue
            states = {part: np.frombuffer(data, STATE[part]) for part, data in alike.items()}
            memory, begin = np.frombuffer(group.memory), 0
            for row, (name, remembered) in enumerate(zip(group.ids, group.words, strict=True)):
                slot = self._slots.get(name, -1)
                now = {} if slot < 0 else self._remembered[slot]
                fits = {test for test in COLUMNS if remembered.get(test, 0) == now.get(test, (0, 0))[1]}
                for test, words in remembered.items():
                    if test in fits and test in states:
                        self._memory.data[now[test][0] :][:words] = memory[begin : begin + words]
                    begin += words
                if slot >= 0:
                    for part in states.keys() & (fits | {"line"}):
                        self._state[part][slot] = states[part][row]


_PARTS = [part for part in STATE.names or () if STATE[part].names != ("nothing",)]


def _like(part: str) -> str:
    """Return what the record of the line, or of a test, is like in words; none of a test that is gone."""
    return repr(STATE[part].descr) if part in _PARTS else ""


def _lent(column: NDArray[Any], kind: type[np.generic]) -> NDArray[Any]:
    """Return a column as the kernel is compiled for: read-only, as what comes off the wire is."""
    lent = np.require(column, kind, ["C", "A"]).view()
    lent.flags.writeable = False
    return lent


def _columns(n: int) -> _Columns:
    """Return what the kernel fills, in one piece: a large one gets large pages, a tenth of the faults."""
    kinds = (np.int64, np.float64, np.int64, np.int64, np.int32, np.int32, np.uint8)
    sizes = [n * np.dtype(kind).itemsize for kind in kinds]
    block = np.empty(sum(sizes), np.uint8)
    ends = np.cumsum(sizes)
    time_us, value, received_at_us, word, series, revision, flag = (
        block[end - size : end].view(kind) for kind, size, end in zip(kinds, sizes, ends, strict=True)
    )
    return series, time_us, value, received_at_us, revision, flag, word
