"""A country's sensors: samples over MQTT, QoS 1, ten in a message, and a ledger of them.

`python -m tests.benchmarks.national_sensors PORT SAMPLES_A_SECOND FIRST_US SECONDS` prints one JSON object
when the broker has confirmed all of it. Packets are written here (MQTT 3.1.1, section 3.3): a client library
would take as much of the machine as the gatherer that is measured.
"""

from __future__ import annotations

import asyncio
import json
import struct
import sys
import time

import numpy as np

SERIES = 20_000
IN_A_MESSAGE = 10
SPREAD = 20
"""Pieces of a second: sensors do not send all at once."""
UNCONFIRMED = 60_000
"""Messages: fewer than there are packet identifiers."""
PATIENCE_S = 60.0


class Broker(asyncio.Protocol):
    """A connection to a broker that counts what is confirmed."""

    def __init__(self, name: str = "national-sensors") -> None:
        self.name = name.encode()
        self.received_bytes = 0
        self.is_lost = False

    @property
    def confirmed(self) -> int:
        """Messages: CONNACK and each PUBACK have four bytes."""
        return max(self.received_bytes // 4 - 1, 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        name = struct.pack(">H", len(self.name)) + self.name
        transport.write(packet(0x10, b"\x00\x04MQTT\x04\x02\x00\x00" + name))

    def data_received(self, data: bytes) -> None:
        self.received_bytes += len(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True


def packet(kind: int, body: bytes) -> bytes:
    length, digits = len(body), bytearray()
    while True:
        length, digit = divmod(length, 128)
        digits.append(digit | (128 if length else 0))
        if not length:
            return bytes((kind,)) + digits + body


def message(number: int, numbers: np.random.Generator) -> bytes:
    """Return the PUBLISH of ten series of a site, as a device of little power writes it."""
    now_ms = time.time_ns() // 1_000_000
    site = f"B{number * IN_A_MESSAGE % SERIES // IN_A_MESSAGE:05d}"
    samples = ",".join(
        f'{{"id":"{site}.series{i}","t":{now_ms},"v":{value:.4f}}}'
        for i, value in enumerate(numbers.standard_normal(IN_A_MESSAGE).tolist())
    )
    topic = f"sensors/{site}".encode()
    head = struct.pack(">H", len(topic)) + topic + struct.pack(">H", number % 65_535 + 1)
    return packet(0x32, head + f'{{"samples":[{samples}]}}'.encode())


async def main() -> None:
    port, samples_a_second, first_us, seconds = (int(argument) for argument in sys.argv[1:5])
    transport, broker = await asyncio.get_running_loop().create_connection(Broker, "127.0.0.1", port)
    messages = samples_a_second // IN_A_MESSAGE // SPREAD
    numbers, published, late_s = np.random.default_rng(1), 0, 0.0
    for k in range(seconds * SPREAD):
        wait_s = (first_us + k * 1_000_000 // SPREAD) / 1e6 - time.time()
        await asyncio.sleep(max(wait_s, 0))
        while published - broker.confirmed > UNCONFIRMED and not broker.is_lost:
            await asyncio.sleep(0.01)
        late_s = max(late_s, -wait_s)
        transport.write(b"".join(message(published + m, numbers) for m in range(messages)))
        published += messages
    until_s = time.monotonic() + PATIENCE_S
    while broker.confirmed < published and time.monotonic() < until_s and not broker.is_lost:
        await asyncio.sleep(0.05)
    transport.close()
    ledger = {
        "samples": published * IN_A_MESSAGE,
        "confirmed": broker.confirmed * IN_A_MESSAGE,
        "late_s": late_s,
        "cpu_s": time.process_time(),
    }
    print(json.dumps(ledger))


if __name__ == "__main__":
    asyncio.run(main())
