"""A delivery store in memory that keeps the contract of storage.store."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from streams.records import AlertTransition


@dataclass(frozen=True)
class MemoryDelivery:
    webhook_id: str
    message_id: str
    transition: AlertTransition
    attempts: int = 0
    next_attempt_us: int = 0


@dataclass
class MemoryStore:
    open: list[MemoryDelivery] = field(default_factory=list)
    settled: dict[tuple[str, str], tuple[int | None, str]] = field(default_factory=dict)
    postponed: list[tuple[str, int, str]] = field(default_factory=list)

    def add(self, webhook_id: str, *transitions: AlertTransition) -> None:
        self.open.extend(MemoryDelivery(webhook_id, f"{t.alert_id}.{t.number}", t) for t in transitions)

    def due_deliveries(self, now_us: int, limit: int = 100) -> list[MemoryDelivery]:
        oldest: dict[tuple[str, str], MemoryDelivery] = {}
        for delivery in self.open:
            oldest.setdefault((delivery.webhook_id, delivery.transition.alert_id), delivery)
        return [d for d in oldest.values() if d.next_attempt_us <= now_us][:limit]

    def settle_delivery(
        self, webhook_id: str, message_id: str, *, delivered_at_us: int | None, error: str = ""
    ) -> None:
        self.open = [d for d in self.open if (d.webhook_id, d.message_id) != (webhook_id, message_id)]
        self.settled[webhook_id, message_id] = (delivered_at_us, error)

    def postpone_delivery(
        self, webhook_id: str, message_id: str, *, next_attempt_us: int, error: str
    ) -> None:
        self.open = [
            replace(d, attempts=d.attempts + 1, next_attempt_us=next_attempt_us)
            if (d.webhook_id, d.message_id) == (webhook_id, message_id)
            else d
            for d in self.open
        ]
        self.postponed.append((message_id, next_attempt_us, error))


def transition(alert_id: str = "a1", number: int = 1, **changes: object) -> AlertTransition:
    values: dict[str, object] = {
        "alert_id": alert_id,
        "number": number,
        "state": "open",
        "level": "red",
        "rule": "sea_level",
        "subject_id": "gauge.water_level",
        "title": "Tsunami at the gauge",
        "onset_us": 1_299_861_480_000_000,
        "opened_at_us": 1_299_861_540_000_000,
        "at_us": 1_299_861_540_000_000,
        "change": "opened",
        "evidence": {"threshold_m": 0.05},
    }
    return AlertTransition(**{**values, **changes})  # type: ignore[arg-type]
