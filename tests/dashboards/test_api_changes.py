import pytest

from streams.passwords import is_password
from streams.records import Change, Changes, Command, CommandOutcome, CommandOutcomes, Commands
from tests.dashboards import country as c
from tests.dashboards.serving import client_of

API = "/api/v1"
SOURCE = "ntrip://user:secret@caster:2101/N"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One for all whose commands change nothing in it: to make an app takes longer than most of them."""
    country = c.found(tmp_path_factory.mktemp("country"), minutes=1)
    yield country
    country.store.close()


@pytest.fixture
def country(shared):
    shared.desk.seen.clear()
    shared.desk.answer = CommandOutcome(id="1", ok=True, message="Station N is changed.")
    shared.desk.silent = False
    return shared


@pytest.fixture
def own(tmp_path):
    country = c.found(tmp_path, minutes=1)
    yield country
    country.store.close()


async def send(country, method, path, **request):
    async with client_of(country.app()) as client:
        return await client.request(method, API + path, **request)


@pytest.mark.parametrize(
    ("method", "path", "body", "kind", "target", "arguments"),
    [
        ("PATCH", "/stations/N", {"paused": True}, "patch", "station/N", {"paused": True}),
        ("DELETE", "/stations/N", None, "delete", "station/N", {}),
        ("POST", "/changes/station/N/revert", None, "revert", "station/N", {}),
        (
            "POST", "/changes/rule/gauge.level/sea_level/revert", None, "revert",
            "rule/gauge.level/sea_level", {},
        ),
        (
            "PUT", "/rules/gauge.level/sea_level", {"parameters": {"floor_m": 0.1}}, "put",
            "rule/gauge.level/sea_level", {"parameters": {"floor_m": 0.1}, "off": False},
        ),
        (
            "PATCH", "/silences/s1", {"end": "2026-01-01T00:00:01Z"}, "patch",
            "silence/s1", {"end_us": c.START_US + 1_000_000},
        ),
        ("PATCH", "/accounts/rover", {"enabled": False}, "patch", "account/rover", {"enabled": False}),
        ("PATCH", "/things/gauge", {"name": "New"}, "patch", "thing/gauge", {"name": "New"}),
        (
            "PATCH", "/datastreams/gauge.level", {"paused": True}, "patch",
            "datastream/gauge.level", {"paused": True},
        ),
    ],
)  # fmt: skip
async def test_a_change_is_a_command(country, method, path, body, kind, target, arguments):
    answer = await send(country, method, path, params={"by": " Li "}, json=body)
    assert answer.status_code == 200, answer.text
    (command,) = country.desk.seen
    assert (command.kind, command.target, command.by) == (kind, target, "Li")
    assert command.arguments == arguments
    assert command.at_us == country.now_us
    assert answer.json() == {
        "command_id": command.id,
        "id": target.partition("/")[2],
        "message": "Station N is changed.",
    }


async def test_a_station_is_put_whole_and_a_silence_gets_an_id(country):
    answer = await send(country, "PUT", "/stations/N", json={"source": SOURCE, "antenna": "LEIAR25.R4 LEIT"})
    assert answer.status_code == 200, answer.text
    answer = await send(
        country, "POST", "/silences", json={
            "end": "2026-01-01T08:00:00+08:00", "start": "2025-12-31T23:00:00Z",
            "rule": "sea_level", "reason": "works",
        },
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    put, silence = country.desk.seen
    assert put.arguments["source"] == SOURCE
    assert put.by == "unnamed, from 127.0.0.1"
    assert silence.arguments["end_us"] - silence.arguments["begin_us"] == 3600 * 1_000_000
    assert silence.target == f"silence/{answer.json()['id']}"


async def test_passwords_go_on_as_hashes(country):
    for method, body in (
        ("PUT", {"password": "geheim", "mountpoints": ["N"]}),
        ("PATCH", {"password": "geheim"}),
    ):
        answer = await send(country, method, "/accounts/rover", json=body)
        assert answer.status_code == 200, answer.text
    for command in country.desk.seen:
        assert "geheim" not in str(command)
        assert is_password("geheim", command.arguments["password_hash"])


@pytest.mark.parametrize(
    ("method", "path", "request_", "status", "words"),
    [
        ("PUT", "/stations/N", {"json": {}}, 422, "source"),
        ("PUT", "/stations/N", {"json": {"source": "http://x"}}, 422, "write ntrip://"),
        ("PUT", "/stations/N", {"json": {"source": SOURCE, "latitude": 91, "longitude": 0}}, 422, "latitude"),
        ("PUT", "/stations/N N", {"json": {"source": SOURCE}}, 422, "does not serve"),
        ("PATCH", "/stations/N", {"json": {"pause": True}}, 422, "There is no 'pause' here; known:"),
        ("PATCH", "/stations/N", {"json": {"paused": "yes"}}, 422, "paused"),
        ("PATCH", "/stations/N", {"json": {"paused": True}, "params": {"By": "x"}}, 400, "'By' is not known"),
        ("PATCH", "/stations/N", {"json": {"paused": True}, "params": {"by": "x" * 101}}, 422, "at most 100"),
        ("PATCH", "/stations/N", {"content": b"{}", "headers": {"content-type": "text/plain"}}, 415, "JSON"),
        ("DELETE", "/stations/N", {"headers": {"origin": "http://elsewhere.example"}}, 415, "JSON"),
        ("POST", "/silences", {"json": {"end": "2026-01-01T00:00:00Z"}}, 422, "silence everything"),
        ("POST", "/silences", {"json": {"end": "2026-01-01T00:00:00", "rule": "x"}}, 422, "time"),
        ("PUT", "/accounts/rover", {"json": {"password": ""}}, 422, "password"),
        ("POST", "/changes/planet/N/revert", {}, 422, "kind"),
        ("GET", "/silences/none", {}, 404, "There is no silence 'none'"),
        ("GET", "/changes", {"params": {"after": "nonsense"}}, 400, "cursor"),
    ],
)
async def test_what_makes_no_sense_is_refused_at_the_door(country, method, path, request_, status, words):
    answer = await send(country, method, path, **request_)
    assert answer.status_code == status, answer.text
    assert words in answer.text
    assert country.desk.seen == []


async def test_what_the_pipeline_refuses_or_does_not_answer_is_told(country):
    country.desk.answer = CommandOutcome(id="1", ok=False, message="There is no such station.")
    answer = await send(country, "PATCH", "/stations/N", json={"paused": True})
    assert (answer.status_code, "no such station" in answer.text) == (409, True)
    country.desk.silent = True
    answer = await send(country, "PATCH", "/stations/N", json={"paused": True})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


async def test_changes_need_the_token_too(country):
    async with client_of(country.app(write_token="t" * 20)) as client:
        for method, path in (("PUT", "/stations/N"), ("PATCH", "/stations/N"), ("DELETE", "/stations/N")):
            answer = await client.request(method, API + path, json={"source": SOURCE})
            assert answer.status_code == 401
        answer = await client.post(API + "/changes/station/N/revert")
        assert answer.status_code == 401
    assert country.desk.seen == []


async def test_who_changed_what_is_told(own):
    made = [
        Change(
            kind=kind, id=name, version=version, verb="put", before=None, after={"reason": name}, by="Li",
            at_us=c.START_US, command_id=f"c{version}",
        )
        for version, (kind, name) in enumerate((("silence", "s1"), ("silence", "s2"), ("account", "a")), 1)
    ]  # fmt: skip
    asked = Command(id="c1", kind="put", target="silence/s1", by="Li", at_us=c.START_US)
    outcome = CommandOutcome(id="c1", ok=True, message="Silence s1 is as it was asked for.")
    own.keep(Commands(commands=[asked]), CommandOutcomes(outcomes=[outcome]), Changes(changes=made))
    first = (await send(own, "GET", "/changes", params={"limit": 2})).json()
    second = (await send(own, "GET", "/changes", params={"limit": 2, "after": first["next"]})).json()
    assert [one["version"] for one in first["items"] + second["items"]] == [3, 2, 1]
    assert first["items"][0] == {
        "kind": "account", "id": "a", "version": 3, "verb": "put", "by": "Li", "at": "2026-01-01T00:00:00Z",
        "before": None, "after": {"reason": "a"}, "command_id": "c3",
    }  # fmt: skip
    only = (await send(own, "GET", "/changes", params={"kind": "silence", "id": "s2"})).json()
    assert [one["version"] for one in only["items"]] == [2]
    silences = (await send(own, "GET", "/silences")).json()
    assert [one["id"] for one in silences["items"]] == ["s1", "s2"]
    assert (await send(own, "GET", "/silences/s2")).json()["version"] == 2
    (command,) = (await send(own, "GET", "/commands")).json()["items"]
    assert (command["target"], command["by"], command["ok"]) == ("silence/s1", "Li", True)


async def test_an_account_is_put_with_its_limits_and_changed_in_parts(country):
    ring = [[114.0, 30.2], [114.8, 30.2], [114.8, 30.9]]
    body = {
        "password": "geheim", "mountpoints": ["HB*", "NEAREST"], "areas": [ring], "most_sessions": 2,
        "when_full": "refuse", "rate_bytes_s": 2000, "day_bytes": 10**9,
        "valid_from": "2026-01-01T00:00:00Z", "valid_until": "2026-01-01T08:00:01+08:00",
    }  # fmt: skip
    answer = await send(country, "PUT", "/accounts/rover", json=body)
    assert answer.status_code == 200, answer.text
    answer = await send(country, "PATCH", "/accounts/rover", json={"valid_until": None, "month_bytes": 5})
    assert answer.status_code == 200, answer.text
    put, patch = (command.arguments for command in country.desk.seen)
    assert put.pop("password_hash").startswith("$argon2id$")
    assert put == {
        "password": "", "mountpoints": ["HB*", "NEAREST"], "enabled": True, "areas": [ring],
        "most_sessions": 2, "when_full": "refuse", "rate_bytes_s": 2000.0, "day_bytes": 10**9,
        "valid_from_us": c.START_US, "valid_until_us": c.START_US + 1_000_000,
    }  # fmt: skip
    assert patch == {"valid_until_us": None, "month_bytes": 5}
    for wrong, words in (
        ({"areas": [ring[:2]]}, "Area 1 has fewer than three corners"),
        ({"areas": [[*ring, [200, 0]]]}, "Area 1 has a corner that is no place"),
        ({"most_sessions": -1}, "most_sessions"),
        ({"when_full": "oldest"}, "when_full"),
        ({"valid_until": "2025-01-01T00:00:00Z"}, "ends before it begins"),
        ({"mountpoints": [""]}, "mountpoints"),
        ({"areas": [[[100 + k / 1000, k % 50] for k in range(501)]]}, "draw them more coarsely"),
    ):
        answer = await send(country, "PUT", "/accounts/rover", json=body | wrong)
        assert (answer.status_code, words in answer.text) == (422, True), answer.text
