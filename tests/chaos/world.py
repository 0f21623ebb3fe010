"""The outside world in a process of its own: stations behind a caster, gauges, rovers, and the ledger.

`python -m tests.chaos.world JSON`: see `World`. The devices begin at SIGUSR1, when somebody listens to them.
SIGTERM ends it: what they have published is confirmed by the broker first.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import msgspec

from tests.chaos.ledger import LedgerWriter
from tests.chaos.sensors import Gauge, publish
from tests.chaos.stations import LedgerCaster, clock_us, rover, station_id


class World(msgspec.Struct):
    """What there is, and where."""

    folder: str
    host: str
    caster_port: int
    mqtt_port: int
    rover_address: tuple[str, str]
    stations: int
    sensors: int
    alerting: int
    rovers: int
    seed: int


async def main(world: World) -> None:
    ledger = LedgerWriter(Path(world.folder))
    ending, listened = asyncio.Event(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, listened.set)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    caster = LedgerCaster(world.stations, ledger)
    server = await caster.serve(world.host, world.caster_port)
    sending = asyncio.create_task(caster.run(world.stations, world.seed))

    async def devices() -> None:
        await listened.wait()
        begin_us = clock_us()
        gauges = [Gauge(i, i < world.alerting, begin_us, world.seed) for i in range(world.sensors)]
        await publish(gauges, world.host, world.mqtt_port, ledger, ending)

    publishing = asyncio.create_task(devices())
    others = [
        asyncio.create_task(rover(i, world.rover_address, station_id(i * 7 % world.stations), ledger))
        for i in range(world.rovers)
    ]

    async def flushing() -> None:
        while True:
            await asyncio.sleep(0.5)
            ledger.flush()

    others.append(asyncio.create_task(flushing()))
    end = asyncio.create_task(ending.wait())
    await asyncio.wait([end, sending, publishing], return_when=asyncio.FIRST_COMPLETED)
    if sending.done():
        await sending  # it never ends but by a fault
    sending.cancel()
    await publishing
    await asyncio.sleep(1.0)  # the last epochs go out
    for task in others:
        task.cancel()
    server.close()
    ledger.flush()


if __name__ == "__main__":
    asyncio.run(main(msgspec.json.decode(sys.argv[1], type=World)))
