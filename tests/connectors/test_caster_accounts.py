"""Accounts that change while rovers are there."""

import asyncio

from connectors.caster.accounts import Accounts
from connectors.caster.connection import CasterLimits
from streams.definitions import AccountDefinition, hashed
from tests.connectors.test_caster import V1, basic, caster
from tests.waiting import until

LI, WU = (AccountDefinition(password_hash=hashed(password, "salt")) for password in ("li's", "wu's"))


def asking(user, password, mountpoint="WUHN"):
    return V1[:-2].replace(b"WUHN", mountpoint.encode()) + basic(user, password)


def put(setup, **accounts):
    setup.caster.accounts.replace(accounts, is_open=False)
    setup.caster.recheck()


async def test_rovers_of_a_disabled_account_are_cut_and_others_notice_nothing():
    async with caster() as setup:
        put(setup, li=LI, wu=WU)
        li, _ = await setup.listen(asking("li", "li's"))
        wu, _ = await setup.listen(asking("wu", "wu's"))
        put(setup, li=AccountDefinition(password_hash=LI.password_hash, enabled=False), wu=WU)
        async with asyncio.timeout(60):
            assert await li.read() == b""
        await until(lambda: setup.relay.counters.rovers == 1)
        setup.relay.publish("WUHN", b"\xd3frame")
        async with asyncio.timeout(60):
            assert await wu.readexactly(6) == b"\xd3frame"
        refused = await setup.ask(asking("li", "li's"))
        assert b"401" in refused or refused.startswith(b"ERROR")
        assert setup.caster.counters.refused["account"] == 2


async def test_a_changed_password_cuts_and_other_mountpoints_are_refused():
    async with caster() as setup:
        put(setup, li=AccountDefinition(password_hash=LI.password_hash, mountpoints=["WUHN"]))
        rover, _ = await setup.listen(asking("li", "li's"))
        again, _ = await setup.listen(asking("li", "li's"))
        assert b"may not have this stream" in await setup.ask(asking("li", "li's", "SHAO"))
        assert b"wrong" in await setup.ask(asking("li", "wu's"))
        assert b"wrong" in await setup.ask(asking("nobody", "wu's"))
        put(setup, li=WU)
        async with asyncio.timeout(60):
            assert (await rover.read(), await again.read()) == (b"", b"")


async def test_an_open_caster_closes_with_the_first_account_and_cuts_who_has_none():
    async with caster() as setup:
        rover, _ = await setup.listen(V1)
        put(setup, li=LI)
        async with asyncio.timeout(60):
            assert await rover.read() == b""
        assert b"a user name is needed" in await setup.ask(V1)
        assert b";B;" in await setup.ask(b"GET / HTTP/1.0\r\nUser-Agent: NTRIP test\r\n\r\n")


async def test_nobody_gets_a_stream_until_accounts_are_known():
    async with caster() as setup:
        setup.caster.accounts.is_known = False
        for asked, head in ((V1, b"HTTP/1.0 503 "), (asking("li", "li's"), b"HTTP/1.0 503 ")):
            assert (await setup.ask(asked)).startswith(head)
        assert b";B;" in await setup.ask(b"GET / HTTP/1.0\r\nUser-Agent: NTRIP test\r\n\r\n")
        assert setup.caster.counters.refused == {"early": 2}
        setup.caster.accounts.is_known = True
        await setup.listen(V1)


async def test_a_flood_of_wrong_passwords_is_bounded_and_holds_up_no_stream():
    async with caster(limits=CasterLimits(connections=1000)) as setup:
        put(setup, li=LI)
        rover, _ = await setup.listen(asking("li", "li's"))
        flood = [asyncio.create_task(setup.ask(asking(f"x{k}", "wrong"))) for k in range(300)]
        setup.relay.publish("WUHN", b"\xd3frame")
        async with asyncio.timeout(60):
            assert await rover.readexactly(6) == b"\xd3frame"
            answers = await asyncio.gather(*flood)
        assert all(answers)
        refused = setup.caster.counters.refused
        assert refused["unauthorised"] + refused["busy"] == 300


def test_a_right_password_is_remembered_until_accounts_change():
    accounts = Accounts({"plain": "text"})
    assert (accounts.knows("plain", "text"), accounts.knows("plain", "x")) == (True, False)
    assert accounts.knows("nobody", "x") is False, "there are no hashes to hide behind"
    accounts.replace({"li": LI}, is_open=False)
    assert accounts.knows("li", "li's") is None
    assert accounts.knows("nobody", "li's") is None, "as slow as an account that is there"
    assert not accounts.verify("li", "wrong")
    assert not accounts.verify("nobody", "")
    assert accounts.knows("li", "wrong") is None
    assert accounts.verify("li", "li's")
    assert accounts.knows("li", "li's") is True
    accounts.replace({"li": LI}, is_open=False)
    assert accounts.knows("li", "li's") is None
    assert not accounts.may("nobody", "WUHN")
