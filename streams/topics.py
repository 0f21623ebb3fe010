"""Every topic: its name, its record, its key, its partitions. The only topic names in the code."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from streams import call_records, network_records, records

MESSAGE_BYTES = 1_000_000
"""No message is larger: Kafka refuses what is beyond 1 MiB with its overhead."""
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Topic:
    """A named sequence of batches of one type."""

    name: str
    batch: type[records.Record] | None
    """None: its messages are no batches."""
    key: str
    """The field whose id says which partition a record goes to (`partition_of`)."""
    partitions: int = 12
    retention_s: int = 7 * _DAY_S
    """How long a broker keeps it; -1: for ever."""
    compacted: bool = False
    """A broker keeps the last message of each key only."""
    stamped: bool = False
    """A broker says when a message came, whatever its sender said."""
    personal: bool = False
    """A broker lets go in time what is old, also where so little comes that a segment would last for days."""


RAW = Topic("raw", records.RawBatch, "station_id", retention_s=_DAY_S)
STATION_REPORTS = Topic("station-reports", records.StationReports, "station_id")
STATION_PERIODS = Topic("station-periods", records.StationPeriods, "station_id")
SAMPLES = Topic("samples", records.SampleBatch, "site_id")
FLAGGED_SAMPLES = Topic("flagged-samples", records.FlaggedSamples, "site_id")
DETECTIONS = Topic("detections", records.Detections, "site_id", partitions=1)
ALERTS = Topic("alerts", records.AlertTransitions, "alert_id", partitions=1, retention_s=-1)
DELIVERIES = Topic("deliveries", records.Deliveries, "webhook_id", partitions=1)
COMMANDS = Topic("commands", records.Commands, "target", partitions=1, retention_s=90 * _DAY_S, stamped=True)
COMMAND_OUTCOMES = Topic("command-outcomes", records.CommandOutcomes, "id", partitions=1)
REGISTRY = Topic("registry", records.Changes, "kind/id", partitions=1, retention_s=-1, compacted=True)
"""What is changed by command: a message holds the newest change of one object."""
SOURCE_CHANGES = Topic("source-changes", records.SourceChanges, "station_id", partitions=1)
"""Which source of a station is gathered since when, and why."""
CALLS = Topic("calls", call_records.Calls, "alert_id", partitions=1, retention_s=30 * _DAY_S, personal=True)
"""Who is to be reached about alerts, and how that ended. It has people's addresses."""
CALL_RECEIPTS = Topic(
    "call-receipts", call_records.CallReceipts, "call_id", partitions=1, retention_s=7 * _DAY_S, personal=True
)
"""What channels and people say of calls; who carries calls out ticks here, so that deadlines pass."""
PRESENCES = Topic("presences", call_records.Presences, "datastream_id", partitions=1)
"""Series that say nothing any more, and those that speak again."""
TELLINGS = Topic("tellings", network_records.Tellings, "network")
"""What members of networks tell: findings, samples of neighbours, and how far they have come."""

TOPICS = (
    RAW,
    STATION_REPORTS,
    STATION_PERIODS,
    SAMPLES,
    FLAGGED_SAMPLES,
    DETECTIONS,
    ALERTS,
    DELIVERIES,
    COMMANDS,
    COMMAND_OUTCOMES,
    REGISTRY,
    SOURCE_CHANGES,
    CALLS,
    CALL_RECEIPTS,
    PRESENCES,
    TELLINGS,
)

SNAPSHOTS = Topic("snapshots", None, "chunk", retention_s=-1, compacted=True)
"""State of processors, each in the partition of the same number as its input (`streams.kafka.snapshots`)."""
DEAD_LETTERS = Topic("dead-letters", None, "topic", partitions=1, retention_s=30 * _DAY_S)
"""Messages that could not be read or judged, as they were, with the reason in their headers."""
DELIVERY_STATE = Topic("delivery-state", None, "webhook_id", partitions=1, retention_s=-1, compacted=True)
"""How far each webhook has been told of the alerts (`streams.deliveries`)."""
REGIONAL_DETECTIONS = Topic("regional-detections", records.Detections, "site_id", partitions=1)
"""Findings of regions, for the store alone: the region itself has made alerts of them."""
REGIONAL_RAW = Topic("regional-raw", records.RawBatch, "station_id", retention_s=_DAY_S)
"""Bytes of stations of regions that share them; the region itself judges them."""
REGIONAL_COMMANDS = Topic(
    "regional-commands", records.Commands, "target", partitions=1, retention_s=90 * _DAY_S, stamped=True
)
"""Copies of those commands that regions below answer: all that they may read here of what people ask for."""
BRIDGE_PLACES = Topic("bridge-places", None, "stream", partitions=1, retention_s=-1, compacted=True)
"""How far bridges have come that write into this Kafka (`streams.kafka.bridge`)."""
SESSIONS = Topic("sessions", records.CasterSessions, "caster", partitions=1, retention_s=3600, personal=True)
"""Who gets streams now: each caster tells its own, and reads what others tell."""
VOLUMES = Topic(
    "volumes", records.CasterVolumes, "caster/share", partitions=1, retention_s=-1, compacted=True
)
"""How much accounts have had of each caster in this day and month."""
KEPT_SESSIONS = Topic(
    "kept-sessions", records.KeptSessions, "caster", partitions=1, retention_s=_DAY_S, personal=True
)
"""What the store is to keep of sessions, as the privacy setting allows it."""
REGIONAL_ACCOUNTS = Topic(
    "regional-accounts", records.Changes, "kind/id", partitions=1, retention_s=-1, compacted=True
)
"""Accounts of the regions above that hold here, and (`Heard`) how new that is; written by the bridge."""
REGIONAL_SESSIONS = replace(SESSIONS, name="regional-sessions")
"""Who gets streams in other regions, as far as the bridge believes it."""
REGIONAL_VOLUMES = replace(VOLUMES, name="regional-volumes")
"""How much accounts have had in other regions."""
SOURCE_STATES = Topic("source-states", records.SourceStates, "gatherer", partitions=1, retention_s=3600)
"""What streams are doing: each gatherer tells of its own, all of them again and again."""
ALL_TOPICS = (
    *TOPICS, SNAPSHOTS, DEAD_LETTERS, DELIVERY_STATE, REGIONAL_DETECTIONS, REGIONAL_RAW, REGIONAL_COMMANDS,
    BRIDGE_PLACES, SESSIONS, VOLUMES, KEPT_SESSIONS, REGIONAL_ACCOUNTS, REGIONAL_SESSIONS, REGIONAL_VOLUMES,
    SOURCE_STATES,
)  # fmt: skip


_DESCRIPTIONS = "descriptions-"


def is_descriptions(name: str) -> bool:
    """Return whether a topic (without its prefix) is one in which a region describes what it has."""
    return name.startswith(_DESCRIPTIONS)


def descriptions_of(region: str) -> Topic:
    """Return the topic in which a region below says what it has, the newest description of each object.

    Each region has its own, so that a broker lets it write of itself and of no other.
    """
    return Topic(
        f"{_DESCRIPTIONS}{region}",
        records.Descriptions,
        "kind/id",
        partitions=1,
        retention_s=-1,
        compacted=True,
    )


def accounts_for(region: str) -> Topic:
    """Return the topic with the accounts that a region below may have; nobody else may read it."""
    return replace(REGIONAL_ACCOUNTS, name=f"accounts-{region}")


def sessions_of(region: str) -> Topic:
    """Return the topic in which a region below says who gets streams there."""
    return replace(SESSIONS, name=f"sessions-{region}")


def volumes_of(region: str) -> Topic:
    """Return the topic in which a region below says how much accounts have had there."""
    return replace(VOLUMES, name=f"volumes-{region}")


def sessions_for(region: str) -> Topic:
    """Return the topic with the sessions elsewhere of accounts that a region below may have."""
    return replace(SESSIONS, name=f"elsewhere-sessions-{region}")


def volumes_for(region: str) -> Topic:
    """Return the topic with the volumes elsewhere of accounts that a region below may have."""
    return replace(VOLUMES, name=f"elsewhere-volumes-{region}")


OF_A_REGION = (descriptions_of, accounts_for, sessions_of, volumes_of, sessions_for, volumes_for)
"""Topics that each region below has for itself in its parent's Kafka."""


def topics_with(regions: Iterable[str]) -> tuple[Topic, ...]:
    """Return all topics of an installation that has these regions below it."""
    return (*ALL_TOPICS, *(of(region) for region in regions for of in OF_A_REGION))


IN_LINE: dict[type[records.Record], tuple[Topic, ...]] = {
    records.EphemerisMessages: (RAW,),
    records.NetworkShare: (RAW,),
    records.Changes: (RAW, SAMPLES, TELLINGS),
    network_records.Decisions: (SAMPLES,),
    call_records.Resumed: (PRESENCES,),
}
"""Batches of which each partition of these topics gets a copy, in line with what comes there.

So who reads a partition needs no other topic, and takes them at the same place when it reads again.
"""
_TOPICS_OF = {
    kind: (*(topic for topic in TOPICS if topic.batch is kind), *IN_LINE.get(kind, ()))
    for kind in {topic.batch for topic in TOPICS if topic.batch is not None} | IN_LINE.keys()
}


def topics_of(batch: records.Record) -> tuple[Topic, ...]:
    """Return the topics that carry batches of this type: its own, and those in whose line it comes.

    Raises
    ------
    TypeError
        None does.
    """
    found = _TOPICS_OF.get(type(batch))
    if not found:
        raise TypeError(f"no topic carries {type(batch).__name__}")
    return found


def partition_of(identity: str, topic: Topic) -> int:
    """Return the partition of an id: a fixed CRC, so that every process and restart agrees."""
    return zlib.crc32(identity.encode()) % topic.partitions
