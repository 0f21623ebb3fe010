"""Mail, by SMTP (RFC 5321) to the operator's own server; which also signs (DKIM) and queues.

A mail is plain text and HTML with labels in Chinese and English. Its Message-ID is the call's, so that what
was sent twice is shown once. Port 465 speaks TLS from the beginning, others change to it (STARTTLS).
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as LINES
from email.utils import format_datetime
from html import escape
from typing import Annotated, Literal

import aiosmtplib
import msgspec

from connectors.address_guard import RefusedAddressError, connected
from connectors.channels import Surroundings, register
from connectors.channels.attempts import Attempts, Outcome, Retry
from connectors.channels.message import CallMessage, CallReceipt
from streams.alert_words import LEVEL, Words

Security = Literal["starttls", "tls", "none"]
_ADDRESS = re.compile(r"[^\s@<>()\[\],;:\\\"\x00-\x1f\x7f]{1,64}@[A-Za-z0-9.-]{1,253}")
_ID = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,200}")
_WRONG_PASSWORD = (aiosmtplib.SMTPAuthenticationError, aiosmtplib.SMTPNotSupported)
_PERMANENT = 500
"""Replies from here on say that the same will be refused again (RFC 5321, 4.2.1)."""


class EmailConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`kind = "email"`."""

    host: str
    sender: str
    """The address that mails come from."""
    sender_name: str = "Groundswell"
    security: Security = "starttls"
    """`none` for a server on this machine or behind a tunnel; a password never goes without TLS."""
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    """0: 465 with `tls`, 587 with `starttls`, 25 with `none`."""
    username: str = ""
    password: str = ""
    ca_file: str = ""
    """PEM file by which the server's certificate is known; empty: by the system's authorities."""
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=120)] = 30.0
    places: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
    """Connections at one time."""
    allow_private: bool = False
    """Let the host be a private, loopback or link-local address."""

    def __post_init__(self) -> None:
        if not self.host or not _ADDRESS.fullmatch(self.sender):
            raise ValueError(
                "host and sender are needed: a mail server, and an address like warn@example.org"
            )
        if self.username and self.security == "none":
            raise ValueError('a password needs TLS: write security = "starttls" or "tls"')

    def __repr__(self) -> str:
        return f"EmailConfig({self.host})"

    def channel(self, name: str, around: Surroundings) -> Email:
        """Return the channel."""
        return Email(name, self, around.clock_us)


class Email:
    """A channel over a mail server; each mail has its own connection."""

    def __init__(self, name: str, config: EmailConfig, clock_us: Callable[[], int]) -> None:
        self._config, self._clock_us = config, clock_us
        self._attempts = Attempts(name, self._once, clock_us, config.places, config.timeout_s)
        self._threads = ThreadPoolExecutor(config.places, "resolve")
        self._port = config.port or {"tls": 465, "starttls": 587, "none": 25}[config.security]

    async def send(self, message: CallMessage) -> CallReceipt:
        """Return what the mail server said: it takes mails on, and does not tell whether they arrive."""
        return await self._attempts.send(message)

    async def close(self) -> None:
        """Let go of the threads; no connection stays open between two mails."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _once(self, message: CallMessage) -> Outcome | Retry:
        config = self._config
        if not _ADDRESS.fullmatch(message.to) or not _ID.fullmatch(message.call_id):
            return Outcome("refused", "the mail address or the call's id does not fit into a mail")
        mail = mail_of(message, config.sender, config.sender_name, self._clock_us())
        context = None
        if config.security != "none":
            context = ssl.create_default_context(cafile=config.ca_file or None)
        try:
            sock = await connected(
                config.host, self._port, allow_private=config.allow_private, threads=self._threads
            )
        except RefusedAddressError as error:
            return Outcome("failed", str(error))
        return await self._handed_over(sock, context, mail, message.to)

    async def _handed_over(
        self, sock: socket.socket, context: ssl.SSLContext | None, mail: EmailMessage, to: str
    ) -> Outcome | Retry:
        config = self._config
        client = aiosmtplib.SMTP(
            hostname=config.host,
            sock=sock,
            use_tls=config.security == "tls",
            start_tls=config.security == "starttls",
            tls_context=context,
            username=config.username or None,
            password=config.password or None,
            timeout=config.timeout_s,
        )
        try:
            await _sent(client, sock, mail, config.sender, to)
        except _WRONG_PASSWORD as error:
            return Outcome("failed", f"the mail server does not let us in: {error}")
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [one.code for one in error.recipients]
            told = "the mail server refuses the address: " + "; ".join(r.message for r in error.recipients)
            return Outcome("refused", told) if min(codes) >= _PERMANENT else Retry(told)
        except aiosmtplib.SMTPResponseException as error:
            told = f"the mail server answered {error.code} {error.message}"
            return Outcome("refused", told) if error.code >= _PERMANENT else Retry(told)
        except ssl.SSLError as error:
            return Outcome("failed", f"the mail server's certificate is not good: {error.reason}")
        except aiosmtplib.SMTPConnectError as error:
            if isinstance(error.__cause__, ssl.SSLCertVerificationError):
                told = f"the mail server's certificate is not good: {error.__cause__.reason}"
                return Outcome("failed", told)
            raise
        return Outcome("accepted")


async def _sent(
    client: aiosmtplib.SMTP, sock: socket.socket, mail: EmailMessage, sender: str, to: str
) -> None:
    try:
        async with client:
            await client.send_message(mail, sender=sender, recipients=[to])
    except asyncio.CancelledError:
        if client.transport is None:  # it may not even have taken the socket
            sock.close()
        raise


def mail_of(message: CallMessage, sender: str, sender_name: str, now_us: int) -> EmailMessage:
    """Return the mail of a message.

    Parameters
    ----------
    now_us
        Its date.
    """
    level = LEVEL[message.level]
    mail = EmailMessage(LINES)
    mail["Subject"] = f"[{level.zh} {level.en}] {_line(message.subject)}"
    mail["From"] = Address(_line(sender_name), addr_spec=sender)
    mail["To"] = Address(addr_spec=message.to)
    mail["Date"] = format_datetime(datetime.fromtimestamp(now_us // 1_000_000, UTC))
    mail["Message-ID"] = f"<{message.call_id}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday notice answers it
    if message.level in {"orange", "red"}:
        mail["Importance"] = "high"
    rows = _rows(message)
    lines = [
        message.subject,
        "",
        message.text,
        "",
        *(f"{words.zh} {words.en}: {said}" for words, said in rows),
    ]
    mail.set_content("\n".join(lines) + "\n")
    mail.add_alternative(_html(message, rows), subtype="html")
    return mail


def _rows(message: CallMessage) -> list[tuple[Words, str]]:
    level = LEVEL[message.level]
    rows = [(Words("Level", "级别"), f"{level.zh} {level.en}"), (Words("Alert", "预警"), message.alert_id)]
    if message.link:
        rows.append((Words("See and answer", "查看并应答"), message.link))
    deadline = datetime.fromtimestamp(message.deadline_us // 1_000_000, UTC)
    rows.append((Words("Answer until", "请在此前应答"), f"{deadline:%Y-%m-%d %H:%M:%S} UTC"))
    return rows


def _html(message: CallMessage, rows: list[tuple[Words, str]]) -> str:
    """Return the mail as HTML; all that comes from elsewhere is escaped."""
    cells = []
    for words, said in rows:
        shown = escape(said)
        if said == message.link and said.startswith(("https://", "http://")):
            shown = f'<a href="{shown}">{shown}</a>'
        cells.append(
            f'<tr><th align="left"><span lang="zh-CN">{words.zh}</span> {words.en}</th><td>{shown}</td></tr>'
        )
    paragraphs = "".join(f"<p>{escape(line)}</p>" for line in message.text.splitlines() if line.strip())
    return (
        '<!DOCTYPE html><html><head><meta charset="utf-8"></head><body>'
        f"<h1>{escape(message.subject)}</h1>{paragraphs}<table>{''.join(cells)}</table></body></html>\n"
    )


def _line(text: str) -> str:
    """Return a text as one line: what breaks lines would begin another header."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:200]


register("email", EmailConfig)
