"""`kill -9` again and again while a real broker delivers: the store and the webhooks equal a quiet run's.

Two programs listen to the same broker. One is left alone; the other is killed at random moments (the seed
is printed; GROUNDSWELL_TEST_SEED repeats it), among them the moment at which an acknowledgement was answered.
"""

import asyncio
import contextlib
import json
import os
import random
import sqlite3
import threading
import time
from collections import Counter
from dataclasses import dataclass
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
        broker = stack.enter_context(mosquitto(tmp_path / "broker", "max_queued_messages 0"))
        caster_port = stack.enter_context(simulated_caster())
        runs = []
        for name in ("quiet", "killed"):
            folder = tmp_path / name
            folder.mkdir()
            hooks = stack.enter_context(receiver(folder / "webhooks.jsonl", SECRET, "204"))
            config = folder / "groundswell.toml"
            text = CONFIG.format(
                name=name, broker=broker.port, caster=caster_port, receiver=hooks.url, secret=SECRET
            )
            config.write_text(text)
            runs.append(Run(folder, config, hooks))
        quiet, killed = runs
        stack.callback(killed.end)
        stack.callback(quiet.end)
        for run in runs:
            run.start()
        for run in runs:
            run.program.wait_for("the subscription", run.subscribed)

        T0 = time.monotonic()
        def T(x): print(x, round(time.monotonic() - T0, 2), flush=True)
        first = Publisher(broker.port, range(ANSWERED))
        for _ in range(4):
            killed.kill_and_start(draw)
        T('kills')
        first.join()
        T('joined')
        for run in runs:
            run.wait_rows(ANSWERED * len(SENSORS))
            T('rows')
            (alert,) = run.program.wait_for("the alert", lambda run=run: run.program.items("/api/v1/alerts"))
            answer = httpx.post(
                f"{run.program.url}/api/v1/alerts/{alert['id']}/acknowledge",
                json={"by": "duty officer", "comment": "seen"},
                timeout=10,
            )
            if run is killed:
                killed.program.kill()
            assert answer.status_code == 200, answer.text
        second = Publisher(broker.port, range(ANSWERED, MINUTES))
        killed.start()
        for _ in range(5):
            killed.kill_and_start(draw)
        T('kills')
        second.join()
        T('joined')
        for run in runs:
            run.wait_rows(MINUTES * len(SENSORS))
            run.program.wait_for(
                "all deliveries",
                lambda run=run: not run.ask("select 1 from deliveries where state = 'pending'"),
            )
            run.program.wait_for(
                "a judged station",
                lambda run=run: run.program.items("/api/v1/stations")[0]["score"] is not None,
            )
            T('judged')
            assert run.program.stop() == 0, run.program.tail()
            assert "Traceback" not in run.program.log.read_text(errors="replace")
        print("kills", killed.kills, "rows at kills", killed.rows_at_kill)
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
    transitions = quiet.packed("alert_transitions", "transition", "opened_at_us", "at_us")
    assert [t["change"] for t in transitions if t["number"] == 1] == ["opened"]
    assert Counter(t["change"] for t in transitions) >= Counter(("opened", "level", "acknowledged", "closed"))
    assert killed.packed("alert_transitions", "transition", "opened_at_us", "at_us") == transitions
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
        assert all(event == several[0] for event in several), message_id
        assert timeless(several[0]) == timeless(expected_events[message_id][0])


def timeless(event):
    assert "error" not in event
    data = {key: value for key, value in event["data"].items() if key not in {"at", "opened_at", "url"}}
    return {**event, "timestamp": None, "data": data}


@dataclass
class Run:
    """A program that may be started again and again on the same data."""

    folder: Path
    config: Path
    hooks: Receiver
    kills: int = 0

    def __post_init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self.rows_at_kill: list[int] = []

    @property
    def program(self) -> Running:
        return self._program

    def start(self) -> None:
        self._program = self._stack.enter_context(running(self.folder, "run", "--config", self.config))

    def end(self) -> None:
        self._stack.close()

    def kill_and_start(self, draw: random.Random) -> None:
        """Kill while it starts or works, or just around a commit of samples."""
        if draw.random() < 0.25:
            time.sleep(draw.uniform(0.0, 2.0))
        else:
            self.program.wait_for("readiness", self.subscribed)
            for _ in range(draw.randrange(4)):
                self._wait_for_a_commit()
            time.sleep(draw.choice((0.0, 0.0, draw.uniform(0.0, 0.01), draw.uniform(0.0, 0.3))))
        self.program.kill()
        self.kills += 1
        self.rows_at_kill.append(self.rows())
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


class Publisher(threading.Thread):
    """Publishes some minutes of all series with QoS 1, in order, at a steady pace."""

    def __init__(self, port: int, minutes: range) -> None:
        super().__init__(daemon=True)
        self._port, self._minutes = port, minutes
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
