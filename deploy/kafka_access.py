"""From what a configuration says of a Kafka to the way there; it refuses what cannot or must not be."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import NoReturn

from deploy.addresses import is_loopback
from deploy.refusal import Refusal
from streams.kafka.access import Access
from streams.kafka.security import Security


def check_security(security: Security, servers: str, where: str) -> None:
    """Look whether it makes sense, without reading any file.

    Raises
    ------
    Refusal
        It does not, or a password would cross a network in the clear.
    """
    if bool(security.user) != bool(security.password):
        raise Refusal(f"{where}: one of user and password is missing; give both or neither")
    if security.key and not security.certificate:
        raise Refusal(f"{where}: key has no certificate; name the PEM file of the certificate, too")
    if not security.password or security.is_encrypted:
        return
    for server in servers.split(","):
        host = server.strip().rpartition(":")[0].strip("[]")
        if not is_loopback(host):
            raise Refusal(
                f"{where}: the password would go to {host} without TLS; write tls = true, or name the PEM "
                "file of the brokers' authority as ca"
            )


def kafka_access(security: Security, servers: str, where: str = "[kafka]") -> Access:
    """Return the way to brokers; `where` the configuration speaks of them, for people.

    Raises
    ------
    Refusal
        It makes no sense, or a file cannot be used.
    """
    check_security(security, servers, where)
    return Access(servers, _tls(security, where), security.user, security.password, security.mechanism, where)


def _tls(security: Security, where: str) -> ssl.SSLContext | None:
    if not security.is_encrypted:
        return None
    try:
        context = ssl.create_default_context(cafile=security.ca or None)
    except OSError as error:
        raise Refusal(
            f"{where}: the certificates of ca {security.ca} cannot be read ({_reason(error)}); "
            "name a readable PEM file"
        ) from error
    if security.certificate:
        try:
            context.load_cert_chain(Path(security.certificate), security.key or None, _no_passphrase)
        except OSError as error:
            raise Refusal(
                f"{where}: certificate and key cannot be used ({_reason(error)}); name readable PEM files "
                "that belong together, the key without a passphrase"
            ) from error
    return context


def _no_passphrase() -> NoReturn:
    """Refuse to ask at the terminal: a service has none."""
    raise PermissionError("the key has a passphrase")


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
