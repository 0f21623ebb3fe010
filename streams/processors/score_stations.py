"""Raw bytes of stations in, one verdict for each epoch, or each second without one, out.

A station whose chunks carry receiving times is live: a slot of its interval without an epoch is reported
when the partition's time has passed it by the station's usual latency and a little more. A replay without
receiving times knows only the epochs' own time: what is missing between two epochs is reported when the
second one comes. In a long outage both report every second for ten minutes, then once a minute for
six hours, then once an hour for a month. A station of which nothing has ever come is not reported.

A late epoch is reported under its own time although that second was reported as missed: same key, more
known. Snapshots hold every station's memory and what its decoder has not used yet.

All stations of a batch are decoded and judged together, as columns (`gnss.quality.table`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import numpy as np

from gnss.epoch_columns import EpochColumns
from gnss.geodesy import geodetic_to_ecef
from gnss.quality.judgements import Judgements
from gnss.quality.score import Finding, Thresholds
from gnss.quality.table import REGISTERED, TOLD, QualityTable
from gnss.quality.verdict import findings
from sensors.model import Station
from streams.processor import Outputs
from streams.processors.snapshots import join, split
from streams.processors.station_reports import error_report, reports
from streams.processors.station_streams import StationStreams
from streams.records import RawBatch, RawChunk, Record, StationReport, StationReports
from streams.topics import RAW, STATION_REPORTS, Topic


class _Snapshot(msgspec.Struct):
    """One station."""

    id: str
    streams: bytes
    quality: bytes
    live: bool
    ended: bool
    last_us: int | None
    errors: int
    positions: list[tuple[int, tuple[float, float, float]]]


class _One(msgspec.Struct):
    """What is known of one station beside the columns."""

    station: Station
    s: int
    live: bool = False
    ended: bool = False
    last_us: int | None = None
    """Time of its last report."""
    errors: int = 0
    counted: Counter[str] = msgspec.field(default_factory=Counter)
    """Of decoders that were given up after an error."""
    has_epochs: bool = False


class ScoreStations:
    """Implements `streams.processor.Processor`.

    Parameters
    ----------
    stations
        Those of the registry; any other station is judged as one that promises an epoch a second.
    thresholds
        Of the verdict.
    """

    name = "score-stations"
    reads: tuple[Topic, ...] = (RAW,)
    writes: tuple[Topic, ...] = (STATION_REPORTS,)

    def __init__(self, stations: Iterable[Station] = (), thresholds: Thresholds | None = None) -> None:
        self._registry = {station.id: station for station in stations}
        self._table = QualityTable(thresholds)
        self._streams = StationStreams()
        self._by_id: dict[str, _One] = {}
        self._by_row: dict[int, _One] = {}

    def on_batch(self, batch: Record) -> Outputs:
        """Judge the epochs that the chunks complete."""
        if not isinstance(batch, RawBatch):
            raise TypeError(f"{self.name} does not read {type(batch).__name__}")
        made: list[StationReport] = []
        waiting: list[tuple[_One, RawChunk]] = []
        for chunk in batch.chunks:
            one = self._one(chunk.station_id)
            one.ended = False
            received_us = chunk.received_at_us
            if received_us is not None:
                if not one.live:
                    one.live = True
                    self._table.begin(one.s, received_us)
                due_us = self._table.due_us(one.s)
                if due_us is not None and due_us <= received_us:
                    # what is due by then comes first; chunks that wait may change what is due
                    made += self._take(waiting)
                    waiting = []
                    made += self._advance([one], received_us)
            waiting.append((one, chunk))
            if chunk.end_of_stream:
                made += self._take(waiting)
                waiting = []
                made += self._end(one, chunk)
        made += self._take(waiting)
        return _outputs(made)

    def on_time(self, now_us: int) -> Outputs:
        """Report what live stations have missed until `now_us`."""
        return _outputs(self._advance([one for one in self._by_id.values() if one.live], now_us))

    def on_end(self) -> Outputs:
        """Judge the epochs that are still open."""
        made: list[StationReport] = []
        for one in self._by_id.values():
            try:
                made += self._judged(self._streams.finish([one.s]))
            except Exception as error:  # noqa: BLE001 - one station must not harm the others
                made += self._fail(one, error, None)
        return _outputs(made)

    def snapshot(self) -> Iterator[bytes]:
        """Return the state of all stations."""
        return split(self._saved(one) for one in self._by_id.values())

    def restore(self, chunks: Iterable[bytes]) -> None:
        """Take back what `snapshot` gave."""
        for one in self._by_id.values():
            self._table.remove(one.s)
        self._by_id.clear()
        self._by_row.clear()
        self._streams = StationStreams()
        for piece in join(chunks):
            state = msgspec.msgpack.decode(piece, type=_Snapshot)
            one = self._one(state.id)
            self._streams.restore(one.s, state.streams)
            self._table.restore(one.s, state.quality)
            one.live, one.ended, one.last_us, one.errors = (
                state.live,
                state.ended,
                state.last_us,
                state.errors,
            )
            one.has_epochs = self._table.has_epochs(one.s)
            if state.positions:
                self._streams.positions[one.s] = state.positions

    def counts(self) -> Counter[str]:
        """What was left out of judging, over all stations; `failures` are errors of the program."""
        total: Counter[str] = Counter()
        for one in list(self._by_id.values()):
            total.update(self._counts(one))
            total.update(failures=one.errors)
        return total

    def _one(self, station_id: str) -> _One:
        one = self._by_id.get(station_id)
        if one is None:
            station = self._registry.get(station_id) or Station(id=station_id, name=station_id)
            one = self._by_id[station_id] = _One(station, self._begin(station))
            self._by_row[one.s] = one
        return one

    def _begin(self, station: Station) -> int:
        s = self._table.add(station.interval_s)
        self._streams.add(s)
        if station.longitude is not None and station.latitude is not None:
            place = geodetic_to_ecef(station.longitude, station.latitude, station.height_m or 0.0)
            self._table.place(s, np.array(place), REGISTERED)
        return s

    def _take(self, chunks: list[tuple[_One, RawChunk]]) -> list[StationReport]:
        """Decode and judge chunks of which none has a slot that was due before it."""
        if not chunks:
            return []
        try:
            return self._judged(self._streams.feed([(one.s, chunk) for one, chunk in chunks]))
        except Exception as error:  # noqa: BLE001 - as above
            if len(chunks) > 1:
                return [report for each in chunks for report in self._take([each])]
            one, chunk = chunks[0]
            return self._fail(one, error, chunk.received_at_us, chunk.reference_us)

    def _end(self, one: _One, chunk: RawChunk) -> list[StationReport]:
        """End a finite stream; one without any epoch gets one report all the same."""
        try:
            made = self._judged(self._streams.finish([one.s]))
            if not one.has_epochs and not one.live and chunk.reference_us is not None:
                self._table.begin(one.s, chunk.reference_us)
                made += self._missed([one])
        except Exception as error:  # noqa: BLE001 - as above
            made = self._fail(one, error, chunk.received_at_us, chunk.reference_us)
        one.ended = True
        return made

    def _advance(self, some: list[_One], now_us: int) -> list[StationReport]:
        """Let time reach `now_us`: pending epochs close, slots without one are missed."""
        some = [one for one in some if one.live and not one.ended]
        made: list[StationReport] = []
        while due := [one for one in some if (at := self._table.due_us(one.s)) is not None and at <= now_us]:
            # Whatever closes until then comes first, so that steps of time do not change the result.
            rows = [one.s for one in due]
            closed = self._streams.on_time(rows, [self._table.due_us(s) or 0 for s in rows])
            late = set(closed.station.tolist())
            made += self._judged(closed)
            made += self._missed([one for one in due if one.s not in late])
        rows = [one.s for one in some]
        return made + self._judged(self._streams.on_time(rows, [now_us] * len(rows)))

    def _missed(self, some: list[_One]) -> list[StationReport]:
        if not some:
            return []
        rows = np.array([one.s for one in some], np.int64)
        came = np.array([self._streams.frames(one.s) for one in some], np.int64).reshape(-1, 2)
        return self._reports(self._table.miss(rows, came[:, 0], came[:, 1]))

    def _judged(self, epochs: EpochColumns) -> list[StationReport]:
        if not len(epochs):
            return []
        for s, told in self._streams.positions.items():
            self._table.place(s, np.array(told[-1][1]), TOLD)
        return self._reports(self._table.observe(epochs))

    def _reports(self, judgements: Judgements) -> list[StationReport]:
        made = reports(judgements, self._name, self._findings, self._streams.positions)
        for report in made:
            one = self._by_id[report.station_id]
            one.last_us = report.epoch_us
            one.has_epochs = one.has_epochs or report.epochs > 0
        return made

    def _name(self, s: int) -> str:
        return self._by_row[s].station.id

    def _findings(self, judgement: Any, s: int) -> tuple[Finding, ...]:
        return findings(judgement, self._table.thresholds, self._table.jump_ms(s))

    def _fail(
        self, one: _One, error: Exception, at_us: int | None, reference_us: int | None = None
    ) -> list[StationReport]:
        """Count an error that decoding or judging raised, start anew, and say so."""
        one.errors += 1
        one.counted = self._counts(one)
        del self._by_row[one.s]
        self._table.remove(one.s)
        one.s, one.live, one.has_epochs = self._begin(one.station), False, False
        self._by_row[one.s] = one
        if at_us is None and one.last_us is not None:
            at_us = one.last_us + round(one.station.interval_s * 1e6)
        at_us = reference_us if at_us is None else at_us
        if at_us is None:
            return []
        one.last_us = at_us
        return [error_report(one.station.id, at_us, error)]

    def _counts(self, one: _One) -> Counter[str]:
        counts = self._streams.counts(one.s)
        counts.update(self._table.counts(one.s))
        counts.update(one.counted)  # adds
        return counts

    def _saved(self, one: _One) -> bytes:
        state = _Snapshot(
            id=one.station.id,
            streams=self._streams.snapshot(one.s),
            quality=self._table.snapshot(one.s),
            live=one.live,
            ended=one.ended,
            last_us=one.last_us,
            errors=one.errors,
            positions=self._streams.positions.get(one.s, []),
        )
        return msgspec.msgpack.encode(state)


def _outputs(made: list[StationReport]) -> Outputs:
    return [StationReports(reports=made)] if made else []
