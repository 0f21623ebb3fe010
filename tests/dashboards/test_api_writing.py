import pytest

from streams.records import CommandOutcome
from tests.dashboards import country as c
from tests.dashboards.serving import client_of

PATH = "/api/v1/alerts/a1/acknowledge"
LI = {"by": " Li ", "comment": "on my way"}


@pytest.fixture(scope="module")
def country(tmp_path_factory):
    """One for all that change nothing: to make an app takes longer than to be refused."""
    yield from found(tmp_path_factory.mktemp("country"))


@pytest.fixture
def own(tmp_path):
    yield from found(tmp_path)


def found(folder):
    country = c.found(folder, minutes=1)
    yield country
    country.store.close()


async def post(app, host="127.0.0.1", path=PATH, **request):
    async with client_of(app, host) as client:
        return await client.post(path, **request)


async def test_an_acknowledgement_is_a_command_and_its_effect_is_answered(own):
    answer = await post(own.app(), json=LI)
    assert answer.status_code == 200, answer.text
    alert = answer.json()
    assert (alert["state"], alert["acknowledged_by"]) == ("acknowledged", "Li")
    (command,) = own.desk.seen
    assert (command.kind, command.target, command.by) == ("acknowledge_alert", "a1", "Li")
    assert command.arguments == {"comment": "on my way"}
    assert command.at_us == own.now_us


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"json": {"by": "x" * 101}}, 422),
        ({"json": {"by": "Li", "comment": "x" * 2001}}, 422),
        ({"json": {"by": 5}}, 422),
        ({"headers": {"origin": "http://elsewhere.example"}}, 415),
        ({"headers": {"origin": "null"}}, 415),
        ({"headers": {"transfer-encoding": "chunked"}}, 415),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400),
        (
            {
                "content": b'{"x":' * 5000 + b"1" + b"}" * 5000,
                "headers": {"content-type": "application/json"},
            },
            400,
        ),
        ({"content": b'{"by": "\xff"}', "headers": {"content-type": "application/json"}}, 400),
        ({"content": b" " * 70_000, "headers": {"content-type": "application/json"}}, 413),
        ({"content": b'{"by": "Li"}', "headers": {"content-type": "text/plain"}}, 415),
        ({"data": {"by": "Li"}}, 415),
        ({"json": LI, "path": "/api/v1/alerts/none/acknowledge"}, 404),
    ],
)
async def test_what_is_refused_changes_nothing(country, request_, status):
    answer = await post(country.app(), **request_)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert country.desk.seen == []


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"json": {"by": "  "}},
        {"json": {"something": "else"}},
        {"headers": {"origin": "http://127.0.0.1"}},
    ],
)
async def test_without_a_name_the_address_is_recorded(own, request_):
    answer = await post(own.app(), **request_)
    assert answer.status_code == 200, answer.text
    assert answer.json()["acknowledged_by"] == "unnamed, from 127.0.0.1"


async def test_a_comment_stands_in_the_story_and_answers_nothing(own):
    path = "/api/v1/alerts/a1/comments"
    answer = await post(own.app(), path=path, json=LI)
    assert answer.status_code == 200, answer.text
    alert = answer.json()
    assert (alert["state"], alert["acknowledged_by"]) == ("open", None)
    told = alert["transitions"][-1]
    assert (told["change"], told["by"], told["comment"]) == ("commented", "Li", "on my way")
    (command,) = own.desk.seen
    assert (command.kind, command.arguments) == ("comment_alert", {"comment": "on my way"})
    for body in ({}, {"comment": " "}, {"comment": "x" * 2001}, {"comment": "seen", "by": "x" * 101}):
        assert (await post(own.app(), path=path, json=body)).status_code == 422, body
    unknown = await post(own.app(), path="/api/v1/alerts/none/comments", json=LI)
    assert unknown.status_code == 404
    assert len(own.desk.seen) == 1


async def test_with_a_token_only_its_bearer_writes(own):
    app = own.app(write_token="correct horse", open_writes=False)
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic correct horse"}):
        answer = await post(app, json=LI, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    assert own.desk.seen == []
    answer = await post(
        app, host="monitor.example", json=LI, headers={"authorization": "Bearer correct horse"}
    )
    assert answer.status_code == 200


async def test_a_server_that_others_reach_is_closed_without_a_token(country):
    answer = await post(country.app(open_writes=False), json=LI)
    assert answer.status_code == 403
    assert "write_token" in answer.json()["detail"]
    assert country.desk.seen == []


@pytest.mark.parametrize(("host", "status"), [("evil.example", 403), ("localhost", 200), ("[::1]", 200)])
async def test_a_name_that_points_here_does_not_open_writing(own, host, status):
    answer = await post(own.app(), host=host, json=LI)
    assert answer.status_code == status, answer.text


async def test_what_the_pipeline_refuses_is_a_conflict(own):
    own.desk.answer = CommandOutcome(id="", ok=False, message="The alert is closed already.")
    answer = await post(own.app(), json=LI)
    assert answer.status_code == 409
    assert answer.json()["detail"] == "The alert is closed already."


async def test_no_answer_in_time(own):
    own.desk.silent = True
    answer = await post(own.app(), json=LI)
    assert answer.status_code == 503
    assert "may still take effect" in answer.json()["detail"]
