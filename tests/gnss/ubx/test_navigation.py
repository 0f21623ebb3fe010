"""Ephemerides of navigation words, against those that RTKLIB's convbin makes of the same recordings."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnss.ephemeris import Ephemeris, GlonassEphemeris, KeplerEphemeris
from gnss.rinex.navigation import read_navigation
from gnss.rtcm.ephemeris import decode_ephemeris, encode_ephemeris
from gnss.systems import System
from gnss.ubx.framing import UbxFrame, UbxFramer
from gnss.ubx.navigation import RXM_SFRBX, NavigationWords
from tests.gnss.to_rtcm.convbin import convbin
from tests.gnss.ubx.recordings import recording

# with a time near each, UTC, and what they hold
RECORDINGS = {
    "neo-m8t-sfrbx": (1_596_750_000_000_000, {(System.GPS, 3)}),
    "zed-f9p-sfrbx": (
        1_591_823_700_000_000,
        {(System.GLONASS, 16), (System.GALILEO, 21), (System.BEIDOU, 29)},
    ),
}
NOT_IN_RINEX = {"message", "flags", "sent_gps_us", "delta_tau_s", "clock_issue"}
EXACT = {"system", "satellite", "toe_gps_us", "toc_gps_us", "issue", "health", "channel", "age_days"}


def ephemerides(name: str) -> list[Ephemeris]:
    words = NavigationWords()
    taken = [words.take(frame, RECORDINGS[name][0]) for frame in UbxFramer().feed(recording(name)).frames]
    return [one for one in taken if one is not None]


@pytest.mark.integration
@pytest.mark.parametrize("name", list(RECORDINGS))
def test_ephemerides_equal_convbins(tmp_path: Path, name: str) -> None:
    mine = {(e.system, e.satellite): e for e in ephemerides(name)}
    _, navigation = convbin(tmp_path, "ubx", recording(name))
    theirs = {(e.system, e.satellite): e for e in read_navigation(navigation.read_bytes()).ephemerides}
    assert mine.keys() == theirs.keys() == RECORDINGS[name][1]
    for key, one in mine.items():
        for field in dataclasses.fields(one):
            value, other = getattr(one, field.name), getattr(theirs[key], field.name)
            if field.name in NOT_IN_RINEX or (field.name == "accuracy" and key[0] is System.BEIDOU):
                continue
            if field.name in EXACT:
                # its file of GLONASS has the health of another bit, and no age
                if not (key[0] is System.GLONASS and field.name in {"health", "age_days"}):
                    assert value == other, (key, field.name)
            else:
                assert value == pytest.approx(other, rel=1e-11, abs=1e-21), (key, field.name)


@pytest.mark.parametrize("name", list(RECORDINGS))
def test_rtcm_says_them_without_loss(name: str) -> None:
    for one in ephemerides(name):
        back = decode_ephemeris(encode_ephemeris(one), RECORDINGS[name][0])
        assert back == one


def test_a_satellite_gives_one_each_time_that_it_has_sent_all() -> None:
    found = ephemerides("neo-m8t-sfrbx")
    assert len(found) == 165 // 5  # subframes, which are of five kinds
    assert len(set(found)) == 1


@pytest.mark.parametrize("name", list(RECORDINGS))
def test_lost_words_delay_an_ephemeris_and_never_make_a_mixed_one(name: str) -> None:
    frames = [f for f in UbxFramer().feed(recording(name)).frames if f.kind == RXM_SFRBX]
    wanted = {dataclasses.replace(one, sent_gps_us=0) if isinstance(one, GlonassEphemeris) else one
              for one in ephemerides(name)}  # fmt: skip
    for step in (2, 3, 4, 7):
        words = NavigationWords()
        for i, frame in enumerate(frames):
            one = words.take(frame, RECORDINGS[name][0]) if i % step else None
            if isinstance(one, GlonassEphemeris):
                one = dataclasses.replace(one, sent_gps_us=0)
            assert one is None or one in wanted


@given(st.lists(st.binary(min_size=8, max_size=60), max_size=20))
def test_any_payload_gives_an_orbit_or_nothing(payloads: list[bytes]) -> None:
    words = NavigationWords()
    for payload in payloads:
        one = words.take(UbxFrame(RXM_SFRBX, payload), 1_600_000_000_000_000)
        assert one is None or isinstance(one, KeplerEphemeris | GlonassEphemeris)
