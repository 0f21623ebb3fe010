"""Ephemerides against rtcm-rs's vectors and pyrtcm's fields, and there and back."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnss.ephemeris import GlonassEphemeris, KeplerEphemeris, is_orbit, is_usable
from gnss.rtcm.ephemeris import (
    EPHEMERIS_MESSAGES,
    WEEK_MESSAGES,
    decode_ephemeris,
    decode_fields,
    encode_ephemeris,
)
from gnss.rtcm.framing import find_frames
from gnss.systems import UNKNOWN_CHANNEL, System
from gnss.time import GPS_EPOCH_US, SECOND_US, WEEK_US, gps_to_utc, utc_to_gps
from tests.gnss.rtcm.ephemeris_samples import PI, captures, messages, of_pyrtcm, of_rust
from tests.gnss.rtcm.vectors import vectors

BITS = {1019: 488, 1020: 360, 1041: 482, 1042: 511, 1043: 230, 1044: 485, 1045: 496, 1046: 504}
RESERVED = {1020: 7, 1041: 0, 1045: 7, 1046: 2}
"""Bits at the end that are written as zeros."""
NEAR_US = 1_700_000_000 * SECOND_US
HOUR_US = 3600 * SECOND_US


def check(ours, theirs, relative):
    assert len(ours) == len(theirs)
    for (name, value), other in zip(ours.items(), theirs, strict=True):
        assert value == pytest.approx(other, rel=relative, abs=1e-25), name


@pytest.mark.parametrize("number", [1019, 1020, 1041, 1042, 1044, 1045, 1046])
def test_all_vectors(number):
    some = vectors(number)
    assert len(some) == 3
    for _, frame, fields in some:
        # their shorter floats have 24 bits
        check(decode_fields(frame[3:-3]), of_rust(fields), 1e-7)


def test_recordings_agree_with_pyrtcm(data):
    seen = Counter()
    for path in captures(data / "rtcm3"):
        near_us, payloads = messages(path)
        for payload in payloads:
            number = int.from_bytes(payload[:2], "big") >> 4
            check(decode_fields(payload), of_pyrtcm(payload), 1e-13)
            ephemeris = decode_ephemeris(payload, near_us)
            # a satellite of NavIC sends 0101... in all its fields
            assert is_orbit(ephemeris) is not (number == 1041 and ephemeris.issue == 0x55)
            written = encode_ephemeris(ephemeris)
            assert decode_ephemeris(written, near_us) == ephemeris
            check(decode_fields(written), of_pyrtcm(written), 1e-13)
            if number == 1041:  # reserved bits are in use
                assert decode_fields(written) == decode_fields(payload)
            elif number != 1020:  # whose additional data are not kept
                assert written == payload
            seen[number] += 1
    assert seen == {1019: 573, 1020: 441, 1041: 3, 1042: 231, 1044: 69, 1045: 389, 1046: 183}


@pytest.mark.parametrize(
    ("name", "bad", "good"),
    [
        ("test_gal_eph.rtcm", 7, {1045: 118, 1046: 70}),
        ("test_bds_eph.rtcm", 0, {1042: 96}),
        ("test_glo_eph.rtcm", 0, {1020: 94}),
    ],
)
def test_corrupted_candidates_are_counted_and_good_frames_kept(data, name, bad, good):
    content = (data / f"rtcm3/swift/{name}").read_bytes()
    assert find_frames(np.frombuffer(content, np.uint8), final=True).bad == bad
    near_us, payloads = messages(data / f"rtcm3/swift/{name}")
    assert Counter(p[0] << 4 | p[1] >> 4 for p in payloads) == good
    assert all(decode_ephemeris(payload, near_us) is not None for payload in payloads)


@pytest.mark.parametrize(
    ("name", "begin_us"),
    [
        ("swift/wn-rollover2.rtcm", 1_556_013_582),  # 2019-04-23, in the third count of GPS weeks
        ("swift/week-rollover-STR24.rtcm3", 1_531_612_191),  # 2018-07-14 23:49:51, the week's last minutes
        ("qzsl6tool/20221213-010900.rtcm", 1_670_893_744),
        ("asv/imu_rtcm", 1_686_753_695),
    ],
)
@pytest.mark.parametrize("off_h", [0, -5, 5])
def test_reference_times_are_right_over_roll_overs(data, name, begin_us, off_h):
    near_us, payloads = messages(data / f"rtcm3/{name}")
    assert near_us // SECOND_US == begin_us
    some = [decode_ephemeris(payload, near_us + off_h * HOUR_US) for payload in payloads]
    after_h = [(e.toe_gps_us - int(utc_to_gps(near_us))) / HOUR_US for e in some]
    assert all(-3.1 < h < 2.5 for e, h in zip(some, after_h, strict=True) if is_orbit(e))


@given(number=st.sampled_from(WEEK_MESSAGES), content=st.data())
def test_kepler_messages_there_and_back(number, content):
    body = BITS[number] - 12 - RESERVED.get(number, 0)
    payload = number << body | content.draw(st.integers(0, (1 << body) - 1))
    payload = (payload << (-BITS[number] % 8 + RESERVED.get(number, 0))).to_bytes(
        -(-BITS[number] // 8), "big"
    )
    ephemeris = decode_ephemeris(payload, NEAR_US)
    fields = decode_fields(payload)
    if fields["satellite"] == 0 or max(fields["toe_s"], fields["toc_s"]) >= 604_800:
        assert ephemeris is None
        return
    assert isinstance(ephemeris, KeplerEphemeris)
    written = encode_ephemeris(ephemeris)
    near_toe_us = int(gps_to_utc(ephemeris.toe_gps_us)) + content.draw(st.integers(-72, 72)) * HOUR_US
    assert decode_ephemeris(written, near_toe_us) == ephemeris
    check(decode_fields(written), of_pyrtcm(written), 1e-13)
    # all but the week, when the toe was taken to the other side of the week's end, and bits that are reserved
    reread = decode_fields(written)
    del fields["week"], reread["week"]
    assert reread == fields


@st.composite
def glonass(draw):
    def vector(width, step):
        most = (1 << (width - 1)) - 1
        return tuple(draw(st.integers(-most, most)) * 1000 / 2**step for _ in range(3))

    quarter = draw(st.integers(0, 20 * 365 * 96))
    toe_us = 1_262_304_000 * SECOND_US + quarter * 900 * SECOND_US
    sent_us = toe_us + draw(st.integers(-1439, 1439)) * 30 * SECOND_US
    return GlonassEphemeris(
        system=System.GLONASS,
        satellite=draw(st.integers(1, 63)),
        channel=draw(st.integers(-7, 13)),
        toe_gps_us=int(utc_to_gps(toe_us)),
        sent_gps_us=int(utc_to_gps(sent_us)),
        clock_s=draw(st.integers(-(2**21) + 1, 2**21 - 1)) / 2**30,
        clock_rate=draw(st.integers(-1023, 1023)) / 2**40,
        position_m=vector(27, 11),
        velocity_m_s=vector(24, 20),
        acceleration_m_s2=vector(5, 30),
        health=draw(st.integers(0, 1)),
        age_days=draw(st.integers(0, 31)),
        flags=draw(st.integers(0, 2**16 - 1)),
        delta_tau_s=draw(st.integers(-15, 15)) / 2**30,
    )


@given(ephemeris=glonass(), off_h=st.integers(-300 * 24, 300 * 24))
def test_glonass_there_and_back(ephemeris, off_h):
    written = encode_ephemeris(ephemeris)
    toe_us = int(gps_to_utc(ephemeris.toe_gps_us))
    if 19 <= toe_us // HOUR_US % 24 <= 22:  # near Moscow's midnight
        off_h = off_h % 23 - 11
    assert decode_ephemeris(written, toe_us + off_h * HOUR_US) == ephemeris
    check(decode_fields(written), of_pyrtcm(written), 1e-13)


@given(satellite=st.integers(20, 83), steps=st.integers(0, 5399), content=st.data())
def test_sbas_there_and_back(satellite, steps, content):
    def vector(width, step):
        half = 1 << (width - 1)
        return content.draw(st.integers(-half, half - 1)) * step

    accuracy = content.draw(st.integers(0, 15))
    day_us = int(utc_to_gps(NEAR_US)) // (24 * HOUR_US) * 24 * HOUR_US
    ephemeris = GlonassEphemeris(
        system=System.SBAS,
        satellite=satellite,
        channel=UNKNOWN_CHANNEL,
        toe_gps_us=day_us + steps * 16 * SECOND_US,
        sent_gps_us=day_us + steps * 16 * SECOND_US,
        clock_s=vector(12, 2.0**-31),
        clock_rate=vector(8, 2.0**-40),
        position_m=(vector(30, 0.08), vector(30, 0.08), vector(25, 0.4)),
        velocity_m_s=(vector(17, 0.000625), vector(17, 0.000625), vector(18, 0.004)),
        acceleration_m_s2=(vector(10, 1.25e-5), vector(10, 1.25e-5), vector(10, 6.25e-5)),
        health=int(accuracy == 15),
        age_days=0,
        flags=accuracy << 8 | content.draw(st.integers(0, 255)),
    )
    written = encode_ephemeris(ephemeris)
    assert len(written) == 29
    near_us = int(gps_to_utc(ephemeris.toe_gps_us)) + content.draw(st.integers(-11, 11)) * HOUR_US
    again = decode_ephemeris(written, near_us)
    for name in ("position_m", "velocity_m_s", "acceleration_m_s2"):
        assert getattr(again, name) == pytest.approx(getattr(ephemeris, name), rel=1e-14)
        again = dataclasses.replace(again, **{name: getattr(ephemeris, name)})
    assert again == ephemeris


def test_sbas_fields_stand_where_message_type_9_has_them():
    # S29 = PRN 129, issue 7, 01:00:00 of the day, accuracy 2, then a number of its own in each field
    bits = "".join(
        f"{value % (1 << width):0{width}b}"
        for value, width in [
            *((1043, 12), (9, 6), (7, 8), (225, 13), (2, 4), (-100, 30), (200, 30), (-300, 25)),
            *((4, 17), (-5, 17), (6, 18), (-7, 10), (8, 10), (-9, 10), (10, 12), (-11, 8), (0, 2)),
        ]
    )
    e = decode_ephemeris(int(bits, 2).to_bytes(29, "big"), 1_600_000_000 * SECOND_US)
    assert (e.system, e.satellite, e.flags, e.health) == (System.SBAS, 29, 2 << 8 | 7, 0)
    assert e.toe_gps_us == 1_599_955_200 * SECOND_US + HOUR_US
    assert e.position_m == pytest.approx((-8.0, 16.0, -120.0))
    assert e.velocity_m_s == pytest.approx((0.0025, -0.003125, 0.024))
    assert e.acceleration_m_s2 == pytest.approx((-8.75e-5, 1e-4, -5.625e-4))
    assert (e.clock_s, e.clock_rate) == (10 * 2.0**-31, -11 * 2.0**-40)


def test_glonass_day_without_a_date_is_the_nearest_and_a_date_is_believed():
    e = decode_ephemeris(_glonass_payload(quarter=1, day=0), NEAR_US)
    # 2023-11-14 22:13:20 UTC is 01:13:20 of the 15th in Moscow
    moscow_midnight_us = 1_699_995_600 * SECOND_US
    assert gps_to_utc(e.toe_gps_us) == moscow_midnight_us + 900 * SECOND_US
    assert gps_to_utc(decode_ephemeris(_glonass_payload(95, 0), NEAR_US).toe_gps_us) == (
        moscow_midnight_us - 900 * SECOND_US
    )
    # day 1415 of 2020 to 2023 is 2023-11-15; the sender may turn the day before or after us
    for day in (1414, 1415, 1416):
        assert decode_ephemeris(_glonass_payload(1, day), NEAR_US).toe_gps_us == e.toe_gps_us
    for days in (-30, -2, 2, 30):
        other = decode_ephemeris(_glonass_payload(1, 1415 + days), NEAR_US)
        assert other.toe_gps_us == e.toe_gps_us + days * 24 * HOUR_US
    # at six in the morning nobody is in doubt
    six = [decode_ephemeris(_glonass_payload(24, day), NEAR_US).toe_gps_us for day in (1414, 1415, 0)]
    assert six[1] - six[0] == 24 * HOUR_US
    assert six[2] == six[1] == e.toe_gps_us + 23 * 900 * SECOND_US
    assert decode_ephemeris(_glonass_payload(96, 1415), NEAR_US) is None


def _glonass_payload(quarter, day):
    fields = [(1020, 12), (5, 6), (8, 5), (0, 4), (0, 12), (0, 2), (quarter, 7)]
    bits = "".join(f"{value:0{width}b}" for value, width in fields).ljust(360, "0")
    at = 12 + 6 + 5 + 4 + 12 + 2 + 7 + 3 * (24 + 27 + 5) + 1 + 11 + 2 + 1 + 22 + 5 + 5 + 1 + 4
    return int(bits[:at] + f"{day:011b}" + bits[at + 11 :], 2).to_bytes(45, "big")


@given(number=st.sampled_from(EPHEMERIS_MESSAGES), body=st.binary(max_size=80), near_us=st.integers(0, 2**52))
def test_anything_is_read_without_error(number, body, near_us):
    payload = (number << 4).to_bytes(2, "big") + body
    e = decode_ephemeris(payload, near_us)
    assert e is None or len(payload) * 8 >= BITS[number]
    assert decode_ephemeris(payload[: BITS[number] // 8], near_us) is None or BITS[number] % 8 == 0


def test_other_messages_are_none():
    assert decode_ephemeris(b"", NEAR_US) is None
    assert decode_ephemeris(b"\x3f", NEAR_US) is None
    assert decode_ephemeris((1077 << 4).to_bytes(2, "big") + bytes(80), NEAR_US) is None


def sample(number=1046, **changes):
    payload = (number << (BITS[number] - 12)) | 1 << (BITS[number] - 12 - 4)
    payload = (payload << (-BITS[number] % 8)).to_bytes(-(-BITS[number] // 8), "big")
    return dataclasses.replace(decode_ephemeris(payload, NEAR_US), **changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"message": 1077}, "give one of"),
        ({"message": 1020}, "give one of"),
        ({"system": System.GPS}, "1046 is of GALILEO"),
        ({"satellite": 0}, "from 1 on"),
        ({"satellite": 64}, "satellite 64 does not fit: give 0 to 63"),
        ({"sqrt_axis": 9000.0}, "sqrt_axis 9000.0 does not fit"),
        ({"perigee": 4.0}, "perigee 4.0 does not fit: give -3.14"),
        ({"node": float("nan")}, "node nan does not fit"),
        ({"health": 64}, "health 64 has more bits"),
        ({"health": -1}, "health -1 has more bits"),
        ({"toe_gps_us": GPS_EPOCH_US + WEEK_US + 1}, "toe_gps_us is no multiple of 60 s"),
        ({"toc_gps_us": GPS_EPOCH_US + WEEK_US}, "within half a week"),
        ({"message": 1045, "group_delay_s": (0.0, 1e-9), "health": 0}, "no second group delay"),
    ],
)
def test_encoding_says_what_to_give(changes, words):
    with pytest.raises(ValueError, match=words):
        encode_ephemeris(sample(**changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"channel": UNKNOWN_CHANNEL}, "channel from -7 to 13"),
        ({"satellite": 0}, "from 1 on"),
        ({"toe_gps_us": GPS_EPOCH_US}, "multiple of 15 minutes of UTC"),
        ({"position_m": (1e9, 0.0, 0.0)}, "x_m 1000000000.0 does not fit"),
        ({"system": System.GPS}, "no message -1"),
    ],
)
def test_encoding_glonass_says_what_to_give(changes, words):
    e = sample(1020, toe_gps_us=int(utc_to_gps(NEAR_US // (900 * SECOND_US) * 900 * SECOND_US)))
    assert encode_ephemeris(e)
    if "toe_gps_us" in changes:
        changes = {"toe_gps_us": e.toe_gps_us + SECOND_US}
    with pytest.raises(ValueError, match=words):
        encode_ephemeris(dataclasses.replace(e, **changes))


def test_health_of_qzss_needs_one_of_two_signals_on_l1():
    for bits, usable in {0: True, 1: True, 16: True, 17: False, 32: False, 8: False, 63: False}.items():
        assert is_usable(sample(1044, health=bits)) is usable
    assert is_usable(sample(1046, health=0))
    assert not is_usable(sample(1046, health=1))


def test_half_circles_are_those_of_the_interface_documents():
    payload = bytearray((1019 << 476).to_bytes(61, "big"))
    at = 12 + 6 + 10 + 4 + 2 + 14 + 8 + 16 + 8 + 16 + 22 + 10 + 16 + 16
    bits = int.from_bytes(payload, "big") | 1 << (488 - at - 2)  # half of a half circle
    fields = decode_fields(bits.to_bytes(61, "big"))
    assert fields["mean_anomaly"] == PI / 2
