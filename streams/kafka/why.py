"""Why a Kafka cannot be used: what an error says is told at once, what a knock brings when it is back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from streams.kafka.access import Access

log = structlog.get_logger()


@dataclass(slots=True)
class Why:
    """What somebody tells who tries again and again; nobody waits for a knock.

    Parameters
    ----------
    kafka
        Where Kafka is.
    what
        Cannot be done, as it stands in the log.
    """

    kafka: Access
    what: str
    text: str = ""
    """Empty: all is well."""
    _knock: asyncio.Task[None] | None = None

    def note(self, error: BaseException | None) -> None:
        """Take what went wrong, None that no answer came; told in its own words until a knock finds more."""
        was, self.text = self.text, self.text or self.kafka.first_words(error)
        if not was:
            log.error(self.what, why=self.text)
        if self._knock is None or self._knock.done():
            self._knock = asyncio.create_task(self._ask(error), name=f"knock at {self.kafka.servers}")

    def clear(self) -> None:
        """All is well, or nobody asks any more; what a knock brings now is late."""
        self.text = ""
        knock, self._knock = self._knock, None
        if knock is not None:
            knock.cancel()

    async def _ask(self, error: BaseException | None) -> None:
        found = await self.kafka.reason(error)
        if found != self.text:
            self.text = found
            log.error(self.what, why=found)
