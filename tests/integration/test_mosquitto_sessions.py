"""What a session at a real Mosquitto goes through: certificates, groups, changed topics, floods."""

import asyncio
import contextlib
import json
import subprocess

import aiomqtt
import pytest

from connectors import mqtt, mqtt_paho, mqtt_publish
from connectors.mqtt_config import MqttConfig
from connectors.mqtt_memory import SessionMemory
from connectors.mqtt_publish import Outgoing, publish_all
from connectors.reconnect import BackOff
from sensors.payloads.json import JsonMapping
from streams.records import SampleBatch
from streams.stream_state import StreamState
from tests.certificates import certificate
from tests.mosquitto import mosquitto
from tests.scripted_server import Peer, scripted
from tests.waiting import until

pytestmark = pytest.mark.integration

NOW_US = 1_760_000_000_000_000
TIDE = JsonMapping(topic="tide/+", datastream="{1}.water_level", value="v", time="t", time_format="epoch_s")
RAIN = JsonMapping(topic="rain/+", datastream="{1}.rain", value="v", time="t", time_format="epoch_s")
versions = pytest.mark.parametrize("version", ["5", "3.1.1"])


class Sink:
    """Keeps samples; a closed one keeps nobody's promise."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, float]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def put_samples(self, batch: SampleBatch) -> None:
        await self.open.wait()
        ids = batch.datastream_ids
        self.rows += [(ids[s], float(v)) for s, v in zip(batch.series, batch.value, strict=True)]

    @property
    def values(self) -> list[float]:
        return [value for _, value in self.rows]


def config(broker, version: str = "5", **more: object) -> MqttConfig:
    values = {"host": "127.0.0.1", "port": broker.port, "client_id": "test", "version": version}
    return MqttConfig(**{"mappings": [TIDE], **values, **more})


@contextlib.asynccontextmanager
async def listening(one: MqttConfig, sink: Sink, memory: SessionMemory | None = None):
    state = StreamState("broker", "mqtt", one.source)
    quick = BackOff(first_s=0.05, most_s=0.05, refused_s=0.05)
    work = mqtt.run(one, sink, state, clock_us=lambda: NOW_US, memory=memory, back_off=quick)
    task = asyncio.create_task(work)
    try:
        yield state
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def publish(broker, topic: str, *values: object, retain: bool = False) -> None:
    async with aiomqtt.Client("127.0.0.1", broker.port) as device:
        device.pending_calls_threshold = 10_000
        for value in values:
            payload = value if isinstance(value, bytes) else json.dumps({"v": value, "t": NOW_US // 10**6})
            await device.publish(topic, payload, qos=1, retain=retain)


# --- who is let in ---------------------------------------------------------------------------------------


@versions
async def test_a_broker_with_certificates_knows_the_program_and_is_known(tmp_path, version):
    authority = certificate(tmp_path, "authority")
    server = certificate(tmp_path, "server", by="authority")
    own = certificate(tmp_path, "own", by="authority")
    foreign = certificate(tmp_path, "foreign")
    lines = (f"cafile {authority}", f"certfile {server}", f"keyfile {server.with_suffix('.key')}")
    with mosquitto(tmp_path / "broker", *lines, "require_certificate true") as broker:
        with_all = {"tls": True, "ca_file": str(authority), "cert_file": str(own)}
        with_all["key_file"] = str(own.with_suffix(".key"))
        async with listening(config(broker, version, **with_all), Sink()) as state:
            await until(lambda: state.phase == "streaming")
        without = {name: value for name, value in with_all.items() if name not in {"cert_file", "key_file"}}
        async with listening(config(broker, version, **without), Sink()) as state:
            await until(lambda: state.last_error)
            assert state.reconnects == 0 or state.phase != "streaming"
        strange = {**with_all, "ca_file": str(foreign)}
        async with listening(config(broker, version, **strange), Sink()) as state:
            await until(lambda: "CERTIFICATE_VERIFY_FAILED" in state.last_error)


@versions
async def test_a_password_is_asked_for_and_given(tmp_path, version):
    words = tmp_path / "words"
    make = ["mosquitto_passwd", "-c", "-b", words, "gauge", "right"]
    await asyncio.to_thread(subprocess.run, make, check=True, capture_output=True)
    words.chmod(0o644)
    lines = ("allow_anonymous false", f"password_file {words}")
    with mosquitto(tmp_path / "broker", *lines) as broker:
        async with listening(config(broker, version, username="gauge", password="right"), Sink()) as state:
            await until(lambda: state.phase == "streaming")
        async with listening(config(broker, version, username="gauge", password="wrong"), Sink()) as state:
            await until(lambda: "check version, client_id, username and password" in state.last_error)


# --- shared subscriptions --------------------------------------------------------------------------------


@versions
async def test_a_group_shares_the_messages_and_each_comes_once(tmp_path, version):
    with mosquitto(tmp_path / "broker") as broker:
        sinks = [Sink(), Sink()]
        async with contextlib.AsyncExitStack() as stack:
            for number, sink in enumerate(sinks):
                one = config(broker, version, share="gatherers", client_id=f"gatherer-{number}")
                state = await stack.enter_async_context(listening(one, sink))
                await until(lambda state=state: state.phase == "streaming")
            await publish(broker, "tide/a", *range(200))
            await until(lambda: sum(len(sink.rows) for sink in sinks) == 200)
            await asyncio.sleep(0.2)
        assert sorted(sinks[0].values + sinks[1].values) == list(range(200))
        assert min(len(sink.rows) for sink in sinks) > 50


@versions
async def test_what_a_member_of_a_group_had_not_stored_comes_again_to_it(tmp_path, version):
    with mosquitto(tmp_path / "broker") as broker:
        sink, shut = Sink(), Sink()
        shut.open.clear()
        one = config(broker, version, share="gatherers")
        async with listening(one, shut) as state:
            await until(lambda: state.phase == "streaming")
            await publish(broker, "tide/a", 1, 2, 3)
            await until(lambda: state.messages_received == 3)
        async with listening(one, sink):
            await until(lambda: sorted(sink.values) == [1, 2, 3])


# --- changed topics --------------------------------------------------------------------------------------


@versions
async def test_topics_that_are_taken_out_end_and_what_waits_for_the_others_comes(tmp_path, version):
    file = tmp_path / "sessions.json"
    both, rain = [TIDE, RAIN], [RAIN]
    with mosquitto(tmp_path / "broker") as broker:
        sink = Sink()
        async with listening(config(broker, version, mappings=both), sink, SessionMemory(file)) as state:
            await until(lambda: state.phase == "streaming")
        await publish(broker, "rain/a", 1)
        async with listening(config(broker, version, mappings=rain), sink, SessionMemory(file)) as state:
            await until(lambda: sink.rows == [("a.rain", 1.0)])
            await until(lambda: "tide/+" not in file.read_text())
            await publish(broker, "tide/a", 2)
            await publish(broker, "rain/a", 3)
            await until(lambda: 3.0 in sink.values)
            assert (state.messages_received, state.bad_messages) == (2, 0), "the tide does not come any more"
        async with listening(config(broker, version, mappings=both), sink, SessionMemory(file)) as state:
            await until(lambda: state.phase == "streaming")
            await publish(broker, "tide/a", 4)
            await until(lambda: 4.0 in sink.values)


async def test_a_topic_whose_end_was_not_confirmed_ends_at_the_next_start(tmp_path, monkeypatch):
    file = tmp_path / "sessions.json"

    async def lost(*_: object) -> None:
        raise mqtt.StreamError("the broker died")

    with mosquitto(tmp_path / "broker") as broker:
        async with listening(config(broker, mappings=[TIDE, RAIN]), Sink(), SessionMemory(file)) as state:
            await until(lambda: state.phase == "streaming")
        with monkeypatch.context() as patch:
            patch.setattr(mqtt.Session, "unsubscribe", lost)
            async with listening(config(broker, mappings=[RAIN]), Sink(), SessionMemory(file)) as state:
                await until(lambda: "the broker died" in state.last_error)
        async with listening(config(broker, mappings=[RAIN]), Sink(), SessionMemory(file)) as state:
            await until(lambda: "tide/+" not in file.read_text())
            await publish(broker, "tide/a", 2)
            await asyncio.sleep(0.2)
            assert state.messages_received == 0


# --- floods ----------------------------------------------------------------------------------------------


@versions
async def test_a_flood_of_unreadable_messages_does_not_stop_the_stream(tmp_path, version):
    with mosquitto(tmp_path / "broker", "max_queued_messages 0") as broker:
        sink = Sink()
        async with listening(config(broker, version), sink) as state:
            await until(lambda: state.phase == "streaming")
            await publish(broker, "tide/a", *([b"\xff{"] * 3000), 7)
            await until(lambda: sink.values == [7.0], 60)
            assert (state.bad_messages, state.reconnects) == (3000, 0)
        async with listening(config(broker, version), sink) as state:
            await until(lambda: state.phase == "streaming")
            await publish(broker, "tide/a", 8)
            await until(lambda: sink.values == [7.0, 8.0])
            assert state.bad_messages == 0, "none comes again"


@versions
async def test_a_huge_message_costs_no_memory_and_does_not_stop_the_stream(tmp_path, version, monkeypatch):
    monkeypatch.setattr(mqtt_paho, "READ_BYTES", 4096)  # so that it is not there in one go
    longest = 0
    read = mqtt_paho.BoundedReading.packet_read

    def watched(self):
        nonlocal longest
        code = read(self)
        longest = max(longest, len(self.paho._in_packet["packet"]))
        return code

    monkeypatch.setattr(mqtt_paho.BoundedReading, "packet_read", watched)
    with mosquitto(tmp_path / "broker") as broker:
        sink = Sink()
        async with listening(config(broker, version), sink) as state:
            await until(lambda: state.phase == "streaming")
            await publish(broker, "tide/a", 1, b"x" * 20_000_000, 2)
            await until(lambda: sink.values == [1.0, 2.0], 60)
            assert state.reconnects == 0
            assert longest < 2_000_000
            if version == "3.1.1":  # in MQTT 5 the broker is told the limit, and keeps it back
                assert state.bad_messages == 1
                assert "tide/a: 20000010 bytes in one message" in state.last_error
        async with listening(config(broker, version), sink) as state:
            await until(lambda: state.phase == "streaming")
            await publish(broker, "tide/a", 3)
            await until(lambda: 3.0 in sink.values)
            assert sink.values == [1.0, 2.0, 3.0], "it was acknowledged"


@versions
async def test_no_more_is_under_way_than_was_asked_for(tmp_path, version):
    """In MQTT 5 the program sets the limit, in 3.1.1 the broker."""
    with mosquitto(tmp_path / "broker", f"max_inflight_messages {20 if version == '5' else 5}") as broker:
        sink = Sink()
        sink.open.clear()
        async with listening(config(broker, version, receive_maximum=5), sink) as state:
            await until(lambda: state.phase == "streaming")
            await publish(broker, "tide/a", *range(50))
            await asyncio.sleep(0.3)
            assert state.messages_received == 5
            sink.open.set()
            await until(lambda: sink.values == list(range(50)))


# --- old samples -----------------------------------------------------------------------------------------


@versions
async def test_a_retained_message_counts_by_its_own_time_or_not_at_all(tmp_path, version):
    untimed = JsonMapping(topic="rain/+", datastream="{1}.rain", value="v")
    with mosquitto(tmp_path / "broker") as broker:
        await publish(broker, "tide/a", 1, retain=True)
        await publish(broker, "rain/a", 2, retain=True)
        sink = Sink()
        async with listening(config(broker, version, mappings=[TIDE, untimed]), sink) as state:
            await until(lambda: sink.rows == [("a.water_level", 1.0)])
            await publish(broker, "rain/a", 3, retain=True)
            await until(lambda: sink.rows[1:] == [("a.rain", 3.0)])
            assert state.bad_messages == 0


async def test_a_broker_that_forgot_the_session_is_subscribed_to_again(tmp_path):
    with mosquitto(tmp_path / "broker") as broker:
        sink = Sink()
        async with listening(config(broker), sink) as state:
            await until(lambda: state.phase == "streaming")
            broker.kill()
            for memory in (tmp_path / "broker").glob("*.db"):
                memory.unlink()
            await until(lambda: state.phase != "streaming")
            broker.start()
            await until(lambda: state.phase == "streaming")
            await publish(broker, "tide/a", 5)
            await until(lambda: sink.values == [5.0])


# --- commands down ------------------------------------------------------------------------------------


def outgoing(*numbers: int, retain: bool = False) -> list[Outgoing]:
    return [Outgoing(f"down/{n}", b"x%d" % n, retain) for n in numbers]


async def heard(client: aiomqtt.Client, number: int) -> list[tuple[str, bytes, bool]]:
    found = []
    async with asyncio.timeout(20):
        async for message in client.messages:
            found.append((str(message.topic), bytes(message.payload), message.retain))
            if len(found) == number:
                break
    return sorted(found)


@versions
async def test_commands_are_published_and_confirmed_also_while_nothing_can_be_stored(tmp_path, version):
    with mosquitto(tmp_path / "broker") as broker:
        shut = Sink()
        shut.open.clear()
        async with (
            listening(config(broker, version), shut) as state,
            aiomqtt.Client("127.0.0.1", broker.port) as device,
        ):
            await until(lambda: state.phase == "streaming")
            await publish(broker, "tide/a", 1)
            await until(lambda: state.messages_received == 1)
            await device.subscribe("down/#", 1)
            assert await publish_all(config(broker, version), outgoing(*range(55))) == 55
            told = await heard(device, 55)
            assert told == sorted((f"down/{n}", b"x%d" % n, False) for n in range(55))
            assert state.reconnects == 0, "the session that listens is another one"


async def test_the_broker_keeps_a_command_for_a_device_that_sleeps(tmp_path):
    with mosquitto(tmp_path / "broker") as broker:
        await publish_all(config(broker), outgoing(7, retain=True))
        async with aiomqtt.Client("127.0.0.1", broker.port) as device:
            await device.subscribe("down/#", 1)
            assert await heard(device, 1) == [("down/7", b"x7", True)]


@versions
async def test_a_broker_that_is_away_refuses_or_says_nothing_is_named(tmp_path, version, monkeypatch):
    monkeypatch.setattr(mqtt_publish, "ANSWER_S", 0.5)
    with mosquitto(tmp_path / "broker", "allow_anonymous false") as broker:
        one = config(broker, version)
        with pytest.raises(OSError, match="does not take commands"):
            await publish_all(one, outgoing(1))
        broker.kill()
        with pytest.raises(OSError, match=f"mqtt://127.0.0.1:{broker.port} does not take commands"):
            await publish_all(one, outgoing(1))

    async def silent(peer: Peer) -> None:
        await peer.hold()

    async with scripted(silent) as server:
        one = MqttConfig(host="127.0.0.1", port=server.port, mappings=[TIDE], version=version)
        with pytest.raises(OSError, match="does not take commands"):
            await publish_all(one, outgoing(1))
