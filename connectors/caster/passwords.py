"""Comparing passwords beside the streams: few at a time, each address in its turn, guessers later."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import structlog

from connectors.caster.accounts import Accounts
from connectors.caster.guesses import Guesses, source_of
from streams.passwords import NOBODY, is_outdated, is_password

log = structlog.get_logger()

THREADS = max(1, min(4, (os.cpu_count() or 1) // 2))
"""Each check takes 19 MiB while it lasts."""
MOST_WAITING = 600
MOST_OF_STRANGERS = 400
"""Of those, from addresses where nobody was right of late."""
MOST_OF_ADDRESS = 50
GOOD_ADDRESSES = 20_000
_NICENESS = 10

Compare = Callable[[str, str], bool]
"""A password and what is kept of one: whether they belong together. Takes a while."""


def compare(password: str, kept: str) -> bool:
    """Return whether they belong together; it takes as long for what was kept in an old way."""
    is_right = is_password(password, kept)
    if is_outdated(kept):
        is_password(password, NOBODY)
    return is_right


@dataclass(slots=True, eq=False)
class _Waiting:
    password: str
    kept: str
    answer: asyncio.Future[bool]


@dataclass(slots=True)
class _Turns:
    """Who waits, address by address."""

    by_address: dict[str, deque[_Waiting]] = field(default_factory=dict)

    def put(self, address: str, waiting: _Waiting) -> None:
        self.by_address.setdefault(address, deque()).append(waiting)

    def take(self) -> _Waiting | None:
        while self.by_address:
            address = next(iter(self.by_address))
            line = self.by_address.pop(address)
            waiting = line.popleft()
            if line:
                self.by_address[address] = line  # behind all others
            if not waiting.answer.done():  # its rover is still there
                return waiting
        return None


class PasswordChecks:
    """Says whether a rover has the right password. All calls come from the event loop.

    Parameters
    ----------
    accounts
        What is compared with; what was right or wrong before is answered from its memory.
    clock_s
        Monotonic.
    compare_
        Runs in other threads.
    """

    def __init__(self, accounts: Accounts, clock_s: Callable[[], float], compare_: Compare = compare) -> None:
        self.guesses = Guesses()
        self._accounts = accounts
        self._clock_s = clock_s
        self._compare = compare_
        self._threads = ThreadPoolExecutor(THREADS, "passwords", initializer=_behind_streams)
        self._running = 0
        self._strangers, self._good = _Turns(), _Turns()
        self._is_turn_of_strangers = False
        self._good_addresses: dict[str, None] = {}
        self._present: Counter[str] = Counter()
        self._told: set[str] = set()

    def ask(self, name: str, password: str, address: str) -> asyncio.Task[bool] | None:
        """Begin to look whether name and password belong together; whose rover is gone may cancel it.

        None: too many wait, or too much was guessed from there.
        """
        source, present = source_of(address), self._present.total()
        most = MOST_WAITING if source in self._good_addresses else MOST_OF_STRANGERS
        if present >= most or self._present[source] >= MOST_OF_ADDRESS:
            return None
        wait_s = self.guesses.wait_s(name, address, self._clock_s())
        if wait_s is None:
            return None
        self._present[source] += 1
        task = asyncio.create_task(self._check(name, password, source, wait_s))
        task.add_done_callback(lambda _: self._leave(source))
        return task

    def stop(self) -> None:
        """Compare no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    # --- inside ---------------------------------------------------------------------------------------

    async def _check(self, name: str, password: str, source: str, wait_s: float) -> bool:
        if wait_s:
            await asyncio.sleep(wait_s)
        is_right = self._accounts.knows(name, password)
        if is_right is None:
            is_right = await self._compared(name, password, source)
        if is_right:
            self._good_addresses.pop(source, None)
            self._good_addresses[source] = None
            if len(self._good_addresses) > GOOD_ADDRESSES:
                del self._good_addresses[next(iter(self._good_addresses))]
        return is_right

    def _leave(self, source: str) -> None:
        self._present[source] -= 1
        if not self._present[source]:
            del self._present[source]

    async def _compared(self, name: str, password: str, source: str) -> bool:
        kept = self._accounts.kept(name)
        is_right = False
        if kept:
            waiting = _Waiting(password, kept, asyncio.get_running_loop().create_future())
            (self._good if source in self._good_addresses else self._strangers).put(source, waiting)
            self._next()
            is_right = await waiting.answer
        is_right = self._accounts.settle(name, password, kept, is_right=is_right)
        if is_right:
            self._tell_outdated(name, kept)
        elif self.guesses.failed(name, source, self._clock_s(), exists=self._accounts.get(name) is not None):
            log.warning("many wrong passwords for an account: somebody guesses", account=name)
        return is_right

    def _next(self) -> None:
        while self._running < THREADS:
            first, other = self._good, self._strangers
            if self._is_turn_of_strangers:
                first, other = other, first
            self._is_turn_of_strangers = not self._is_turn_of_strangers
            waiting = first.take() or other.take()
            if waiting is None:
                return
            self._running += 1
            done = asyncio.get_running_loop().run_in_executor(
                self._threads, self._compare, waiting.password, waiting.kept
            )
            done.add_done_callback(partial(self._answer, waiting))

    def _answer(self, waiting: _Waiting, done: asyncio.Future[bool]) -> None:
        self._running -= 1
        if not waiting.answer.done():
            if done.cancelled():
                waiting.answer.cancel()
            elif (error := done.exception()) is not None:
                waiting.answer.set_exception(error)
            else:
                waiting.answer.set_result(done.result())
        if not done.cancelled():
            done.exception()  # whoever asked may be gone
            self._next()

    def _tell_outdated(self, name: str, kept: str) -> None:
        if is_outdated(kept) and name not in self._told and len(self._told) < GOOD_ADDRESSES:
            self._told.add(name)
            log.warning("a password is kept in an old way: set it anew", account=name)


def _behind_streams() -> None:
    """Let the thread have what streams leave over, where the system can tell threads apart."""
    with contextlib.suppress(AttributeError, OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
