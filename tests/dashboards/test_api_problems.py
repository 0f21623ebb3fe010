import asyncio
import threading
import time

import pytest
from prometheus_client import Counter
from starlette.requests import ClientDisconnect
from structlog.testing import capture_logs

from dashboards.api.guard import READERS, Guard
from dashboards.api.parameters import time_us, window_s
from dashboards.problems import ProblemError
from tests.dashboards import country as c
from tests.dashboards.country import GAUGE
from tests.dashboards.serving import client_of

API = "/api/v1"
REQUESTS = Counter("requests", "Of no program.", ("route", "status"), registry=None)


@pytest.fixture(scope="module")
def country(tmp_path_factory):
    """One for all that only ask: to make an app takes longer than most questions."""
    yield from found(tmp_path_factory.mktemp("country"))


@pytest.fixture
def own(tmp_path):
    yield from found(tmp_path)


def found(folder):
    country = c.found(folder, minutes=1)
    yield country
    country.store.close()


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/nowhere", 404, "/docs"),
        ("GET", "/assets/nothing.js", 404, "/docs"),
        ("GET", "/assets/..%2F..%2Fpyproject.toml", 404, "/docs"),
        ("DELETE", API + "/stations", 405, "DELETE"),
        ("GET", API + "/stations/NONE", 404, "'NONE'"),
        ("GET", API + "/stations/NONE/quality", 404, "'NONE'"),
        ("GET", API + "/things/none", 404, "'none'"),
        ("GET", API + "/datastreams/none", 404, "'none'"),
        ("GET", API + "/datastreams/none/observations", 404, "'none'"),
        ("GET", API + "/alerts/none", 404, "'none'"),
        ("GET", API + "/stations?limit=0", 422, "limit"),
        ("GET", API + "/stations?limit=many", 422, "limit"),
        ("GET", API + "/stations?state=fine", 422, "state"),
        ("GET", API + "/stations?after=nonsense", 400, "cursor"),
        ("GET", API + "/stations?stat=good", 400, "'stat'"),
        ("GET", API + "/alerts?state=shut", 422, "state"),
        ("GET", API + "/stations/SHAO00CHN/quality?start=2026-01-01T00:00:00", 400, "offset"),
        ("GET", API + "/stations/SHAO00CHN/quality?end=yesterday", 400, "2026-01-31T08:00:00Z"),
        ("GET", API + "/stations/SHAO00CHN/quality?window=soon", 400, "5min"),
        ("GET", API + "/stations/SHAO00CHN/quality?start=1971-01-01T00:00:00Z&window=1s", 400, "window of"),
        ("GET", API + "/stations/SHAO00CHN/quality?start=1960-01-01T00:00:00Z", 400, "1970"),
        (
            "GET",
            API + f"/datastreams/{GAUGE}/observations?start=2026-01-02T00:00:00Z&end=2026-01-01T00:00:00Z",
            400,
            "ends before",
        ),
        ("GET", API + f"/datastreams/{GAUGE}/observations?aggregate=mean", 400, "window"),
        ("GET", API + f"/datastreams/{GAUGE}/observations?bbox=0,0,1,1&window=1h", 400, "leave window out"),
        *(
            ("GET", API + f"/datastreams/{GAUGE}/observations?bbox={bbox}", 400, "west,south,east,north")
            for bbox in ("1,2,3", "a,b,c,d", "0,10,1,5", "0,0,361,1", "nan,0,1,1", "")
        ),
        ("GET", API + f"/datastreams/{GAUGE}/observations?window=1h&aggregate=median", 400, "mean, min"),
    ],
)
async def test_what_cannot_be_answered_is_a_problem_document(country, method, path, status, words):
    async with client_of(country.app()) as client:
        answer = await client.request(method, path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["type"] == "about:blank"
    assert problem["title"]
    assert words in problem["detail"]


async def test_a_failure_shows_no_traceback(own, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("secret of the house")

    monkeypatch.setattr(own.store, "stations", fail)
    async with client_of(own.app()) as client:
        answer = await client.get(API + "/stations")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("60s", 60),
        ("5min", 300),
        ("2m", 120),
        ("1h", 3600),
        ("1d", 86400),
        ("PT60S", 60),
        ("PT1H30M", 5400),
        ("P1D", 86400),
    ],
)
def test_windows(text, seconds):
    assert window_s(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "P", "PT", "-5s", "1.5h", "60", "9999999d", "1y", "PT1H30"])
def test_not_windows(text):
    with pytest.raises(ProblemError):
        window_s(text)


@pytest.mark.parametrize(
    "text",
    ["2026-01-01T00:00:00Z", "2026-01-01T08:00:00+08:00", "2026-01-01T08:00:00 08:00", "20260101T000000Z"],
)
def test_times_with_any_offset(text):
    assert time_us(text, "start") == c.START_US


@pytest.mark.parametrize(
    "text", ["2026-01-01T00:00:00", "2026-01-01", "now", "", "0001-01-01T00:00:00+23:59x"]
)
def test_not_times(text):
    with pytest.raises(ProblemError):
        time_us(text, "start")


async def test_few_requests_read_the_store_at_one_time(own, monkeypatch):
    at_once, most, lock = 0, 0, threading.Lock()
    stations = own.store.stations

    def watched(**asked):
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.01)
        with lock:
            at_once -= 1
        return stations(**asked)

    monkeypatch.setattr(own.store, "stations", watched)
    async with client_of(own.app()) as client:
        answers = await asyncio.gather(*(client.get("/api/v1/stations") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert most == READERS


async def test_a_client_that_leaves_is_no_failure_of_the_program(country):
    async def leaves(_scope, _receive, _send):
        raise ClientDisconnect

    sent = []
    with capture_logs() as logs:
        await Guard(leaves, REQUESTS)({"type": "http", "path": "/"}, None, sent.append)
    assert logs == sent == []
