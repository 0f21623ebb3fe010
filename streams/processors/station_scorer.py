"""One station of `score_stations`: its decoder, its quality, its times, and its reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from gnss.epochs import Epoch, EpochAssembler
from gnss.quality.score import Finding, Thresholds
from gnss.quality.station import Judgement, StationQuality
from sensors.model import Station
from streams.records import RawChunk, Reason, StationReport

MOST_EPOCHS_PER_S = 25.0
MOST_EPOCHS_AT_ONCE = 900.0
"""Epochs of a live station that are judged for ever (besides twice those that it promises) and at once: a
backlog of a quarter of an hour. A flood of epochs would take the time of all other stations."""


class StationSnapshot(msgspec.Struct):
    """State of a `StationScorer`."""

    id: str
    assembler: bytes
    quality: bytes
    in_epochs: tuple[int, int]
    claimed: tuple[int, int]
    live: bool
    ended: bool
    last_us: int | None
    errors: int
    ecef_m: tuple[float, float, float] | None
    judged: tuple[float, int]
    surplus_epochs: int


class StationScorer:
    """Decoder and quality of one station, and their times."""

    def __init__(self, station: Station, thresholds: Thresholds) -> None:
        self.station = station
        self.thresholds = thresholds
        self.errors = 0
        self.live = False
        self.ended = False
        self.last_us: int | None = None
        self._counted: Counter[str] = Counter()
        self._judged_lately, self._judged_at_us = 0.0, 0
        self._surplus_epochs = 0
        self._start()

    def _start(self) -> None:
        self.assembler = EpochAssembler()
        self.quality = StationQuality(self.station.interval_s, self.thresholds)
        # Good and bad frames that epochs held, and those since then that missed slots reported.
        self.in_epochs = self.claimed = (0, 0)
        self.ecef_m: tuple[float, float, float] | None = None

    def take(self, chunk: RawChunk) -> list[StationReport]:
        """Take one chunk: first the time up to it, then its bytes."""
        self.ended = False
        reports = []
        if chunk.received_at_us is not None:
            self.live = True
            self.quality.begin(chunk.received_at_us)
            reports += self.advance(chunk.received_at_us)
        epochs = self.assembler.feed(
            chunk.payload, received_at_us=chunk.received_at_us, reference_us=chunk.reference_us
        )
        reports += self._judged(epochs)
        if chunk.end_of_stream:
            reports += self._judged(self.assembler.finish())
            if not self.quality.has_epochs and not self.live and chunk.reference_us is not None:
                self.quality.begin(chunk.reference_us)
                reports.append(self._miss())
            self.ended = True
        return reports

    def advance(self, now_us: int) -> list[StationReport]:
        """Let time reach `now_us`: pending epochs close, slots without one are missed."""
        if not self.live or self.ended:
            return []
        reports = []
        while (due_us := self.quality.due_us()) is not None and due_us <= now_us:
            # Whatever closes until then comes first, so that steps of time do not change the result.
            closed = self._judged(self.assembler.on_time(due_us))
            reports += closed
            if not closed:
                reports.append(self._miss())
        return reports + self._judged(self.assembler.on_time(now_us))

    def finish(self) -> list[StationReport]:
        """Close what is pending."""
        return self._judged(self.assembler.finish())

    def fail(
        self, error: Exception, at_us: int | None, reference_us: int | None = None
    ) -> list[StationReport]:
        """Count an error that decoding or scoring raised, start anew, and say so."""
        self.errors += 1
        self._counted = self._counts()
        self._start()
        if at_us is None and self.last_us is not None:
            at_us = self.last_us + round(self.station.interval_s * 1e6)
        at_us = reference_us if at_us is None else at_us
        if at_us is None:
            return []
        self.last_us = at_us
        text = f"The bytes of this station could not be judged ({type(error).__name__}: {error})."[:300]
        check = "Report it with a recording of the stream; judging goes on with the next bytes."
        return [_without_verdict(self.station.id, at_us, Reason(code="error", text=text, check=check))]

    def counts(self) -> Mapping[str, int]:
        """What was left out of judging so far, by what."""
        counts = self._counts()
        counts.update(failures=self.errors, surplus_epochs=self._surplus_epochs)
        return counts

    def snapshot(self) -> bytes:
        """Return the state."""
        state = StationSnapshot(
            id=self.station.id,
            assembler=self.assembler.snapshot(),
            quality=self.quality.snapshot(),
            in_epochs=self.in_epochs,
            claimed=self.claimed,
            live=self.live,
            ended=self.ended,
            last_us=self.last_us,
            errors=self.errors,
            ecef_m=self.ecef_m,
            judged=(self._judged_lately, self._judged_at_us),
            surplus_epochs=self._surplus_epochs,
        )
        return msgspec.msgpack.encode(state)

    def restore(self, state: StationSnapshot) -> None:
        """Take back what `snapshot` gave."""
        self.assembler.restore(state.assembler)
        self.quality.restore(state.quality)
        self.in_epochs, self.claimed = state.in_epochs, state.claimed
        self.last_us, self.ecef_m = state.last_us, state.ecef_m
        self.live, self.ended, self.errors = state.live, state.ended, state.errors
        self._judged_lately, self._judged_at_us = state.judged
        self._surplus_epochs = state.surplus_epochs

    def _counts(self) -> Counter[str]:
        assembler, quality = self.assembler, self.quality
        counts = Counter(
            skipped_bytes=assembler.skipped_bytes,
            damaged_messages=assembler.damaged_messages,
            frames_without_time=assembler.unusable_times,
            late_frames=assembler.late_frames,
            oversized_epochs=assembler.oversized_epochs,
            repeated_epochs=quality.repeated_epochs,
            empty_epochs=quality.empty_epochs,
            restarts=quality.restarts,
            signals_without_room=quality.signals_without_room,
        )
        counts.update(self._counted)  # adds
        return counts

    def _miss(self) -> StationReport:
        frames = self.assembler.frames - self.in_epochs[0] - self.claimed[0]
        bad_frames = self.assembler.bad_frames - self.in_epochs[1] - self.claimed[1]
        self.claimed = (self.claimed[0] + frames, self.claimed[1] + bad_frames)
        return self._report(self.quality.miss(frames, bad_frames))

    def _judged(self, epochs: Iterable[Epoch]) -> list[StationReport]:
        reports = []
        for epoch in epochs:
            if epoch.received_at_us is not None and not self._has_time(epoch.received_at_us):
                self._surplus_epochs += 1
                continue
            self.in_epochs = (self.in_epochs[0] + epoch.frames, self.in_epochs[1] + epoch.bad_frames)
            frames = max(epoch.frames - self.claimed[0], 0)
            bad_frames = max(epoch.bad_frames - self.claimed[1], 0)
            self.claimed = (0, 0)
            if epoch.position is not None:
                x, y, z = epoch.position.ecef_m
                self.ecef_m = (float(x), float(y), float(z))
            judgements = self.quality.observe(
                epoch.time_us, epoch.received_at_us, epoch.observations, frames, bad_frames
            )
            reports += [self._report(judgement) for judgement in judgements]
        return reports

    def _has_time(self, now_us: int) -> bool:
        passed_s = max(now_us - self._judged_at_us, 0) * 1e-6
        per_s = MOST_EPOCHS_PER_S + 2 / self.station.interval_s
        lately = max(self._judged_lately - passed_s * per_s, 0.0)
        self._judged_at_us = max(now_us, self._judged_at_us)
        enough = lately >= MOST_EPOCHS_AT_ONCE
        self._judged_lately = lately if enough else lately + 1
        return not enough

    def _report(self, judgement: Judgement) -> StationReport:
        self.last_us = judgement.time_us
        ecef_m, self.ecef_m = (self.ecef_m, None) if judgement.epochs else (None, self.ecef_m)
        return StationReport(
            station_id=self.station.id,
            epoch_us=judgement.time_us,
            received_at_us=judgement.received_at_us,
            state=judgement.state,
            score=judgement.score,
            reasons=[_reason(f) for f in judgement.findings],
            epochs=judgement.epochs,
            epochs_expected=judgement.epochs_expected,
            observations=judgement.observations,
            observations_expected=judgement.observations_expected,
            satellites=judgement.satellites,
            latency_s=judgement.latency_s,
            jitter_s=judgement.jitter_s,
            cn0_dbhz=judgement.cn0_dbhz,
            slips=judgement.slips,
            multipath_m=judgement.multipath_m,
            frames=judgement.frames,
            bad_frames=judgement.bad_frames,
            ecef_m=ecef_m,
        )


def _reason(finding: Finding) -> Reason:
    return Reason(
        code=finding.code,
        text=finding.text,
        value=finding.value,
        threshold=finding.threshold,
        check=finding.check,
    )


def _without_verdict(station_id: str, at_us: int, reason: Reason) -> StationReport:
    return StationReport(
        station_id=station_id,
        epoch_us=at_us,
        received_at_us=None,
        state="unknown",
        score=None,
        reasons=[reason],
        epochs=0,
        epochs_expected=1,
        observations=0,
        observations_expected=None,
        satellites=0,
        latency_s=None,
        jitter_s=None,
        cn0_dbhz=None,
        slips=0,
        multipath_m=None,
        frames=0,
        bad_frames=0,
    )
