"""Coroutines that work side by side, none of which may end without a word."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any


async def together(
    *work: Coroutine[Any, Any, None], until_first: bool = False, names: Sequence[str] = ()
) -> None:
    """Run coroutines until all have ended or one of them fails; the others are cancelled then.

    `asyncio.TaskGroup` and `asyncio.wait` take a part that was cancelled by something within, say by a client
    that gave up its answers, for one that has ended as it should. Nobody would do its work any more.

    Parameters
    ----------
    until_first
        Whether it is over as soon as one of them has ended.
    names
        What to call each of them in an error; what its function is called where this is left out.

    Raises
    ------
    RuntimeError
        One was cancelled, but not from outside.
    """
    called = names or [getattr(one, "__qualname__", "") for one in work]
    tasks = [asyncio.create_task(one, name=name) for one, name in zip(work, called, strict=True)]
    try:
        await _ended(tasks, until_first=until_first)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _ended(tasks: Sequence[asyncio.Task[None]], *, until_first: bool) -> None:
    waiting = set(tasks)
    while waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if task.cancelled():
                raise RuntimeError(f"{task.get_name()} was cancelled from within")
            task.result()
        if until_first:
            return
