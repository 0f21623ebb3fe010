"""Raw bytes of stations in, one verdict for each epoch, or each second without one, out.

A station whose chunks carry receiving times is live: a slot of its interval without an epoch is reported
when the partition's time has passed it by the station's usual latency and a little more. A replay without
receiving times knows only the epochs' own time: what is missing between two epochs is reported when the
second one comes. In a long outage both report every second for ten minutes, then once a minute for
six hours, then once an hour for a month. A station of which nothing has ever come is not reported.

A late epoch is reported under its own time although that second was reported as missed: same key, more
known. Snapshots hold every station's memory and what its decoder has not used yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from gnss.quality.score import Thresholds
from sensors.model import Station
from streams.processor import Outputs
from streams.processors.station_scorer import StationScorer, StationSnapshot
from streams.records import RawBatch, Record, StationReport, StationReports
from streams.topics import RAW, STATION_REPORTS, Topic

CHUNK_BYTES = 512_000
_LENGTH_BYTES = 4


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
        self._thresholds = thresholds or Thresholds()
        self._scorers: dict[str, StationScorer] = {}

    @property
    def errors(self) -> dict[str, int]:
        """Errors of the program on a station's bytes, by station; those without any are left out."""
        return {name: scorer.errors for name, scorer in self._scorers.items() if scorer.errors}

    def on_batch(self, batch: Record) -> Outputs:
        """Judge the epochs that the chunks complete."""
        if not isinstance(batch, RawBatch):
            raise TypeError(f"{self.name} does not read {type(batch).__name__}")
        reports: list[StationReport] = []
        for chunk in batch.chunks:
            scorer = self._scorer(chunk.station_id)
            try:
                reports += scorer.take(chunk)
            except Exception as error:  # noqa: BLE001 - one station must not harm the others
                reports += scorer.fail(error, chunk.received_at_us, chunk.reference_us)
        return _outputs(reports)

    def on_time(self, now_us: int) -> Outputs:
        """Report what live stations have missed until `now_us`."""
        reports: list[StationReport] = []
        for scorer in self._scorers.values():
            try:
                reports += scorer.advance(now_us)
            except Exception as error:  # noqa: BLE001 - as above
                reports += scorer.fail(error, now_us)
        return _outputs(reports)

    def on_end(self) -> Outputs:
        """Judge the epochs that are still open."""
        reports: list[StationReport] = []
        for scorer in self._scorers.values():
            try:
                reports += scorer.finish()
            except Exception as error:  # noqa: BLE001 - as above
                reports += scorer.fail(error, None)
        return _outputs(reports)

    def snapshot(self) -> Iterator[bytes]:
        """Return the state of all stations, each with its length before it, cut into chunks."""
        waiting = bytearray()
        for scorer in self._scorers.values():
            state = scorer.snapshot()
            waiting += len(state).to_bytes(_LENGTH_BYTES, "little") + state
            while len(waiting) >= CHUNK_BYTES:
                yield bytes(waiting[:CHUNK_BYTES])
                del waiting[:CHUNK_BYTES]
        if waiting:
            yield bytes(waiting)

    def restore(self, chunks: Iterable[bytes]) -> None:
        """Take back what `snapshot` gave."""
        waiting = b"".join(chunks)
        self._scorers.clear()
        at = 0
        while at < len(waiting):
            begin = at + _LENGTH_BYTES
            end = begin + int.from_bytes(waiting[at:begin], "little")
            state = msgspec.msgpack.decode(waiting[begin:end], type=StationSnapshot)
            self._scorer(state.id).restore(state)
            at = end

    def _scorer(self, station_id: str) -> StationScorer:
        scorer = self._scorers.get(station_id)
        if scorer is None:
            station = self._registry.get(station_id) or Station(id=station_id, name=station_id)
            scorer = self._scorers[station_id] = StationScorer(station, self._thresholds)
        return scorer


def _outputs(reports: list[StationReport]) -> Outputs:
    return [StationReports(reports=reports)] if reports else []
