"""The book of sessions and the counts of bytes: whatever order word comes in, all casters agree."""

from collections import defaultdict
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from connectors.caster import session_book as room
from connectors.caster.session_book import LEASE_US, Session, Sessions
from connectors.caster.volumes import Volume, Volumes
from streams.count_sharing import DAY_US, periods

NAMES = ("wuhan", "yichang", "jingzhou")


def told(session: Session, now_us: int) -> Session:
    return Session(*session.key, session.account, session.mountpoint, session.address, session.begun_us,
                   session.n_bytes, told_us=now_us)  # fmt: skip


class Country(RuleBasedStateMachine):
    """Three casters that tell each other, sometimes late, twice, or nothing for long."""

    begun = Bundle("begun")

    def __init__(self) -> None:
        super().__init__()
        self.books = {name: Sessions(name) for name in NAMES}
        self.running: dict[tuple[str, int], str] = {}
        self.now_us = 1

    @rule(target=begun, at=st.sampled_from(NAMES), account=st.sampled_from("ab"))
    def begin(self, at, account):
        self.now_us += 1
        session = self.books[at].begin(account, "WUHN", "", self.now_us)
        assert session.key not in self.running
        self.running[session.key] = account
        return session

    @rule(session=consumes(begun))
    def end(self, session):
        assert self.books[session.caster].end(session.key) is session
        del self.running[session.key]

    @rule(session=begun, to=st.sampled_from(NAMES))
    def tell(self, session, to):
        if session.key in self.running:
            self.books[to].take(told(session, self.now_us))

    @rule(session=begun, to=st.sampled_from(NAMES))
    def tell_the_end(self, session, to):
        if to != session.caster:
            self.books[to].end(session.key)

    @rule(passing=st.integers(1, LEASE_US))
    def wait(self, passing):
        self.now_us += passing
        for book in self.books.values():
            for lost in book.forget(self.now_us):
                assert lost.caster != book.caster
                assert lost.told_us + LEASE_US < self.now_us

    @invariant()
    def own_sessions_are_never_lost(self):
        for name, book in self.books.items():
            own = {one.key: one.account for one in book.own()}
            assert own == {key: account for key, account in self.running.items() if key[0] == name}
            assert len(book.every()) == len(book.own()) + len(list(book.others()))
            for account in "ab":
                assert book.count(account) == sum(one.account == account for one in book.every())

    @rule(most=st.integers(1, 3), when_full=st.sampled_from(("newest", "refuse")))
    def all_agree_once_all_are_told(self, most, when_full):
        for book in self.books.values():
            for other in self.books.values():
                for one in other.own():
                    book.take(told(one, self.now_us))
                for one in list(book.others()):
                    if one.key not in self.running:
                        book.end(one.key)
        for account in "ab":
            surplus = [[one.key for one in b.surplus(account, most, when_full)] for b in self.books.values()]
            assert surplus[0] == surplus[1] == surplus[2]
            book = self.books[NAMES[0]]
            of_account = sorted(book.of(account), key=lambda one: one.age)
            assert len(of_account) - len(surplus[0]) == min(most, len(of_account))
            kept = [one.begun_us for one in of_account if one.key not in surplus[0]]
            cut = [one.begun_us for one in of_account if one.key in surplus[0]]
            if cut:
                assert (max(cut) < min(kept)) if when_full == "newest" else (min(cut) > max(kept))
            assert book.has_room(account, most) == (len(of_account) < most)
            assert book.has_room(account, 0)
            assert book.surplus(account, 0, when_full) == []


TestCountry = Country.TestCase
TestCountry.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_what_another_caster_says_of_ours_is_of_a_life_before():
    book = Sessions("wuhan", number=7)
    book.take(Session("wuhan", 3, "a", "WUHN", "", 1))
    assert book.every() == []
    assert book.begin("a", "WUHN", "", 2).number == 7


def test_sessions_of_others_are_bounded(monkeypatch):
    monkeypatch.setattr(room, "MOST_OTHERS", 3)
    book = Sessions("wuhan")
    for number in range(5):
        book.take(Session("other", number, "a", "WUHN", "", 1, told_us=1))
    assert (book.count("a"), book.left_out) == (3, 2)
    book.take(Session("other", 0, "a", "WUHN", "", 1, n_bytes=5, told_us=2))
    assert max(one.n_bytes for one in book.of("a")) == 5, "those that are known are renewed"
    assert len(book.forget(LEASE_US + 2)) == 2
    book.begin("b", "WUHN", "", 3)
    assert book.count("b") == 1


# --- volumes ------------------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(
            st.sampled_from(NAMES), st.sampled_from("ab"), st.integers(0, 10**9), st.integers(0, 40 * 24)
        ),
        max_size=40,
    ),
    st.randoms(use_true_random=False),
)
def test_counts_agree_whatever_order_they_are_told_in(sent, random):
    sent.sort(key=lambda one: one[3])  # hours; a clock does not go back here
    casters = {name: Volumes(name) for name in NAMES}
    by_day, by_month = defaultdict(int), defaultdict(int)
    said = []
    begin_us = int(datetime(2026, 1, 10, tzinfo=UTC).timestamp()) * 1_000_000
    now_us = begin_us
    for name, account, n_bytes, hours in sent:
        now_us = begin_us + hours * 3_600_000_000
        date = datetime.fromtimestamp(now_us / 1e6, UTC)
        by_day[account, date.date()] += n_bytes
        by_month[account, date.year, date.month] += n_bytes
        casters[name].add(account, n_bytes, now_us)
        said += [(name, *one) for one in casters[name].own()]
    said += said[: len(said) // 2]
    random.shuffle(said)
    date = datetime.fromtimestamp(now_us / 1e6, UTC)
    for caster in casters.values():
        for name, account, volume in said:
            caster.take(name, account, volume)
        for _ in range(2):
            for account in "ab":
                expected = by_day[account, date.date()], by_month[account, date.year, date.month]
                assert caster.used(account, now_us) == expected
            caster.forget(now_us)


def test_what_is_kept_through_a_restart_goes_on():
    before = Volumes("wuhan")
    before.add("a", 5, DAY_US)
    after = Volumes("wuhan")
    for account, volume in before.own():
        after.take("wuhan", account, volume)
    after.add("a", 2, DAY_US)
    assert after.used("a", DAY_US) == (7, 7)
    after.add("a", 1, DAY_US - 1)
    assert after.used("a", DAY_US) == (8, 8), "a clock that is set back gives nothing away"
    assert after.used("a", 2 * DAY_US) == (0, 8)
    assert after.used("a", 40 * DAY_US) == (0, 0)


@pytest.mark.parametrize(
    ("year", "month", "day"), [(1970, 1, 1), (2024, 2, 29), (2026, 12, 31), (2027, 1, 1), (2199, 12, 31)]
)
def test_days_and_months_are_those_of_utc(year, month, day):
    now_us = int(datetime(year, month, day, 23, 59, 59, tzinfo=UTC).timestamp()) * 1_000_000
    assert periods(now_us)[1] == year * 12 + month - 1
    assert periods(now_us)[0] + 1 == periods(now_us + 1_000_000)[0]


def test_counts_are_bounded(monkeypatch):
    monkeypatch.setattr("connectors.caster.volumes.MOST_COUNTS", 2)
    volumes = Volumes("wuhan")
    for account in "abc":
        volumes.add(account, 1, 0)
    assert volumes.left_out == 1
    for caster in ("other", "zhejiang:c1"):  # what others tell takes no room of ours, nor of each other's
        for account in "abc":
            volumes.take(caster, account, Volume(0, 1, 0, 1))
    assert volumes.left_out == 3
    assert volumes.used("c", 0) == (0, 0)
    volumes = Volumes("wuhan")
    for account in "abc":
        volumes.add(account, 1, 0)
    volumes.add("a", 1, 0)
    assert volumes.used("a", 0) == (2, 2)
    volumes.forget(40 * DAY_US)
    volumes.add("c", 1, 40 * DAY_US)
    assert volumes.used("c", 40 * DAY_US)[0] == 1
