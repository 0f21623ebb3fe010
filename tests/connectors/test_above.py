"""Accounts of regions above in a caster: let in while they are heard of, by an own limit when not."""

from __future__ import annotations

import pytest

from connectors.caster.above import CUT_OFF_US, Above
from connectors.caster.telling import hear
from streams.records import CasterSessions, Heard, SessionRecord
from tests.connectors.test_caster import PAST, V2, caster
from tests.connectors.test_caster_accounts import account, asking, ends, gets
from tests.waiting import until

HOUR_US = 3_600_000_000
IDS = {"li": "..:li"}


def put(setup, ids=IDS, **accounts):
    setup.caster.accounts.replace(accounts, is_open=False, ids=ids)
    setup.caster.recheck()


def at(setup, now_us):
    setup.caster.admission._clock_us = lambda: now_us
    setup.caster.admission.look()


def told(caster_, *begun, name="..:li", ended=()):
    present = [
        SessionRecord(number=n, account=name, mountpoint="", address="", begun_us=us, n_bytes=0)
        for n, us in enumerate(begun)
    ]
    return CasterSessions(caster=caster_, first=0, present=present, ended=list(ended))


def tell(setup, record):
    admission = setup.caster.admission
    for name in hear(record, admission.sessions, admission.volumes, PAST):
        admission.recheck_account(name)


def test_regions_above_are_heard_cut_off_and_forgotten():
    above = Above(keep_us=HOUR_US, most_sessions=2)
    assert above.contact(0, 0) == "heard"
    assert above.contact(1, HOUR_US * 10) == "forgotten", "it was never heard"
    above.hear(Heard(at_us=PAST, ages_us=[0, 30]), PAST + 5)
    assert above.heard_us == [PAST, PAST - 30]
    assert above.contacts(PAST + CUT_OFF_US) == ("heard", "cut off")
    assert above.contacts(PAST + HOUR_US) == ("cut off", "forgotten")
    above.hear(Heard(at_us=PAST - 100, ages_us=[0, 0]), PAST)
    assert above.heard_us == [PAST, PAST - 30], "what was said before is no news"
    above.hear(Heard(at_us=PAST + HOUR_US, ages_us=[0]), PAST + 9)
    assert above.heard_us == [PAST + 9], "a bridge's clock is not believed further than ours"
    assert Above().contact(1, PAST) == "cut off", "for ever"


@pytest.mark.parametrize(
    ("own", "most", "heard", "cut"), [(0, 5, 5, 5), (2, 5, 5, 2), (2, 1, 1, 1), (2, 0, 0, 2), (0, 0, 0, 0)]
)
def test_the_limit_of_a_region_that_is_cut_off_is_the_smaller_one(own, most, heard, cut):
    above = Above(most_sessions=own, heard_us=[PAST])
    assert above.limit(1, most, PAST) == heard
    assert above.limit(1, most, PAST + CUT_OFF_US + 1) == cut
    assert above.limit(0, most, PAST + CUT_OFF_US + 1) == most, "accounts from here are as always"


async def test_a_region_that_is_cut_off_serves_known_users_for_a_time_by_its_own_limit():
    async with caster() as setup:
        put(setup, li=account(most_sessions=3), wu=account("wu"))
        admission = setup.caster.admission
        admission.above = Above(HOUR_US, 1, [PAST])
        first, _ = await setup.listen(asking("li"))
        at(setup, PAST + 1)
        second, _ = await setup.listen(asking("li"))
        at(setup, PAST + CUT_OFF_US + 1)
        assert await ends(first) == b"", "its own limit is in force"
        at(setup, PAST + HOUR_US)
        third, _ = await setup.open(asking("li"))
        assert await ends(second) == b""
        assert (await third.readuntil(b"\r\n\r\n")).startswith(b"ICY 200")
        at(setup, PAST + HOUR_US + 1)
        refused = await setup.ask(asking("li", head=V2))
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"heard nothing of this account for too long" in refused
        assert b"wrong" in await setup.ask(asking("li", "wu's")), "who it is comes first"
        assert await gets(setup, third), "who is there stays"
        await setup.listen(asking("wu"))
        assert setup.caster.counters.refused["cut off"] == 1
        admission.above.hear(Heard(at_us=PAST + HOUR_US + 2, ages_us=[0]), PAST + HOUR_US + 2)
        at(setup, PAST + HOUR_US + 2)
        await setup.listen(asking("li"))
        assert admission.sessions.count("..:li") == 2, "and neither is one too many"


async def test_a_session_in_another_region_ends_the_older_one_here_and_is_named():
    async with caster() as setup:
        put(setup, li=account(most_sessions=1))
        setup.caster.admission.above.hear(Heard(at_us=PAST, ages_us=[0]), PAST)
        here, _ = await setup.listen(asking("li"))
        tell(setup, told("..:beijing:c7", PAST - 1))
        assert await gets(setup, here), "an older one elsewhere has no place"
        tell(setup, told("..:beijing:c7", PAST - 1, PAST + 1))
        assert await ends(here) == b""
        await until(lambda: setup.relay.counters.rovers == 0)
        assert setup.caster.admission.given_way == {"..:beijing": 1}
        tell(setup, told("..:beijing:c7", ended=[0, 1]))
        assert setup.caster.admission.sessions.count("..:li") == 0


async def test_an_account_from_above_takes_the_place_of_one_of_its_name_and_counts_apart():
    async with caster() as setup:
        put(setup, ids={}, li=account(day_bytes=6))
        before, _ = await setup.listen(asking("li"))
        assert await gets(setup, before)
        setup.caster.admission.settle()
        assert b"has had its volume" in await setup.ask(asking("li"))
        put(setup, li=account("wu", day_bytes=6))
        assert await ends(before) == b""
        assert b"wrong" in await setup.ask(asking("li"))
        setup.caster.admission.above.hear(Heard(at_us=PAST, ages_us=[0]), PAST)
        after, _ = await setup.listen(asking("li", "wu's"))
        assert await gets(setup, after), "it has a volume of its own"
        assert [one.account for one in setup.caster.admission.sessions.every()] == ["..:li"]
        put(setup, ids={}, li=account(day_bytes=6))
        assert await ends(after) == b""


async def test_sessions_of_a_local_account_and_of_one_above_are_not_mixed_up():
    async with caster() as setup:
        put(setup, ids={}, li=account(most_sessions=1))
        here, _ = await setup.listen(asking("li"))
        tell(setup, told("..:beijing:c7", PAST + 1))
        assert await gets(setup, here)
