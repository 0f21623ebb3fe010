"""The ledger against the database: what must be there, what is there, and the difference."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psycopg
from numpy.typing import NDArray

from tests.chaos import ledger
from tests.chaos.sensors import datastream_id
from tests.chaos.stations import DISTINCT, station_id

Keys = NDArray[np.int64]
"""Shape (n, 2): number of the station or sensor, time in microseconds."""
SLICE_US = 120_000_000
EPOCH_ROWS = (
    "SELECT s.id, e.epoch_us, e.observations FROM station_epochs AS e JOIN stations AS s USING (station_key) "
    "WHERE e.epochs = 1 AND e.epoch_us BETWEEN %s AND %s"
)
SAMPLE_ROWS = (
    "SELECT d.id, s.time_us, s.value FROM samples AS s JOIN datastreams AS d USING (datastream_key) "
    "WHERE s.time_us BETWEEN %s AND %s"
)


@dataclass
class Balance:
    """Of a span of time."""

    expected: int = 0
    stored: int = 0
    not_taken: int = 0
    lost_epochs: list[tuple[str, int, int]] = field(default_factory=list)
    """Station, epoch, when it was sent."""
    lost_samples: list[tuple[str, int]] = field(default_factory=list)
    doubled: int = 0
    """Rows that nobody has sent, and epochs with more observations than were sent."""
    wrong: int = 0
    """Rows that are not what was sent."""
    examples: list[str] = field(default_factory=list)

    @property
    def lost(self) -> int:
        return len(self.lost_epochs) + len(self.lost_samples)

    def add(self, other: Balance) -> None:
        """Take in the balance of another span."""
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass
class Books:
    """Compares; `kills` and `window_us` say what a gatherer may have lost with its memory."""

    folder: Path
    url: str
    window_us: int
    kills: list[int] = field(default_factory=list)
    """When the gatherer was killed, microseconds of UTC."""

    def balance(self, since_us: int, until_us: int) -> Balance:
        """Return how the books stand for what was sent in a span of time (`until_us` not in it)."""
        result = Balance()
        with psycopg.connect(self.url, connect_timeout=5) as connection:
            for begin_us in range(
                since_us, until_us, SLICE_US
            ):  # an hour of 500 stations is too much at once
                part, end_us = Balance(), min(begin_us + SLICE_US, until_us)
                self._epochs(connection, begin_us, end_us, part)
                self._samples(connection, begin_us, end_us, part)
                result.add(part)
        return result

    def taken(self, epochs: NDArray[np.void]) -> NDArray[np.bool_]:
        """Return which epochs a living gatherer has got.

        Not taken are those that nobody listened to, those that its system had not confirmed when the
        connection ended, and those that it had read within the window before it was killed.
        """
        ends = ledger.read(self.folder, "connections")
        taken_bytes = dict(zip(ends["connection"].tolist(), ends["taken"].tolist(), strict=True))
        opened_us = dict(zip(ends["connection"].tolist(), ends["opened_us"].tolist(), strict=True))
        listened = epochs["connection"] >= 0
        limit = np.array([taken_bytes.get(c, 2**62) for c in epochs["connection"].tolist()], np.int64)
        begun = np.array([opened_us.get(c, 2**62) for c in epochs["connection"].tolist()], np.int64)
        found = listened & (epochs["end"] <= limit)
        for kill_us in self.kills:
            found &= ~((begun < kill_us) & (epochs["sent_us"] > kill_us - self.window_us))
        return found

    def _epochs(self, connection: psycopg.Connection, since_us: int, until_us: int, into: Balance) -> None:
        sent = ledger.read(self.folder, "epochs")
        sent = sent[(sent["sent_us"] >= since_us) & (sent["sent_us"] < until_us)]
        if not len(sent):
            return
        taken = self.taken(sent)
        first_us, last_us = int(sent["epoch_us"].min()), int(sent["epoch_us"].max())
        rows = connection.execute(EPOCH_ROWS, (first_us, last_us)).fetchall()
        numbers = {station_id(i): i for i in np.unique(sent["station"]).tolist()}
        rows = [row for row in rows if row[0] in numbers]
        stored = {(numbers[name], epoch_us): observations for name, epoch_us, observations in rows}
        keys = list(zip(sent["station"].tolist(), sent["epoch_us"].tolist(), strict=True))
        for i in np.flatnonzero(taken).tolist():
            if keys[i] not in stored:
                into.lost_epochs.append((station_id(keys[i][0]), keys[i][1], int(sent["sent_us"][i])))
        known = set(keys)
        edges = {first_us, last_us}
        strangers = [key for key in stored if key not in known and key[1] not in edges]
        into.expected += int(taken.sum())
        into.stored += sum(key in known for key in stored)
        into.not_taken += int((~taken).sum())
        into.doubled += len(strangers)
        into.examples += [f"an epoch that was never sent: {station_id(n)} {t}" for n, t in strangers[:3]]
        self._observations({key: stored[key] for key in keys if key in stored}, into)

    def _observations(self, stored: dict[tuple[int, int], int], into: Balance) -> None:
        """Hold the observations of an epoch against those of other stations that send the same."""
        groups: dict[tuple[int, int], list[int]] = {}
        for (number, epoch_us), observations in stored.items():
            groups.setdefault((number % DISTINCT, epoch_us), []).append(observations)
        usual = {key: int(np.bincount(counts).argmax()) for key, counts in groups.items()}
        for (number, epoch_us), observations in stored.items():
            right = usual[number % DISTINCT, epoch_us]
            if observations > right:
                into.doubled += 1
            elif observations < right:
                into.wrong += 1
            if observations != right and len(into.examples) < 5:
                into.examples.append(
                    f"{station_id(number)} {epoch_us}: {observations} observations, not {right}"
                )

    def _samples(self, connection: psycopg.Connection, since_us: int, until_us: int, into: Balance) -> None:
        sent = ledger.read(self.folder, "samples")
        sent = sent[(sent["confirmed_us"] >= since_us) & (sent["confirmed_us"] < until_us)]
        if not len(sent):
            return
        first_us, last_us = int(sent["time_us"].min()), int(sent["time_us"].max())
        names = {datastream_id(i): i for i in set(sent["sensor"].tolist())}
        rows = connection.execute(SAMPLE_ROWS, (first_us, last_us)).fetchall()
        stored = {(names[name], time_us): value for name, time_us, value in rows if name in names}
        expected = {
            (n, t): v
            for n, t, v in zip(
                sent["sensor"].tolist(), sent["time_us"].tolist(), sent["value"].tolist(), strict=True
            )
        }
        everything = ledger.read(self.folder, "samples")
        everything = everything[(everything["time_us"] >= first_us) & (everything["time_us"] <= last_us)]
        known = set(zip(everything["sensor"].tolist(), everything["time_us"].tolist(), strict=True))
        for key, value in expected.items():
            if key not in stored:
                into.lost_samples.append((datastream_id(key[0]), key[1]))
            elif stored[key] != value:
                into.wrong += 1
        # a device may have published one that the broker has not confirmed to it yet
        strangers = [key for key in stored if key not in known and key[1] < last_us - 60_000_000]
        into.expected += len(expected)
        into.stored += sum(key in expected for key in stored)
        into.doubled += len(strangers)
        into.examples += [f"a sample that was never sent: {datastream_id(n)} {t}" for n, t in strangers[:3]]


def rover_gap_s(folder: Path, since_us: int, until_us: int) -> float:
    """Return the longest time that one of the rovers heard nothing; infinite when one never did."""
    heard = ledger.read(folder, "rovers")
    gaps = [0.0]
    for number in np.unique(heard["rover"]).tolist():
        at_us = heard["at_us"][heard["rover"] == number]
        inside = at_us[(at_us >= since_us) & (at_us < until_us)]
        gaps.append(float(np.diff(np.concatenate([[since_us], inside, [until_us]])).max()) / 1e6)
    return round(max(gaps), 1) if len(heard) else float("inf")
