"""Whether the database answers, asked once a second: nobody else has to wait to find out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger()

EVERY_S = 1.0
PATIENCE_S = 2.0


@dataclass(slots=True)
class DatabaseWatch:
    """Asks until cancelled.

    Parameters
    ----------
    question
        A cheap one; it blocks, and raises when there is no answer.
    """

    question: Callable[[], object]
    away: str = ""
    """That it does not answer, in a sentence; empty when all is well."""
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "database-watch"))

    async def run(self) -> None:
        """Ask again and again. One question that hangs is waited for, and meanwhile the database is away."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                asked = loop.run_in_executor(self._thread, self.question)
                done, _ = await asyncio.wait((asked,), timeout=PATIENCE_S)
                if not done:
                    self._tell(f"the database does not answer within {PATIENCE_S:g} s")
                    await asyncio.wait((asked,))
                error = asked.exception()
                self._tell(f"the database does not answer: {error}" if error else "")
                await asyncio.sleep(EVERY_S)
        finally:
            self._thread.shutdown(wait=False)

    def _tell(self, away: str) -> None:
        if away and not self.away:
            log.error("alerts are served from memory", why=away)
        elif self.away and not away:
            log.info("the database answers again")
        self.away = away
