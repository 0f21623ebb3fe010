"""What an operator must know of the processes that work over Kafka."""

from __future__ import annotations

from dashboards.metrics import Figure
from deploy.figures import counter, gauge, webhook_figures
from deploy.notifier import Notifier
from deploy.raw_keeper import RawKeeper
from deploy.store_writer import WriterHealth
from streams.kafka.lease import Lease
from streams.kafka.sink import SinkHealth
from streams.kafka.worker import Worker


def worker_figures(worker: Worker) -> list[Figure]:
    """Return how a worker is doing."""
    health = worker.health
    return [
        gauge("kafka_failing", "1 while nothing can be sent.", lambda: float(bool(worker.error))),
        gauge("worker_tasks", "Groups of processors at a partition that it has.", lambda: worker.tasks),
        counter("worker_messages", "Messages taken.", lambda: health.messages),
        counter(
            "worker_read_again", "Messages that a snapshot stood for already.", lambda: health.read_again
        ),
        counter("worker_repeated", "Messages that had been made twice.", lambda: health.repeated),
        counter("worker_dead_letters", "Messages that were parked.", lambda: health.dead_letters),
        counter("worker_failures", "Batches that a processor failed on.", lambda: health.failures),
        counter("worker_lost_states", "States that could not be read.", lambda: health.lost_states),
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
