"""Judgements of stations to a record of figures for each hour of each station.

An hour ends with the first judgement of a time behind it, and the stream's end ends it too. What comes late,
for an hour that was given out or before the first judgement, counts in the running one; what is older than
the hour before is another recording, and begins a record of its own. A record of an hour that was looked at
from its begin covers all of it; the first one of a stream begins with the first judgement, the last one ends
with the last.

All stations end their hour in the same second. It is closed at once, which copies its sums; figures are made
of a few hours a call, and come out over the next half minute: no epoch is to wait for them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from gnss.epoch_columns import EpochColumns
from gnss.quality.closed_period import About, ClosedPeriod
from gnss.quality.judgements import Judgements
from gnss.quality.metadata_words import metadata_words
from gnss.quality.period_builder import PeriodBuilder, Registry
from gnss.quality.period_codec import pack_period
from gnss.quality.sky_marks import MARK_US
from gnss.quality.table import QualityTable
from gnss.rtcm.station import StationMetadata
from gnss.sky import Sky
from streams.records import StationPeriodRecord

HOUR_US = 3_600_000_000
NEVER_US = -(2**62)
MOST_AT_ONCE = 1
"""Hours of which figures are made in a call, unless many wait or a stream has ended. At a full hour all
stations' hours are over at once, and whatever their figures cost comes on top of the stations' work."""
WAITING_SHARE = 1_024
"""Of those that wait, this part at least is made: so what waits is bounded."""
MOST_MINUTES = 240
"""Of an hour, with those of late epochs."""
MOST_EVENTS = 500
MOST_CHANGES = 16

Told = tuple[int, str, dict[str, str]]
"""From which epoch on a stream tells this of itself: message of its coordinates, words."""


class _Saved(msgspec.Struct):
    """One station."""

    begin_us: int
    end_us: int
    slot: int
    told: list[Told]
    periods: bytes


@dataclass(frozen=True, slots=True)
class _Waiting:
    about: About
    closed: ClosedPeriod


class StationHours:
    """The hours of the stations of one table.

    What comes out for a station does not depend on how its epochs and judgements were cut into calls.

    Parameters
    ----------
    table
        That makes the judgements.
    registry
        What the registry has against a station, for the words of its reasons.
    station_id
        Of a row of the table.
    """

    def __init__(self, table: QualityTable, registry: Registry, station_id: Callable[[int], str]) -> None:
        self._table = table
        self._station_id = station_id
        self._builder = PeriodBuilder(table, registry, most_minutes=MOST_MINUTES, most_events=MOST_EVENTS)
        self._begin_us, self._end_us, self._slot = (np.full(0, NEVER_US) for _ in range(3))
        self._told: dict[int, list[Told]] = {}
        self._waiting: deque[_Waiting] = deque()
        self._has_ended = False
        self._made: list[StationPeriodRecord] = []
        self.failures = 0
        """Hours whose figures could not be made, by errors of the program."""

    # --- one station --------------------------------------------------------------------------------------

    def begin(self, s: int) -> None:
        """Give a row to a new station."""
        self._make_room()
        self._builder.remove(s)
        self._begin_us[s] = self._end_us[s] = self._slot[s] = NEVER_US
        self._told.pop(s, None)

    def tell(self, s: int, metadata: StationMetadata, epoch_us: int) -> None:
        """Say what a stream tells of its station from an epoch on."""
        has_height = metadata.position is not None and metadata.position.antenna_height_m is not None
        message = "message 1006" if has_height else "message 1005"
        told = self._told.setdefault(s, [])
        told.append((epoch_us, message, metadata_words(metadata)))
        del told[:-MOST_CHANGES]

    def end(self, s: int) -> None:
        """End the hour of a station whose stream ends; the next one begins with its next judgement."""
        self._has_ended = True
        if self._builder.has_judgements(s):
            newest_us = self._builder.newest_us(s) + int(self._table.memory.station["interval_us"][s])
            self._close(s, max(min(newest_us, int(self._end_us[s])), int(self._begin_us[s]) + 1))
        self._end_us[s] = self._begin_us[s] = NEVER_US

    # --- epochs and judgements ----------------------------------------------------------------------------

    def pieces(self, epochs: EpochColumns) -> Iterator[tuple[EpochColumns, bool]]:
        """Cut epochs where satellites are marked and where hours may end.

        Each piece is to be judged, and told to `add`, before the next one is asked for.

        Yields
        ------
        Epochs, and whether each is the first one of its station in five minutes: then `mark` is to be called
        behind it. The pieces are in the order of time, as far as each station's own order allows.
        """
        self._make_room()
        slot, station = epochs.time_us // MARK_US, epochs.station
        ends = self._is_another_hour(station, epochs.time_us)
        if not (ends | (slot != self._slot[station])).any():
            yield epochs, False
            return
        keys = self._keys(slot.tolist(), station.tolist(), ends.tolist())
        names = [f.name for f in fields(EpochColumns) if f.name != "observations"]
        for key in np.unique(keys).tolist():
            which = np.flatnonzero(keys == key)
            columns = {name: getattr(epochs, name)[which] for name in names}
            piece = EpochColumns(observations=epochs.observations, **columns)
            is_first = key % 2 == 0
            if is_first:
                ends = self._is_another_hour(piece.station, piece.time_us)
                for s in piece.station[ends & (self._end_us[piece.station] != NEVER_US)].tolist():
                    self._builder.hold(s)
            yield piece, is_first

    def _keys(self, slots: list[int], stations: list[int], ends: list[bool]) -> NDArray[np.int64]:
        """Return a number for each epoch: even for a first one; it never falls within a station."""
        newest: dict[int, int] = {}
        keys = []
        for slot, s, may_end in zip(slots, stations, ends, strict=True):
            last = int(self._slot[s])
            before = newest.get(s, 2 * last + 1)
            if may_end or slot != last:
                self._slot[s] = slot
                newest[s] = max(before // 2 * 2 + 2, 2 * slot)
            else:
                newest[s] = before | 1
            keys.append(newest[s])
        return np.array(keys)

    def mark(self, epochs: EpochColumns, sky: Callable[[int], Sky | None]) -> None:
        """Note where satellites are seen at these epochs."""
        for time_us in np.unique(epochs.time_us).tolist():
            rows = epochs.station[epochs.time_us == time_us].astype(np.int64)
            self._builder.sky_marks(sky(time_us), time_us, rows)

    def add(self, judgements: Judgements) -> None:
        """Take judgements of epochs and of missed slots."""
        self._make_room()
        rows = judgements
        while len(rows):
            station, time_us = rows["station"], rows["time_us"]
            ends = self._is_another_hour(station, time_us)
            if not ends.any():
                self._builder.add(rows)
                return
            places = np.flatnonzero(ends)
            stations, first = np.unique(station[places], return_index=True)
            until = np.full(len(self._end_us), len(rows))
            until[stations] = places[first]
            is_before = np.arange(len(rows)) < until[station]
            self._builder.add(rows[is_before])
            for s, at in zip(stations.tolist(), places[first].tolist(), strict=True):
                self._turn(s, int(time_us[at]))
            rows = rows[~is_before]

    def _is_another_hour(self, station: NDArray[np.int32], time_us: NDArray[np.int64]) -> NDArray[np.bool_]:
        end_us = self._end_us[station]
        another: NDArray[np.bool_] = (time_us >= end_us) | (time_us < end_us - 2 * HOUR_US)
        return another

    def _turn(self, s: int, time_us: int) -> None:
        """Go on to the hour of a judgement."""
        end_us = int(self._end_us[s])
        if end_us != NEVER_US:
            self._close(s, end_us)
        self._end_us[s] = (time_us // HOUR_US + 1) * HOUR_US
        is_next = end_us <= time_us < end_us + HOUR_US
        self._begin_us[s] = end_us if is_next else time_us

    def _close(self, s: int, end_us: int) -> None:
        if not self._builder.has_judgements(s):
            return
        about = About(self._station_id(s))
        told = self._told.get(s, [])
        known = [i for i, one in enumerate(told) if one[0] < end_us]
        if known:
            del told[: known[-1]]
            _, reference, metadata = told[0]
            about = replace(about, reference=reference, metadata=metadata)
        closed = self._builder.close(s, int(self._begin_us[s]), end_us)
        self._waiting.append(_Waiting(about, closed))

    # --- what comes out -----------------------------------------------------------------------------------

    def records(self, *, of_all: bool = False) -> list[StationPeriodRecord]:
        """Return records that are due: some of the hours that are over, or all of them."""
        is_all = of_all or self._has_ended
        most = len(self._waiting) if is_all else max(MOST_AT_ONCE, len(self._waiting) // WAITING_SHARE)
        self._has_ended = False
        while self._waiting and most > 0:
            most -= 1
            try:
                self._made.append(_record(self._waiting.popleft()))
            except Exception:  # noqa: BLE001 - one hour of one station must not harm the others
                self.failures += 1
        made, self._made = self._made, []
        return made

    # --- snapshots ----------------------------------------------------------------------------------------

    def snapshot_waiting(self) -> list[StationPeriodRecord]:
        """Return what is over and was not given out; it still comes out."""
        self._made = self.records(of_all=True)
        return self._made

    def restore_waiting(self, records: Iterable[StationPeriodRecord]) -> None:
        """Take back what `snapshot_waiting` gave."""
        self._waiting.clear()
        self._made = list(records)

    def snapshot(self, s: int) -> bytes:
        """Return the state of one station."""
        return msgspec.msgpack.encode(
            _Saved(
                begin_us=int(self._begin_us[s]),
                end_us=int(self._end_us[s]),
                slot=int(self._slot[s]),
                told=self._told.get(s, []),
                periods=self._builder.snapshot(s),
            )
        )

    def restore(self, s: int, state: bytes) -> None:
        """Take back what `snapshot` gave, for any row."""
        saved = msgspec.msgpack.decode(state, type=_Saved)
        self.begin(s)
        self._begin_us[s], self._end_us[s], self._slot[s] = saved.begin_us, saved.end_us, saved.slot
        if saved.told:
            self._told[s] = saved.told
        self._builder.restore(s, saved.periods)

    def _make_room(self) -> None:
        n = len(self._table.memory.station) - len(self._end_us)
        if n > 0:
            more = np.full(n, NEVER_US)
            self._begin_us = np.concatenate((self._begin_us, more))
            self._end_us = np.concatenate((self._end_us, more))
            self._slot = np.concatenate((self._slot, more))


def _record(one: _Waiting) -> StationPeriodRecord:
    period = one.closed.figures(one.about)
    return StationPeriodRecord(
        station_id=period.station_id,
        begin_us=period.begin_us,
        end_us=period.end_us,
        period=pack_period(period),
    )
