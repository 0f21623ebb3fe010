"""The door of a server to which many streams go: nobody pushes, and who waits hears that it opens."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

CONNECTIONS_PER_S = 200.0
"""To one server: 4,000 streams are back after 20 s, and a server that has just started is not run over."""


@dataclass(slots=True, eq=False)
class Door:
    """Of one server. All calls come from the event loop."""

    per_s: float = CONNECTIONS_PER_S
    _free_at_s: float = 0.0
    _is_shut: bool = False
    _waiting: set[asyncio.Future[None]] = field(default_factory=set)

    async def enter(self) -> None:
        """Wait for one's turn to connect."""
        loop = asyncio.get_running_loop()
        at_s = max(loop.time(), self._free_at_s)
        self._free_at_s = at_s + 1.0 / self.per_s
        if at_s > loop.time():
            await asyncio.sleep(at_s - loop.time())

    def shut(self) -> None:
        """The server could not be reached."""
        self._is_shut = True

    def opened(self) -> None:
        """The server let somebody in: if it could not be reached before, those who wait try at once."""
        if self._is_shut:
            self._is_shut = False
            for waiting in self._waiting:
                if not waiting.done():
                    waiting.set_result(None)

    async def wait(self, seconds: float) -> None:
        """Wait, but no longer than until the server is there again."""
        opening: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(opening)
        try:
            await asyncio.wait((opening,), timeout=seconds)
        finally:
            self._waiting.discard(opening)


@dataclass(slots=True, eq=False)
class Doors:
    """Of all servers that this process goes to."""

    _by_address: dict[tuple[str, int], Door] = field(default_factory=dict)

    def at(self, host: str, port: int) -> Door:
        """Return the door of a server."""
        return self._by_address.setdefault((host.lower(), port), Door())
