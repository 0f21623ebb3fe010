"""How SQLite has lists: as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from storage.sql.summing import Summing


class SqliteSums(Summing):
    """What questions about sums need of the database."""

    def _list(self, numbers: Sequence[int]) -> str:
        return msgspec.json.encode(numbers).decode()

    def _latencies(self, value: Any) -> NDArray[np.int64]:
        return np.array(msgspec.json.decode(value, type=list[int]), np.int64)
