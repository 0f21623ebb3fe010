"""What Kafka lets go of before anybody reads it is counted, by who wanted it; and reading goes on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from streams.faust_app import FaustConfig, FaustRuntime
from streams.kafka import admin
from streams.kafka.output import Message, Output
from streams.kafka.reader import Reader
from streams.kafka.tasks import ALERT
from streams.topics import DETECTIONS, RAW
from tests.integration.test_worker_fenced import TOPICS, Alerts, finding, worker_of
from tests.servers import KafkaServer
from tests.waiting import until

pytestmark = pytest.mark.integration

PARTITION = 3
WAIT_S = 60.0


@contextlib.asynccontextmanager
async def sending(kafka: KafkaServer) -> AsyncIterator[Output]:
    output = Output(kafka.access, "sender")
    try:
        yield output
    finally:
        await output.close()


async def let_go(kafka: KafkaServer, topic: str, partition: int, before: int) -> None:
    """Do what a broker does when messages have been kept for long enough."""
    client = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await client.start()
    try:
        await client.delete_records({TopicPartition(topic, partition): RecordsToDelete(before)})
    finally:
        await client.close()


async def offsets(reader: Reader, count: int) -> list[int]:
    found: list[int] = []
    async with asyncio.timeout(WAIT_S):
        while len(found) < count:
            found += [one.offset for one in await reader.next(0.5) if one.partition == PARTITION]
    return found


async def test_a_reader_counts_what_is_gone_and_goes_on_with_the_oldest(kafka, prefix):
    await admin.apply(kafka.access, prefix=prefix, topics=[RAW])
    name, gone = prefix + RAW.name, (prefix + RAW.name, PARTITION)
    async with sending(kafka) as output:
        await output.send([Message(name, PARTITION, b"%d" % k) for k in range(10)])
        await let_go(kafka, name, PARTITION, 4)
        reader = Reader(kafka.access, (RAW,), {RAW.name: {PARTITION: 1}}, prefix)
        await reader.start()
        try:
            assert await offsets(reader, 6) == [4, 5, 6, 7, 8, 9]
            assert reader.missed == {gone: 3}
            reader.seek({RAW.name: {PARTITION: 2}})  # as if it had stood still, and messages went
            assert await offsets(reader, 6) == [4, 5, 6, 7, 8, 9]
            assert reader.missed == {gone: 3 + 2}
            reader.seek({RAW.name: {PARTITION: 50}})  # the topic is another one: it is read from its begin
            assert await offsets(reader, 6) == [4, 5, 6, 7, 8, 9]
            await output.send([Message(name, PARTITION, b"more")])
            assert await offsets(reader, 1) == [10]
            assert reader.missed == {gone: 5}
        finally:
            await reader.stop()


async def test_nothing_is_missed_where_somebody_reads_for_the_first_time(kafka, prefix):
    await admin.apply(kafka.access, prefix=prefix, topics=[RAW])
    name = prefix + RAW.name
    async with sending(kafka) as output:
        await output.send([Message(name, PARTITION, b"%d" % k) for k in range(10)])
    await let_go(kafka, name, PARTITION, 4)
    reader = Reader(kafka.access, (RAW,), {}, prefix)
    await reader.start()
    try:
        assert await offsets(reader, 6) == [4, 5, 6, 7, 8, 9]
        assert not reader.missed
    finally:
        await reader.stop()


async def test_a_worker_counts_what_went_while_there_was_none(kafka, prefix):
    await admin.apply(kafka.access, prefix=prefix, topics=TOPICS)
    name = prefix + DETECTIONS.name
    async with sending(kafka) as output, Alerts(kafka, prefix) as alerts:
        for numbers, told in ((range(2), [0, 1]), (range(2, 5), [0, 1, 4])):
            await output.send([Message(name, 0, finding(k)) for k in numbers])
            if numbers[0]:
                await let_go(kafka, name, 0, 4)
            worker = worker_of(kafka, prefix, "one")
            runtime = FaustRuntime(FaustConfig(kafka.access, prefix, groups=(ALERT,)), worker)
            await runtime.start()
            try:
                assert await alerts.come(len(told)) == [f"gauge {k}" for k in told]
                missed = 2 if numbers[0] else 0
                await until(lambda: worker.health.missed == missed, WAIT_S)  # noqa: B023 - awaited here
            finally:
                await runtime.stop()
