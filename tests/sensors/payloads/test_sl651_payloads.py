"""SL 651-2014 against published frames, and against frames that the test writes itself.

The frames in hexadecimal are from articles about the protocol, from the access rules of Fujian, and from
stations of Beijing; all have the checksum that they were published with.
"""

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.payloads import opened
from sensors.payloads.checksums import modbus
from sensors.payloads.parts import LONGEST_US, MOST_BYTES, MOST_MESSAGES, Parts
from sensors.payloads.sl651 import Sl651Mapping, commands
from sensors.payloads.sl651.elements import BY_NAME, ELEMENTS
from sensors.payloads.sl651.frames import Frame, read_frames

ANY = Sl651Mapping(topic="sl651/#", test_reports=True)
BEIJING = timezone(timedelta(hours=8))

HEARTBEAT = "7E7E01001234567812342F0008020003591011155111036BCA"
HEARTBEAT_2 = "7E7E00987654321012342F0008027E0822101110074703C3AE"
TEST_REPORT = (
    "7E7E010012345678123430002B020003591011154947F1F1001234567848F0F0591011154920190000052619000005"
    "392300000127381211150320FA"
)
TIMED = (
    "7E7E05001122334403E832002B020034170718110016F1F1001122334448F0F01707181100201900004026190000403923000104"
    "903812109903A421"
)
ACKNOWLEDGED = "7E7E00123456780112343080080200035910111549471B75D4"
REGULAR = (
    "7E7E010010100001A00032002B02000C200724172349F1F1001010000148F0F02007241723201900013022190000403923000005"
    "5038121268038397"
)
UNIFORM = (
    "7E7E011000000006000031004E022F7E221205110019F1F1100000000648F0F02212051005041800000539230002896000028960"
    "00028960000289600002896000028960000289600002896000028960000289600002896000028960035B94"
)
HOURLY = (
    "7E7E0110000000060000340068022F7B221202131525F1F1100000000648F0F0221202122"
    "0F460000000000000000000000000"
    "F0F022120213152619003196F0F02212021220F55C0A2D0A2D0A2D0A2D0A2D0A2D0A2D0A2D0A2D0A2D0AEC0AECF0F02212021315"
    "39230002896020190000003812131603329C"
)
HOUR_AT_ITS_END = (
    "7E7E100030700300123434004E02BE3F260701060000F1F1003070030048F0F02607010600F460000000000000000000000000F5"
    "C001AC01AC01AC01AC01AC01AC01AC01AC01AC01AC01AC01AC26190000003923000042803812137003F8F7"
)
NEGATIVE = (
    "7E7E0100305037680000320033020A02260701060114F1F1003050376848F0F02607010600392300033660361B000110272B0000"
    "004320FF221B00011038121230032B97"
)
EXTENDED = (
    "7E7E010030746200001232002F024465260701060036F1F1003074620048F0F02607010600261900311345200060048138121287"
    "FF090820FF3311020503B042"
)
NO_LEVEL = (
    "7E7E001000000006000037002B02013D221206100758F1F1100000000648F0F022120610072019000000261900000039"
    "23FFFFFFFF3812114303C7CD"
)
PUBLISHED = [
    HEARTBEAT,
    HEARTBEAT_2,
    TEST_REPORT,
    TIMED,
    ACKNOWLEDGED,
    REGULAR,
    UNIFORM,
    HOURLY,
    HOUR_AT_ITS_END,
    NEGATIVE,
    EXTENDED,
    NO_LEVEL,
]


def us(*parts):
    return round(datetime(*parts, tzinfo=BEIJING).timestamp() * 1e6)


NOW = us(2026, 7, 2, 12, 0)


def read(which, payload, now=NOW):
    payload = bytes.fromhex(payload) if isinstance(payload, str) else payload
    return which.decode("sl651/x", payload, now)


def found(decoded):
    assert not decoded.errors
    return {
        (name, time): value
        for name, time, value in zip(decoded.datastream_ids, decoded.time_us, decoded.value, strict=True)
    }


@pytest.mark.parametrize("text", PUBLISHED)
def test_published_frames_have_their_checksum(text):
    (frame,) = read_frames(bytes.fromhex(text))
    assert isinstance(frame, Frame)
    assert frame.is_down is (text == ACKNOWLEDGED)


def test_a_test_report_and_its_acknowledgement():
    at = us(2059, 10, 11, 15, 49)
    payload = bytes.fromhex(TEST_REPORT)
    assert found(read(ANY, payload, at)) == {
        ("0012345678.PJ", at): 0.5,
        ("0012345678.PT", at): 0.5,
        ("0012345678.Z", at): 0.127,
        ("0012345678.VT", at): 11.15,
    }
    (frame,) = read_frames(payload)
    answer = commands.acknowledge(frame, at + 47_000_000, stay_online=True)
    assert answer.hex().upper() == ACKNOWLEDGED
    left_out = read(Sl651Mapping(topic="#"), payload, at)
    assert len(left_out) == 0
    assert left_out.notes == {"silent": 1}


def test_a_timed_report_of_wanted_elements():
    at = us(2017, 7, 18, 11, 0)
    which = Sl651Mapping(
        topic="#", values={"Z": "{code}.level", "VT": "{0}.{station}.battery"}, units={"11223344.level": "mm"}
    )
    decoded = read(which, TIMED)
    assert found(decoded) == {("11223344.level", at): 10490.0, ("sl651.0011223344.battery", at): 10.99}
    assert decoded.notes == {"converted": 1}


def test_uniform_reports_are_a_series():
    values = found(read(ANY, UNIFORM))
    first = us(2022, 12, 5, 10, 5)
    assert values == {("1000000006.Z", first + i * 300_000_000): 28.96 for i in range(12)}


def test_hourly_reports_begin_at_the_observation_time():
    values = found(read(ANY, HOURLY))
    first, now = us(2022, 12, 2, 12, 20), us(2022, 12, 2, 13, 15)
    rain = {time: value for (name, time), value in values.items() if name == "1000000006.DRP"}
    level = {time: value for (name, time), value in values.items() if name == "1000000006.DRZ1"}
    assert rain == {first + i * 300_000_000: 0.0 for i in range(12)}
    assert level == {first + i * 300_000_000: 26.05 if i < 10 else 27.96 for i in range(12)}
    assert max(level) == now
    assert values["1000000006.PT", now] == 319.6
    assert values["1000000006.VT", now] == 13.16


def test_hours_of_stations_that_give_their_end():
    at, hour = us(2026, 7, 1, 6, 0), 55 * 60_000_000
    for mode, last in (("auto", at), ("last", at), ("first", at + hour)):
        values = found(read(Sl651Mapping(topic="#", hour=mode), HOUR_AT_ITS_END))
        level = [time for name, time in values if name == "0030700300.DRZ1"]
        assert (min(level), max(level)) == (last - hour, last)
        assert values["0030700300.DRZ1", last] == 4.28
        assert values["0030700300.Z", at] == 4.28


def test_negative_extended_and_missing_values():
    at = us(2026, 7, 1, 6, 0)
    assert found(read(ANY, NEGATIVE)) == {
        ("0030503768.Z", at): 33.66,
        ("0030503768.VA", at): 0.11,
        ("0030503768.Q", at): 4.32,
        ("0030503768.FF22", at): 0.11,
        ("0030503768.VT", at): 12.3,
    }
    values = found(read(ANY, EXTENDED))
    assert values["0030746200.FF09", at] == 20
    assert values["0030746200.FF33", at] == 20.5
    assert values["0030746200.ZT", at] == 0x00600481
    values = found(read(Sl651Mapping(topic="#", missing=[11.43]), NO_LEVEL))
    at = us(2022, 12, 6, 10, 7)
    assert math.isnan(values["1000000006.Z", at])
    assert math.isnan(values["1000000006.VT", at])
    assert values["1000000006.PT", at] == 0


def test_several_frames_between_noise_as_bytes_and_as_text():
    noise = b"\x01\x7e\x7e\x00+++ATH" + bytes.fromhex(TIMED)[:30]
    payload = (
        noise
        + bytes.fromhex(REGULAR)
        + b"\xff" * 7
        + bytes.fromhex(HEARTBEAT)
        + bytes.fromhex(NEGATIVE)
        + b"\x7e"
    )
    decoded = read(ANY, payload)
    assert {name.split(".")[0] for name in decoded.datastream_ids} == {"0010100001", "0030503768"}
    assert len(decoded) == 9
    assert decoded.bad_samples == 3
    assert decoded.errors[0].endswith(f"{len(noise)} bytes are no frame of SL 651, or damaged")
    assert decoded.notes == {"silent": 1}
    assert found(read(ANY, REGULAR.lower().encode())) == found(read(ANY, REGULAR))


def test_a_damaged_frame_harms_no_other():
    damaged = bytearray.fromhex(REGULAR)
    damaged[40] ^= 1
    decoded = read(ANY, bytes(damaged) + bytes.fromhex(NEGATIVE))
    assert len(decoded) == 5
    assert decoded.bad_samples == 1


def bcd(value, digits, decimals):
    text = f"{abs(round(value * 10**decimals)):0{digits + digits % 2}}"
    return (b"\xff" if value < 0 else b"") + bytes.fromhex(text)


def up(function, body, station="0012345678", total=0, number=0, end=3):
    start = b"\x02"
    if total:
        start, body = b"\x16", (total << 12 | number).to_bytes(3, "big") + body
    head = b"\x7e\x7e\x01" + bytes.fromhex(station) + b"\x12\x34" + bytes([function])
    frame = head + len(body).to_bytes(2, "big") + start + body + bytes([end])
    return frame + modbus(frame).to_bytes(2, "big")


def ascii_up(function, body, station="0012345678"):
    frame = f"\x0101{station}1234{function:02X}0{len(body):03X}\x02{body}\x03".encode()
    return frame + f"{modbus(frame):04X}".encode()


def head_of(at):
    local = datetime.fromtimestamp(at / 1e6, UTC).astimezone(BEIJING)
    return b"\x00\x07" + bytes.fromhex(f"{local:%y%m%d%H%M%S}")


def report(at, elements, station="0012345678"):
    local = datetime.fromtimestamp(at / 1e6, UTC).astimezone(BEIJING)
    body = (
        head_of(at)
        + b"\xf1\xf1"
        + bytes.fromhex(station)
        + b"H\xf0\xf0"
        + bytes.fromhex(f"{local:%y%m%d%H%M}")
    )
    for name, value in elements:
        element = BY_NAME[name]
        raw = b"\xff\xff" if value is None else bcd(value, element.digits, element.decimals)
        body += bytes([element.guide, len(raw) << 3 | element.decimals]) + raw
    return body


plain = [element for element in ELEMENTS if element.digits <= 12 and element.name not in {"ZT", "DT"}]
measured = st.sampled_from(plain).flatmap(
    lambda element: st.tuples(
        st.just(element.name),
        st.none()
        | st.integers(-(10**element.digits) + 1, 10**element.digits - 1).map(
            lambda x: x / 10**element.decimals
        ),
    )
)
minutes = st.integers(us(2001, 1, 1) // 60_000_000, NOW // 60_000_000).map(lambda minute: minute * 60_000_000)


@given(minutes, st.lists(measured, min_size=1, max_size=8, unique_by=lambda x: x[0]), st.booleans())
def test_reports_come_out_as_they_were_written(at, elements, as_text):
    if as_text:
        local = datetime.fromtimestamp(at / 1e6, UTC).astimezone(BEIJING)
        texts = [f"{n} {'M' if v is None else format(v, f'.{BY_NAME[n].decimals}f')} " for n, v in elements]
        payload = ascii_up(
            0x32, f"0007{local:%y%m%d%H%M%S}ST 0012345678 Z TT {local:%y%m%d%H%M} {''.join(texts)}"
        )
    else:
        payload = up(0x32, report(at, elements))
    values = found(read(ANY, payload))
    assert len(values) == len(elements)
    for name, value in elements:
        assert values[f"0012345678.{name}", at] == pytest.approx(
            math.nan if value is None else value, nan_ok=True, rel=1e-12
        )


def test_ascii_series_hours_and_manual_entries():
    at = us(2026, 7, 1, 6, 0)
    series = ascii_up(0x31, "0001260701070000ST 0012345678 H TT 2607010600 DRN05 Z PJ 1.5 M 1.6 0.2 ")
    assert found(read(ANY, series)) == pytest.approx(
        {
            ("0012345678.Z", at): 1.5,
            ("0012345678.Z", at + 300_000_000): 1.6,
            ("0012345678.PJ", at): math.nan,
            ("0012345678.PJ", at + 300_000_000): 0.2,
        },
        nan_ok=True,
    )
    hour = ascii_up(
        0x34,
        f"0001260701070000ST 0012345678 P TT 2607010600 DRH00 DRP {'0A' * 11}FF VT 12.1 ZT 0060048A DT 1.30 ",
    )
    values = found(read(ANY, hour))
    assert values["0012345678.DRP", at] == 1.0
    assert math.isnan(values["0012345678.DRP", at + 55 * 60_000_000])
    assert values["0012345678.ZT", at] == 0x0060048A
    assert values["0012345678.DT", at] == 1.5
    assert len(values) == 15
    manual = up(0x35, head_of(at) + b"\xf2\xf2ST 0099999999 Q TT 2607010555 Q 1.234 Z -0.5 WS x")
    decoded = read(ANY, manual)
    assert set(zip(decoded.datastream_ids, decoded.value, strict=True)) == {
        ("0099999999.Q", 1.234),
        ("0099999999.Z", -0.5),
    }
    assert set(decoded.time_us) == {at - 300_000_000}
    assert "WS should be a number, not x" in decoded.errors[0]


def test_packets_of_one_message_are_put_together_in_any_order():
    at = us(2026, 7, 1, 6, 0)
    body = report(at, [("Z", 1.5), ("VT", 12.5)])
    packets = [up(0x31, body[i : i + 9], total=5, number=i // 9 + 1, end=0x17) for i in range(0, 45, 9)]
    (reader,) = opened([ANY])
    for packet in packets[::-1][:-1]:
        assert len(reader.decode("sl651/x", packet, NOW)) == 0
    assert found(reader.decode("sl651/x", packets[0], NOW)) == {
        ("0012345678.Z", at): 1.5,
        ("0012345678.VT", at): 12.5,
    }
    assert found(read(ANY, b"".join(packets))) == {("0012345678.Z", at): 1.5, ("0012345678.VT", at): 12.5}


def test_packets_that_never_become_whole_are_counted_and_bounded():
    parts = Parts()
    assert parts.add("a", 2, 1, b"x", 0) is None
    assert parts.add("b", 2, 1, b"x", LONGEST_US + 1) is None
    assert parts.take_lost() == 1
    for key in range(MOST_MESSAGES):
        parts.add(key, 2, 1, b"x", LONGEST_US + 1)
    assert parts.take_lost() == 1
    for key in range(100):
        parts.add(("big", key), 2, 1, bytes(MOST_BYTES // 10), LONGEST_US + 1)
    assert parts.take_lost() >= 90
    assert parts.take_lost() == 0
    (reader,) = opened([ANY])
    reader.decode("sl651/x", up(0x31, b"x", total=2, number=1), NOW)
    late = reader.decode("sl651/x", up(0x31, b"x", "0000000001", total=2, number=1), NOW + LONGEST_US + 1)
    assert "1 messages in many packets never became whole" in late.errors[0]


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b"", "is empty"),
        (b"hello", "5 bytes are no frame"),
        (b"7E7E01zz", "begins as hexadecimal text, and is none"),
        (bytes.fromhex(ACKNOWLEDGED), "from the centre to the station"),
        (up(0x36, report(NOW, []) + b"\xf3\xf3jpg"), "pictures are not read"),
        (up(0x32, report(NOW, []) + b"\xf3\xf3jpg"), "pictures and batches"),
        (up(0x32, report(NOW, []) + b"\x39\x23\x00\x00"), "ends within a value"),
        (
            up(0x32, report(NOW, []) + b"\x39\x23\x00\x00\xab\x00"),
            "Z has 0000ab00, which are no decimal digits",
        ),
        (up(0x32, b"\x00\x01\x26\x13\x01\x00\x00\x00"), "261301000000 is no time"),
        (up(0x32, b"\x00"), "the time of sending has"),
        (up(0x31, report(NOW, []) + b"\x04\x18\x00\x00\x05\x39\x23\x00\x00"), "do not fit its length"),
        (up(0x31, report(NOW, []), total=2, number=3), "packet 3 of 2 cannot be"),
        (ascii_up(0x32, "0001260701060000ST 0012345678 H TT 260701"), "260701 is no time"),
        (ascii_up(0x32, "0001260701060000Z"), "nothing follows Z"),
        (ascii_up(0x32, "0001260701060000?! 1 "), "?! is no identifier"),
        (ascii_up(0x34, "0001260701060000DRP 0G "), "DRP should be hexadecimal"),
        (ascii_up(0x31, "0001260701060000DRN05 Z PJ 1 2 3 "), "do not fit its identifiers"),
    ],
)
def test_what_cannot_be_used_is_told(payload, words):
    decoded = read(ANY, payload)
    assert len(decoded) == 0
    assert decoded.bad_samples == 1
    assert words in decoded.errors[0]


def test_a_clock_that_cannot_be():
    alone = read(ANY, up(0x32, report(us(2059, 1, 1), [("Z", 1.5)])))
    assert found(alone) == {("0012345678.Z", NOW): 1.5}
    assert alone.notes == {"received_time": 1}
    two = read(ANY, up(0x32, report(us(2059, 1, 1), [("Z", 1.5)])) * 2)
    assert len(two) == 0
    assert two.bad_samples == 2
    many = read(Sl651Mapping(topic="#", max_rows=11), UNIFORM)
    assert len(many) == 0
    assert "more than 11 values" in many.errors[0]


@given(
    st.binary(max_size=80)
    | st.lists(
        st.sampled_from([bytes.fromhex(text) for text in PUBLISHED]) | st.binary(max_size=9), max_size=4
    ).map(b"".join)
    | st.tuples(st.integers(0x2F, 0x45), st.binary(max_size=60), st.integers(0, 3), st.integers(0, 3)).map(
        lambda x: up(x[0], x[1], total=x[2], number=x[3])
    )
    | st.tuples(st.integers(0x2F, 0x45), st.text("TS Z0123DRNP.HFM", max_size=60)).map(lambda x: ascii_up(*x))
)
@settings(max_examples=400, deadline=None)
def test_nothing_that_is_sent_raises(payload):
    (reader,) = opened([ANY])
    for decoded in (read(ANY, payload), reader.decode("sl651/x", payload, NOW)):
        assert not any(math.isinf(value) for value in decoded.value)
        assert all(error.isascii() and error.isprintable() for error in decoded.errors)


def test_noise_that_looks_like_frames_costs_no_more_than_a_little():
    decoded = read(ANY, (b"\x7e\x7e" + bytes(9) + b"\x0f\xff\x02" + b"\x03" * 2) * 60_000)
    assert decoded.bad_samples == 1


STATION = commands.Station("0012345678", 1, b"\x12\x34")


@pytest.mark.parametrize(
    ("frame", "function", "body"),
    [
        (commands.query_now(STATION, NOW), 0x37, ""),
        (commands.query_elements(STATION, NOW, ["Z", "PJ", "PT", "VT"]), 0x3A, "3923201926193812"),
        (
            commands.query_period(STATION, NOW, us(2026, 7, 1, 8), us(2026, 7, 2, 8), "DRP", 0),
            0x38,
            "26070108260702080418000000F460",
        ),
        (commands.set_parameters(STATION, NOW, {"rain_report_threshold_mm": 10}), 0x42, "270810"),
        (
            commands.set_parameters(STATION, NOW, {"report_interval_h": 1, "sampling_interval_s": 30}),
            0x42,
            "20080123100030",
        ),
        (
            commands.read_parameters(STATION, NOW, ["report_interval_h", "sampling_interval_s"]),
            0x43,
            "20082310",
        ),
        (commands.set_clock(STATION, NOW), 0x4A, ""),
    ],
)
def test_commands(frame, function, body):
    """The parameters are written as in Fujian's published answers of stations: 270810, 200801 23100030."""
    (back,) = read_frames(frame)
    assert (back.function, back.station, back.center, back.password) == (
        function,
        "0012345678",
        1,
        b"\x12\x34",
    )
    assert back.is_down
    assert back.end == 5
    assert back.body.hex().upper() == "0000260702120000" + body


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: commands.query_elements(STATION, NOW, ["XX"]), "no element 'XX'"),
        (lambda: commands.set_parameters(STATION, NOW, {"colour": 1}), "no parameter 'colour'"),
        (lambda: commands.set_parameters(STATION, NOW, {"report_interval_h": 5}), "cannot be 5"),
        (lambda: commands.set_parameters(STATION, NOW, {"sampling_interval_s": 10_000}), "cannot be 10000"),
        (lambda: commands.query_period(STATION, NOW, 0, 0, "Z", 60), "0 .* to 59 minutes"),
        (lambda: commands.query_now(commands.Station("12"), NOW), "ten digits"),
    ],
)
def test_commands_that_cannot_be(make, words):
    with pytest.raises(ValueError, match=words):
        make()
