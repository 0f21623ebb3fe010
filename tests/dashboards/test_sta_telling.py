"""What subscribers of SensorThings are told, and under which topics."""

from __future__ import annotations

import json

import numpy as np

from dashboards.sta.telling import Telling
from streams.records import FlaggedSamples

BASE = "http://here/sta/v1.1"
TIME_US = 1_772_323_200_000_000


def flagged(*names: str, value: float = 1.5) -> FlaggedSamples:
    n = len(names)
    return FlaggedSamples(
        datastream_ids=list(names),
        series=np.arange(n, dtype=np.int32),
        time_us=np.full(n, TIME_US, np.int64),
        value=np.full(n, value),
        received_at_us=np.full(n, TIME_US + 1_000_000, np.int64),
        revision=np.zeros(n, np.int32),
        tests=["gross_range", "spike"],
        flags=np.tile(np.array([1, 2], np.uint8), (n, 1)),
        flag=np.ones(n, np.uint8),
    )


def told(telling: Telling, batch: FlaggedSamples) -> dict[str, dict[str, object]]:
    return {
        one.topic: json.loads(one.payload)
        for one in telling.observations(batch, range(len(batch)), lambda name: name != "unknown")
    }


def test_an_observation_is_told_whole_and_by_the_values_that_are_asked_for():
    telling = Telling(BASE, "v1.1", ["result,phenomenonTime"])
    messages = told(telling, flagged("pier.level"))
    here = "v1.1/Datastreams('pier.level')/Observations"
    select = "?$select=result,phenomenonTime"
    assert list(messages) == [here, "v1.1/Observations", here + select, "v1.1/Observations" + select]
    link = f"{BASE}/Observations('pier.level~{TIME_US}')"
    whole = {
        "@iot.id": f"pier.level~{TIME_US}",
        "@iot.selfLink": link,
        "phenomenonTime": "2026-03-01T00:00:00Z",
        "resultTime": "2026-03-01T00:00:01Z",
        "result": 1.5,
        "resultQuality": {"qartod": 1, "tests": {"gross_range": 1, "spike": 2}},
        "parameters": {"revision": 0},
        "Datastream@iot.navigationLink": f"{link}/Datastream",
        "FeatureOfInterest@iot.navigationLink": f"{link}/FeatureOfInterest",
    }
    assert messages[here] == messages["v1.1/Observations"] == whole
    assert messages[here + select] == {"result": 1.5, "phenomenonTime": "2026-03-01T00:00:00Z"}


def test_of_series_that_nobody_knows_or_no_topic_can_name_nothing_is_told():
    telling = Telling(BASE, "site/v1.1", [])
    messages = told(telling, flagged("unknown", "a+b", "a#", "it's"))
    assert list(messages) == ["site/v1.1/Datastreams('it''s')/Observations", "site/v1.1/Observations"]


def test_a_value_that_is_missing_is_null():
    (message, _) = told(Telling(BASE, "v1.1", []), flagged("pier.level", value=np.nan)).values()
    assert message["result"] is None


def test_a_change_is_told_at_its_list_its_entity_and_its_values():
    row = {
        "kind": 0, "id": "pier.level", "key": "pier.level", "name": "Level", "description": "", "unit": "m",
        "properties": '{"mounted":"north"}', "thing_key": "pier",
    }  # fmt: skip
    messages = [
        (one.topic, json.loads(one.payload)) for one in Telling(BASE, "v1.1", []).entity("Datastreams", row)
    ]
    topics = [topic for topic, _ in messages]
    assert topics[:3] == [
        "v1.1/Datastreams", "v1.1/Datastreams('pier.level')", "v1.1/Things('pier')/Datastreams",
    ]  # fmt: skip
    assert messages[0][1]["@iot.selfLink"] == f"{BASE}/Datastreams('pier.level')"
    assert messages[0][1] == messages[1][1] == messages[2][1]
    assert dict(messages)["v1.1/Datastreams('pier.level')/properties"] == {"properties": {"mounted": "north"}}
    place = {
        "kind": 1, "id": "station~A", "key": "A", "name": "A", "description": "", "longitude": 118.1,
        "latitude": 24.4, "height_m": None, "height_datum": "ellipsoidal",
    }  # fmt: skip
    topics = [one.topic for one in Telling(BASE, "v1.1", []).entity("Locations", place)]
    assert topics[:3] == [
        "v1.1/Locations", "v1.1/Locations('station~A')", "v1.1/Things('station~A')/Locations",
    ]  # fmt: skip
