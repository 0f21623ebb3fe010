"""A webhook's message and its manners: body and schedule (Standard Webhooks 1.0)."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from streams.records import AlertTransition

RETRY_DELAYS_S = (5, 15, 60, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Quicker at first than the specification proposes: an alert is of use in the first minute."""
IN_ORDER_DELAYS_S = (5, 15, 60)
"""Where all that comes later waits behind a message: a receiver that comes back is noticed in a minute."""
IN_ORDER_ATTEMPTS = 5760
"""Four days, at one a minute."""
JITTER = 0.1
MAX_RETRY_AFTER_S = 3600.0
MAX_PAYLOAD_BYTES = 20_000


def payload(transition: AlertTransition, api_url: str = "") -> bytes:
    """Return the JSON body of a transition, below 20 kB: what is large in the evidence gives way.

    Of what JSON or a calendar cannot tell, the evidence is left out (`evidence_trimmed`) or a time is null.

    Parameters
    ----------
    transition
        The step and the alert as it is after it.
    api_url
        Where the API is reached from outside; the alert's `url` is made of it.
    """
    try:
        msgspec.json.encode(transition.evidence)
    except (TypeError, ValueError, RecursionError):
        is_trimmed, evidence = True, dict[str, Any]()
    else:
        is_trimmed, evidence = False, dict(transition.evidence)
    alert: dict[str, Any] = {
        "id": transition.alert_id,
        "number": transition.number,
        "change": transition.change,
        "state": transition.state,
        "level": transition.level,
        "rule": transition.rule[:200],
        "subject_id": transition.subject_id[:200],
        "title": transition.title[:1000],
        "onset_at": _iso(transition.onset_us),
        "opened_at": _iso(transition.opened_at_us),
        "at": _iso(transition.at_us),
        "by": transition.by[:200],
        "comment": transition.comment[:1000],
        "evidence": evidence,
        "url": f"{api_url.rstrip('/')}/api/v1/alerts/{transition.alert_id}" if api_url else "",
    }
    change = "level_changed" if transition.change == "level" else transition.change
    message = {"type": f"alert.{change}", "timestamp": _iso(transition.at_us), "data": alert}
    if is_trimmed:
        alert["evidence_trimmed"] = True
    body = msgspec.json.encode(message)
    if len(body) < MAX_PAYLOAD_BYTES:
        return body
    alert["evidence_trimmed"] = True
    sizes = Counter({key: len(msgspec.json.encode(value)) for key, value in evidence.items()})
    for key, _ in sizes.most_common():
        del evidence[key]
        body = msgspec.json.encode(message)
        if len(body) < MAX_PAYLOAD_BYTES:
            break
    return body


def retry_delay_s(attempts: int, jitter: float, retry_after_s: float = 0.0) -> float | None:
    """Return seconds until the next attempt, None when it is time to give up.

    Parameters
    ----------
    attempts
        Attempts that failed before this one.
    jitter
        0 to 1, drawn by the caller.
    retry_after_s
        What the receiver asked for; at most an hour is granted.
    """
    if attempts >= len(RETRY_DELAYS_S):
        return None
    delay_s = RETRY_DELAYS_S[attempts] * (1 - JITTER + 2 * JITTER * jitter)
    return max(delay_s, min(retry_after_s, MAX_RETRY_AFTER_S))


def in_order_delay_s(attempts: int, jitter: float, retry_after_s: float = 0.0) -> float | None:
    """Return seconds until the next attempt, None when it is time to give up; as `retry_delay_s`.

    For a sender that tells a receiver one message after the other.
    """
    if attempts >= IN_ORDER_ATTEMPTS:
        return None
    delay_s = IN_ORDER_DELAYS_S[min(attempts, len(IN_ORDER_DELAYS_S) - 1)]
    return max(delay_s * (1 - JITTER + 2 * JITTER * jitter), min(retry_after_s, MAX_RETRY_AFTER_S))


def retry_after_seconds(retry_after: str, now_us: int) -> float:
    """Read a Retry-After header: seconds or a date (RFC 9110, 10.2.3); 0 when it says nothing sensible."""
    if retry_after.strip().isdecimal():
        return float(retry_after.strip()[:12])
    try:
        when = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    return max(0.0, when.replace(tzinfo=when.tzinfo or UTC).timestamp() - now_us / 1e6)


def _iso(time_us: int) -> str | None:
    """Return a time as ISO 8601; None: no calendar has it."""
    try:
        return datetime.fromtimestamp(time_us / 1e6, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return None
