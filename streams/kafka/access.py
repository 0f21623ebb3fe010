"""Where a Kafka is and how one gets in; and, when one does not get in, why.

aiokafka tells of a wrong password, an unknown certificate and a broker that is away in the same words
("Unable to bootstrap"). So after an error this program knocks once by itself, and says what came back.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka.client import collect_hosts
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import (
    AuthenticationFailedError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaTimeoutError,
    NodeNotReadyError,
    RequestTimedOutError,
    SaslAuthenticationFailed,
    StaleMetadata,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from streams.kafka.security import Mechanism
from streams.loopback import is_loopback

KNOCK_S = 5.0
"""How long a broker may take to let one in."""
LEAVE_S = 1.0
AWAY = (
    KafkaConnectionError,
    KafkaTimeoutError,
    NodeNotReadyError,
    RequestTimedOutError,
    StaleMetadata,
    OSError,  # TimeoutError is one
)
"""What aiokafka raises when brokers cannot be used."""
_FORBIDDEN = (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
_KNOCK_AFTER = (*AWAY, AuthenticationFailedError, SaslAuthenticationFailed)
_EXPIRED, _NOT_YET = 10, 9
_OTHER_NAME = (62, 64)
"""Codes of OpenSSL (X509_V_ERR): a certificate is for another host, for another address."""
_Place = tuple[str, int]


class NotAdmittedError(KafkaConnectionError):  # type: ignore[misc]
    """No client may be made: why stands in it, in a sentence."""


@dataclass(frozen=True, slots=True)
class Access:
    """The way to a Kafka."""

    servers: str
    """host:port, several divided by commas."""
    tls: ssl.SSLContext | None = field(default=None, repr=False, compare=False)
    """None: without TLS."""
    user: str = ""
    """Empty: nobody is named."""
    password: str = field(default="", repr=False)
    mechanism: Mechanism = "SCRAM-SHA-512"
    where: str = "[kafka]"
    """Where the configuration speaks of it, for people."""

    @property
    def login(self) -> dict[str, Any]:
        """What each connection of aiokafka is told, besides the place."""
        options: dict[str, Any] = {
            "security_protocol": f"{'SASL_' if self.user else ''}{'SSL' if self.tls else 'PLAINTEXT'}",
            "ssl_context": self.tls,
        }
        if self.user:
            options |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.user,
                "sasl_plain_password": self.password,
            }
        return options

    @property
    def options(self) -> dict[str, Any]:
        """What a client of aiokafka is told."""
        return {"bootstrap_servers": self.servers, **self.login}

    async def admitted(self) -> dict[str, Any]:
        """Return what a client of aiokafka is told, when no password of its can cross a network in the clear.

        A client goes where brokers say that brokers are, so they are asked for that first.

        Raises
        ------
        NotAdmittedError
            It could, or that cannot be found out.
        """
        if self.user and self.tls is None and (why := await self.trouble()):
            raise NotAdmittedError(why)
        return self.options

    async def reason(self, error: BaseException | None) -> str:
        """Return in a sentence why something went wrong that was asked here; None: no answer came."""
        words = self.first_words(error)
        if isinstance(error, NotAdmittedError):
            return words  # which come of a knock
        return (await self.trouble() or words) if error is None or isinstance(error, _KNOCK_AFTER) else words

    def first_words(self, error: BaseException | None) -> str:
        """Return what an error says before anybody has knocked; None: no answer came."""
        if error is None:
            return f"Kafka at {self.servers} does not answer; look whether it runs"
        if isinstance(error, NotAdmittedError):
            return str(error.args[0])
        if isinstance(error, _FORBIDDEN):
            whom = f"user {self.user}" if self.user else "this program"
            return f"Kafka at {self.servers} does not allow {whom} {_told(error)}; grant it the right there"
        if isinstance(error, _KNOCK_AFTER):
            return f"the connection to Kafka at {self.servers} was lost ({_told(error)}); trying again"
        return f"Kafka at {self.servers} refuses: {_told(error)}"

    async def trouble(self) -> str:
        """Knock; return in a sentence why no broker lets this program in, or an empty text."""
        why = f"{self.servers!r} names no broker; write HOST:PORT as servers in {self.where}"
        try:
            places = [(host, port) for host, port, _ in collect_hosts(self.servers, randomize=False)]
        except ValueError:
            return why
        if why := self._exposed(places):
            return why
        found = await self._first(places)
        if isinstance(found, str):
            return found
        place, brokers = found
        if why := self._exposed(sorted(brokers)):
            return f"{why}; {place[0]}:{place[1]} names that place, by its advertised.listeners"
        if not brokers or place in brokers:
            return ""
        beyond = await self._first(sorted(brokers))
        if isinstance(beyond, str):
            return f"{beyond}; {place[0]}:{place[1]} names that place, by its advertised.listeners"
        return ""

    def _exposed(self, places: Iterable[_Place]) -> str:
        """Return in a sentence where a password would go in the clear; empty: nowhere."""
        if not self.user or self.tls is not None:
            return ""
        beyond = [host for host, _ in places if not is_loopback(host)]
        if not beyond:
            return ""
        return f"the password would go to {beyond[0]} without TLS; write tls = true or ca in {self.where}"

    async def _first(self, places: Sequence[_Place]) -> tuple[_Place, set[_Place]] | str:
        """Knock at all at once; return who answers first and whom it names, else why the first does not."""
        knocks = {asyncio.create_task(self._knock(place)): place for place in places}
        waiting = set(knocks)
        try:
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    if task.exception() is None:
                        return knocks[task], task.result()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*knocks, return_exceptions=True)
        first = next(iter(knocks)).exception()
        assert first is not None
        return self._words(first, places[0])

    async def _knock(self, place: _Place) -> set[_Place]:
        """Return where a broker says that brokers are; it raises what aiokafka and the system raise."""
        connection = AIOKafkaConnection(*place, client_id="groundswell", **self.login)
        try:
            async with asyncio.timeout(KNOCK_S):
                await connection.connect()
                # One that wants a password answers what came before, also without it.
                answer = await connection.send(MetadataRequest([]))
        finally:
            ended = connection.close()
            if connection._protocol is not None:  # there was one: TLS takes leave, too
                await asyncio.wait([ended], timeout=LEAVE_S)
        return {(broker[1], broker[2]) for broker in answer.brokers}

    def _words(self, error: BaseException, place: _Place) -> str:
        kafka = f"Kafka at {place[0]}:{place[1]}"
        match error:
            case ssl.SSLCertVerificationError():
                return self._of_certificate(error, kafka, place[0])
            case SaslAuthenticationFailed() | AuthenticationFailedError() | ValueError():
                return (
                    f"{kafka} does not take user {self.user} with this password; correct user, password or "
                    f"mechanism ({self.mechanism}) in {self.where}"
                )
            case UnsupportedSaslMechanismError():
                return f"{kafka} does not take {self.mechanism}; write another mechanism in {self.where}"
            case IllegalSaslStateError():
                return (
                    f"{kafka} takes no user; correct the port, or take user and password out of {self.where}"
                )
            case ssl.SSLError() | ConnectionResetError() | ConnectionAbortedError() if self.tls:
                told = getattr(error, "reason", None) or "it ended the connection"
                return f"{kafka} fails at TLS ({told}); look whether {self.where} names its TLS port"
            case KafkaConnectionError() if self.tls is None:
                return f"{kafka} ends the connection; it may want TLS: write tls = true or ca in {self.where}"
            case KafkaConnectionError() if not self.user:
                return (
                    f"{kafka} ends the connection; it may want a user with a password, or a certificate of "
                    f"this program's: write them in {self.where}"
                )
            case KafkaConnectionError():
                return (
                    f"{kafka} ends the connection; it may want a certificate of this program's: write it in "
                    f"{self.where}, or look into its log"
                )
            case TimeoutError():
                return f"{kafka} does not answer; look whether it runs"
            case OSError():
                return f"cannot reach {kafka}; look whether it runs"
        return f"{kafka} refuses: {_told(error)}"

    def _of_certificate(self, error: ssl.SSLCertVerificationError, kafka: str, host: str) -> str:
        if error.verify_code in (_EXPIRED, _NOT_YET):
            when = "has expired" if error.verify_code == _EXPIRED else "is not valid yet"
            return f"the certificate of {kafka} {when}; renew it, or set this machine's clock"
        if error.verify_code in _OTHER_NAME:
            return (
                f"the certificate of {kafka} is not for {host}; write the name that stands in it, or "
                "give the broker another one"
            )
        return (
            f"the certificate of {kafka} is of no authority that is known here ({error.verify_message}); "
            f"name that authority's PEM file as ca in {self.where}"
        )


def _told(error: BaseException) -> str:
    name, text = type(error).__name__, str(error)
    return text if name in text else f"{name} {text}".rstrip()
