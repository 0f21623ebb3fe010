"""Observations that are published: what is read of them, held against what the HTTP service reads."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.problems import ProblemError
from dashboards.sta import bodies
from sensors.payloads.sensorthings import SensorThingsMapping

NOW_US = 1_790_000_000_000_000
MAPPING = SensorThingsMapping(topic="v1.1/+/Observations")
HERE = "v1.1/Datastreams('pier.level')/Observations"
TIME = "2026-03-01T00:00:00Z"
TIMES = [TIME, "2026-03-01T08:00:00+08:00", "2026-03-01T00:00:00", "x", "", None, "2199-01-01T00:00:00Z"]
POINT = {"type": "Point", "coordinates": [118.3, 24.6]}


def read(body, topic=HERE):
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    return MAPPING.decode(topic, payload, NOW_US)


@pytest.mark.parametrize(
    ("topic", "name"),
    [
        (HERE, "pier.level"),
        ("v1.1/Datastreams(7)/Observations", "7"),
        ("Datastreams('a''b')/Observations", "a'b"),
        ("create/v1.1/Datastreams('gauge/level')/Observations", "gauge/level"),
    ],
)
def test_the_datastream_stands_in_the_topic(topic, name):
    rows = read({"result": 1.5, "phenomenonTime": TIME}, topic)
    assert (rows.datastream_ids, list(rows.time_us), list(rows.value)) == (
        [name],
        [1_772_323_200_000_000],
        [1.5],
    )


def test_or_in_the_message():
    body = {"result": None, "phenomenonTime": TIME, "Datastream": {"@iot.id": "pier.level"}}
    rows = read(body, "v1.1/Observations")
    assert rows.datastream_ids == ["pier.level"]
    assert math.isnan(rows.value[0])
    assert read({"result": 1}, "v1.1/Observations").bad_samples == 1


def test_without_a_time_it_is_of_its_arrival():
    rows = read({"result": 1})
    assert (list(rows.time_us), rows.from_arrival) == ([NOW_US], True)


def test_what_the_service_tells_is_passed_over():
    rows = read({"@iot.id": "pier.level~1", "@iot.selfLink": "http://x", "result": 1})
    assert (len(rows), rows.bad_samples, dict(rows.notes)) == (0, 0, {"silent": 1})


@pytest.mark.parametrize("feature", [POINT, {"type": "Feature", "geometry": POINT}])
def test_a_feature_is_the_samples_place(feature):
    rows = read({"result": 1, "FeatureOfInterest": {"feature": feature}})
    assert (rows.places[0].longitude, rows.places[0].latitude) == (118.3, 24.6)
    assert math.isnan(rows.places[0].height_m)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"result": "high"}, "a number"),
        ({"result": True}, "a number"),
        ({}, "a number"),
        ({"result": 1, "colour": "red"}, "colour"),
        ({"result": 1, "parameters": {"x": 1}}, "parameters"),
        ({"result": 1, "phenomenonTime": "yesterday"}, "phenomenonTime"),
        ({"result": 1, "phenomenonTime": "2199-01-01T00:00:00Z"}, "correct the clock"),
        (b"[1]", "no observation"),
        (b"\xff", "no observation"),
        (b"[" * 5000, "no observation"),
    ],
)
def test_what_cannot_be_used_is_counted_and_said(body, says):
    rows = read(body)
    assert (len(rows), rows.bad_samples) == (0, 1)
    assert says in rows.errors[0]


values = st.one_of(st.none(), st.integers(-(10**6), 10**6), st.floats(), st.text(max_size=3), st.booleans())
some = st.fixed_dictionaries(
    {"result": values},
    optional={
        "phenomenonTime": st.sampled_from(
            [TIME, "2026-03-01T08:00:00+08:00", "x", "", None, "2200-01-01T00:00:00Z"]
        ),
        "resultTime": st.just(TIME),
        "parameters": st.sampled_from([{}, {"a": 1}, None]),
        "extra": st.just(1),
    },
)


@given(some)
def test_it_reads_what_is_posted_over_http(body):
    try:
        posted = bodies.observation(json.loads(json.dumps(body)), NOW_US, "pier")
    except ProblemError:
        posted = None
    rows = read(body)
    if posted is None or posted[0] > NOW_US + 86_400_000_000:
        assert len(rows) == 0
    else:
        time_us, value, _ = posted
        assert list(rows.time_us) == [time_us]
        assert rows.value[0] == value or (math.isnan(rows.value[0]) and math.isnan(value))
