"""A great event at the webhooks: thousands of steps of alerts, told to three receivers in their order.

`python -m tests.benchmarks.bench_tell_storm [--steps N] [--webhooks N] [--limit S]`. The notifier of the
program over a real Kafka tells steps with evidence of a tide gauge's size that come all at once. Beside it
the same bodies are posted, one after the other to each receiver, by httpx alone, which writes down nothing.
The last line is one JSON object: seconds until each receiver had all, the percentiles of a step's way to the
last receiver, and how many came twice or out of their order.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import secrets
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from aiokafka import AIOKafkaProducer
from rich.console import Console

from connectors.webhook_message import payload
from streams import codec
from streams.alerts import advance
from streams.kafka import admin
from streams.records import AlertTransition, AlertTransitions
from streams.topics import ALERTS
from tests.benchmarks.bench_alert_storm import detection, until
from tests.benchmarks.processes import family, started
from tests.program import GROUNDSWELL
from tests.servers import kafka_server

PREFIX = "storm."
CONFIG = '[kafka]\nservers = "{kafka}"\nprefix = "storm."\n'
WEBHOOK = '[[webhook]]\nid = "w{n}"\nurl = "{url}"\nsecret = "whsec_{secret}"\nallow_private = true\n'


@dataclass
class Receiver:
    """Takes everything, and notes what came when."""

    port: int = 0
    ids: list[str] = field(default_factory=list)
    came_s: dict[str, float] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
                told = dict(line.split(": ", 1) for line in head[1:] if line)
                await reader.readexactly(int(told["content-length"]))
                self.ids.append(told["webhook-id"])
                self.came_s.setdefault(told["webhook-id"], time.monotonic())
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}/"


@contextlib.asynccontextmanager
async def receiving(n: int) -> AsyncIterator[list[Receiver]]:
    """Run receivers."""
    async with contextlib.AsyncExitStack() as stack:
        made = [Receiver() for _ in range(n)]
        for one in made:
            server = await stack.enter_async_context(await asyncio.start_server(one.serve, "127.0.0.1", 0))
            one.port = server.sockets[0].getsockname()[1]
        yield made


def steps(n: int) -> list[AlertTransition]:
    """Return the beginnings of alerts."""
    random = np.random.default_rng(2)
    made = [advance(None, detection(k, "yellow", random)) for k in range(n)]
    return [one for one in made if one is not None]


async def told(
    receivers: list[Receiver], told: list[AlertTransition], begin_s: float, limit_s: float
) -> dict[str, Any]:
    """Wait until all have come; return figures."""
    names = [f"{one.alert_id}.{one.number}" for one in told]
    await until(limit_s, lambda: all(len(one.came_s) >= len(names) for one in receivers))
    last_s = [max(one.came_s[name] for one in receivers) - begin_s for name in names
              if all(name in one.came_s for one in receivers)]  # fmt: skip
    figures: dict[str, Any] = {"missing": len(names) - len(last_s)}
    if last_s:
        p50, p99, most = np.quantile(last_s, (0.5, 0.99, 1.0))
        figures |= {"p50_s": round(p50, 2), "p99_s": round(p99, 2), "all_s": round(most, 2)}
    twice = sum(len(one.ids) - len(one.came_s) for one in receivers)
    wrong = sum(list(one.came_s) != names[: len(one.came_s)] for one in receivers)
    return figures | {"twice": twice, "receivers_out_of_order": wrong}


async def bare(made: list[AlertTransition], receivers: list[Receiver]) -> None:
    """Post all, to each receiver in their order."""

    async def to(one: Receiver) -> None:
        async with httpx.AsyncClient() as client:
            for step in made:
                headers = {"webhook-id": f"{step.alert_id}.{step.number}"}
                await client.post(one.url, content=payload(step, "", "standard").body, headers=headers)

    await asyncio.gather(*(to(one) for one in receivers))


async def measured(folder: Path, given: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Return figures of the program, and of what does without it."""
    made = steps(given.steps)
    with kafka_server(folder / "kafka") as kafka:
        await admin.apply(kafka.access, prefix=PREFIX)
        async with receiving(given.webhooks) as receivers:
            config = folder / "groundswell.toml"
            secret = base64.b64encode(secrets.token_bytes(32)).decode()
            told_to = "".join(
                WEBHOOK.format(n=n, url=one.url, secret=secret) for n, one in enumerate(receivers)
            )
            config.write_text(CONFIG.format(kafka=kafka.bootstrap) + told_to)
            with started(folder, "notify", str(GROUNDSWELL), "notify", "--config", str(config)) as notifier:
                log = folder / "notify.log"
                with console.status("the notifier starts"):
                    while "telling" not in log.read_text():
                        assert notifier.poll() is None, log.read_text()
                        await asyncio.sleep(0.5)
                    await asyncio.sleep(3)
                async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap) as producer:
                    begin_s, cpu_s = time.monotonic(), family(notifier.pid)
                    for one in made:
                        batch = AlertTransitions(transitions=[one])
                        await producer.send(PREFIX + ALERTS.name, codec.encode(batch), partition=0)
                with console.status(f"{given.steps} steps to {given.webhooks} webhooks"):
                    program = await told(receivers, made, begin_s, given.limit)
                program["cpu_s"] = round(family(notifier.pid) - cpu_s, 1)
                if "error" in log.read_text():
                    console.print(log.read_text()[-3000:])
        async with receiving(given.webhooks) as receivers:
            begin_s = time.monotonic()
            await bare(made, receivers)
            beside = await told(receivers, made, begin_s, 1.0)
    return {"program": program, "bare": beside}


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--webhooks", type=int, default=3)
    parser.add_argument("--limit", type=float, default=180.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(measured(Path(folder), given, Console(stderr=True)))
    print(json.dumps({"steps": given.steps, "webhooks": given.webhooks} | figures))


if __name__ == "__main__":
    main()
