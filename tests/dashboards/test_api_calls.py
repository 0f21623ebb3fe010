import re

import pytest

from streams.call_definitions import Contact, PersonDefinition, RosterDefinition, Shift
from streams.call_links import CallLinks
from streams.call_records import CallReceipt, CallReceipts, Calls
from streams.definitions import values_of
from streams.records import Change, Changes, CommandOutcome
from tests.dashboards import country as c
from tests.dashboards.serving import client_of
from tests.streams.calls import answer, order

API = "/api/v1"
TOKEN = "t" * 20
LINKS = CallLinks("s" * 32, "http://127.0.0.1")


class Sink:
    def __init__(self):
        self.taken = []
        self.is_away = False

    async def put_receipts(self, batch):
        if self.is_away:
            raise TimeoutError
        self.taken += batch.receipts


@pytest.fixture
def country(tmp_path):
    country = c.found(tmp_path, minutes=1)
    country.settings = {"receipts": Sink(), "links": LINKS, "write_token": TOKEN}
    country.desk.answer = CommandOutcome(id="1", ok=True, message="Done.")
    one = order("c1", at_us=c.START_US, deadline_us=c.START_US + 180_000_000)
    country.keep(
        Calls(orders=[one], answers=[answer(called_us=c.START_US, at_us=c.START_US + 30_000_000)]),
        CallReceipts(receipts=[CallReceipt.of(one, "accepted", c.START_US + 1)]),
    )
    yield country
    country.store.close()


async def ask(country, method, path, headers=None, **request):
    async with client_of(country.app()) as client:
        return await client.request(method, path, headers=headers, **request)


WITH_TOKEN = {"authorization": f"Bearer {TOKEN}"}


async def test_the_log_of_an_alert_has_addresses_for_who_has_the_right_only(country):
    answer_ = await ask(country, "GET", f"{API}/alerts/a1/calls")
    assert answer_.status_code == 200, answer_.text
    (call,) = answer_.json()["calls"]
    assert call["to"] == "...78"
    assert "13812345678" not in answer_.text
    assert (call["person"], call["channel"], call["withdrawn"]) == ("li", "voice", False)
    assert [one["state"] for one in call["receipts"]] == ["accepted"]
    (ended,) = answer_.json()["answers"]
    assert (ended["person"], ended["answer"], ended["seconds"]) == ("li", "unreachable", 30)
    whole = await ask(country, "GET", f"{API}/alerts/a1/calls", WITH_TOKEN)
    assert whole.json()["calls"][0]["to"] == "+8613812345678"
    assert (await ask(country, "GET", f"{API}/alerts/none/calls")).status_code == 404


async def test_persons_are_shown_without_their_addresses_everywhere(country):
    contacts = [
        Contact(channel="sms", to="+8613812345678"),
        Contact(channel="email", to="li.ming@hospital.example"),
        Contact(channel="webhook", to="https://hook.example/secret"),
    ]
    after = values_of(PersonDefinition(name="Li", contacts=contacts))
    change = Change(
        kind="person", id="li", version=1, verb="put", before=after, after=after, by="w", at_us=5,
        command_id="x",
    )  # fmt: skip
    country.keep(Changes(changes=[change]))
    for path in ("/persons", "/persons/li", "/changes", "/changes?kind=person"):
        coarse = await ask(country, "GET", API + path)
        assert coarse.status_code == 200
        for secret in ("138123", "li.ming", "hospital", "secret", "hook.example"):
            assert secret not in coarse.text, path
        whole = await ask(country, "GET", API + path, WITH_TOKEN)
        assert "+8613812345678" in whole.text
        assert "li.ming@hospital.example" in whole.text


async def test_who_is_on_duty_and_how_quickly_people_answer(country):
    made = RosterDefinition(time_zone="UTC", shifts=[Shift(person="li", begin="08:00", end="20:00")])
    change = Change(
        kind="roster", id="duty", version=1, verb="put", before=None, after=values_of(made), by="w", at_us=5,
        command_id="x",
    )  # fmt: skip
    country.keep(Changes(changes=[change]))
    for at, who in (("2026-01-01T08:00:00Z", ["li"]), ("2026-01-01T07:59:59Z", [])):
        found = await ask(country, "GET", f"{API}/rosters/duty/duty", params={"at": at})
        assert found.json()["persons"] == who
    params = {"start": "2025-12-31T00:00:00Z", "end": "2026-01-02T00:00:00Z", "by": "person"}
    (one,) = (await ask(country, "GET", f"{API}/statistics/answers", params=params)).json()["items"]
    assert (one["of"], one["called"], one["answered"], one["in_time_share"]) == ("li", 1, 0, 0.0)


@pytest.mark.parametrize(
    ("path", "body", "kind", "arguments"),
    [
        (
            "lower", {"level": "blue", "by": "li"}, "lower_alert", {"level": "blue", "comment": ""},
        ),
        (
            "decide", {"answer": "decline", "by": "li", "comment": "no"}, "decide_alert",
            {"answer": "decline", "comment": "no"},
        ),
    ],
)  # fmt: skip
async def test_lowering_and_deciding_are_commands(country, path, body, kind, arguments):
    refused = await ask(country, "POST", f"{API}/alerts/a1/{path}", json=body)
    assert refused.status_code == 401
    done = await ask(country, "POST", f"{API}/alerts/a1/{path}", WITH_TOKEN, json=body)
    assert done.status_code == 200, done.text
    (command,) = country.desk.seen
    assert (command.kind, command.target, command.by, command.arguments) == (kind, "a1", "li", arguments)
    wrong = await ask(country, "POST", f"{API}/alerts/a1/{path}", WITH_TOKEN, json={"by": "li"})
    assert wrong.status_code == 422


async def test_looking_at_a_link_answers_nothing_and_its_button_does(country):
    sink = country.settings["receipts"]
    path = LINKS.url(order("c1"), country.now_us).removeprefix("http://127.0.0.1")
    looked = await ask(country, "GET", path)
    assert looked.status_code == 200
    assert "RED: Slope moves" in looked.text
    assert "13812345678" not in looked.text
    assert "form-action 'self'" in looked.headers["content-security-policy"]
    assert looked.headers["cache-control"] == "no-store"
    assert (await ask(country, "HEAD", path)).status_code in {200, 405}
    assert sink.taken == []
    (first, second) = re.findall(r'action="(\?answer=\w+)"', looked.text)
    assert (await ask(country, "POST", path + first)).status_code == 200
    assert (await ask(country, "POST", path + second)).status_code == 200
    assert [(one.call_id, one.state, one.person, one.alert_ids) for one in sink.taken] == [
        ("c1", "answered", "li", ["a1"]),
        ("c1", "refused", "li", ["a1"]),
    ]
    assert (await ask(country, "POST", f"{path}?answer=maybe")).status_code == 422
    sink.is_away = True
    assert (await ask(country, "POST", path + first)).status_code == 503


async def test_a_link_that_was_not_made_here_or_is_old_serves_nobody(country):
    sink = country.settings["receipts"]
    path = LINKS.url(order("c1"), country.now_us).removeprefix("http://127.0.0.1")
    head, call_id, until_s, signature = path.rsplit("/", 3)
    old = LINKS.url(order("c1"), country.now_us - 25 * c.HOUR_US).removeprefix("http://127.0.0.1")
    for bad in (f"{head}/c2/{until_s}/{signature}", f"{head}/{call_id}/9{until_s}/{signature}", old):
        for method in ("GET", "POST"):
            assert (await ask(country, method, f"{bad}?answer=answered")).status_code == 403
    gone = LINKS.url(order("c9"), country.now_us).removeprefix("http://127.0.0.1")
    assert (await ask(country, "GET", gone)).status_code == 404
    assert sink.taken == []


async def test_a_provider_tells_what_became_of_a_call_with_the_token(country):
    sink, path = country.settings["receipts"], f"{API}/calls/c1/receipts"
    body = {"state": "delivered", "detail": "at once"}
    assert (await ask(country, "POST", path, json=body)).status_code == 401
    assert (await ask(country, "POST", path, WITH_TOKEN, json=body)).status_code == 200
    assert [(one.state, one.detail) for one in sink.taken] == [("delivered", "at once")]
    wrong = await ask(country, "POST", path, WITH_TOKEN, json={"state": "rung"})
    assert wrong.status_code == 422
    nobody = await ask(country, "POST", f"{API}/calls/c9/receipts", WITH_TOKEN, json=body)
    assert nobody.status_code == 404
