"""An agenda against a plain search for the earliest time."""

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.agenda import Agenda

NAMES = st.sampled_from("abcde")
DO = st.one_of(
    st.tuples(st.just("set"), NAMES, st.lists(st.integers(0, 30), max_size=3)),
    st.tuples(st.just("take"), st.integers(0, 30), st.none()),
    st.tuples(st.just("rewrite"), st.none(), st.none()),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(DO, max_size=40))
def test_it_is_a_search_for_the_earliest(steps):
    times: dict[str, set[int]] = {}
    agenda = Agenda(lambda name: times.get(name, ()))
    for do, what, given_ in steps:
        if do == "set":
            times[what] = set(given_)
            agenda.note(what)
        elif do == "rewrite":
            agenda.rewrite(times)
        else:
            due = sorted((at, name) for name, ats in times.items() for at in ats if at <= what)
            while (found := agenda.take(what)) is not None:
                assert found == due.pop(0)
                times[found[1]].discard(found[0])
                agenda.note(found[1])
            assert not due


def test_what_has_changed_does_not_pile_up():
    times = {"a": [0]}
    agenda = Agenda(lambda name: times[name])
    for at in range(100_000):
        times["a"] = [at]
        agenda.note("a")
    assert len(agenda._entries) <= 1_010
    assert agenda.take(10**6) == (99_999, "a")
    times["a"] = []
    assert agenda.take(10**6) is None
