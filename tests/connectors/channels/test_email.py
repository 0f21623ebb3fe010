"""Mails, handed over to a real SMTP server (aiosmtpd)."""

import asyncio
import contextlib
import email
import email.policy
import ssl
import warnings
from types import SimpleNamespace

import pytest
from aiosmtpd.smtp import SMTP, AuthResult
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.channels import configured
from connectors.channels.email import mail_of
from tests.certificates import certificate
from tests.connectors.channels.calls import channel, clock_us, message, quick

TO = "li.duty@example.org"


class Handler:
    """Takes mails, with the replies that a test says."""

    def __init__(self, replies=()):
        self.replies = list(replies)
        self.mails, self.recipients, self.was_tls = [], [], []

    async def handle_RCPT(self, _server, _session, envelope, address, _options):
        self.recipients.append(address)
        if self.replies and (reply := self.replies.pop(0)):
            return reply.format(address=address)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, _session, envelope):
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        self.was_tls.append(server.transport.get_extra_info("ssl_object") is not None)
        return "250 taken"


def known(_server, _session, _envelope, _mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b"warn", b"secret"), handled=False)


@contextlib.asynccontextmanager
async def mail_server(handler, **options):
    outer = options.pop("outer", None)
    loop = asyncio.get_running_loop()

    def made():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it does not see that all of it goes over TLS
            return SMTP(handler, enable_SMTPUTF8=True, loop=loop, **options)

    server = await loop.create_server(made, "127.0.0.1", 0, ssl=outer)
    try:
        yield SimpleNamespace(port=server.sockets[0].getsockname()[1])
    finally:
        server.close()


def entry(at, **more):
    values = {"host": "127.0.0.1", "port": at, "sender": "warn@example.org", "security": "none"}
    return {"kind": "email", **values, "allow_private": True, **more}


def server_context(folder):
    chain = certificate(folder, "mail", host="IP:127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, chain.with_suffix(".key"))
    return chain, context


async def test_a_mail_says_it_in_two_languages():
    handler = Handler()
    async with mail_server(handler) as server, channel(entry(server.port)) as one:
        receipt = await one.send(message(to=TO, text="4.2 m\n<b>over</b> the mark"))
    assert (receipt.state, receipt.detail) == ("accepted", "")
    (mail,) = handler.mails
    assert handler.recipients == [TO]
    assert mail["Subject"] == "[红色 red] Water at the bridge"
    assert mail["Message-ID"] == "<call-1@example.org>"
    assert mail["From"] == "Groundswell <warn@example.org>"
    assert mail["To"] == TO
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Importance"] == "high"
    plain, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert "<b>over</b> the mark" in plain
    assert "查看并应答 See and answer: https://warn.example.org/a/1" in plain
    assert "&lt;b&gt;over&lt;/b&gt; the mark" in html
    assert '<a href="https://warn.example.org/a/1">' in html
    assert "级别" in html


async def test_the_second_try_has_the_same_message_id(monkeypatch):
    quick(monkeypatch)
    handler = Handler(["451 later, {address}", None])
    async with mail_server(handler) as server, channel(entry(server.port)) as one:
        assert (await one.send(message(to=TO))).state == "accepted"
    assert handler.recipients == [TO, TO]
    assert handler.mails[0]["Message-ID"] == "<call-1@example.org>"


async def test_an_address_that_does_not_exist_is_refused_and_not_repeated():
    handler = Handler(["550 no mailbox {address}"])
    async with mail_server(handler) as server, channel(entry(server.port)) as one:
        receipt = await one.send(message(to=TO))
    assert receipt.state == "refused"
    assert "no mailbox [address]" in receipt.detail
    assert TO not in receipt.detail
    assert len(handler.recipients) == 1


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_a_password_goes_over_tls_to_a_known_server_only(monkeypatch, tmp_path, security):
    quick(monkeypatch)
    chain, context = server_context(tmp_path)
    options = {"outer": context} if security == "tls" else {"tls_context": context}
    handler = Handler()
    more = {"security": security, "username": "warn", "password": "secret"}
    async with mail_server(
        handler, authenticator=known, auth_required=True, auth_require_tls=security != "tls", **options
    ) as server:
        async with channel(entry(server.port, ca_file=str(chain), **more)) as one:
            assert (await one.send(message(to=TO))).state == "accepted"
        async with channel(entry(server.port, **more)) as one:
            stranger = await one.send(message(to=TO, within_s=3))
        async with channel(entry(server.port, ca_file=str(chain), **{**more, "password": "guess"})) as one:
            wrong = await one.send(message(to=TO))
    assert len(handler.mails) == 1
    assert handler.was_tls == [True]
    assert stranger.state == wrong.state == "failed"
    assert "certificate" in stranger.detail.lower()
    assert "let us in" in wrong.detail


async def test_without_starttls_nothing_goes(monkeypatch):
    quick(monkeypatch)
    handler = Handler()
    more = {"security": "starttls", "username": "warn", "password": "secret"}
    async with (
        mail_server(handler, auth_require_tls=False, authenticator=known) as server,
        channel(entry(server.port, **more)) as one,
    ):
        receipt = await one.send(message(to=TO, within_s=0.4))
    assert receipt.state == "failed"
    assert "STARTTLS" in receipt.detail.upper()
    assert handler.recipients == []


async def test_a_server_that_hangs_ends_with_the_deadline(monkeypatch):
    quick(monkeypatch)

    async def silent(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    begun_us = clock_us()
    async with channel(entry(server.sockets[0].getsockname()[1])) as one:
        receipt = await one.send(message(to=TO, within_s=0.4))
    server.close()
    assert receipt.state == "failed"
    assert clock_us() - begun_us < 5_000_000


async def test_a_private_mail_server_is_refused_unless_it_is_allowed():
    handler = Handler()
    async with mail_server(handler) as server, channel(entry(server.port, allow_private=False)) as one:
        receipt = await one.send(message(to=TO))
    assert receipt.state == "failed"
    assert "private address" in receipt.detail


@pytest.mark.parametrize(
    "to", ["", "li", "a@b@c", "a b@example.org", "li@example.org\r\nBcc: x@y", "<li@example.org>"]
)
async def test_what_is_no_address_is_refused(to):
    async with channel(entry(1)) as one:
        assert (await one.send(message(to=to))).state == "refused"


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300), st.text(max_size=300))
def test_no_text_makes_another_header(subject, text):
    lone = any("\ud800" <= c <= "\udfff" for c in subject + text)
    if lone:
        return
    mail = mail_of(message(to=TO, subject=subject, text=text), "warn@example.org", "Groundswell", 0)
    read = email.message_from_bytes(mail.as_bytes(), policy=email.policy.default)
    assert read.keys() == mail.keys()
    assert read["To"] == TO
    assert read["Subject"].startswith("[红色 red]")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sender": "nobody"}, "host and sender"),
        ({"username": "warn"}, "a password needs TLS"),
        ({"port": 70_000}, "port"),
    ],
)
def test_what_is_wrong_in_a_configuration_is_said(changes, says):
    with pytest.raises(ValueError, match=says):
        configured(entry(25, **changes))
