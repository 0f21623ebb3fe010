"""Two casters that tell each other: the counts of an account are the same in both, whatever is lost."""

import contextlib

from connectors.caster.session_book import LEASE_US, Sessions
from connectors.caster.telling import SHARES, Telling, hear
from streams import codec
from tests.connectors.test_caster import PAST, caster
from tests.connectors.test_caster_accounts import FRAME, account, asking, ends, gets, put
from tests.waiting import until

SECOND_US = 1_000_000


class Post:
    """Carries what casters tell, through the codec."""

    def __init__(self, *setups):
        self.casters = [setup.caster for setup in setups]
        self.telling = [Telling(caster.admission) for caster in self.casters]
        self.now_us = PAST
        self.sizes = []

    def carry(self, *, lose=False):
        self.now_us += SECOND_US
        for sender, telling in zip(self.casters, self.telling, strict=True):
            records = telling.due(self.now_us)
            self.sizes.append(len(records))
            for record in () if lose else records:
                told = codec.decode(codec.encode(record))
                assert told == record
                for hearer in self.casters:
                    admission = hearer.admission
                    accounts = hear(told, admission.sessions, admission.volumes, self.now_us)
                    assert hearer is not sender or not accounts
                    for name in accounts:
                        admission.recheck_account(name)


@contextlib.asynccontextmanager
async def two(**accounts):
    async with caster(name="wuhan") as wuhan, caster(name="yichang") as yichang:
        for setup in (wuhan, yichang):
            put(setup, **accounts)
        yield wuhan, yichang, Post(wuhan, yichang)


def counts(post, name):
    return [one.admission.sessions.count(name) for one in post.casters]


async def test_a_rover_that_goes_over_to_another_caster_leaves_its_place_there():
    async with two(li=account(most_sessions=1)) as (wuhan, yichang, post):
        first, _ = await wuhan.listen(asking("li"))
        post.carry()
        assert counts(post, "li") == [1, 1]
        yichang.caster.admission._clock_us = lambda: PAST + 2
        second, _ = await yichang.listen(asking("li"))
        assert await gets(wuhan, first), "the other caster was not told yet"
        post.carry()
        assert await ends(first) == b""
        await until(lambda: wuhan.relay.counters.rovers == 0)
        post.carry()
        assert counts(post, "li") == [1, 1]
        assert await gets(yichang, second)


async def test_where_nobody_gives_way_the_other_caster_refuses_until_the_end_is_told():
    async with two(li=account(most_sessions=1, when_full="refuse")) as (wuhan, yichang, post):
        await wuhan.listen(asking("li"))
        post.carry()
        assert b"has its 1 sessions already" in await yichang.ask(asking("li"))
        await wuhan.hang_up()
        await until(lambda: wuhan.relay.counters.rovers == 0)
        post.carry()
        rover, _ = await yichang.listen(asking("li"))
        assert await gets(yichang, rover)


async def test_a_caster_that_is_cut_off_counts_alone_and_is_right_again_later():
    limits = {"most_sessions": 1, "when_full": "refuse", "day_bytes": 1000}
    async with two(li=account(**limits)) as (wuhan, yichang, post):
        first, _ = await wuhan.listen(asking("li"))
        post.carry()
        assert await gets(wuhan, first)
        for _ in range(LEASE_US // SECOND_US + 2):
            post.carry(lose=True)
        assert len(yichang.caster.admission.sessions.forget(post.now_us)) == 1
        yichang.caster.admission._clock_us = lambda: PAST + 1
        second, _ = await yichang.listen(asking("li"))
        assert await gets(yichang, second), "its own session limit holds"
        assert b"has its 1 sessions already" in await yichang.ask(asking("li"))
        for one in post.casters:
            one.admission.settle()
        for _ in range(SHARES + 1):
            post.carry()
        assert await ends(second) == b"", "the older one has the place"
        await until(lambda: yichang.relay.counters.rovers == 0)
        post.carry()
        assert counts(post, "li") == [1, 1]
        used = {one.admission.volumes.used("li", PAST) for one in post.casters}
        assert used == {(2 * len(FRAME), 2 * len(FRAME))}


async def test_a_volume_is_shared_and_told_again_only_when_it_grows():
    async with two(li=account(day_bytes=12)) as (wuhan, yichang, post):
        rover, _ = await wuhan.listen(asking("li"))
        assert await gets(wuhan, rover)
        assert await gets(wuhan, rover)
        for one in post.casters:
            one.admission.settle()
        for _ in range(SHARES + 1):
            post.carry()
        assert b"has had its volume of this day" in await yichang.ask(asking("li"))
        post.sizes.clear()
        for _ in range(SHARES):
            post.carry()
        assert sum(post.sizes) <= 2, "at most a session once a minute, and its end"


async def test_a_caster_that_begins_anew_has_none_of_its_sessions_before():
    async with two(li=account(most_sessions=5)) as (wuhan, yichang, post):
        await wuhan.listen(asking("li"))
        post.carry()
        assert counts(post, "li") == [1, 1]
        async with caster(name="wuhan") as again:
            again.caster.admission.sessions = Sessions("wuhan", number=PAST + 1)
            later = Post(again, yichang)
            later.carry()
            assert counts(later, "li") == [0, 0]
