"""Work side by side, of which no part ends without a word."""

from __future__ import annotations

import asyncio

import pytest

from streams.together import together


async def on() -> None:
    await asyncio.Event().wait()


async def cancelled() -> None:
    raise asyncio.CancelledError


async def failing() -> None:
    raise ValueError("a fault")


async def test_a_part_that_is_cancelled_from_within_ends_all_with_a_word():
    with pytest.raises(RuntimeError, match="cancelled was cancelled from within"):
        await together(on(), cancelled())


async def test_parts_are_called_by_the_names_that_they_are_given():
    with pytest.raises(RuntimeError, match="the second was cancelled from within"):
        await together(on(), cancelled(), names=["the first", "the second"])


async def test_a_fault_of_one_ends_the_others():
    with pytest.raises(ValueError, match="a fault"):
        await together(on(), failing())


async def test_it_ends_with_the_last_one_or_with_the_first():
    ended = []

    async def after(turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        ended.append(turns)

    await together(after(1), after(5))
    assert ended == [1, 5]
    await together(after(2), on(), until_first=True)
    assert ended == [1, 5, 2]


async def test_who_cancels_it_cancels_all_of_it():
    begun = asyncio.Event()
    left = []

    async def part() -> None:
        begun.set()
        try:
            await on()
        finally:
            left.append(1)

    work = asyncio.create_task(together(part(), part()))
    await begun.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert left == [1, 1]
