"""Casters of a tree of regions: whatever is lost, repeated or late, all count the same in the end."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from connectors.caster.session_book import LEASE_US, Session, Sessions
from connectors.caster.telling import hear
from connectors.caster.volumes import Volumes
from streams import codec
from streams.kafka.access import Access
from streams.kafka.bridge import Side
from streams.kafka.exchange import Exchange, Line
from streams.records import AccountVolume, CasterSessions, CasterVolumes, Record, SessionRecord
from streams.regions import name_of, steps_above
from streams.topics import REGIONAL_SESSIONS, REGIONAL_VOLUMES, SESSIONS, VOLUMES

PARENTS = {"china": "", "zhejiang": "china", "hubei": "china", "hangzhou": "zhejiang"}
LI = {"china": "li", "zhejiang": "..:li", "hubei": "..:li", "hangzhou": "..:..:li"}
"""One account, as each region knows it."""
SECOND_US = 1_000_000
BEGIN_US = 1_790_000_000_000_000
Whose = tuple[str, int]


class Region:
    """A caster, and what its bridge carries; its Kafka is a log a topic."""

    def __init__(self, name: str, country: Country) -> None:
        self.name, self.country = name, country
        self.book, self.volumes = Sessions(f"c-{name}"), Volumes(f"c-{name}")
        self.heard: dict[str, int] = defaultdict(int)
        """How far its caster has read each topic."""
        children = dict.fromkeys((child for child, parent in PARENTS.items() if parent == name), True)
        known = asyncio.Event()
        known.set()
        above = Side(Access(PARENTS[name])) if PARENTS[name] else None
        self.exchange = Exchange(
            name, children, lambda _, account: account == LI[name], known, lambda: country.now_us,
            Side(Access(name)), above, "coarsened", lambda: 0,
        )  # fmt: skip

    def say(self, record: Record, topic: str) -> None:
        self.country.logs[self.name, topic].append(codec.encode(record))

    def hear(self) -> None:
        """Let the caster read all there is."""
        for topic in (SESSIONS, REGIONAL_SESSIONS, VOLUMES, REGIONAL_VOLUMES):
            log = self.country.logs[self.name, topic.name]
            for message in log[self.heard[topic.name] :]:
                hear(codec.decode(message), self.book, self.volumes, self.country.now_us)
            self.heard[topic.name] = len(log)

    def tell(self, *ended: int) -> None:
        """Say which sessions there are, as each caster does once a minute, and how much accounts have had."""
        present = [
            SessionRecord(number=one.number, account=one.account, mountpoint="M", address="", n_bytes=0,
                          begun_us=one.begun_us)
            for one in self.book.own()
        ]  # fmt: skip
        self.say(
            CasterSessions(caster=self.book.caster, first=self.book.first, present=present, ended=[*ended],
                           told_us=self.country.now_us),
            SESSIONS.name,
        )  # fmt: skip
        told = [
            AccountVolume(account=account, day=one.day, day_bytes=one.day_bytes, month=one.month,
                          month_bytes=one.month_bytes)
            for account, one in self.volumes.own()
        ]  # fmt: skip
        self.say(CasterVolumes(caster=self.volumes.caster, share=0, volumes=told), VOLUMES.name)


class Country(RuleBasedStateMachine):
    """Four regions in three levels."""

    begun = Bundle("begun")

    def __init__(self) -> None:
        super().__init__()
        self.now_us = BEGIN_US
        self.logs: dict[tuple[str, str], list[bytes]] = defaultdict(list)
        self.regions = {name: Region(name, self) for name in PARENTS}
        self.lines = [line for one in self.regions.values() for line in one.exchange.lines]
        self.places: dict[tuple[int, str], int] = defaultdict(int)
        self.running: dict[Whose, Session] = {}
        self.bytes: dict[str, int] = defaultdict(int)

    @rule(target=begun, at=st.sampled_from(sorted(PARENTS)), own=st.booleans())
    def begin(self, at: str, own: bool) -> tuple[str, Session]:
        self.now_us += 1
        session = self.regions[at].book.begin("local" if own else LI[at], "M", "", self.now_us)
        self.running[session.key] = session
        return at, session

    @rule(found=consumes(begun))
    def end(self, found: tuple[str, Session]) -> None:
        at, session = found
        if self.running.pop(session.key, None) is not None:
            self.regions[at].book.end(session.key)
            self.regions[at].tell(session.number)

    @rule(at=st.sampled_from(sorted(PARENTS)), n_bytes=st.integers(1, 1000))
    def send(self, at: str, n_bytes: int) -> None:
        self.regions[at].volumes.add(LI[at], n_bytes, self.now_us)
        self.bytes[at] += n_bytes

    @rule(at=st.sampled_from(sorted(PARENTS)))
    def tell(self, at: str) -> None:
        self.regions[at].tell()

    @rule(at=st.sampled_from(sorted(PARENTS)))
    def begin_anew(self, at: str) -> None:
        """Restart a caster; its rovers are gone."""
        region = self.regions[at]
        for one in region.book.own():
            self.running.pop(one.key, None)
        region.book = Sessions(region.book.caster, number=region.book.number + 1)
        volumes = Volumes(region.volumes.caster)
        for account, volume in region.volumes.own():
            volumes.take(volumes.caster, account, volume)
        region.volumes = volumes
        region.heard = defaultdict(int, {name: len(self.logs[at, name]) for name in (
            SESSIONS.name, REGIONAL_SESSIONS.name)})  # fmt: skip

    @rule(number=st.integers(0, 100), most=st.integers(1, 5))
    def carry(self, number: int, most: int) -> None:
        """Let one line go on a little."""
        line = self.lines[number % len(self.lines)]
        for topic in line.topics:
            self._carry(line, topic.name, most)

    @rule(number=st.integers(0, 100), back=st.integers(1, 5))
    def carry_again(self, number: int, back: int) -> None:
        """A line was killed before it knew that what it sent had arrived."""
        line = self.lines[number % len(self.lines)]
        for topic in line.topics:
            place = id(line), topic.name
            self.places[place] = max(self.places[place] - back, 0)

    @rule(number=st.integers(0, 100))
    def lose(self, number: int) -> None:
        """Kafka deletes sessions that were not carried for an hour; volumes stay."""
        line = self.lines[number % len(self.lines)]
        for topic in line.topics:
            if topic.name.startswith(("sessions", "regional-sessions", "elsewhere-sessions")):
                log = self.logs[line.source.kafka.servers, topic.name]
                self.places[id(line), topic.name] = len(log)

    @rule(passing=st.integers(1, LEASE_US))
    def wait(self, passing: int) -> None:
        self.now_us += passing
        self._forget()

    @rule(most=st.integers(1, 3))
    def all_agree_once_all_are_told(self, most: int) -> None:
        self._carry_all()
        self.now_us += LEASE_US + SECOND_US
        self._forget()
        for region in self.regions.values():
            region.tell()
        self._carry_all()
        truth = {key for key, one in self.running.items() if name_of(one.account) == "li"}
        surplus = []
        for name, region in self.regions.items():
            known = {_whose(one) for one in region.book.of(LI[name])}
            assert known == truth, name
            assert region.book.left_out == 0
            surplus.append([_whose(one) for one in region.book.surplus(LI[name], most, "newest")])
            assert region.volumes.used(LI[name], self.now_us)[1] == sum(self.bytes.values())
        assert all(one == surplus[0] for one in surplus)
        assert len(surplus[0]) == max(len(truth) - most, 0)

    @invariant()
    def nothing_is_known_that_never_was_and_no_local_account_leaves_its_region(self) -> None:
        for name, region in self.regions.items():
            for one in region.book.others():
                assert one.account == LI[name]
                assert steps_above(one.account) == steps_above(LI[name])

    def _carry(self, line: Line, topic: str, most: int) -> None:
        log, place = self.logs[line.source.kafka.servers, topic], (id(line), topic)
        for message in log[self.places[place] : self.places[place] + most]:
            self.places[place] += 1
            for made in line._messages(message):
                self.logs[line.target.kafka.servers, made.topic].append(made.value)
        for region in self.regions.values():
            region.hear()

    def _carry_all(self) -> None:
        for _ in range(2 * len(PARENTS)):
            for line in self.lines:
                for topic in line.topics:
                    self._carry(line, topic.name, 10_000)
        for line in self.lines:
            for topic in line.topics:
                log = self.logs[line.source.kafka.servers, topic.name]
                assert self.places[id(line), topic.name] == len(log), "nothing goes round in circles"

    def _forget(self) -> None:
        for region in self.regions.values():
            region.book.forget(self.now_us)
            for guard in region.exchange._guards.values():
                guard.forget(self.now_us)


def _whose(session: Session) -> Whose:
    return session.caster.rpartition(":")[2], session.number


TestCountry = Country.TestCase
TestCountry.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)


def test_two_sessions_of_one_moment_are_in_the_same_order_seen_from_everywhere():
    for above in ("zhejiang:", "..:beijing:", "..:", ""):
        for other in ("hubei:", "..:", ""):
            first = Session(f"{above}a", 1, "li", "", "", BEGIN_US)
            second = Session(f"{other}b", 1, "li", "", "", BEGIN_US)
            assert first.age < second.age
