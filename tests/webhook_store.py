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
    refusals: int = 0


@dataclass(frozen=True)
class MemoryWebhook:
    webhook_id: str
    reason: str
    state: str
    pending: int


@dataclass
class MemoryStore:
    open: list[MemoryDelivery] = field(default_factory=list)
    settled: dict[tuple[str, str], tuple[int | None, str]] = field(default_factory=dict)
    postponed: list[tuple[str, int, str]] = field(default_factory=list)
    disabled: dict[str, str] = field(default_factory=dict)

    def add(self, webhook_id: str, *transitions: AlertTransition) -> None:
        self.open.extend(MemoryDelivery(webhook_id, f"{t.alert_id}.{t.number}", t) for t in transitions)

    def due_deliveries(
        self, now_us: int, limit: int = 100, *, webhook_id: str | None = None
    ) -> list[MemoryDelivery]:
        oldest: dict[tuple[str, str], MemoryDelivery] = {}
        for delivery in self.open:
            oldest.setdefault((delivery.webhook_id, delivery.transition.alert_id), delivery)
        due = [
            d
            for d in oldest.values()
            if d.next_attempt_us <= now_us
            and d.webhook_id not in self.disabled
            and webhook_id in {None, d.webhook_id}
        ]
        return sorted(due, key=lambda d: (d.transition.at_us, d.transition.alert_id))[:limit]

    def disable_webhook(self, webhook_id: str, at_us: int, reason: str) -> None:
        self.disabled[webhook_id] = reason

    def webhooks(self) -> list[MemoryWebhook]:
        names = {d.webhook_id for d in self.open} | self.disabled.keys()
        return [
            MemoryWebhook(
                name,
                self.disabled.get(name, ""),
                "disabled" if name in self.disabled else "active",
                sum(d.webhook_id == name for d in self.open),
            )
            for name in sorted(names)
        ]

    def settle_delivery(
        self, webhook_id: str, message_id: str, *, delivered_at_us: int | None, error: str = ""
    ) -> None:
        self.open = [d for d in self.open if (d.webhook_id, d.message_id) != (webhook_id, message_id)]
        self.settled[webhook_id, message_id] = (delivered_at_us, error)

    def postpone_delivery(
        self, webhook_id: str, message_id: str, *, next_attempt_us: int, error: str, refused: bool = False
    ) -> None:
        self.open = [
            replace(
                d,
                attempts=d.attempts + 1,
                next_attempt_us=next_attempt_us,
                refusals=d.refusals + refused,
            )
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
