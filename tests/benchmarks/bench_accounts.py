"""What passwords cost a caster: rovers that come back, and floods of wrong ones beside a stream.

`python -m tests.benchmarks.bench_accounts` runs a caster in a process of its own with accounts kept as
argon2id, lets all of them in once and then again and again, and floods it from several addresses with wrong
passwords while rovers listen at 10 Hz and others, who were never there, come with right ones. A bare check
of argon2 stands beside. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import struct
import time
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import uvloop

from connectors.caster.connection import CasterLimits
from connectors.caster.passwords import compare
from connectors.caster.relay import Relay
from connectors.caster.server import Caster
from sensors.model import Station
from streams.definitions import AccountDefinition
from streams.passwords import hashed, is_password
from tests.connectors.test_caster import basic

HEAD = b"GET /S HTTP/1.0\r\nUser-Agent: NTRIP bench\r\n"
EPOCH = 2000
TICK_S = 0.1
LISTENERS = 20
AT_ONCE = 100


def cpu_s() -> float:
    return time.process_time()


def serve(pipe: Connection, kept: str, accounts: int) -> None:
    compared = 0

    def counting(password: str, kept: str) -> bool:
        nonlocal compared
        compared += 1
        return compare(password, kept)

    async def go() -> None:
        relay = Relay(asyncio.get_running_loop().time)
        limits = CasterLimits(connections=30_000, connections_per_address=30_000)
        caster = Caster(
            relay, lambda: [Station(id="S", name="S")], lambda: time.time_ns() // 1000, limits=limits,
            compare_=counting,
        )  # fmt: skip
        names = {f"u{k}": AccountDefinition(password_hash=kept) for k in range(accounts)}
        caster.accounts.replace(names, is_open=False)
        await caster.start("0.0.0.0", 0)
        pipe.send(caster.port)
        while True:
            relay.publish("S", struct.pack("<q", time.monotonic_ns()) + bytes(EPOCH - 8))
            await asyncio.sleep(TICK_S)
            if pipe.poll():
                if pipe.recv() == "stop":
                    break
                pipe.send((compared, cpu_s(), dict(caster.counters.refused)))
        await caster.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(go())


async def once(port: int, name: str, password: str, source: str) -> bytes:
    """Return the first line of the answer, and hang up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    writer.write(HEAD + basic(name, password))
    line = await reader.readline()
    writer.transport.abort()
    return line


async def let_in(port: int, name: str, source: str) -> float:
    """Return how long a right password took, trying again while the caster is busy."""
    begin = time.monotonic()
    while not (await once(port, name, "right", source)).startswith(b"ICY"):
        await asyncio.sleep(1.0)
    return time.monotonic() - begin


async def in_parallel(calls: list[Any]) -> list[Any]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(call: Any) -> Any:
        async with gate:
            return await call

    return await asyncio.gather(*map(one, calls))


async def listen(port: int, delays_ms: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD + basic("u0", "right"))
    await reader.readuntil(b"\r\n\r\n")
    while True:
        epoch = await reader.readexactly(EPOCH)
        delays_ms.append((time.monotonic_ns() - struct.unpack_from("<q", epoch)[0]) / 1e6)


async def drive(pipe: Connection, port: int, args: argparse.Namespace, found: dict[str, Any]) -> None:
    def told() -> tuple[int, float, dict[str, int]]:
        pipe.send("tell")
        answer: tuple[int, float, dict[str, int]] = pipe.recv()
        return answer

    names = [f"u{k}" for k in range(args.accounts)]
    begin = time.monotonic()
    await in_parallel([let_in(port, name, "127.0.0.1") for name in names[: args.accounts // 2]])
    found["first_s"], found["first_argon2"] = round(time.monotonic() - begin, 2), told()[0]
    before, begin = told(), time.monotonic()
    again = names[: args.accounts // 2] * (args.reconnects // (args.accounts // 2))
    lines = await in_parallel([once(port, name, "right", "127.0.0.1") for name in again])
    assert all(line.startswith(b"ICY") for line in lines)
    after = told()
    found["reconnects"], found["reconnects_s"] = len(again), round(time.monotonic() - begin, 2)
    found["reconnects_argon2"] = after[0] - before[0]
    found["reconnect_cpu_us"] = round((after[1] - before[1]) / len(again) * 1e6)

    for label, flood in (("quiet", 0), ("flood", args.wrong)):
        delays_ms: list[float] = []
        listeners = [asyncio.create_task(listen(port, delays_ms)) for _ in range(LISTENERS)]
        await asyncio.sleep(1.0)
        delays_ms.clear()
        before, begin = told(), time.monotonic()
        if flood:
            sources = [f"127.0.1.{k}" for k in range(1, 1 + args.addresses)]
            wrong = [once(port, f"u{k % 200}", f"wrong {k}", sources[k % len(sources)]) for k in range(flood)]
            attack = asyncio.create_task(in_parallel(wrong))
            await asyncio.sleep(0.5)
            known = await asyncio.gather(*(let_in(port, n, "127.0.0.1") for n in names[:20]))
            fresh = names[args.accounts // 2 : args.accounts // 2 + 20]
            new = await asyncio.gather(*(let_in(port, n, f"127.0.2.{k + 1}") for k, n in enumerate(fresh)))
            await attack
            found["known_rover_worst_s"], found["new_rover_worst_s"] = (
                round(max(known), 3),
                round(max(new), 3),
            )
            found["flood_s"] = round(time.monotonic() - begin, 1)
            after = told()
            found["flood_argon2"] = after[0] - before[0]
            found["flood_refused"] = after[2]
        else:
            await asyncio.sleep(5.0)
        found[f"{label}_p99_ms"] = round(float(np.percentile(delays_ms, 99)), 2)
        found[f"{label}_worst_ms"] = round(max(delays_ms), 2)
        for one in listeners:
            one.cancel()
        await asyncio.gather(*listeners, return_exceptions=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--accounts", type=int, default=400)
    parser.add_argument("--reconnects", type=int, default=10_000)
    parser.add_argument("--wrong", type=int, default=10_000)
    parser.add_argument("--addresses", type=int, default=50)
    args = parser.parse_args()
    kept = hashed("right", "salt")
    begin = time.monotonic()
    for _ in range(20):
        assert is_password("right", kept)
    found: dict[str, Any] = {"argon2_ms": round((time.monotonic() - begin) / 20 * 1000, 1)}
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, kept, args.accounts))
    process.start()
    try:
        port = ours.recv()
        asyncio.run(drive(ours, port, args, found))
    finally:
        ours.send("stop")
        process.join(20)
        process.kill()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
