import json
import math
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.payloads import MAX_ERRORS, MAX_ROWS, Mapping, configured, first_match, matches
from sensors.payloads.json import JsonMapping
from sensors.payloads.mapping import MAX_BYTES

NOW = 1_700_000_000_000_000
T = datetime(2023, 11, 14, 22, 0, tzinfo=UTC)
T_US = 1_699_999_200_000_000
LEVEL = JsonMapping(topic="tide/+/level", datastream="{1}.water_level", value="height", time="time")
TOPIC = "tide/xiamen/level"
AT = 1_699_999_200
AT_MS = AT * 1000


def mapping(**changes):
    return msgspec.structs.replace(LEVEL, **changes)


def read(which, message, topic=TOPIC):
    payload = message if isinstance(message, bytes) else json.dumps(message).encode()
    return which.decode(topic, payload, NOW)


def rows(decoded):
    assert not decoded.errors
    return list(zip(decoded.datastream_ids, decoded.time_us, decoded.value, strict=True))


def test_a_flat_message():
    decoded = read(LEVEL, {"time": "2023-11-14T22:00:00Z", "height": 1.25})
    assert rows(decoded) == [("xiamen.water_level", T_US, 1.25)]


@pytest.mark.parametrize(
    ("time_format", "time"),
    [
        ("iso8601", "2023-11-14T22:00:00Z"),
        ("iso8601", "2023-11-15T06:00:00+08:00"),
        ("iso8601", "2023-11-14 22:00:00.000+00:00"),
        ("epoch_s", 1_699_999_200),
        ("epoch_s", 1_699_999_200.0),
        ("epoch_s", "1699999200"),
        ("epoch_ms", 1_699_999_200_000),
        ("epoch_us", T_US),
        ("epoch_us", str(T_US)),
    ],
)
def test_times(time_format, time):
    which = mapping(time_format=time_format)
    assert rows(read(which, {"time": time, "height": 0})) == [("xiamen.water_level", T_US, 0.0)]


@pytest.mark.parametrize(
    ("zone", "local"), [("UTC", "22:00:00"), ("+08:00", "06:00:00"), ("-0330", "18:30:00")]
)
def test_a_local_time_needs_a_zone(zone, local):
    day = "2023-11-15" if zone == "+08:00" else "2023-11-14"
    message = {"time": f"{day}T{local}", "height": 1}
    assert rows(read(mapping(zone=zone), message))[0][1] == T_US
    (error,) = read(LEVEL, message).errors
    assert "tells no zone" in error
    assert TOPIC in error


@pytest.mark.parametrize("raw", [None, "NaN", "nan", "", " null ", -9999, "-9999", "-9999.0", 7999, "--"])
def test_what_means_no_value(raw):
    which = mapping(missing=[-9999, 7999.0, "--"], scale=0.1, offset=5)
    ((_, _, value),) = rows(read(which, {"time": T.isoformat(), "height": raw}))
    assert math.isnan(value)


def test_nan_without_quotes_is_taken_although_json_does_not_know_it():
    ((_, _, value),) = rows(read(LEVEL, b'{"time": "2023-11-14T22:00:00Z", "height": NaN}'))
    assert math.isnan(value)


def test_scale_and_offset():
    which = mapping(scale=0.001, offset=-2.0)
    assert rows(read(which, {"time": T.isoformat(), "height": "1500"}))[0][2] == pytest.approx(-0.5)


def test_a_list_of_samples_with_names_from_sample_and_message():
    which = JsonMapping(
        topic="gw/#",
        datastream="{device.id}.{kind}",
        samples="data.list",
        value="v",
        time="t",
        time_format="epoch_ms",
    )
    message = {
        "device": {"id": 7},
        "data": {"list": [{"kind": "a", "v": 1, "t": AT_MS}, {"kind": "b", "v": 2, "t": AT_MS + 1}]},
    }
    assert rows(read(which, message, "gw/1/up")) == [
        ("7.a", AT_MS * 1000, 1.0),
        ("7.b", AT_MS * 1000 + 1000, 2.0),
    ]


def test_several_values_in_one_sample_and_a_time_for_all_samples():
    which = JsonMapping(
        topic="slope/+", values={"x.0": "{1}.tilt", "r": "{1}.rain"}, time="at", time_format="epoch_s"
    )
    message = {"x": [0.5, 9], "r": 2, "at": AT}
    assert rows(read(which, message, "slope/s1")) == [
        ("s1.tilt", AT * 10**6, 0.5),
        ("s1.rain", AT * 10**6, 2.0),
    ]
    which = JsonMapping(topic="s", datastream="d", samples="v", time="at", time_format="epoch_s")
    assert rows(read(which, {"v": [1, 2.5], "at": AT}, "s")) == [
        ("d", AT * 10**6, 1.0),
        ("d", AT * 10**6, 2.5),
    ]


def test_without_a_time_in_the_message_the_receiving_time_counts():
    assert rows(read(mapping(time=""), {"height": 1}))[0][1] == NOW


@pytest.mark.parametrize(
    ("changes", "message", "words"),
    [
        ({}, b"\xff\xfe", "not JSON"),
        ({}, b"{", "not JSON"),
        ({}, b"[" * 100_000, "not JSON"),
        ({}, b" " * (MAX_BYTES + 1), "at most 1000000"),
        ({}, {"height": 1}, "field time"),
        ({}, {"time": T.isoformat()}, "field height is not there"),
        ({}, {"time": T.isoformat(), "height": "high"}, "field height should be a number"),
        ({}, {"time": T.isoformat(), "height": True}, "field height should be a number"),
        ({}, {"time": T.isoformat(), "height": [1]}, "field height should be a number"),
        ({}, {"time": 1700000000, "height": 1}, "time_format"),
        ({}, {"time": "yesterday", "height": 1}, "not an ISO 8601 time"),
        ({"time_format": "epoch_s"}, {"time": 10**400, "height": 1}, "field time"),
        ({"time_format": "epoch_s"}, {"time": 2**61, "height": 1}, "too far from now"),
        ({"time_format": "%Y%m%d"}, {"time": "2023-11-16", "height": 1}, "is not a time as %Y%m%d"),
        ({"time_format": "%Y%m%d"}, {"time": 1.5, "height": 1}, "should be text as %Y%m%d"),
        ({"step_s": 0.1}, {"time": T.isoformat(), "height": 1}, "should be a list of numbers"),
        ({"unit": "u"}, {"time": T.isoformat(), "height": 1, "u": 7}, "the unit should be text"),
        (
            {"unit": "u", "units": {"xiamen.water_level": "m"}},
            {"time": T.isoformat(), "height": 1, "u": "Cel"},
            "field height is in Cel, which cannot become m",
        ),
        (
            {"unit": "u", "units": {"xiamen.water_level": "m"}},
            {"time": T.isoformat(), "height": 1, "u": "vershok"},
            "field height is in vershok, which cannot become m",
        ),
        ({"gateway_time": "g"}, {"time": None, "height": 1}, "field time is not there"),
        ({"gateway_time": "g"}, {"time": None, "height": 1, "g": "2031-01-01T00:00:00Z"}, "is not there"),
        ({"time_format": "epoch_s"}, {"time": "soon", "height": 1}, "field time"),
        ({"datastream": "{9}.x"}, {"time": T.isoformat(), "height": 1}, "level 9"),
        ({"datastream": "{id}"}, {"time": T.isoformat(), "height": 1}, "field id"),
        ({"datastream": "{id}"}, {"time": T.isoformat(), "height": 1, "id": "a b"}, "cannot be a datastream"),
        ({"datastream": "{id}"}, {"time": T.isoformat(), "height": 1, "id": "x" * 201}, "cannot be"),
        ({"samples": "list"}, {"list": 3}, "list of samples"),
        ({"samples": ""}, [0] * (MAX_ROWS + 1), "20001 values in one message, at most 20000 are read"),
        ({"samples": "", "max_rows": 2}, [0] * 3, "3 values in one message, at most 2 are read; send fewer"),
        (
            {"samples": "", "datastream": "", "value": "", "values": {"a": "x", "b": "y"}, "max_rows": 3},
            [{"a": 1, "b": 2}] * 2,
            "4 values in one message, at most 3",
        ),
    ],
)
def test_what_cannot_be_used_is_told_with_topic_and_field(changes, message, words):
    decoded = read(mapping(**changes), message)
    assert len(decoded) == 0
    (error,) = decoded.errors
    assert words in error
    assert error.startswith(f"topic {TOPIC}: ")
    assert decoded.bad_samples == 1


def test_good_samples_of_a_message_survive_bad_ones_and_errors_are_bounded():
    which = mapping(samples="", time="t", time_format="epoch_s", value="v")
    message = [{"t": AT + i, "v": i if i % 2 else "x"} for i in range(200)]
    decoded = read(which, message)
    assert decoded.value.tolist() == list(range(1, 200, 2))
    assert decoded.bad_samples == 100
    assert len(decoded.errors) == MAX_ERRORS + 1
    assert "sample 0:" in decoded.errors[0]
    assert f"{100 - MAX_ERRORS} more" in decoded.errors[-1]


@pytest.mark.parametrize(
    ("pattern", "topic", "does"),
    [
        ("tide/+/level", "tide/a/level", True),
        ("tide/+/level", "tide/a/b/level", False),
        ("tide/+/level", "tide/a", False),
        ("tide/#", "tide/a/b", True),
        ("tide/#", "tide", True),
        ("tide/#", "tides/a", False),
        ("#", "anything/at/all", True),
        ("+", "a", True),
        ("+", "a/b", False),
    ],
)
def test_topic_patterns(pattern, topic, does):
    which = JsonMapping(topic=pattern, datastream="x")
    assert matches(pattern, topic) is does
    assert (first_match([LEVEL, which], topic) is not None) is (does or matches(LEVEL.topic, topic))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"topic": "a"}, "datastream"),
        ({"topic": "a", "datastream": "x", "values": {"v": "y"}}, "datastream"),
        ({"topic": "a/#/b", "datastream": "x"}, "topic"),
        ({"topic": "a+", "datastream": "x"}, "topic"),
        ({"topic": "", "datastream": "x"}, "topic"),
        ({"topic": "a", "datastream": "x", "zone": "Beijing"}, "zone"),
        ({"topic": "a", "datastream": "x", "scale": 0.0}, "scale"),
        ({"topic": "a", "datastream": "x", "time_format": "julian"}, "time_format 'julian' is not known"),
        ({"topic": "a", "datastream": "x", "step_s": -1.0}, "step_s"),
    ],
)
def test_a_mapping_that_cannot_work_is_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        JsonMapping(**fields)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["2023-11-14T22:00:00", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59Z", 10**400]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["time", "v", "id", "0"]), inner)
    ),
    max_leaves=12,
)
mappings = st.builds(
    JsonMapping,
    topic=st.just("a/+"),
    datastream=st.sampled_from(["x", "{0}.{1}", "{id}", "{7}", "{v.0.id}"]),
    value=st.sampled_from(["", "v", "v.0", "v.id.v"]),
    samples=st.sampled_from([None, "", "v"]),
    time=st.sampled_from(["", "time", "v.time"]),
    time_format=st.sampled_from(["iso8601", "epoch_s", "epoch_ms", "epoch_us", "%Y%m%d"]),
    gateway_time=st.sampled_from(["", "v", "time"]),
    unit=st.sampled_from(["", "v"]),
    units=st.just({"x": "m"}),
    step_s=st.sampled_from([0.0, 0.0, 0.01]),
    zone=st.sampled_from(["", "+14:00", "-23:59"]),
    missing=st.lists(st.floats(allow_nan=False) | st.text(max_size=3), max_size=2),
    scale=st.sampled_from([1.0, -1e300]),
)


ALIKE = JsonMapping(
    topic="#", samples="s", datastream="{id}", value="v", time="t", time_format="epoch_ms", clock_ahead_s=5.0
)
_often = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["a", "b", "c"]) | st.sampled_from(["", "x y", "\ud800", 7, None]),
        "t": st.integers(-2, 2).map(lambda s: NOW // 1000 + 3000 * s) | st.sampled_from([0, "1", 1.5, True]),
        "v": st.floats(allow_nan=False)
        | st.integers(-(10**400), 10**400)
        | st.sampled_from([None, "1.5", "NaN", True, -0.0, 1e308]),
    }
)
_seldom = st.dictionaries(st.sampled_from(["id", "t", "v", "w"]), st.none() | st.integers(), max_size=4)


@given(
    st.lists(_often, max_size=4) | st.lists(_often | _seldom | st.none() | st.text(), max_size=6),
    st.sampled_from([{}, {"scale": 10.0, "offset": -1.0}, {"max_rows": 3}, {"time_format": "epoch_us"}]),
    st.sampled_from([{}, {"id": "m", "t": NOW // 1000, "v": 1.0}]),
)
@settings(max_examples=500, deadline=None)
def test_samples_that_are_all_as_most_are_come_out_as_one_by_one(samples, changes, message):
    which = msgspec.structs.replace(ALIKE, **changes)
    one_by_one = msgspec.structs.replace(which)
    one_by_one.__dict__["_plan"] = one_by_one._plan._replace(alike=None)
    assert which._plan.alike is not None
    payload = json.dumps({"s": samples, **message}).encode()
    ours, other = read(which, payload), read(one_by_one, payload)
    assert (ours.datastream_ids, ours.time_us, ours.value.tobytes()) == (
        other.datastream_ids,
        other.time_us,
        other.value.tobytes(),
    )
    assert (ours.errors, ours.notes, ours.last_note) == (other.errors, other.notes, other.last_note)


@pytest.mark.parametrize(
    "changes",
    [
        {"unit": "u"}, {"missing": [-9999]}, {"step_s": 1.0}, {"longitude": "lon", "latitude": "lat"},
        {"time": ""}, {"time_format": "iso8601"}, {"value": "v.0"}, {"value": "0"}, {"value": ""},
        {"datastream": "{1}"}, {"datastream": "x{id}"}, {"datastream": "{id}{w}"}, {"datastream": "{a.b}"},
        {"time": "a.t"}, {"datastream": "", "value": "", "values": {"v": "{id}"}},
    ],
)  # fmt: skip
def test_samples_are_taken_one_by_one_where_there_is_more_to_them(changes):
    assert msgspec.structs.replace(ALIKE, **changes)._plan.alike is None


@given(mappings, st.text(max_size=20), json_values | st.binary(max_size=60))
@settings(max_examples=400, deadline=None)
def test_nothing_that_is_sent_raises_and_what_comes_out_is_sound(which, topic, message):
    decoded = read(which, message, topic)
    assert len(decoded) + decoded.bad_samples > 0 or which.samples is not None or which.step_s
    assert len(decoded) == len(decoded.datastream_ids) == len(decoded.time_us) == len(decoded.value)
    assert not np.isinf(decoded.value).any()
    assert all(error.isascii() and error.isprintable() for error in decoded.errors)


@pytest.mark.parametrize(
    ("time", "changes", "expected_us", "notes"),
    [
        ("2023-11-16T22:13:21Z", {}, NOW, {"received_time": 1}),
        ("1999-12-31T23:59:59Z", {}, NOW, {"received_time": 1}),
        ("1970-01-01T00:00:05Z", {"gateway_time": "gw"}, T_US + 1_000_000, {"gateway_time": 1}),
        ("", {"gateway_time": "gw"}, T_US + 1_000_000, {"gateway_time": 1}),
        (None, {"gateway_time": "gw"}, T_US + 1_000_000, {"gateway_time": 1}),
        ("0000-00-00", {"gateway_time": "gw"}, T_US + 1_000_000, {"gateway_time": 1}),
        ("2023-11-14T22:00:00Z", {"gateway_time": "height"}, T_US, {}),
        ("2023-11-16T22:13:21Z", {"gateway_time": "height"}, NOW, {"received_time": 1}),
        ("2023-11-14T22:00:00Z", {"gateway_time": "gw"}, T_US, {}),
        ("2023-11-14T22:30:00Z", {"clock_ahead_s": 600.0}, NOW, {"received_time": 1}),
        ("2023-11-14T22:20:00Z", {"clock_ahead_s": 600.0}, T_US + 20 * 60 * 1_000_000, {}),
    ],
)
def test_of_several_clocks_the_best_that_can_be_is_believed(time, changes, expected_us, notes):
    decoded = read(mapping(**changes), {"time": time, "height": 1, "gw": "2023-11-14T22:00:01Z"})
    assert rows(decoded) == [("xiamen.water_level", expected_us, 1.0)]
    assert decoded.notes == notes
    assert decoded.from_arrival is (expected_us == NOW)
    assert bool(decoded.last_note) is bool(notes)
    if notes:
        assert decoded.last_note.startswith(f"topic {TOPIC}: field time ")
        assert "counts" in decoded.last_note


def test_of_several_samples_those_with_a_time_that_cannot_be_are_refused():
    which = mapping(samples="", datastream="{id}")
    times = ["2023-11-16T22:13:21Z", "1999-12-31T23:59:59Z", T.isoformat(), "2023-11-16T22:13:21Z"]
    decoded = read(which, [{"time": t, "id": i, "height": 1} for t, i in zip(times, "aaab", strict=True)])
    found = list(zip(decoded.datastream_ids, decoded.time_us, strict=True))
    assert found == [("a", T_US), ("b", NOW)]
    assert decoded.bad_samples == 2
    assert "field time lies more than a day ahead; check the device's clock" in decoded.errors[0]
    assert "lies before 2000" in decoded.errors[1]
    assert "one of several samples, so nothing tells how old it is" in decoded.errors[1]
    assert decoded.notes == {"received_time": 1}
    wave = read(mapping(step_s=0.1), {"time": "2099-01-01T00:00:00Z", "height": [1, 2]})
    assert len(wave) == 0
    assert wave.bad_samples == 2


def test_a_waveform_becomes_samples_that_are_step_s_apart():
    decoded = read(mapping(step_s=0.01, max_rows=4), {"time": T.isoformat(), "height": [1, None, 3.5, "NaN"]})
    assert decoded.time_us.tolist() == [T_US + i * 10_000 for i in range(4)]
    assert decoded.value.tolist() == pytest.approx([1, math.nan, 3.5, math.nan], nan_ok=True)
    too_long = read(mapping(step_s=0.01, max_rows=4), {"time": T.isoformat(), "height": [0] * 5})
    assert len(too_long) == 0
    assert "more than 4 values" in too_long.errors[0]


@pytest.mark.parametrize(
    ("unit", "value", "expected"),
    [("mm", 1500, 1.5), ("m", 2, 2.0), ("cm", "NaN", math.nan), (None, 3, 3.0)],
)
def test_a_unit_in_the_message_is_made_that_of_the_datastream(unit, value, expected):
    which = mapping(unit="u").expecting({"xiamen.water_level": "m"})
    decoded = read(which, {"time": T.isoformat(), "height": value, "u": unit})
    assert rows(decoded)[0][2] == pytest.approx(expected, nan_ok=True)
    assert decoded.notes["converted"] == (unit in {"mm", "cm"})


def test_what_a_message_has_twice_or_newest_first_is_put_in_order():
    which = mapping(samples="", time="t", time_format="epoch_s")
    newest_first = [
        {"t": AT + t, "height": v} for t, v in [(9, 9), (7, 7), (7, 7), (8, None), (8, "NaN"), (7, 6)]
    ]
    decoded = read(which, newest_first)
    assert [t - AT * 10**6 for t in decoded.time_us] == [7_000_000, 7_000_000, 8_000_000, 9_000_000]
    assert decoded.value.tolist() == pytest.approx([7, 6, math.nan, 9], nan_ok=True)
    assert decoded.notes == {"repeated": 2, "reordered": 3}
    in_order = read(which, [{"t": AT + t, "height": t} for t in range(3)])
    assert not in_order.notes


def test_a_time_as_digits():
    which = mapping(time_format="%Y%m%d%H%M%S", zone="+08:00")
    for raw in ("20231115060000", 20231115060000):
        assert rows(read(which, {"time": raw, "height": 1}))[0][1] == T_US


def test_a_configuration_names_the_format():
    entry = {"topic": "a", "datastream": "x"}
    assert configured(Mapping, {**entry, "format": "json"}) == configured(Mapping, entry)
    assert configured(Mapping, entry) == JsonMapping(**entry)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (
            {"topic": "a", "datastream": "x", "format": "morse"},
            "there is no format 'morse', only csv, hj212, json, senml, sensorthings, sl651, sparkplug",
        ),
        ({"topic": 3, "datastream": "x"}, "topic: Expected `str`"),
        ({"topic": "a", "datastream": "x", "qos": 1}, "unknown field `qos`"),
        (7, "a table of keys and values"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(entry, words):
    with pytest.raises(ValueError, match=words):
        configured(Mapping, entry)


def test_half_a_surrogate_pair_is_no_name():
    which = mapping(datastream="{id}.level")
    message = json.dumps({"time": T_US, "height": 1, "id": "x\ud800"}).encode()
    decoded = read(msgspec.structs.replace(which, time_format="epoch_us"), message)
    assert len(decoded) == 0
    assert decoded.bad_samples == 1
    assert "cannot be a datastream" in decoded.errors[0]
    decoded.errors[0].encode()
    whole = json.dumps({"time": T_US, "height": 1, "id": "\U0001f30a"}).encode()
    assert read(mapping(datastream="{id}.level", time_format="epoch_us"), whole).datastream_ids == [
        "\U0001f30a.level"
    ]


# --- positions and waveforms --------------------------------------------------------------------------

MOVING = {"longitude": "pos.0", "latitude": "pos.1", "height": "pos.2"}


def test_a_platform_that_moves_tells_its_place_with_each_sample():
    which = mapping(samples="data", values={"T": "b.temp", "S": "b.salt"}, datastream="", value="", **MOVING)
    at = [(T + timedelta(seconds=k)).isoformat() for k in range(4)]
    decoded = read(
        which,
        {
            "pos": [1.0, 2.0],
            "data": [
                {"time": at[0], "T": 1, "S": 2, "pos": [121.5, 30.25, -12.5]},
                {"time": at[1], "T": 3, "S": 4},
                {"time": at[2], "T": 5, "S": 6, "pos": ["NaN", None]},
                {"time": at[3], "T": 7, "S": 8, "pos": [121.5, "north"]},
            ],
        },
    )
    assert decoded.value.tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    places = {row: tuple(map(repr, place)) for row, place in decoded.places.items()}
    own, shared = ("121.5", "30.25", "-12.5"), ("1.0", "2.0", "nan")
    assert places == {0: own, 1: own, 2: shared, 3: shared}
    assert decoded.notes == {"unplaced": 1}
    assert "should be a number, not north" in decoded.last_note
    assert not decoded.errors


def test_places_stay_with_samples_that_are_put_in_order():
    which = mapping(samples="data", value="v", **MOVING)
    rows_ = [{"time": (T + timedelta(seconds=k)).isoformat(), "v": k, "pos": [k, -k]} for k in (3, 1, 2, 1)]
    decoded = read(which, {"data": [*rows_, {"time": T.isoformat(), "v": 0}]})
    assert decoded.value.tolist() == [0, 1, 2, 3]
    assert {row: place[:2] for row, place in decoded.places.items()} == {k: (k, -k) for k in (1, 2, 3)}


def test_a_waveform_is_one_sample():
    which = mapping(value="trace", waveform=True, rate="fs", step_s=0.5, scale=0.5, missing=[-1], **MOVING)
    decoded = read(
        which, {"time": T.isoformat(), "fs": 100, "trace": [2, -6, -1, None, 4], "pos": [10, 20, 30]}
    )
    assert list(decoded.value) == [-3.0]
    assert decoded.waves[0].step_us == 1e4
    assert repr(decoded.waves[0].values) == "[1.0, -3.0, nan, nan, 2.0]"
    assert decoded.places[0] == (10, 20, 30)
    assert read(which, {"time": T.isoformat(), "trace": [1]}).waves[0].step_us == 5e5
    empty = read(which, {"time": T.isoformat(), "trace": [None]})
    assert math.isnan(empty.value[0])


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"trace": 5, "fs": 1}, "should be a list"),
        ({"trace": [], "fs": 1}, "1 to 50000 values"),
        ({"trace": [1], "fs": 0}, "values a second"),
        ({"trace": [1], "fs": 1e-9}, "an hour apart"),
        ({"trace": [1]}, "fs is not there"),
        ({"trace": ["x"], "fs": 1}, "should be a number"),
        ({"trace": [0] * 30_000, "fs": 1}, "raise max_rows"),
    ],
)
def test_waveforms_that_cannot_be_used(message, words):
    decoded = read(mapping(value="trace", waveform=True, rate="fs"), {"time": T.isoformat(), **message})
    assert (len(decoded), decoded.bad_samples) == (0, 1)
    assert words in decoded.errors[0]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"waveform": True}, "step_s"),
        ({"rate": "fs"}, "waveform = true"),
        ({"longitude": "x"}, "name both"),
        ({"height": "z"}, "name both"),
    ],
)
def test_mappings_of_places_and_waveforms_that_cannot_work(more, words):
    with pytest.raises(ValueError, match=words):
        mapping(**more)
