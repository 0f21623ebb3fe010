"""Figures of the parts of this process, for `/metrics`; and faults that only the log can explain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import structlog

from connectors.caster.relay import Relay
from connectors.caster.server import Caster
from connectors.http_intake import HttpIntake
from connectors.webhook_post import WebhookState
from dashboards.metrics import Figure
from gnss.assembly.run import is_observation
from gnss.rtcm.ephemeris import EPHEMERIS_MESSAGES
from gnss.rtcm.messages import tables
from storage.keeper import StoreKeeper
from storage.raw_archive import RawArchive
from streams.embedded import EmbeddedRuntime
from streams.processor import Processor
from streams.processors.correlate import Correlate
from streams.processors.detect import Detect
from streams.processors.fuse import Fuse
from streams.processors.score_stations import ScoreStations
from streams.records import Record

log = structlog.get_logger()

_OTHER_MESSAGES = {*EPHEMERIS_MESSAGES, *(table.number for table in tables())}
_WEBHOOKS: tuple[tuple[str, str, Callable[[WebhookState], int]], ...] = (
    ("delivered", "Messages that a webhook took.", lambda s: s.delivered),
    ("failed_attempts", "Attempts that a webhook did not take.", lambda s: s.failed_attempts),
    ("given_up", "Messages that a webhook never took.", lambda s: s.given_up),
)


def pipeline_figures(runtime: EmbeddedRuntime, keeper: StoreKeeper, archive: RawArchive) -> list[Figure]:
    """Return what an operator must know of judging and storing."""
    health, processors = runtime.health, runtime.pipeline.processors

    def counts() -> dict[tuple[str, ...], float]:
        return {(p.name, what): n for p in processors for what, n in p.counts().items()}

    def failing() -> dict[tuple[str, ...], float]:
        return {
            ("store",): float(bool(health.keep_error)),
            ("raw archive",): float(bool(keeper.archive_error)),
        }

    return [
        Figure(
            "processor_left_out", "What was left out or failed.", "counter", counts, ("processor", "what")
        ),
        Figure("storage_failing", "1 while it cannot be written to.", "gauge", failing, ("part",)),
        counter("pipeline_rounds", "Rounds of the pipeline.", lambda: health.rounds),
        counter("pipeline_failures", "Batches that a processor failed on.", lambda: health.failures),
        counter(
            "pipeline_repeated_samples", "Samples that had come before.", lambda: runtime.repeated_samples
        ),
        counter("refused_samples", "Samples without a usable id.", lambda: health.refused_samples),
        gauge("pipeline_pending_bytes", "Input that waits to be judged.", lambda: health.pending_bytes),
        gauge("pipeline_last_round_seconds", "When, since 1970.", lambda: health.last_round_us / 1e6),
        counter("archive_dropped_bytes", "Raw bytes never archived.", lambda: archive.dropped_bytes),
    ]


def station_figures(processors: Sequence[Processor]) -> list[Figure]:
    """Return what an operator must know of what stations send."""
    judges = [processor for processor in processors if isinstance(processor, ScoreStations)]

    def messages() -> dict[tuple[str, ...], float]:
        total: Counter[str] = Counter()
        for judge in judges:
            for number, frames in judge.messages().items():
                known = is_observation(number) or number in _OTHER_MESSAGES
                total[str(number) if known else "opaque"] += frames
        return {(name,): n for name, n in sorted(total.items())}

    return [
        Figure("rtcm_messages", "Good frames of all stations, by number.", "counter", messages, ("message",)),
        gauge("ephemerides", "Known ephemerides.", lambda: sum(judge.ephemerides for judge in judges)),
    ]


def caster_figures(caster: Caster, relay: Relay) -> list[Figure]:
    """Return what an operator must know of the rovers."""
    served, sent, admission = caster.counters, relay.counters, caster.admission

    def refused() -> dict[tuple[str, ...], float]:
        return {(reason,): n for reason, n in served.refused.copy().items()}

    return [
        gauge("caster_connections", "Open connections.", lambda: served.connections),
        gauge("caster_rovers", "Rovers that get a stream.", lambda: sent.rovers),
        counter("caster_requests", "Requests answered.", lambda: served.requests),
        Figure("caster_refused", "Connections and requests refused.", "counter", refused, ("reason",)),
        counter("caster_cut_rovers", "Rovers cut since they could not follow.", lambda: sent.cut),
        counter("caster_left_out_epochs", "Epochs that rovers missed, being behind.", lambda: sent.left_out),
        counter("caster_sent_epochs", "Epochs sent, for each rover.", lambda: sent.epochs_out),
        gauge(
            "caster_outdated_passwords",
            "Accounts whose password is kept in an old way: set it anew.",
            caster.accounts.outdated,
        ),
        counter("caster_limited_epochs", "Left out beyond a rate.", lambda: admission.left_out),
        counter("caster_forgotten_sessions", "Too many of others.", lambda: admission.sessions.left_out),
        counter("caster_forgotten_volumes", "Too many accounts.", lambda: admission.volumes.left_out),
        gauge("caster_waiting_sessions", "That are to be kept.", lambda: len(caster.watch.keeping)),
        counter("caster_lost_sessions", "Not kept in time.", lambda: caster.watch.keeping.lost),
        counter("caster_sent_bytes", "Bytes of frames sent.", lambda: sent.bytes_out),
        counter("caster_sent_frames", "Frames sent.", lambda: sent.frames_out),
    ]


def posting_figure(posting: HttpIntake) -> Figure:
    """Return who knocked at the door of sensors without being anybody's sender."""
    return counter("http_push_strangers", "Requests for unknown sources.", lambda: posting.strangers)


def webhook_figures(states: Mapping[str, WebhookState]) -> list[Figure]:
    """Return how the webhooks are doing."""

    def values(figure: Callable[[WebhookState], int]) -> Callable[[], Mapping[tuple[str, ...], float]]:
        return lambda: {(name,): figure(state) for name, state in states.items()}

    disabled = values(lambda state: int(bool(state.disabled)))
    text = "1: nothing is sent to it until somebody resumes it."
    return [
        *(
            Figure(f"webhook_{name}", text, "counter", values(figure), ("webhook",))
            for name, text, figure in _WEBHOOKS
        ),
        Figure("webhook_disabled", text, "gauge", disabled, ("webhook",)),
    ]


class DetectorFaults:
    """A listener of the runtime that logs what made a detector, a network or a site begin anew."""

    def __init__(self, processors: Sequence[Processor]) -> None:
        self._judges = [one for one in processors if isinstance(one, Detect | Correlate | Fuse)]
        self._failures = 0

    def __call__(self, _outputs: Sequence[Record]) -> None:
        """Look after each round."""
        counts = [count for one in self._judges for count in one.counts().items()]
        failures = sum(n for name, n in counts if name.endswith("_failures"))
        if failures > self._failures:
            self._failures = failures
            last = [one.last_failure for one in self._judges if one.last_failure]
            log.error("a detector, a network or a site failed and begins anew", total=failures, last=last)


def counter(name: str, text: str, value: Callable[[], float]) -> Figure:
    """Return a figure that only grows."""
    return _single(name, text, "counter", value)


def gauge(name: str, text: str, value: Callable[[], float]) -> Figure:
    """Return a figure that goes up and down."""
    return _single(name, text, "gauge", value)


def _single(name: str, text: str, kind: Literal["counter", "gauge"], value: Callable[[], float]) -> Figure:
    return Figure(name, text, kind, lambda: {(): value()})
