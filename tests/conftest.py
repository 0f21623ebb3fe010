"""What all tests share: the folder of recordings, named by GROUNDSWELL_TEST_DATA."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from deploy import kernel_cache
from tests import forks

if TYPE_CHECKING:
    from tests.postgres import Server

kernel_cache.use()  # before a test imports a kernel
# a slow machine is no fault of the program
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


LONG = (
    "integration/test_regional_accounts",
    "integration/test_page",
    "integration/test_worker",
    "acceptance/test_kill_live",
    "integration/test_caster_process",
    "integration/test_regions",
    "acceptance/test_roaming_rtkrcv",
    "integration/test_both_modes",
    "integration/test_alerts_without_database",
    "acceptance/test_told_once",
    "integration/test_changes",
    "integration/test_kafka_tls",
    "acceptance/test_tide_gauge",
    "integration/test_webhook_orders",
    "integration/test_distributed",
    "integration/test_kafka_sink",
    "integration/test_dev_servers",
    "integration/test_rover_page",
    "integration/test_intake",
    "integration/test_several_sources",
    "integration/test_mosquitto_sessions",
    "integration/test_caster_clients",
    "acceptance/test_kill",
    "integration/test_roaming",
    "integration/test_calls_over_kafka",
    "integration/test_kafka_away",
    "integration/test_sta_over_kafka",
    "deploy/test_decode_command",
    "rtcm/test_msm_decode",
    "deploy/test_several_sources",
    "deploy/test_score_command",
    "storage/test_kill",
    "selecting/test_selector",
    "quality/test_gnssmultipath",
    "roaming/test_drive",
    "processors/test_planted_faults",
    "deploy/test_warm_up",
    "rtcm/test_messages_pyrtcm",
    "quality/test_recordings",
    "dashboards/test_api_changes",
    "scoring/test_files",
    "dashboards/test_api_windows",
    "processors/test_divided",
    "processors/test_score_stations",
    "assembly/test_table",
)
"""These files begin first, so that no worker is left alone with one of them in the end."""


class Recordings:
    """Paths of recordings; a file that should be there and is not fails the test that asks for it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __truediv__(self, name: str) -> Path:
        path = self.root / name
        if not path.exists():
            pytest.fail(f"GROUNDSWELL_TEST_DATA is set, but {name} is missing in it")
        return path


@pytest.fixture(scope="session")
def data() -> Recordings:
    """Return the recordings, or skip when nobody said where they are."""
    root = os.environ.get("GROUNDSWELL_TEST_DATA")
    if not root:
        pytest.skip("GROUNDSWELL_TEST_DATA does not name the folder of recordings")
    return Recordings(Path(root))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """Return a running PostgreSQL. Leave it running, and ask it for a database."""
    from tests.postgres import shared_postgres

    with shared_postgres() as server:
        yield server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of `LONG` first; all workers have to find the same order."""
    rank = {name: i for i, name in enumerate(LONG)}
    items.sort(key=lambda item: rank.get(f"{item.path.parent.name}/{item.path.stem}", len(rank)))


def pytest_collection_finish() -> None:
    """Leave all that was imported out of the collector's looks, of which a run has thousands."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Let what ends be collected: extensions complain of what is not."""
    forks.end()
    gc.unfreeze()


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run `async def` tests in an event loop of their own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), timeout=300))
    return True
