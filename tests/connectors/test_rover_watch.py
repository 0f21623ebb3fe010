"""What is told of rovers: their base, their fix and their place, no finer than privacy lets it be."""

import struct

import msgspec
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from connectors.caster import keeping as room
from connectors.caster import session_book
from connectors.caster.keeping import Keeping
from connectors.caster.privacy import coarse_place, coarse_session
from connectors.caster.rover_watch import KEEP_US, TELL_US, TURNS
from connectors.caster.session_book import Sessions
from connectors.caster.telling import Telling, hear
from gnss.ntrip import build_request, format_gga
from streams import codec
from streams.definitions import PrivacyDefinition
from streams.records import CasterSessions, KeptSession, KeptSessions, SessionLeg, SessionRecord
from tests.connectors.roaming.test_caster_roaming import V1
from tests.connectors.roaming.test_caster_roaming import caster as roaming_caster
from tests.connectors.roaming.world import UTC_US
from tests.connectors.test_caster import PAST, caster
from tests.connectors.test_caster import V1 as TO_WUHAN
from tests.waiting import until

SECOND_US = 1_000_000
LONGITUDE, LATITUDE = 114.413579, 30.524681


def gga(longitude=LONGITUDE, latitude=LATITUDE, quality=4, age_s=1.0) -> bytes:
    body = format_gga(UTC_US, latitude, longitude, 20.0)[1:].split(b"*")[0]
    fields = body.split(b",")
    fields[6], fields[13] = str(quality).encode(), str(age_s).encode()
    return b"$" + b",".join(fields) + b"\r\n"


class Turns:
    """Time passes for a caster; what it tells is read as another one reads it."""

    def __init__(self, at) -> None:
        self.caster = at.caster
        self.caster.watch._clock_us = lambda: self.now_us
        self.telling = Telling(at.caster.admission)
        self.other = Sessions("other")
        self.now_us = PAST
        self.messages: list[bytes] = []

    def second(self) -> int:
        """Return how many sessions are told."""
        self.now_us += SECOND_US
        self.caster.watch.look()
        told = [codec.encode(record) for record in self.telling.due(self.now_us)]
        self.messages += told
        records = [codec.decode(one) for one in told]
        for record in records:
            hear(record, self.other, None, self.now_us)
        return sum(len(one.present) for one in records if isinstance(one, CasterSessions))


def shown(book):
    return [(one.mountpoint, one.base, one.longitude, one.latitude, one.quality) for one in book.every()]


async def test_another_caster_hears_base_place_and_fix_within_ten_seconds():
    async with caster(privacy=PrivacyDefinition(position_decimals=2)) as at:
        turns = Turns(at)
        _, writer = await at.listen(TO_WUHAN)
        turns.second()
        assert shown(turns.other) == [("WUHN", "WUHN", None, None, None)]
        writer.write(gga(quality=5, age_s=2.0))
        await writer.drain()
        await until(lambda: at.caster.counters.uploads.sentences == 1)
        for _ in range(TURNS):
            turns.second()
        assert shown(turns.other) == [("WUHN", "WUHN", 114.41, 30.52, 5)]
        (one,) = turns.other.every()
        assert (one.age_s, one.agent, one.version) == (2.0, "NTRIP test/1", 1)
        assert 0 <= turns.now_us - one.heard_us <= TURNS * SECOND_US
        assert one.base_since_us == one.begun_us
        writer.write(b"$GNGGA,,,,,,0,,,,,,,,*78\r\n")
        await writer.drain()
        await until(lambda: at.caster.counters.uploads.sentences == 2)
        for _ in range(TURNS):
            turns.second()
        (one,) = turns.other.every()
        assert (one.quality, one.age_s, one.longitude) == (0, None, 114.41)


async def test_who_moves_all_the_time_is_told_once_in_ten_seconds():
    async with caster(privacy=PrivacyDefinition(position_decimals=6)) as at:
        turns = Turns(at)
        rovers = [(await at.listen(TO_WUHAN))[1] for _ in range(20)]
        turns.second()
        most = 0
        for second in range(30):
            for rover in rovers:
                rover.write(gga(longitude=LONGITUDE + second / 1000))
                await rover.drain()
            sent = (second + 1) * len(rovers)
            await until(lambda sent=sent: at.caster.counters.uploads.sentences == sent)
            most = max(most, turns.second())
        assert most <= len(rovers) / TURNS + 1
        assert len({one.longitude for one in turns.other.every()}) > 1


async def test_who_stands_still_is_told_each_minute_only():
    async with caster() as at:
        turns = Turns(at)
        await at.listen(TO_WUHAN)
        told = [turns.second() for _ in range(3 * TELL_US // SECOND_US)]
        assert sum(told) <= 8, "at its begin, by its share of the minute, and since its volume grew"


async def test_rovers_of_an_open_caster_are_in_the_list_and_no_more_than_may_connect():
    async with caster() as at:
        for _ in range(3):
            await at.listen(TO_WUHAN)
        assert [one.account for one in at.caster.sessions()] == [""] * 3
        await at.hang_up()
        await until(lambda: not at.caster.sessions())
        assert not at.caster.watch._watched
        assert not any(at.caster.watch._turns)


async def test_another_setting_holds_at_once_for_what_is_told():
    async with caster(privacy=PrivacyDefinition(position_decimals=4, addresses="full")) as at:
        turns = Turns(at)
        _, writer = await at.listen(TO_WUHAN)
        writer.write(gga())
        await writer.drain()
        await until(lambda: at.caster.counters.uploads.sentences == 1)
        at.caster.sessions()
        turns.second()
        (one,) = turns.other.every()
        assert (one.longitude, one.address) == (114.4136, "127.0.0.1")
        for setting, place, address in (
            (PrivacyDefinition(position_decimals=1), 114.4, "127.0.0.0/24"),
            (PrivacyDefinition(addresses="none"), None, ""),
            (PrivacyDefinition(position_decimals=3, addresses="full"), 114.414, "127.0.0.1"),
        ):
            at.caster.watch.set_privacy(setting)
            assert turns.second() == 1
            (one,) = turns.other.every()
            assert (one.longitude, one.address) == (place, address)


# --- what is kept -------------------------------------------------------------------------------------


def kept_of(at) -> list[KeptSession]:
    batch = at.caster.watch.keeping.take()
    return [] if batch is None else batch.sessions


async def test_a_session_is_kept_at_its_end_and_now_and_then_before():
    async with caster(privacy=PrivacyDefinition(position_decimals=1, days=30)) as at:
        turns = Turns(at)
        _, writer = await at.listen(TO_WUHAN)
        for sentence in (gga(quality=1), gga(quality=5), gga(), gga(longitude=115.0)):
            writer.write(sentence)
        await writer.drain()
        await until(lambda: at.caster.counters.uploads.sentences == 4)
        turns.second()
        assert kept_of(at) == []
        turns.now_us += KEEP_US
        for _ in range(TURNS):
            turns.second()
        (now,) = kept_of(at)
        assert (now.is_over, now.begun_us, now.sentences, now.fixed, now.floating) == (False, PAST, 4, 2, 1)
        assert [(leg.base, leg.since_us) for leg in now.legs] == [("WUHN", PAST)]
        at.relay.publish("WUHN", b"\xd3\x00\x00abc")
        await at.hang_up()
        await until(lambda: len(at.caster.watch.keeping) == 1)
        (last,) = kept_of(at)
        assert last.is_over
        assert (last.number, last.n_bytes, last.n_epochs, last.legs) == (now.number, 6, 1, [])
        assert (last.longitude, last.latitude, last.decimals) == (115.0, 30.5, 1)
        assert codec.decode(codec.encode(KeptSessions(sessions=[last]))).sessions == [last]


async def test_a_rover_that_is_led_leaves_its_bases_behind():
    privacy = PrivacyDefinition(position_decimals=1, days=1)
    async with roaming_caster(privacy=privacy) as at:
        reader, writer = await at.open(V1 + gga(114.4, 30.5))
        await at.epochs(reader, 1)
        at.caster.sessions()
        writer.write(gga(114.99, 30.21))
        await writer.drain()
        await until(lambda: at.caster.counters.uploads.sentences == 2)
        for _ in range(50):
            at.second()
        at.caster.sessions()
        at.caster.watch.close()
        (kept,) = kept_of(at)
        assert [(leg.base, leg.reason, leg.longitude) for leg in kept.legs] == [
            ("WUHN", "first", 114.4), ("HUAN", "nearer", 115.0),
        ]  # fmt: skip


async def test_without_days_nothing_waits_to_be_kept_and_with_days_it_begins():
    async with caster() as at:
        turns = Turns(at)
        await at.listen(TO_WUHAN)
        turns.now_us += KEEP_US
        for _ in range(TURNS):
            turns.second()
        assert not len(at.caster.watch.keeping)
        at.caster.watch.set_privacy(PrivacyDefinition(days=1))
        turns.now_us += KEEP_US
        for _ in range(TURNS):
            turns.second()
        assert len(at.caster.watch.keeping) == 1
        at.caster.watch.set_privacy(PrivacyDefinition())
        assert not len(at.caster.watch.keeping)


decimals = st.one_of(st.none(), st.integers(0, 6))
degrees = st.one_of(st.none(), st.floats(-180, 180).map(lambda one: round(one, 6)))
whole = st.integers(0, 2**53)
times = st.integers(0, 4_000_000_000_000_000)
words = st.text(st.characters(codec="utf-8"), max_size=20)
places = st.tuples(degrees, degrees)
records = st.builds(
    SessionRecord, number=whole, account=words, mountpoint=words, address=words, begun_us=times,
    n_bytes=whole, longitude=degrees, latitude=degrees, base=words, base_since_us=times, reason=words,
    quality=st.one_of(st.none(), st.integers(0, 99)), age_s=st.one_of(st.none(), st.floats(0, 1e5)),
    heard_us=times, agent=words, version=st.integers(0, 2), n_epochs=whole,
)  # fmt: skip
legs = st.builds(SessionLeg, since_us=times, base=words, reason=words, longitude=degrees, latitude=degrees)
kept_sessions = st.builds(
    KeptSession, caster=words, number=whole, account=words, mountpoint=words, agent=words,
    version=st.integers(0, 2), begun_us=times, at_us=times, is_over=st.booleans(), n_bytes=whole,
    n_epochs=whole, sentences=whole, fixed=whole, floating=whole, decimals=st.just(6),
    begin_longitude=degrees, begin_latitude=degrees, longitude=degrees, latitude=degrees,
    legs=st.lists(legs, max_size=3),
)  # fmt: skip


@given(st.lists(records, max_size=5), st.lists(kept_sessions, max_size=3))
def test_what_is_told_comes_back_from_its_bytes(present, kept):
    told = CasterSessions(caster="wuhan", first=1, present=present, ended=[2])
    assert codec.decode(codec.encode(told)) == told
    assert codec.decode(codec.encode(KeptSessions(sessions=kept))) == KeptSessions(sessions=kept)
    book = Sessions("other")
    hear(told, book, None, 7)
    heard = {one.number: one for one in book.every()}
    for one in present:
        session = heard[one.number]
        last = [other for other in present if other.number == one.number][-1]
        assert {name: getattr(session, name) for name in last.__struct_fields__} == msgspec.structs.asdict(
            last
        )


def test_what_an_older_caster_tells_is_understood():
    class Old(msgspec.Struct, kw_only=True, tag="sessions"):
        caster: str
        first: int
        present: list[dict[str, object]]
        ended: list[int]

    one = {"number": 5, "account": "li", "mountpoint": "A", "address": "", "begun_us": 1, "n_bytes": 2}
    message = bytes((codec.VERSION,)) + msgspec.msgpack.encode(
        Old(caster="old", first=0, present=[one], ended=[])
    )
    (told,) = codec.decode(message).present
    assert (told.number, told.base, told.quality, told.heard_us) == (5, "", None, 0)


@given(places, decimals, decimals)
def test_coarser_is_never_finer_again_and_twice_is_once(place, first, second):
    once = coarse_place(*place, first)
    assert coarse_place(*once, first) == once
    twice = coarse_place(*once, second)
    coarsest = None if None in (first, second) else min(first, second)
    if coarsest is None or None in place:
        assert twice == (None, None)
    else:
        for value, exact in zip(twice, place, strict=True):
            assert round(value, coarsest) == value or first < second
            assert abs(value - exact) <= 0.5 * (10**-first + 10**-second) + 1e-9


@given(kept_sessions, decimals)
def test_what_is_kept_has_no_place_finer_than_it_says(kept, most):
    made = coarse_session(kept, most)
    assert made.decimals == (-1 if most is None else most)
    for one in (made, *made.legs):
        for name in ("longitude", "latitude"):
            value = getattr(one, name)
            assert value is None if most is None else value is None or round(value, most) == value
    assert coarse_session(made, most) == made


def a_kept(number, at_us=1, legs=0):
    some = [SessionLeg(since_us=at_us * 1000 + i, base=f"B{i}") for i in range(legs)]
    return KeptSession(
        caster="c", number=number, account="", mountpoint="A", agent="", version=1, begun_us=0, at_us=at_us,
        is_over=False, n_bytes=0, n_epochs=0, sentences=0, fixed=0, floating=0, decimals=-1, legs=some,
    )  # fmt: skip


def test_what_waits_is_bounded_and_what_is_lost_is_counted(monkeypatch):
    monkeypatch.setattr(room, "MOST_WAITING", 3)
    monkeypatch.setattr(room, "MOST_LEGS", 4)
    keeping = Keeping()
    for number in range(5):
        keeping.add(a_kept(number))
    assert (len(keeping), keeping.lost) == (3, 2)
    keeping.add(a_kept(4, 2, legs=3))
    keeping.add(a_kept(4, 3, legs=3))
    assert (len(keeping), keeping.lost) == (3, 4)
    taken = keeping.take()
    assert [(one.number, one.at_us, len(one.legs)) for one in taken.sessions] == [
        (2, 1, 0), (3, 1, 0), (4, 3, 4),
    ]  # fmt: skip


def test_what_could_not_be_stored_comes_again_with_what_is_newer():
    keeping = Keeping()
    keeping.add(a_kept(1, 1, legs=1))
    keeping.add(a_kept(2, 1))
    taken = keeping.take()
    keeping.add(a_kept(1, 2, legs=1))
    keeping.give_back(taken)
    again = keeping.take()
    assert {one.number: (one.at_us, len(one.legs)) for one in again.sessions} == {1: (2, 2), 2: (1, 0)}


# --- nothing finer leaves -----------------------------------------------------------------------------


def digits(value: float) -> list[bytes]:
    """Return what would tell a place more finely than to a tenth of a degree: text, and eight bytes."""
    text = f"{value:.6f}"
    return [text[:6].encode(), struct.pack(">d", value), struct.pack("<d", value)]


@pytest.mark.parametrize("most", [1, 0, None])
async def test_no_exact_place_or_address_is_told_logged_or_kept(most):
    privacy = PrivacyDefinition(position_decimals=most, addresses="network", days=10)
    with structlog.testing.capture_logs() as logs:
        async with roaming_caster(privacy=privacy, users={"li": "secret"}) as at:
            turns = Turns(at)
            sentence = gga().decode().strip()
            asked = build_request(
                "NEAREST", host="h", version=2, username="li", password="secret", gga=sentence
            )
            reader, writer = await at.open(asked)
            await reader.readuntil(b"\r\n\r\n")
            await at.epochs(reader, 2)
            writer.write(gga(LONGITUDE + 0.5, LATITUDE - 0.3))
            await writer.drain()
            await until(lambda: at.caster.counters.uploads.sentences == 2)
            for _ in range(40):
                at.second()
            turns.now_us += KEEP_US
            for _ in range(2 * TURNS):
                turns.second()
            at.caster.accounts.replace({}, is_open=False)
            at.caster.recheck()
            await until(lambda: not at.caster.sessions())
            turns.second()
            batch = at.caster.watch.keeping.take()
            assert batch is not None
            out = [*turns.messages, codec.encode(batch), *(repr(line).encode() for line in logs)]
            assert any(b"a rover is led" in one for one in out)
            assert any(b"a rover is cut" in one for one in out)
            for longitude, latitude in ((LONGITUDE, LATITUDE), (LONGITUDE + 0.5, LATITUDE - 0.3)):
                for trace in [*digits(longitude), *digits(latitude)]:
                    assert not any(trace in one for one in out), trace
            assert not any(b"127.0.0.1" in one for one in out)
            assert not any(b"secret" in one for one in out)
            for line in logs:
                for value in line.values():
                    assert not isinstance(value, float) or value % 10 == 0, line


# --- who follows --------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.sampled_from("btex"), st.integers(0, 6)), max_size=60))
def test_who_follows_the_changes_knows_what_the_book_has(steps):
    book = Sessions("c")
    known: dict[tuple[str, int], int] = {}
    reached = 0
    for step, which in steps:
        present = book.every()
        if step == "b":
            book.begin("", "A", "", which)
        elif step == "t" and present:
            one = present[which % len(present)]
            one.n_bytes += 1
            book.touch(one)
        elif step == "e" and present:
            book.end(present[which % len(present)].key)
        elif step == "x":
            ended = book.ended(reached)
            assert ended is not None
            for key in ended:
                known.pop(key, None)
            for one in book.changed(reached):
                known[one.key] = one.n_bytes
            reached = book.change
            assert known == {one.key: one.n_bytes for one in book.every()}


def test_who_was_away_for_too_long_begins_anew(monkeypatch):
    monkeypatch.setattr(session_book, "MOST_ENDED", 2)
    book = Sessions("c")
    for _ in range(3):
        book.end(book.begin("", "A", "", 1).key)
    assert book.ended(0) is None
    assert book.ended(book.change) == []
