"""Messages to whoever subscribes at a broker: sent as they come, never waited for.

A broker that is away or slow holds up nobody: what waits is bounded, and the oldest goes first.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, NoReturn

import aiomqtt
import structlog

from connectors.mqtt_config import BrokerConfig
from connectors.mqtt_publish import AT_ONCE, Outgoing, connection

log = structlog.get_logger()

MOST_WAITING = 20_000
"""Messages."""
AGAIN_S, LONGEST_S = 1.0, 30.0
"""Until the broker is tried again."""


@dataclass(slots=True, eq=False)
class MqttOutlet:
    """Publishes to one broker while `run` goes on.

    Parameters
    ----------
    config
        Where it is.
    qos
        0: sent once, and not asked for; 1: sent again until the broker has it.
    """

    config: BrokerConfig
    qos: Literal[0, 1] = 0
    published: int = 0
    dropped: int = 0
    """Messages that were given up for newer ones."""
    error: str = ""
    """Why nothing can be sent now; empty when all is well."""
    _waiting: deque[Outgoing] = field(default_factory=deque)
    _come: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def waiting(self) -> int:
        """How many messages wait."""
        return len(self._waiting)

    def offer(self, messages: Iterable[Outgoing]) -> None:
        """Take messages without waiting."""
        self._waiting.extend(messages)
        self._trim()
        self._come.set()

    async def run(self, *, again_s: Callable[[int], float] | None = None) -> NoReturn:
        """Publish until cancelled.

        Parameters
        ----------
        again_s
            Seconds until the next try, by the number of those that failed.
        """
        client_id = f"{self.config.client_id or 'groundswell'}-told"
        failed = 0
        while True:
            try:
                async with connection(self.config, client_id) as client:
                    failed = 0
                    self._clear()
                    await self._publish(client)
            except (aiomqtt.MqttError, TimeoutError, OSError, ValueError) as error:
                self._note(error)
                failed += 1
                pause_s = min(AGAIN_S * 2**failed, LONGEST_S) if again_s is None else again_s(failed)
                await asyncio.sleep(pause_s)

    async def _publish(self, client: aiomqtt.Client) -> NoReturn:
        while True:
            self._come.clear()
            while self._waiting:
                some = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
                try:
                    await asyncio.gather(
                        *(
                            client.publish(one.topic, one.payload, qos=self.qos, retain=one.retain)
                            for one in some
                        )
                    )
                except BaseException:  # some of them may be there: subscribers know them by their ids
                    self._waiting.extendleft(reversed(some))
                    self._trim()
                    raise
                self.published += len(some)
            await self._come.wait()

    def _trim(self) -> None:
        while len(self._waiting) > MOST_WAITING:
            self._waiting.popleft()
            self.dropped += 1

    def _note(self, error: Exception) -> None:
        reason = str(error) or type(error).__name__
        if not self.error:
            log.warning("the broker takes nothing, trying again", broker=self.config.source, error=reason)
        self.error = f"{self.config.source} takes nothing ({reason}); look whether it runs"

    def _clear(self) -> None:
        if self.error:
            log.info("the broker takes messages again", broker=self.config.source)
        self.error = ""
