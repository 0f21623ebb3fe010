"""A webhook's message and its manners: body and schedule (Standard Webhooks 1.0)."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

import msgspec

from streams.records import AlertTransition

Envelope = Literal["standard", "cloudevents", "cloudevents-binary"]

RETRY_DELAYS_S = (5, 15, 60, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Quicker at first than the specification proposes: an alert is of use in the first minute."""
IN_ORDER_DELAYS_S = (5, 15, 60)
"""Where all that comes later waits behind a message: a receiver that comes back is noticed in a minute."""
IN_ORDER_ATTEMPTS = 5760
"""Four days, at one a minute."""
JITTER = 0.1
MAX_RETRY_AFTER_S = 3600.0
MAX_PAYLOAD_BYTES = 20_000


class Content(NamedTuple):
    """What is posted."""

    headers: dict[str, str]
    body: bytes


def payload(transition: AlertTransition, api_url: str = "", envelope: Envelope = "standard") -> Content:
    """Return what is posted of a transition, below 20 kB: what is large in the evidence gives way to a link.

    Of what JSON or a calendar cannot tell, the evidence is left out (`evidence_trimmed`) or a time is null.

    Parameters
    ----------
    transition
        The step and the alert as it is after it.
    api_url
        Where the API is reached from outside; the alert's `url` is made of it.
    envelope
        `standard` has `type`, `timestamp` and `data`; the others are CloudEvents 1.0 over HTTP, structured
        (everything in the body) or binary (the alert in the body, all else in headers).
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
    if is_trimmed:
        _trim(alert)
    content = _enveloped(transition, alert, api_url, envelope)
    if len(content.body) < MAX_PAYLOAD_BYTES:
        return content
    _trim(alert)
    sizes = Counter({key: len(msgspec.json.encode(value)) for key, value in evidence.items()})
    for key, _ in sizes.most_common():
        del evidence[key]
        content = _enveloped(transition, alert, api_url, envelope)
        if len(content.body) < MAX_PAYLOAD_BYTES:
            break
    return content


def _trim(alert: dict[str, Any]) -> None:
    alert["evidence_trimmed"] = True
    alert["evidence_url"] = alert["url"]


def _enveloped(
    transition: AlertTransition, alert: dict[str, Any], api_url: str, envelope: Envelope
) -> Content:
    change = "level_changed" if transition.change == "level" else transition.change
    kind, at = f"alert.{change}", _iso(transition.at_us)
    if envelope == "standard":
        body = msgspec.json.encode({"type": kind, "timestamp": at, "data": alert})
        return Content({"content-type": "application/json"}, body)
    attributes = {
        "specversion": "1.0",
        "id": f"{transition.alert_id}.{transition.number}",
        "source": f"{api_url.rstrip('/')}/api/v1/alerts",
        "type": f"groundswell.{kind}",
        "subject": transition.subject_id[:200],
        "time": at,
    }
    said = {name: value for name, value in attributes.items() if value}  # none of them may be empty
    if envelope == "cloudevents":
        whole = {**said, "datacontenttype": "application/json", "data": alert}
        return Content({"content-type": "application/cloudevents+json"}, msgspec.json.encode(whole))
    headers = {f"ce-{name}": _header(value) for name, value in said.items()}
    return Content({"content-type": "application/json", **headers}, msgspec.json.encode(alert))


def _header(value: str) -> str:
    """Return a value as CloudEvents has it in a header (HTTP binding, 3.1.3.2)."""
    return "".join(c if "!" <= c <= "~" and c not in '"%' else quote(c, safe="") for c in value)


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
    return None if attempts >= IN_ORDER_ATTEMPTS else paused_s(attempts, jitter, retry_after_s)


def paused_s(failures: int, jitter: float, retry_after_s: float = 0.0) -> float:
    """Return the seconds for which a receiver is left alone after so many failures before this one."""
    delay_s = IN_ORDER_DELAYS_S[min(failures, len(IN_ORDER_DELAYS_S) - 1)]
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
