"""Text messages and voice over HTTP gateways, against a real server."""

import asyncio
import json
from urllib.parse import parse_qs, parse_qsl, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.channels import configured
from connectors.channels.callback import VALID_S, ReceiptError, callback_url, check_callback
from connectors.channels.message import CallMessage
from connectors.channels.sms import worded
from connectors.channels.voice import spoken
from tests.connectors.channels.calls import NUMBER, channel, clock_us, message, quick
from tests.http_receiver import receiving

SECRET = "r" * 32
BODY = {"mobile": "{to}", "msg": {"parts": ["{content}"]}, "notify": "{callback}", "retries": 0}


def sms(url: str, **more: object) -> dict[str, object]:
    return {"kind": "sms", "url": url, "body": BODY, "allow_private": True, **more}


async def test_a_text_message_goes_as_the_configuration_has_it():
    async with receiving((200, b"{}")) as gateway, channel(sms(gateway.url, headers={"X-Key": "k"})) as one:
        receipt = await one.send(message())
    assert (receipt.call_id, receipt.state) == ("call-1", "accepted")
    (request,) = gateway.requests
    assert request.headers["idempotency-key"] == "call-1"
    assert request.headers["x-key"] == "k"
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body) == {
        "mobile": NUMBER,
        "msg": {
            "parts": [
                "[红色 red] Water at the bridge 4.2 m, 0.3 m over the mark. https://warn.example.org/a/1"
            ]
        },
        "notify": "",
        "retries": 0,
    }


async def test_a_form_is_encoded():
    entry = sms("", format="form", body={"To": "{to}", "Text": "{text} & {level_zh}"})
    async with receiving((201, b"")) as gateway, channel({**entry, "url": gateway.url}) as one:
        assert (await one.send(message())).state == "accepted"
    assert parse_qs(gateway.requests[0].body.decode()) == {
        "To": [NUMBER],
        "Text": ["4.2 m, 0.3 m over the mark. & 红色"],
    }


async def test_what_a_message_says_in_braces_stays_text():
    async with receiving((200, b"")) as gateway, channel(sms(gateway.url, body={"a": "{text}"})) as one:
        await one.send(message(text="{to} {callback} {"))
    assert json.loads(gateway.requests[0].body) == {"a": "{to} {callback} {"}


@pytest.mark.parametrize("form", ["json", "form"])
async def test_half_a_surrogate_pair_goes_as_a_question_mark(form):
    entry = sms("", format=form, body={"a": "{text}"})
    async with receiving((200, b"")) as gateway, channel({**entry, "url": gateway.url}) as one:
        assert (await one.send(message(text="4\ud800 m"))).state == "accepted"
    assert gateway.requests[0].body in {b'{"a":"4? m"}', b"a=4%3F+m"}


async def test_an_answer_may_say_that_it_was_refused_or_that_it_is_busy(monkeypatch):
    quick(monkeypatch)
    rules = {"path": "result.0.code", "equals": [0], "busy": [7], "detail": "result.0.id"}
    busy, bad, good = (
        (200, json.dumps({"result": [{"code": code, "id": f"m{code}"}]}).encode()) for code in (7, 3, 0)
    )
    async with receiving(busy, good, bad) as gateway, channel(sms(gateway.url, success=rules)) as one:
        first, second = await one.send(message()), await one.send(message(call_id="call-2"))
    assert (first.state, first.detail) == ("accepted", "m0")
    assert (second.state, second.detail) == ("refused", "the gateway answered 3: m3")
    assert len(gateway.requests) == 3


@pytest.mark.parametrize(
    "answer", [b"", b"null", b"[" * 100_000, b'{"code": true}', b"\xff", b'{"code": "0"}']
)
async def test_an_answer_of_any_other_kind_is_no_success(answer):
    rules = {"path": "code", "equals": [0, 1]}
    async with receiving((200, answer)) as gateway, channel(sms(gateway.url, success=rules)) as one:
        assert (await one.send(message())).state == "refused"


async def test_an_answer_without_end_is_cut():
    rules = {"path": "", "equals": ["OK"]}
    async with (
        receiving((200, b"OK" * 1_000_000)) as gateway,
        channel(sms(gateway.url, success=rules)) as one,
    ):
        receipt = await one.send(message())
    assert receipt.state == "refused"
    assert len(receipt.detail) < 400


@pytest.mark.parametrize(
    ("status", "requests", "state"), [(503, 2, "accepted"), (429, 2, "accepted"), (400, 1, "refused")]
)
async def test_it_is_tried_again_where_that_may_help(monkeypatch, status, requests, state):
    quick(monkeypatch)
    async with receiving((status, b""), (200, b"")) as gateway, channel(sms(gateway.url)) as one:
        assert (await one.send(message())).state == state
    assert len(gateway.requests) == requests
    assert {r.headers["idempotency-key"] for r in gateway.requests} == {"call-1"}


async def test_nothing_is_tried_after_the_deadline(monkeypatch):
    quick(monkeypatch)
    async with receiving(None) as gateway, channel(sms(gateway.url)) as one:
        begun_us = clock_us()
        receipt = await one.send(message(within_s=0.3))
        late = await one.send(message(within_s=-1))
    assert receipt.state == late.state == "failed"
    assert "no answer within" in receipt.detail
    assert clock_us() - begun_us < 5_000_000
    assert len(gateway.requests) == 1


async def test_a_longer_wait_than_there_is_time_for_ends_it(monkeypatch):
    quick(monkeypatch)
    answer = (429, b"", {"Retry-After": "3600"})
    async with receiving(answer) as gateway, channel(sms(gateway.url)) as one:
        receipt = await one.send(message())
    assert (receipt.state, receipt.detail) == ("failed", "the gateway answered 429")


async def test_one_message_that_hangs_delays_no_other(monkeypatch):
    quick(monkeypatch)
    async with (
        receiving(choose=lambda r: None if b"stuck" in r.body else (200, b"")) as gateway,
        channel(sms(gateway.url, places=2)) as one,
    ):
        stuck = asyncio.create_task(one.send(message(text="stuck", within_s=3)))
        done = [await one.send(message(call_id=f"c{i}")) for i in range(5)]
        assert not stuck.done()
        assert (await stuck).state == "failed"
    assert {receipt.state for receipt in done} == {"accepted"}


async def test_a_private_address_is_refused_unless_it_is_allowed():
    async with receiving((200, b"")) as gateway, channel(sms(gateway.url, allow_private=False)) as one:
        receipt = await one.send(message())
    assert receipt.state == "failed"
    assert "private address" in receipt.detail
    assert gateway.requests == []


async def test_the_number_stands_in_no_receipt_and_no_log(monkeypatch, capsys):
    quick(monkeypatch)
    rules = {"path": "e", "equals": ["ok"], "busy": [f"busy with {NUMBER}"], "detail": "e"}
    answers = [(200, json.dumps({"e": f"{how} {NUMBER}"}).encode()) for how in ("busy with", "no")]
    async with receiving(*answers) as gateway, channel(sms(gateway.url, success=rules)) as one:
        receipt = await one.send(message())
    assert receipt.state == "refused"
    assert NUMBER not in receipt.detail
    assert "[address]" in receipt.detail
    said = capsys.readouterr()
    assert "call-1" in said.out + said.err
    assert NUMBER not in said.out + said.err
    assert NUMBER not in repr(message())


# --- receipts -----------------------------------------------------------------------------------------

RULES = {
    "secret": SECRET,
    "path": "status",
    "states": {"DELIVRD": "delivered", "1": "answered", "x": "failed"},
}


async def asked_for(**more: object) -> tuple[object, dict[str, str]]:
    """Return a channel that has sent something and the query of the address that the gateway got."""
    async with receiving((200, b"")) as gateway:
        entry = sms(gateway.url, receipts={**RULES, **more})
        async with channel(entry, "https://warn.example.org/") as one:
            await one.send(message())
    url = urlsplit(json.loads(gateway.requests[0].body)["notify"])
    assert f"{url.scheme}://{url.netloc}{url.path}" == (
        "https://warn.example.org/api/v1/call-receipts/sms1/call-1"
    )
    return one, dict(parse_qsl(url.query))


async def test_a_gateways_call_becomes_a_receipt():
    one, query = await asked_for(detail="why")
    form = "application/x-www-form-urlencoded"
    got = one.receipt("call-1", query, form, b"status=DELIVRD&why=phone+rang")
    assert (got.call_id, got.state, got.detail) == ("call-1", "delivered", "phone rang")
    assert one.receipt("call-1", query, "application/json", b'{"status": 1}').state == "answered"
    assert one.receipt("call-1", {**query, "status": "x"}, "", b"").state == "failed"


@pytest.mark.parametrize(
    ("call_id", "changes", "body", "says"),
    [
        ("call-2", {}, b"{}", "signature"),
        ("call-1", {"signature": "0" * 64}, b"{}", "signature"),
        ("call-1", {"signature": "é"}, b"{}", "signature"),
        ("call-1", {"expires": "99999999999"}, b"{}", "signature"),
        ("call-1", {"expires": "²"}, b"{}", "expires"),
        ("call-1", {}, b"{}", "none of the known states"),
        ("call-1", {}, b'{"status": "new"}', "none of the known states"),
        ("call-1", {}, b'{"status": {"a": 1}}', "none of the known states"),
        ("call-1", {}, b"[1]", "no JSON object"),
        ("call-1", {}, b"<xml/>", "neither JSON nor a form"),
        ("call-1", {}, b"[" * 100_000, "neither JSON nor a form"),
    ],
)
async def test_a_call_that_nobody_can_vouch_for_is_no_receipt(call_id, changes, body, says):
    one, query = await asked_for()
    with pytest.raises(ReceiptError, match=says):
        one.receipt(call_id, {**query, **changes}, "application/json", body)


def test_an_address_is_good_for_a_day():
    query = dict(parse_qsl(urlsplit(callback_url("https://x", "sms", "c1", SECRET, 0)).query))
    check_callback("sms", "c1", query, SECRET, VALID_S * 1_000_000)
    with pytest.raises(ReceiptError, match="expired"):
        check_callback("sms", "c1", query, SECRET, (VALID_S + 1) * 1_000_000)
    with pytest.raises(ReceiptError, match="signature"):
        check_callback("sm", "sc1", query, SECRET, 0)


# --- words --------------------------------------------------------------------------------------------

texts = st.text(max_size=400)


@given(
    subject=texts,
    text=texts,
    link=st.sampled_from(["", "https://x.example/a", "h" * 300]),
    most=st.integers(40, 500),
)
def test_a_text_message_is_never_too_long(subject, text, link, most):
    said = worded(message(subject=subject, text=text, link=link), most)
    assert len(said) <= most
    assert said.startswith("[红色 red]")
    if link and len(link) < most // 2:
        assert said.endswith(link)


def test_the_text_gives_way_before_the_link():
    said = worded(message(text="x" * 500), 80)
    assert said.endswith("x… https://warn.example.org/a/1")
    assert len(said) == 80


def test_a_voice_says_it_twice_and_no_link():
    said = spoken(message(), 300, 2)
    assert said == " ".join(["红色. red. Water at the bridge. 4.2 m, 0.3 m over the mark."] * 2)


async def test_a_voice_call_goes_over_its_gateway():
    entry = {"kind": "voice", "body": {"tts": "{content}"}, "times": 1, "allow_private": True}
    async with receiving((200, b"")) as gateway, channel({**entry, "url": gateway.url}) as one:
        assert (await one.send(message(text=""))).state == "accepted"
    assert json.loads(gateway.requests[0].body) == {"tts": "红色. red. Water at the bridge."}


# --- configuration ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"url": "ftp://x"}, "url must begin with"),
        ({"url": "http://x:99999/"}, "url must begin with"),
        ({"body": {"a": ["{phone}"]}}, r"nothing stands for \{phone\}; there are call_id"),
        ({"format": "form", "body": {"a": ["x"]}}, "a form has no tables"),
        ({"headers": {"a": "b\r\nc: d"}}, "does not fit into a request"),
        ({"receipts": {**RULES, "secret": "short"}}, "at least 24 random characters"),
        ({"receipts": {**RULES, "states": {"a": "arrived"}}}, "arrived"),
        ({"kind": "pigeon"}, "no kind of channel 'pigeon', only command, email, sms, voice, webhook"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_is_wrong_in_a_configuration_is_said(changes, says):
    with pytest.raises(ValueError, match=says):
        configured({**sms("https://sms.example.org/send"), **changes})


def test_a_body_without_bottom_is_refused():
    body: dict[str, object] = {}
    for _ in range(50):
        body = {"a": body}
    with pytest.raises(ValueError, match="flatter"):
        configured(sms("https://sms.example.org/send", body=body))


def test_keys_are_not_shown():
    assert "k-1-2-3" not in repr(configured(sms("https://x/?key=k-1-2-3", headers={"X": "k-1-2-3"})))


def test_a_message_can_be_kept_and_read_again():
    assert msgspec.json.decode(msgspec.json.encode(message(within_s=5)), type=CallMessage).to == NUMBER
