"""The highest level of open alerts, however their steps come."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.detectors import LEVELS
from streams.records import AlertTransition
from streams.site_levels import SiteLevels


def step(
    alert: str, number: int, level: str = "blue", state: str = "open", **more: object
) -> AlertTransition:
    return AlertTransition(
        alert_id=alert,
        number=number,
        state=state,
        level=level,
        rule="r",
        subject_id=more.pop("subject", "slope.crack"),
        title="",
        onset_us=0,
        opened_at_us=0,
        at_us=0,
        change="opened",
        **more,
    )


def levels(*steps: AlertTransition) -> SiteLevels:
    made = SiteLevels(lambda subject: subject.partition(".")[0])
    made.take(steps)
    return made


def test_the_highest_of_the_open_alerts_counts_until_it_is_closed():
    one = levels(step("a", 1, "yellow"), step("b", 1, "orange"), step("c", 1, "red", subject="other.x"))
    assert one.level("slope") == ("orange", "b")
    assert one.sites == {"slope", "other"}
    one.take([step("b", 2, "orange", ended_at_us=5)])
    assert one.level("slope") == ("orange", "b"), "over, but nobody has answered"
    one.take([step("b", 3, "orange", "acknowledged"), step("b", 4, "orange", "closed")])
    assert one.level("slope") == ("yellow", "a")
    one.take([step("a", 2, "yellow", "closed")])
    assert one.level("slope") == (None, "")
    assert one.sites == {"other"}


def test_what_is_historic_or_older_changes_nothing():
    one = levels(step("a", 3, "yellow"), step("b", 1, "red", historic=True), step("a", 2, "red", "closed"))
    assert one.level("slope") == ("yellow", "a")


@given(st.data())
def test_steps_that_come_again_change_nothing(data):
    steps = []
    for alert in "abc":
        level = 0
        for number in range(1, data.draw(st.integers(1, 6)) + 1):
            level = data.draw(st.integers(level, len(LEVELS) - 1))
            steps.append(step(alert, number, LEVELS[level], subject=f"s{alert in 'ab'}.x"))
        if data.draw(st.booleans()):
            closing = msgspec.structs.replace(steps[-1], number=steps[-1].number + 1, state="closed")
            steps.append(closing)
    begin = data.draw(st.integers(0, len(steps) - 1))
    once, again = levels(*steps), levels(*steps, *[s for s in steps[begin:] if s.state != "closed"])
    still = {s.alert_id for s in steps} - {s.alert_id for s in steps if s.state == "closed"}
    newest = {s.alert_id: s for s in steps if s.alert_id in still}
    for site in ("sTrue", "sFalse"):
        own = [LEVELS.index(s.level) for s in newest.values() if s.subject_id == f"{site}.x"]
        assert once.level(site)[0] == (LEVELS[max(own)] if own else None)
        if not [s for s in steps if s.state == "closed"]:
            assert again.level(site) == once.level(site)


@pytest.mark.parametrize("number", [1, 2])
def test_a_closing_of_which_the_opening_was_not_heard_is_none(number):
    assert levels(step("a", number, "red", "closed")).sites == set()
