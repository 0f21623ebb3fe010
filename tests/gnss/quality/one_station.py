"""One station of a `QualityTable`, with judgements as objects: easier to read in tests."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from gnss.epoch_columns import NO_TIME_US, EpochColumns
from gnss.observations import Observations
from gnss.quality.judgements import STATES, Judgements
from gnss.quality.score import Finding
from gnss.quality.table import QualityTable, SkySource
from gnss.quality.verdict import findings


@dataclass(frozen=True, slots=True)
class Judgement:
    time_us: int
    received_at_us: int | None
    state: str
    score: int | None
    findings: tuple[Finding, ...]
    epochs: int
    epochs_expected: int
    observations: int
    observations_expected: int | None
    satellites: int
    latency_s: float | None
    jitter_s: float | None
    cn0_dbhz: float | None
    slips: int
    multipath_m: float | None
    frames: int
    bad_frames: int
    row: Any

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Judgement) and self.row.tobytes() == other.row.tobytes()


def expected(value: Any) -> int | None:
    return None if value < 0 else int(value)


def known(value: Any) -> float | None:
    return None if math.isnan(value) else float(value)


def column_of(
    time_us: int, received_at_us: int | None, o: Observations, frames: int, bad: int
) -> EpochColumns:
    return EpochColumns(
        station=np.zeros(1, np.int32),
        time_us=np.array([time_us]),
        received_at_us=np.array([NO_TIME_US if received_at_us is None else received_at_us]),
        closed_by=np.zeros(1, np.uint8),
        first=np.zeros(1, np.int64),
        count=np.array([len(o)], np.int32),
        frames=np.array([frames], np.int32),
        bad_frames=np.array([bad], np.int32),
        begin=np.zeros(1, np.int64),
        observations=o,
    )


class StationQuality:
    def __init__(
        self, interval_s: float, table: QualityTable | None = None, sky: SkySource | None = None
    ) -> None:
        self.table = table or QualityTable()
        self.s = self.table.add(interval_s)
        self.sky = sky
        self.came = np.zeros(2, np.int64)

    def __getattr__(self, name: str) -> int:
        return int(self.table.memory.station[name][self.s])

    def begin(self, now_us: int) -> None:
        self.table.begin(self.s, now_us)

    def due_us(self) -> int | None:
        return self.table.due_us(self.s)

    def miss(self, frames: int = 0, bad_frames: int = 0) -> Judgement:
        self.came[0] += frames
        self.came[1] += bad_frames
        one = np.array([self.s])
        return self.objects(self.table.miss(one, self.came[:1], self.came[1:]))[0]

    def observe(
        self, time_us: int, received_at_us: int | None, o: Observations, frames: int = 0, bad_frames: int = 0
    ) -> list[Judgement]:
        self.came += (frames, bad_frames)
        columns = column_of(time_us, received_at_us, o, frames, bad_frames)
        columns.station[:] = self.s
        return self.objects(self.table.observe(columns, self.sky))

    def objects(self, rows: Judgements) -> list[Judgement]:
        jumps_ms = self.table.jumps_ms(np.full(len(rows), self.s, np.int32))
        told = findings(rows, self.table.thresholds, jumps_ms)
        return [
            Judgement(
                time_us=int(r["time_us"]),
                received_at_us=None if r["received_at_us"] == NO_TIME_US else int(r["received_at_us"]),
                state=STATES[r["state"]],
                score=None if r["score"] < 0 else int(r["score"]),
                findings=found,
                epochs=int(r["epochs"]),
                epochs_expected=int(r["epochs_expected"]),
                observations=int(r["observations"]),
                observations_expected=expected(r["observations_expected"]),
                satellites=int(r["satellites"]),
                latency_s=known(r["latency_s"]),
                jitter_s=known(r["jitter_s"]),
                cn0_dbhz=known(r["cn0_dbhz"]),
                slips=int(r["slips"]),
                multipath_m=known(r["multipath_m"]),
                frames=int(r["frames"]),
                bad_frames=int(r["bad_frames"]),
                row=r,
            )
            for r, found in zip(rows, told, strict=True)
        ]

    def snapshot(self) -> bytes:
        return self.table.snapshot(self.s)

    def restore(self, state: bytes) -> None:
        self.table.restore(self.s, state)
