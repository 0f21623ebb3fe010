"""`kill -9` again and again while a real broker delivers: the store and the webhooks equal a quiet run's.

Two programs listen to the same broker. One is left alone; the other is killed at random moments (the seed
is printed; GROUNDSWELL_TEST_SEED repeats it), when a tsunami is stored and the broker does not know of it,
and when an acknowledgement was just answered.
"""

import asyncio
import contextlib
import json
import os
import random
import socket
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import msgspec
import paho.mqtt.client as mqtt
import pytest

from connectors.caster.relay import Relay
from connectors.caster.server import Caster
from gnss.simulate import SimulatedStation
from sensors.model import Station
from sensors.simulate import TideGauge, Tilt, Tsunami
from tests.mosquitto import mosquitto
from tests.program import Running, running
from tests.webhook_receiver import Receiver, receiver

pytestmark = pytest.mark.acceptance

PUBACK = 4
TIMES = ("at", "opened_at", "ended_at", "url")
"""Of an event: they hold receiving times, and the port of the run."""
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BEGIN_US = 1_767_225_600_000_000  # 2026-01-01
MINUTE_US = 60_000_000
MINUTES, WAVE, ANSWERED = 1800, 600, 700
"""Of the series: how many, when the tsunami begins, and after which one the alert is acknowledged."""
PER_S = 140
"""Minutes that are published in a second."""
SENSORS = {
    "harbour.water_level": TideGauge(3, Tsunami(BEGIN_US + WAVE * MINUTE_US, amplitude_m=4.0)),
    "pier.water_level": TideGauge(4),
    "slope.tilt": Tilt(5),
}
TIMES_US = ("opened_at_us", "at_us", "ended_at_us")
CONFIG = """
[[station]]
id = "SIMU"
source = "ntrip://127.0.0.1:{caster}/SIMU"

[[thing]]
id = "harbour"
longitude = 118.07
latitude = 24.45
  [[thing.datastream]]
  property = "water_level"
  detectors = {{ sea_level = {{}} }}

[[thing]]
id = "pier"
longitude = 120.95
latitude = 27.93
  [[thing.datastream]]
  property = "water_level"
  detectors = {{ sea_level = {{}} }}

[[thing]]
id = "slope"
longitude = 103.7
latitude = 36.1
  [[thing.datastream]]
  property = "tilt"

[[mqtt]]
host = "127.0.0.1"
port = {broker}
client_id = "groundswell-{name}"
  [[mqtt.mappings]]
  topic = "s/+"
  datastream = "{{1}}"
  value = "v"
  time = "t"
  time_format = "epoch_us"

[[webhook]]
id = "duty"
url = "{receiver}"
secret = "{secret}"
allow_private = true
"""


def test_a_program_that_is_killed_and_one_that_is_not_keep_the_same(tmp_path):
    seed = int(os.environ.get("GROUNDSWELL_TEST_SEED") or random.randrange(1_000_000))
    print("GROUNDSWELL_TEST_SEED", seed)
    draw = random.Random(seed)
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(mosquitto(tmp_path / "broker", "max_queued_messages 0", "log_type all"))
        caster_port = stack.enter_context(simulated_caster())
        runs = []
        for name in ("quiet", "killed"):
            folder = tmp_path / name
            folder.mkdir()
            hooks = stack.enter_context(receiver(folder / "webhooks.jsonl", SECRET, "204"))
            config = folder / "groundswell.toml"
            link = stack.enter_context(Link(broker.port))
            text = CONFIG.format(
                name=name, broker=link.port, caster=caster_port, receiver=hooks.url, secret=SECRET
            )
            config.write_text(text)
            runs.append(Run(folder, config, hooks, link))
        quiet, killed = runs
        stack.callback(killed.end)
        stack.callback(quiet.end)
        for run in runs:
            run.start()
        for run in runs:
            run.program.wait_for("the subscription", run.subscribed)

        first = Publisher(broker.port, range(WAVE - 200))
        for _ in range(2):
            killed.kill_and_start(draw)
        first.join()
        for run in runs:
            run.wait_rows(first.end)
        killed.program.kill()
        wave = Publisher(broker.port, range(WAVE - 200, ANSWERED))
        wave.join()
        killed.start(deaf=True)
        killed.wait_rows(wave.end)  # all of the wave is stored, and the broker knows of nothing
        killed.kill("unacknowledged")
        killed.start()
        for run in runs:
            run.wait_rows(wave.end)
            (alert,) = run.program.wait_for("the alert", lambda run=run: run.program.items("/api/v1/alerts"))
            answer = httpx.post(
                f"{run.program.url}/api/v1/alerts/{alert['id']}/acknowledge",
                json={"by": "duty officer", "comment": "seen"},
                timeout=10,
            )
            if run is killed:
                killed.kill("answered")
            assert answer.status_code == 200, answer.text
        second = Publisher(broker.port, range(ANSWERED, MINUTES))
        killed.start()
        for _ in range(3):
            killed.kill_and_start(draw)
        second.join()
        for run in runs:
            run.wait_rows(second.end)
            run.program.wait_for(
                "all deliveries",
                lambda run=run: not run.ask("select 1 from deliveries where state = 'pending'"),
            )
            run.program.wait_for(
                "an epoch of the station",
                lambda run=run: run.program.items("/api/v1/stations")[0]["last_epoch"],
            )
            assert run.program.stop() == 0, run.program.tail()
            assert "Traceback" not in run.program.log.read_text(errors="replace")
        log = (tmp_path / "broker/mosquitto.log").read_text(errors="replace")
        again = log.count("Sending PUBLISH to groundswell-killed (d1")
        print("kills", killed.kills, "messages that came again", again)
        assert again > 600, "the broker was told too soon for this test to mean something"
        compare(quiet, killed)


def compare(quiet: "Run", killed: "Run") -> None:
    published = {
        (name, BEGIN_US + minute * MINUTE_US): sensor.value(BEGIN_US + minute * MINUTE_US)
        for name, sensor in SENSORS.items()
        for minute in range(MINUTES)
    }
    expected, found = quiet.samples(), killed.samples()
    assert {key: row[0] for key, row in expected.items()} == published
    assert {key: row[0] for key, row in found.items()} == published
    different = {key: (expected[key], found[key]) for key in expected if expected[key] != found[key]}
    assert not different, list(different.items())[:5]

    assert killed.packed("detections", "detection", "detected_at_us") == quiet.packed(
        "detections", "detection", "detected_at_us"
    )
    transitions = quiet.packed("alert_transitions", "transition", *TIMES_US)
    assert [t["change"] for t in transitions if t["number"] == 1] == ["opened"]
    assert Counter(t["change"] for t in transitions) >= Counter(("opened", "level", "acknowledged", "closed"))
    assert killed.packed("alert_transitions", "transition", *TIMES_US) == transitions
    alerts = "select alert_id, number, state, level from alerts"
    assert killed.ask(alerts) == quiet.ask(alerts)
    assert len(killed.ask(alerts)) == 1
    deliveries = "select webhook_id, alert_id, number, state from deliveries order by number"
    assert killed.ask(deliveries) == quiet.ask(deliveries)
    ((ok,),) = killed.ask("select ok from commands")
    assert ok == 1

    ids = {f"{t['alert_id']}.{t['number']}" for t in transitions}
    expected_events, events = quiet.events(), killed.events()
    assert set(expected_events) == set(events) == ids
    for message_id, several in events.items():
        assert len({json.dumps(without(event, "url")) for event in several}) == 1, message_id
        assert without(several[0], *TIMES) == without(expected_events[message_id][0], *TIMES)


def without(event, *names):
    assert "error" not in event
    data = {key: value for key, value in event["data"].items() if key not in names}
    return {"type": event["type"], "data": data}


@dataclass
class Run:
    """A program that may be started again and again on the same data."""

    folder: Path
    config: Path
    hooks: Receiver
    link: "Link"
    kills: list[tuple[str, int]] = field(default_factory=list)
    """The kind of each kill, and the rows that were there then."""

    def __post_init__(self) -> None:
        self._stack = contextlib.ExitStack()

    @property
    def program(self) -> Running:
        return self._program

    def start(self, *, deaf: bool = False) -> None:
        self.link.deaf = deaf
        self._program = self._stack.enter_context(running(self.folder, "run", "--config", self.config))

    def end(self) -> None:
        self._stack.close()

    def kill(self, kind: str) -> None:
        self.program.kill()
        self.kills.append((kind, self.rows()))

    def kill_and_start(self, draw: random.Random) -> None:
        """Kill while it starts, while it works, or when the broker missed acknowledgements of commits."""
        kind = draw.choice(("any", "commit", "unacknowledged"))
        if kind == "any":
            time.sleep(draw.uniform(0.0, 2.0))
        else:
            self.program.wait_for("the subscription", self.subscribed)
            self._wait_for_a_commit()
            self.link.deaf = kind == "unacknowledged"
            for _ in range(draw.randrange(1, 4)):
                self._wait_for_a_commit()
        self.kill(kind)
        self.start()

    def _wait_for_a_commit(self) -> None:
        before, end = self.rows(), time.monotonic() + 1.0
        while self.rows() == before and time.monotonic() < end:
            time.sleep(0.001)

    def subscribed(self) -> bool:
        return any(
            s["kind"] == "mqtt" and s["phase"] == "streaming" for s in self.program.items("/api/v1/streams")
        )

    def ask(self, query: str) -> list[tuple]:
        database = f"file:{self.folder}/data/groundswell.sqlite?mode=ro"
        with contextlib.closing(sqlite3.connect(database, uri=True, timeout=10)) as connection:
            return connection.execute(query).fetchall()

    def rows(self) -> int:
        with contextlib.suppress(sqlite3.OperationalError):  # not made yet
            return int(self.ask("select count(*) from samples")[0][0])
        return 0

    def wait_rows(self, rows: int) -> None:
        self.program.wait_for(f"{rows} samples", lambda: self.rows() >= rows)

    def samples(self) -> dict[tuple[str, int], tuple]:
        rows = self.ask(
            "select d.id, s.time_us, s.value, s.revision, s.flag, n.names, s.test_flags from samples as s "
            "join datastreams as d using (datastream_key) join names as n on n.name_key = s.tests"
        )
        return {(name, time_us): rest for name, time_us, *rest in rows}

    def packed(self, table: str, column: str, *without: str) -> list[dict]:
        rows = [msgspec.msgpack.decode(blob) for (blob,) in self.ask(f"select {column} from {table}")]
        return sorted(({k: v for k, v in row.items() if k not in without} for row in rows), key=repr)

    def events(self) -> dict[str, list[dict]]:
        events: dict[str, list[dict]] = {}
        for request in self.hooks.requests():
            events.setdefault(request["id"], []).append(request["event"])
        return events


class Link(contextlib.AbstractContextManager):
    """The way to the broker; while `deaf` it loses the program's acknowledgements."""

    def __init__(self, broker_port: int) -> None:
        self.deaf = False
        self._broker_port = broker_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                program = self._listener.accept()[0]
            except OSError:
                return
            with program, socket.create_connection(("127.0.0.1", self._broker_port)) as broker:
                down = threading.Thread(target=_pump, args=(broker, program, bytes), daemon=True)
                down.start()
                waiting = bytearray()
                _pump(program, broker, lambda data, waiting=waiting: self._passed(waiting, data))
                down.join()

    def _passed(self, waiting: bytearray, data: bytes) -> bytes:
        """Return the packets that may go on; bytes of an unfinished one wait."""
        waiting += data
        passed = bytearray()
        while packet := _first_packet(waiting):
            if not (self.deaf and packet[0] >> 4 == PUBACK):
                passed += packet
            del waiting[: len(packet)]
        return bytes(passed)


def _first_packet(data: bytearray) -> bytes:
    length, at = 0, 1
    while at < len(data):
        length |= (data[at] & 0x7F) << 7 * (at - 1)
        at += 1
        if not data[at - 1] & 0x80:
            return bytes(data[: at + length]) if len(data) >= at + length else b""
    return b""


def _pump(source: socket.socket, target: socket.socket, passed: Callable[[bytes], bytes]) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(passed(data))
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


class Publisher(threading.Thread):
    """Publishes some minutes of all series with QoS 1, in order, at a steady pace."""

    def __init__(self, port: int, minutes: range) -> None:
        super().__init__(daemon=True)
        self._port, self._minutes = port, minutes
        self.end = minutes.stop * len(SENSORS)
        """Samples in all when this publisher is through."""
        self.start()

    def run(self) -> None:
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        client.max_inflight_messages_set(1000)
        client.connect("127.0.0.1", self._port)
        client.loop_start()
        sent = []
        for minute in self._minutes:
            time_us = BEGIN_US + minute * MINUTE_US
            for name, sensor in SENSORS.items():
                payload = json.dumps({"t": time_us, "v": sensor.value(time_us)})
                sent.append(client.publish(f"s/{name}", payload, qos=1))
            time.sleep(1 / PER_S)
        for message in sent:
            message.wait_for_publish(30)
        client.disconnect()
        client.loop_stop()


@contextlib.contextmanager
def simulated_caster():
    """Serve one simulated station over NTRIP from a thread; yield the port."""
    ready, ports = threading.Event(), []

    async def serve() -> None:
        station = SimulatedStation(1, 118.07, 24.45, 50.0, seed=1)
        relay = Relay(asyncio.get_running_loop().time)
        caster = Caster(relay, lambda: [Station(id="SIMU", name="Simulated")], lambda: time.time_ns() // 1000)
        await caster.start("127.0.0.1", 0)
        ports.append(caster.port)
        ready.set()
        try:
            while not stop.is_set():
                frames = station.emit(time.time_ns() // 10**9 * 10**6).frames
                relay.publish("SIMU", b"".join(frames))
                await asyncio.sleep(1.0)
        finally:
            await caster.stop()

    stop = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(30)
    try:
        yield ports[0]
    finally:
        stop.set()
        thread.join(10)
