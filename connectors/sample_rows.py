"""Rows of decoded messages, gathered to one batch."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

import numpy as np

from sensors.payloads import Place, Rows, Wave
from streams.records import SampleBatch
from streams.sample_extras import Places, Waves


@dataclass(slots=True)
class GatheredRows:
    """Messages stay in their order, and rows of each in theirs, which their mapping has put in order."""

    _names: list[str] = field(default_factory=list)
    _time_us: array[int] = field(default_factory=lambda: array("q"))
    _value: array[float] = field(default_factory=lambda: array("d"))
    _received_at_us: list[int] = field(default_factory=list)
    """Of each message."""
    _counts: list[int] = field(default_factory=list)
    _places: dict[int, Place] = field(default_factory=dict)
    _waves: dict[int, Wave] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._value)

    def add(self, rows: Rows, received_at_us: int) -> None:
        """Take the rows of a message."""
        if rows.places or rows.waves:
            begin = len(self._value)
            self._places.update((begin + row, place) for row, place in rows.places.items())
            self._waves.update((begin + row, wave) for row, wave in rows.waves.items())
        self._names += rows.datastream_ids
        self._time_us += rows.time_us
        self._value += rows.value
        self._received_at_us.append(received_at_us)
        self._counts.append(len(rows))

    def batch(self) -> SampleBatch:
        """Return all of them."""
        numbers = {name: number for number, name in enumerate(dict.fromkeys(self._names))}
        series = np.fromiter(map(numbers.__getitem__, self._names), np.int32, len(self._names))
        return SampleBatch(
            datastream_ids=list(numbers),
            series=series,
            time_us=np.array(self._time_us),
            value=np.array(self._value),
            received_at_us=np.repeat(np.array(self._received_at_us, np.int64), self._counts),
            places=_places(self._places) if self._places else None,
            waves=_waves(self._waves) if self._waves else None,
        )


def _places(of_rows: dict[int, Place]) -> Places:
    rows = sorted(of_rows)
    longitude, latitude, height_m = np.array([of_rows[row] for row in rows], np.float64).T.copy()
    return Places(rows=np.array(rows, np.int64), longitude=longitude, latitude=latitude, height_m=height_m)


def _waves(of_rows: dict[int, Wave]) -> Waves:
    rows = sorted(of_rows)
    waves = [of_rows[row] for row in rows]
    return Waves(
        rows=np.array(rows, np.int64),
        step_us=np.array([wave.step_us for wave in waves], np.float64),
        ends=np.cumsum([len(wave.values) for wave in waves], dtype=np.int64),
        value=np.concatenate([np.array(wave.values, np.float64) for wave in waves]),
    )
