"""MQTT without a broker: configuration, reading of messages, the bounded inbox."""

import asyncio
import contextlib
import json
import socket
import struct
import threading

import msgspec
import numpy as np
import pytest

from connectors import mqtt, mqtt_session
from connectors.mqtt_config import MqttConfig
from connectors.mqtt_memory import SessionMemory
from connectors.mqtt_session import Arrived, Session
from connectors.reconnect import StreamError
from dashboards.metrics import exposition
from sensors.payloads import Mapping, configured
from sensors.payloads.checksums import hj212
from sensors.payloads.json import JsonMapping
from streams.stream_state import StreamState
from tests.scripted_server import Peer, scripted

NOW_US = 1_760_000_000_000_000
TIMED = JsonMapping(topic="tide/+/level", datastream="{1}.water_level", value="height", time="time")
UNTIMED = JsonMapping(topic="rain/+", datastream="{1}.rain", value="mm")


def listener(*mappings: JsonMapping, **more: object) -> mqtt._Listener:
    config = MqttConfig(**{"host": "broker", "mappings": list(mappings or (TIMED, UNTIMED)), **more})
    state = StreamState("b", "mqtt", config.source)
    return mqtt._Listener(config, None, state, lambda: NOW_US, SessionMemory())


def arrived(topic: str, payload: object, mid: int = 1, *, retained: bool = False) -> Arrived:
    return Arrived(topic, json.dumps(payload).encode(), 1, retained, mid, NOW_US + mid)


# --- configuration ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"host": ""}, "host and port name no broker"),
        ({"port": 0}, "host and port name no broker"),
        ({"mappings": []}, "there is no mapping"),
        ({"keepalive_s": 1}, "keepalive_s must lie between"),
        ({"receive_maximum": 0}, "receive_maximum between"),
        ({"version": "3.1"}, "Invalid enum value"),
        ({"qos": 2}, "Invalid enum value"),
        ({"hots": "x"}, "unknown field"),
        ({"share": "g"}, "need a client_id each"),
        ({"topics": ["$share/g/a"]}, "need a client_id each"),
        ({"share": "g/h", "client_id": "one"}, "the name of a group"),
        ({"ca_file": "a.pem"}, "certificates are of no use without tls = true"),
        ({"tls": True, "key_file": "a.key"}, "name both"),
    ],
)
def test_a_wrong_configuration_is_refused_in_words(wrong, says):
    right = {"host": "broker", "mappings": [{"topic": "a", "datastream": "b", "value": "c"}]}
    assert msgspec.convert(right, MqttConfig, dec_hook=configured).version == "5"
    with pytest.raises(msgspec.ValidationError, match=says):
        msgspec.convert({**right, **wrong}, MqttConfig, dec_hook=configured)


def test_no_password_is_shown():
    one = MqttConfig(host="broker", mappings=[TIMED], username="u", password="secret-word", tls=True)
    assert "secret-word" not in repr(one) + one.source
    assert one.source == "mqtts://broker:1883"


def test_what_is_subscribed_to_follows_from_the_mappings():
    assert MqttConfig(host="h", mappings=[TIMED, UNTIMED, TIMED]).filters == ["tide/+/level", "rain/+"]
    assert MqttConfig(host="h", mappings=[TIMED], topics=["#"]).filters == ["#"]


def test_a_shared_subscription_is_that_of_its_group():
    one = MqttConfig(host="h", mappings=[TIMED, UNTIMED], share="g", client_id="a")
    assert one.filters == ["$share/g/tide/+/level", "$share/g/rain/+"]
    assert one.session == "a at mqtt://h:1883"


def test_subscriptions_are_remembered_and_a_broken_memory_is_no_reason_to_stand_still(tmp_path):
    file = tmp_path / "sessions.json"
    memory = SessionMemory(file)
    memory.remember("a at b", ["x/#", "y", "x/#"])
    memory.remember("c at b", ["z"])
    again = SessionMemory(file)
    assert again.filters("a at b") == ["x/#", "y"]
    assert again.filters("c at b") == ["z"]
    assert again.filters("other") == []
    for broken in (b"{", b'{"a at b": 1}', b"\xff"):
        file.write_bytes(broken)
        assert SessionMemory(file).filters("a at b") == []
    file.unlink()
    file.mkdir()
    assert SessionMemory(file).filters("a at b") == []


def test_the_session_has_the_same_name_after_a_restart_and_another_for_other_topics():
    assert listener().options.client_id == listener().options.client_id
    assert listener().options.client_id != listener(TIMED).options.client_id
    assert listener(client_id="mine").options.client_id == "mine"


# --- reading ------------------------------------------------------------------------------------------


async def test_messages_of_many_topics_become_one_batch_in_order():
    one = listener()
    batch, _ = await one._read(
        [
            arrived("tide/apia/level", {"height": 1.5, "time": "2025-10-09T08:00:00Z"}, 1),
            arrived("rain/apia", {"mm": 0.2}, 2),
            arrived("tide/apia/level", {"height": None, "time": "2025-10-09T08:01:00Z"}, 3),
        ]
    )
    assert [batch.datastream_ids[i] for i in batch.series] == [
        "apia.water_level",
        "apia.rain",
        "apia.water_level",
    ]
    np.testing.assert_array_equal(batch.value, [1.5, 0.2, np.nan])
    np.testing.assert_array_equal(batch.received_at_us - NOW_US, [1, 2, 3])
    assert batch.time_us[2] - batch.time_us[0] == 60_000_000
    assert batch.time_us[1] == NOW_US + 2
    assert one.state.bad_messages == 0


async def test_bad_messages_are_counted_and_the_good_ones_stay():
    one = listener()
    good = arrived("rain/apia", {"mm": 0.2})
    for bad in (
        arrived("rain/apia", {"mm": "much"}),
        arrived("rain/apia", []),
        Arrived("rain/apia", b"\xff{", 1, False, 1, NOW_US),
        arrived("wind/apia", {"mm": 1}),
        arrived("(a topic that is not UTF-8)", {"mm": 1}),
    ):
        one.state.bad_messages, one.state.last_error = 0, ""
        assert len((await one._read([good, bad, good]))[0]) == 2
        assert one.state.bad_messages == 1
        assert bad.topic in one.state.last_error
    assert len((await one._read([bad]))[0]) == 0
    assert one.state.bad_samples == 3, "of messages that a mapping reads"


async def test_samples_of_a_message_go_on_oldest_first_and_messages_in_their_order():
    many = JsonMapping(
        topic="b/+", datastream="{1}.x", samples="", value="v", time="t", time_format="epoch_s"
    )
    begin_s = NOW_US // 10**6 - 100
    newest_first = [{"t": begin_s + s, "v": s} for s in (30, 20, 10)]
    batch, _ = await listener(many)._read(
        [arrived("b/a", newest_first, 1), arrived("b/c", newest_first[1:], 2), arrived("b/a", [], 3)]
    )
    assert (batch.time_us // 10**6 - begin_s).tolist() == [10, 20, 30, 10, 20]
    assert batch.value.tolist() == [10, 20, 30, 10, 20]
    assert [batch.datastream_ids[i] for i in batch.series] == ["a.x"] * 3 + ["c.x"] * 2
    assert (batch.received_at_us - NOW_US).tolist() == [1] * 3 + [2] * 2


async def test_a_message_that_was_too_large_is_counted_and_named():
    one = listener()
    large = Arrived("rain/apia", b"", 1, False, 1, NOW_US, 30_000_000)
    batch, end = await one._read([large, arrived("rain/apia", {"mm": 1}, 2)])
    assert (len(batch), end, one.state.bad_messages) == (1, 2, 1)
    assert "topic rain/apia: 30000000 bytes in one message" in one.state.last_error


async def test_an_error_of_the_program_does_not_hold_up_the_others(monkeypatch):
    def broken(mapping, topic, payload, received_at_us):
        if topic == "rain/b":
            raise RuntimeError("a bug")
        return right(mapping, topic, payload, received_at_us)

    right = JsonMapping.decode
    monkeypatch.setattr(JsonMapping, "decode", broken)
    one = listener()
    assert len((await one._read([arrived("rain/a", {"mm": 1}), arrived("rain/b", {"mm": 1})]))[0]) == 1
    assert "a bug" in one.state.last_error


async def test_an_old_copy_without_a_time_is_left_out():
    one = listener()
    old = {"mm": 0.2, "height": 1.0, "time": "2025-10-09T08:00:00Z"}
    assert len((await one._read([arrived("rain/apia", old, retained=True)]))[0]) == 0
    assert len((await one._read([arrived("tide/apia/level", old, retained=True)]))[0]) == 1
    assert one.state.bad_messages == 0


async def test_a_batch_ends_with_the_message_that_makes_it_large(monkeypatch):
    monkeypatch.setattr(mqtt, "BATCH_ROWS", 3)
    one = listener(JsonMapping(topic="rain/+", datastream="{1}.rain", samples="all", value="mm"))
    messages = [
        arrived("rain/a", {"all": [{"mm": n + k / 10} for k in range(n)]}, n) for n in (1, 1, 2, 0, 9, 1)
    ]
    begin, batches = 0, []
    while begin < len(messages):
        batch, end = await one._read(messages, begin)
        batches.append((begin, end, [int(value) for value in batch.value]))
        begin = end
    assert batches == [(0, 3, [1, 1, 2, 2]), (3, 5, [9] * 9), (5, 6, [1])]


async def test_others_have_their_turn_while_much_is_decoded(monkeypatch):
    threads, turns = list[int](), 0
    decode = JsonMapping.decode

    def noted(*of_message):
        threads.append(threading.get_ident())
        return decode(*of_message)

    async def others():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    monkeypatch.setattr(JsonMapping, "decode", noted)
    monkeypatch.setattr(mqtt, "TURN_S", 0.0)
    one = listener(JsonMapping(topic="rain/+", datastream="{1}.rain", samples="", value="mm"))
    small, large = ([{"mm": "much"}] * n for n in (mqtt.THREAD_BYTES // 17, mqtt.THREAD_BYTES))
    beside = asyncio.create_task(others())
    await one._read([arrived("rain/a", small) for _ in range(5)])
    assert turns >= 4, "what is refused costs time, too"
    assert set(threads) == {threading.get_ident()}
    threads.clear()
    await one._read([arrived("rain/a", large)])
    assert threading.get_ident() not in threads
    assert one.state.bad_messages == 6
    beside.cancel()


async def test_an_event_loop_with_few_turns_takes_as_many_messages(monkeypatch):
    """Sensors beside thousands of stations: messages queued up at the broker until it threw them away."""
    turns, now_s = 0, 0.0

    def worked_s():
        nonlocal now_s
        now_s += 40e-6  # a message of ten samples
        return now_s

    async def others():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    monkeypatch.setattr(mqtt, "worked_s", worked_s)
    one = listener(JsonMapping(topic="rain/+", datastream="{1}.rain", samples="", value="mm"))
    beside = asyncio.create_task(others())
    batch, end = await one._read([arrived("rain/a", [{"mm": 1}] * 60) for _ in range(2000)])
    assert (end, len(batch)) == (2000, 2000)  # those of a message have one time
    assert 5 <= turns <= 15
    beside.cancel()


async def test_memory_for_topics_is_bounded(monkeypatch):
    monkeypatch.setattr(mqtt, "_TOPICS_REMEMBERED", 10)
    one = listener()
    for n in range(100):
        await one._read([arrived(f"rain/{n}", {"mm": 1})])
    assert len(one._mapping_of) <= 10


# --- the inbox ----------------------------------------------------------------------------------------


class Paho:
    """Stands for paho's client: a socket, and the acknowledgements that were sent."""

    def __init__(self) -> None:
        self.near, self.far = socket.socketpair()
        self.near.setblocking(False)
        self.acknowledged: list[int] = []
        self.completed: list[tuple[int, int]] = []
        self.reads = 0

    def socket(self) -> socket.socket:
        return self.near

    def loop_read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self.near.recv(1)
            self.reads += 1

    def _packet_queue(self, _command: int, packet: bytes, _mid: int, _qos: int) -> None:
        self.acknowledged += [mid for _, _, mid in struct.iter_unpack("!BBH", packet)]

    def ack(self, mid: int, qos: int) -> None:
        self.completed.append((mid, qos))

    def close(self) -> None:
        self.near.close()
        self.far.close()


class Incoming:
    """Stands for paho's message."""

    def __init__(self, mid: int, qos: int = 1, topic: str = "rain/apia") -> None:
        self.topic, self.payload, self.qos, self.retain, self.mid = topic, b"{}", qos, False, mid


async def test_a_full_inbox_stops_the_reading_until_it_is_emptied(monkeypatch):
    monkeypatch.setattr(mqtt_session, "INBOX_MESSAGES", 5)
    paho = Paho()
    try:
        session = Session(None, paho, lambda: NOW_US, True)
        loop = asyncio.get_running_loop()
        loop.add_reader(paho.near, session._read)
        for mid in range(5):
            session.receive(paho, None, Incoming(mid))
        paho.far.send(b"x")
        await asyncio.sleep(0.02)
        assert paho.reads == 0
        messages = await session.gather(1.0)
        assert [m.mid for m in messages] == [0, 1, 2, 3, 4]
        await asyncio.sleep(0.02)
        assert paho.reads == 1
        loop.remove_reader(paho.near)
    finally:
        paho.close()


async def test_messages_are_acknowledged_in_order_and_only_those_that_ask_for_it():
    paho = Paho()
    session = Session(None, paho, lambda: NOW_US, True)
    for mid, qos in ((1, 1), (0, 0), (2, 1), (9, 2), (3, 1)):
        session.receive(paho, None, Incoming(mid, qos))
    session.acknowledge(await session.gather(1.0))
    assert paho.acknowledged == [1, 2, 3]
    assert paho.completed == [(9, 2)]
    paho.close()


async def test_silence_is_told():
    paho = Paho()
    session = Session(None, paho, lambda: NOW_US, True)
    with pytest.raises(TimeoutError):
        await session.gather(0.01)
    paho.close()


async def test_an_answer_that_never_comes_is_told(monkeypatch):
    monkeypatch.setattr(mqtt_session, "ANSWER_S", 0.2)

    async def act(peer: Peer) -> None:
        await peer.reader.read(1000)
        await peer.say(bytes((0x20, 3, 0, 0, 0)))  # CONNACK, then nothing more
        await peer.hold()

    async with scripted(act) as server:
        one = listener(host="127.0.0.1", port=server.port)
        with pytest.raises(StreamError, match=r"subscribe to 'tide/\+/level': the broker does not answer"):
            await one.session()
        assert one.state.phase != "streaming"


async def test_a_broker_that_is_away_is_named():
    one = listener(host="127.0.0.1", port=1)
    with pytest.raises(StreamError, match=r"the broker 127\.0\.0\.1:1 cannot be reached"):
        await one.session()


# --- formats ------------------------------------------------------------------------------------------


async def test_a_format_with_a_memory_keeps_it_over_messages_and_what_it_notes_is_counted():
    entry = {"format": "hj212", "topic": "hj/#", "clock_ahead_s": 60.0}
    one = listener(configured(Mapping, entry))
    head = "QN=20251009165000000;CN=2011;MN=A;Flag=6;PNUM=2;PNO={};"
    packets = [("DataTime=20991009165000;a-Rtd=1", 1), ("b-Rtd=2,b-Flag=D", 2)]
    messages = []
    for data, number in packets:
        text = f"{head.format(number)}CP=&&{data}&&".encode()
        payload = b"##" + f"{len(text):04}".encode() + text + f"{hj212(text):04X}".encode()
        messages.append(Arrived("hj/7", payload, 1, False, number, NOW_US + number))
    batch, _ = await one._read(messages)
    assert batch.datastream_ids == ["A.a.Rtd", "A.b.Rtd"]
    assert batch.time_us.tolist() == [NOW_US + 1, NOW_US + 2]
    assert one.state.notes == {"received_time": 2, "flagged": 1}
    assert "the time of arrival counts" in one.state.last_note
    assert b'groundswell_stream_notes_total{kind="mqtt",stream="b",what="flagged"} 1.0' in exposition(
        [], [one.state]
    )
    retained = messages[0]._replace(retained=True)
    assert len((await one._read([retained]))[0]) == 0
