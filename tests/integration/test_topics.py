"""Topics on a real broker."""

import asyncio
import contextlib
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy import topics_command
from deploy.refusal import Refusal
from streams.kafka.admin import TopicsRefused, apply, settings_of, show
from streams.topics import ALL_TOPICS, MESSAGE_BYTES, RAW, SAMPLES, SNAPSHOTS

pytestmark = pytest.mark.integration


@contextlib.asynccontextmanager
async def admin_of(kafka):
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def test_topics_are_created_once_and_as_they_should_be(kafka, prefix):
    before = await show(kafka.access, prefix=prefix)
    assert {(row.present, row.change.kind) for row in before} == {(None, "create")}

    created = await apply(kafka.access, prefix=prefix)
    assert [change.name for change in created] == [prefix + topic.name for topic in ALL_TOPICS]

    after = await show(kafka.access, prefix=prefix)
    for row in after:
        assert row.change is None
        assert row.present.partitions == row.topic.partitions
        assert settings_of(row.topic).items() <= dict(row.present.values).items()
    assert await apply(kafka.access, prefix=prefix) == []


async def test_two_that_apply_at_once_do_not_hinder_each_other(kafka, prefix):
    await asyncio.gather(*(apply(kafka.access, prefix=prefix, topics=[RAW, SAMPLES]) for _ in range(3)))
    rows = await show(kafka.access, prefix=prefix, topics=[RAW, SAMPLES])
    assert [row.change for row in rows] == [None, None]


async def test_retention_and_compaction_are_altered_and_nothing_else(kafka, prefix):
    name = prefix + SAMPLES.name
    async with admin_of(kafka) as admin:
        others = {"segment.ms": "3600000", "retention.ms": "1000", "cleanup.policy": "compact"}
        await admin.create_topics([NewTopic(name, SAMPLES.partitions, 1, topic_configs=others)])
    while (await show(kafka.access, prefix=prefix, topics=[SAMPLES]))[0].present is None:
        await asyncio.sleep(0.05)  # a new topic is told to clients a moment later
    (row,) = await show(kafka.access, prefix=prefix, topics=[SAMPLES])
    assert row.change.kind == "alter"

    await apply(kafka.access, prefix=prefix, topics=[SAMPLES])

    (row,) = await show(kafka.access, prefix=prefix, topics=[SAMPLES])
    assert row.change is None
    assert row.present.values["retention.ms"] == "604800000"
    assert row.present.values["cleanup.policy"] == "delete"
    assert row.present.values["segment.ms"] == "3600000"
    assert "segment.ms" in row.present.own


async def test_other_partitions_are_refused_and_then_nothing_changes(kafka, prefix):
    fewer = replace(SAMPLES, partitions=2)
    await apply(kafka.access, prefix=prefix, topics=[fewer])
    with pytest.raises(TopicsRefused, match=f"{prefix}samples has 2 partitions and needs 12"):
        await apply(kafka.access, prefix=prefix, topics=[RAW, SAMPLES])
    raw, samples = await show(kafka.access, prefix=prefix, topics=[RAW, SAMPLES])
    assert raw.present is None
    assert samples.present.partitions == 2


async def test_more_copies_than_brokers_are_refused_in_words(kafka, prefix):
    with pytest.raises(TopicsRefused, match=f"{prefix}raw: .*eplication"):
        await apply(kafka.access, prefix=prefix, replication=3, topics=[RAW])


async def test_a_message_of_the_largest_size_passes_with_its_headers(kafka, prefix):
    await apply(kafka.access, prefix=prefix, topics=[SNAPSHOTS])
    name, value = prefix + SNAPSHOTS.name, b"\xff" * MESSAGE_BYTES
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, max_request_size=2 * MESSAGE_BYTES)
    consumer = AIOKafkaConsumer(name, bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest")
    async with producer, consumer:
        await producer.send_and_wait(name, value, key=b"k" * 100, headers=[("reason", b"r" * 10_000)])
        message = await asyncio.wait_for(consumer.getone(), 20)
    assert message.value == value


async def test_a_topic_that_nobody_made_is_not_made_by_asking_for_it(kafka, prefix):
    async with admin_of(kafka) as admin:
        (answer,) = await admin.describe_topics([prefix + "typo"])
        assert answer["error_code"] == 3  # unknown topic
        assert prefix + "typo" not in await admin.list_topics()


def test_the_command_shows_and_applies(kafka, prefix, capsys):
    topics_command.show(kafka.bootstrap, prefix)
    text = capsys.readouterr().out
    assert text.count("missing") == len(ALL_TOPICS)
    assert f"{prefix}snapshots" in text

    topics_command.apply(kafka.bootstrap, prefix)
    assert capsys.readouterr().out.count(f"created {prefix}") == len(ALL_TOPICS)
    topics_command.apply(kafka.bootstrap, prefix)
    assert "are as they should be" in capsys.readouterr().out

    topics_command.show(kafka.bootstrap, prefix)
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if prefix in line]
    assert ["".join(rows[0][:1]), *rows[0][1:]] == [
        f"{prefix}raw", "station_id", "12", "1", "day", "delete", "as", "it", "should", "be"
    ]  # fmt: skip
    with pytest.raises(Refusal, match="refuses"):
        topics_command.apply(kafka.bootstrap, f"{prefix}more.", 3)
