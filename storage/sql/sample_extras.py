"""Where samples were taken, and waveforms: to rows and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from storage.sql.packing import compressed, expanded
from streams.records import FlaggedSamples

_KINDS: Final[dict[bytes, np.dtype[Any]]] = {
    b"i": np.dtype("<i4"), b"f": np.dtype("<f4"), b"d": np.dtype("<f8"),
}  # fmt: skip
_FARTHEST = 1e6
"""Degrees, or metres: what lies further is kept by no index of places, and says nothing."""
TABLES = ("sample_places", "sample_waves")
"""Their rows go with the samples that they belong to."""

Row = dict[str, Any]


def place_rows(samples: FlaggedSamples, keys: Sequence[int]) -> list[Row]:
    """Return the rows of places that can be kept; `keys` are the numbers of the batch's datastreams."""
    places = samples.places
    if places is None:
        return []
    of = _keys_and_times(samples, places.rows, keys)
    columns = zip(
        of, places.longitude.tolist(), places.latitude.tolist(), places.height_m.tolist(), strict=True
    )
    return [
        {
            **row,
            "longitude": longitude,
            "latitude": latitude,
            "height_m": height_m if abs(height_m) <= _FARTHEST else None,
        }
        for row, longitude, latitude, height_m in columns
        if abs(longitude) <= _FARTHEST and abs(latitude) <= _FARTHEST
    ]


def wave_rows(samples: FlaggedSamples, keys: Sequence[int]) -> list[Row]:
    """Return the rows of waveforms; `keys` are the numbers of the batch's datastreams."""
    waves = samples.waves
    if waves is None:
        return []
    of = _keys_and_times(samples, waves.rows, keys)
    parts = np.split(waves.value, waves.ends[:-1])
    return [
        {**row, "step_us": step_us, "length": len(part), "packed": packed(part)}
        for row, step_us, part in zip(of, waves.step_us.tolist(), parts, strict=True)
    ]


def packed(values: NDArray[np.float64]) -> bytes:
    """Return values in the narrowest type that keeps them, compressed."""
    for kind, dtype in _KINDS.items():
        with np.errstate(invalid="ignore", over="ignore"):
            narrow = values.astype(dtype)
        if np.array_equal(narrow.astype(np.float64), values, equal_nan=True):
            return compressed(kind + narrow.tobytes())
    raise AssertionError("the last type keeps all")


def unpacked(frame: bytes, length: int) -> list[float | None]:
    """Return the values that `packed` was given; None: missing."""
    data = expanded(frame)
    values = np.frombuffer(data[1:], _KINDS[data[:1]]).astype(np.float64)
    if len(values) != length:
        raise ValueError(f"a waveform of {length} values has {len(values)}")
    return [None if np.isnan(value) else value for value in values.tolist()]


def put_extras(
    samples: FlaggedSamples,
    keys_of: Callable[[Sequence[str]], Sequence[int]],
) -> Iterator[tuple[str, list[Row]]]:
    """Yield the name of a query and rows for it; `keys_of` returns the numbers of datastreams."""
    if samples.places is None and samples.waves is None:
        return
    keys = keys_of(samples.datastream_ids)
    yield "put_sample_place", place_rows(samples, keys)
    yield "put_sample_wave", wave_rows(samples, keys)


def _keys_and_times(samples: FlaggedSamples, rows: NDArray[np.int64], keys: Sequence[int]) -> list[Row]:
    series, time_us = samples.series[rows].tolist(), samples.time_us[rows].tolist()
    return [{"key": keys[one], "time_us": at_us} for one, at_us in zip(series, time_us, strict=True)]
