"""A reader whose broker gathers messages: fewer reads, the same messages in the same order."""

from __future__ import annotations

import asyncio
import os

import pytest

from streams.kafka import admin
from streams.kafka.output import Message, Output
from streams.kafka.reader import Reader
from streams.topics import RAW
from tests.servers import KafkaServer

pytestmark = pytest.mark.integration

MESSAGES, PARTITIONS = 120, 4


async def test_what_comes_bit_by_bit_is_read_in_few_pieces(kafka: KafkaServer, prefix: str) -> None:
    await admin.apply(kafka.access, prefix=prefix)
    reader, output = (
        Reader(kafka.access, (RAW,), {}, prefix, gather_s=1.0),
        Output(kafka.access, "test"),
    )
    await reader.start()
    reads: list[list[tuple[int, bytes]]] = []

    async def follow() -> None:
        while sum(map(len, reads)) < MESSAGES:
            if found := await reader.next(1.0):
                reads.append([(one.partition, one.value) for one in found])

    async with asyncio.timeout(120):
        following = asyncio.create_task(follow())
        for k in range(MESSAGES):
            await output.send([Message(prefix + RAW.name, k % PARTITIONS, b"%d" % k)])
        await following
    read = [one for some in reads for one in some]
    for partition in range(PARTITIONS):
        expected = [b"%d" % k for k in range(partition, MESSAGES, PARTITIONS)]
        assert [value for at, value in read if at == partition] == expected
    assert len(reads) < MESSAGES / 2
    await output.close()
    await reader.stop()


async def test_what_is_much_is_read_without_gathering(kafka: KafkaServer, prefix: str) -> None:
    await admin.apply(kafka.access, prefix=prefix)
    output = Output(kafka.access, "test")
    await output.send([Message(prefix + RAW.name, 0, os.urandom(20_000)) for _ in range(10)])
    reader = Reader(kafka.access, (RAW,), {}, prefix, most_bytes=200_000, gather_s=30.0)
    await reader.start()
    assert await reader.next(20.0)
    await output.close()
    await reader.stop()
