"""Rounds on their way into the store: one is committed while the next is worked out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np
import structlog
from numpy.typing import NDArray

from streams.inbox import Health
from streams.rounds import Keeper, Round

log = structlog.get_logger()
T = TypeVar("T")

RETRY_S = 1.0


class AbandonedError(Exception):
    """The stop does not wait for the store any longer."""


@dataclass(slots=True, eq=False)
class Storing:
    """Commits rounds in their order, at most one beside its caller; insists until the store takes them.

    Implements `streams.rounds.KnownSamples`: whoever asks what is stored waits for what is on its way.
    """

    keeper: Keeper
    health: Health
    abandon: threading.Event = field(default_factory=threading.Event)
    """Set: the stop does not wait for the store any longer."""
    _under_way: Future[None] | None = None

    def hand_over(self, work: Round, then: Callable[[], None]) -> None:
        """Commit a round once the one before it is done, and call `then` behind it in its thread.

        Raises
        ------
        AbandonedError
            As `finish` does, about the round before.
        """
        self.finish()
        self._under_way = under_way = Future[None]()
        # A daemon: a program that ends by a fault does not wait for a store that is away.
        threading.Thread(
            target=self._store, args=(work, then, under_way), name="storing", daemon=True
        ).start()

    def finish(self) -> None:
        """Return when all that was handed over is durable.

        Raises
        ------
        AbandonedError
            The stop does not wait for it.
        """
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            under_way.result()

    def stored(
        self,
        datastream_ids: Sequence[str],
        series: NDArray[np.int32],
        time_us: NDArray[np.int64],
        value: NDArray[np.float64],
    ) -> NDArray[np.bool_]:
        """Return which of these samples came before, with this value (NaN: without one)."""
        self.finish()
        return self.insist(partial(self.keeper.stored, datastream_ids, series, time_us, value))

    def insist(self, call: Callable[[], T]) -> T:
        """Do something with the store, again and again until it works.

        Raises
        ------
        AbandonedError
            The stop does not wait for it.
        """
        while True:
            try:
                result = call()
            except Exception as error:  # storage is away: wait, keep what we have, say so
                self.health.keep_error = f"{type(error).__name__}: {error}"
                log.error("cannot store, trying again", error=self.health.keep_error)
                if self.abandon.wait(RETRY_S):
                    raise AbandonedError from error
            else:
                self.health.keep_error = ""
                return result

    def _store(self, work: Round, then: Callable[[], None], under_way: Future[None]) -> None:
        try:
            self.insist(partial(self.keeper.keep, work))
            then()
        except BaseException as error:  # noqa: BLE001 - `finish` raises it where it is heard
            under_way.set_exception(error)
        else:
            under_way.set_result(None)
