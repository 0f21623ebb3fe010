"""What an operator must know of the processes that work over Kafka."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from connectors.caster.link.follow import Following
from connectors.caster.link.outlet import Outlet
from dashboards.metrics import Figure
from deploy.clock import wall_clock_us
from deploy.edge import Edge
from deploy.figures import counter, gauge, webhook_figures
from deploy.following_above import FollowerAbove
from deploy.notifier import Notifier
from deploy.raw_archiver import ArchiverHealth
from deploy.raw_keeper import RawKeeper
from deploy.store_writer import WriterHealth
from streams.kafka.lease import Lease
from streams.kafka.registry import RegistryFollower
from streams.kafka.sink import SinkHealth
from streams.kafka.worker import Worker
from streams.stream_state import StreamStates


def worker_figures(worker: Worker, lag: Callable[[], Mapping[tuple[str, int], int]]) -> list[Figure]:
    """Return how a worker is doing; `lag` gives what waits by topic and partition."""
    health = worker.health

    def lags() -> dict[tuple[str, ...], float]:
        return {(topic, str(partition)): n for (topic, partition), n in sorted(lag().items())}

    return [
        gauge("kafka_failing", "1 while nothing can be sent.", lambda: float(bool(worker.error))),
        gauge("worker_tasks", "Groups of processors at a partition that it has.", lambda: worker.tasks),
        Figure("worker_lag_messages", "Messages that wait.", "gauge", lags, ("topic", "partition")),
        counter("worker_messages", "Messages taken.", lambda: health.messages),
        counter(
            "worker_read_again", "Messages that a snapshot stood for already.", lambda: health.read_again
        ),
        counter("worker_repeated", "Messages that had been made twice.", lambda: health.repeated),
        counter("worker_repeated_samples", "Samples that had come before.", lambda: health.repeated_samples),
        counter("worker_dead_letters", "Messages that were parked.", lambda: health.dead_letters),
        counter("worker_failures", "Batches that a processor failed on.", lambda: health.failures),
        counter("worker_lost_states", "States that could not be read.", lambda: health.lost_states),
        counter(
            "worker_lost_journals",
            "Journals that could not be read to their end.",
            lambda: health.lost_journals,
        ),
        counter(
            "worker_lost_tasks",
            "Tasks let go of: another has them, or Kafka was away.",
            lambda: health.lost_tasks,
        ),
        counter("worker_missed", "Messages that Kafka kept no longer.", lambda: health.missed),
        counter(
            "worker_journal_bytes",
            "What stands beside what is told, packed.",
            lambda: health.journal_bytes,
        ),
        counter("worker_snapshots", "Snapshots written.", lambda: health.snapshots),
        counter("worker_snapshot_bytes", "Their bytes, packed.", lambda: health.snapshot_bytes),
        gauge("worker_snapshot_seconds", "The longest one took so long.", lambda: health.snapshot_s),
    ]


def writer_figures(health: WriterHealth) -> list[Figure]:
    """Return how the writer is doing."""
    return [
        gauge("store_failing", "1 while nothing can be stored.", lambda: float(bool(health.error))),
        gauge("store_lag_messages", "Messages that wait to be stored.", lambda: health.lag),
        counter("store_messages", "Messages stored.", lambda: health.messages),
        counter("store_commits", "Commits.", lambda: health.commits),
        counter("store_repeated", "Messages that had been made twice.", lambda: health.repeated),
        counter("store_dead_letters", "Messages that were parked.", lambda: health.dead_letters),
        counter("store_missed", "Messages that Kafka kept no longer.", lambda: health.missed),
    ]


def archiver_figures(health: ArchiverHealth) -> list[Figure]:
    """Return how the archive of raw bytes is doing."""
    return [
        gauge("archive_failing", "1 while it cannot be written.", lambda: float(bool(health.error))),
        gauge("archive_lag_messages", "Messages that wait to be archived.", lambda: health.lag),
        counter("archive_messages", "Messages read.", lambda: health.messages),
        counter("archive_bytes", "Bytes of streams in them.", lambda: health.n_bytes),
        counter("archive_commits", "Commits.", lambda: health.commits),
        counter("archive_repeated", "Messages that had been made twice.", lambda: health.repeated),
        counter("archive_unreadable", "Messages that were passed over.", lambda: health.unreadable),
        counter("archive_foreign", "Chunks of stations that no such topic has.", lambda: health.foreign),
        counter("archive_missed", "Messages that Kafka kept no longer.", lambda: health.missed),
    ]


def notifier_figures(notifier: Notifier, lease: Lease) -> list[Figure]:
    """Return how the telling of webhooks is doing."""

    def waiting() -> dict[tuple[str, ...], float]:
        return {(name,): notifier.waiting(name) for name in notifier.states} if lease.held else {}

    def attempts() -> dict[tuple[str, ...], float]:
        own = notifier.progress if lease.held else {}
        return {(name,): own[name].attempts for name in notifier.states if name in own}

    return [
        gauge("kafka_failing", "1 while nothing can be sent.", lambda: float(bool(notifier.trouble))),
        gauge("notify_active", "1 while this process tells webhooks.", lambda: float(lease.held)),
        counter("notify_unreadable", "Messages that were passed over.", lambda: notifier.unreadable),
        counter("notify_repeated", "Transitions left out: they came again.", lambda: notifier.repeated),
        Figure(
            "webhook_waiting", "Messages of the topic of alerts that it waits for.", "gauge", waiting,
            ("webhook",),
        ),
        Figure(
            "webhook_attempts", "Failed ones of the message that is on its way.", "gauge", attempts,
            ("webhook",),
        ),
        *webhook_figures(notifier.states),
    ]  # fmt: skip


def gatherer_figures(health: SinkHealth, keeper: RawKeeper) -> list[Figure]:
    """Return how the way into Kafka and the raw archive are doing."""
    return [
        gauge("kafka_failing", "1 while nothing can be sent.", lambda: float(bool(health.kafka_error))),
        gauge("spool_full", "1 while the spool takes nothing.", lambda: float(bool(health.full))),
        gauge("spool_bytes", "What waits on disk for Kafka.", lambda: health.spooled_bytes),
        gauge("pending_bytes", "What is in memory alone.", lambda: health.pending_bytes),
        counter("kafka_messages", "Messages that Kafka has confirmed.", lambda: health.messages_sent),
        counter("kafka_bytes", "Their bytes.", lambda: health.bytes_sent),
        counter("spooled_messages", "Messages that went over the disk.", lambda: health.spooled_ever),
        counter(
            "spool_damaged_bytes",
            "Bytes of the spool that were torn by a kill or damaged.",
            lambda: health.torn_bytes + health.damaged_bytes,
        ),
        counter("refused_chunks", "Chunks larger than a message.", lambda: health.refused_chunks),
        counter("refused_samples", "Samples without a usable id.", lambda: health.refused_samples),
        counter("lost_messages", "Lost at a stop: no Kafka and no room.", lambda: health.lost_messages),
        gauge("archive_failing", "1 while it cannot be written.", lambda: float(bool(keeper.error))),
        counter(
            "archive_dropped_bytes",
            "Raw bytes never archived.",
            lambda: keeper.dropped_bytes + keeper.archive.dropped_bytes,
        ),
    ]


def outlet_figures(outlet: Outlet) -> list[Figure]:
    """Return how a gatherer's casters are doing."""
    counters = outlet.counters

    def refused() -> dict[tuple[str, ...], float]:
        return {(reason,): n for reason, n in counters.refused.copy().items()}

    return [
        gauge("relay_casters", "Casters that follow.", lambda: counters.casters),
        counter("relay_epochs", "Epochs sent to casters.", lambda: counters.epochs),
        counter("relay_sent_bytes", "Bytes sent to casters.", lambda: counters.bytes_out),
        counter("relay_cut_casters", "Casters cut since they could not follow.", lambda: counters.cut),
        counter("relay_broken_epochs", "Epochs sent on in parts.", lambda: counters.held_too_long),
        counter(
            "relay_unlisted_bytes", "Of more stations than can be listed.", lambda: counters.unlisted_bytes
        ),
        Figure("relay_refused", "Connections of casters refused.", "counter", refused, ("reason",)),
    ]


def following_figures(following: Following, streams: StreamStates) -> list[Figure]:
    """Return how a caster is doing with its gatherers."""
    change_over = following.change_over

    def delays() -> dict[tuple[str, ...], float]:
        return {(name,): us / 1e6 for name, us in following.delay_us.copy().items()}

    return [
        gauge(
            "relay_gatherers",
            "Gatherers that are followed now.",
            lambda: sum(state.phase == "streaming" for state in streams),
        ),
        gauge("relay_stations", "Stations of all gatherers.", lambda: len(list(following.stations()))),
        Figure(
            "relay_delay_seconds",
            "From a gatherer's receiving to here, by both clocks.",
            "gauge",
            delays,
            ("gatherer",),
        ),
        counter(
            "relay_changes", "Changes of the gatherer that leads a station.", lambda: change_over.changes
        ),
        counter(
            "relay_left_out_bytes",
            "Frames that rovers have from another gatherer.",
            lambda: change_over.left_out_bytes,
        ),
    ]


def above_figures(follower: FollowerAbove, edge: Edge) -> list[Figure]:
    """Return how a caster stands with the regions above, and with what others tell of accounts."""
    assert edge.caster is not None, "this process serves no rovers"
    admission = edge.caster.admission

    def silent_s() -> dict[tuple[str, ...], float]:
        now_us = wall_clock_us()
        return {
            (str(steps),): max(now_us - heard_us, 0) / 1e6
            for steps, heard_us in enumerate(tuple(admission.above.heard_us), 1)
        }

    def forgotten() -> float:
        return admission.above.contacts(wall_clock_us()).count("forgotten")

    def given_way() -> dict[tuple[str, ...], float]:
        return {(region,): n for region, n in admission.given_way.copy().items()}

    return [
        gauge("above_known", "1 when accounts of regions above are known.",
              lambda: float(follower.is_complete)),
        Figure("above_silent_seconds", "Since a region above was heard, so many steps up.", "gauge",
               silent_s, ("steps",)),
        gauge("above_forgotten", "Regions above that are silent for too long: their accounts wait.",
              forgotten),
        gauge("above_covered_accounts", "Accounts of here that one from above has taken the name of.",
              lambda: edge.covered),
        counter("above_unreadable", "Accounts of a newer program.", lambda: follower.unreadable),
        Figure("caster_given_way", "Sessions cut for one that a region told of.", "counter", given_way,
               ("region",)),
    ]  # fmt: skip


def follower_figures(follower: RegistryFollower, edge: Edge) -> list[Figure]:
    """Return whether a process follows what is changed by command."""
    return [
        gauge("registry_known", "1 when all changes are known.", lambda: float(follower.is_complete)),
        counter(
            "registry_unreadable",
            "Changes of a newer program.",
            lambda: follower.unreadable + edge.unreadable,
        ),
    ]
