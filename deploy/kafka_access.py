"""From what a configuration says of a Kafka to the way there, with the files of certificates."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import NoReturn

from deploy.kafka_security import check_security
from deploy.refusal import Refusal
from streams.kafka.access import Access
from streams.kafka.security import Security


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
