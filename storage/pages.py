"""Lists that come in pages, as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from storage.rows import Page

T = TypeVar("T")


def every(ask: Callable[[str | None], Page[T]], after: str | None = None) -> Iterator[T]:
    """Yield the items of all pages (from a cursor on); `ask` returns the page behind a cursor."""
    while True:
        page = ask(after)
        yield from page.items
        if (after := page.next) is None:
            return
