"""A station whose every epoch is eight messages, written apart, each with its place and time in it."""

from __future__ import annotations

import asyncio
import time

from gnss.rtcm.crc import crc24q

NUMBERS = (1077, 1077, 1087, 1097, 1107, 1117, 1127, 1127)
PARTS = len(NUMBERS)
MESSAGE_BYTES = 372
"""Of an MSM7 with ten satellites and three signals each (10 * 36 + 30 * 80 + 169 + 30 bits), rounded up."""
TRAILER_BYTES = 13
"""At the end of each message: epoch (4), of the part (1), monotonic ns of the first part (8)."""
APART_S = 0.002


def message(epoch: int, part: int, station: int, first_ns: int) -> bytes:
    """Return one frame of an epoch."""
    bits = NUMBERS[part] << 12 | station
    bits = (bits << 30 | epoch * 1000 % 604_800_000) << 1 | (part < PARTS - 1)
    body = (bits << 1).to_bytes(7, "big")
    fill = (b"%06d" % epoch) * 100
    trailer = epoch.to_bytes(4, "big") + part.to_bytes(1, "big") + first_ns.to_bytes(8, "big")
    body += fill[: MESSAGE_BYTES - len(body) - TRAILER_BYTES] + trailer
    frame = b"\xd3" + len(body).to_bytes(2, "big") + body
    return frame + crc24q(frame).to_bytes(3, "big")


EPOCH_BYTES = PARTS * (MESSAGE_BYTES + 6)


def whole(epoch: int) -> bytes:
    """Return an epoch made now."""
    now_ns = time.monotonic_ns()
    return b"".join(message(epoch, part, 1, now_ns) for part in range(PARTS))


class Stations:
    """Listens on a port for each station."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self._writers: dict[int, asyncio.StreamWriter] = {}
        self._servers: list[asyncio.Server] = []
        self.epochs = 0

    async def start(self, n: int) -> None:
        for i in range(n):

            def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter, station: int = i) -> None:
                self._writers[station] = writer

            server = await asyncio.start_server(connected, "127.0.0.1", 0)
            self._servers.append(server)
            self.ports.append(server.sockets[0].getsockname()[1])

    async def send(self, n: int) -> None:
        """Send an epoch a second of every station, all at the same time, as stations do."""
        assert len(self._writers) == len(self.ports), "not all stations are gathered"
        begin_s = time.monotonic()
        for k in range(n):
            await asyncio.sleep(begin_s + k - time.monotonic())
            first_ns = time.monotonic_ns()
            for part in range(PARTS):
                for station, writer in self._writers.items():
                    writer.write(message(self.epochs, part, station, first_ns))
                await asyncio.sleep(APART_S)
            self.epochs += 1
        await asyncio.sleep(1.0)

    async def stop(self) -> None:
        for server in self._servers:
            server.close()
        for writer in self._writers.values():
            writer.transport.abort()
