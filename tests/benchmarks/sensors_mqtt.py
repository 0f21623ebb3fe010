"""Sensors over MQTT: how many messages a second, ten samples each, come in through a real Mosquitto.

`python -m tests.benchmarks.sensors_mqtt` goes up a ladder of rates and prints one JSON object with
`mqtt_messages_per_s`: the highest at which all that was published had come, been decoded and acknowledged a
moment later. QoS 1 on both sides, MQTT 5 to the listener. What comes after the connector is left out (its
sink takes a batch and forgets it), so that its own cost is seen; processor times say what limits.

The same file is the listener (`listen PORT MESSAGES`) and the devices (`send PORT RATE SECONDS`), each a
process. Devices write their packets themselves, made beforehand, since a client library would take as much of
the machine as what is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import struct
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from connectors import mqtt
from connectors.mqtt_config import MqttConfig
from sensors.payloads.json import JsonMapping
from streams.records import SampleBatch
from streams.stream_state import StreamState
from tests.benchmarks.national_sensors import UNCONFIRMED, Broker, packet
from tests.benchmarks.processes import cpu_s, started
from tests.mosquitto import mosquitto

IN_A_MESSAGE = 10
SITES = 2_000
RATES = (10_000, 20_000, 25_000, 30_000, 35_000, 40_000, 45_000, 50_000, 60_000)
SECONDS = 8
SPREAD = 20
"""Pieces of a second."""
LATE_S = 1.0
"""After the last message was sent the listener must have had all."""
MAPPING = JsonMapping(
    topic="sensors/+", datastream="{id}", value="v", samples="samples", time="t", time_format="epoch_ms"
)


class Sink:
    """Takes samples and forgets them."""

    def __init__(self) -> None:
        self.samples = 0

    async def put_samples(self, batch: SampleBatch) -> None:
        self.samples += len(batch)


def packets() -> list[tuple[bytes, bytes]]:
    """Return PUBLISH packets of all sites, each cut where its identifier stands."""
    numbers, now_ms, made = np.random.default_rng(1), time.time_ns() // 1_000_000, []
    for site in range(SITES):
        name = f"B{site:05d}"
        samples = ",".join(
            f'{{"id":"{name}.series{i}","t":{now_ms},"v":{value:.4f}}}'
            for i, value in enumerate(numbers.standard_normal(IN_A_MESSAGE).tolist())
        )
        topic = f"sensors/{name}".encode()
        head = struct.pack(">H", len(topic)) + topic
        whole = packet(0x32, head + b"\0\0" + f'{{"samples":[{samples}]}}'.encode())
        at = whole.index(head) + len(head)
        made.append((whole[:at], whole[at + 2 :]))
    return made


async def send(port: int, rate: int, seconds: int) -> dict[str, float]:
    transport, broker = await asyncio.get_running_loop().create_connection(Broker, "127.0.0.1", port)
    made, published, late_s = packets(), 0, 0.0
    begin_s = time.monotonic()
    for k in range(seconds * SPREAD):
        wait_s = begin_s + k / SPREAD - time.monotonic()
        await asyncio.sleep(max(wait_s, 0))
        late_s = max(late_s, -wait_s)
        while published - broker.confirmed > UNCONFIRMED and not broker.is_lost:
            await asyncio.sleep(0.01)
        pieces = []
        for number in range(published, published + rate // SPREAD):
            head, tail = made[number % SITES]
            pieces += (head, struct.pack(">H", number % 65_535 + 1), tail)
        transport.write(b"".join(pieces))
        published += rate // SPREAD
    sent_s = time.monotonic() - begin_s
    while broker.confirmed < published and time.monotonic() < begin_s + 3 * seconds and not broker.is_lost:
        await asyncio.sleep(0.01)
    transport.close()
    return {
        "messages": published,
        "confirmed": broker.confirmed,
        "sent_at_s": begin_s + sent_s,
        "late_s": late_s,
        "cpu_s": time.process_time(),
    }


async def listen(port: int, messages: int) -> dict[str, float]:
    """Take so many messages, or what comes in good time."""
    config = MqttConfig(
        host="127.0.0.1", port=port, client_id="bench", mappings=[MAPPING], receive_maximum=20_000
    )
    sink, state = Sink(), StreamState("bench", "mqtt", config.source)
    task = asyncio.create_task(mqtt.run(config, sink, state, clock_us=lambda: time.time_ns() // 1000))
    while state.phase != "streaming":
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    begin_s, cpu_begin_s = time.monotonic(), time.process_time()
    while sink.samples < messages * IN_A_MESSAGE and time.monotonic() < begin_s + 4 * SECONDS:
        await asyncio.sleep(0.005)
    taken = {
        "samples": sink.samples,
        "had_all_at_s": time.monotonic(),
        "bad_messages": state.bad_messages,
        "reconnects": state.reconnects,
        "cpu_s": time.process_time() - cpu_begin_s,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return taken


def step(folder: Path, rate: int) -> dict[str, Any]:
    """Return what became of one rate."""
    messages = rate // SPREAD * SPREAD * SECONDS
    folder.mkdir()
    here = (sys.executable, "-m", "tests.benchmarks.sensors_mqtt")
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(
            mosquitto(folder / "mqtt", "max_queued_messages 0", "max_inflight_messages 0")
        )
        assert broker.process is not None
        port = str(broker.port)
        listener = stack.enter_context(started(folder, "listen", *here, "listen", port, str(messages)))
        log = folder / "listen.log"
        while b"ready" not in log.read_bytes():
            assert listener.poll() is None, log.read_text()
            time.sleep(0.02)
        idle_s = cpu_s(broker.process.pid)
        devices = stack.enter_context(started(folder, "send", *here, "send", port, str(rate), str(SECONDS)))
        sent, taken = _told(devices, folder / "send.log"), _told(listener, log)
        broker_s = cpu_s(broker.process.pid) - idle_s
    behind_s = taken["had_all_at_s"] - sent["sent_at_s"]
    held = (
        sent["late_s"] < LATE_S
        and sent["confirmed"] == messages
        and taken["samples"] == messages * IN_A_MESSAGE
        and behind_s < LATE_S
        and not taken["reconnects"]
    )
    return {
        "rate": rate,
        "held": held,
        "behind_s": round(behind_s, 2),
        "devices_late_s": round(sent["late_s"], 2),
        "listener_us_a_message": round(taken["cpu_s"] / messages * 1e6, 1),
        "broker_us_a_message": round(broker_s / messages * 1e6, 1),
        "devices_us_a_message": round(sent["cpu_s"] / messages * 1e6, 1),
        "listener_mb": round(taken["memory_mb"]),
        "missing": messages - int(taken["samples"]) // IN_A_MESSAGE,
    }


def _told(process: Any, log: Path) -> dict[str, float]:
    process.wait(5 * SECONDS + 60)
    answer: dict[str, float] = json.loads(log.read_bytes().splitlines()[-1])
    return answer


def ladder(rates: Sequence[int] = RATES) -> dict[str, Any]:
    """Return the highest rate that holds, with all steps up to the first two that do not."""
    steps: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for rate in rates:
            steps.append(step(Path(folder) / str(rate), rate))
            print(json.dumps(steps[-1]), file=sys.stderr, flush=True)
            if len(steps) > 1 and not (steps[-1]["held"] or steps[-2]["held"]):
                break
    held = [one["rate"] for one in steps if one["held"]]
    return {"mqtt_messages_per_s": max(held, default=0), "samples_a_message": IN_A_MESSAGE, "steps": steps}


def main(arguments: Sequence[str]) -> None:
    if arguments[:1] == ["listen"]:
        answer: dict[str, Any] = asyncio.run(listen(*map(int, arguments[1:3])))
    elif arguments[:1] == ["send"]:
        answer = asyncio.run(send(*map(int, arguments[1:4])))
    else:
        answer = ladder([int(rate) for rate in arguments] or RATES)
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
