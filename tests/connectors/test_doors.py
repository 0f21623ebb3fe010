from __future__ import annotations

import asyncio

from connectors.doors import Door, Doors
from tests.waiting import until


async def test_who_waits_for_a_server_hears_that_it_is_back():
    door = Door()
    waiting = [asyncio.create_task(door.wait(3600.0)) for _ in range(5)]
    await asyncio.sleep(0)
    door.opened()  # it was never shut: nobody need hurry
    await asyncio.sleep(0.01)
    assert not any(task.done() for task in waiting)
    door.shut()
    door.opened()
    await asyncio.wait_for(asyncio.gather(*waiting), 20)


async def test_nobody_waits_longer_than_he_would():
    door = Door()
    door.shut()
    await asyncio.wait_for(door.wait(0.01), 20)


async def test_one_after_the_other():
    door, inside = Door(per_s=1e-3), []

    async def enter(name):
        await door.enter()
        inside.append(name)

    tasks = [asyncio.create_task(enter(k)) for k in range(3)]
    await until(lambda: inside)
    await asyncio.sleep(0.01)
    assert inside == [0]
    for task in tasks:
        task.cancel()


def test_a_server_has_one_door():
    doors = Doors()
    assert doors.at("Caster.example", 2101) is doors.at("caster.example", 2101)
    assert doors.at("caster.example", 2102) is not doors.at("caster.example", 2101)
