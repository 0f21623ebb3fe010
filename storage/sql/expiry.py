"""Rows that have been kept long enough go. What a rollup is still to be made of stays until it is made."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping

from storage.rows import StoredTimes
from storage.sql import sample_extras
from storage.sql.levels import DAY_US, KINDS, ROWS, SAMPLES, STATIONS, Kind, floor_to
from storage.sql.rolling import Rolling

ALERTS = "alerts"
_LEVELS: dict[str, tuple[Kind, int]] = {
    "station_epochs": (STATIONS, ROWS),
    "samples": (SAMPLES, ROWS),
    **{kind.table(level): (kind, level) for kind in KINDS for level in (0, 1, 2)},
}
_WITH_AN_ALERT = (
    "drop_call_receipts", "drop_call_alerts", "drop_calls", "drop_call_answers",
    "drop_alert_deliveries", "drop_alert_transitions", "drop_alert",
)  # fmt: skip
QUIET_US = DAY_US
"""So much later than the newest row it may be now; a clock that says more is not believed."""
TABLES = (*_LEVELS, "station_figures", "station_periods", ALERTS)
"""What can expire. With closed alerts go their transitions, deliveries and calls; detections of that time."""


class Expiring(Rolling):
    """The part of a store that lets old rows go."""

    @abstractmethod
    def _drop_rows(self, table: str, before_us: int) -> int:
        """Drop what is older; return about how many rows."""

    def drop_expired(self, now_us: int, retention_s: Mapping[str, int]) -> dict[str, int]:
        """Drop what is older than its table's retention, whole days; return about how many rows by table.

        What somebody reads at the moment may be left to the next call. A clock that is far ahead of what is
        stored drops no more than one that is right would; nothing goes while nothing new comes.

        Parameters
        ----------
        retention_s
            By table, of `TABLES`. Others are kept for ever.

        Raises
        ------
        ValueError
            No such table, or not a positive number.
        """
        for table, seconds in retention_s.items():
            if table not in TABLES:
                raise ValueError(f"{table!r} is no table whose rows expire: name one of {', '.join(TABLES)}")
            if seconds <= 0:
                raise ValueError(
                    f"the retention of {table} must be a positive number of seconds, not {seconds}"
                )
        dropped: Counter[str] = Counter()
        newest_us = self.stored_times().newest_us
        if newest_us is None:
            return {}
        now_us = min(now_us, newest_us + QUIET_US)
        for table, seconds in retention_s.items():
            cut_us = floor_to(min(now_us - seconds * 1_000_000, newest_us), DAY_US)
            if table == ALERTS:
                dropped.update(self._drop_alerts(cut_us))
                continue
            if table in _LEVELS:
                cut_us = self._raise_floor(*_LEVELS[table], cut_us)
            dropped[table] += self._drop_rows(table, cut_us)
            if table == "samples":
                for beside in sample_extras.TABLES:
                    self._drop_rows(beside, cut_us)
        return dict(dropped)

    def stored_times(self) -> StoredTimes:
        """Return the time of the newest row, and of the highest floor."""
        with self._reading() as connection:
            newest_us, floor_us = connection.execute(self._queries["stored_times"], {}).fetchone()
        return StoredTimes(newest_us, floor_us)

    def _raise_floor(self, kind: Kind, level: int, cut_us: int) -> int:
        """Note that nothing is there any more before a time; an earlier one when rollups are not made yet."""
        with self._keeping() as connection:
            asked = {"kind": kind.number, "level": level + 1}
            (oldest_us,) = connection.execute(self._queries["oldest_mark"], asked).fetchone()
            if oldest_us is not None:
                cut_us = min(cut_us, floor_to(oldest_us, DAY_US))
            asked = {"kind": kind.number, "level": level, "before_us": cut_us}
            connection.execute(self._queries["raise_floor"], asked)
        return cut_us

    def _drop_alerts(self, before_us: int) -> Counter[str]:
        dropped: Counter[str] = Counter()
        asked = {"before_us": before_us}
        more = True
        while more:
            with self._keeping() as connection:
                expired = connection.execute(self._queries["expired_alerts"], asked).fetchall()
                rows = [{"alert_id": alert_id} for (alert_id,) in expired]
                for name in _WITH_AN_ALERT:
                    connection.executemany(self._queries[name], rows)
                detections = connection.execute(self._queries["drop_detections"], asked).rowcount
            dropped[ALERTS] += len(rows)
            dropped["detections"] += detections
            more = bool(rows or detections)
        return dropped
