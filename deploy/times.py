"""Times as people write them on the command line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from deploy.refusal import Refusal

_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time_us(option: str, text: str | None) -> int | None:
    """Return microseconds of UTC since 1970; None for None.

    Raises
    ------
    Refusal
        It is no time.
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refusal(f"{option} {text!r} is no time; write it as 2026-01-31T12:00, in UTC") from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - _UNIX_EPOCH) // timedelta(microseconds=1)
