"""Texts with places in braces, as a gateway wants them: `{to}`, `{content}`. Each is filled once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from connectors.channels.message import CallMessage
from streams.alert_words import LEVEL

NAMES = (
    "call_id", "to", "subject", "text", "link", "level", "level_zh", "alert_id", "deadline", "content",
    "callback",
)  # fmt: skip
MOST_LEVELS = 10
_PLACE = re.compile(r"\{(\w+)\}")


def values_of(message: CallMessage, content: str, callback: str) -> dict[str, str]:
    """Return what stands for each of `NAMES`.

    Parameters
    ----------
    content
        The message as the channel words it.
    callback
        Where receipts go; empty: nowhere.
    """
    deadline = datetime.fromtimestamp(message.deadline_us // 1_000_000, UTC)
    return {
        "call_id": message.call_id,
        "to": message.to,
        "subject": message.subject,
        "text": message.text,
        "link": message.link,
        "level": message.level,
        "level_zh": LEVEL[message.level].zh,
        "alert_id": message.alert_id,
        "deadline": deadline.isoformat(),
        "content": content,
        "callback": callback,
    }


def filled(template: Any, values: Mapping[str, str]) -> Any:
    """Return a template with all texts in it filled; what a value itself has in braces stays as it is."""
    if isinstance(template, str):
        return _PLACE.sub(lambda place: values.get(place[1], place[0]), template)
    if isinstance(template, Mapping):
        return {name: filled(one, values) for name, one in template.items()}
    if isinstance(template, list):
        return [filled(one, values) for one in template]
    return template


def check_template(template: Any, levels: int = MOST_LEVELS) -> None:
    """Raise ValueError when a place has a name that nothing stands for."""
    if levels == 0:
        raise ValueError(f"body has more than {MOST_LEVELS} levels of tables and lists; make it flatter")
    if isinstance(template, str):
        for name in _PLACE.findall(template):
            if name not in NAMES:
                raise ValueError(f"nothing stands for {{{name}}}; there are {', '.join(NAMES)}")
    elif isinstance(template, Mapping | list):
        for one in template.values() if isinstance(template, Mapping) else template:
            check_template(one, levels - 1)
