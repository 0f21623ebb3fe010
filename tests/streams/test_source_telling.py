"""What gatherers tell of their streams reaches those who hear, whatever is lost on the way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams import codec
from streams.partitions import pieces
from streams.records import SourceStates
from streams.source_telling import LEASE_US, SHARES, HeardStreams, SourceTelling
from streams.stream_state import StreamStates

SECOND_US = 1_000_000
STEP = st.tuples(st.sampled_from(["add", "drop", "stall", "count", "choose"]), st.integers(0, 25))


@given(st.lists(st.lists(STEP, max_size=3), max_size=20), st.integers(0, 20))
def test_all_is_known_a_round_after_the_last_message_that_was_lost(seconds, lost_until):
    streams, heard = StreamStates(), HeardStreams()
    telling = SourceTelling("north", streams)
    for second, steps in enumerate([*seconds, *([()] * (lost_until + SHARES + 60))]):
        for what, k in steps:
            state = streams.by_id.get(f"S{k}")
            if what == "add" and state is None:
                streams.add(f"S{k}", "ntrip", "ntrip://h:1/M", station=f"S{k}", name="main")
            elif what == "drop":
                streams.by_id.pop(f"S{k}", None)
            elif state is not None and what == "stall":
                state.enter("stalled", 1 + second, "no data for 30 s")
            elif state is not None and what == "choose":
                state.choose(is_chosen=not state.is_chosen, why="so", now_us=1 + second)
            elif state is not None:
                state.bytes_received += 1
        for told in telling.due():
            if second >= lost_until:
                for message in pieces(told):
                    record = codec.decode(message)
                    assert isinstance(record, SourceStates)
                    heard.hear(record, second * SECOND_US)
        heard.forget(second * SECOND_US)
    by_id = {state.id: state for state in heard.states()}
    assert by_id.keys() == streams.by_id.keys()
    for name, state in streams.by_id.items():
        other = by_id[name]
        assert other.gatherer == "north"
        other.gatherer = ""
        assert other == state


def test_what_changes_is_told_at_once_and_the_rest_in_turn():
    streams = StreamStates()
    states = [streams.add(f"S{k}", "ntrip", "x") for k in range(100)]
    telling = SourceTelling("north", streams)
    assert sum(len(told.states) for told in telling.due()) == 100
    for _ in range(SHARES):
        assert sum(len(told.states) for told in telling.due()) == 100 // SHARES
    states[7].last_error = "it broke"
    seen = [one.id for told in telling.due() for one in told.states]
    assert "S7" in seen
    assert len(seen) <= 100 // SHARES + 1


def test_a_gatherer_that_says_nothing_is_forgotten():
    streams, heard = StreamStates(), HeardStreams()
    streams.add("A", "ntrip", "x")
    for told in SourceTelling("north", streams).due():
        heard.hear(told, 0)
    heard.forget(LEASE_US)
    assert [state.id for state in heard.states()] == ["A"]
    heard.forget(LEASE_US + 1)
    assert heard.states() == []


def test_rates_are_what_came_since_the_last_look():
    streams = StreamStates()
    state = streams.add("A", "ntrip", "x")
    streams.measure(100.0)
    state.bytes_received, state.messages_received = 500, 20
    streams.measure(102.0)
    assert (state.bytes_per_s, state.messages_per_s) == (250.0, 10.0)
    streams.measure(104.0)
    assert (state.bytes_per_s, state.messages_per_s) == (0.0, 0.0)
