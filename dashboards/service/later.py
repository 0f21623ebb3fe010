"""What was made known only after a month: it is not missed in that month."""

from __future__ import annotations

from collections.abc import Callable

from storage.pages import every
from storage.rows import Page
from streams.records import Change

Changes = Callable[[str | None], Page[Change]]
"""Of one kind of objects, the newest first, behind a cursor."""


def made_since(changes: Changes, time_us: int) -> set[str]:
    """Return the objects that commands have made since a time at which there were none of these names.

    What a configuration file or a region below describes has no such change, and was always there.
    """
    before: dict[str, bool] = {}
    for change in every(changes):
        if change.at_us < time_us:
            break
        before[change.id] = change.before is not None  # the oldest one since then decides
    return {name for name, was_there in before.items() if not was_there}
