"""Sessions and volumes on their way: what is told to whom, and what a hostile region makes nobody believe."""

from __future__ import annotations

from typing import Any

import pytest

from streams import count_sharing as room
from streams.count_sharing import (
    AHEAD_US,
    DAY_US,
    LEASE_US,
    Guard,
    counts_down,
    counts_in,
    counts_up,
    is_late,
    periods,
    without_present,
)
from streams.records import AccountVolume, CasterSessions, CasterVolumes, SessionRecord, StationReports
from streams.regions import neighbour_of

NOW_US = 1_790_000_000_000_000
SHARED = {"li", "..:wu"}


def session(account: str, number: int = 1, **more: Any) -> SessionRecord:
    values = {"mountpoint": "WUHN", "address": "1.2.3.0/24", "begun_us": NOW_US, "n_bytes": 5, **more}
    return SessionRecord(number=number, account=account, **values)


def sessions(caster: str, *present: SessionRecord, **more: Any) -> CasterSessions:
    values = {"first": 0, "ended": [], "told_us": NOW_US, **more}
    return CasterSessions(caster=caster, present=list(present), **values)


def volumes(caster: str, *accounts: str, **more: Any) -> CasterVolumes:
    day, month = periods(NOW_US)
    values = {"day": day, "day_bytes": 3, "month": month, "month_bytes": 4, **more}
    share = values.pop("share", 0)
    made = [AccountVolume(account=name, **values) for name in accounts]
    return CasterVolumes(caster=caster, share=share, volumes=made)


def accounts(batch: Any) -> list[str]:
    return [one.account for one in (batch.present if isinstance(batch, CasterSessions) else batch.volumes)]


def test_up_go_sessions_of_accounts_from_above_under_the_parents_ids():
    said = sessions("c1", session("own"), session("..:li", longitude=114.1), session("..:..:wu"))
    told = counts_up(said, "zhejiang", "coarsened")
    assert isinstance(told, CasterSessions)
    assert (told.caster, accounts(told)) == ("zhejiang:c1", ["li", "..:wu"])
    assert {(one.mountpoint, one.address, one.longitude) for one in told.present} == {("", "", None)}
    exact = counts_up(said, "zhejiang", "exact")
    assert isinstance(exact, CasterSessions)
    assert (exact.present[0].mountpoint, exact.present[0].longitude) == ("WUHN", 114.1)
    assert counts_up(said, "zhejiang", "none") is None
    below = counts_up(volumes("hangzhou:c2", "own", "..:li"), "zhejiang", "coarsened")
    assert below is not None
    assert (below.caster, accounts(below)) == ("zhejiang:hangzhou:c2", ["li"])


def test_what_is_from_above_never_goes_up_again():
    assert counts_up(sessions("..:c1", session("..:li")), "zhejiang", "exact") is None
    assert counts_up(sessions("..:beijing:c1", session("..:li")), "zhejiang", "exact") is None


def test_down_go_sessions_elsewhere_of_accounts_that_a_region_may_have():
    told = counts_down(sessions("beijing:c1", session("li"), session("secret")), "hubei", SHARED.__contains__)
    assert isinstance(told, CasterSessions)
    assert (told.caster, accounts(told), told.present[0].address) == ("beijing:c1", ["li"], "")
    assert counts_down(sessions("hubei:c1", session("li")), "hubei", SHARED.__contains__) is None
    assert counts_down(sessions("hubei:wuhan:c1", session("li")), "hubei", SHARED.__contains__) is None
    assert counts_down(volumes("c1", "secret"), "hubei", SHARED.__contains__) is None
    taken = counts_in(told, "hubei")
    assert isinstance(taken, CasterSessions)
    assert (taken.caster, accounts(taken)) == ("..:beijing:c1", ["..:li"])
    assert counts_in(sessions("hubei:c1", session("li")), "hubei") is None, "of itself it knows better"


def test_what_ended_and_where_a_life_begins_travels_without_sessions():
    begun = sessions("c1", first=7)
    assert counts_up(begun, "z", "coarsened") is not None
    assert counts_up(sessions("c1", session("own"), ended=[3]), "z", "coarsened") is not None
    assert counts_up(sessions("c1", session("own")), "z", "coarsened") is None
    empty = volumes("c1")
    assert counts_up(empty, "z", "coarsened") is not None, "it takes the place of what was told before"


def test_what_waited_for_long_is_told_no_more_but_ends_are():
    old = sessions("c1", session("li"), ended=[1, 2], told_us=NOW_US - LEASE_US - 1)
    assert is_late(old, NOW_US)
    assert not is_late(sessions("c1", session("li")), NOW_US)
    assert not is_late(volumes("c1", "li"), NOW_US)
    assert is_late(sessions("c1", session("li"), told_us=0), NOW_US), "an older program's"
    rest = without_present(old)
    assert isinstance(rest, CasterSessions)
    assert (rest.present, rest.ended) == ([], [1, 2])


@pytest.mark.parametrize(
    ("caster", "leads_to"),
    [("c1", ""), ("zhejiang:c1", "zhejiang"), ("zhejiang:hangzhou:c1", "zhejiang"), ("..:c1", ".."),
     ("..:beijing:c1", "..:beijing"), ("..:..:c1", "..:.."), ("..:..:hubei:wuhan:c1", "..:..:hubei")],
)  # fmt: skip
def test_a_casters_id_tells_who_answers_for_it(caster, leads_to):
    assert neighbour_of(caster) == leads_to


# --- what a region below tells ------------------------------------------------------------------------


def guard() -> Guard:
    return Guard("zhejiang", SHARED.__contains__)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (sessions("c1", session("li")), "caster"),
        (sessions("beijing:c1", session("li")), "caster"),
        (sessions("zhejiang:..:c1", session("li")), "caster"),
        (sessions("zhejiang:a\nb", session("li")), "caster"),
        (sessions("zhejiang:" + "x" * 300, session("li")), "caster"),
        (volumes("..:c1", "li"), "caster"),
        (StationReports(reports=[], figures=[]), "damaged"),
        (sessions("zhejiang:c1", session("secret")), "account"),
        (sessions("zhejiang:c1", session("li", begun_us=NOW_US + AHEAD_US + 1)), "future"),
        (sessions("zhejiang:c1", session("li", n_bytes=-1)), "damaged"),
        (sessions("zhejiang:c1", session("li"), first=2), "damaged"),
        (sessions("zhejiang:c1", session("li"), told_us=NOW_US - LEASE_US - 1), "late"),
        (volumes("zhejiang:c1", "secret"), "account"),
        (volumes("zhejiang:c1", "li", day=periods(NOW_US)[0] + 2), "future"),
        (volumes("zhejiang:c1", "li", month=periods(NOW_US)[1] + 2), "future"),
        (volumes("zhejiang:c1", "li", day_bytes=-1), "damaged"),
        (volumes("zhejiang:c1", "li", month_bytes=10**18 + 1), "damaged"),
        (volumes("zhejiang:c1", "li", share=60), "damaged"),
        (volumes("zhejiang:c1", "li", share=-1), "damaged"),
    ],
)
def test_nonsense_is_not_believed_and_is_counted(said, reason):
    one = guard()
    believed = one(said, NOW_US)
    assert believed is None or accounts(believed) == []
    assert one.refused == {reason: 1}


def test_what_a_region_may_say_is_believed_as_it_is():
    one = guard()
    for said in (
        sessions("zhejiang:c1", session("li"), session("..:wu", 2), ended=[0]),
        sessions("zhejiang:hangzhou:c1", session("li")),
        volumes("zhejiang:c1", "li", "..:wu"),
        volumes("zhejiang:c1"),
    ):
        assert one(said, NOW_US) == said
    assert not one.refused


def test_how_much_a_region_says_is_bounded_and_room_comes_back(monkeypatch):
    monkeypatch.setattr(room, "MOST_SESSIONS", 3)
    monkeypatch.setattr(room, "MOST_OF_ACCOUNT", 2)
    one = guard()
    said = one(sessions("zhejiang:c1", *(session("li", n) for n in range(5)), session("..:wu", 9)), NOW_US)
    assert accounts(said) == ["li", "li", "..:wu"]
    assert one.refused == {"many": 3}
    assert accounts(one(sessions("zhejiang:c1", session("li", 0)), NOW_US)) == ["li"], "known ones go on"
    assert accounts(one(sessions("zhejiang:c2", session("..:wu", 0)), NOW_US)) == []
    one(sessions("zhejiang:c1", ended=[0, 0, 77]), NOW_US)
    assert accounts(one(sessions("zhejiang:c2", session("li", 0)), NOW_US)) == ["li"]
    one(sessions("zhejiang:c1", first=20), NOW_US)
    assert accounts(one(sessions("zhejiang:c2", session("li", 1)), NOW_US)) == ["li"], "another life"
    one.forget(NOW_US + LEASE_US + 1)
    later = NOW_US + LEASE_US + 1
    said = one(sessions("zhejiang:c3", *(session("li", n) for n in range(2)), told_us=later), later)
    assert len(accounts(said)) == 2


def test_casters_and_volumes_of_a_region_are_bounded(monkeypatch):
    monkeypatch.setattr(room, "MOST_CASTERS", 2)
    monkeypatch.setattr(room, "MOST_VOLUMES", 3)
    one = guard()
    assert one(volumes("zhejiang:c1", "li", "..:wu"), NOW_US) is not None
    assert one(volumes("zhejiang:c2", "li", "..:wu"), NOW_US) is None
    assert one(volumes("zhejiang:c1", "li"), NOW_US) is not None
    assert one(volumes("zhejiang:c2", "li", "..:wu"), NOW_US) is not None
    assert one(volumes("zhejiang:c3", "li"), NOW_US) is None
    assert one.refused == {"many": 2, "caster": 1}


def test_a_region_that_is_not_counted_leaves_nothing_behind():
    one = guard()
    assert one.emptied(sessions("zhejiang:c1", session("li"))) is None
    assert one.emptied(volumes("zhejiang:c1", "li", share=3)) == volumes("zhejiang:c1", share=3)
    assert one.emptied(volumes("beijing:c1", "li")) is None
    assert one.refused == {"not counted": 3}


def test_a_clock_of_a_day_ahead_is_no_day_ahead():
    midnight_us = (NOW_US // DAY_US + 1) * DAY_US
    said = volumes("zhejiang:c1", "li", day=midnight_us // DAY_US)
    assert guard()(said, midnight_us - AHEAD_US) is not None
    assert guard()(said, midnight_us - AHEAD_US - 1) is None
