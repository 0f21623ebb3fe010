"""The upkeep of a store: what is called when, and what is told of it."""

from __future__ import annotations

import asyncio

import pytest

from dashboards.metrics import exposition
from deploy.settings import DatabaseSettings
from deploy.upkeep import kept_in_shape, retention_s, upkeep_figures
from storage.rows import RollupHealth, StoredTimes
from storage.upkeep import EVERY_US, Upkeep

DAY_S = 86_400


class Store:
    """Has some steps to do; may be away."""

    def __init__(self) -> None:
        self.steps = 3
        self.brought = 0
        self.asked: list[tuple[int, dict[str, int]]] = []
        self.is_away = False
        self.rows_apart = {"samples": 7}

    def tidy(self) -> None:
        if self.is_away:
            raise OSError("away")
        self.brought += 1

    def roll_up(self, now_us: int) -> bool:
        self.steps -= 1
        return self.steps >= 0

    def drop_expired(self, now_us: int, retention_s: dict[str, int]) -> dict[str, int]:
        self.asked.append((now_us, dict(retention_s)))
        return dict.fromkeys(retention_s, 5)

    def stored_times(self) -> StoredTimes:
        return StoredTimes(newest_us=10 * EVERY_US, floor_us=12 * EVERY_US)

    def rollup_health(self) -> RollupHealth:
        return RollupHealth(marks=2, oldest_us=1_000_000, frozen=1)


def test_rolling_up_goes_on_and_what_expires_is_looked_for_once_an_hour():
    store, now_us = Store(), [10 * EVERY_US]
    upkeep = Upkeep(store, {"samples": DAY_S}, lambda: now_us[0])
    for passed_us in (0, EVERY_US - 1, 1, 5):
        now_us[0] += passed_us
        upkeep.work()
    now_us[0] -= 3 * EVERY_US  # a clock that was set back
    text = exposition(upkeep_figures(upkeep, store)).decode()
    assert "groundswell_store_clock_ahead_seconds 3600.0" in text
    assert "groundswell_store_floor_ahead_seconds 7200.0" in text
    upkeep.work()
    assert (upkeep.steps, store.brought) == (3, 5)
    assert [at for at, _ in store.asked] == [10 * EVERY_US, 11 * EVERY_US, 8 * EVERY_US + 5]
    assert upkeep.expired == {"samples": 15}
    text = exposition(upkeep_figures(upkeep, store)).decode()
    assert "groundswell_store_clock_ahead_seconds 0.0" in text
    assert 'groundswell_store_expired_rows_total{table="samples"} 15.0' in text
    assert 'groundswell_store_rows_apart_total{table="samples"} 7.0' in text
    assert "groundswell_store_rollup_marks 2.0" in text
    assert "groundswell_store_rollup_frozen_total 1.0" in text
    assert "groundswell_store_rollup_steps_total 3.0" in text


async def test_a_store_that_is_away_is_tried_again(monkeypatch):
    monkeypatch.setattr("deploy.upkeep.PAUSE_S", 0.001)
    store = Store()
    store.is_away = True
    async with asyncio.timeout(60), kept_in_shape(store, DatabaseSettings()) as figures:
        failures = next(one for one in figures if one.name == "store_upkeep_failures")
        while failures.values()[()] < 2:
            await asyncio.sleep(0.001)
        assert store.asked == []
        store.is_away = False
        while not store.asked:
            await asyncio.sleep(0.001)
    assert store.asked[0][1] == {}, "nothing expires unless it is asked for"


def test_days_of_the_configuration_are_tables():
    assert retention_s(DatabaseSettings()) == {}
    asked = DatabaseSettings(report_days=30, sample_days=90, minute_days=365, alert_days=1000)
    assert retention_s(asked) == {
        "station_epochs": 30 * DAY_S,
        "samples": 90 * DAY_S,
        "station_minutes": 365 * DAY_S,
        "sample_minutes": 365 * DAY_S,
        "alerts": 1000 * DAY_S,
    }


@pytest.mark.parametrize(
    "days",
    [
        {"report_days": 30, "minute_days": 29},
        {"minute_days": 30},
        {"report_days": 1, "sample_days": 40, "minute_days": 30},
        {"report_days": 1, "sample_days": 1, "minute_days": 30, "hour_days": 7},
        {"report_days": 1, "sample_days": 1, "hour_days": 7},
    ],
)
def test_sums_are_kept_no_shorter_than_what_they_are_made_of(days):
    with pytest.raises(ValueError, match="no less than what it is summed up from"):
        DatabaseSettings(**days)
