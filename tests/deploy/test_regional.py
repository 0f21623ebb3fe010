"""What regions describe, as it comes to the store: of themselves alone, so much at most, the rest parked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from dashboards.metrics import exposition
from deploy import regional
from deploy.regional import RegionalDescriptions, regional_figures
from deploy.store_writer import StoreWriter
from streams import codec, describing
from streams.kafka.dead_letters import dead_letter
from streams.kafka.output import Message, Output
from streams.kafka.reader import Read, Reader
from streams.records import Descriptions, Detections, Gone, Record, ThingDescription
from streams.topics import Topic, descriptions_of

TOPIC = descriptions_of("zhejiang")


class Store:
    """Remembers commits."""

    def __init__(self) -> None:
        self.batches: list[Record] = []
        self.offsets: dict[str, dict[int, int]] = {}

    def commit(self, batches: Sequence[Record], _snapshots: Any, *, consumed: Any, **_: Any) -> None:
        self.batches += batches
        for topic, places in consumed.items():
            self.offsets.setdefault(topic, {}).update(places)

    def consumed(self) -> Mapping[str, Mapping[int, int]]:
        return self.offsets


class Sent:
    """An output that remembers."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def send(self, messages: Sequence[Message]) -> None:
        self.messages += messages


class Scripted:
    """A reader of messages that are there already."""

    def __init__(self, read: list[Read]) -> None:
        self.read = read
        self.is_stopped = False

    async def start(self) -> None:
        pass

    async def next(self, _timeout_s: float) -> list[Read]:
        if not self.read:
            await asyncio.Event().wait()
        read, self.read = self.read, []
        return read

    async def stop(self) -> None:
        self.is_stopped = True


def parts(*read: Read) -> tuple[RegionalDescriptions, Store, Sent]:
    store, sent = Store(), Sent()
    writer = StoreWriter(store, lambda _: cast("Reader", None), cast("Output", sent), lambda: 1, "p.")
    reader = Scripted(list(read))

    def make(topic: Topic) -> Reader:
        assert topic == TOPIC
        return cast("Reader", reader)

    return RegionalDescriptions("zhejiang", writer, make), store, sent


def message(offset: int, batch: Record | bytes) -> Read:
    return Read(TOPIC, 0, offset, batch if isinstance(batch, bytes) else codec.encode(batch), [])


def thing(name: str) -> Descriptions:
    return Descriptions(
        descriptions=[ThingDescription(id=name, name="Gauge", longitude=121.0, latitude=29.0)]
    )


async def test_what_is_the_regions_own_is_kept_and_the_rest_parked():
    one, store, sent = parts()
    beijing = Descriptions(descriptions=[Gone(kind="thing", id="beijing:gauge", is_deleted=True)])
    wrong = [b"\x01nonsense", beijing, thing("gauge"), Detections(detections=[])]
    await one.keep(
        [
            message(7, thing("zhejiang:a")),
            *map(message, range(8, 12), wrong),
            message(12, thing("zhejiang:b")),
        ]
    )
    assert store.batches == [thing("zhejiang:a"), thing("zhejiang:b")]
    assert store.offsets == {TOPIC.name: {0: 13}}
    letters = [dead_letter(letter.value, letter.headers) for letter in sent.messages]
    assert [(x.topic, x.offset) for x in letters if x] == [(f"p.{TOPIC.name}", k) for k in range(8, 12)]
    text = exposition(regional_figures([one])).decode()
    assert 'groundswell_store_described{region="zhejiang"} 2.0' in text
    assert 'groundswell_store_descriptions_refused_total{region="zhejiang"} 4.0' in text


async def test_a_region_fills_neither_the_store_nor_the_dead_letters(monkeypatch):
    monkeypatch.setattr(describing, "MOST_DESCRIBED", 2)
    monkeypatch.setattr(regional, "MOST_PARKED", 3)
    one, store, sent = parts()
    await one.keep([message(k, thing(f"zhejiang:{k}")) for k in range(5)])
    await one.keep([message(k, b"") for k in range(5, 12)])
    assert len(store.batches) == 2
    assert len(sent.messages) == 3
    assert (one.objects, one.left_out) == (2, 3 + 7)


async def test_all_is_taken_again_at_a_start_and_nothing_parked_twice():
    one, store, sent = parts(*(message(k, batch) for k, batch in enumerate([thing("zhejiang:a"), b"", b""])))
    store.offsets = {TOPIC.name: {0: 2}}
    task = asyncio.create_task(one.run())
    await asyncio.sleep(0)
    assert store.batches == []  # another may be the writer still
    one.writer.begin = store.consumed()
    one.writer.is_begun.set()
    async with asyncio.timeout(60):
        while store.offsets[TOPIC.name][0] < 3:
            await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert store.batches == [thing("zhejiang:a")]
    assert [letter.offset for x in sent.messages if (letter := dead_letter(x.value, x.headers))] == [2]
    assert cast("Any", one.make_reader(TOPIC)).is_stopped
