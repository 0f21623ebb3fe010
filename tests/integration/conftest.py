"""Servers that all integration tests share."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.postgres import Server
from tests.servers import KafkaServer, kafka_server


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """Return one running broker. Leave it running, and put a prefix before each topic and group."""
    with kafka_server(tmp_path_factory.mktemp("kafka")) as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: Server) -> Iterator[str]:
    """Return an empty database with the schema."""
    url = postgres_server.database()
    yield url
    postgres_server.drop(url)


@pytest.fixture
def prefix() -> str:
    """Return a prefix that no other test has."""
    return f"test-{uuid.uuid4().hex[:8]}."
