"""How many files and connections this process may have open."""

from __future__ import annotations

import contextlib
import resource

import structlog

log = structlog.get_logger()

MOST = 1_048_576
OTHERS = 256
"""Beside rovers and stations: brokers, the archive, the store, libraries."""


def allow_many() -> None:
    """Raise the limit as far as the system lets us: the usual one of 1,024 is soon reached."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, MOST)), hard))


def bounded(connections: int, *, reserved: int) -> int:
    """Return how many connections can be taken of so many that are wanted; say it if that is fewer.

    Parameters
    ----------
    connections
        Wanted.
    reserved
        Descriptors that others of this process need.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = max(soft - OTHERS - reserved, 1)
    if room >= connections:
        return connections
    log.warning(
        "this process may have too few files open for all connections that [caster] allows; raise "
        "LimitNOFILE of its unit (ulimit -Hn in a shell), or lower connections of [caster]",
        may_open=soft,
        needed=connections + OTHERS + reserved,
        connections=room,
    )
    return room
