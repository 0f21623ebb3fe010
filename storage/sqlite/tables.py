"""The tables that large commits fill, and where their rows stand first (see `arrivals.py`), as SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass

_EVERY = re.compile(
    r"\{SELECT (?P<columns>[^{}]+?)\s+FROM EVERY (?P<table>\w+)(?:\s+WHERE (?P<where>[^{}]+))?\}"
)
_FIRST = re.compile(r"\{FIRST (?P<at>\w+) OF (?P<table>\w+) WHERE (?P<where>[^{}]+)\}")
_OF_THE_TIME = "last_us >= :start_us AND first_us < :end_us"


@dataclass(frozen=True, slots=True)
class Table:
    """One of them. Its key is whose row it is and when, so nothing else needs an index."""

    name: str
    arrived: str
    """Where rows stand first, below the number of their commit."""
    key: str
    """The column that tells whose a row is."""
    at: str
    others: tuple[str, ...]
    revision: str = ""
    """The column by which an older row does not replace a newer one; empty: the last one stays."""
    latest: str = ""
    """Where the newest row of each key stands as well; empty: nowhere, or not whole."""

    @property
    def columns(self) -> str:
        """Return the names of all columns, in the order of rows."""
        return ", ".join((self.key, self.at, *self.others))

    @property
    def put(self) -> str:
        """Return the statement that inserts or replaces a row."""
        return self._insert(self.name, "") + self._values(0) + self._replacing(self.name, "")

    @property
    def put_arrived(self) -> str:
        """Return the statement that inserts or replaces a row where it stands first, below a number."""
        return (
            self._insert(self.arrived, "number, ")
            + self._values(1)
            + self._replacing(self.arrived, "number, ")
        )

    @property
    def put_latest(self) -> str:
        """Return the statement that makes a row the newest of its key, unless a newer one is."""
        changes = ", ".join(f"{one} = excluded.{one}" for one in (self.at, *self.others))
        return (
            self._insert(self.latest, "")
            + self._values(0)
            + f" ON CONFLICT ({self.key}) DO UPDATE SET {changes}"
            + f" WHERE excluded.{self.at} >= {self.latest}.{self.at}"
        )

    @property
    def settle(self) -> str:
        """Return the statement that puts rows of commits up to `:last` into the table, of a span of keys."""
        return (
            self._insert(self.name, "")
            + f" SELECT {self.columns} FROM arrivals CROSS JOIN {self.arrived} USING (number)"
            + f" WHERE number <= :last AND {self.key} BETWEEN :low AND :high ORDER BY {self.key}, {self.at}"
            + self._replacing(self.name, "")
        )

    @property
    def leave(self) -> str:
        """Return the statement that drops those rows where they stood first."""
        return (
            f"DELETE FROM {self.arrived} WHERE number IN (SELECT number FROM arrivals WHERE number <= :last)"
            f" AND {self.key} BETWEEN :low AND :high"
        )

    @property
    def counts(self) -> str:
        """Return the question how many rows of each key stand first, of commits up to `:last`."""
        return (
            f"SELECT {self.key}, count(*) FROM arrivals CROSS JOIN {self.arrived} USING (number)"
            f" WHERE number <= :last GROUP BY {self.key} ORDER BY {self.key}"
        )

    @property
    def known(self) -> str:
        """Return the question which of `:rows`, a JSON list of keys and times, stand in the table."""
        return (
            f"SELECT j.key FROM json_each(:rows) AS j CROSS JOIN {self.name} AS t"
            f" ON t.{self.key} = json_extract(j.value, '$[0]')"
            f" AND t.{self.at} = json_extract(j.value, '$[1]')"
        )

    def _insert(self, table: str, first: str) -> str:
        return f"INSERT INTO {table} ({first}{self.columns})"

    def _values(self, more: int) -> str:
        return f" VALUES ({', '.join('?' * (2 + len(self.others) + more))})"

    def _replacing(self, table: str, first: str) -> str:
        changes = ", ".join(f"{one} = excluded.{one}" for one in self.others)
        unless = f" WHERE excluded.{self.revision} >= {table}.{self.revision}" if self.revision else ""
        return f" ON CONFLICT ({first}{self.key}, {self.at}) DO UPDATE SET {changes}{unless}"


EPOCHS = Table(
    "station_epochs",
    "arrived_epochs",
    "station_key",
    "epoch_us",
    (
        "received_at_us", "state", "score", "reason_codes", "reasons", "epochs", "epochs_expected",
        "observations", "observations_expected", "satellites", "latency_100us", "jitter_100us", "cn0_cdbhz",
        "slips", "multipath_100um", "frames", "bad_frames",
    ),
)  # fmt: skip
FIGURES = Table(
    "station_figures",
    "arrived_figures",
    "station_key",
    "time_us",
    (
        "horizon_expected", "horizon_have", "mask_expected", "mask_have", "expected_100ppm", "usable_100ppm",
        "usable_systems", "slips_a_million", "cn0_loss_cdb", "roti_100utecu_min", "clock_step_ms",
        "clock_step_at_us", "east_mm", "north_mm", "up_mm", "east_sd_mm", "north_sd_mm", "up_sd_mm",
    ),
    latest="station_figures_latest",
)  # fmt: skip
SAMPLES = Table(
    "samples",
    "arrived_samples",
    "datastream_key",
    "time_us",
    ("value", "received_at_us", "revision", "flag", "tests", "test_flags"),
    revision="revision",
)
TABLES = {table.name: table for table in (EPOCHS, FIGURES, SAMPLES)}


def with_arrivals(sql: str) -> str:
    """Return a query for rows in their tables and those that wait.

    `{SELECT columns FROM EVERY table WHERE condition}` in it is a relation of both; the condition stands on
    both sides, so that each looks its rows up whatever is made of them outside. `{FIRST time OF table WHERE
    condition}` is the question for the lowest time.
    """
    sql = _FIRST.sub(lambda found: _first(**found.groupdict()), sql)
    return _EVERY.sub(lambda found: " UNION ALL ".join(_sides(found)).join("()"), sql)


def without_arrivals(sql: str) -> str:
    """Return the same for a file in which all rows stand in their tables."""
    return _EVERY.sub(lambda found: _sides(found)[0].join("()"), sql)


def _sides(found: re.Match[str]) -> tuple[str, str]:
    """Return the questions for rows in a table and for those that wait."""
    table = TABLES[found["table"]]
    columns = table.columns if found["columns"] == "*" else found["columns"]
    where = f" WHERE {found['where']}" if found["where"] else ""
    # Commits that have nothing of the time are not looked into.
    of_the_time = (
        f" AND {_OF_THE_TIME}" if f"{table.at} >= :start_us AND {table.at} < :end_us" in where else ""
    )
    return (
        f"SELECT {columns} FROM {table.name}{where}",
        f"SELECT {columns} FROM arrivals CROSS JOIN {table.arrived} USING (number){where}{of_the_time}",
    )


def _first(at: str, table: str, where: str) -> str:
    in_table = f"SELECT min({at}) AS {at} FROM {table} WHERE {where}"
    return (
        f"SELECT min({at}) FROM ({in_table} UNION ALL SELECT min({at}) FROM arrivals "
        f"CROSS JOIN {TABLES[table].arrived} USING (number) "
        f"WHERE {where} AND first_us < coalesce(({in_table}), {2**62}))"
    )
