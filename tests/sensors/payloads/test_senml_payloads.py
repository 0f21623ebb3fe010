"""SenML against the examples of RFC 8428, and against packs that the test writes itself."""

import json
import math

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.payloads.senml import ABSOLUTE_S, Record, SenmlMapping, resolved

NOW = 1_320_078_429_000_000
ANY = SenmlMapping(topic="a/+")

# RFC 8428, sections 5.1.1, 5.1.2 and 5.1.3.
SINGLE = '[{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1}]'
CURRENT = """[
  {"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,"bu":"A","bver":5,
   "n":"voltage","u":"V","v":120.1},
  {"n":"current","t":-5,"v":1.2},
  {"n":"current","t":-4,"v":1.3},
  {"n":"current","t":-3,"v":1.4},
  {"n":"current","t":-2,"v":1.5},
  {"n":"current","t":-1,"v":1.6},
  {"n":"current","v":1.7}
]"""
CURRENT_CBOR = """
87 a7 21 78 1b 75 72 6e 3a 64 65 76 3a 6f 77 3a 31 30 65 32 30 37 33 61 30 31 30 38 30 30 36 3a
22 fb 41 d3 03 a1 5b 00 10 62 23 61 41 20 05 00 67 76 6f 6c 74 61 67 65 01 61 56 02 fb 40 5e 06
66 66 66 66 66 a3 00 67 63 75 72 72 65 6e 74 06 24 02 fb 3f f3 33 33 33 33 33 33 a3 00 67 63 75
72 72 65 6e 74 06 23 02 fb 3f f4 cc cc cc cc cc cd a3 00 67 63 75 72 72 65 6e 74 06 22 02 fb 3f
f6 66 66 66 66 66 66 a3 00 67 63 75 72 72 65 6e 74 06 21 02 f9 3e 00 a3 00 67 63 75 72 72 65 6e
74 06 20 02 fb 3f f9 99 99 99 99 99 9a a3 00 67 63 75 72 72 65 6e 74 06 00 02 fb 3f fb 33 33 33
33 33 33"""
MOVING = """[
  {"bn":"urn:dev:ow:10e2073a01080063","bt":1.320067464e+09,"bu":"%RH","v":20},
  {"u":"lon","v":24.30621}, {"u":"lat","v":60.07965},
  {"t":60,"v":20.3}, {"u":"lon","t":60,"v":24.30622}, {"u":"lat","t":60,"v":60.07965},
  {"t":120,"v":20.7}, {"u":"lon","t":120,"v":24.30623}, {"u":"lat","t":120,"v":60.07966},
  {"u":"%EL","t":150,"v":98},
  {"t":180,"v":21.2}, {"u":"lon","t":180,"v":24.30628}, {"u":"lat","t":180,"v":60.07967}
]"""
RESOLVED_MOVING = """[
  {"n":"urn:dev:ow:10e2073a01080063","u":"%RH","t":1.320067464e+09,"v":20},
  {"n":"urn:dev:ow:10e2073a01080063","u":"lon","t":1.320067464e+09,"v":24.30621},
  {"n":"urn:dev:ow:10e2073a01080063","u":"lat","t":1.320067464e+09,"v":60.07965},
  {"n":"urn:dev:ow:10e2073a01080063","u":"%RH","t":1.320067524e+09,"v":20.3},
  {"n":"urn:dev:ow:10e2073a01080063","u":"lon","t":1.320067524e+09,"v":24.30622},
  {"n":"urn:dev:ow:10e2073a01080063","u":"lat","t":1.320067524e+09,"v":60.07965},
  {"n":"urn:dev:ow:10e2073a01080063","u":"%RH","t":1.320067584e+09,"v":20.7},
  {"n":"urn:dev:ow:10e2073a01080063","u":"lon","t":1.320067584e+09,"v":24.30623},
  {"n":"urn:dev:ow:10e2073a01080063","u":"lat","t":1.320067584e+09,"v":60.07966},
  {"n":"urn:dev:ow:10e2073a01080063","u":"%EL","t":1.320067614e+09,"v":98},
  {"n":"urn:dev:ow:10e2073a01080063","u":"%RH","t":1.320067644e+09,"v":21.2},
  {"n":"urn:dev:ow:10e2073a01080063","u":"lon","t":1.320067644e+09,"v":24.30628},
  {"n":"urn:dev:ow:10e2073a01080063","u":"lat","t":1.320067644e+09,"v":60.07967}
]"""


def read(which, message, now=NOW):
    payload = (
        message
        if isinstance(message, bytes)
        else (message.encode() if isinstance(message, str) else json.dumps(message).encode())
    )
    return which.decode("a/b", payload, now)


def rows(decoded):
    assert not decoded.errors
    return list(zip(decoded.datastream_ids, decoded.time_us, decoded.value, strict=True))


def test_a_single_value_is_of_now():
    decoded = read(ANY, SINGLE)
    assert rows(decoded) == [("urn:dev:ow:10e2073a01080063", NOW, 23.1)]
    assert decoded.from_arrival


@pytest.mark.parametrize("message", [CURRENT, bytes.fromhex(CURRENT_CBOR.replace("\n", " "))])
def test_the_same_pack_in_json_and_cbor(message):
    base = 1_276_020_076_001_000
    decoded = read(ANY, message)
    current = [
        ("urn:dev:ow:10e2073a0108006:current", base + t * 1_000_000, 1.7 + t / 10) for t in range(-5, 1)
    ]
    expected = [*current, ("urn:dev:ow:10e2073a0108006:voltage", base, 120.1)]
    assert sorted(rows(decoded)) == [(name, time, pytest.approx(value)) for name, time, value in expected]
    assert not decoded.from_arrival


def test_resolved_records_are_those_of_the_standard():
    mine = [one._replace(base_name="") for one in resolved(json.loads(MOVING))]
    assert mine == [*resolved(json.loads(RESOLVED_MOVING))]
    assert mine[1] == Record("urn:dev:ow:10e2073a01080063", "", "lon", 24.30621, None, 1_320_067_464.0)


def test_a_moving_device_is_told_apart_by_units():
    which = SenmlMapping(
        topic="a/+",
        datastream="{1}.{unit}",
        names={"nowhere": ""},
        units={"b.%RH": "%RH", "b.lon": "deg", "b.lat": "lat"},
    )
    decoded = read(which, json.dumps([*json.loads(MOVING), {"bn": "nowhere", "bt": 0, "v": 1}]))
    found = set(zip(decoded.datastream_ids, decoded.time_us, decoded.value, strict=True))
    assert ("b.%RH", 1_320_067_524_000_000, 20.3) in found
    assert ("b.lat", 1_320_067_644_000_000, 60.07967) in found
    assert decoded.bad_samples == 4
    assert "is in lon, which cannot become deg" in decoded.errors[0]


def test_units_are_made_those_of_the_datastream():
    which = ANY.expecting({"x": "m", "T": "Cel"})
    pack = [{"bt": NOW // 10**6, "n": "x", "u": "mm", "v": 1500}, {"n": "T", "u": "K", "v": 293.15}]
    decoded = read(which, pack)
    assert rows(decoded)[0][2] == pytest.approx(1.5)
    assert rows(decoded)[1][2] == pytest.approx(20.0)
    assert decoded.notes == {"converted": 2}


def test_other_values():
    pack = [
        {"bn": "d/", "bt": NOW // 10**6 - 9},
        {"n": "open", "vb": True},
        {"n": "shut", "vb": False},
        {"n": "gone", "vs": "NaN"},
        {"n": "energy", "v": 3, "s": 40},
        {"n": "only", "s": 41},
    ]
    decoded = read(SenmlMapping(topic="a/+", sums="{name}.sum"), pack)
    found = {name: value for name, _, value in rows(decoded)}
    assert math.isnan(found.pop("d.gone"))
    assert found == {"d.open": 1, "d.shut": 0, "d.energy": 3, "d.energy.sum": 40, "d.only.sum": 41}
    without = read(ANY, pack)
    assert without.bad_samples == 1
    assert "has a sum only" in without.errors[0]


@pytest.mark.parametrize(
    ("pack", "words"),
    [
        ({"n": "x", "v": 1}, "should be a list of records"),
        ([1], "should be a list of records"),
        ([{"bver": 11, "n": "x", "v": 1}], "version 11, at most 10"),
        ([{"n": "x", "v": 1, "must_": 2}], "must_, which must be understood"),
        ([{"n": "x"}], "x has no value"),
        ([{"n": "x", "vs": "warm"}], "text, which is no measurement"),
        ([{"n": "x", "vd": "AQ"}], "data, which are no measurement"),
        ([{"n": "x", "vb": 1}], "vb should be true or false"),
        ([{"n": "x", "v": "1"}], "v should be a number"),
        ([{"n": "x", "v": 10**400}], "v is too large"),
        ([{"n": 7, "v": 1}], "n should be text"),
        ([{"n": "x", "t": True, "v": 1}], "t should be a number"),
        ([{"v": 1}], "cannot be a datastream"),
        ([{"n": "x", "v": 1, "t": 1e300}], "too far from now"),
        (b"[", "not JSON"),
        (b"\x81", "not CBOR"),
        (b"\x81" * 1000, "not CBOR"),
        (b"\xff", "not CBOR"),
    ],
)
def test_what_cannot_be_used_is_told(pack, words):
    decoded = read(ANY, pack)
    assert len(decoded) == 0
    assert decoded.bad_samples == 1
    assert words in decoded.errors[0]


def test_a_time_that_cannot_be():
    ahead = NOW // 10**6 + 90_000
    alone = read(ANY, [{"n": "x", "t": ahead, "v": 1}])
    assert rows(alone) == [("x", NOW, 1.0)]
    assert alone.notes == {"received_time": 1}
    several = read(ANY, [{"n": n, "t": ahead - t, "v": 1} for n, t in (("x", 0), ("x", 90_000), ("y", 0))])
    assert [*several.datastream_ids] == ["x", "y"]
    assert several.bad_samples == 1
    assert several.notes == {"received_time": 1}


numbers = st.floats(-1e9, 1e9) | st.integers(-(2**40), 2**40)
measured = st.tuples(
    st.sampled_from(["level", "T", "x-1", "a.b"]),
    st.integers(1_200_000_000, 1_320_000_000),
    numbers,
)


def packed(samples, base_name, base_time, base_value, use_base):
    """Write samples as a pack, with base fields or without."""
    records = []
    for number, (name, time, value) in enumerate(samples):
        record = {"n": name, "t": time, "v": value}
        if use_base:
            record = {"n": name, "t": time - base_time, "v": value - base_value}
            if number == 0:
                record |= {"bn": base_name, "bt": base_time, "bv": base_value}
        else:
            record["n"] = base_name + name
        records.append(record)
    return records


LABELS = {"bn": -2, "bt": -3, "bv": -5, "n": 0, "v": 2, "t": 6}


@given(
    st.lists(measured, min_size=1, max_size=8, unique_by=lambda x: x[:2]),
    st.integers(ABSOLUTE_S, 1_320_000_000),
    st.integers(-1000, 1000),
    st.booleans(),
    st.sampled_from(["json", "cbor", "indefinite"]),
)
def test_packs_come_out_as_they_were_written(samples, base_time, base_value, use_base, encoding):
    records = packed(samples, "dev:", base_time, base_value, use_base)
    payload = json.dumps(records).encode()
    if encoding != "json":
        numbered = [{LABELS[k]: v for k, v in record.items()} for record in records]
        payload = cbor2.dumps(numbered)
        if encoding == "indefinite":
            payload = b"\x9f" + b"".join(map(cbor2.dumps, numbered)) + b"\xff"
    found = rows(read(ANY, payload))
    assert len(found) == len(samples)
    expected = {("dev:" + name, time * 10**6): value for name, time, value in samples}
    for name, time_us, value in found:
        assert value == pytest.approx(expected[name, time_us], abs=1e-6, rel=1e-12)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["bn", "bt", "n", "v", "t", "u", "vs", "s", "x"]) | st.integers(-7, 9), inner
        )
    ),
    max_leaves=12,
)


@given(st.binary(max_size=60) | anything.map(cbor2.dumps) | st.lists(anything, max_size=3).map(cbor2.dumps))
@settings(max_examples=400, deadline=None)
def test_nothing_that_is_sent_raises(payload):
    for encoding in ("auto", "cbor", "json"):
        decoded = read(SenmlMapping(topic="a/+", sums="s.{name}", encoding=encoding), payload)
        assert not any(math.isinf(value) for value in decoded.value)
        assert all(error.isascii() and error.isprintable() for error in decoded.errors)


@pytest.mark.parametrize("pack", [json.loads(MOVING), json.loads(RESOLVED_MOVING)])
def test_a_pack_of_a_device_that_moves_gives_each_sample_its_place(pack):
    """The example of section 5.1.3; its battery was measured where nothing tells."""
    which = SenmlMapping(topic="a/+", datastream="device.{unit}", positions=True)
    decoded = which.decode("a/b", json.dumps(pack).encode(), NOW)
    assert not decoded.errors
    named = list(zip(decoded.datastream_ids, decoded.value, strict=True))
    assert named == [
        ("device.%RH", 20), ("device.%RH", 20.3), ("device.%RH", 20.7), ("device.%EL", 98),
        ("device.%RH", 21.2),
    ]  # fmt: skip
    assert {row: place[:2] for row, place in decoded.places.items()} == {
        0: (24.30621, 60.07965), 1: (24.30622, 60.07965), 2: (24.30623, 60.07966), 4: (24.30628, 60.07967),
    }  # fmt: skip


def test_height_and_other_devices_of_a_pack():
    pack = [
        {"bn": "a/", "bt": 1.32e9, "n": "t", "v": 1},
        {"n": "p", "u": "lon", "v": 10}, {"n": "p", "u": "lat", "v": 20},
        {"n": "altitude", "u": "m", "v": -3}, {"n": "tide", "u": "m", "v": 4},
        {"bn": "b/", "n": "t", "v": 2}, {"n": "p", "u": "lon", "v": 30},
    ]  # fmt: skip
    which = SenmlMapping(topic="a/+", positions=True)
    decoded = which.decode("a/b", json.dumps(pack).encode(), NOW)
    assert list(decoded.datastream_ids) == ["a.t", "a.tide", "b.t"]
    assert repr(sorted(decoded.places.items())) == (
        "[(0, Place(longitude=10.0, latitude=20.0, height_m=-3.0)), "
        "(1, Place(longitude=10.0, latitude=20.0, height_m=-3.0)), "
        "(2, Place(longitude=30.0, latitude=nan, height_m=nan))]"
    )
    assert len(SenmlMapping(topic="a/+").decode("a/b", json.dumps(pack).encode(), NOW).places) == 0
