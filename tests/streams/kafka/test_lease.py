"""When work that ended may begin again; who has the lease is tried with a real broker elsewhere."""

from __future__ import annotations

import asyncio

import pytest

from streams.kafka import lease as module
from streams.kafka.access import Access
from streams.kafka.lease import Lease
from streams.kafka.output import FencedError
from tests.waiting import until


def leased(*ends: BaseException | None) -> tuple[Lease, list[int]]:
    """Return a lease whose work ends like this, one time after the other; then it goes on."""
    begun: list[int] = []
    left = list(ends)

    async def work() -> None:
        begun.append(1)
        if not left:
            await asyncio.Event().wait()
        if (end := left.pop(0)) is not None:
            raise end

    return Lease(Access("nowhere"), "alerts", "group", work), begun


async def test_work_goes_with_the_lease_and_comes_back_with_it():
    lease, begun = leased()
    await lease.on_partitions_assigned([])
    assert not lease.held
    await lease.on_partitions_assigned([object()])  # type: ignore[list-item]
    await until(lambda: begun)
    task = lease._task
    await lease.on_partitions_revoked([])
    assert task is not None
    assert task.cancelled()
    lease._look_after()
    await asyncio.sleep(0)
    assert (lease.held, len(begun)) == (False, 1)
    await lease.on_partitions_assigned([object()])  # type: ignore[list-item]
    await until(lambda: len(begun) == 2)
    await lease.on_partitions_revoked([])


async def test_work_that_was_shut_out_waits_longer_than_a_lease_that_is_lost_takes_to_show(monkeypatch):
    monkeypatch.setattr(module, "RETRY_S", 0.0)
    lease, begun = leased(None, FencedError("another"))
    await lease.on_partitions_assigned([object()])  # type: ignore[list-item]
    await until(lambda: begun and lease._task.done())
    lease._look_after()
    await until(lambda: len(begun) == 2 and lease._task.done())
    lease._look_after()
    assert lease._task is None
    wait_s = lease._again_s - asyncio.get_running_loop().time()
    assert wait_s > 0.9e-3 * module.SESSION_MS
    lease._again_s = 0.0
    lease._look_after()
    await until(lambda: len(begun) == 3)
    await lease.on_partitions_revoked([])


@pytest.mark.parametrize(
    ("end", "told", "words"),
    [
        (ValueError("a fault"), ValueError, "a fault"),
        (asyncio.CancelledError(), RuntimeError, "work of group was cancelled from within"),
    ],
)
async def test_a_fault_of_the_work_is_told(end, told, words):
    lease, begun = leased(end)
    await lease.on_partitions_assigned([object()])  # type: ignore[list-item]
    await until(lambda: begun and lease._task.done())
    with pytest.raises(told, match=words):
        lease._look_after()
