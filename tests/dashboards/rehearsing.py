"""A desk of rehearsals without processes: a test says when one is done."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from dashboards.rehearsals import RefusedError, RehearsalAnswer, RehearsalBody


class FakeDesk:
    """Implements `dashboards.rehearsals.RehearsalDesk`."""

    def __init__(self) -> None:
        self.entries: dict[str, RehearsalAnswer] = {}
        self.asked: list[RehearsalBody] = []
        self.results: dict[str, bytes] = {}

    def listed(self) -> list[RehearsalAnswer]:
        return list(reversed(self.entries.values()))

    def result(self, rehearsal_id: str) -> bytes | None:
        return self.results.get(rehearsal_id)

    async def begin(self, wanted: RehearsalBody, name: str, by: str) -> RehearsalAnswer:
        if any(one.state == "running" for one in self.entries.values()):
            raise RefusedError("Another rehearsal is being made.")
        self.asked.append(wanted)
        entry = RehearsalAnswer(
            id=f"{len(self.asked):032x}", name=name, by=by, at=datetime(2026, 1, 1, tzinfo=UTC),
            state="running", progress=0.25, start=wanted.start, end=wanted.end, sites=list(wanted.sites),
            other_rules=bool(wanted.rules), as_measured=wanted.as_measured, counts={}, message="",
        )  # fmt: skip
        self.entries[entry.id] = entry
        return entry

    async def cancel(self, rehearsal_id: str) -> bool:
        entry = self.entries.get(rehearsal_id)
        if entry is None or entry.state != "running":
            return False
        self.entries[rehearsal_id] = msgspec.structs.replace(entry, state="cancelled")
        return True

    async def forget(self, rehearsal_id: str) -> bool:
        return self.entries.pop(rehearsal_id, None) is not None

    def finish(self, rehearsal_id: str, result: dict[str, object]) -> None:
        """Let one be done."""
        entry = self.entries[rehearsal_id]
        self.results[rehearsal_id] = msgspec.json.encode(result)
        self.entries[rehearsal_id] = msgspec.structs.replace(
            entry, state="done", progress=1.0, counts=result["counts"]
        )
