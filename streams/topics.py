"""Every topic: its name, its record, its key, its partitions. The only topic names in the code."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from streams import records


@dataclass(frozen=True, slots=True)
class Topic:
    """A named sequence of batches of one type."""

    name: str
    batch: type[records.Record]
    key: str
    partitions: int = 12


RAW = Topic("raw", records.RawBatch, "station_id")
STATION_REPORTS = Topic("station-reports", records.StationReports, "station_id")
STATION_PERIODS = Topic("station-periods", records.StationPeriods, "station_id")
SAMPLES = Topic("samples", records.SampleBatch, "site_id")
FLAGGED_SAMPLES = Topic("flagged-samples", records.FlaggedSamples, "site_id")
DETECTIONS = Topic("detections", records.Detections, "site_id")
ALERTS = Topic("alerts", records.AlertTransitions, "alert_id")
COMMANDS = Topic("commands", records.Commands, "target", partitions=1)
COMMAND_OUTCOMES = Topic("command-outcomes", records.CommandOutcomes, "id", partitions=1)

TOPICS = (
    RAW,
    STATION_REPORTS,
    STATION_PERIODS,
    SAMPLES,
    FLAGGED_SAMPLES,
    DETECTIONS,
    ALERTS,
    COMMANDS,
    COMMAND_OUTCOMES,
)


def topic_of(batch: records.Record) -> Topic:
    """Return the topic that carries batches of this type."""
    for topic in TOPICS:
        if topic.batch is type(batch):
            return topic
    raise TypeError(f"no topic carries {type(batch).__name__}")


def partition_of(identity: str, topic: Topic) -> int:
    """Return the partition of an id: a fixed CRC, so that every process and restart agrees."""
    return zlib.crc32(identity.encode()) % topic.partitions
