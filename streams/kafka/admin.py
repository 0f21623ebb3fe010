"""Topics on a broker: what `streams.topics` wants, what is there, and what must change.

`changes` compares and knows no broker; `show` and `apply` ask one. Nothing is ever deleted, and partitions
are never added, since `partition_of` would then send ids elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import (
    ConfigResource,
    ConfigResourceType,
)
from aiokafka.errors import (
    KafkaError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)

from streams.kafka.access import AWAY, Access, NotAdmittedError
from streams.topics import ALL_TOPICS, MESSAGE_BYTES, Topic

BROKER_MESSAGE_BYTES = MESSAGE_BYTES + 100_000
"""What a topic takes: a message of ours with its key, its headers and what Kafka adds."""
COMPACTED_SEGMENT_BYTES = 64 * 1024**2
"""The newest segment is never compacted: a large one would be read again at each start of a reader."""
SEGMENTS = 6
"""Of a topic with personal data, in its time: so it is kept for a sixth longer at most."""
REQUEST_S = 10.0
"""How long one answer of a broker may take."""
SETTLED_S = 20.0
"""How long changes may take until a broker shows them, and new topics have leaders."""
POLL_S = 0.05
MOST_REPLICAS = 32_767
_SET_ON_THE_TOPIC = 1
_NAME = re.compile(r"[A-Za-z0-9._-]{0,200}")


class TopicsRefused(Exception):  # noqa: N818 - not a fault of the program
    """What was asked for would do harm or cannot be done; one sentence says why and what to do."""


class KafkaUnreachable(ConnectionError):  # noqa: N818 - reads as what it is
    """No broker lets this program in: one sentence. Trying again can help."""


@dataclass(frozen=True, slots=True)
class Present:
    """A topic that a broker has."""

    partitions: int
    values: Mapping[str, str]
    """Its settings as they are in force, wherever they come from."""
    own: frozenset[str]
    """Which of them were set on the topic itself."""


@dataclass(frozen=True, slots=True)
class Change:
    """What must be done to one topic, or was done."""

    kind: Literal["create", "alter", "refuse"]
    topic: Topic
    name: str
    """As the broker knows it: with its prefix."""
    settings: Mapping[str, str]
    """`create` and `alter`: all that the topic is to have of its own."""
    text: str
    """In words for a person."""


@dataclass(frozen=True, slots=True)
class TopicState:
    """A wanted topic beside what the broker has."""

    topic: Topic
    name: str
    present: Present | None
    change: Change | None
    """None: it is as it should be."""


def settings_of(topic: Topic) -> dict[str, str]:
    """Return what the topic is to have of its own, as Kafka spells it."""
    wanted = {
        "cleanup.policy": "compact" if topic.compacted else "delete",
        "max.message.bytes": str(BROKER_MESSAGE_BYTES),
        "retention.ms": str(-1 if topic.retention_s < 0 else topic.retention_s * 1000),
    }
    if topic.stamped:
        wanted["message.timestamp.type"] = "LogAppendTime"
    if topic.personal:  # what is in the newest segment stays, however old it is
        wanted["segment.ms"] = str(topic.retention_s * 1000 // SEGMENTS)
    if topic.compacted:
        wanted["segment.bytes"] = str(COMPACTED_SEGMENT_BYTES)
    return wanted


def changes(wanted: Iterable[Topic], present: Mapping[str, Present], prefix: str = "") -> list[Change]:
    """Compare; return what differs, in the order of `wanted`.

    Parameters
    ----------
    wanted : iterable of Topic
    present : mapping of name (with prefix) to Present
    prefix : str
        Stands before the name of each wanted topic.
    """
    found = []
    for topic in wanted:
        name, settings = prefix + topic.name, settings_of(topic)
        there = present.get(name)
        if there is None:
            count = f"{topic.partitions} partition{'' if topic.partitions == 1 else 's'}"
            text = f"{count}, {_words(settings)}"
            found.append(Change("create", topic, name, settings, text))
        elif there.partitions != topic.partitions:
            text = (
                f"{name} has {there.partitions} partitions and needs {topic.partitions}: to change that "
                "would send stations and sites to other partitions; choose another --prefix, or delete "
                f"{name} yourself when its data are no longer needed"
            )
            found.append(Change("refuse", topic, name, {}, text))
        else:
            differing = {
                key: value
                for key, value in settings.items()
                if key not in there.own or there.values.get(key) != value
            }
            if differing:
                # What others set on the topic stays: a broker replaces all settings at once.
                kept = {key: there.values[key] for key in there.own}
                found.append(Change("alter", topic, name, {**kept, **settings}, _words(differing)))
    return found


async def show(kafka: Access, *, prefix: str = "", topics: Sequence[Topic] = ALL_TOPICS) -> list[TopicState]:
    """Compare the topics of the code with a broker's, and change nothing.

    Parameters
    ----------
    kafka : Access
        Where the brokers are.
    prefix : str
        Stands before each name: letters, digits, `.`, `_` and `-`, at most 200.

    Raises
    ------
    KafkaUnreachable
        No broker answers.
    TopicsRefused
        The prefix cannot stand in a name, or the broker refuses to tell.
    """
    async with _admin(kafka, prefix) as admin:
        present = await _present(admin, [prefix + topic.name for topic in topics])
    by_name = {change.name: change for change in changes(topics, present, prefix)}
    names = [(topic, prefix + topic.name) for topic in topics]
    return [TopicState(topic, name, present.get(name), by_name.get(name)) for topic, name in names]


async def apply(
    kafka: Access, *, prefix: str = "", replication: int = 1, topics: Sequence[Topic] = ALL_TOPICS
) -> list[Change]:
    """Make a broker's topics as the code wants them; return what was changed.

    New topics have leaders and changes are in force when this returns; the second time it changes nothing.

    Parameters
    ----------
    kafka, prefix
        As of `show`.
    replication : int
        On how many brokers a new topic is kept; topics that are there keep theirs.

    Raises
    ------
    KafkaUnreachable
        No broker answers.
    TopicsRefused
        A topic has another number of partitions (then nothing at all is changed), or the broker refuses.
    """
    if not 1 <= replication <= MOST_REPLICAS:
        raise TopicsRefused(f"a topic cannot be kept on {replication} brokers; write --replication 1 or more")
    async with _admin(kafka, prefix) as admin:
        present = await _present(admin, [prefix + topic.name for topic in topics])
        found = changes(topics, present, prefix)
        if refused := [change.text for change in found if change.kind == "refuse"]:
            raise TopicsRefused("; ".join(refused))
        await _create(admin, [change for change in found if change.kind == "create"], replication)
        await _alter(admin, [change for change in found if change.kind == "alter"])
        if found:
            await _wait_until_so(admin, found, prefix)
    return found


async def cluster_of(kafka: Access) -> str:
    """Return the id that brokers were given with their first start: another one has other offsets.

    Raises
    ------
    KafkaUnreachable
        No broker answers.
    TopicsRefused
        It refuses to tell.
    """
    async with _admin(kafka, "") as admin:
        return str((await admin.describe_cluster())["cluster_id"])


@contextlib.asynccontextmanager
async def _admin(kafka: Access, prefix: str) -> AsyncIterator[Any]:
    if not _NAME.fullmatch(prefix):
        raise TopicsRefused(
            f"--prefix {prefix!r} cannot stand in a topic's name; use at most 200 letters, digits, . _ or -"
        )
    try:
        options = await kafka.admitted()
    except NotAdmittedError as error:
        raise KafkaUnreachable(kafka.first_words(error)) from error
    admin = AIOKafkaAdminClient(
        **options,
        client_id="groundswell-topics",
        request_timeout_ms=round(REQUEST_S * 1000),
    )
    try:
        await admin.start()
        yield admin
    except AWAY as error:
        raise KafkaUnreachable(await kafka.reason(error)) from error
    except KafkaError as error:
        raise TopicsRefused(f"Kafka at {kafka.servers} refuses {_reason(error)}") from error
    finally:
        await admin.close()


async def _present(admin: Any, names: Sequence[str]) -> dict[str, Present]:
    """Ask for those of `names` that are there. A topic that is being made and has no leader is there."""
    asked = set(names)
    there = {name: count for name, (count, _) in (await _partitions(admin)).items() if name in asked}
    if not there:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in there]
    present = {}
    for answer in await admin.describe_configs(resources):
        for code, message, _, name, entries in answer.resources:
            if code == UnknownTopicOrPartitionError.errno:
                continue  # this broker has not heard of it yet
            if code:
                raise for_code(code)(f"{name}: {message}")
            values = {key: value for key, value, *_ in entries if value is not None}
            own = frozenset(entry[0] for entry in entries if entry[3] == _SET_ON_THE_TOPIC)
            present[name] = Present(there[name], values, own & values.keys())
    return present


async def _partitions(admin: Any) -> dict[str, tuple[int, bool]]:
    """Return the number of partitions of all topics, and whether each has a leader everywhere."""
    return {
        found["topic"]: (
            len(found["partitions"]),
            bool(found["partitions"]) and all(one["leader"] >= 0 for one in found["partitions"]),
        )
        for found in await admin.describe_topics()
    }


async def _create(admin: Any, new: Sequence[Change], replication: int) -> None:
    if not new:
        return
    answer = await admin.create_topics(
        [
            NewTopic(one.name, one.topic.partitions, replication, topic_configs=dict(one.settings))
            for one in new
        ],
        timeout_ms=round(REQUEST_S * 1000),
    )
    for name, code, message in answer.topic_errors:
        if code and code != TopicAlreadyExistsError.errno:  # another did the same at the same moment
            raise for_code(code)(f"{name}: {message}")


async def _alter(admin: Any, altered: Sequence[Change]) -> None:
    if not altered:
        return
    resources = [ConfigResource(ConfigResourceType.TOPIC, one.name, dict(one.settings)) for one in altered]
    for answer in await admin.alter_configs(resources):
        for code, message, _, name in answer.resources:
            if code:
                raise for_code(code)(f"{name}: {message}")


async def _wait_until_so(admin: Any, done: Sequence[Change], prefix: str) -> None:
    """Return when a broker shows the changes: it takes them a moment before it tells them."""
    topics, names = [one.topic for one in done], [one.name for one in done]
    for _ in range(round(SETTLED_S / POLL_S)):
        partitions = await _partitions(admin)
        led = all(name in partitions and partitions[name][1] for name in names)
        if led and not changes(topics, await _present(admin, names), prefix):
            return
        await asyncio.sleep(POLL_S)
    raise TopicsRefused(
        "Kafka took the changes and does not show them yet; look whether all brokers run, and apply again"
    )


def _reason(error: KafkaError) -> str:
    """Return `TOPIC: why`, as `for_code(code)(text)` was given it; else what there is."""
    return str(error.args[0]) if error.args else type(error).__name__


def _words(settings: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(settings.items()))
