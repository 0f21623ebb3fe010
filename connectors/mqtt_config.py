"""What a configuration says of a broker."""

from __future__ import annotations

import ssl
import zlib
from typing import Literal

import msgspec

from connectors.device_route import DeviceRoute
from sensors.payloads import Mapping

_SHARE = "$share/"
"""Begins the filter of a shared subscription (MQTT 5, section 4.8.2)."""


class BrokerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A broker, and how one gets in."""

    host: str
    port: int = 1883
    username: str = ""
    password: str = ""
    version: Literal["5", "3.1.1"] = "5"
    client_id: str = ""
    """Names the session at the broker; each program needs its own. Empty: one is made."""
    tls: bool = False
    ca_file: str = ""
    """Certificates to trust in place of the system's."""
    cert_file: str = ""
    """PEM file with this program's certificate, for a broker that asks for one."""
    key_file: str = ""
    """PEM file of its private key; empty: in the same file."""
    keepalive_s: int = 30

    def __post_init__(self) -> None:
        if not self.host or not 0 < self.port < 65536:
            raise ValueError("mqtt: host and port name no broker; write for instance 127.0.0.1 and 1883")
        if not 5 <= self.keepalive_s <= 65_535:
            raise ValueError(f"mqtt {self.host}: keepalive_s must lie between 5 and 65535")
        if (self.ca_file or self.cert_file or self.key_file) and not self.tls:
            raise ValueError(f"mqtt {self.host}: certificates are of no use without tls = true; set it")
        if self.key_file and not self.cert_file:
            raise ValueError(f"mqtt {self.host}: key_file is the key of a cert_file; name both")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.source})"  # the password belongs in no log

    @property
    def source(self) -> str:
        """Where it comes from, for people: without credentials."""
        return f"mqtt{'s' if self.tls else ''}://{self.host}:{self.port}"

    def tls_context(self) -> ssl.SSLContext | None:
        """Return how the broker is to be trusted; None: without TLS.

        Raises
        ------
        OSError
            A file cannot be read, or is not what it should be.
        """
        if not self.tls:
            return None
        context = ssl.create_default_context(cafile=self.ca_file or None)
        if self.cert_file:
            context.load_cert_chain(self.cert_file, self.key_file or None)
        return context


class MqttConfig(BrokerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[mqtt]]`: a broker, what to listen to there, and what the payloads mean.

    Without a `client_id` one is made from the topics.
    """

    topics: list[str] = msgspec.field(default_factory=list)
    """Topic filters; empty: those of the mappings."""
    qos: Literal[0, 1] = 1
    mappings: list[Mapping]
    devices: list[DeviceRoute] = []
    """Those that take commands here."""
    share: str = ""
    """Name of a group of programs among which the broker divides the messages; each needs a `client_id`."""
    stall_s: float = 600.0
    """Without a message for so long, the stream is shown as stalled and the subscription renewed."""
    receive_maximum: int = 10_000
    """Messages under way at one time (MQTT 5; in 3.1.1 the broker's own limit holds)."""
    session_expiry_s: int = 604_800
    """How long the broker keeps the session of a program that is away (MQTT 5)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.mappings:
            raise ValueError(f"mqtt {self.host}: there is no mapping; add a [[mqtt.mappings]]")
        if not (1 <= self.receive_maximum <= 65_535 and self.stall_s > 0):
            raise ValueError(
                f"mqtt {self.host}: write a receive_maximum between 1 and 65535, and a stall_s above 0"
            )
        if (self.share or any(name.startswith(_SHARE) for name in self.topics)) and not self.client_id:
            raise ValueError(
                f"mqtt {self.host}: programs that share a subscription need a client_id each; "
                "set it, another one in each program"
            )
        if set(self.share) & set("/+#"):
            raise ValueError(f"mqtt {self.host}: share is the name of a group, without / + and #")

    @property
    def filters(self) -> list[str]:
        """What is subscribed to."""
        filters = self.topics or list(dict.fromkeys(mapping.topic for mapping in self.mappings))
        return [f"{_SHARE}{self.share}/{name}" for name in filters] if self.share else filters

    @property
    def session_id(self) -> str:
        """The client id, by which the broker knows the session again."""
        made = zlib.crc32("\n".join(sorted(self.filters)).encode())
        return self.client_id or f"groundswell-{made:08x}"

    @property
    def session(self) -> str:
        """Names the session among those at all brokers."""
        return f"{self.session_id} at {self.source}"
