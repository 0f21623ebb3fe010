"""CAP documents, held against the standard's own schema and its rules in words."""

import re
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.cap.areas import NamedArea, Place
from streams.cap.config import CapConfig
from streams.cap.document import NAMESPACE, Surroundings, certainty_of, document, time_of
from streams.cap.messages import messages
from streams.records import EARLIEST_US, LATEST_US
from tests.webhook_store import transition

SCHEMA = xmlschema.XMLSchema(Path(__file__).parents[2] / "data" / "cap" / "CAP-v1.2.xsd")
CONFIG = CapConfig(
    sender="warn.example.org",
    sender_name="Example Warning Centre",
    sender_name_zh="示例预警中心",
    contact="duty@example.org",
)
PLACE = Place("Slope 7", 120.13, 30.27, "slope")
COUNTY = NamedArea(
    "西湖区", "Xihu District", [[(120.0, 30.1), (120.3, 30.1), (120.3, 30.4)]], {"GB2260": "330106"}
)
AROUND = Surroundings(PLACE, COUNTY, "https://warn.example.org/")
CAP = {"c": NAMESPACE}
STEPS = [
    transition(),
    transition(number=2, change="level", level="red", at_us=1_299_861_600_500_000),
    transition(number=3, change="acknowledged", state="acknowledged", by="Li", at_us=1_299_861_700_000_000),
    transition(number=4, change="closed", state="closed", at_us=1_299_861_800_000_000),
]
STEPS[0] = transition(level="yellow")


def made(number, around=AROUND, config=CONFIG, steps=STEPS):
    one = next(one for one in messages(steps) if one.step.number == number)
    body = document(config, steps, one, around)
    SCHEMA.validate(body.decode())
    return ET.fromstring(body)


def said(alert, path):
    return [one.text for one in alert.findall("/".join(f"c:{name}" for name in path.split("/")), CAP)]


def test_an_alert_says_all_that_the_standard_asks_for():
    alert = made(1)
    assert said(alert, "identifier") == ["a1.1"]
    assert said(alert, "sender") == ["warn.example.org"]
    assert said(alert, "sent") == ["2011-03-12T00:39:00+08:00"]
    assert said(alert, "status") == ["Actual"]
    assert said(alert, "msgType") == ["Alert"]
    assert said(alert, "scope") == ["Public"]
    assert said(alert, "references") == []
    assert said(alert, "info/language") == ["zh-CN", "en"]
    assert said(alert, "info/event") == ["海面异常", "unusual sea level"]
    assert said(alert, "info/senderName") == ["示例预警中心", "Example Warning Centre"]
    assert said(alert, "info/headline") == [
        "Slope 7海面异常黄色预警",
        "Yellow warning: unusual sea level, Slope 7",
    ]
    assert said(alert, "info/onset") == ["2011-03-12T00:38:00+08:00"] * 2
    assert said(alert, "info/expires") == ["2011-03-15T00:39:00+08:00"] * 2
    assert said(alert, "info/description") == ["Tsunami at the gauge"] * 2
    values = dict(
        zip(said(alert, "info/parameter/valueName"), said(alert, "info/parameter/value"), strict=True)
    )
    assert values == {
        "groundswell:level": "yellow",
        "groundswell:subject": "gauge.water_level",
        "groundswell:threshold_m": "0.05",
    }


@pytest.mark.parametrize(
    ("level", "severity", "urgency", "response"),
    [
        ("red", "Extreme", "Immediate", "Execute"),
        ("orange", "Severe", "Expected", "Prepare"),
        ("yellow", "Moderate", "Expected", "Monitor"),
        ("blue", "Minor", "Future", "Monitor"),
    ],
)
def test_levels_are_the_standards_words(level, severity, urgency, response):
    alert = made(1, steps=[transition(level=level)])
    assert said(alert, "info/severity") == [severity] * 2
    assert said(alert, "info/urgency") == [urgency] * 2
    assert said(alert, "info/responseType") == [response] * 2


def test_what_follows_refers_to_what_was_said_before():
    first, second = (
        "warn.example.org,a1.1,2011-03-12T00:39:00+08:00",
        "warn.example.org,a1.2,2011-03-12T00:40:00+08:00",
    )
    update, answer, cancel = made(2), made(3), made(4)
    assert [said(one, "msgType") for one in (update, answer, cancel)] == [["Update"], ["Ack"], ["Cancel"]]
    assert said(update, "references") == [first]
    assert said(answer, "references") == said(cancel, "references") == [f"{first} {second}"]
    for one in (update, answer, cancel):  # references say identifier and time as the messages themselves do
        for reference in said(one, "references")[0].split():
            sender, identifier, sent = reference.split(",")
            earlier = made(int(identifier[-1]))
            assert [[sender], [identifier], [sent]] == [
                said(earlier, n) for n in ("sender", "identifier", "sent")
            ]
    assert said(update, "incidents") == said(cancel, "incidents") == ["a1"]


def test_a_cancel_is_an_all_clear():
    cancel = made(4)
    assert said(cancel, "info/responseType") == ["AllClear"] * 2
    assert said(cancel, "info/urgency") == ["Past"] * 2
    assert said(cancel, "info/headline")[0].endswith("红色预警解除")


def test_an_answer_names_nobody():
    body = ET.tostring(made(3), encoding="unicode")
    assert "Li" not in body
    assert said(made(3), "info") == []


def test_an_area_is_a_closed_ring_latitude_first():
    alert = made(1)
    (polygon, _) = said(alert, "info/area/polygon")
    corners = [tuple(map(float, pair.split(","))) for pair in polygon.split()]
    assert corners == [(30.1, 120.0), (30.1, 120.3), (30.4, 120.3), (30.1, 120.0)]
    assert said(alert, "info/area/circle") == []
    assert said(alert, "info/area/areaDesc") == ["西湖区: Slope 7", "Xihu District: Slope 7"]
    assert said(alert, "info/area/geocode/valueName") == ["GB2260"] * 2
    assert said(alert, "info/area/geocode/value") == ["330106"] * 2


def test_a_place_without_an_area_is_a_circle_and_one_that_nobody_knows_a_name():
    near = made(1, around=Surroundings(PLACE))
    assert said(near, "info/area/circle") == ["30.270000,120.130000 1"] * 2
    nowhere = made(1, around=Surroundings())
    assert said(nowhere, "info/area/areaDesc") == ["gauge.water_level"] * 2
    assert said(nowhere, "info/area/circle") == said(nowhere, "info/web") == []


def test_a_rehearsal_says_so():
    for status in ("Exercise", "Test"):
        alert = made(1, config=CapConfig(status=status))
        assert said(alert, "status") == [status]
        assert "演练" in said(alert, "note")[0]


@pytest.mark.parametrize(
    ("evidence", "certainty"),
    [
        ({"threshold_m": 1}, "Observed"),
        ({"forecast_m": 2}, "Likely"),
        ({"predicted_at": 5, "value": 2}, "Likely"),
        ({}, "Likely"),
        ({"certainty": "possible"}, "Possible"),
        ({"certainty": "sure", "value": 2}, "Observed"),
        ({"certainty": 7}, "Observed"),
    ],
)
def test_how_sure_it_is_follows_from_the_evidence(evidence, certainty):
    assert certainty_of(evidence) == certainty


@pytest.mark.parametrize(
    ("offset", "sent"),
    [
        ("+00:00", "2011-03-11T16:39:00-00:00"),
        ("-03:30", "2011-03-11T13:09:00-03:30"),
        ("+08:00", "2011-03-12T00:39:00+08:00"),
    ],
)
def test_a_time_has_an_offset_and_never_a_z(offset, sent):
    assert time_of(CapConfig(utc_offset=offset), transition().at_us) == sent


@given(st.integers(EARLIEST_US, LATEST_US), st.sampled_from(["+00:00", "+08:00", "-11:30", "+14:00"]))
def test_a_time_is_the_same_moment_wherever_it_is_read(time_us, offset):
    text = time_of(CapConfig(utc_offset=offset), time_us)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", text)
    assert datetime.fromisoformat(text).timestamp() == time_us // 1_000_000


texts = st.text(max_size=60)


values = st.one_of(texts, st.floats(), st.booleans(), st.lists(texts, max_size=2))


@settings(max_examples=150, deadline=None)
@given(
    texts, texts, st.text(min_size=1, max_size=40), texts, texts, st.dictionaries(texts, values, max_size=5)
)
def test_whatever_an_alert_says_the_document_fits_the_schema(title, subject, alert_id, rule, name, evidence):
    steps = [
        transition(alert_id, title=title, subject_id=subject, rule=rule, evidence=evidence),
        transition(
            alert_id, 2, change="closed", title=title, subject_id=subject, rule=rule, evidence=evidence
        ),
    ]
    around = Surroundings(Place(name, 120.0, 30.0))
    for number in (1, 2):
        alert = made(number, around=around, steps=steps)
        (identifier,) = said(alert, "identifier")
        assert not re.search(r"[\s,<&]", identifier)
    (reference,) = said(alert, "references")
    assert len(reference.split()) == 1
    assert len(reference.split(",")) == 3


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"sender": "a b"}, "sender"), ({"sender": "a,b"}, "sender"), ({"utc_offset": "Z"}, "utc_offset")],
)
def test_what_would_break_a_document_is_refused(changes, says):
    with pytest.raises(ValueError, match=says):
        CapConfig(**changes)


def test_alerts_about_sensors_are_no_messages():
    assert CapConfig().tells("sea_level")
    assert not CapConfig().tells("sea_level_sensor")
    assert not CapConfig(without=["sea_*"]).tells("sea_level")
