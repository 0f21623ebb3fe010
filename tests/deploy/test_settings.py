"""What a person can get wrong in the configuration, and what the program says about it."""

from pathlib import Path

import pytest

from connectors.http_push import hash_of
from connectors.ntrip_client import NtripClientConfig
from connectors.tcp import TcpConfig
from deploy.refusal import Refusal
from deploy.settings import Settings, StationSettings, address, check_station_id, without_password
from deploy.settings_file import load
from sensors.payloads.commands import JsonCommand

STATION = """
[[station]]
id = "ALPH00CHN"
source = "ntrip://user:pass%40word@caster.example:2101/ALPH00CHN0"
"""
THING = """
[[thing]]
id = "harbour"
longitude = 121.9
latitude = 30.8
  [[thing.datastream]]
  property = "water_level"
"""
MQTT = """
[[mqtt]]
host = "broker.example"
  [[mqtt.mappings]]
  topic = "tide/+/level"
  datastream = "{1}.water_level"
  value = "height"
"""
WEBHOOK = """
[[webhook]]
id = "duty"
url = "https://alerts.example/hook"
secret = "whsec_Z3JvdW5kc3dlbGwtZGVtby1zZWNyZXQtMjAyNg=="
"""
PUSH = f"""
[[http_push]]
id = "gateway"
token_hash = "sha256:{"0" * 64}"
  [[http_push.mappings]]
  topic = "gateway"
  datastream = "a"
  value = "v"
"""
POLL = """
[[http_poll]]
id = "buoy"
url = "https://data.example/{now:%Y}"
  [http_poll.mapping]
  topic = "#"
  datastream = "a"
  value = "v"
"""
DEVICES = """
  [[mqtt.devices]]
  things = ["harbour"]
  topic = "down/{thing}"
  encoder = { format = "json" }
"""


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "groundswell.toml"
        path.write_text(text, encoding="utf-8")
        return load(path)

    return read


def test_a_whole_configuration(read):
    settings = read(STATION + THING + MQTT + WEBHOOK)
    assert settings.server.http == "127.0.0.1:8080"
    config = settings.station[0].connection()
    assert isinstance(config, NtripClientConfig)
    assert (config.host, config.port, config.mountpoint) == ("caster.example", 2101, "ALPH00CHN0")
    assert (config.username, config.password, config.version) == ("user", "pass@word", "auto")
    (datastream,) = settings.thing[0].datastreams()
    assert (datastream.id, datastream.name) == ("harbour.water_level", "harbour water level")


def test_every_way_in_and_down(read):
    settings = read(PUSH + POLL + MQTT + DEVICES)
    assert settings.http_push[0].mappings[0].topic == "gateway"
    assert settings.http_poll[0].mapping.topic == "#"
    assert settings.mqtt[0].devices[0].encoder == JsonCommand()


def test_what_the_description_of_the_intake_shows_is_taken(read):
    shown = Path("docs/intake.md").read_text().split("```toml\n")[1:]
    kinds = [read(one.partition("```")[0]) for one in shown]
    assert len(kinds) == 5
    assert sum(len(one.mqtt) + len(one.http_push) + len(one.http_poll) for one in kinds) == 5
    assert kinds[2].http_push[0].token_hash == hash_of("test")


def test_links_in_webhooks_begin_with_an_address_of_a_page(read):
    assert (
        read('[server]\npublic_url = "https://warn.example/a"').server.public_url == "https://warn.example/a"
    )
    for wrong in ("warn.example", "ftp://warn.example", "https://"):
        with pytest.raises(Refusal, match="write for instance https://"):
            read(f'[server]\npublic_url = "{wrong}"')


def test_an_empty_file_is_a_configuration(read):
    assert read("") == Settings()


def test_texts_come_from_the_environment(read, monkeypatch):
    monkeypatch.setenv("GAUGE_PASSWORD", "s3cret")
    monkeypatch.setenv("ALPH_SOURCE", "tcp://receiver.example:5015")
    settings = read(
        '[[station]]\nid = "A"\nsource = "env:ALPH_SOURCE"\n'
        + MQTT.replace("host =", 'password = "env:GAUGE_PASSWORD"\nhost =')
    )
    assert settings.mqtt[0].password == "s3cret"
    assert settings.station[0].connection() == TcpConfig(host="receiver.example", port=5015, stall_s=30.0)


@pytest.mark.parametrize("version", ["1", "2", '"1"', '"2"', '"auto"'])
def test_ntrip_versions_with_and_without_quotes(read, version):
    settings = read(f"{STATION}version = {version}\n")
    assert str(settings.station[0].connection().version) == version.strip('"')


STATION_OF = '[[station]]\nid = "A"\nsource = "%s"'
WRONG = {
    "an unknown key": (STATION + "colour = 1", "station number 1: there is no key colour here"),
    "a balancer without an address": (
        '[caster]\nproxies = ["balancer.example.org"]',
        "caster: 'balancer.example.org' does not appear to be an IPv4 or IPv6 network",
    ),
    "no process for rovers": ("[caster]\nprocesses = 0", "caster, processes"),
    "an unknown table": ("[storage]\nx = 1", "there is no key storage here"),
    "a missing key": ('[[station]]\nid = "A"', "station A has no source; write one"),
    "a wrong type": (
        STATION + 'longitude = "east"',
        "station number 1, longitude: Expected a number, got a text",
    ),
    "a nested wrong type": (
        THING + "  detectors = { sea_level = true }",
        "thing number 1, datastream number 1, detectors: Expected a table, got true or false",
    ),
    "no degrees": (STATION + "longitude = 10.0\nlatitude = 91.0", "station number 1, latitude"),
    "half a position": (STATION + "longitude = 10.0", "latitude is missing; give both or neither"),
    "no interval": (STATION + "interval_s = 0", "station number 1, interval_s"),
    "an unknown source": (
        '[[station]]\nid = "A"\nsource = "http://u:secret@h/M"',
        "write ntrip://user:password@",
    ),
    "a source with a port too high": (
        '[[station]]\nid = "A"\nsource = "tcp://h:99999"',
        "correct its source",
    ),
    "an unknown NTRIP version": (STATION + "version = 3", "write 1, 2 or auto"),
    "two stations of one id": (STATION * 2, "two entries of kind station have the id 'ALPH00CHN'"),
    "two things of one id": (THING * 2, "two entries of kind thing have the id 'harbour'"),
    "two datastreams of one id": (
        THING + '  [[thing.datastream]]\n  property = "water_level"',
        "two entries of kind datastream have the id 'harbour.water_level'",
    ),
    "two webhooks of one id": (WEBHOOK * 2, "two entries of kind webhook have the id 'duty'"),
    "two senders of one name": (PUSH * 2, "two entries of kind http_push have the id 'gateway'"),
    "a token as it is": (PUSH.replace("sha256:", ""), "http_push number 1: "),
    "an address that names no host": (POLL.replace("data.example", ""), "http_poll number 1: "),
    "an unknown format of commands": (
        MQTT + DEVICES.replace("json", "morse"),
        "mqtt number 1, devices number 1, encoder: there is no format 'morse' of commands, only",
    ),
    "a level that there is not": (MQTT + DEVICES + "  intervals_s = { green = 1 }", "'green' is no level"),
    "two sessions of one name": (MQTT * 2, "two entries of kind mqtt have the client_id"),
    "a slash in a station": (
        STATION.replace("ALPH00CHN", "ALPH/00", 1),
        "station id 'ALPH/00' does not serve",
    ),
    "a pushed station without a password": (
        STATION_OF % "push:",
        "station A: everybody could push it; give a push_password",
    ),
    "a pushed station with a path": (STATION_OF % "push://host/A", "is not understood"),
    "an open port without addresses": (
        STATION_OF % "tcp-listen://0.0.0.0:5000",
        "station A: everybody could send in its place; name its address in allow",
    ),
    "a port without a number": (STATION_OF % "tcp-listen://127.0.0.1", "is not understood"),
    "an address that is none": (
        STATION_OF % "tcp-listen://0.0.0.0:5000" + '\nallow = ["10.0.0.0/99"]',
        "allow has '10.0.0.0/99', which is no address",
    ),
    "two stations at one port": (
        STATION_OF % "tcp-listen://127.0.0.1:5000"
        + "\n"
        + (STATION_OF % "tcp-listen://127.0.0.1:5000").replace('"A"', '"B"'),
        "stations A and B are awaited at the same port; give each its own",
    ),
    "a slash in a thing": (THING.replace("harbour", "har/bour"), "thing id 'har/bour' does not serve"),
    "a space in a thing": (THING.replace("harbour", "har bour"), "thing id 'har bour' does not serve"),
    "a thing without a name": (THING.replace("harbour", ""), "thing id '' does not serve"),
    "a slash in a datastream": (THING + '  id = "a/b"', "datastream id 'a/b' does not serve"),
    "a mapping that says two things": (MQTT + '  values = { a = "b" }', "mqtt number 1, mappings number 1: "),
    "a topic filter that cannot be": (MQTT.replace("tide/+", "tide/#"), "mqtt number 1, mappings number 1: "),
    "an unknown format of time": (MQTT + '  time_format = "unix"', "time_format 'unix' is not known"),
    "certificates that are not there": (
        MQTT.replace("host =", 'tls = true\nca_file = "/nothing/here.pem"\nhost ='),
        "ca_file /nothing/here.pem cannot be read",
    ),
    "a secret that is none": (WEBHOOK.replace("whsec_", ""), "webhook number 1: "),
    "a URL that is none": (WEBHOOK.replace("https:", "ftp:"), "webhook number 1: "),
    "a variable that is not set": (
        WEBHOOK.replace('"duty"', '"env:GROUNDSWELL_NOT_SET"'),
        "is not set; set it",
    ),
    "no TOML": ("[[station]\n", "correct that line of the TOML file"),
    "no data folder": ('[server]\ndata = ""', "server, data: "),
}


@pytest.mark.parametrize(("text", "words"), WRONG.values(), ids=list(WRONG))
def test_what_is_wrong_is_said_in_one_line_that_names_the_file(read, text, words):
    with pytest.raises(Refusal) as refusal:
        read(text)
    message = str(refusal.value)
    assert words in message
    assert "groundswell.toml: " in message
    assert "\n" not in message
    assert "secret@" not in message
    assert ";" in message, "what to do is missing"


def test_a_file_that_cannot_be_read(tmp_path):
    (tmp_path / "latin.toml").write_bytes(b"# \xe9\xff\n")
    for name in ("latin.toml", "nothing.toml", ""):
        with pytest.raises(Refusal, match="name a readable TOML file"):
            load(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:2101", ("::1", 2101)),
    ],
)
def test_addresses(text, parts):
    assert address(text, "--http") == parts


@pytest.mark.parametrize(
    "text", ["8080", ":8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", "a:b", "a:-1"]
)
def test_no_addresses(text):
    with pytest.raises(Refusal, match=r"--http: .* is not HOST:PORT"):
        address(text, "--http")


@pytest.mark.parametrize("station_id", ["", "a/b", "..", ".", "a b", "A" * 33, "ä"])
def test_ids_that_would_be_no_mountpoint_or_folder(station_id):
    with pytest.raises(Refusal, match="does not serve"):
        check_station_id(station_id)


def test_tls_and_the_standard_port():
    config = StationSettings(id="A", source="ntrips://caster.example/M").connection()
    assert (config.tls, config.port, config.mountpoint) == (True, 2101, "M")


@pytest.mark.parametrize("user", ["user", "user@mail.example", ""])
@pytest.mark.parametrize("password", ["pass", "p@ss", "@", "p/ss", "p:ss@/", "a//b:c@d", "p\nss", ""])
def test_passwords_are_not_shown(user, password):
    shown = f"ntrip://{user}:***@h:1/M"
    assert without_password(f"ntrip://{user}:{password}@h:1/M") == shown
    assert without_password(shown) == shown


@pytest.mark.parametrize("source", ["tcp://h:2101", "ntrip://h:2101/M", "ntrip://user@h:1/M", "", "x"])
def test_a_source_without_a_password_is_shown_as_it_is(source):
    assert without_password(source) == source


@pytest.mark.parametrize("name", ["a\\tb", "x" * 201, "a\\u0085b"])
def test_a_station_has_a_name_that_a_sourcetable_can_hold(read, name):
    with pytest.raises(Refusal, match=r"station ALPH00CHN: name .* write at most 200 characters in one line"):
        read(f'{STATION}name = "{name}"')
    assert read(STATION + 'name = "武汉\u3000基准站"').station[0].name == "武汉\u3000基准站"


def test_what_a_station_must_tell_of_itself_is_its_registration(read):
    text = STATION + 'longitude = 121.2\nlatitude = 31.1\nheight_m = 22.5\nantenna = "LEIAR25.R4 LEIT"\n'
    station = read(text + 'receiver = "SEPT POLARX5"').station[0].station("S1")
    assert (station.height_m, station.antenna, station.receiver) == (22.5, "LEIAR25.R4 LEIT", "SEPT POLARX5")
    bare = read(STATION).station[0].station("S1")
    assert (bare.height_m, bare.antenna, bare.receiver) == (None, None, None)
