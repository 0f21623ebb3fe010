"""What all tests share: the folder of recordings, named by GROUNDSWELL_TEST_DATA."""

from __future__ import annotations

import asyncio
import inspect
import os
from pathlib import Path

import pytest

from deploy import kernel_cache

kernel_cache.use()  # before a test imports a kernel


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


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run `async def` tests in an event loop of their own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), timeout=300))
    return True
