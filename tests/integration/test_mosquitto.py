"""The MQTT connector and a real Mosquitto."""

import asyncio
import contextlib

import aiomqtt
import msgspec
import pytest

from connectors import mqtt, mqtt_session
from connectors.mqtt_config import MqttConfig
from connectors.mqtt_publish import publisher
from connectors.reconnect import BackOff
from sensors.payloads.json import JsonMapping
from sensors.payloads.sparkplug import SparkplugMapping
from sensors.payloads.sparkplug.wire import write_bytes, write_double, write_varint
from streams.records import SampleBatch
from streams.stream_state import StreamState
from tests.mosquitto import mosquitto
from tests.waiting import until

pytestmark = pytest.mark.integration

NOW_US = 1_760_000_000_000_000
MAPPING = JsonMapping(topic="tide/+/level", datastream="{1}.water_level", value="height", time="time")
versions = pytest.mark.parametrize("version", ["5", "3.1.1"])


class Sink:
    """Keeps samples; fails or waits when it is told to."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, float]] = []
        self.batches = 0
        self.failures = 0
        self.open = asyncio.Event()
        self.open.set()

    async def put_samples(self, batch: SampleBatch) -> None:
        await self.open.wait()
        if self.failures:
            self.failures -= 1
            raise OSError("disk full")
        self.batches += 1
        for series, value in zip(batch.series, batch.value, strict=True):
            self.rows.append((batch.datastream_ids[series], float(value)))

    @property
    def values(self) -> list[float]:
        return [value for _, value in self.rows]


def config(broker, version: str = "5", **more: object) -> MqttConfig:
    values = {"host": "127.0.0.1", "port": broker.port, "client_id": "test", "version": version}
    return MqttConfig(**{"mappings": [MAPPING], **values, **more})


@contextlib.asynccontextmanager
async def listening(one: MqttConfig, sink: Sink):
    """Run a connector that reconnects quickly, from its first subscription on."""
    state = StreamState("broker", "mqtt", one.source)
    quick = BackOff(first_s=0.05, most_s=0.05, refused_s=0.05)
    task = asyncio.create_task(mqtt.run(one, sink, state, clock_us=lambda: NOW_US, back_off=quick))
    try:
        yield state
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert state.phase == "stopped"


async def publish(broker, *heights: float, payload: bytes | None = None) -> None:
    async with publisher("127.0.0.1", broker.port, "device") as send:
        for height in heights:
            stamp = f"2025-10-09T08:{int(height) // 60 % 60:02d}:{int(height) % 60:02d}Z"
            await send("tide/apia/level", f'{{"height": {height}, "time": "{stamp}"}}'.encode())
        if payload is not None:
            await send("tide/apia/level", payload)


@versions
async def test_messages_become_samples_and_are_acknowledged(tmp_path, version):
    with mosquitto(tmp_path / "broker") as broker:
        sink = Sink()
        async with listening(config(broker, version), sink) as state:
            await until(lambda: state.phase == "streaming")
            await publish(broker, *range(100))
            await until(lambda: len(sink.rows) == 100)
            assert sink.rows == [("apia.water_level", float(n)) for n in range(100)]
            assert state.messages_received == 100
            assert state.bad_messages == 0
            assert state.last_received_us == NOW_US
        async with listening(config(broker, version), sink) as state:
            await until(lambda: state.phase == "streaming")
            await publish(broker, 500)
            await until(lambda: 500 in sink.values)
        assert len(sink.rows) == 101, "nothing that was acknowledged comes again"


@versions
async def test_what_is_sent_while_the_program_is_away_waits_at_the_broker(tmp_path, version):
    with mosquitto(tmp_path / "broker") as broker:
        sink = Sink()
        async with listening(config(broker, version), sink) as state:
            await until(lambda: state.phase == "streaming")
        await publish(broker, *range(50))
        async with listening(config(broker, version), sink):
            await until(lambda: len(sink.rows) == 50)
        assert sink.values == [float(n) for n in range(50)]


@versions
async def test_what_could_not_be_stored_is_sent_again(tmp_path, version):
    with mosquitto(tmp_path / "broker") as broker:
        sink = Sink()
        sink.failures = 2
        async with listening(config(broker, version), sink) as state:
            await until(lambda: state.phase == "streaming")
            await publish(broker, 1, 2, 3)
            await until(lambda: {1.0, 2.0, 3.0} <= set(sink.values))
            assert state.reconnects == 2
            assert "cannot be stored (disk full)" in state.last_error


@versions
async def test_a_program_that_dies_before_it_has_stored_gets_the_message_again(tmp_path, version):
    with mosquitto(tmp_path / "broker") as broker:
        first, second = Sink(), Sink()
        first.open.clear()
        async with listening(config(broker, version), first) as state:
            await until(lambda: state.phase == "streaming")
            await publish(broker, 7)
            await until(lambda: state.messages_received == 1)
        async with listening(config(broker, version), second):
            await until(lambda: second.values == [7.0])
        assert first.rows == []


@versions
@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_it_is_there_again_after_the_broker_was_away(tmp_path, version, end):
    with mosquitto(tmp_path / "broker") as broker:
        sink = Sink()
        async with listening(config(broker, version), sink) as state:
            await until(lambda: state.phase == "streaming")
            await publish(broker, 1)
            await until(lambda: sink.values == [1.0])
            getattr(broker, end)()
            await until(lambda: "cannot be reached" in state.last_error)
            assert state.phase in {"waiting", "connecting"}
            broker.start()
            await until(lambda: state.phase == "streaming")
            await publish(broker, 2)
            await until(lambda: 2.0 in sink.values)


@versions
async def test_a_bad_payload_is_counted_named_and_not_sent_again(tmp_path, version):
    with mosquitto(tmp_path / "broker") as broker:
        sink = Sink()
        async with listening(config(broker, version), sink) as state:
            await until(lambda: state.phase == "streaming")
            await publish(broker, 1, payload=b'{"height": "deep", "time": "2025-10-09T08:00:00Z"}')
            await publish(broker, 2, payload=b"\xff\xfe{")
            await publish(broker, 3)
            await until(lambda: sink.values == [1.0, 2.0, 3.0])
            assert state.bad_messages == 2
            assert "tide/apia/level" in state.last_error
        async with listening(config(broker, version), sink) as state:
            await until(lambda: state.phase == "streaming")
            await publish(broker, 4)
            await until(lambda: 4.0 in sink.values)
            assert state.bad_messages == 0


@versions
async def test_memory_is_bounded_while_nothing_can_be_stored(tmp_path, version, monkeypatch):
    monkeypatch.setattr(mqtt_session, "INBOX_MESSAGES", 20)
    with mosquitto(tmp_path / "broker", "max_inflight_messages 0") as broker:
        sink = Sink()
        sink.open.clear()
        seen: list[mqtt_session.Session] = []
        monkeypatch.setattr(mqtt_session, "Session", lambda *a: seen.append(made := ORIGINAL(*a)) or made)
        async with listening(config(broker, version), sink) as state:
            await until(lambda: state.phase == "streaming")
            await publish(broker, *range(3000))
            await until(lambda: seen[0]._paused)
            await asyncio.sleep(0.1)
            assert len(seen[0]._inbox) <= 20
            sink.open.set()
            await until(lambda: len(sink.rows) == 3000)
            assert sink.values == [float(n) for n in range(3000)]
            assert state.reconnects == 0


ORIGINAL = mqtt_session.Session


@versions
@pytest.mark.parametrize("kind", ["retained", "backlog"])
async def test_more_than_an_inbox_before_the_subscription_is_answered(tmp_path, version, kind):
    many = mqtt_session.INBOX_MESSAGES + 1500
    one = {
        "version": version,
        "receive_maximum": 65_535,
        "mappings": [MAPPING, msgspec.structs.replace(MAPPING, topic="tide/+/+/level")],
    }
    with mosquitto(tmp_path / "broker", "max_inflight_messages 0", "max_queued_messages 0") as broker:
        sink = Sink()
        if kind == "backlog":
            async with listening(config(broker, **one), sink) as state:
                await until(lambda: state.phase == "streaming")
        async with aiomqtt.Client("127.0.0.1", broker.port) as device:
            for n in range(many):
                topic, at = f"tide/g{n}/{'x/' * (n % 2)}level", "2025-10-09T08:00:00Z"
                is_last = n == many - 1
                await device.publish(
                    topic, f'{{"height": {n}, "time": "{at}"}}', qos=int(kind == "backlog" or is_last),
                    retain=kind == "retained",
                )  # fmt: skip
        async with listening(config(broker, **one), sink) as state:
            await until(lambda: len(sink.rows) >= many and state.phase == "streaming", 120.0)
            assert sorted(sink.values) == [float(n) for n in range(many)]
            assert state.reconnects == 0
            await publish(broker, many)
            await until(lambda: float(many) in sink.values)


async def test_a_burst_is_stored_in_few_batches(tmp_path):
    with mosquitto(tmp_path / "broker") as broker:
        sink = Sink()
        async with listening(config(broker), sink) as state:
            await until(lambda: state.phase == "streaming")
        await publish(broker, *range(1000))
        async with listening(config(broker), sink):
            await until(lambda: len(sink.rows) == 1000)
        assert sink.batches < 100


@versions
async def test_a_refusal_says_what_to_check(tmp_path, version):
    with mosquitto(tmp_path / "broker", "allow_anonymous false") as broker:
        async with listening(config(broker, version, username="a", password="b"), Sink()) as state:
            await until(lambda: state.last_error)
            assert f"the broker 127.0.0.1:{broker.port} refuses (" in state.last_error
            assert "check version, client_id, username and password" in state.last_error


async def test_a_quiet_broker_is_shown_as_stalled_until_a_message_comes(tmp_path):
    with mosquitto(tmp_path / "broker") as broker:
        sink = Sink()
        async with listening(config(broker, stall_s=0.2), sink) as state:
            await until(lambda: state.phase == "stalled")
            assert "no message for 0.2 s" in state.last_error
            await publish(broker, 1)
            await until(lambda: sink.values == [1.0])
            assert state.reconnects == 0


@versions
async def test_a_sparkplug_node_is_asked_for_its_birth(tmp_path, version):
    """A node that was born before this program came."""
    level = write_varint(2, 7) + write_double(13, 1.5)
    birth = write_varint(3, 0) + write_bytes(2, write_bytes(1, b"level") + write_varint(4, 10) + level)
    data = [write_varint(3, seq) + write_bytes(2, level) for seq in (0, 1)]
    asked: list[bytes] = []
    with mosquitto(tmp_path / "broker") as broker:
        sink = Sink()
        one = config(broker, version, mappings=[SparkplugMapping(datastream="{node}.{metric}")])
        async with (
            listening(one, sink) as state,
            aiomqtt.Client("127.0.0.1", broker.port, identifier="node") as node,
        ):
            await until(lambda: state.phase == "streaming")
            await node.subscribe("spBv1.0/g/NCMD/n1")
            await node.publish("spBv1.0/g/NDATA/n1", data[0])
            async for message in node.messages:
                asked.append(message.payload)
                break
            await node.publish("spBv1.0/g/NBIRTH/n1", birth)
            await node.publish("spBv1.0/g/NDATA/n1", data[1])
            await until(lambda: len(sink.rows) == 2)
            assert sink.rows == [("n1.level", 1.5)] * 2
            assert b"Node Control/Rebirth" in asked[0]
            assert state.notes["asked"] == 1
            assert "alias 7 is not known" in state.last_error
