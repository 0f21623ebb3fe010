"""Messages that brokers let go of before anybody read them: the one way in which Kafka loses something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import structlog

log = structlog.get_logger()

Offsets = Mapping[tuple[str, int], int]
"""By topic, as the broker calls it, and partition."""


def missed(wanted: Offsets, oldest: Offsets) -> Counter[tuple[str, int]]:
    """Return how many messages are gone, and say so in the log.

    Parameters
    ----------
    wanted
        Where somebody wants to go on; not in compacted topics, of which the newest is always there.
    oldest
        Where the messages that are kept begin.
    """
    gone = Counter({at: oldest[at] - offset for at, offset in wanted.items() if oldest[at] > offset})
    for (topic, partition), messages in gone.items():
        log.error(
            "messages are gone that nobody here has read: the broker keeps them no longer",
            topic=topic, partition=partition, messages=messages,
        )  # fmt: skip
    return gone
