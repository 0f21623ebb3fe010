from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.call_definitions import RosterDefinition, Shift, Substitution, called
from streams.rosters import on_duty


def us(text: str, zone: str = "Asia/Shanghai") -> int:
    at = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    return round(at.timestamp() * 1e6)


WEEK = RosterDefinition(
    shifts=[
        Shift(person="day", days=[1, 2, 3, 4, 5], begin="08:00", end="20:00"),
        Shift(person="night", days=[1, 2, 3, 4, 5], begin="20:00", end="08:00"),
        Shift(person="weekend", days=[6, 7]),
        Shift(person="chief"),
    ]
)


@pytest.mark.parametrize(
    ("at", "who"),
    [
        ("2026-11-23 07:59", ["chief"]),  # Monday: the night of Sunday has no shift
        ("2026-11-23 08:00", ["day", "chief"]),
        ("2026-11-23 19:59", ["day", "chief"]),
        ("2026-11-23 20:00", ["night", "chief"]),
        ("2026-11-24 03:00", ["night", "chief"]),
        ("2026-11-28 03:00", ["night", "weekend", "chief"]),  # Saturday: Friday's night goes on
        ("2026-11-28 08:00", ["weekend", "chief"]),
        ("2026-11-30 00:00", ["chief"]),
    ],
)
def test_shifts_by_weekday_and_overnight(at, who):
    assert on_duty(WEEK, us(at)) == who


def test_dates_bound_the_days_on_which_a_shift_begins():
    roster = RosterDefinition(
        shifts=[Shift(person="li", begin="22:00", end="06:00", first="2026-11-20", last="2026-11-21")]
    )
    found = [on_duty(roster, us(f"2026-11-{day} 23:00")) for day in (19, 20, 21, 22)]
    assert found == [[], ["li"], ["li"], []]
    assert on_duty(roster, us("2026-11-22 05:59")) == ["li"]


def test_substitutes_have_the_duties_for_a_while_also_in_a_row_and_in_a_ring():
    a, b = us("2026-11-23 10:00"), us("2026-11-23 12:00")
    roster = RosterDefinition(
        shifts=[Shift(person="li"), Shift(person="wang")],
        substitutions=[
            Substitution(person="li", instead="wang", begin_us=a, end_us=b),
            Substitution(person="wang", instead="chen", begin_us=a, end_us=b),
        ],
    )
    assert on_duty(roster, a - 1) == ["li", "wang"]
    assert on_duty(roster, a) == ["chen"]
    assert on_duty(roster, b) == ["li", "wang"]
    ring = [
        Substitution(person="li", instead="wang", begin_us=a, end_us=b),
        Substitution(person="wang", instead="li", begin_us=a, end_us=b),
    ]
    assert set(on_duty(RosterDefinition(shifts=[Shift(person="li")], substitutions=ring), a)) <= {
        "li",
        "wang",
    }


def test_hours_are_those_of_the_wall_over_a_change_to_summer_time():
    roster = RosterDefinition(
        time_zone="Europe/Berlin", shifts=[Shift(person="li", begin="22:00", end="06:00")]
    )
    begin, end = us("2026-03-28 22:00", "Europe/Berlin"), us("2026-03-29 06:00", "Europe/Berlin")
    assert end - begin == 7 * 3_600_000_000
    assert [on_duty(roster, at) for at in (begin - 1, begin, end - 1, end)] == [[], ["li"], ["li"], []]


@given(st.integers(0, 23), st.integers(0, 23), st.sets(st.integers(1, 7)), st.integers(0, 8 * 24 * 60 - 1))
def test_against_a_list_of_all_minutes(begin, end, days, minute):
    """The oracle walks the shift's own hours, one day after the other."""
    shift = Shift(person="li", days=sorted(days), begin=f"{begin:02}:00", end=f"{end:02}:00")
    monday = datetime(2026, 11, 23, tzinfo=UTC)
    hours = (end - begin) % 24 or 24
    covered = {
        monday + timedelta(days=day, hours=begin + hour)
        for day in range(-2, 9)
        for hour in range(hours)
        if not days or (monday + timedelta(days=day)).isoweekday() in days
    }
    at = monday + timedelta(minutes=minute)
    roster = RosterDefinition(time_zone="UTC", shifts=[shift])
    found = on_duty(roster, round(at.timestamp() * 1e6))
    assert found == (["li"] if at.replace(minute=0) in covered else [])


def test_what_a_step_calls_is_read_or_refused_in_words():
    assert called("person:li") == ("person", "li", 0)
    assert called("roster:night") == ("roster", "night", 0)
    assert called("roster:night/2") == ("roster", "night", 2)
    assert called("group:site") == ("group", "site", 0)
    for text in ("li", "person:", "roster:night/0", "group:a b", "person:li/1"):
        with pytest.raises(ValueError, match="write person:ID"):
            called(text)


def test_a_roster_that_makes_no_sense_is_refused():
    for changed in (
        {"time_zone": "Asia/Nowhere"},
        {"time_zone": "../etc/passwd"},
        {"shifts": [Shift(person="li", first="2026-02-30")]},
        {"shifts": [Shift(person="li", first="2026-02-03", last="2026-02-02")]},
        {"substitutions": [Substitution(person="li", instead="w", begin_us=5, end_us=5)]},
    ):
        with pytest.raises(ValueError, match=";"):
            RosterDefinition(**changed).check()
