"""The development server's script, and a store whose server goes away and comes back."""

from __future__ import annotations

import subprocess
import threading
from contextlib import closing
from pathlib import Path

import pytest

from storage.postgres import PostgresStore
from storage.postgres.errors import DatabaseAwayError
from tests.postgres import SCRIPT, postgres

pytestmark = pytest.mark.integration


def exit_code(server, verb):
    return subprocess.run([SCRIPT, verb], env=server.environment, capture_output=True, check=False).returncode


def test_a_server_that_stops_and_starts_again(make):
    with postgres() as server:
        assert exit_code(server, "status") == 0
        with closing(PostgresStore(server.url, migrate=True)) as store:
            store._readers.timeout = 0.3
            store.commit([make.samples("d", [1], [1.0])], None, now_us=1)
            server.do("stop")
            assert exit_code(server, "status") == 3
            for _ in range(2):
                with pytest.raises(DatabaseAwayError, match="does not answer"):
                    store.commit([make.samples("d", [2], [2.0])], None, now_us=1)
            with pytest.raises(DatabaseAwayError, match="does not answer"):
                store.observations("d", 0, 10)
            starts = [threading.Thread(target=server.do, args=("start",)) for _ in range(2)]
            for one in starts:
                one.start()
            for one in starts:
                one.join()
            store._readers.timeout = 20.0
            store.commit([make.samples("d", [2], [2.0])], None, now_us=1)
            assert [o.value for o in store.observations("d", 0, 10).items] == [1.0, 2.0]
        server.do("wipe")
        assert exit_code(server, "status") == 3
        kept = Path(server.environment["GROUNDSWELL_DEV"]) / "postgres"
        assert {path.name for path in kept.iterdir()} == {"lock"}
    assert subprocess.run([SCRIPT, "dance"], capture_output=True, check=False).returncode == 2
