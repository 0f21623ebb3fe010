"""What a station sees now, held against where the simulated satellites are."""

from __future__ import annotations

import threading

import pytest

from gnss.rtcm.signals import rinex_code
from gnss.simulate import SimulatedSky, SimulatedStation
from streams import sky_watch
from streams.records import EphemerisMessage, EphemerisMessages, RawChunk
from streams.sky_watch import LOOK_US, MOST_STATIONS, MOST_WAITING, SkyWatch

SECOND_US = 1_000_000
START_US = 1_790_000_010 * SECOND_US
PLACE = (114.36, 30.53)


SKY = SimulatedSky()


def station(number: int = 1, **changes: object) -> SimulatedStation:
    return SimulatedStation(number, 114.357, 30.532, 40.0, seed=number, sky=SKY, **changes)


def chunks(sender: SimulatedStation, name: str, seconds: range) -> list[RawChunk]:
    found = []
    for second in seconds:
        at_us = START_US + second * SECOND_US
        payload = b"".join(sender.emit(at_us).frames)
        found.append(RawChunk(station_id=name, payload=payload, received_at_us=at_us + 200_000))
    return found


def names(sky) -> set[str]:
    return {f"{one.system.letter}{one.satellite:02d}" for one in sky.satellites if one.cn0_dbhz}


def test_satellites_stand_where_they_are_with_the_strength_of_each_signal():
    watch, sender = SkyWatch(), station()
    assert watch.begin("WUHN", PLACE, START_US)
    assert watch.sky("WUHN") is None
    watch.hear(chunks(sender, "WUHN", range(40)))
    sky = watch.sky("WUHN")
    assert sky is not None
    assert START_US + 38 * SECOND_US <= sky.time_us <= START_US + 39 * SECOND_US
    truth = {(one.system, one.satellite): one for one in sender.truth(sky.time_us).satellites}
    found = {(one.system, one.satellite): one for one in sky.satellites}
    assert set(found) == {key for key, one in truth.items() if one.elevation_deg >= 0.0}
    assert sum(bool(one.cn0_dbhz) for one in sky.satellites) > 25
    for key, one in found.items():
        of = truth[key]
        assert one.elevation_deg == pytest.approx(of.elevation_deg, abs=0.05)
        turned = (one.azimuth_deg - of.azimuth_deg + 180.0) % 360.0 - 180.0
        assert abs(turned) < 0.5 or of.elevation_deg > 80.0
        assert set(one.cn0_dbhz) <= {rinex_code(key[0], signal) for signal in of.signals}
        assert all(20.0 < cn0_dbhz < 60.0 for cn0_dbhz in one.cn0_dbhz.values())


def test_it_moves_on_and_is_made_once_an_epoch():
    watch, sender = SkyWatch(), station()
    watch.begin("WUHN", PLACE, START_US)
    for chunk in chunks(sender, "WUHN", range(3)):
        watch.offer(chunk)
    first = watch.sky("WUHN")
    assert first is watch.sky("WUHN")
    for chunk in chunks(sender, "WUHN", range(3, 6)):
        watch.offer(chunk)
    after = watch.sky("WUHN")
    assert first is not None
    assert after is not None
    assert after.time_us > first.time_us


def test_ephemerides_of_others_serve_a_station_that_sends_none():
    watch, silent, other = SkyWatch(), station(1, sends_ephemerides=False), station(2)
    watch.begin("SILENT", PLACE, START_US)
    watch.hear(chunks(silent, "SILENT", range(3)))
    blind = watch.sky("SILENT")
    assert blind is not None
    assert names(blind)
    assert {one.azimuth_deg for one in blind.satellites} == {None}
    watch.hear(chunks(other, "OTHER", range(40)))
    seeing = watch.sky("SILENT")
    assert seeing is not None
    assert names(seeing) == names(blind)
    assert all(one.azimuth_deg is not None for one in seeing.satellites if one.cn0_dbhz)
    assert watch.sky("OTHER") is None


def test_ephemerides_that_processors_tell_serve_at_once():
    watch = SkyWatch()
    payloads = [SKY.sent(row, START_US)[1][3:-3] for row in range(len(SKY.satellites))]
    told = [EphemerisMessage(payload=one, known_us=START_US) for one in payloads]
    watch.listen([EphemerisMessages(messages=told)])
    watch.begin("WUHN", PLACE, START_US)
    watch.hear(chunks(station(1, sends_ephemerides=False), "WUHN", range(2)))
    sky = watch.sky("WUHN")
    assert sky is not None
    assert all(one.elevation_deg is not None for one in sky.satellites)


def test_without_a_place_there_are_strengths_alone():
    watch = SkyWatch()
    watch.begin("WUHN", None, START_US)
    watch.hear(chunks(station(), "WUHN", range(40)))
    sky = watch.sky("WUHN")
    assert sky is not None
    assert names(sky) == {f"{one.system.letter}{one.satellite:02d}" for one in sky.satellites}
    assert {one.elevation_deg for one in sky.satellites} == {None}


def test_nothing_is_kept_of_stations_that_nobody_looks_at():
    watch, (chunk,) = SkyWatch(), chunks(station(), "WUHN", range(1))
    watch.offer(chunk)
    watch.begin("WUHN", PLACE, START_US)
    assert watch.sky("WUHN") is None
    assert watch.go_on("WUHN", START_US + LOOK_US)
    assert watch.looked_at(START_US + 2 * LOOK_US) == ["WUHN"]
    assert watch.looked_at(START_US + 2 * LOOK_US + 1) == []
    assert not watch.go_on("WUHN", START_US)


def test_it_is_bounded(monkeypatch):
    watch, (chunk,) = SkyWatch(), chunks(station(), "S1", range(1))
    for number in range(MOST_STATIONS):
        assert watch.begin(f"S{number}", PLACE, START_US)
    assert not watch.begin("one more", PLACE, START_US)
    assert watch.begin("one more", PLACE, START_US + LOOK_US + 1), "those are gone"
    watch.begin("S1", PLACE, START_US + LOOK_US + 1)
    for _ in range(3 * MOST_WAITING):
        watch.offer(chunk)
    assert len(watch._looked["S1"].waiting) == MOST_WAITING
    monkeypatch.setattr(sky_watch, "LARGEST_BYTES", len(chunk.payload) - 1)
    watch._looked["S1"].waiting.clear()
    watch.offer(chunk)
    watch.hear([chunk])
    assert watch.sky("S1") is None
    monkeypatch.setattr(sky_watch, "MOST_NUMBERS", 3)
    watch.hear([RawChunk(station_id=f"T{n}", payload=b"x", received_at_us=START_US) for n in range(5)])
    assert len(watch._numbers) == 5
    watch.hear([RawChunk(station_id="U", payload=b"x", received_at_us=START_US)])
    assert list(watch._numbers) == ["U"]
    watch.rest()
    assert watch._numbers == {}


@pytest.mark.parametrize("noise", [b"", b"\xd3\x00\x01", bytes(range(256)) * 40])
def test_noise_is_no_sky(noise):
    watch = SkyWatch()
    watch.begin("WUHN", PLACE, START_US)
    watch.offer(RawChunk(station_id="WUHN", payload=noise, received_at_us=START_US))
    assert watch.sky("WUHN") is None


def test_several_threads_may_feed_and_ask():
    watch, sent, found = SkyWatch(), chunks(station(), "WUHN", range(30)), []
    watch.begin("WUHN", PLACE, START_US)

    def ask():
        found.extend(watch.sky("WUHN") for _ in range(50))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for chunk in sent:
        watch.offer(chunk)
        watch.hear([])
    for thread in threads:
        thread.join()
    sky = watch.sky("WUHN")
    assert sky is not None
    assert sky.time_us >= START_US + 28 * SECOND_US
