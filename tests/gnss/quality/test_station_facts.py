"""What a station tells of itself: from when on it counts, and what is remembered."""

from __future__ import annotations

from gnss.epoch_columns import NO_TIME_US
from gnss.quality.registry import CHANGE_TOLD_US, Registered
from gnss.quality.station_facts import MOST_CHANGES, StationFacts
from gnss.rtcm.messages import encode, message
from gnss.rtcm.station import StationMetadata, encode_1006

S = 1_000_000
MINUTE = 60 * S
HERE = (-2_267_804.0, 5_009_324.0, 3_220_991.0)


def place(moved_m: float = 0.0, station: int = 7) -> bytes:
    return encode_1006(station, (HERE[0] + moved_m, *HERE[1:]), 0.0)


def antenna(name: str) -> bytes:
    values = {"reference_station": 7, "antenna_descriptor": name, "antenna_setup": 0}
    return encode(message(1007, values))


def codes(facts: StationFacts, at_us: int) -> list[str]:
    return [one.code for one in facts.findings(at_us)]


def test_what_is_told_counts_from_the_next_minute_on() -> None:
    facts = StationFacts(Registered(HERE))
    assert facts.hear(place(), 5 * S) == HERE
    assert facts.changed_from_us() is None
    assert facts.hear(place(), 15 * S) is None  # the same again
    facts.hear(place(50.0), 70 * S)
    assert facts.points == 30.0
    assert facts.changed_from_us() == 2 * MINUTE
    assert facts.changed_from_us() is None
    assert codes(facts, 2 * MINUTE - 1) == []
    assert codes(facts, 2 * MINUTE) == ["place", "place_changed"]
    assert facts.metadata.position is not None
    assert facts.metadata.position.ecef_m[0] == HERE[0] + 50.0


def test_what_was_so_stays_so_for_its_own_time() -> None:
    """A replay hears all of a piece before its epochs are judged."""
    facts = StationFacts(Registered(None, "LEIAR25.R4 LEIT"))
    facts.hear(antenna("TRM59800.00 NONE"), 10 * S)
    facts.hear(antenna("LEIAR25.R4 LEIT"), 130 * S)
    facts.hear(antenna("TRM55971.00 NONE"), 250 * S)
    assert [codes(facts, k * MINUTE) for k in range(7)] == [
        [], ["antenna"], ["antenna"], [], [], ["antenna"], ["antenna"],
    ]  # fmt: skip
    assert "TRM59800.00" in facts.findings(MINUTE)[0].text
    assert "TRM55971.00" in facts.findings(6 * MINUTE)[0].text


def test_the_last_word_of_a_minute_is_the_one_that_counts() -> None:
    facts = StationFacts(Registered(None, "LEIAR25.R4 LEIT"))
    facts.hear(antenna("TRM59800.00 NONE"), 10 * S)
    facts.hear(antenna("LEIAR25.R4 LEIT"), 20 * S)
    assert facts.changed_from_us() == MINUTE
    assert facts.points == 100.0
    assert codes(facts, MINUTE) == []


def test_a_move_is_forgotten_after_an_hour_when_the_place_is_told_again() -> None:
    facts = StationFacts(Registered())
    facts.hear(place(), 0)
    facts.hear(place(1.0), 10 * S)
    assert codes(facts, MINUTE) == ["place_changed"]
    for second in range(20, 3700, 10):
        facts.hear(place(1.0), second * S)
    assert facts.points == 100.0
    assert facts.changed_from_us() is not None
    assert codes(facts, CHANGE_TOLD_US + 2 * MINUTE) == []
    assert codes(facts, 30 * MINUTE) == ["place_changed"]


def test_a_snapshot_holds_everything() -> None:
    facts = StationFacts(Registered(HERE))
    facts.hear(place(), 0)
    facts.hear(place(50.0), 10 * S)
    other = StationFacts(Registered(HERE))
    other.restore(facts.snapshot())
    assert other.points == facts.points
    assert other.metadata == facts.metadata
    assert codes(other, MINUTE) == codes(facts, MINUTE) != []
    assert not other.is_new(place(50.0))
    assert other.is_new(place())
    assert other.place_of(20 * S) == facts.place_of(20 * S) is not None


def test_a_station_that_changes_all_the_time_needs_no_more_memory() -> None:
    facts = StationFacts(Registered(HERE))
    sizes = []
    for k in range(500):
        facts.hear(place(5.0 + k % 7, station=7 + k % 2), k * MINUTE)
        facts.hear(b"\x3e" + bytes(k % 40), k * MINUTE)
        sizes.append(len(facts.snapshot()))
    assert max(sizes[100:]) < 2 * sizes[4 * MOST_CHANGES]
    assert len(facts._state.judged) <= MOST_CHANGES + 1


def test_what_is_known_from_a_header_counts_from_the_begin() -> None:
    facts = StationFacts(Registered(None, "LEIAR25.R4 LEIT"))
    facts.tell(StationMetadata(antenna_descriptor="TRM59800.00 NONE"), NO_TIME_US)
    assert facts.changed_from_us() == 0
    assert codes(facts, 1) == ["antenna"]


def test_coordinates_without_a_height_are_for_a_map_only() -> None:
    assert Registered.at(121.2, 31.1, None, "A", "B") == Registered(None, "A", "B")
    assert Registered.at(None, None, 12.0) == Registered()
    ecef_m = Registered.at(90.0, 0.0, 10.0).ecef_m
    assert ecef_m is not None
    assert [round(v, 3) for v in ecef_m] == [0.0, 6_378_147.0, 0.0]
