"""What a configuration says about getting into a Kafka, and what is refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from deploy.kafka_access import kafka_access
from deploy.refusal import Refusal
from deploy.settings import KafkaSettings, Settings
from deploy.settings_file import load
from streams.kafka.access import Access
from streams.kafka.security import Security
from tests.certificates import certificate

SECRET = "quite secret"
USER = 'user = "u"\npassword = "p"'
REGIONS = """
[regions]
here = "zhejiang"

[[regions.node]]
name = "china"
level = "ministry"
kafka = "kafka.example.org:9093"
security = {{ {security} }}

[[regions.node]]
name = "zhejiang"
level = "province"
parent = "china"
"""


def loaded(folder: Path, text: str) -> Settings:
    path = folder / "groundswell.toml"
    path.write_text(text)
    return load(path)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (f'servers = "kafka:9092"\n{USER}', r"\[kafka\]: the password would go to kafka without TLS"),
        (f'servers = "127.0.0.1:9,10.0.0.1:9"\n{USER}', "would go to 10.0.0.1 without TLS"),
        ('user = "u"', "one of user and password is missing"),
        ('password = "p"', "one of user and password is missing"),
        ('key = "a.key"', "key has no certificate"),
        (f'{USER}\nmechanism = "GSSAPI"', "kafka, mechanism: 'GSSAPI' is none of the values"),
        ('pasword = "p"', "kafka: there is no key pasword here"),
        ("tls = 1", "kafka, tls: Expected true or false"),
        ('user = "u"\npassword = "env:NO_SUCH_SECRET"', "the environment variable NO_SUCH_SECRET is not set"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(tmp_path, lines, words):
    with pytest.raises(Refusal, match=words):
        loaded(tmp_path, f"[kafka]\n{lines}")


@pytest.mark.parametrize(
    ("lines", "protocol"),
    [
        ('user = "u"\npassword = "p"', "SASL_PLAINTEXT"),  # to this machine
        ('servers = "[::1]:9092"\nuser = "u"\npassword = "p"', "SASL_PLAINTEXT"),
        ('servers = "kafka:9093"\ntls = true\nuser = "u"\npassword = "p"', "SASL_SSL"),
        ('servers = "kafka:9093"\ntls = true', "SSL"),
        ('servers = "kafka:9092"', "PLAINTEXT"),
    ],
)
def test_what_clients_are_told(tmp_path, lines, protocol):
    kafka = loaded(tmp_path, f"[kafka]\n{lines}").kafka
    options = kafka_access(kafka, kafka.servers).options
    assert options["security_protocol"] == protocol
    assert options["bootstrap_servers"] == kafka.servers
    assert options.get("sasl_mechanism") == ("SCRAM-SHA-512" if "SASL" in protocol else None)
    assert (options["ssl_context"] is not None) == ("SSL" in protocol)


def test_a_parents_password_does_not_go_over_the_line_in_the_clear(tmp_path):
    with pytest.raises(Refusal, match=r"region china: the password would go to kafka\.example\.org without"):
        loaded(tmp_path, REGIONS.format(security='user = "u", password = "p"'))
    regions = loaded(tmp_path, REGIONS.format(security='tls = true, user = "u", password = "p"')).regions
    assert regions is not None
    assert regions.parent is not None
    assert regions.parent.security == Security(tls=True, user="u", password="p")


def test_a_password_is_shown_nowhere():
    settings = Settings(kafka=KafkaSettings(tls=True, user="u", password=SECRET))
    access = kafka_access(settings.kafka, settings.kafka.servers)
    for shown in (settings, settings.kafka, access, Security(user="u", password=SECRET)):
        assert SECRET not in f"{shown} {shown!r}"
    assert access.password == SECRET


def test_files_that_cannot_be_used_are_named(tmp_path):
    chain = certificate(tmp_path, "client")
    key, locked = chain.with_suffix(".key"), tmp_path / "locked.key"
    other = certificate(tmp_path, "other").with_suffix(".key")
    subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-in", key, "-out", locked, "-passout", "pass:word"], check=True
    )
    (tmp_path / "empty").write_text("")
    for security, words in (
        (
            Security(ca=str(tmp_path / "none")),
            r"\[kafka\]: the certificates of ca .*none cannot be read",
        ),
        (Security(ca=str(tmp_path / "empty")), "the certificates of ca .*empty cannot be read"),
        (Security(certificate=str(tmp_path / "none")), r"certificate and key cannot be used \(no such file"),
        (Security(certificate=str(chain)), "certificate and key cannot be used"),
        (
            Security(certificate=str(chain), key=str(other)),
            r"cannot be used \(.*mismatch",
        ),
        (
            Security(certificate=str(chain), key=str(locked)),
            r"\(the key has a passphrase\); name",
        ),
    ):
        with pytest.raises(Refusal, match=words):
            kafka_access(security, "kafka:9093")
    assert kafka_access(Security(certificate=str(chain), key=str(key)), "kafka:9093").tls is not None


@pytest.mark.parametrize("servers", ["kafka:", "kafka:x", ":9092", ""])
async def test_servers_that_are_none_are_told(servers):
    assert "; " in await Access(servers, where="region china").trouble()
