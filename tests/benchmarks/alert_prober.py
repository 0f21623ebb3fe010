"""Gauges whose water rises, and the receiver that is told of it: one process, so that one clock tells both.

`python -m tests.benchmarks.alert_prober MQTT_PORT HTTP_PORT GAUGES FIRST_US SECONDS`. Each gauge sends at
once what it has measured until now, and later, at a moment of its own within SECONDS, the one sample that
completes a detection (`high_water`). Prints one JSON object: for each gauge when that sample was published,
and when the first webhook about it had come, µs of UTC.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import sys
import time

import numpy as np

from tests.benchmarks.national_sensors import Broker, packet

BEFORE = ((-900, 1.0), (-840, 1.0), (-780, 1.0), (-400, 4.0), (-399, 4.0))
"""Seconds before the beginning, and metres: above the level for long enough with the next sample."""
HIGH_M = 4.0
WAIT_S = 20.0
DETECTOR = "high_water = { yellow_m = 3.0, hold_s = 300.0, step_m = 100.0 }"


def gauge(number: int) -> str:
    """Return the id of a gauge's site."""
    return f"T{number:05d}"


def message(number: int, samples: list[tuple[int, float]], packet_id: int) -> bytes:
    """Return the PUBLISH of some samples (time in ms, value) of one gauge."""
    site = gauge(number)
    topic = f"sensors/{site}".encode()
    told = ",".join(f'{{"id":"{site}.level","t":{ms},"v":{value}}}' for ms, value in samples)
    head = struct.pack(">H", len(topic)) + topic + struct.pack(">H", packet_id % 65_535 + 1)
    return packet(0x32, head + f'{{"samples":[{told}]}}'.encode())


class Receiver:
    """Takes posts over connections that stay, and notes when the first of each gauge was there."""

    def __init__(self) -> None:
        self.arrived_us: dict[str, int] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer what comes over one connection."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
                body = await reader.readexactly(length)
                now_us = time.time_ns() // 1000
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                self.arrived_us.setdefault(json.loads(body)["data"]["subject_id"], now_us)
        writer.close()


async def probe(mqtt: int, http: int, gauges: int, first_us: int, seconds: int) -> dict[str, object]:
    """Publish and receive."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", http)
    connected = asyncio.get_running_loop().create_connection(
        lambda: Broker("alert-prober"), "127.0.0.1", mqtt
    )
    transport, broker = await connected
    begin_ms = first_us // 1000
    for number in range(gauges):
        samples = [(begin_ms + 1000 * at_s, value) for at_s, value in BEFORE]
        transport.write(message(number, samples, number))
        await asyncio.sleep(0.005)
    at_us = first_us + np.sort(np.random.default_rng(3).uniform(0, seconds * 1e6, gauges)).astype(np.int64)
    published_us, late_s = {}, 0.0
    for number in np.random.default_rng(4).permutation(gauges).tolist():
        due_s = at_us[len(published_us)] / 1e6
        await asyncio.sleep(max(due_s - time.time(), 0))
        now_us = time.time_ns() // 1000
        late_s = max(late_s, now_us / 1e6 - due_s)
        transport.write(message(number, [(now_us // 1000, HIGH_M)], number))
        published_us[f"{gauge(number)}.level"] = now_us
    until_s = time.monotonic() + WAIT_S
    while len(receiver.arrived_us) < gauges and time.monotonic() < until_s and not broker.is_lost:
        await asyncio.sleep(0.05)
    transport.close()
    server.close()
    return {
        "published_us": published_us,
        "arrived_us": receiver.arrived_us,
        "late_s": round(late_s, 3),
        "cpu_s": time.process_time(),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(probe(*map(int, sys.argv[1:6])))))
