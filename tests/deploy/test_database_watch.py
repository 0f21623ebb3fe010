"""Who looks after the database: quick to notice, whether it fails or hangs."""

from __future__ import annotations

import asyncio
import threading

import pytest

from deploy import database_watch
from deploy.database_watch import DatabaseWatch
from tests.waiting import until


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(database_watch, "EVERY_S", 0.005)
    monkeypatch.setattr(database_watch, "PATIENCE_S", 0.05)


async def test_it_tells_of_failures_and_of_silence_and_of_the_return():
    failing, answering = threading.Event(), threading.Event()
    answering.set()
    asked = 0

    def question() -> None:
        nonlocal asked
        asked += 1
        if not answering.wait(30):
            raise AssertionError
        if failing.is_set():
            raise OSError("no route")

    watch = DatabaseWatch(question)
    work = asyncio.create_task(watch.run())
    await until(lambda: asked > 3)
    assert watch.away == ""
    failing.set()
    await until(lambda: watch.away)
    assert "no route" in watch.away
    failing.clear()
    await until(lambda: not watch.away)
    answering.clear()
    await until(lambda: watch.away)
    assert "does not answer within" in watch.away
    stuck = asked
    answering.set()
    await until(lambda: not watch.away and asked > stuck)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
