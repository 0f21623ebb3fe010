"""Many mountpoints whose stations write each epoch in eight pieces; half of them in chunks.

`python -m tests.benchmarks.gather_caster PORT STATIONS FIRST_US SECONDS AWAY_AFTER_S AWAY_S` serves NTRIP
clients, one a mountpoint. After `AWAY_AFTER_S` it closes all its sockets for `AWAY_S`, as a caster does that
is started again. It prints one JSON object at its end. Sockets and a schedule, nothing else: an event loop
would need the time that is to be measured.
"""

from __future__ import annotations

import contextlib
import json
import resource
import selectors
import socket
import sys
import time
from dataclasses import dataclass, field

from connectors.caster.link.whole_epochs import frame_ends
from gnss.rtcm.framing import build_frame
from gnss.simulate import simulated_network

WRITES = 8
PEERS = 10
"""The last of the mountpoints are for somebody else."""
APART_US = 3_000
"""Between the writes of an epoch."""
STAMP = b"\xff\xf0"
"""Message 4095, private: it carries when its epoch began to be written."""


@dataclass(slots=True)
class Caster:
    """Followers by the number of their station."""

    port: int
    sockets: dict[int, tuple[socket.socket, bool]] = field(default_factory=dict)
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    listener: socket.socket | None = None

    def listen(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=4096)
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ)

    def close(self) -> None:
        if self.listener is not None:
            self.selector.unregister(self.listener)
            self.listener.close()
        for key in tuple(self.selector.get_map().values()):
            self.selector.unregister(key.fileobj)
            key.fileobj.close()  # type: ignore[union-attr]
        for sock, _ in self.sockets.values():
            sock.close()
        self.sockets.clear()

    def serve(self, until_s: float) -> None:
        """Let clients in until a time of the wall clock."""
        while (left_s := until_s - time.time()) > 0:
            for key, _ in self.selector.select(left_s):
                if key.fileobj is self.listener:
                    with contextlib.suppress(BlockingIOError):
                        while True:
                            client, _ = self.listener.accept()
                            self.selector.register(client, selectors.EVENT_READ)
                else:
                    self._answer(key.fileobj)  # type: ignore[arg-type]

    def _answer(self, client: socket.socket) -> None:
        self.selector.unregister(client)
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        request = client.recv(4096)
        if not request:
            client.close()
            return
        number = int(request.split(b" ", 2)[1].removeprefix(b"/S"))
        in_chunks = b"HTTP/1.1" in request
        if in_chunks:
            client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        else:
            client.sendall(b"ICY 200 OK\r\n\r\n")
        self.sockets[number] = client, in_chunks

    def send(self, number: int, data: bytes) -> int:
        found = self.sockets.get(number)
        if found is None:
            return 0
        sock, in_chunks = found
        try:
            sock.send(b"%x\r\n%b\r\n" % (len(data), data) if in_chunks else data)
        except OSError:
            sock.close()
            self.sockets.pop(number)
            return 0
        return len(data)


def main() -> None:
    port, stations, first_us, seconds, away_after_s, away_s = (int(argument) for argument in sys.argv[1:7])
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    (rest,) = [payloads[0][1] for payloads in simulated_network(1, [first_us], 3)]
    ends = list(frame_ends(rest))
    first = ends[-2]  # within the epoch: behind all but its last message
    caster = Caster(port)
    caster.listen()
    caster.serve(first_us / 1e6 - 1)
    followed = len(caster.sockets)
    gap_us = 900_000 // stations
    plan: list[list[tuple[int, int]]] = [[] for _ in range(1000)]
    for number in range(stations):
        for write in range(WRITES):
            plan[(number * gap_us + write * APART_US) // 1000].append((number, write))
    sent_bytes, epochs, late_s, back_after_s = 0, 0, 0.0, -1.0
    begun: dict[int, list[bytes]] = {}
    away_until_s = 0.0
    for second in range(seconds):
        for ms, writes in enumerate(plan):
            due_s = first_us / 1e6 + second + ms / 1000
            if away_until_s:
                if time.time() < away_until_s:
                    time.sleep(max(due_s - time.time(), 0))
                    continue
                if caster.listener is None:
                    caster.listen()
                if back_after_s < 0 and len(caster.sockets) >= stations - PEERS:
                    back_after_s = time.time() - away_until_s
            caster.serve(due_s)
            late_s = max(late_s, time.time() - due_s)
            for number, write in writes:
                if write == 0:
                    stamp = build_frame(STAMP + time.monotonic_ns().to_bytes(8, "big") + bytes(100))
                    epoch = rest[:first] + stamp + rest[first:]
                    size = -(-len(epoch) // WRITES)
                    begun[number] = [epoch[at : at + size] for at in range(0, len(epoch), size)]
                    epochs += number in caster.sockets and number < stations - PEERS
                if number in begun:
                    written = caster.send(number, begun[number][write])
                    sent_bytes += written if number < stations - PEERS else 0
        if away_after_s and second == away_after_s:
            caster.close()
            caster.listener, caster.selector = None, selectors.DefaultSelector()
            begun.clear()
            away_until_s = time.time() + away_s
    time.sleep(1)
    ledger = {
        "followed": followed,
        "epochs": epochs,
        "bytes": sent_bytes,
        "epoch_bytes": len(rest) + 116,
        "late_s": round(late_s, 3),
        "all_back_after_s": round(back_after_s, 1),
    }
    print(json.dumps(ledger), flush=True)


if __name__ == "__main__":
    main()
