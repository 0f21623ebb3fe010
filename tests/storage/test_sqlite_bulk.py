"""Rows that go in many at a time are those that go in one by one."""

import sqlite3
from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from storage.sqlite.bulk import SIZES, put_many

ROWS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.text(max_size=3)), max_size=2 * SIZES[0])
QUERY = """INSERT INTO t (k, revision, word) VALUES (?, ?, ?)
ON CONFLICT (k) DO UPDATE SET revision = excluded.revision, word = excluded.word
WHERE excluded.revision >= t.revision"""


def stored(rows, put):
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, revision INTEGER, word TEXT)")
        put(connection, QUERY, rows)
        return connection.execute("SELECT * FROM t ORDER BY k").fetchall()


@given(ROWS)
def test_rows_of_one_key_count_in_their_order(rows):
    assert stored(rows, put_many) == stored(rows, sqlite3.Connection.executemany)


def test_each_number_of_rows_is_put_whole():
    for count in (0, 1, 3, 4, 37, 255, 256, 257, 1000):
        rows = [(k, 0, "a") for k in range(count)]
        assert len(stored(rows, put_many)) == count


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 99)), max_size=SIZES[1]))
def test_a_value_may_be_looked_up(rows):
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE names (k INTEGER PRIMARY KEY, name TEXT)")
        connection.execute("INSERT INTO names VALUES (1, 'a'), (2, 'b')")
        connection.execute("CREATE TABLE t (k INTEGER, number INTEGER)")
        query = "INSERT INTO t (k, number) VALUES ((SELECT k FROM names WHERE name = ?), ?)"
        put_many(connection, query, rows)
        stored = connection.execute("SELECT k, number FROM t ORDER BY rowid").fetchall()
    assert stored == [(1 + "ab".index(name), number) for name, number in rows]
