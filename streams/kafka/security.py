"""What a configuration says about getting into a Kafka: TLS, and a user with a password."""

from __future__ import annotations

from typing import Literal

import msgspec

Mechanism = Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"]


class Security(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How brokers are known, and how this program is known to them. Nothing: neither TLS nor a user."""

    tls: bool = False
    """Over TLS, with the authorities that the system trusts."""
    ca: str = ""
    """PEM file of the authorities to trust in place of the system's; it means TLS."""
    certificate: str = ""
    """PEM file with this program's own certificate, where brokers want one; it means TLS."""
    key: str = ""
    """PEM file of its private key; empty: it stands in `certificate`."""
    user: str = ""
    password: str = ""
    mechanism: Mechanism = "SCRAM-SHA-512"
    """How the password is proved."""

    @property
    def is_encrypted(self) -> bool:
        """Whether connections are over TLS."""
        return bool(self.tls or self.ca or self.certificate)

    def __repr__(self) -> str:
        shown = {n: v for n, v in msgspec.structs.asdict(self).items() if n != "password"}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"
