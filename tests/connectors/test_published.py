"""What is found in publications does not depend on how many of them are looked at together."""

from hypothesis import given
from hypothesis import strategies as st

from connectors.caster.frames_kernel import MOST_KEPT, NO_TIME
from connectors.caster.published import MOST_BYTES, MOST_PIECES, Looked, Published
from connectors.caster.relay import Relay
from gnss.rtcm.ephemeris import EPHEMERIS_MESSAGES
from tests.connectors.link.frames import observed
from tests.rtcm_frames import frame, of_type

PARTS = [
    of_type(1005, 21), of_type(1006, 23), of_type(1033), of_type(1230), of_type(1019, 61), of_type(1044, 61),
    of_type(1046, 63), of_type(1008), frame(b""), frame(b"\x3e"),
    observed(1077, 5_000, more=True), observed(1087, 10_800_000, more=False),
    observed(1004, 7_000, more=False),
]  # fmt: skip


def ephemeris(number: int, satellite: int, data: bytes) -> bytes:
    """Return a frame with nothing behind the satellite's number but `data`."""
    return frame((number << 12 | satellite << 6).to_bytes(3, "big") + data)


pieces = st.lists(st.sampled_from(PARTS), max_size=6).map(b"".join)
publications = st.lists(
    st.tuples(st.sampled_from("ABC"), pieces, st.floats(0.0, 2.0), st.booleans()), max_size=30
)


def found(looked: list[Looked]) -> list[tuple[object, ...]]:
    """Return what is told of each publication."""
    return [
        (station_id, at_s, time_ms, [kept[1:] for kept in one.kept if kept[0] == k])
        for one in looked
        for k, (station_id, at_s, time_ms) in enumerate(
            zip(one.station_ids, one.at_s, one.time_ms, strict=True)
        )
    ]


@given(publications)
def test_together_or_one_by_one_the_same_is_found(sent):
    together, alone = Published(), Published()
    of_those, of_these, now_s = [], [], 0.0
    for station_id, frames, passed_s, is_looked in sent:
        now_s += passed_s
        together.add(station_id, frames, now_s)
        alone.add(station_id, frames, now_s)
        of_these += alone.look()
        if is_looked:
            of_those += together.look()
    of_those += together.look()
    assert found(of_those) == found(of_these)
    assert [one[0] for one in found(of_those)] == [one[0] for one in sent]
    for station_id in "ABC":
        assert together.of(station_id).details == alone.of(station_id).details
        mine = [frames for name, frames, *_ in sent if name == station_id]
        assert together.of(station_id).n_bytes == alone.of(station_id).n_bytes == sum(map(len, mine))
        assert together.of(station_id).n_epochs == alone.of(station_id).n_epochs == sum(map(bool, mine))
    assert not list(together.look())


def test_pieces_with_more_to_keep_than_there_is_room_for_are_looked_at_in_parts():
    published, of_station = Published(), of_type(1033)
    for k in range(20):
        published.add(str(k), of_station * (MOST_KEPT + 88) + observed(1077, k, more=False), float(k))
    looked = list(published.look())
    assert len(looked) > 1
    assert [(name, time_ms, len(kept)) for name, _, time_ms, kept in found(looked)] == [
        (str(k), k, MOST_KEPT) for k in range(20)
    ]
    assert all(one == (1033, 0, of_station) for *_, kept in found(looked) for one in kept)


def test_an_ephemeris_that_is_repeated_comes_again_after_a_minute_or_for_who_is_new():
    published, first, other = Published(), ephemeris(1019, 3, b"one"), ephemeris(1019, 3, b"two")
    every = [ephemeris(1046, satellite, b"x") for satellite in range(1, 37)]

    def told(now_s: float, *frames: bytes, station_id: str = "A") -> list[bytes]:
        published.add(station_id, b"".join(frames), now_s)
        return [one[3] for looked in published.look() for one in looked.kept]

    assert told(1000.0, first, *every) == [first, *every]
    assert told(1001.0, first, *every) == []
    assert told(1001.0, first, station_id="B") == [first]
    assert told(1002.0, other, *every) == [other]
    assert told(1003.0, first, of_type(1033)) == [first, of_type(1033)]
    assert told(1061.0, first, of_type(1033), *every) == [of_type(1033), *every]
    assert told(1063.5, first, *every) == [first]
    published.tell_again(["A", "unknown"])
    assert told(1064.0, first, every[0]) == [first, every[0]]
    assert told(1064.0, first, station_id="B") == [first]
    assert told(1065.0, first) == told(1065.0, first, station_id="B") == []


@given(
    st.lists(
        st.tuples(st.sampled_from(EPHEMERIS_MESSAGES), st.integers(0, 63), st.sampled_from([b"a", b"b"]))
    )
)
def test_no_ephemeris_hides_another_one(sent):
    published, newest, heard = Published(), {}, {}
    for k, (number, satellite, data) in enumerate(sent):
        frames = ephemeris(number, satellite, data)
        newest[number, frames[4] & 15 if number == 1044 else satellite] = frames
        published.add("A", frames, float(k % 50))
        for looked in published.look():
            heard.update({one[1:3]: one[3] for one in looked.kept})
    assert heard == newest


def test_many_stations_have_their_own_contents():
    published = Published()
    for k in range(200):
        published.add(f"S{k}", of_type(1001 + k), 0.0)
        list(published.look())
    assert [list(published.of(f"S{k}").types) for k in range(200)] == [[1001 + k] for k in range(200)]
    assert published.of("S200").types == {}


def test_what_waits_to_be_looked_at_is_bounded():
    relay, looked = Relay(lambda: 1.0), []
    relay.lookers.append(looked.append)
    for _ in range(MOST_PIECES):
        assert not looked
        relay.publish("A", of_type(1005, 21))
    assert [len(one.station_ids) for one in looked] == [MOST_PIECES]
    large = frame(bytes(1000)) * 200
    for _ in range(2 + MOST_BYTES // len(large)):
        relay.publish("A", large)
    assert len(looked) == 2


def test_contents_hold_what_was_published_just_now():
    relay, looked = Relay(lambda: 1.0), []
    relay.lookers.append(looked.append)
    relay.publish("A", of_type(1005, 21))
    contents = relay.contents_of("A")
    assert (contents.types, contents.n_epochs) == ({1005: None}, 1)
    relay.publish("A", b"")
    assert relay.contents_of("A").n_epochs == 1
    assert [time_ms for one in looked for time_ms in one.time_ms] == [NO_TIME, NO_TIME]
