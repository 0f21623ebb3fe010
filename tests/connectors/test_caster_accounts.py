"""Accounts in a caster: who is let in, and who is cut when accounts change or time goes on."""

import asyncio

import pytest

from connectors.caster.connection import CasterLimits
from gnss.ntrip.gga import format_gga
from streams.definitions import AccountDefinition, PrivacyDefinition
from streams.passwords import hashed
from tests.connectors.test_caster import PAST, V1, V2, basic, caster
from tests.waiting import until

KEPT = {user: hashed(f"{user}'s", "salt") for user in ("li", "wu")}
WUHAN = [[114.0, 30.2], [114.8, 30.2], [114.8, 30.9], [114.0, 30.9]]
FRAME = b"\xd3frame"


def account(user="li", **more):
    return AccountDefinition(password_hash=KEPT[user], **more)


LI, WU = account("li"), account("wu")


def asking(user, password=None, mountpoint="WUHN", head=V1):
    password = f"{user}'s" if password is None else password
    return head[:-2].replace(b"WUHN", mountpoint.encode()) + basic(user, password)


def put(setup, **accounts):
    setup.caster.accounts.replace(accounts, is_open=False)
    setup.caster.recheck()


async def ends(reader):
    async with asyncio.timeout(60):
        return await reader.read()


async def gets(setup, reader, mountpoint="WUHN"):
    setup.relay.publish(mountpoint, FRAME)
    async with asyncio.timeout(60):
        return await reader.readexactly(6) == FRAME


async def test_rovers_of_a_disabled_account_are_cut_and_others_notice_nothing():
    async with caster() as setup:
        put(setup, li=LI, wu=WU)
        li, _ = await setup.listen(asking("li"))
        wu, _ = await setup.listen(asking("wu"))
        put(setup, li=account(enabled=False), wu=WU)
        assert await ends(li) == b""
        await until(lambda: setup.relay.counters.rovers == 1)
        assert await gets(setup, wu)
        refused = await setup.ask(asking("li"))
        assert refused.startswith(b"HTTP/1.0 401 ")
        assert b"account is closed" in refused
        refused = await setup.ask(asking("li", head=V2))
        assert refused.startswith(b"HTTP/1.1 403 ")
        assert b"account is closed" in refused
        assert setup.caster.counters.refused["account"] == 3


async def test_a_changed_password_cuts_and_other_mountpoints_are_refused():
    async with caster() as setup:
        put(setup, li=account(mountpoints=["WU*"]))
        rover, _ = await setup.listen(asking("li"))
        again, _ = await setup.listen(asking("li"))
        assert b"may not have this stream" in await setup.ask(asking("li", mountpoint="SHAO"))
        assert b"wrong" in await setup.ask(asking("li", "wu's"))
        assert b"wrong" in await setup.ask(asking("nobody", "wu's"))
        put(setup, li=WU)
        assert (await ends(rover), await ends(again)) == (b"", b"")


async def test_an_open_caster_closes_with_the_first_account_and_cuts_who_has_none():
    async with caster() as setup:
        rover, _ = await setup.listen(V1)
        put(setup, li=LI)
        assert await ends(rover) == b""
        assert b"a user name is needed" in await setup.ask(V1)
        assert b";B;" in await setup.ask(b"GET / HTTP/1.0\r\nUser-Agent: NTRIP test\r\n\r\n")


async def test_nobody_gets_a_stream_until_accounts_are_known():
    async with caster() as setup:
        setup.caster.accounts.is_known = False
        for asked, head in ((V1, b"HTTP/1.0 503 "), (asking("li"), b"HTTP/1.0 503 ")):
            assert (await setup.ask(asked)).startswith(head)
        assert b";B;" in await setup.ask(b"GET / HTTP/1.0\r\nUser-Agent: NTRIP test\r\n\r\n")
        assert setup.caster.counters.refused == {"early": 2}
        setup.caster.accounts.is_known = True
        await setup.listen(V1)


@pytest.mark.parametrize(
    ("made", "status", "words"),
    [
        (account(valid_from_us=PAST + 1), 403, b"not valid yet"),
        (account(valid_until_us=PAST), 403, b"not valid any more"),
        (account(mountpoints=["wuhn", "SH?O"]), 403, b"may not have this stream"),
    ],
)
async def test_what_is_not_allowed_is_said(made, status, words):
    async with caster() as setup:
        put(setup, li=made)
        refused = await setup.ask(asking("li", head=V2))
        assert refused.startswith(b"HTTP/1.1 %d " % status)
        assert words in refused


async def test_a_session_ends_with_the_account_s_time(monkeypatch):
    monkeypatch.setattr("connectors.caster.server._LOOK_S", 0.02)
    async with caster() as setup:
        put(setup, li=account(valid_from_us=PAST, valid_until_us=PAST + 1), wu=WU)
        li, _ = await setup.listen(asking("li"))
        wu, _ = await setup.listen(asking("wu"))
        setup.caster.admission._clock_us = lambda: PAST + 1
        assert await ends(li) == b""
        assert await gets(setup, wu)


async def test_the_newest_session_has_the_place_of_the_oldest():
    async with caster() as setup:
        put(setup, li=account(most_sessions=2), wu=WU)
        first, _ = await setup.listen(asking("li"))
        wu, _ = await setup.listen(asking("wu"))
        second, _ = await setup.listen(asking("li", mountpoint="SHAO"))
        third, _ = await setup.open(asking("li"))
        assert await ends(first) == b""
        assert (await third.readuntil(b"\r\n\r\n")).startswith(b"ICY 200")
        await until(lambda: setup.relay.counters.rovers == 3)
        assert await gets(setup, second, "SHAO")
        assert await gets(setup, third)
        assert await wu.readexactly(6) == FRAME
        assert setup.caster.counters.refused == {"sessions": 1}
        put(setup, li=account(most_sessions=1), wu=WU)
        assert await ends(second) == b"", "fewer are allowed now"


async def test_where_nobody_gives_way_one_too_many_is_refused_until_there_is_room():
    async with caster() as setup:
        put(setup, li=account(most_sessions=1, when_full="refuse"))
        first, writer = await setup.listen(asking("li"))
        refused = await setup.ask(asking("li"))
        assert refused.startswith(b"HTTP/1.0 503 ")
        assert b"Retry-After" in refused
        assert b"has its 1 sessions already" in refused
        assert await gets(setup, first)
        writer.close()
        await until(lambda: setup.relay.counters.rovers == 0)
        await setup.listen(asking("li"))


@pytest.mark.parametrize("limit", ["day_bytes", "month_bytes"])
async def test_who_has_had_its_volume_is_cut_until_the_next(limit, monkeypatch):
    monkeypatch.setattr("connectors.caster.server._LOOK_S", 0.02)
    async with caster() as setup:
        put(setup, li=account(**{limit: 12}), wu=WU)
        li, _ = await setup.listen(asking("li"))
        wu, _ = await setup.listen(asking("wu"))
        assert await gets(setup, li)
        await wu.readexactly(6)
        await asyncio.sleep(0.1)
        assert await gets(setup, li), "there is something left"
        assert await ends(li) == b""
        refused = await setup.ask(asking("li"))
        assert b"has had its volume of this " in refused
        await wu.readexactly(6)
        assert await gets(setup, wu)
        setup.caster.admission.settle()
        assert setup.caster.admission.volumes.used("wu", PAST) == (18, 18)
        setup.caster.admission._clock_us = lambda: PAST + 40 * 86_400_000_000
        await setup.listen(asking("li"))


async def test_beyond_its_rate_whole_epochs_are_left_out():
    async with caster() as setup:
        put(setup, li=account(rate_bytes_s=100))
        now_s = 0.0
        setup.caster.admission._clock_s = lambda: now_s
        li, _ = await setup.listen(asking("li"))
        epoch = bytes(range(150))
        for second in range(100):
            now_s = float(second)
            setup.relay.publish("WUHN", epoch)
        admission = setup.caster.admission
        (present,) = admission._present.values()
        sent = present.metered.n_bytes // len(epoch)
        assert 99 * 100 <= present.metered.n_bytes <= 99 * 100 + 200 + len(epoch), "and what may come at once"
        async with asyncio.timeout(60):
            assert await li.readexactly(sent * len(epoch)) == epoch * sent, "whole epochs, in order"
        admission.settle()
        assert admission.left_out == 100 - sent > 0


def gga(longitude, latitude):
    return format_gga(PAST, latitude, longitude, 30.0)


async def test_an_account_with_areas_gets_a_stream_where_it_may_be():
    async with caster() as setup:
        put(setup, li=account(areas=[WUHAN]))
        rover, writer = await setup.listen(asking("li"))
        setup.relay.publish("WUHN", b"\xd3before")
        writer.write(gga(114.3, 30.5))
        (present,) = setup.caster.admission._present.values()
        await until(lambda: not present.metered.is_held)
        assert await gets(setup, rover), "nothing came before its position did"
        writer.write(gga(115.3, 30.5))
        assert await ends(rover) == b""
        assert setup.caster.counters.refused == {"area": 1}


async def test_a_position_in_the_request_or_right_behind_it_serves_too():
    async with caster() as setup:
        put(setup, li=account(areas=[WUHAN]))
        inside, outside = gga(114.3, 30.5), gga(113.0, 30.5)
        head = V2[:-2] + b"Ntrip-GGA: " + inside + b"\r\n"
        rover, _ = await setup.listen(asking("li", head=head))
        assert await gets(setup, rover)
        head = V2[:-2] + b"Ntrip-GGA: " + outside + b"\r\n"
        refused = await setup.ask(asking("li", head=head))
        assert refused.startswith(b"HTTP/1.1 403 ")
        assert b"where you are" in refused
        put(setup, li=account(areas=[WUHAN], most_sessions=5))
        behind, _ = await setup.listen(asking("li") + inside)
        assert await gets(setup, behind)


async def test_who_needs_a_position_and_tells_none_is_let_go(monkeypatch):
    monkeypatch.setattr("connectors.caster.server._LOOK_S", 0.02)
    async with caster() as setup:
        put(setup, li=account(areas=[WUHAN]), wu=WU)
        li, writer = await setup.listen(asking("li"))
        writer.write(b"$GPGGA,no position*00\r\n" + b"\xff" * 600)
        wu, _ = await setup.listen(asking("wu"))
        setup.caster.admission._clock_us = lambda: PAST + 61_000_000
        assert await ends(li) == b""
        assert await gets(setup, wu)
        assert setup.caster.counters.refused == {"area": 1}


async def test_who_is_there_can_be_told():
    async with caster(privacy=PrivacyDefinition(addresses="network")) as setup:
        put(setup, li=LI)
        await setup.listen(asking("li"))
        setup.relay.publish("WUHN", FRAME)
        setup.caster.admission.settle()
        (session,) = setup.caster.admission.sessions.every()
        assert (session.account, session.mountpoint, session.address, session.begun_us, session.n_bytes) == (
            "li", "WUHN", "127.0.0.0/24", PAST, 6,
        )  # fmt: skip
        await setup.hang_up()
        await until(lambda: setup.relay.counters.rovers == 0)
        assert setup.caster.admission.sessions.every() == []
        assert setup.caster.admission.ended == [("caster", PAST)]


async def test_rovers_that_come_back_cost_no_hash():
    compared = []

    def counting(password, kept):
        compared.append(password)
        return password == "right"

    limits = CasterLimits(connections=1000, connections_per_address=1000)
    async with caster(limits=limits, compare_=counting) as setup:
        users = {f"u{k}": AccountDefinition(password_hash=f"hash {k}") for k in range(20)}
        put(setup, **users)
        for turn in range(10):
            await asyncio.gather(*(setup.listen(asking(name, "right")) for name in users))
            put(setup, **users, **{f"other{turn}": LI})  # a change of others' accounts costs nothing
        assert len(compared) == len(users)
        put(setup, **users | {"u3": AccountDefinition(password_hash="new")})
        again, _ = await setup.open(asking("u3", "right"))
        assert (await again.readuntil(b"\r\n\r\n")).startswith(b"ICY 200")
        assert len(compared) == len(users) + 1
        for _ in range(20):
            assert b"wrong" in await setup.ask(asking("u4", "stale"))
        assert len(compared) == len(users) + 2, "the same wrong password is no new guess"
        assert setup.caster.passwords.guesses.addresses == 1


async def test_a_flood_of_wrong_passwords_is_bounded_and_holds_up_nobody_else():
    limits = CasterLimits(connections=2000, connections_per_address=2000)
    async with caster(limits=limits) as setup:
        put(setup, li=LI, wu=WU)
        rover, _ = await setup.listen(asking("li"))
        flood = [asyncio.create_task(setup.ask(asking(f"x{k % 50}", f"wrong {k}"))) for k in range(300)]
        await asyncio.sleep(0.05)
        assert await gets(setup, rover)
        await setup.listen(asking("li"))
        assert await gets(setup, rover)
        async with asyncio.timeout(120):
            answers = await asyncio.gather(*flood)
        assert all(answer.startswith((b"HTTP/1.0 401", b"HTTP/1.0 503")) for answer in answers)
        refused = setup.caster.counters.refused
        assert refused["unauthorised"] + refused["busy"] == 300
        assert refused["busy"] > 200, "an address has its share of what waits"
        assert not setup.caster._checks
        assert not setup.caster.passwords._present


async def test_logs_name_accounts_and_never_passwords(capsys, monkeypatch):
    monkeypatch.setattr("connectors.caster.guesses.SHORTEST_S", 0.0)
    async with caster(compare_=lambda password, kept: password == "li's") as setup:
        put(setup, li=AccountDefinition(password_hash="kept"))
        for k in range(25):
            assert b"wrong" in await setup.ask(asking("li", f"guess{k}"))
        rover, _ = await setup.listen(asking("li"))
        put(setup, li=AccountDefinition(password_hash="kept", enabled=False))
        await ends(rover)
    told = capsys.readouterr().out
    for words in ("somebody guesses", "account=li", "set it anew", "this account is closed"):
        assert words in told
    for secret in ("guess2", "li's", "kept"):
        assert secret not in told.replace("is kept in", "")
