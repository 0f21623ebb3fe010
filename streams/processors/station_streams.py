"""The decoders of all stations of a partition: chunks in, epochs of many stations as columns out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import fields

import numpy as np

from gnss.epoch_columns import CLOSED_BY, NO_TIME_US, EpochColumns
from gnss.epochs import Epoch, EpochAssembler
from gnss.observations import Observations
from streams.processors.station_reports import Positions
from streams.records import RawChunk

_COLUMNS = tuple(f.name for f in fields(Observations) if f.name != "row")


class StationStreams:
    """One decoder a station, by its row in the quality table."""

    def __init__(self) -> None:
        self._assemblers: dict[int, EpochAssembler] = {}
        self.positions: Positions = {}
        """Antenna reference points that were told and not taken yet."""

    def add(self, s: int) -> None:
        """Begin a station."""
        self._assemblers[s] = EpochAssembler()

    def feed(self, chunks: Sequence[tuple[int, RawChunk]]) -> EpochColumns:
        """Take chunks in order; return the epochs that they, or their times, closed."""
        found: list[tuple[int, Epoch]] = []
        for s, chunk in chunks:
            epochs = self._assemblers[s].feed(
                chunk.payload, received_at_us=chunk.received_at_us, reference_us=chunk.reference_us
            )
            found += ((s, epoch) for epoch in epochs)
        return self._columns(found)

    def on_time(self, stations: Iterable[int], now_us: Iterable[int]) -> EpochColumns:
        """Return the epochs that waited for their end for too long by each station's `now_us`."""
        found = []
        for s, at_us in zip(stations, now_us, strict=True):
            found += [(s, epoch) for epoch in self._assemblers[s].on_time(at_us)]
        return self._columns(found)

    def finish(self, stations: Iterable[int]) -> EpochColumns:
        """End streams: return what is still open."""
        return self._columns([(s, epoch) for s in stations for epoch in self._assemblers[s].finish()])

    def frames(self, s: int) -> tuple[int, int]:
        """Return valid frames and failed candidates so far."""
        return self._assemblers[s].frames, self._assemblers[s].bad_frames

    def snapshot(self, s: int) -> bytes:
        """Return the state of a station."""
        return self._assemblers[s].snapshot()

    def restore(self, s: int, state: bytes) -> None:
        """Take back what `snapshot` gave."""
        self._assemblers[s].restore(state)

    def counts(self, s: int) -> Counter[str]:
        """What was left out so far, by what."""
        assembler = self._assemblers[s]
        return Counter(
            skipped_bytes=assembler.skipped_bytes,
            damaged_messages=assembler.damaged_messages,
            frames_without_time=assembler.unusable_times,
            late_frames=assembler.late_frames,
            oversized_epochs=assembler.oversized_epochs,
        )

    def _columns(self, found: list[tuple[int, Epoch]]) -> EpochColumns:
        for s, epoch in found:
            if epoch.position is not None:
                x, y, z = epoch.position.ecef_m
                told = self.positions.setdefault(s, [])
                told.append((epoch.time_us, (float(x), float(y), float(z))))
        some = [epoch for _, epoch in found]
        count = np.array([len(e.observations) for e in some], np.int32)
        row = np.repeat(np.arange(len(some), dtype=np.int32), count)
        return EpochColumns(
            station=np.array([s for s, _ in found], np.int32),
            time_us=np.array([e.time_us for e in some], np.int64),
            received_at_us=np.array(
                [NO_TIME_US if e.received_at_us is None else e.received_at_us for e in some], np.int64
            ),
            closed_by=np.array([CLOSED_BY.index(e.closed_by) for e in some], np.uint8),
            first=np.cumsum(count, dtype=np.int64) - count,
            count=count,
            frames=np.array([e.frames for e in some], np.int32),
            bad_frames=np.array([e.bad_frames for e in some], np.int32),
            begin=np.array([e.begin for e in some], np.int64),
            observations=_joined([e.observations for e in some], row),
        )


def _joined(some: list[Observations], row: np.ndarray[tuple[int], np.dtype[np.int32]]) -> Observations:
    if not some:
        return _EMPTY
    columns = {name: np.concatenate([getattr(o, name) for o in some]) for name in _COLUMNS}
    return Observations(row=row, **columns)


_EMPTY = Observations(
    row=np.zeros(0, np.int32),
    system=np.zeros(0, np.uint8),
    satellite=np.zeros(0, np.uint8),
    signal=np.zeros(0, np.uint8),
    range_m=np.zeros(0),
    phase_m=np.zeros(0),
    rate_m_s=np.zeros(0),
    cn0_dbhz=np.zeros(0),
    lock_ms=np.zeros(0, np.int32),
    lock_indicator=np.zeros(0, np.int16),
    half_cycle=np.zeros(0, np.uint8),
    flags=np.zeros(0, np.uint8),
    channel=np.zeros(0, np.int8),
)
