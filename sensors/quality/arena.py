"""Numbers of many series, a stretch of one array each: as long as its tests need, and no longer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Arena:
    """An array in which stretches are taken and given back."""

    def __init__(self) -> None:
        self.data: NDArray[np.float64] = np.zeros(256)
        self._end = 0
        self._free: dict[int, list[int]] = {}
        """Begins of stretches that nobody has, by length."""

    def take(self, words: int) -> int:
        """Return the begin of a stretch of zeros."""
        if free := self._free.get(words):
            begin = free.pop()
            self.data[begin : begin + words] = 0.0
            return begin
        begin = self._end
        self._end += words
        if self._end > len(self.data):
            grown = np.zeros(max(self._end, 2 * len(self.data)))
            grown[:begin] = self.data[:begin]
            self.data = grown
        return begin

    def give(self, begin: int, words: int) -> None:
        """Take a stretch back."""
        if words:
            self._free.setdefault(words, []).append(begin)
