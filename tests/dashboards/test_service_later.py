"""What was made known after a month, from what commands changed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dashboards.service.later import made_since
from storage.rows import Page
from streams.records import Change

NAMES = ["a", "b", "c"]


@given(
    st.sets(st.sampled_from(NAMES)),
    st.lists(st.tuples(st.sampled_from(NAMES), st.booleans()), max_size=20),
    st.integers(0, 21),
    st.integers(1, 5),
)
def test_it_is_what_was_not_there_at_the_time(at_first, turns, time, page_size):
    there, states, changes = set(at_first), [set(at_first)], []
    for at, (name, is_put) in enumerate(turns):
        before = {"name": name} if name in there else None
        (there.add if is_put else there.discard)(name)
        after = {"name": name} if is_put else None
        changes.append(Change(kind="station", id=name, version=at + 1, verb="put" if is_put else "delete",
                              before=before, after=after, by="li", at_us=at, command_id=""))  # fmt: skip
        states.append(set(there))
    newest = changes[::-1]

    def ask(after):
        begin = int(after or 0)
        more = begin + page_size < len(newest)
        return Page(newest[begin : begin + page_size], str(begin + page_size) if more else None)

    touched = {one.id for one in changes if one.at_us >= time}
    assert made_since(ask, time) == touched - states[min(time, len(turns))]
