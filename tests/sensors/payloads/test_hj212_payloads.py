"""HJ 212 against published packets, and against packets that the test writes itself.

The packets are from the standard and from public programs; all have the checksum they were published with.
"""

import math
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.payloads import opened
from sensors.payloads.checksums import hj212
from sensors.payloads.hj212 import Hj212Mapping, commands
from sensors.payloads.hj212.packets import Packet, read_packets

ANY = Hj212Mapping(topic="hj/#")
BEIJING = timezone(timedelta(hours=8))

SET_INTERVAL = (
    "##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;"
    "CP=&&RtdInterval=30&&1C80\r\n"
)
WATER = (
    "##0457QN=20210320163101890;ST=32;CN=2011;PW=123456;MN=81733553213013;Flag=4;CP=&&DataTime=20210320013400;"
    "w00000-Rtd=181.682,w00000-Flag=N;w21001-SampleTime=20210320005400,w21001-Rtd=45.160,w21001-Flag=N;"
    "w21011-SampleTime=20210320013400,w21011-Rtd=1.970,w21011-Flag=N;"
    "w21003-SampleTime=20210320013400,w21003-Rtd=53.131,w21003-Flag=N;"
    "w01018-SampleTime=20210320013400,w01018-Rtd=194.200,w01018-Flag=N;"
    "w01001-SampleTime=20210320013406,w01001-Rtd=7.496,w01001-Flag=N&&6E80\r\n"
)
AIR = (
    "##0313QN=20241115190408000;ST=27;CN=2011;PW=123456;MN=AQI2411132600332;Flag=5;CP=&&DataTime=20241115190408;"
    "a21026-Rtd=117;a21004-Rtd=16;o31104-Rtd=29;a21005-Rtd=0.14;a34004-Rtd=6;a34002-Rtd=6;a34001-Rtd=6;"
    "a01001-Rtd=28.1;a01002-Rtd=68;LA-Rtd=49;a01006-Rtd=1002;a06001-Rtd=0.0;a04003-Rtd=0;a01007-Rtd=0.0;"
    "a01008-Rtd=70&&9901\r\n"
)
MINUTES = (
    "##0245ST=32;CN=2051;PW=123456;MN=12091200160055;CP=&&DataTime=20150430135700;"
    "B01-Min=895.13,B01-Avg=909.87,B01-Max=932.28,B01-Cou=54.59;"
    "011-Min=999.99,011-Avg=999.99,011-Max=999.99,011-Cou=54.59;"
    "060-Min=30.18,060-Avg=30.18,060-Max=30.18,060-Cou=1.65&&7640\r\n"
)
ACKNOWLEDGED = "##0075QN=20260706103512345;ST=91;CN=9014;PW=123456;MN=A110000_0001;Flag=8;CP=&&&&0140\r\n"
LOWER_CASE = "##0078QN=20201008154743635;ST=91;CN=9014;PW=123456;MN=SD000001;Flag=9;CP=&&QnRtn=1&&71c0\r\n"
PUBLISHED = [SET_INTERVAL, WATER, AIR, MINUTES, ACKNOWLEDGED, LOWER_CASE]


def us(*parts):
    return round(datetime(*parts, tzinfo=BEIJING).timestamp() * 1e6)


NOW = us(2026, 7, 6, 12, 0)


def packed(data, fields="QN=20260706120000000;ST=32;CN=2011;PW=1;MN=A1;Flag=4;"):
    text = f"{fields}CP=&&{data}&&".encode()
    return b"##" + f"{len(text):04}".encode() + text + f"{hj212(text):04X}".encode() + b"\r\n"


def read(which, payload, now=NOW):
    return which.decode("hj/x", payload.encode() if isinstance(payload, str) else payload, now)


def found(decoded):
    assert not decoded.errors
    return {
        name: (time, value)
        for name, time, value in zip(decoded.datastream_ids, decoded.time_us, decoded.value, strict=True)
    }


@pytest.mark.parametrize("text", PUBLISHED)
def test_published_packets_have_their_hj212(text):
    (packet,) = read_packets(text.encode())
    assert isinstance(packet, Packet)
    assert packet.version == (
        "HJ/T 212-2005"
        if text == MINUTES
        else "HJ 212-2025"
        if "Flag=8" in text or "Flag=9" in text
        else "HJ 212-2017"
    )
    assert packet.wants_answer is any(flag in text for flag in ("Flag=5", "Flag=9"))


def test_real_time_values_with_times_of_their_own():
    at = us(2021, 3, 20, 1, 34)
    assert found(read(ANY, WATER)) == {
        "81733553213013.w00000.Rtd": (at, 181.682),
        "81733553213013.w21001.Rtd": (at - 40 * 60_000_000, 45.16),
        "81733553213013.w21011.Rtd": (at, 1.97),
        "81733553213013.w21003.Rtd": (at, 53.131),
        "81733553213013.w01018.Rtd": (at, 194.2),
        "81733553213013.w01001.Rtd": (at + 6_000_000, 7.496),
    }


def test_wanted_values_of_the_statistics_of_minutes():
    which = Hj212Mapping(
        topic="#", values={"B01-MinuteAvg": "{mn}.flow", "011-MinuteMax": "{0}.cod.max"}, missing=[999.99]
    )
    values = found(read(which, MINUTES))
    assert values.keys() == {"12091200160055.flow", "hj.cod.max"}
    assert values["12091200160055.flow"] == (us(2015, 4, 30, 13, 57), 909.87)
    assert math.isnan(values["hj.cod.max"][1])


@pytest.mark.parametrize("mark", "NFMSDCTBX")
def test_what_marks_mean(mark):
    decoded = read(ANY, packed(f"DataTime=20260706115900;w01010-Rtd=1.5,w01010-Flag={mark}"))
    ((_, value),) = found(decoded).values()
    taken = mark in "NT"
    assert value == 1.5 if taken else math.isnan(value)
    assert decoded.notes == ({} if taken else {"flagged": 1})
    assert ("not known" in decoded.last_note) is (mark == "X")
    by_hand = read(
        Hj212Mapping(topic="#", valid_marks="NS"), packed(f"DataTime=20260706115900;w-Rtd=1,w-Flag={mark}")
    )
    assert math.isnan(by_hand.value[0]) is (mark not in "NS")


def test_packets_with_noise_between_them():
    payload = "garbage##00" + AIR + "\r\n" + LOWER_CASE.strip() + WATER[:-9] + MINUTES + "tail"
    decoded = read(ANY, payload)
    assert len(decoded) == 15 + 12
    assert decoded.notes == {"silent": 1}
    assert decoded.bad_samples == 3
    assert "bytes are no packet of HJ 212, or damaged" in decoded.errors[0]


def test_a_message_over_several_packets_has_one_time():
    head = "QN=20260706115900000;ST=32;CN=2061;PW=1;MN=A1;Flag=7;PNUM=2;PNO={};"
    first = packed("DataTime=20260706110000;a-Avg=1", head.format(1))
    second = packed("b-Avg=2;c-Avg=3,c-Flag=D", head.format(2))
    at = us(2026, 7, 6, 11, 0)
    (reader,) = opened([ANY])
    assert found(reader.decode("hj/x", first, NOW)) == {"A1.a.HourAvg": (at, 1.0)}
    later = found(reader.decode("hj/x", second, NOW))
    assert later["A1.b.HourAvg"] == (at, 2.0)
    assert math.isnan(later["A1.c.HourAvg"][1])
    (other,) = opened([ANY])
    assert "there is no DataTime" in other.decode("hj/x", second, NOW).errors[0]
    assert len(read(ANY, first + second)) == 3
    for number in range(2_000):
        reader.decode(
            "hj/x", packed("DataTime=20260706110000", head.replace("A1", f"B{number}").format(1)), NOW
        )
    assert reader.decode("hj/x", second, NOW).bad_samples == 2


@pytest.mark.parametrize(
    ("payload", "words", "bad"),
    [
        (b"", "the payload is empty", 1),
        (b"hello", "5 bytes are no packet", 1),
        (WATER.replace("6E80", "6E81").encode(), "are no packet of HJ 212, or damaged", 1),
        (packed("w-Rtd=1"), "there is no DataTime", 1),
        (packed("DataTime=2026;w-Rtd=1"), "DataTime is not a time as", 1),
        (packed("DataTime=20260706115900;w-Rtd=one"), "w-Rtd should be a number, not one", 1),
        (packed("DataTime=20260706115900;w -Rtd=1"), "cannot be a datastream", 1),
        (packed("A0B1C2"), "the data are not as the standard has them", 1),
        (packed("A0B1C2", "ST=32;CN=2011;MN=A1;Flag=9;"), "the data are encrypted", 1),
        (packed("", "").replace(b"CP=&&&&", b"CP=&&&!"), "no packet", 1),
    ],
)
def test_what_cannot_be_used_is_told(payload, words, bad):
    decoded = read(ANY, payload)
    assert len(decoded) == 0
    assert decoded.bad_samples == bad
    assert words in decoded.errors[0]


def test_several_times_in_one_packet_and_marks_that_are_no_letter():
    decoded = read(
        ANY, packed("DataTime=20260706100000;w-Rtd=1,w-Flag=;DataTime=20260706110000;w-Rtd=2,w-Flag=NT")
    )
    assert not decoded.errors
    assert [*decoded.time_us] == [us(2026, 7, 6, 10), us(2026, 7, 6, 11)]
    assert decoded.value[0] == 1
    assert math.isnan(decoded.value[1])


def test_a_packet_without_a_data_area():
    text = b"QN=1;CN=2011;CP=1"
    payload = b"##0017" + text + f"{hj212(text):04X}".encode()
    assert "has no data area" in read(ANY, payload).errors[0]
    text = b"QN=\xff;CP=&&&&"
    payload = b"##0012" + text + f"{hj212(text):04X}".encode()
    assert "not text in UTF-8" in read(ANY, payload).errors[0]


def test_a_clock_that_cannot_be():
    ahead = packed("DataTime=20361231000000;w-Rtd=1")
    decoded = read(ANY, ahead)
    assert found(decoded) == {"A1.w.Rtd": (NOW, 1.0)}
    assert decoded.notes == {"received_time": 1}
    assert read(ANY, ahead + packed("DataTime=20260706115900;w-Rtd=2")).bad_samples == 1


factors = st.lists(
    st.tuples(
        st.from_regex(r"[a-z][0-9]{5}", fullmatch=True),
        st.floats(-1e6, 1e6).map(lambda x: round(x, 3)),
        st.sampled_from("NTD"),
    ),
    max_size=8,
    unique_by=lambda x: x[0],
)


@given(
    factors, st.sampled_from([("2011", "Rtd", "Rtd"), ("2061", "Avg", "HourAvg"), ("2031", "Cou", "DayCou")])
)
def test_packets_come_out_as_they_were_written(written, command):
    cn, statistic, field = command
    groups = [f"{code}-{statistic}={value},{code}-Flag={mark}" for code, value, mark in written]
    data = ";".join(["DataTime=20260706110000", *groups])
    values = found(read(ANY, packed(data, f"QN=1;ST=32;CN={cn};MN=A1;Flag=5;")))
    assert len(values) == len(written)
    for code, value, mark in written:
        time, back = values[f"A1.{code}.{field}"]
        assert time == us(2026, 7, 6, 11)
        assert back == pytest.approx(math.nan if mark == "D" else value, nan_ok=True)


@given(
    st.binary(max_size=60)
    | st.text("ACPQNRdt&=;,-#10\r\n", max_size=60).map(packed)
    | st.lists(st.sampled_from(PUBLISHED) | st.text("#01&", max_size=9), max_size=4).map(
        lambda x: "".join(x).encode()
    )
)
@settings(max_examples=400, deadline=None)
def test_nothing_that_is_sent_raises(payload):
    (reader,) = opened([ANY])
    for decoded in (read(ANY, payload), reader.decode("hj/x", payload, NOW)):
        assert not any(math.isinf(value) for value in decoded.value)
        assert all(error.isascii() and error.isprintable() for error in decoded.errors)


def test_noise_that_looks_like_packets_costs_no_more_than_a_little():
    decoded = read(ANY, b"##9999ABCD" * 90_000)
    assert decoded.bad_samples == 1


DEVICE = commands.Device("010000A8900016F000169DC0", password="100000")


def test_the_command_of_the_standard():
    at = us(2016, 8, 1, 8, 58, 57) + 223_000
    assert commands.set_real_time_interval(DEVICE, at, 30) == SET_INTERVAL.encode()


def test_an_acknowledgement_that_was_published():
    asked = packed(
        "DataTime=20260706103500", "QN=20260706103512345;ST=32;CN=2061;PW=123456;MN=A110000_0001;Flag=9;"
    )
    (packet,) = read_packets(asked)
    assert commands.acknowledge(packet) == ACKNOWLEDGED.encode()


@pytest.mark.parametrize(
    ("made", "command", "data"),
    [
        (commands.start_real_time(DEVICE, NOW), "2011", ""),
        (commands.stop_real_time(DEVICE, NOW), "2012", ""),
        (commands.set_minute_interval(DEVICE, NOW, 10), "1064", "MinInterval=10"),
        (commands.set_clock(DEVICE, NOW), "1012", "SystemTime=20260706120000"),
        (
            commands.request_history(DEVICE, NOW, "hour", us(2026, 7, 5), us(2026, 7, 6)),
            "2061",
            "BeginTime=20260705000000;EndTime=20260706000000",
        ),
    ],
)
def test_commands(made, command, data):
    (packet,) = read_packets(made)
    assert (packet.command, packet.data) == (command, data)
    assert packet.fields["QN"] == "20260706120000000"
    assert packet.wants_answer
    assert packet.version == "HJ 212-2017"


@pytest.mark.parametrize(
    "make",
    [
        lambda: commands.set_real_time_interval(DEVICE, NOW, 0),
        lambda: commands.set_minute_interval(DEVICE, NOW, 61),
        lambda: commands.request_history(DEVICE, NOW, "week", 0, 1),
        lambda: commands.start_real_time(commands.Device("a;CN=2"), NOW),
        lambda: commands.start_real_time(commands.Device("a" * 2000), NOW),
    ],
)
def test_commands_that_cannot_be(make):
    with pytest.raises(ValueError, match=r"an interval|there are values|no field|at most 1024"):
        make()
