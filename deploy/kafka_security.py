"""Looks at what a configuration says of getting into a Kafka; it knows no driver, so that it is quick."""

from __future__ import annotations

from deploy.refusal import Refusal
from streams.kafka.security import Security
from streams.loopback import is_loopback


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
