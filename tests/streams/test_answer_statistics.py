import statistics

from hypothesis import given
from hypothesis import strategies as st

from streams.answer_statistics import figures
from streams.call_records import CallAnswer

S = 1_000_000
ANSWERS = st.builds(
    lambda person, level, answer, seconds, deadline_s: CallAnswer(
        alert_id="a", turn=1, step=1, purpose="call", person=person, answer=answer, subject_id="s", site="s",
        level=level, called_us=5, at_us=5 + seconds * S, deadline_us=5 + deadline_s * S,
    ),
    st.sampled_from(["li", "wang"]),
    st.sampled_from(["blue", "red"]),
    st.sampled_from(["acknowledged", "refused", "unreachable"]),
    st.integers(0, 1000),
    st.integers(0, 1000),
)  # fmt: skip


def test_by_hand():
    answers = [
        CallAnswer(
            alert_id="a", turn=1, step=1, purpose="call", person="li", answer=answer, subject_id="s",
            site="slope", level="red", called_us=0, at_us=at_s * S, deadline_us=60 * S,
        )
        for answer, at_s in (("acknowledged", 10), ("acknowledged", 30), ("acknowledged", 90),
                             ("unreachable", 60))
    ]  # fmt: skip
    (one,) = figures(answers, "site")
    assert (one.of, one.called, one.answered, one.unreachable, one.in_time) == ("slope", 4, 3, 1, 2)
    assert (one.in_time_share, one.median_s, one.p90_s, one.p95_s) == (0.5, 30, 90, 90)
    assert figures([], "all") == []


@given(st.lists(ANSWERS, max_size=40), st.sampled_from(["all", "level", "person", "site"]))
def test_groups_add_up_and_quantiles_are_those_of_the_library(answers, by):
    found = figures(answers, by)
    assert sum(one.called for one in found) == len(answers)
    assert [one.of for one in found] == sorted({one.of for one in found})
    for one in found:
        assert one.called == one.answered + one.unreachable
        assert one.in_time <= one.answered
    for one in figures(answers, "all"):
        times = [(a.at_us - a.called_us) / S for a in answers if a.answer != "unreachable"]
        if times:
            assert one.median_s == statistics.median(times)
            for ranked_s, percent in ((one.p90_s, 90), (one.p95_s, 95)):
                assert sum(time <= ranked_s for time in times) * 100 >= percent * len(times)
                assert sum(time < ranked_s for time in times) * 100 < percent * len(times)
        else:
            assert one.median_s is one.p90_s is one.p95_s is None
