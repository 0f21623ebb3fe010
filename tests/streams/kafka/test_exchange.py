"""What goes over a line of counts, and what cannot; the wiring is in `test_counts_over_regions.py`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from streams import codec
from streams.kafka import exchange as room
from streams.kafka.access import Access
from streams.kafka.bridge import Side
from streams.kafka.exchange import Exchange, Line
from streams.kafka.output import Message
from streams.records import CasterVolumes, StationReports
from streams.topics import SESSIONS, VOLUMES
from tests.streams.kafka.memory_kafka import Kafkas
from tests.streams.test_count_sharing import NOW_US, session, sessions, volumes
from tests.waiting import until

HERE, ABOVE = Side(Access("zhejiang"), "z."), Side(Access("china"))


def exchange(known: asyncio.Event | None = None, **more: Any) -> Exchange:
    values: dict[str, Any] = {"children": {"hangzhou": True}, "may_have": lambda _, account: account != "x"}
    if known is None:
        known = asyncio.Event()
        known.set()
    return Exchange("zhejiang", known=known, clock_us=lambda: NOW_US, here=HERE, above=ABOVE,
                    rule="coarsened", steady_us=lambda: 0, **{**values, **more})  # fmt: skip


def line(one: Exchange, name: str) -> Line:
    return next(found for found in one.lines if found.name == name)


def sent(found: list[Message]) -> list[tuple[str, bytes | None]]:
    return [(message.topic, message.key) for message in found]


def test_a_message_has_its_topic_and_a_key_by_which_the_newest_is_kept():
    one = exchange()
    up, down = line(one, "zhejiang/counts"), line(one, "zhejiang/counts-down")
    of_caster = codec.encode(sessions("c1", session("..:li")))
    assert sent(up._messages(of_caster)) == [("sessions-zhejiang", b"zhejiang:c1")]
    assert sent(down._messages(of_caster)) == [("z.elsewhere-sessions-hangzhou", b"c1")]
    share = codec.encode(volumes("c1", "..:li", share=7))
    assert sent(up._messages(share)) == [("volumes-zhejiang", b"zhejiang:c1/7")]
    assert sent(down._messages(share)) == [("z.elsewhere-volumes-hangzhou", b"c1/7")]
    guarded = line(one, "hangzhou/counts-below")._messages(codec.encode(volumes("hangzhou:c1", "..:li")))
    assert sent(guarded) == [("z.regional-volumes", b"hangzhou:c1/0")]
    taken = line(one, "zhejiang/counts-in")._messages(codec.encode(sessions("..:c1", session("li"))))
    assert sent(taken) == [("z.regional-sessions", b"..:..:c1")]


@pytest.mark.parametrize("value", [b"", b"nonsense", codec.encode(StationReports(reports=[], figures=[]))])
def test_nonsense_is_left_out_and_counted(value):
    one = exchange()
    assert [each._messages(value) for each in one.lines] == [[]] * 4
    refused = sum(one.refused().values())
    assert sum(each.left_out for each in one.lines) + refused == 4


def test_a_message_that_grows_too_large_holds_up_nothing(monkeypatch):
    said = codec.encode(sessions("c1", session("..:li")))
    up = line(exchange(), "zhejiang/counts")
    monkeypatch.setattr(room, "MESSAGE_BYTES", len(said) // 2)
    assert up._messages(said) == []
    assert up.left_out == 1


def test_sessions_that_waited_long_are_counted_and_not_told():
    one = exchange()
    late = codec.encode(sessions("c1", session("..:li"), session("..:li", 2), told_us=1, ended=[5]))
    (message,) = line(one, "zhejiang/counts")._messages(late)
    assert codec.decode(message.value) == sessions("zhejiang:c1", told_us=1, ended=[5])
    assert one.late == {"up": 2}


def test_of_a_region_that_is_not_counted_nothing_is_left():
    one = exchange(children={"hangzhou": False})
    guarded = line(one, "hangzhou/counts-below")
    assert guarded._messages(codec.encode(sessions("hangzhou:c1", session("..:li")))) == []
    (message,) = guarded._messages(codec.encode(volumes("hangzhou:c1", "..:li")))
    assert codec.decode(message.value) == CasterVolumes(caster="hangzhou:c1", share=0, volumes=[])
    assert one.refused() == {("hangzhou", "not counted"): 2}


async def test_a_line_waits_for_accounts_and_tells_volumes_again_when_others_may_go(monkeypatch):
    kafkas = Kafkas()
    kafkas.install(monkeypatch, "streams.kafka.exchange")
    known, allowed = asyncio.Event(), set[str]()
    one = exchange(known, may_have=lambda _, account: account in allowed)
    down = line(one, "zhejiang/counts-down")
    logs = kafkas.logs
    logs["zhejiang", f"z.{VOLUMES.name}"].append(Message("", 0, codec.encode(volumes("c1", "li", "wu"))))
    for number, told_us in enumerate((1, NOW_US)):
        said = codec.encode(sessions("c1", session("li", number), told_us=told_us))
        logs["zhejiang", f"z.{SESSIONS.name}"].append(Message("", 0, said))
    told = logs["zhejiang", "z.elsewhere-volumes-hangzhou"]
    task = asyncio.create_task(down.run())
    try:
        await asyncio.sleep(0.02)
        assert down.error.startswith("zhejiang/counts-down: has not begun yet")
        allowed.add("li")
        known.set()
        await until(lambda: len(told) == 1)
        assert down.error == ""
        (message,) = logs["zhejiang", "z.elsewhere-sessions-hangzhou"]
        (present,) = codec.decode(message.value).present  # type: ignore[attr-defined]
        assert present.number == 1, "what was told long ago is not read"
        assert not one.late
        allowed.add("wu")
        one.tell_again()
        await until(lambda: len(told) == 2)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert [codec.decode(one.value) for one in told] == [volumes("c1", "li"), volumes("c1", "li", "wu")]
