"""`groundswell db`, on a database without tables."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from deploy.db_command import BEHIND, db
from deploy.refusal import Refusal
from storage.named_sql import load_migrations

KNOWN = list(load_migrations("postgres"))


def run(*words):
    return CliRunner().invoke(db, words)


@pytest.mark.integration
def test_a_database_is_looked_at_and_brought_up_to_date(postgres_server):
    url = postgres_server.empty()
    try:
        before = run("status", "--database", url)
        assert before.exit_code == BEHIND
        assert "no tables yet" in before.output
        assert f"{KNOWN[-1]:04d} to be run: groundswell db migrate" in before.output
        done = run("migrate", "--database", url)
        assert (done.exit_code, f"the database has version {KNOWN[-1]}" in done.output) == (0, True)
        assert "nothing to do" in run("migrate", "--database", url).output
        after = run("status", "--database", url)
        assert (after.exit_code, "as this program needs it" in after.output) == (0, True)
        postgres_server.sql("INSERT INTO schema_version VALUES (999)", url)
        newer = run("status", "--database", url)
        assert (newer.exit_code, "a newer program has run migration 0999" in newer.output) == (BEHIND, True)
        assert isinstance(run("migrate", "--database", url).exception, Refusal)
    finally:
        postgres_server.drop(url)


@pytest.mark.parametrize("verb", ["status", "migrate"])
@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/nothing", "what is this"])
def test_a_database_that_is_not_there_is_a_refusal(verb, url):
    result = run(verb, "--database", url)
    assert isinstance(result.exception, Refusal)
    assert str(result.exception).startswith("the database ")
