"""Slots come out in the order of each station's stream, also when some come back from a full disk."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from storage import raw_slots
from storage.raw_slots import SLOT_US, Slot, Slots
from streams.records import RawChunk

T0 = 1_790_000_000_000_000


def chunk(station_id: str, at_us: int, size: int = 10) -> RawChunk:
    return RawChunk(station_id=station_id, payload=bytes(size), received_at_us=at_us)


def test_what_was_put_back_is_older_than_what_waits() -> None:
    slots = Slots()
    slots.add([chunk("A", T0)])
    slots.add([chunk("A", T0 + SLOT_US)])
    (first,) = slots.due(T0 + SLOT_US + raw_slots.SPREAD_US)
    slots.add([chunk("A", T0 + 2 * SLOT_US)])
    slots.put_back([first])
    assert [slot.slot_us for slot in slots.all()] == [T0 + k * SLOT_US for k in range(3)]


@given(
    st.lists(
        st.tuples(
            st.sampled_from("AB"),
            st.integers(0, 15_000_000),
            st.sampled_from([10, 600_000]),
            st.booleans(),
            st.integers(0, 3),
        ),
        max_size=40,
    )
)
def test_no_slot_overtakes_an_older_one_of_its_station(steps: list[tuple[str, int, int, bool, int]]) -> None:
    slots, now_us = Slots(), T0
    came: dict[str, list[RawChunk]] = {"A": [], "B": []}
    written: dict[str, list[RawChunk]] = {"A": [], "B": []}

    def write(given_now: list[Slot], failing: int) -> None:
        """The last ones fail, as those do that come to a full disk."""
        done = given_now[: len(given_now) - failing] if failing else given_now
        for slot in done:
            written[slot.station_id] += slot.chunks
        slots.put_back(given_now[len(done) :])

    for station_id, step_us, size, looks, failing in steps:
        now_us += step_us
        came[station_id].append(chunk(station_id, now_us, size))
        slots.add([came[station_id][-1]])
        if looks:
            write(slots.due(now_us), failing)
            for name, chunks in written.items():
                assert chunks == came[name][: len(chunks)]
    write(slots.all(), 0)
    assert written == came
    assert slots.all() == []
    assert slots.dropped_bytes == 0
