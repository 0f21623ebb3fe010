"""The configuration file: TOML in, checked settings out. The only file that reads the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from connectors import channels
from connectors.mqtt_config import MqttConfig
from deploy.cap_areas import cap_areas
from deploy.kafka_security import check_security
from deploy.refusal import Refusal
from deploy.settings import Settings, StationSettings, check_station_id
from sensors import payloads
from sensors.payloads.commands import Encoder, configured_encoder
from streams.definitions import check_name, check_push

_ID = re.compile(r"[\w.:-]{1,100}")
_CHANNEL = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_WORDS = (
    (re.compile(r"Object contains unknown field `(.*)`"), r"there is no key \1 here"),
    (re.compile(r"Object missing required field `(.*)`"), r"the key \1 is missing"),
    (re.compile(r"Invalid enum value (.*)"), r"\1 is none of the values that can stand here"),
    (re.compile(r"`float( \| null)?`"), "a number"),
    (re.compile(r"`int( \| null)?`"), "a whole number"),
    (re.compile(r"`str( \| null)?`"), "a text"),
    (re.compile(r"`bool`"), "true or false"),
    (re.compile(r"`array`"), "a list"),
    (re.compile(r"`object`"), "a table"),
)


def load(path: Path) -> Settings:
    """Read a configuration file. `env:NAME` as a text stands for an environment variable.

    Raises
    ------
    Refusal
        With the place in the file, what is wrong there and what to do.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = (
            (error.strerror or str(error)).lower() if isinstance(error, OSError) else "it is not UTF-8 text"
        )
        raise Refusal(
            f"cannot read the configuration {path} ({reason}); name a readable TOML file"
        ) from error
    try:
        raw = _with_environment(msgspec.toml.decode(text))
        settings = msgspec.convert(raw, Settings, dec_hook=_configured)
        _check(settings)
    except Refusal as refusal:
        raise Refusal(f"{path}: {refusal}") from refusal
    except msgspec.ValidationError as error:
        raise Refusal(f"{path}: {_in_words(str(error))}") from error
    except msgspec.DecodeError as error:
        raise Refusal(f"{path}: {error}; correct that line of the TOML file") from error
    return settings


def _with_environment(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_environment(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_environment(item) for item in value]
    if isinstance(value, str) and value.startswith("env:"):
        name = value.removeprefix("env:")
        if name not in os.environ:
            raise Refusal(f"the environment variable {name} is not set; set it or write the value")
        return os.environ[name]
    return value


def _configured(kind: type, entry: Any) -> Any:
    """Return what stands behind a name of its own kind; a `dec_hook` of msgspec."""
    if kind is channels.ChannelConfig:
        return channels.configured(entry)
    return configured_encoder(entry) if kind is Encoder else payloads.configured(kind, entry)


def _in_words(error: str) -> str:
    message, _, place = error.partition(" - at `$")
    for pattern, words in _WORDS:
        message = pattern.sub(words, message)
    steps = [_step(step) for step in place.rstrip("`").replace("[...]", "").split(".") if step]
    return f"{', '.join(steps)}{': ' if steps else ''}{message}; correct that entry"


def _step(step: str) -> str:
    name, _, number = step.rstrip("]").partition("[")
    return f"{name} number {int(number) + 1}" if number.isdigit() else name


def _check(settings: Settings) -> None:
    public = urlsplit(settings.server.public_url)
    if settings.server.public_url and (public.scheme not in {"http", "https"} or not public.hostname):
        raise Refusal(
            f"server: public_url {settings.server.public_url!r} is no address of a page; "
            "write for instance https://warnings.example.org"
        )
    things = settings.thing
    datastreams = [d.id for t in things for d in t.datastreams()]
    for kind, ids in (
        ("thing", [t.id for t in things]),
        ("datastream", datastreams),
        ("webhook", [w.id for w in settings.webhook]),
    ):
        _each_its_own(kind, ids)
        for name in ids:
            if not _ID.fullmatch(name):
                raise Refusal(
                    f"{kind} id {name!r} does not serve; use at most 100 letters, digits, _ . : and -"
                )
    for name in settings.channels:
        if not _CHANNEL.fullmatch(name):
            raise Refusal(
                f"channel name {name!r} does not serve; use at most 40 small letters, digits, _ and -"
            )
    cap_areas(settings.cap)
    _each_its_own("station", [s.id for s in settings.station])
    _each_its_own("http_push", [p.id for p in settings.http_push])
    _each_its_own("http_poll", [p.id for p in settings.http_poll])
    _each_its_own("mqtt", [m.session for m in settings.mqtt])
    for station in settings.station:
        _check_station(station)
    _each_its_own_port(settings.station)
    for broker in settings.mqtt:
        _check_certificates(broker)
    check_security(settings.kafka, settings.kafka.servers, "[kafka]")
    if settings.regions is not None:
        try:
            settings.regions.check()
        except ValueError as error:
            raise Refusal(f"regions: {error}") from error
        for node in settings.regions.node:
            check_security(node.security, node.kafka, f"region {node.name}")


def _each_its_own(kind: str, ids: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in ids:
        if name in seen:
            what = "client_id" if kind == "mqtt" else "id"
            raise Refusal(f"two entries of kind {kind} have the {what} {name!r}; give each its own")
        seen.add(name)


def _each_its_own_port(stations: Iterable[StationSettings]) -> None:
    by_source: dict[str, str] = {}
    for station in stations:
        for one in station.every_source():
            if not one.source.startswith("tcp-listen:"):
                continue
            port = station.connection(one).source
            if port in by_source:
                raise Refusal(
                    f"stations {by_source[port]} and {station.id} are awaited at the same port; "
                    "give each its own"
                )
            by_source[port] = station.id


def _check_station(station: StationSettings) -> None:
    check_station_id(station.id)
    station.connection()
    for source in station.every_source():
        station.connection(source)
    try:
        station.check()
        check_name(station.name)
        check_push(station)
    except ValueError as error:
        raise Refusal(f"station {station.id}: {error}") from error


def _check_certificates(broker: MqttConfig) -> None:
    try:
        broker.tls_context()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        named = [("ca_file", broker.ca_file), ("cert_file", broker.cert_file), ("key_file", broker.key_file)]
        files = " or ".join(f"{name} {path}" for name, path in named if path)
        raise Refusal(
            f"mqtt {broker.host}: the certificates of {files} cannot be read ({reason}); "
            "name readable PEM files that belong together"
        ) from error
