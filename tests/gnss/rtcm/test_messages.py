"""All tables: what is written is read back here and by pyrtcm; what is damaged harms nobody."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnss.rtcm.fields import BitReader, BitWriter, Coded, Number, Reserved, Signed, SignMagnitude, Unsigned
from gnss.rtcm.framing import MAX_PAYLOAD_BYTES
from gnss.rtcm.groups import Array, Count, Flagged, Flags, Repeat
from gnss.rtcm.messages import Message, Opaque, Table, decode, describe, encode, message, tables
from gnss.rtcm.ssr_fields import UPDATE_INTERVALS_S
from gnss.rtcm.texts import MAX_PRINTED, Text, Utf8, printable
from tests.gnss.rtcm.flat import INTERVALS_S, accuracy_m, check_equal, ours, theirs
from tests.gnss.rtcm.pyrtcm_tables import parse

TABLES = tables()
TABLE_IDS = [f"{t.number}-{t.subtype or ''}-{i}" for i, t in enumerate(TABLES)]
FEW = settings(deadline=None, max_examples=15)
LATIN = st.text(st.characters(max_codepoint=255), max_size=31)


def values_of(draw: st.DrawFn, fields: tuple[Any, ...]) -> dict[str, Any]:
    """Draw values for a row of fields."""
    values: dict[str, Any] = {}
    for field in fields:
        if isinstance(field, Number):
            values[field.name] = field.value(draw(st.integers(0, (1 << field.width) - 1)))
            if field.name in {"degree", "order"}:  # three layers of degree 10 fill a frame
                values[field.name] = min(values[field.name], values.get("degree", 10), 10)
        elif isinstance(field, Coded):
            values[field.name] = draw(st.sampled_from(field.table))
        elif isinstance(field, Text):
            values[field.name] = draw(LATIN)
        elif isinstance(field, Utf8):
            values[field.name] = draw(st.text(max_size=60))
        elif isinstance(field, Flagged):
            values[field.number.name] = draw(st.none() | st.integers(-32767, 32767).map(lambda x: x / 50))
        elif isinstance(field, Repeat):
            least = 1 if field.of == "layers" else 0
            times = draw(st.integers(least, 3)) if field.times is None else field.times
            values[field.of] = [values_of(draw, field.fields) for _ in range(times)]
        elif isinstance(field, Array):
            number = field.number
            sent = st.integers(0, (1 << number.width) - 1)
            size = field.times(values)
            drawn = draw(st.lists(sent, min_size=1, max_size=4))
            values[number.name] = [number.value(drawn[i % len(drawn)]) for i in range(size)]
        else:
            assert isinstance(field, Count | Flags | Reserved)
    return values


@st.composite
def messages(draw: st.DrawFn, table: Table) -> Message:
    return Message(table.number, table.subtype, table.name, values_of(draw, table.fields))


@pytest.mark.parametrize("table", TABLES, ids=TABLE_IDS)
@FEW
@given(data=st.data())
def test_what_is_written_is_read_here_and_by_pyrtcm(table, data):
    sent = data.draw(messages(table))
    payload = encode(sent)
    assert decode(payload) == sent
    crc = any("ephemeris_crc" in x for x in sent.values.get("satellites", ()))
    check_equal(ours(sent), theirs(parse(payload, beidou_crc=crc and table.number in {1258, 1261})))


@pytest.mark.parametrize("table", TABLES, ids=TABLE_IDS)
@FEW
@given(data=st.data())
def test_a_damaged_message_is_a_value(table, data):
    payload = encode(data.draw(messages(table)))
    cut = data.draw(st.integers(0, len(payload) - 1))
    short = decode(payload[:cut])
    if isinstance(short, Message):  # cut to the length of the other layout, which no frame with a CRC is
        assert table.number in {1258, 1261}
        assert all("ephemeris_issue" in x for x in short.values["satellites"])
    else:
        assert short.payload == payload[:cut]
    assert short.number == (table.number if cut > 1 else -1)
    changed = bytearray(payload)
    changed[data.draw(st.integers(2, len(payload) - 1)) if len(payload) > 2 else 0] ^= data.draw(
        st.integers(1, 255)
    )
    read = decode(bytes(changed))
    if isinstance(read, Opaque):
        assert read.reason
    assert describe(bytes(changed)).isprintable()


@settings(deadline=None)
@given(st.sampled_from(TABLES), st.binary(max_size=MAX_PAYLOAD_BYTES + 3))
def test_nonsense_raises_nothing(table, content):
    head = table.number << 52
    if table.subtype is not None:
        head |= table.subtype << 41
    payload = head.to_bytes(8, "big")[:3] + content
    read = decode(payload)
    assert (read.number, read.subtype) == (table.number, table.subtype if len(payload) <= 1023 else None)
    assert 0 < len(describe(payload)) <= 240
    assert describe(payload).isprintable()
    if isinstance(read, Message) and table.number != 1029:  # a text of wrong UTF-8 is read, but is not one
        try:
            again = encode(read)
        except ValueError as error:  # longer texts are read than may be sent
            assert "characters" in str(error)  # noqa: PT017
        else:
            assert decode(again) == read


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_opaque(payload):
    read = decode(payload)
    assert isinstance(read, Message | Opaque)
    assert describe(payload).isprintable()


def test_all_messages_that_were_asked_for_are_known():
    known = {(t.number, t.subtype) for t in TABLES}
    wanted = {*range(1005, 1009), 1013, 1029, 1033, 1230, *range(1057, 1069), *range(1240, 1271)}
    assert {(n, None) for n in wanted} <= known
    subtypes = {first + n for first in range(21, 122, 20) for n in range(7)} | {201}
    assert {(4076, n) for n in subtypes} <= known


def test_unknown_messages_say_so():
    assert decode(b"") == Opaque(-1, None, "too short", b"")
    assert decode(b"\x3e") == Opaque(-1, None, "too short", b"\x3e")
    nobody = (4095 << 4).to_bytes(2, "big") + bytes(5)
    assert decode(nobody) == Opaque(4095, None, "not read here", nobody)
    assert describe(nobody) == "4095 not read here, 7 bytes"
    igs = (4076 << 20 | 1 << 17 | 140 << 9).to_bytes(4, "big")
    assert decode(igs) == Opaque(4076, 140, "subtype not read here", igs)
    assert decode(igs[:2]) == Opaque(4076, None, "too short", igs[:2])
    long = (1005 << 4).to_bytes(2, "big") + bytes(MAX_PAYLOAD_BYTES)
    assert isinstance(decode(long), Opaque)


def test_longer_messages_are_read_unless_the_length_tells_the_layout():
    antenna = encode(message(1007, {"reference_station": 7, "antenna_descriptor": "A", "antenna_setup": 0}))
    assert decode(antenna + b"later") == decode(antenna)
    orbits = encode(message(1057, orbit_values(3, ephemeris_issue=1)))
    assert decode(orbits + bytes(1)) == Opaque(1057, None, "longer than its layout", orbits + bytes(1))


def orbit_values(count: int, **ephemeris: int) -> dict[str, Any]:
    satellite = {
        "satellite": 5,
        **ephemeris,
        "radial_m": 0.1,
        "along_track_m": -0.4,
        "cross_track_m": 0.8,
        "radial_rate_m_s": 0.001,
        "along_track_rate_m_s": 0.004,
        "cross_track_rate_m_s": -0.004,
    }
    return {
        "time_of_week_s": 60,
        "update_interval_s": 5,
        "more_follows": 0,
        "regional_datum": 0,
        "issue": 1,
        "provider": 2,
        "solution": 3,
        "satellites": [satellite] * count,
    }


@pytest.mark.parametrize("count", [0, 1, 20])
@pytest.mark.parametrize("ephemeris", [{"ephemeris_issue": 9}, {"ephemeris_crc": 0xABCDEF}])
def test_both_layouts_of_beidou_orbits_are_written_and_told_apart(count, ephemeris):
    sent = message(1258, orbit_values(count, ephemeris_time_s=8, **ephemeris))
    payload = encode(sent)
    assert decode(payload) == sent
    bits = 68 + count * (6 + 10 + (8 if "ephemeris_issue" in ephemeris else 24) + 121)
    assert len(payload) == (bits + 7) // 8


def test_harmonics_of_a_higher_order_than_degree_are_nonsense():
    layer = {"height_km": 450, "degree": 2, "order": 1, "cosine_tecu": [1.0] * 5, "sine_tecu": [0.5] * 2}
    values = {
        "time_of_week_s": 60,
        "update_interval_s": 5,
        "more_follows": 0,
        "issue": 1,
        "provider": 2,
        "solution": 3,
        "quality_tecu": 0.05,
        "layers": [layer],
    }
    payload = encode(message(1264, values))
    assert describe(payload) == "1264 SSR ionosphere, provider 2, every 5 s, 1 layer"
    damaged = bytearray(payload)  # the order, 4 bits from bit 84 on
    damaged[10] |= 0x0F
    assert isinstance(decode(bytes(damaged)), Opaque)
    layer["order"] = 3
    with pytest.raises(ValueError, match="order 3 of the harmonics is above their degree 2"):
        encode(message(1264, values))
    layer["order"], layer["sine_tecu"] = 1, [0.5]
    with pytest.raises(ValueError, match="1 sine_tecu do not fit: give 2"):
        encode(message(1264, values))


def test_intervals_and_accuracies_are_those_of_the_standard():
    assert UPDATE_INTERVALS_S == INTERVALS_S
    accuracy = next(t for t in TABLES if t.number == 1061).fields[-1].fields[-1]
    assert accuracy.table == tuple(
        None if (x := accuracy_m(code)) is None else pytest.approx(x, rel=1e-12) for code in range(64)
    )
    assert accuracy.table[62] == pytest.approx(5.4665)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"reference_station": 4096}, "reference_station 4096 does not fit: give 0 to 4095"),
        ({"reference_station": "7"}, "must be a finite number"),
        ({"reference_station": float("nan")}, "must be a finite number"),
        ({"antenna_descriptor": "A" * 32}, "give 31 characters"),
        ({"antenna_descriptor": "Ā"}, "ISO 8859-1"),
        ({"antenna_descriptor": None}, "ISO 8859-1"),
        ({"antenna_setup": None}, "must be a finite number"),
        ({"more": 1}, "unknown are \\['more'\\]"),
    ],
)
def test_what_does_not_fit_is_refused(changes, reason):
    values = {"reference_station": 7, "antenna_descriptor": "A", "antenna_setup": 0}
    assert isinstance(decode(encode(message(1007, values))), Message)
    with pytest.raises(ValueError, match=reason):
        encode(message(1007, values | changes))


def test_other_refusals_say_what_to_do():
    with pytest.raises(ValueError, match="missing are \\['antenna_setup'\\]"):
        encode(message(1007, {"reference_station": 7, "antenna_descriptor": ""}))
    with pytest.raises(ValueError, match="no table of 4095"):
        message(4095, {})
    with pytest.raises(ValueError, match=r"no table of 4076\.140"):
        encode(Message(4076, 140, "", {}))
    with pytest.raises(ValueError, match="spread it over several messages"):
        encode(message(1258, orbit_values(60, ephemeris_time_s=8, ephemeris_issue=9)))
    with pytest.raises(ValueError, match="64 satellites do not fit"):
        encode(message(1057, orbit_values(64, ephemeris_issue=9)))
    with pytest.raises(ValueError, match="update_interval_s 7 has no code"):
        encode(message(1057, orbit_values(1, ephemeris_issue=9) | {"update_interval_s": 7}))
    with pytest.raises(ValueError, match="satellites must be a list"):
        encode(message(1057, orbit_values(1, ephemeris_issue=9) | {"satellites": 3}))
    with pytest.raises(ValueError, match="give values by name"):
        encode(message(1057, orbit_values(1, ephemeris_issue=9) | {"satellites": [3]}))
    text = {"reference_station": 7, "modified_julian_day": 0, "time_of_day_s": 0, "text": "A" * 128}
    with pytest.raises(ValueError, match="127 characters"):
        encode(message(1029, text))
    station = {"reference_station": 1, "modified_julian_day": 60_000, "time_of_day_s": 0}
    announced = [{"message": 1005, "synchronous": 0, "interval_s": 0.0}]
    with pytest.raises(ValueError, match="would stand for no value"):
        encode(message(1013, {**station, "leap_seconds_s": 18, "messages": announced}))


@given(st.integers(2, 38), st.data())
def test_numbers_of_all_kinds_are_read_back(width, data):
    for kind, low, high in (
        (Unsigned, 0, 2**width - 1),
        (Signed, -(2 ** (width - 1)), 2 ** (width - 1) - 1),
        (SignMagnitude, 1 - 2 ** (width - 1), 2 ** (width - 1) - 1),
    ):
        value = data.draw(st.integers(low, high))
        number = kind("x", width)
        bits = BitWriter()
        bits.put(number.sent(value), width)
        sent = BitReader(bits.payload()).take(width)
        assert number.value(sent) == value
        if kind is SignMagnitude:
            assert sent == abs(value) + (2 ** (width - 1) if value < 0 else 0)
        for outside in (low - 1, high + 1):
            with pytest.raises(ValueError, match="does not fit"):
                number.sent(outside)


def test_minus_zero_of_a_sign_and_magnitude_is_zero():
    assert SignMagnitude("x", 5).value(0b10000) == 0


@given(st.text(max_size=300))
def test_foreign_text_is_made_printable(text):
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown) <= MAX_PRINTED
    assert shown == shown.strip()


def test_a_line_for_a_person():
    values = {
        "reference_station": 1014,
        "antenna_descriptor": "LEIAR25.R4      LEIT",
        "antenna_setup": 0,
        "antenna_serial": "",
        "receiver_descriptor": "SEPT\x1b[2J POLARX5\u0085",
        "receiver_serial": "1",
        "receiver_firmware": "",
    }
    assert describe(encode(message(1033, values))) == (
        "1033 receiver and antenna, station 1014, antenna LEIAR25.R4 LEIT, receiver SEPT[2J POLARX5, "
        "firmware not told, serial 1"
    )
    text = {
        "reference_station": 3,
        "modified_julian_day": 60_000,
        "time_of_day_s": 0,
        "text": "a\u202eb\n" * 30,
    }
    assert describe(encode(message(1029, text))) == "1029 text, station 3: " + "ab" * 30
