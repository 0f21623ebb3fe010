"""Requests that schemathesis makes of the API's description, right and wrong: none is a server's error."""

from __future__ import annotations

import asyncio
import json

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from tests.dashboards import test_injection
from tests.dashboards.people import signed_in
from tests.dashboards.serving import client_of
from tests.dashboards.test_access import CLOSED

country = test_injection.country  # a fixture
EXAMPLES = 80
"""Of all routes together: a sweep belongs into the hands of who changes a route."""


@pytest.fixture
def app(country):
    return country.app(**CLOSED)


@pytest.fixture
def operations(app):
    found = schemathesis.openapi.from_dict(app.openapi()).get_all_operations()
    return [one.ok() for one in found if one.ok().path not in {"/api/v1/live", "/api/v1/push"}]


def sent(case):
    """Return a request as httpx sends it; what no HTTP request can hold is left out."""
    headers = {name: text for name, text in (case.headers or {}).items() if _is_text(name + str(text))}
    request = {"params": case.query or {}, "headers": headers}
    if case.method != "GET" and case.media_type is not None:
        request["content"] = json.dumps(case.body, default=str).encode("utf-8", "replace")
        request["headers"]["content-type"] = case.media_type
    return request


def _is_text(text):
    return text.isascii() and text.isprintable()


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
)
@given(st.data())
def test_no_request_is_a_servers_error(app, operations, data):
    operation = data.draw(st.sampled_from(operations))
    mode = data.draw(st.sampled_from(list(GenerationMode)))
    case = data.draw(operation.as_strategy(generation_mode=mode))
    request = sent(case)
    request["headers"].update(signed_in(app, "administrator"))

    async def ask():
        async with client_of(app) as client:
            return await client.request(case.method, case.formatted_path, **request)

    answer = asyncio.run(ask())
    assert answer.status_code < 500 or answer.status_code == 503, (case.method, case.formatted_path, request)
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
