"""The list of stations of a caster beside the store: read beside the streams, soon after a change."""

from __future__ import annotations

import asyncio
import threading

from deploy import station_list
from deploy.station_list import StationList
from sensors.model import Station
from streams.records import Changes, StationReports


async def test_it_is_read_in_a_thread_and_at_once_after_a_change(monkeypatch):
    monkeypatch.setattr(station_list, "EVERY_S", 60.0)
    there, threads = [Station(id="A", name="A")], []

    def read():
        threads.append(threading.current_thread())
        return list(there)

    stations = StationList(read)
    async with stations.followed():
        there.append(Station(id="B", name="B"))
        stations.listen([StationReports(reports=[])])
        await asyncio.sleep(0.1)
        assert [one.id for one in stations()] == ["A"]
        stations.listen([Changes(changes=[])])
        async with asyncio.timeout(5):
            while len(stations()) < 2:
                await asyncio.sleep(0.01)
    assert threading.main_thread() not in threads[1:]


async def test_it_serves_on_while_the_store_is_away(monkeypatch):
    monkeypatch.setattr(station_list, "EVERY_S", 0.01)
    away, asked = False, 0

    def read():
        nonlocal asked
        asked += 1
        if away:
            raise OSError("away")
        return [Station(id=f"S{asked}", name="S")]

    stations = StationList(read)
    async with stations.followed(), asyncio.timeout(5):
        away, before = True, asked
        while asked < before + 3:
            await asyncio.sleep(0.01)
        assert stations()
        away = False
        while stations()[0].id != f"S{asked}" or asked < before + 5:
            await asyncio.sleep(0.01)
