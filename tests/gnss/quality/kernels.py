"""The memory of one station, for tests of single kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from gnss.observations import Observations
from gnss.quality import tracking
from gnss.quality.measure import new_scratch
from gnss.quality.memory import new_memory
from gnss.quality.table import NO_SKY

MAX_GAP_US = 10_000_000


class Tracking:
    """Gathers epochs as the station does; `cells[:n]` and `seen[:n_seen]` are the last one."""

    def __init__(self) -> None:
        self.memory = new_memory(1)
        self.scratch = new_scratch()
        self.cells, self.seen = self.scratch.cells, self.scratch.seen
        self.rows, self.satellites = self.memory.signals[0], self.memory.satellites[0]
        self.n = self.n_seen = self.no_room = 0
        self.t_us = 0

    def find(self, o: Observations, t_us: int) -> None:
        self.t_us = t_us
        self.n, self.n_seen, no_room = tracking.gather(
            self.memory, 0, o.system, o.satellite, o.signal, o.range_m, o.phase_m, o.flags, 0, len(o), t_us,
            MAX_GAP_US, self.cells, self.seen,
        )  # fmt: skip
        tracking.fill(
            self.cells, self.n, o.satellite, o.channel, o.range_m, o.phase_m, o.rate_m_s, o.cn0_dbhz,
            o.lock_ms, o.lock_indicator, o.half_cycle, o.flags, NO_SKY.channel, -1,
        )  # fmt: skip
        self.no_room += no_room

    def commit(self) -> None:
        tracking.commit(self.rows, self.cells, self.n, self.t_us, MAX_GAP_US)

    def column(self, name: str) -> Any:
        return np.array(self.cells[: self.n][name])
