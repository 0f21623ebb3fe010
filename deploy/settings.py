"""What a configuration can say, with its types."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

import msgspec

from connectors.caster.proxy_header import networks
from connectors.caster.push import PushConfig
from connectors.caster.roaming.config import RoamingConfig
from connectors.channels import ChannelConfig
from connectors.http_poll import HttpPollConfig
from connectors.http_push import HttpPushConfig
from connectors.mqtt_config import BrokerConfig, MqttConfig
from connectors.ntrip_client import NtripClientConfig
from connectors.tcp import TcpConfig
from connectors.tcp_listen import TcpListenConfig
from connectors.webhook import WebhookConfig
from dashboards.catalogue.config import CatalogueConfig
from dashboards.sensitivity import DECIMALS as STATION_DECIMALS
from dashboards.sta.entities import ENTITIES
from deploy import defaults
from deploy.access import AccessSettings
from deploy.archive_settings import ArchiveSettings
from deploy.refusal import Refusal
from sensors.model import Datastream, Promise, Sensor
from streams.call_links import CallLinks
from streams.cap.config import CapConfig
from streams.definitions import PrivacyDefinition, StationDefinition, ThingDefinition, check_id
from streams.kafka.security import Security
from streams.network_definition import NetworkDefinition
from streams.regions import RegionTree
from streams.station_sources import MAIN, SourceDefinition, is_source, without_password

Days = Annotated[int, msgspec.Meta(ge=0, le=36_500)]
Text = Annotated[str, msgspec.Meta(min_length=1)]

_FOR_EVER = 10**6


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file; an unknown key is an error, not a surprise."""


class ServerSettings(AccessSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[server]`."""

    http: str = defaults.HTTP
    ntrip: str = defaults.NTRIP
    data: Text = defaults.DATA
    public_url: str = ""
    """Where people reach the page and the API, for links in webhooks; empty: at `http`."""
    station_decimals: Annotated[int, msgspec.Meta(ge=0, le=9)] = STATION_DECIMALS
    """Of degrees, in what those are told of stations' places who may not change them, by the API and in the
    sourcetable; 9: exactly."""


class KafkaSettings(Security, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[kafka]`: for the commands that work over a broker; `groundswell run` needs none."""

    servers: Text = defaults.KAFKA
    """host:port, several divided by commas."""
    prefix: str = ""
    """Before the name of each topic: another installation at the same broker has another one."""
    spool_gb: Annotated[float, msgspec.Meta(gt=0)] = 4.0
    """How much a gatherer keeps on disk while the brokers are away."""


class GatherSettings(_Section, frozen=True, kw_only=True):
    """`[gather]`."""

    name: str = ""
    """Where several processes gather: stations that are added by command say by it whose they are."""


class DatabaseSettings(_Section, frozen=True, kw_only=True):
    """`[database]`: of `groundswell store` and `serve`."""

    url: str = ""
    """postgresql://user@host:port/database; empty: SQLite in the data folder."""
    report_days: Days = 0
    """How long reports of each second are kept; 0: for ever, as with all of these."""
    sample_days: Days = 0
    """Samples of sensors."""
    figure_days: Days = 0
    """Figures of stations, one set a minute."""
    period_days: Days = 0
    """Hours of stations, from which reports of months are made."""
    minute_days: Days = 0
    """Sums by minute, of reports and samples."""
    hour_days: Days = 0
    """Sums by hour. Those by day are kept for ever."""
    alert_days: Days = 0
    """Alerts that are closed, and detections."""

    def __post_init__(self) -> None:
        finer = max(self.report_days or _FOR_EVER, self.sample_days or _FOR_EVER)
        for name, days in (("minute_days", self.minute_days), ("hour_days", self.hour_days)):
            if days and days < finer:
                raise ValueError(
                    f"{name} must be 0 (for ever) or no less than what it is summed up from: "
                    "report_days, sample_days, and for hour_days minute_days"
                )
            finer = days or _FOR_EVER


class CallSettings(_Section, frozen=True, kw_only=True):
    """`[calls]`: people who are called about alerts (docs/alerts.md)."""

    link_secret: str = ""
    """Signs the links by which they answer, at least 32 characters; empty: there are no links."""
    link_hours: Annotated[float, msgspec.Meta(gt=0, le=24 * 31)] = 24.0
    """That a link serves."""

    def links(self, base_url: str) -> CallLinks | None:
        """Return what makes and reads links; None: there are none."""
        return CallLinks(self.link_secret, base_url, self.link_hours) if self.link_secret else None

    def __post_init__(self) -> None:
        self.links("")


class RelaySettings(_Section, frozen=True, kw_only=True):
    """`[relay]`: from gatherers to `groundswell caster`."""

    secret: str = ""
    """Both sides know it."""
    listen: str = ""
    """HOST:PORT where a gatherer waits for casters; empty: nowhere."""
    follow: list[str] = msgspec.field(default_factory=list)
    """HOST:PORT of the gatherers that a caster follows."""
    certificate: str = ""
    """PEM file with the chain of a gatherer: casters connect over TLS."""
    key: str = ""
    """PEM file of its private key."""
    ca_file: str = ""
    """PEM file by which a caster knows the certificates; empty: without TLS."""


Select = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z]+(,[A-Za-z]+)*\Z", max_length=200)]
"""Values of observations, with commas between."""


class StaMqttSettings(BrokerConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[sta.mqtt]`: a broker whose subscribers are told of observations and changes."""

    qos: Literal[0, 1] = 0
    prefix: Annotated[str, msgspec.Meta(pattern=r"^[^+#\x00]{1,100}\Z")] = "v1.1"
    """Begins the topics."""
    select: Annotated[list[Select], msgspec.Meta(max_length=8)] = msgspec.field(default_factory=list)
    """Values of observations that have topics of their own (`?$select=`)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        known = {"id", *ENTITIES["Observations"].properties}
        for text in self.select:
            for name in text.split(","):
                if name not in known:
                    there = ", ".join(sorted(known))
                    raise ValueError(f"select: observations have no {name!r}; known: {there}")


class StaSettings(_Section, frozen=True, kw_only=True):
    """`[sta]`: SensorThings."""

    mqtt: StaMqttSettings | None = None
    """None: nobody is told anything over MQTT."""


class CasterSettings(_Section, frozen=True, kw_only=True):
    """`[caster]`."""

    users: dict[str, str] = msgspec.field(default_factory=dict)
    """Name to password; empty: open to all."""
    addresses: Literal["full", "network", "none"] = "network"
    """How much of rovers' addresses is kept with their sessions."""
    cut_off_hours: Annotated[float, msgspec.Meta(ge=0)] = 72.0
    """That rovers are let in by the accounts that were known last, while Kafka is away; by those of a region
    above, while nothing is heard of it. 0: for ever."""
    cut_off_sessions: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 0
    """Of an account of a region above, while nothing is heard of it; 0: as many as the account may have."""
    processes: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    """That share the port: one for each processor core that rovers may need. Of `groundswell caster`."""
    connections: Annotated[int, msgspec.Meta(ge=1)] = 10_000
    """That a process takes at most."""
    connections_per_address: Annotated[int, msgspec.Meta(ge=1)] = 500
    """Many rovers share the address of their mobile network."""
    proxies: list[str] = msgspec.field(default_factory=list)
    """Addresses or networks of balancers, whose connections begin with a PROXY header."""
    roaming: RoamingConfig = RoamingConfig()
    """Mountpoints that lead rovers from base to base."""
    position_decimals: Annotated[int, msgspec.Meta(ge=0, le=6)] | None = None
    """To which rovers' positions are told and kept, in degrees; without it nobody is told them."""
    session_days: Annotated[int, msgspec.Meta(ge=0, le=3660)] = 0
    """That sessions are kept after their end; 0: nothing is kept, unlike the days of `[database]`."""

    def __post_init__(self) -> None:
        networks(self.proxies)

    @property
    def privacy(self) -> PrivacyDefinition:
        """What is told and kept of rovers, until a command says otherwise."""
        return PrivacyDefinition(
            position_decimals=self.position_decimals, addresses=self.addresses, days=self.session_days
        )


Connection = NtripClientConfig | TcpConfig | PushConfig | TcpListenConfig


class StationSettings(StationDefinition, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[station]]`."""

    id: str

    @classmethod
    def of(cls, station_id: str, definition: StationDefinition) -> StationSettings:
        """Return what was changed by command as if it stood in the file."""
        return cls(id=station_id, **msgspec.structs.asdict(definition))

    def connection(self, source: SourceDefinition | None = None) -> Connection:
        """Return the connector's configuration for one of its sources; None: the first.

        Raises
        ------
        Refusal
            It is not understood.
        """
        sources = self.every_source()
        if source is None and not sources:
            raise Refusal(f"station {self.id} has no source; write one")
        one = sources[0] if source is None else source
        where = f"station {self.id}" if one.name == MAIN else f"station {self.id}, source {one.name}"
        try:
            if (config := self._parsed(one, where)) is not None:
                return config
        except ValueError as error:
            raise Refusal(f"{where}: {error}; correct its source") from error
        raise Refusal(
            f"{where}: source {without_password(one.source)!r} is not understood; "
            "write ntrip://user:password@host:port/MOUNTPOINT, tcp://host:port, push: or "
            "tcp-listen://0.0.0.0:port"
        )

    def _parsed(self, one: SourceDefinition, where: str) -> Connection | None:
        url = urlsplit(one.source)
        if url.scheme == "push" and is_source(one.source):
            return PushConfig(
                mountpoint=self.id,
                password=one.push_password,
                password_hash=one.push_password_hash,
                stall_s=one.stall_s,
                interval_s=self.interval_s,
            )
        if url.scheme == "tcp-listen" and url.hostname and url.port:
            return TcpListenConfig(
                host=url.hostname,
                port=url.port,
                allow=one.allow,
                stall_s=one.stall_s,
                interval_s=self.interval_s,
            )
        if url.scheme == "tcp" and url.hostname and url.port:
            return TcpConfig(host=url.hostname, port=url.port, stall_s=one.stall_s)
        mountpoint = unquote(url.path.lstrip("/"))
        if url.scheme not in {"ntrip", "ntrips"} or not url.hostname or not mountpoint:
            return None
        return NtripClientConfig(
            host=url.hostname,
            port=url.port or 2101,
            mountpoint=mountpoint,
            username=unquote(url.username or ""),
            password=unquote(url.password or ""),
            version=_version(str(one.version), where),
            tls=url.scheme == "ntrips",
            stall_s=one.stall_s,
        )


class DatastreamSettings(_Section, frozen=True, kw_only=True):
    """`[[thing.datastream]]`."""

    property: str
    id: str = ""
    name: str = ""
    unit: str = ""
    tests: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    detectors: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    promise: Promise | None = None
    description: str = ""
    properties: dict[str, Any] = msgspec.field(default_factory=dict)
    sensor: Sensor | None = None


class ThingSettings(ThingDefinition, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[thing]]`."""

    id: str
    datastream: list[DatastreamSettings] = msgspec.field(default_factory=list)

    def datastreams(self) -> list[Datastream]:
        """Return the registry's entries; the unit is filled in from the catalogue where not given."""
        return [
            Datastream(
                id=d.id or f"{self.id}.{d.property}",
                thing_id=self.id,
                property_id=d.property,
                name=d.name or f"{self.name or self.id} {d.property.replace('_', ' ')}",
                unit=d.unit,
                tests=d.tests,
                detectors=d.detectors,
                promise=d.promise,
                description=d.description,
                properties=d.properties,
                sensor=d.sensor,
            )
            for d in self.datastream
        ]


class NetworkSettings(NetworkDefinition, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[network]]`."""

    id: str


class Settings(_Section, frozen=True, kw_only=True):
    """The whole file."""

    server: ServerSettings = ServerSettings()
    caster: CasterSettings = CasterSettings()
    relay: RelaySettings = RelaySettings()
    calls: CallSettings = CallSettings()
    kafka: KafkaSettings = KafkaSettings()
    gather: GatherSettings = GatherSettings()
    database: DatabaseSettings = DatabaseSettings()
    archive: ArchiveSettings = ArchiveSettings()
    regions: RegionTree | None = None
    station: list[StationSettings] = msgspec.field(default_factory=list)
    thing: list[ThingSettings] = msgspec.field(default_factory=list)
    network: list[NetworkSettings] = msgspec.field(default_factory=list)
    mqtt: list[MqttConfig] = msgspec.field(default_factory=list)
    http_push: list[HttpPushConfig] = msgspec.field(default_factory=list)
    http_poll: list[HttpPollConfig] = msgspec.field(default_factory=list)
    webhook: list[WebhookConfig] = msgspec.field(default_factory=list)
    channels: dict[str, ChannelConfig] = msgspec.field(default_factory=dict)
    """`[channels.NAME]`: ways to reach one person."""
    cap: CapConfig = CapConfig()
    catalogue: CatalogueConfig = CatalogueConfig()
    sta: StaSettings = StaSettings()


def check_station_id(station_id: str) -> None:
    """Refuse an id that could not be a mountpoint and a file name."""
    try:
        check_id("station", station_id)
    except ValueError as error:
        raise Refusal(str(error)) from error


def address(text: str, option: str) -> tuple[str, int]:
    """Split HOST:PORT (IPv6 in brackets)."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 <= int(port) <= 65535:
        raise Refusal(f"{option}: {text!r} is not HOST:PORT; write for instance 127.0.0.1:8080")
    return host.strip("[]"), int(port)


def _version(text: str, where: str) -> Any:
    versions = {"1": 1, "2": 2, "auto": "auto"}
    if text not in versions:
        raise Refusal(f"{where}: NTRIP version {text!r} is not known; write 1, 2 or auto")
    return versions[text]
