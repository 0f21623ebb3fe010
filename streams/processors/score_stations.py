"""Raw bytes of stations in, one verdict for each epoch, or each second without one, out.

A station whose chunks carry receiving times is live: a slot of its interval without an epoch is reported
when the partition's time has passed it by the station's usual latency and a little more. A replay without
receiving times knows only the epochs' own time: what is missing between two epochs is reported when the
second one comes. In a long outage both report every second for ten minutes, then once a minute for
six hours, then once an hour for a month. A station of which nothing has ever come is not reported.

A late epoch is reported under its own time although that second was reported as missed: same key, more
known. Snapshots hold every station's memory and what its decoder has not used yet.

All stations of a batch are decoded and judged together, as columns (`gnss.assembly`, `gnss.quality`). The
ephemerides that any station sends serve all of them; what a station says of itself counts for epochs that
come behind it. Where the stations of a network are divided among instances, each tells the others what
ephemerides are new to it and what its stations showed in each minute, in time: verdicts do not depend on how
they are divided.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter

import msgspec
import numpy as np
from numpy.typing import NDArray

from gnss.assembly.run import by_number
from gnss.assembly.table import Assembled, EpochTable
from gnss.ephemeris_book import EphemerisBook
from gnss.epoch_columns import NO_TIME_US
from gnss.quality.judgements import Judgements
from gnss.quality.measure import REGISTERED
from gnss.quality.message_set import FOLLOWED, MessageTable, promised_messages
from gnss.quality.network import TURN_US, Share
from gnss.quality.score import Finding, Thresholds
from gnss.quality.station_facts import MINUTE_US, StationFacts
from gnss.quality.table import BY_MESSAGES, QualityTable
from gnss.quality.verdict import findings
from gnss.rtcm.ephemeris import EPHEMERIS_MESSAGES
from gnss.rtcm.station import METADATA_MESSAGES
from gnss.sky import Skies
from sensors.model import Station
from streams.processor import Outputs
from streams.processors.snapshots import join, split
from streams.processors.station_figures import NEW, FigureMaker, Saved
from streams.processors.station_hours import StationHours
from streams.processors.station_register import StationRegister, begins_anew, registered
from streams.processors.station_reports import error_report, reports
from streams.records import (
    Changes,
    EphemerisMessage,
    EphemerisMessages,
    NetworkShare,
    RawBatch,
    RawChunk,
    Record,
    StationFigures,
    StationPeriodRecord,
    StationPeriods,
    StationReport,
    StationReports,
)
from streams.topics import RAW, REGISTRY, STATION_PERIODS, STATION_REPORTS, Topic

WANTED = frozenset(EPHEMERIS_MESSAGES) | METADATA_MESSAGES | FOLLOWED
_METADATA, _EPHEMERIDES = by_number(METADATA_MESSAGES), by_number(EPHEMERIS_MESSAGES)
"""By the number plus 1."""
_ASSEMBLY_COUNTS = {
    "bad_frames": "bad_frames",
    "skipped_bytes": "skipped_bytes",
    "damaged_messages": "damaged_messages",
    "frames_without_time": "unusable_times",
    "late_frames": "late_frames",
    "oversized_epochs": "oversized_epochs",
}


class _One(msgspec.Struct):
    """What is known of one station beside the columns."""

    station: Station
    s: int
    facts: StationFacts
    live: bool = False
    ended: bool = False
    errors: int = 0
    failed_us: int | None = None
    """Time of the last report of an error."""
    counted: Counter[str] = msgspec.field(default_factory=Counter)
    """Of decoders that were given up after an error."""


@dataclass(slots=True)
class _Waiting:
    """Chunks that wait to be decoded together, and stations that have missed something before theirs.

    A station's slots and its chunk are in their order. Those of different stations need none, but that time
    does not turn between them: what the network shows is closed with it.
    """

    chunks: list[tuple[_One, RawChunk]]
    late: list[tuple[_One, int]] = field(default_factory=list)
    """And when their chunk was received."""
    _noted: int = 0
    _rows: set[int] = field(default_factory=set)
    _turns: set[int] = field(default_factory=set)

    def may_follow(self, one: _One, received_us: int) -> bool:
        """Return whether slots that were due by then may be judged before the chunks that wait."""
        for other, chunk in self.chunks[self._noted :]:
            self._rows.add(other.s)
            if chunk.received_at_us is not None:
                self._turns.add(chunk.received_at_us // TURN_US)
        self._noted = len(self.chunks)
        return one.s not in self._rows and self._turns <= {received_us // TURN_US}

    def clear(self) -> None:
        self.chunks, self.late, self._noted = [], [], 0
        self._rows.clear()
        self._turns.clear()


class _Snapshot(msgspec.Struct):
    """One station."""

    id: str
    assembly: bytes
    quality: bytes
    facts: bytes
    live: bool
    ended: bool
    failed_us: int | None
    errors: int
    figures: Saved = NEW
    hours: bytes = b""
    messages: bytes = b""


class _Shared(msgspec.Struct):
    """What belongs to no station."""

    book: bytes
    periods: list[StationPeriodRecord] = []
    """Hours that are over and did not come out yet."""
    network: bytes = b""
    register: bytes = b""


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
    reads: tuple[Topic, ...] = (RAW, REGISTRY)
    writes: tuple[Topic, ...] = (STATION_REPORTS, STATION_PERIODS, RAW)

    def __init__(self, stations: Iterable[Station] = (), thresholds: Thresholds | None = None) -> None:
        self._register = StationRegister(stations)
        self._table = QualityTable(thresholds)
        promised = (promised_messages(station.messages) for station in self._register.stations)
        self._assembly = EpochTable(WANTED.union(*promised))
        self._messages = MessageTable()
        self._book = EphemerisBook()
        self._sky = Skies(self._book)
        self._figures = FigureMaker()
        self._made_figures: list[StationFigures] = []
        self._new_ephemerides: list[EphemerisMessage] = []
        self._hours = StationHours(
            self._table,
            self._registry_findings,
            lambda s: self._by_row[s].station.id,
        )
        self._messages_before: Counter[int] = Counter()
        """Of decoders that were given up after an error."""
        self._by_id: dict[str, _One] = {}
        self._by_row: dict[int, _One] = {}
        self._ids: dict[int, str] = {}
        """By row, as every report asks for it."""
        self._counts_before: Counter[str] = Counter()
        """Of stations that were paused or deleted."""
        self._with_places: set[int] = set()
        """Rows of stations that told a place which is not reported yet."""

    def on_batch(self, batch: Record) -> Outputs:
        """Judge the epochs that the chunks complete; or take what stations elsewhere told, or were changed.

        Changes of stations hold for what comes behind.
        """
        if isinstance(batch, Changes):
            return self._outputs(self._take_changes(batch))
        if isinstance(batch, EphemerisMessages):
            for message in batch.messages:
                self._book.add_message(message.payload, message.known_us)
            return ()
        if isinstance(batch, NetworkShare):
            if not (batch.source in self._by_id or batch.source in self._register.parted):  # not our own
                share = Share(batch.minute, batch.roti_tecu_min, batch.slipped_share)
                self._table.network.hear(batch.source, share)
            return ()
        if not isinstance(batch, RawBatch):
            raise TypeError(f"{self.name} does not read {type(batch).__name__}")
        chunks = self._register.hear(batch.chunks)
        known = self._by_id.get
        ones = [known(chunk.station_id) or self._one(chunk.station_id) for chunk in chunks]
        plain = self._plain(ones, chunks)
        waiting, made = _Waiting(list(zip(ones[:plain], chunks[:plain], strict=True))), list[StationReport]()
        for one, chunk in zip(ones[plain:], chunks[plain:], strict=True):
            one.ended = False
            received_us = chunk.received_at_us
            if received_us is not None:
                if not one.live:
                    one.live = True
                    self._table.begin(one.s, received_us)
                if self._is_due(one, received_us) and not waiting.may_follow(one, received_us):
                    made += self._take_waiting(waiting)  # which may change what is due
                if self._is_due(one, received_us):
                    waiting.late.append((one, received_us))
            waiting.chunks.append((one, chunk))
            if chunk.end_of_stream:
                made += self._take_waiting(waiting)
                made += self._end(one, chunk)
        made += self._take_waiting(waiting)
        return self._outputs(made)

    def _plain(self, ones: list[_One], chunks: list[RawChunk]) -> int:
        """Return how many chunks, from the first on, only wait to be decoded together: mostly all of them.

        None of them begins or ends a stream, and no slot is due before it.
        """
        received_us = [
            NO_TIME_US if chunk.received_at_us is None else chunk.received_at_us for chunk in chunks
        ]
        changes = [
            chunk.end_of_stream or one.ended or not (one.live or chunk.received_at_us is None)
            for one, chunk in zip(ones, chunks, strict=True)
        ]
        due_us = self._table.due_us_of([one.s for one in ones])
        is_due = (due_us > NO_TIME_US) & (due_us <= np.array(received_us, np.int64))
        others = np.flatnonzero(is_due | np.array(changes, np.bool_))
        return int(others[0]) if len(others) else len(chunks)

    def on_time(self, now_us: int) -> Outputs:
        """Report what live stations have missed until `now_us`."""
        self._register.now_us = max(self._register.now_us, now_us)
        return self._outputs(self._advance(now_us))

    def on_end(self) -> Outputs:
        """Judge the epochs that are still open."""
        made: list[StationReport] = []
        for one in self._by_id.values():
            try:
                made += self._judged(self._assembly.finish([one.s]))
                self._hours.end(one.s)
            except Exception as error:  # noqa: BLE001 - one station must not harm the others
                made += self._fail(one, error, None)
        return self._outputs(made, is_end=True)

    def snapshot(self) -> Iterator[bytes]:
        """Return the state of all stations."""
        network = self._table.network.snapshot([one.s for one in self._by_id.values()])
        of_all = self._book.snapshot(), self._hours.snapshot_waiting(), network, self._register.snapshot()
        shared = msgspec.msgpack.encode(_Shared(*of_all))
        return split([shared, *(self._saved(one) for one in self._by_id.values())])

    def restore(self, chunks: Iterable[bytes]) -> None:
        """Take back what `snapshot` gave."""
        for one in self._by_id.values():
            self._forget(one)
        self._by_id.clear()
        pieces = iter(join(chunks))
        shared = next(pieces, None)
        if shared is None:
            return
        state_of_all = msgspec.msgpack.decode(shared, type=_Shared)
        self._book.restore(state_of_all.book)
        self._hours.restore_waiting(state_of_all.periods)
        self._register.restore(state_of_all.register)
        self._want(self._register.stations)
        for piece in pieces:
            state = msgspec.msgpack.decode(piece, type=_Snapshot)
            one = self._one(state.id)
            self._assembly.restore(one.s, state.assembly)
            self._table.restore(one.s, state.quality)
            one.facts.restore(state.facts)
            if state.messages:
                self._messages.restore(one.s, state.messages)
            self._figures.begin(one.s, state.figures)
            if state.hours:
                self._hours.restore(one.s, state.hours)
            one.live, one.ended = state.live, state.ended
            one.errors, one.failed_us = state.errors, state.failed_us
            if one.facts.has_place:
                self._with_places.add(one.s)
        if state_of_all.network:
            self._table.network.restore(state_of_all.network, [one.s for one in self._by_id.values()])

    def counts(self) -> Counter[str]:
        """What was left out of judging, over all stations; `failures` are errors of the program."""
        total: Counter[str] = Counter(refused_ephemerides=self._book.refused, failures=self._hours.failures)
        total.update(self._counts_before)
        total.update(chunks_of_paused=self._register.left_out, unreadable_changes=self._register.unreadable)
        for one in list(self._by_id.values()):
            total.update(self._counts(one))
            total.update(failures=one.errors)
        return total

    def _outputs(self, made: list[StationReport], *, is_end: bool = False) -> Outputs:
        figures, self._made_figures = self._made_figures, []
        outputs: list[Record] = [StationReports(reports=made, figures=figures)] if made else []
        periods = self._hours.records(of_all=is_end)
        if periods:
            outputs.append(StationPeriods(periods=periods))
        return outputs + self._told()

    def _told(self) -> list[Record]:
        """Return what other instances have to know."""
        told: list[Record] = []
        if self._new_ephemerides:
            told.append(EphemerisMessages(messages=self._new_ephemerides))
            self._new_ephemerides = []
        told.extend(
            NetworkShare(
                source=min((*self._by_id, *self._register.parted)),
                minute=share.minute,
                roti_tecu_min=share.roti_tecu_min,
                slipped_share=share.slipped,
            )
            for share in self._table.network.untold()
            if len(share.roti_tecu_min) or len(share.slipped)
        )
        return told

    @property
    def ephemerides(self) -> int:
        """How many ephemerides are known."""
        return len(self._book)

    def messages(self) -> Counter[int]:
        """How many good frames of each message number came, over all stations; -1: too short for one."""
        return self._messages_before + self._messages_of([one.s for one in list(self._by_id.values())])

    def _messages_of(self, rows: list[int]) -> Counter[int]:
        counts, total = self._assembly.message_counts(rows), Counter[int]()
        for number, frames in zip(counts.message.tolist(), counts.frames.tolist(), strict=True):
            total[number] += frames
        return total

    def _one(self, station_id: str) -> _One:
        one = self._by_id.get(station_id)
        if one is None:
            station = self._register.station(station_id)
            one = _One(station, 0, StationFacts(registered(station)))
            self._by_id[station_id] = one
            self._begin(one)
        return one

    def _begin(self, one: _One) -> None:
        one.s = self._table.add(one.station.interval_s)
        self._figures.begin(one.s)
        self._hours.begin(one.s)
        self._messages.begin(one.s, promised_messages(one.station.messages))
        self._by_row[one.s], self._ids[one.s] = one, one.station.id
        registered = one.facts.registered.ecef_m
        if registered is not None:
            self._table.place(one.s, np.array(registered), REGISTERED)

    def _take_changes(self, changes: Changes) -> list[StationReport]:
        made: list[StationReport] = []
        for station_id in self._register.take(changes):
            self._want([self._register.station(station_id)])
            one = self._by_id.get(station_id)
            if one is not None:
                made += self._change(one, self._register.station(station_id))
            elif self._register.is_back(station_id):
                one = self._one(station_id)
                one.live = True
                self._table.begin(one.s, self._register.now_us)
        return made

    def _want(self, stations: Iterable[Station]) -> None:
        self._assembly.want(n for station in stations for n in promised_messages(station.messages))

    def _change(self, one: _One, station: Station) -> list[StationReport]:
        """Let another registration hold; what was learnt of the station stays where it still serves."""
        is_off = self._register.is_off(station.id)
        if not is_off and not begins_anew(one.station, station):
            one.station = station
            told, one.facts = one.facts.metadata, StationFacts(registered(station))
            judged_us = self._table.judged_us(one.s)
            if judged_us is not None:
                one.facts.tell(told, judged_us)
                one.facts.changed_from_us()
                from_us = (judged_us // MINUTE_US + 1) * MINUTE_US
                self._table.tell_points(one.s, one.facts.points, from_us)
            return []
        try:
            made = self._advance(self._register.now_us, [one.s]) if self._goes_on(one.s) else []
            made += self._judged(self._assembly.finish([one.s]))
            self._hours.end(one.s)
        except Exception as error:  # noqa: BLE001 - as above
            made = self._fail(one, error, self._register.now_us or None)
        one.counted = self._counts(one)
        self._messages_before += self._messages_of([one.s])
        self._forget(one)
        if is_off:
            del self._by_id[station.id]
            self._register.parted.add(station.id)
            self._counts_before.update(one.counted, failures=one.errors)
            if one.live:
                self._register.wait_for(station.id)
            return made
        one.station, one.facts = station, StationFacts(registered(station))
        self._begin(one)
        if one.live:
            self._table.begin(one.s, self._register.now_us)
        return made

    def _forget(self, one: _One) -> None:
        del self._by_row[one.s], self._ids[one.s]
        self._table.remove(one.s)
        self._assembly.remove(one.s)

    def _take(self, chunks: list[tuple[_One, RawChunk]]) -> list[StationReport]:
        """Decode and judge chunks of which none has a slot that was due before it."""
        if not chunks:
            return []
        try:
            return self._judged(
                self._assembly.feed_columns(
                    [one.s for one, _ in chunks],
                    [chunk.payload for _, chunk in chunks],
                    [chunk.received_at_us for _, chunk in chunks],
                    [chunk.reference_us for _, chunk in chunks],
                )
            )
        except Exception as error:  # noqa: BLE001 - as above
            if len(chunks) > 1:
                return [report for each in chunks for report in self._take([each])]
            one, chunk = chunks[0]
            return self._fail(one, error, chunk.received_at_us, chunk.reference_us)

    def _end(self, one: _One, chunk: RawChunk) -> list[StationReport]:
        """End a finite stream; one without any epoch gets one report all the same."""
        try:
            made = self._judged(self._assembly.finish([one.s]))
            if not self._table.has_epochs(one.s) and not one.live and chunk.reference_us is not None:
                self._table.begin(one.s, chunk.reference_us)
                made += self._missed(np.array([one.s]))
            self._hours.end(one.s)
        except Exception as error:  # noqa: BLE001 - as above
            made = self._fail(one, error, chunk.received_at_us, chunk.reference_us)
        one.ended = True
        return made

    def _is_due(self, one: _One, received_us: int) -> bool:
        due_us = self._table.due_us(one.s)
        return due_us is not None and due_us <= received_us

    def _take_waiting(self, waiting: _Waiting) -> list[StationReport]:
        """Judge what waits, and empty it: first slots that are due before the chunk of their station."""
        made: list[StationReport] = []
        if waiting.late:
            made += self._advance(
                np.array([now_us for _, now_us in waiting.late]), [one.s for one, _ in waiting.late]
            )
        made += self._take(waiting.chunks)
        waiting.clear()
        return made

    def _advance(self, now_us: int | NDArray[np.int64], rows: list[int] | None = None) -> list[StationReport]:
        """Let time reach `now_us`: epochs close, slots without one are missed.

        Nothing waits of stations that are not live, or have ended.

        Parameters
        ----------
        now_us
            One time, or one for each of `rows`.
        rows
            Of stations that are live, each once; None: of all.
        """
        made, now_of = list[StationReport](), np.broadcast_to(now_us, 1 if rows is None else len(rows))
        while True:
            due_us = self._table.all_due_us() if rows is None else self._table.due_us_of(rows)
            found = np.flatnonzero((due_us > NO_TIME_US) & (due_us <= now_of))
            due = found if rows is None else np.array(rows, np.int64)[found]
            goes_on = np.array([self._goes_on(s) for s in due.tolist()], np.bool_)
            if not goes_on.any():
                break
            due = due[goes_on]
            # Whatever closes until then comes first, so that steps of time do not change the result.
            closed = self._assembly.on_time(due_us[found][goes_on], due.tolist())
            made += self._judged(closed)
            made += self._missed(np.setdiff1d(due, closed.epochs.station))
        return made + self._judged(self._assembly.on_time(now_us, rows))

    def _goes_on(self, s: int) -> bool:
        one = self._by_row.get(s)
        return one is not None and one.live and not one.ended

    def _missed(self, rows: NDArray[np.int64]) -> list[StationReport]:
        if not len(rows):
            return []
        frames, bad_frames = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
        counts = self._assembly.counts(rows.tolist())
        at = np.searchsorted(rows, counts.station)
        frames[at], bad_frames[at] = counts.frames, counts.bad_frames
        return self._reports(self._table.miss(rows, frames, bad_frames))

    def _judged(self, assembled: Assembled) -> list[StationReport]:
        if not len(assembled.epochs) and not len(assembled.others):
            return []
        for change in self._messages.take(*assembled.messages()):
            self._table.tell_points(change.station, change.points, change.from_us, BY_MESSAGES)
        if len(assembled.others):
            self._hear(assembled)
        made: list[StationReport] = []
        for epochs, is_marked in self._hours.pieces(assembled.epochs):
            made += self._reports(self._table.observe(epochs, self._sky))
            if is_marked:
                self._hours.mark(epochs, self._sky)
        return made

    def _hear(self, assembled: Assembled) -> None:
        """Take ephemerides, and what stations say of themselves."""
        others = assembled.others
        for i in np.flatnonzero(_METADATA[others.message + 1]).tolist():
            s, epoch_us, payload = int(others.station[i]), int(others.epoch_us[i]), others.payload[i]
            one = self._by_row[s]
            before = one.facts.metadata
            told = one.facts.hear(payload, epoch_us)
            if one.facts.metadata is not before:
                self._hours.tell(s, one.facts.metadata, epoch_us)
            if told is not None:
                self._table.tell_place(s, np.array(told), epoch_us)
                self._with_places.add(s)
            points_from_us = one.facts.changed_from_us()
            if points_from_us is not None:
                self._table.tell_points(s, one.facts.points, points_from_us)
        known_us = np.where(others.received_at_us != NO_TIME_US, others.received_at_us, others.epoch_us)
        some = np.flatnonzero(_EPHEMERIDES[others.message + 1] & (known_us != NO_TIME_US))
        # all stations of a network send the same: known since the first of them told it
        some = some[np.argsort(-known_us[some], kind="stable")]
        told_us = dict(zip([others.payload[i] for i in some.tolist()], known_us[some].tolist(), strict=True))
        for payload, at_us in sorted(told_us.items(), key=itemgetter(1)):
            if self._book.add_message(payload, at_us):
                self._new_ephemerides.append(EphemerisMessage(payload=payload, known_us=at_us))

    def _reports(self, judgements: Judgements) -> list[StationReport]:
        if not len(judgements):
            return []
        self._hours.add(judgements)
        self._made_figures += self._figures.make(judgements, self._ids.__getitem__)
        return reports(judgements, self._ids, self._by_row, self._findings, self._with_places)

    def _findings(self, judgements: Judgements) -> list[tuple[Finding, ...]]:
        jumps_ms = self._table.jumps_ms(judgements["station"])
        return findings(judgements, self._table.thresholds, jumps_ms, self._registry_findings)

    def _registry_findings(self, s: int, time_us: int) -> tuple[Finding, ...]:
        """Return what the station tells of itself, or does not send, that is not as it should be."""
        return self._by_row[s].facts.findings(time_us) + self._messages.findings(s, time_us)

    def _fail(
        self, one: _One, error: Exception, at_us: int | None, reference_us: int | None = None
    ) -> list[StationReport]:
        """Count an error that decoding or judging raised, start anew, and say so."""
        one.errors += 1
        last_us = max(filter(None, (self._table.judged_us(one.s), one.failed_us)), default=None)
        one.counted = self._counts(one)
        self._messages_before += self._messages_of([one.s])
        with contextlib.suppress(Exception):  # what broke may have broken this too; it is counted
            self._hours.end(one.s)
        self._forget(one)
        one.facts = StationFacts(one.facts.registered)
        self._begin(one)
        one.live = False
        if at_us is None and last_us is not None:
            at_us = last_us + round(one.station.interval_s * 1e6)
        at_us = reference_us if at_us is None else at_us
        if at_us is None:
            return []
        one.failed_us = at_us
        return [error_report(one.station.id, at_us, error)]

    def _counts(self, one: _One) -> Counter[str]:
        counts: Counter[str] = Counter(self._table.counts(one.s))
        assembly = self._assembly.counts([one.s])
        if len(assembly):
            for name, column in _ASSEMBLY_COUNTS.items():
                counts[name] += int(getattr(assembly, column)[0])
        counts.update(one.counted)  # adds
        return counts

    def _saved(self, one: _One) -> bytes:
        state = _Snapshot(
            id=one.station.id,
            assembly=self._assembly.snapshot(one.s),
            quality=self._table.snapshot(one.s),
            facts=one.facts.snapshot(),
            live=one.live,
            ended=one.ended,
            failed_us=one.failed_us,
            errors=one.errors,
            figures=self._figures.saved(one.s),
            hours=self._hours.snapshot(one.s),
            messages=self._messages.snapshot(one.s),
        )
        return msgspec.msgpack.encode(state)
