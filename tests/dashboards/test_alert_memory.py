"""Alerts in memory, held against the store that keeps the same transitions."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboards.alert_memory import AlertMemory
from storage.sqlite import SqliteStore
from streams.records import AlertTransitions, Tick
from tests.dashboards import country as c

LIVES = (
    ("opened",),
    ("opened", "level"),
    ("opened", "acknowledged", "ended"),
    ("opened", "level", "acknowledged", "closed"),
    ("opened", "ended", "acknowledged", "closed"),
)


def life(number: int, changes: tuple[str, ...]) -> list:
    return [
        c.alert(step, change, alert_id=f"a{number}", opened_at_us=c.START_US + number % 3)
        for step, change in enumerate(changes, 1)
    ]


@settings(max_examples=15, deadline=None)
@given(st.data(), st.lists(st.sampled_from(LIVES), max_size=7), st.integers(1, 4))
def test_it_tells_what_the_store_tells(data, lives, limit):
    rest = [life(number, changes) for number, changes in enumerate(lives)]
    memory, batches = AlertMemory(), []
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "rows.sqlite")
        while any(rest):
            own = data.draw(st.sampled_from([one for one in rest if one]))
            cut = data.draw(st.integers(1, len(own)))
            batch = AlertTransitions(transitions=own[:cut])
            # what is read again changes nothing
            for _ in range(data.draw(st.integers(1, 2))):
                batches.append(batch)
                memory.listen([Tick(now_us=1), batch])
            del own[:cut]
        store.commit(batches, None, now_us=1)
        for state in (None, "open", "acknowledged", "closed"):
            after = None
            while True:
                stored = store.alerts(state=state, after=after, limit=limit)
                page = memory.alerts(state=state, after=after, limit=limit)
                assert [one.alert for one in page.items] == stored.items
                assert page.next == stored.next
                after = stored.next
                if after is None:
                    break
        assert [one.alert for one in memory.open_alerts()] == store.open_alerts()
        assert memory.open_by_level() == store.counts().alerts_open
        for number in range(len(lives)):
            kept, whole = memory.alert(f"a{number}"), store.alert(f"a{number}")
            assert kept is not None
            assert kept.alert == whole.alert
            assert [t.number for t in kept.transitions] == [t.number for t in whole.transitions]
        store.close()
    assert memory.alert("other") is None
    with pytest.raises(ValueError, match="not one of this list"):
        memory.alerts(after="x")


def test_it_is_bounded_and_counts_what_it_had_no_room_for():
    memory = AlertMemory(closed_kept=2, open_kept=3)
    for number, changes in enumerate(itertools.repeat(LIVES[3], 5)):
        memory.listen([AlertTransitions(transitions=life(number, changes))])
    assert [one.alert.alert_id for one in memory.alerts(state="closed").items] == ["a4", "a3"]
    for number in range(10, 14):
        memory.listen([AlertTransitions(transitions=life(number, LIVES[0]))])
    assert {one.alert.alert_id for one in memory.open_alerts()} == {"a11", "a12", "a13"}
    assert memory.forgotten_open == 1


async def test_an_answer_is_waited_for():
    memory = AlertMemory()
    opened, answered = life(1, ("opened", "acknowledged"))
    is_answered = lambda step: step.state == "acknowledged"  # noqa: E731
    assert await memory.reached("a1", is_answered) is None
    memory.listen([AlertTransitions(transitions=[opened])])
    waiting = asyncio.create_task(memory.reached("a1", is_answered))
    await asyncio.sleep(0)
    memory.listen([AlertTransitions(transitions=life(2, LIVES[0]))])
    await asyncio.sleep(0)
    assert not waiting.done()
    memory.listen([AlertTransitions(transitions=[answered])])
    history = await waiting
    assert history is not None
    assert history.alert.by == answered.by
