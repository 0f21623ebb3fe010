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

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from gnss.quality.score import Thresholds
from sensors.model import Station
from streams.processor import Outputs
from streams.processors.snapshots import join, split
from streams.processors.station_scorer import StationScorer, StationSnapshot
from streams.records import RawBatch, Record, StationReport, StationReports
from streams.topics import RAW, STATION_REPORTS, Topic


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
        """Return the state of all stations."""
        return split(scorer.snapshot() for scorer in self._scorers.values())

    def restore(self, chunks: Iterable[bytes]) -> None:
        """Take back what `snapshot` gave."""
        self._scorers.clear()
        for piece in join(chunks):
            state = msgspec.msgpack.decode(piece, type=StationSnapshot)
            self._scorer(state.id).restore(state)

    def counts(self) -> Counter[str]:
        """What was left out of judging, over all stations; `failures` are errors of the program."""
        total: Counter[str] = Counter()
        for scorer in list(self._scorers.values()):
            total.update(scorer.counts())
        return total

    def _scorer(self, station_id: str) -> StationScorer:
        scorer = self._scorers.get(station_id)
        if scorer is None:
            station = self._registry.get(station_id) or Station(id=station_id, name=station_id)
            scorer = self._scorers[station_id] = StationScorer(station, self._thresholds)
        return scorer


def _outputs(reports: list[StationReport]) -> Outputs:
    return [StationReports(reports=reports)] if reports else []
