"""Rehearsals in processes of their own, and what is kept of them."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from dashboards.rehearsals import RefusedError, RehearsalAnswer, RehearsalBody
from deploy import rehearsal_desk
from deploy.data_folder import database
from deploy.rehearsal_desk import RehearsalFolder
from deploy.settings import Settings
from storage.sqlite import SqliteStore
from tests.waiting import until

NOW_US = 1_767_225_600_000_000
START = datetime(2025, 12, 31, tzinfo=UTC)
WANTED = RehearsalBody(start=START, end=START + timedelta(hours=2))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    SqliteStore(database(tmp_path)).close()
    return tmp_path


def desk_of(data: Path) -> RehearsalFolder:
    return RehearsalFolder(Settings(), data, data / "rehearsals", lambda: NOW_US)


async def settled(desk: RehearsalFolder, name: str) -> RehearsalAnswer:
    def entry() -> RehearsalAnswer:
        return next(one for one in desk.listed() if one.id == name)

    await until(lambda: entry().state != "running", 120)
    return entry()


def children() -> set[str]:
    path = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    return set(path.read_text(encoding="ascii").split())


def kept(data: Path) -> list[str]:
    return sorted(path.suffix for path in (data / "rehearsals").iterdir())


async def test_it_is_made_beside_and_found_again_after_a_restart(data: Path) -> None:
    desk = desk_of(data)
    begun = await desk.begin(WANTED, "quiet night", "Li")
    assert (begun.state, begun.by, begun.at) == ("running", "Li", datetime(2026, 1, 1, tzinfo=UTC))
    assert desk.result(begun.id) is None
    with pytest.raises(RefusedError):
        await desk.begin(WANTED, "another", "Wang")
    done = await settled(desk, begun.id)
    assert (done.state, done.message, done.progress) == ("done", "", 1.0)
    assert done.counts == {"same": 0, "changed": 0, "only_came": 0, "only_rehearsed": 0, "began_before": 0}
    result = desk.result(begun.id)
    assert result is not None
    made = msgspec.json.decode(result)
    assert (made["start"], made["alerts"]) == ("2025-12-31T00:00:00Z", [])
    assert kept(data) == [".about", ".json"]

    again = desk_of(data)
    assert again.listed() == [done]
    assert again.result(begun.id) == result
    assert await again.forget(begun.id)
    assert (again.listed(), again.result(begun.id), kept(data)) == ([], None, [])
    assert not await again.forget(begun.id)


async def test_rules_that_make_no_sense_are_told_in_their_words(data: Path) -> None:
    desk = desk_of(data)
    begun = await desk.begin(msgspec.structs.replace(WANTED, rules="[nonsense]\nx = 1"), "x", "Li")
    failed = await settled(desk, begun.id)
    assert failed.state == "failed"
    assert "there is no key nonsense" in failed.message
    assert desk.result(begun.id) is None
    assert failed.other_rules


async def test_one_that_is_cancelled_ends_its_process(data: Path) -> None:
    desk = desk_of(data)
    begun = await desk.begin(WANTED, "x", "Li")
    assert await desk.cancel(begun.id)  # before it could do anything
    assert desk.listed()[0].state == "cancelled"
    assert not await desk.cancel(begun.id)

    before = children()
    second = await desk.begin(WANTED, "y", "Li")
    await until(lambda: children() - before)
    mine = children() - before
    await desk.close()
    assert desk.listed()[0].id == second.id
    assert desk.listed()[0].state == "cancelled"
    await until(lambda: not mine & children())
    assert kept(data) == [".about", ".about"]


async def test_what_a_kill_left_is_told_and_too_many_go(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = data / "rehearsals"
    folder.mkdir()
    for number in range(4):
        entry = RehearsalAnswer(
            id=f"{number:032x}", name=f"n{number}", by="Li", at=START + timedelta(hours=number),
            state="running" if number == 3 else "done", progress=0.5, start=START, end=START, sites=[],
            other_rules=False, as_measured=False, counts={}, message="",
        )  # fmt: skip
        (folder / f"{entry.id}.about").write_bytes(msgspec.json.encode(entry))
        (folder / f"{entry.id}.json").write_bytes(b"{}")
    (folder / f"{9:032x}.about").write_bytes(b"{")
    (folder / "other.about").write_bytes(msgspec.json.encode(entry))
    monkeypatch.setattr(rehearsal_desk, "MOST_KEPT", 2)
    desk = desk_of(data)
    assert [(one.name, one.state) for one in desk.listed()] == [("n3", "failed"), ("n2", "done")]
    assert "stopped" in desk.listed()[0].message
    assert not (folder / f"{0:032x}.json").exists()
    assert desk.result(f"{3:032x}") is None
    assert desk.result("../../etc/passwd") is None


async def test_a_folder_that_cannot_be_written_is_told(data: Path) -> None:
    (data / "rehearsals").write_text("a file", encoding="ascii")
    desk = desk_of(data)
    with pytest.raises(RefusedError, match="look at the disk"):
        await desk.begin(WANTED, "x", "Li")
    assert desk.listed() == []
