"""Rows that go in many at a time are those that go in one by one."""

import sqlite3
from contextlib import closing
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.sqlite.bulk import SIZES, put_many

MOST = 2 * SIZES[-1]
ROWS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.text(max_size=3)), max_size=MOST)
QUERY = """INSERT INTO t (k, revision, word) VALUES (?, ?, ?)
ON CONFLICT (k) DO UPDATE SET revision = excluded.revision, word = excluded.word
WHERE excluded.revision >= t.revision"""


def stored(rows, put):
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, revision INTEGER, word TEXT)")
        put(connection, QUERY, rows)
        return connection.execute("SELECT * FROM t ORDER BY k").fetchall()


BOTH = pytest.mark.parametrize("may_repeat", [False, True])


@BOTH
@given(rows=ROWS)
def test_rows_of_one_key_count_in_their_order(rows, may_repeat):
    put = partial(put_many, may_repeat=may_repeat)
    assert stored(rows, put) == stored(rows, sqlite3.Connection.executemany)


@BOTH
@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 37, 255, 256, 257, 1000, 1537, MOST + 5])
def test_each_number_of_rows_is_put_whole(count, may_repeat):
    rows = [(k, 0, "a") for k in range(count)]
    assert stored(rows, partial(put_many, may_repeat=may_repeat)) == rows


def test_few_statements_are_made_of_any_number():
    class Counting:
        def __init__(self):
            self.statements = []

        def execute(self, statement, values):
            assert len(values) == statement.count("?") <= 32_766
            self.statements.append(statement)

    for columns in (3, 20):
        query = f"INSERT INTO t VALUES ({', '.join('?' * columns)}) ON CONFLICT DO NOTHING"
        kinds = set()
        for count in range(1, 3000, 7):
            connection = Counting()
            put_many(connection, query, [(1,) * columns] * count, may_repeat=True)
            assert len(connection.statements) <= 1 + count // 1536
            kinds |= set(connection.statements)
        assert len(kinds) <= len(SIZES)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 99)), max_size=300))
def test_a_value_may_be_looked_up(rows):
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE names (k INTEGER PRIMARY KEY, name TEXT)")
        connection.execute("INSERT INTO names VALUES (1, 'a'), (2, 'b')")
        connection.execute("CREATE TABLE t (k INTEGER, number INTEGER)")
        query = "INSERT INTO t (k, number) VALUES ((SELECT k FROM names WHERE name = ?), ?)"
        put_many(connection, query, rows)
        stored = connection.execute("SELECT k, number FROM t ORDER BY rowid").fetchall()
    assert stored == [(1 + "ab".index(name), number) for name, number in rows]
