"""Samples that are posted, asked for and sent, and commands down: the whole program with real servers."""

import asyncio
import contextlib
import http.server
import json
import threading
import time
from pathlib import Path

import httpx
import paho.mqtt.client
import pytest

from connectors.http_push import hash_of
from streams import codec
from streams.kafka import admin
from streams.kafka.commands import KafkaCommands
from streams.kafka.output import Message, Output
from streams.kafka.reader import Reader
from streams.partitions import pieces
from streams.records import AlertTransitions, Command, SampleBatch
from streams.topics import ALERTS, COMMAND_OUTCOMES, SAMPLES
from tests.integration.processes import eventually
from tests.mosquitto import Broker, mosquitto
from tests.program import called, running
from tests.servers import KafkaServer
from tests.streams.test_site_levels import step

pytestmark = pytest.mark.integration

TOKEN = "a-long-random-token"
CONFIG = """
[[thing]]
id = "slope"
longitude = 104.0
latitude = 31.0
  [[thing.datastream]]
  property = "water_level"

[[thing]]
id = "buoy"
longitude = 122.0
latitude = 31.0
  [[thing.datastream]]
  id = "buoy.wave"
  property = "water_level"

[[http_push]]
id = "gateway"
token_hash = "{token_hash}"
  [[http_push.mappings]]
  topic = "gateway"
  datastream = "{{id}}"
  samples = ""
  value = "v"
  time = "t"
  time_format = "epoch_s"

[[http_poll]]
id = "buoy"
url = "http://127.0.0.1:{poll}/latest?day={{now:%Y%m%d}}"
interval_s = 1
allow_private = true
  [http_poll.mapping]
  topic = "#"
  datastream = "buoy.{{id}}"
  samples = ""
  value = "v"
  time = "t"
  time_format = "epoch_s"

[[mqtt]]
host = "127.0.0.1"
port = {broker}
client_id = "intake-test"
  [[mqtt.mappings]]
  topic = "up/+"
  datastream = "{{1}}.water_level"
  value = "v"
  [[mqtt.devices]]
  things = ["slope"]
  devices = ["{{thing}}-crack", "{{thing}}-tilt"]
  topic = "down/{{device}}"
  encoder = {{ format = "json", template = {{ cmd = "{{command}}", every = "{{interval_s}}" }} }}
  intervals_s = {{ normal = 3600, red = 60 }}
"""


class Buoy(http.server.BaseHTTPRequestHandler):
    """Tells the last samples of a buoy, the newest first."""

    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        newest = 1_750_000_000
        rows = [{"id": "wave", "t": newest - 60 * n, "v": n} for n in range(50)]
        body = json.dumps(rows).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def buoy():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Buoy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def devices(broker: Broker):
    """Listen as the devices do; yields what they are told."""
    heard: list[tuple[str, dict[str, object]]] = []
    client = paho.mqtt.client.Client(paho.mqtt.client.CallbackAPIVersion.VERSION2, "devices")
    client.on_connect = lambda *_: client.subscribe("down/#", 1)
    client.on_message = lambda _c, _u, message: heard.append((message.topic, json.loads(message.payload)))
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    try:
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()


def written(folder: Path, broker: Broker, poll: int, more: str = "") -> Path:
    file = folder / "groundswell.toml"
    config = CONFIG.format(broker=broker.port, poll=poll, token_hash=hash_of(TOKEN))
    file.write_text(more + config)
    return file


def posted(url: str, *seconds: int, token: str = TOKEN) -> httpx.Response:
    body = [{"id": "slope.water_level", "t": 1_750_000_000 + s, "v": s} for s in seconds]
    headers = {"authorization": f"Bearer {token}"}
    return httpx.post(f"{url}/api/v1/samples/gateway", json=body, headers=headers, timeout=30)


def test_one_process_takes_samples_on_all_ways_and_none_twice_over_a_kill(tmp_path):
    with mosquitto(tmp_path / "broker") as broker, buoy() as poll:
        config = written(tmp_path, broker, poll)

        def count(program, datastream):
            path = f"/api/v1/datastreams/{datastream}/observations"
            return len(program.items(path, start="2025-06-01T00:00:00Z", end="2025-07-01T00:00:00Z"))

        for life in range(2):
            with running(tmp_path, "run", "--config", config) as program:
                program.wait_ready()
                assert posted(program.url, 1, 2, 3).json()["accepted"] == 3
                assert posted(program.url, 3, 4 + life).status_code == 202
                assert posted(program.url, 1, token="wrong").status_code == 401
                asked = Buoy.asked
                program.wait_for("the buoy", lambda asked=asked: Buoy.asked > asked + 1)
                streams = {one["id"]: one for one in program.items("/api/v1/streams")}
                assert streams["http-push/gateway"]["phase"] == "streaming"
                assert streams["http-poll/buoy"]["phase"] == "streaming"
                assert count(program, "slope.water_level") == 4 + life
                assert count(program, "buoy.wave") == 50
                program.kill()


def test_a_command_reaches_the_devices_and_stands_in_the_audit(tmp_path):
    with mosquitto(tmp_path / "broker") as broker, buoy() as poll, devices(broker) as heard:
        config = written(tmp_path, broker, poll)
        with running(tmp_path, "run", "--config", config) as program:
            program.wait_ready()
            sent = called(
                "devices", "send", "slope", "set_interval", "interval_s=60",
                "--config", config, "--server", program.url, "--by", "li",
            )  # fmt: skip
            assert sent.returncode == 0, sent.stderr
            assert "Published for slope-crack, slope-tilt" in sent.stdout
            told = {"cmd": "set_interval", "every": 60}
            program.wait_for("the devices", lambda: len(heard) == 2, 10)
            assert sorted(heard) == [("down/slope-crack", told), ("down/slope-tilt", told)]
            (audited,) = program.items("/api/v1/commands")
            assert (audited["kind"], audited["target"], audited["by"]) == ("device_command", "slope", "li")
            assert audited["ok"] is True
            url = f"{program.url}/api/v1/things/slope/commands"
            for body, status, says in (
                ({"command": "set_interval"}, 409, "no argument 'interval_s'"),
                ({"command": "x", "device": "other"}, 409, "slope has no device 'other'"),
                ({}, 422, "command"),
            ):
                answer = httpx.post(url, json=body)
                assert (answer.status_code, says in answer.json()["detail"]) == (status, True), answer.text
            broker.kill()
            answer = httpx.post(url, json={"command": "x", "arguments": {"interval_s": 1}}, timeout=20)
            assert answer.status_code == 409
            assert "does not take commands" in answer.json()["detail"]
            assert len(heard) == 2


async def test_over_kafka_a_gatherer_takes_posts_and_publishes_commands(
    kafka: KafkaServer, prefix: str, tmp_path: Path
) -> None:
    await admin.apply(kafka.access, prefix=prefix)
    output = Output(kafka.access, "test")
    reader = Reader(kafka.access, (SAMPLES,), {}, prefix)
    await reader.start()
    outcomes = Reader(kafka.access, (COMMAND_OUTCOMES,), {}, prefix)
    await outcomes.start()
    commands = KafkaCommands(output, prefix)

    async def tell(steps) -> None:
        (message,) = pieces(AlertTransitions(transitions=steps))
        await output.send([Message(prefix + ALERTS.name, 0, message)])

    async def follow() -> None:
        while True:
            commands.listen([codec.decode(one.value) for one in await outcomes.next(0.1)])

    with mosquitto(tmp_path / "broker") as broker, buoy() as poll, devices(broker) as heard:
        kafka_section = f'[kafka]\nservers = "{kafka.bootstrap}"\nprefix = "{prefix}"\n'
        config = written(tmp_path, broker, poll, kafka_section)
        following = asyncio.create_task(follow())
        await tell([step("a", 1, "red", subject="slope.water_level")])
        with running(tmp_path, "gather", "--config", config) as program:
            await asyncio.to_thread(program.wait_ready)
            answer = await asyncio.to_thread(posted, program.url, 1, 2, 3)
            assert answer.status_code == 202
            found: list[int] = []

            async def came() -> bool:
                for one in await reader.next(0.2):
                    batch = codec.decode(one.value)
                    if isinstance(batch, SampleBatch) and "slope.water_level" in batch.datastream_ids:
                        found.extend(batch.time_us.tolist())
                return len(found) == 3

            await eventually(came, "the posted samples", tmp_path, 30)

            async def raised() -> bool:
                return [told["every"] for _, told in heard] == [60, 60]

            await eventually(raised, "the interval of a red alert", tmp_path, 30)
            asked = Command(
                id="one", kind="device_command", target="slope", by="li", at_us=time.time_ns() // 1000,
                arguments={"command": "reset", "arguments": {"interval_s": 5}, "device": "slope-tilt"},
            )  # fmt: skip
            outcome = await commands.command(asked)
            assert outcome.ok, outcome.message

            async def reset() -> bool:  # the broker has confirmed it, and passes it on
                return heard[2:] == [("down/slope-tilt", {"cmd": "reset", "every": 5})]

            await eventually(reset, "the device's command", tmp_path, 30)
            program.kill()
        await tell([step("a", 2, "red", "closed", subject="slope.water_level")])
        with running(tmp_path, "gather", "--config", config) as program:
            await asyncio.to_thread(program.wait_ready)

            async def lowered() -> bool:
                return [told["every"] for _, told in heard[3:]] == [3600, 3600]

            await eventually(lowered, "the interval without an alert", tmp_path, 30)
            await asyncio.sleep(1.0)
            assert len(heard) == 5
        following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    for one in (reader, outcomes):
        await one.stop()
    await output.close()


def test_a_gatherer_without_an_address_for_posts_says_so(tmp_path):
    with mosquitto(tmp_path / "broker") as broker:
        done = called("gather", "--config", written(tmp_path, broker, 1), "--data", tmp_path / "data")
    assert done.returncode != 0
    assert "give --http HOST:PORT" in done.stderr + done.stdout


def test_a_token_is_made_with_what_is_kept_of_it():
    printed = called("push-token").stdout.split()
    token, kept = printed[5], printed[-1].strip('"')
    assert hash_of(token) == kept
    assert len(token) > 40
