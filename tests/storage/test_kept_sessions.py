"""What is kept of sessions: once however often it comes, as exact and as long as privacy lets it be."""

from __future__ import annotations

import msgspec
import pytest

from storage.sql import kept_sessions as room
from streams.definitions import PrivacyDefinition
from streams.records import KeptSession, KeptSessions, SessionLeg
from tests.storage.timescaledb import ALL_STORES

pytestmark = ALL_STORES

DAY = 86_400_000_000
T0 = 20_000 * DAY
EXACT = PrivacyDefinition(position_decimals=6, days=3660)


def leg(since_us, base, longitude=114.413579, latitude=30.524681):
    return SessionLeg(since_us=since_us, base=base, reason="first", longitude=longitude, latitude=latitude)


def kept(number, at_us=T0, **changes):
    one = KeptSession(
        caster="wuhan", number=number, account="li", mountpoint="NEAREST", agent="NTRIP test/1 ü", version=2,
        begun_us=T0 - 1000 + number, at_us=at_us, is_over=True, n_bytes=2**40, n_epochs=7, sentences=5,
        fixed=4, floating=1, decimals=6, begin_longitude=114.413579, begin_latitude=30.524681,
        longitude=-0.987654, latitude=-33.123456, legs=[leg(T0 - 1000 + number, "WUHN"), leg(T0, "HUAN")],
    )  # fmt: skip
    return msgspec.structs.replace(one, **changes)


def put(store, *sessions):
    store.commit([KeptSessions(sessions=list(sessions))], None, now_us=T0)


def every(store, **asked):
    return store.kept_sessions(limit=1000, **asked).items


def test_a_session_comes_back_as_it_was_and_once_however_often_it_came(store):
    one, other = kept(1), kept(2, legs=[], longitude=None, latitude=None, decimals=-1, is_over=False)
    put(store, one, other)
    put(store, other, one)
    assert every(store) == [other, one]


def test_the_newest_state_holds_and_legs_come_one_after_the_other(store):
    put(store, kept(1, T0 + 5, n_bytes=9, is_over=False, legs=[leg(T0, "A")]))
    put(store, kept(1, T0 + 9, n_bytes=20, legs=[leg(T0 + 6, "B")]))
    put(store, kept(1, T0 + 5, n_bytes=9, is_over=False, legs=[leg(T0, "A", 1.0, 2.0)]))  # once more, late
    (one,) = every(store)
    assert (one.n_bytes, one.is_over, one.at_us) == (20, True, T0 + 9)
    assert one.legs == [leg(T0, "A"), leg(T0 + 6, "B")]


def test_sessions_are_found_by_station_account_and_time(store):
    put(
        store,
        kept(1, T0 + 5),
        kept(2, T0 + 50, account="wu", legs=[leg(T0, "SHAO")]),
        kept(3, T0 + 500, mountpoint="SHAO", legs=[leg(T0, "SHAO"), leg(T0 + 7, "")]),
        kept(4, T0 + 500, begun_us=T0 + 400, account="", legs=[]),
    )

    def numbers(**asked):
        return [one.number for one in every(store, **asked)]

    assert numbers() == [4, 3, 2, 1]
    assert numbers(base="SHAO") == [3, 2]
    assert numbers(base="HUAN") == [1]
    assert numbers(account="li") == [3, 1]
    assert numbers(mountpoint="SHAO", account="li", base="SHAO") == [3]
    assert numbers(start_us=T0 + 51) == [4, 3]
    assert numbers(end_us=T0 + 400) == [3, 2, 1]
    assert numbers(start_us=T0 + 501) == []


def test_pages_hold_each_session_once(store):
    put(store, *(kept(n, begun_us=T0 + n // 3, caster=f"c{n % 2}") for n in range(20)))
    found, after = [], None
    while True:
        page = store.kept_sessions(after=after, limit=3)
        found += [one.number for one in page.items]
        if (after := page.next) is None:
            break
    assert sorted(found) == list(range(20))
    assert found == [one.number for one in every(store)]
    with pytest.raises(ValueError, match="not one of this list"):
        store.kept_sessions(after="nonsense")


def test_what_is_older_than_its_days_goes_at_once_when_they_are_shortened(store, monkeypatch):
    monkeypatch.setattr(room, "MOST_AT_ONCE", 2)
    put(store, *(kept(n, T0 - n * DAY) for n in range(10)))
    privacy = msgspec.structs.replace(EXACT, days=5)
    assert store.forget_sessions(privacy, T0) == 4
    assert store.forget_sessions(privacy, T0) == 0
    assert [one.number for one in every(store)] == [5, 4, 3, 2, 1, 0]
    assert store.forget_sessions(privacy, T0 + DAY) == 1, "nothing new has to come for it"
    assert store.forget_sessions(msgspec.structs.replace(EXACT, days=0), T0) == 5
    assert every(store) == []
    put(store, kept(1, legs=[]))
    assert every(store)[0].legs == [], "legs went with their sessions"


def test_what_is_kept_gets_as_coarse_as_privacy_has_it_and_no_finer_again(store):
    put(store, kept(1), kept(2, decimals=-1, begin_longitude=None, begin_latitude=None, longitude=None,
                             latitude=None, legs=[leg(T0, "A", None, None)]))  # fmt: skip
    assert store.forget_sessions(msgspec.structs.replace(EXACT, position_decimals=2), T0) == 0
    bare, one = every(store)
    assert (one.begin_longitude, one.begin_latitude, one.longitude, one.latitude) == (
        114.41, 30.52, -0.99, -33.12,
    )  # fmt: skip
    assert [(x.longitude, x.latitude) for x in one.legs] == [(114.41, 30.52)] * 2
    assert (one.decimals, bare.decimals, bare.longitude) == (2, -1, None)
    store.forget_sessions(EXACT, T0)
    assert every(store)[1] == one
    put(store, kept(3))  # was on its way
    store.forget_sessions(msgspec.structs.replace(EXACT, position_decimals=0), T0)
    assert {x.longitude for x in every(store)} == {-1.0, None}
    store.forget_sessions(msgspec.structs.replace(EXACT, position_decimals=None), T0)
    for one in every(store):
        assert (one.decimals, one.begin_longitude, one.longitude) == (-1, None, None)
        assert all(x.longitude is None for x in one.legs)
        assert one.account == "li"


def test_sessions_live_through_a_restart(open_store):
    put(open_store(), kept(1))
    assert every(open_store()) == [kept(1)]
