"""The upkeep of a process that writes a store: a task beside the commits, and its figures."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import structlog

from dashboards.metrics import Figure
from deploy.clock import wall_clock_us
from deploy.figures import counter, gauge
from deploy.settings import DatabaseSettings
from storage.sql.expiry import TABLES
from storage.upkeep import Kept, Upkeep

log = structlog.get_logger()

PAUSE_S = 1.0
_DAY_S = 86_400
_CUT = ("station_epochs", "station_figures", "station_periods", "samples")
"""Tables that are cut into partitions, where rows may lie apart."""


def retention_s(settings: DatabaseSettings) -> dict[str, int]:
    """Return how long rows are kept by table; those that are kept for ever are absent."""
    days = {
        "station_epochs": settings.report_days,
        "samples": settings.sample_days,
        "station_figures": settings.figure_days,
        "station_periods": settings.period_days,
        "station_minutes": settings.minute_days,
        "sample_minutes": settings.minute_days,
        "station_hours": settings.hour_days,
        "sample_hours": settings.hour_days,
        "alerts": settings.alert_days,
    }
    return {table: n * _DAY_S for table, n in days.items() if n}


@contextlib.asynccontextmanager
async def kept_in_shape(store: Kept, settings: DatabaseSettings) -> AsyncIterator[list[Figure]]:
    """Do what a store needs beside its commits, while the context lasts; give its figures."""
    upkeep = Upkeep(store, retention_s(settings), wall_clock_us)
    with ThreadPoolExecutor(1, "upkeep") as thread:
        task = asyncio.create_task(_run(upkeep, thread), name="upkeep")
        try:
            yield upkeep_figures(upkeep, store)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _run(upkeep: Upkeep, thread: ThreadPoolExecutor) -> None:
    said = ""
    while True:
        try:
            await asyncio.get_running_loop().run_in_executor(thread, upkeep.work)
            said = ""
        except Exception as error:  # noqa: BLE001 - whatever it is, commits go on and it is tried again
            if repr(error) != said:
                said = repr(error)
                log.error("the upkeep of the store failed, trying again", error=said)
            upkeep.failures += 1
        await asyncio.sleep(PAUSE_S)


def upkeep_figures(upkeep: Upkeep, store: object) -> list[Figure]:
    """Return how the upkeep is doing."""

    def expired() -> Mapping[tuple[str, ...], float]:
        return {(table,): upkeep.expired[table] for table in sorted({*TABLES, *upkeep.expired})}

    def apart() -> Mapping[tuple[str, ...], float]:
        counts = dict(getattr(store, "rows_apart", {}))
        return {(table,): counts.get(table, 0) for table in sorted({*_CUT, *counts})}

    def behind_s() -> float:
        oldest_us = upkeep.health.oldest_us
        return 0.0 if oldest_us is None else max(0.0, (upkeep.clock_us() - oldest_us) / 1e6)

    return [
        counter("store_rollup_steps", "Steps of summing up.", lambda: upkeep.steps),
        gauge("store_rollup_marks", "Spans that are to be summed up anew.", lambda: upkeep.health.marks),
        gauge("store_rollup_behind_seconds", "Age of the oldest mark of minutes.", behind_s),
        counter(
            "store_rollup_frozen",
            "Spans that came too late to be summed up: their rows have expired.",
            lambda: upkeep.health.frozen,
        ),
        gauge(
            "store_clock_ahead_seconds",
            "How far this clock is ahead of the newest stored row, looked at once an hour.",
            lambda: max(0.0, upkeep.clock_ahead_us / 1e6),
        ),
        gauge(
            "store_floor_ahead_seconds",
            "How far what counts as expired reaches beyond the newest stored row, looked at once an hour.",
            lambda: max(0.0, upkeep.floor_ahead_us / 1e6),
        ),
        counter("store_upkeep_failures", "Times that the upkeep failed.", lambda: upkeep.failures),
        Figure("store_expired_rows", "Rows dropped for their age, about.", "counter", expired, ("table",)),
        Figure(
            "store_rows_apart",
            "Rows far from now, which stand in no partition of their own.",
            "counter",
            apart,
            ("table",),
        ),
    ]
