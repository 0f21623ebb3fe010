"""What brokers may still know of us: the subscriptions of persistent sessions, in a file beside the data.

A broker keeps the subscriptions of a session and tells nobody which they are. Without this memory, a topic
that is taken out of a configuration would come for as long as the session lives.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import structlog

from connectors import small_file

log = structlog.get_logger()

MOST_BYTES = 10_000_000


@dataclass(slots=True, eq=False)
class SessionMemory:
    """Filters by the name of their session (`MqttConfig.session`).

    Parameters
    ----------
    file
        Read at the beginning, replaced at each change; None: nothing outlasts this program.
    """

    file: Path | None = None
    _filters: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.file is None or not self.file.exists():
            return
        try:
            if self.file.stat().st_size > MOST_BYTES:
                raise ValueError(f"it is larger than {MOST_BYTES} bytes")
            self._filters = msgspec.json.decode(self.file.read_bytes(), type=dict[str, list[str]])
        except (OSError, ValueError) as error:  # msgspec's errors are ValueErrors
            log.error(
                "subscriptions of earlier runs are not known: if topics were changed, change client_id too",
                file=str(self.file),
                error=str(error),
            )

    def filters(self, session: str) -> list[str]:
        """Return what a session may be subscribed to."""
        return self._filters.get(session, [])

    def remember(self, session: str, filters: Iterable[str]) -> None:
        """Keep what a session may be subscribed to; to be called before the broker is told of more.

        Raises
        ------
        OSError
            The file cannot be written.
        """
        now = sorted(set(filters))
        if self._filters.get(session) == now:
            return
        if self.file is not None:
            small_file.replace(self.file, msgspec.json.encode({**self._filters, session: now}))
        self._filters[session] = now

    def warn_of_others(self, sessions: Iterable[str]) -> None:
        """Say which sessions are not configured any more, and go on at their brokers."""
        for session in self._filters.keys() - set(sessions):
            log.warning(
                "a session is not configured any more; its broker keeps messages for it until it expires, "
                "and a [[mqtt]] with its client_id takes it over",
                session=session,
            )
