"""What `/metrics` shows of push."""

from __future__ import annotations

from dashboards.metrics import Figure
from dashboards.push.hub import PushHub


def figures_of(hub: PushHub) -> list[Figure]:
    """Return the figures."""
    return [
        Figure("push_viewers", "Viewers of channels.", "gauge", lambda: {(): len(hub)}),
        Figure("push_events", "Events made for viewers.", "counter", lambda: {(): hub.events}),
        Figure("push_resumed", "Viewers that went on.", "counter", lambda: {(): hub.resumed}),
        Figure("push_gaps", "Viewers that were told a gap.", "counter", lambda: {(): hub.gaps}),
        Figure(
            "push_dropped",
            "Viewers that were dropped.",
            "counter",
            lambda: {(why,): hub.dropped[why] for why in ("slow", "no_room")},
            ("reason",),
        ),
        Figure("push_failures", "Messages that were not pushed.", "counter", lambda: {(): hub.failures}),
        Figure(
            "push_kept_bytes",
            "Of messages for viewers that come back.",
            "gauge",
            lambda: {(): hub.window.n_bytes},
        ),
        Figure(
            "push_waiting_bytes",
            "Of events that wait for viewers.",
            "gauge",
            lambda: {(): hub.waiting_bytes},
        ),
    ]
