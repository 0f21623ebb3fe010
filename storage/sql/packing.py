"""Records to rows and back: scaled integers, packed flags, MessagePack of what is not searched."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray

from streams.records import Reason, StationFigures, StationReport, StationStateName

STATES: tuple[StationStateName, ...] = ("good", "unknown", "degraded", "bad")
"""Their numbers in rows; a higher one is worse."""
TIME_SCALE = 10_000
"""Latency and jitter: 0.1 ms."""
CN0_SCALE = 100
"""0.01 dB-Hz."""
LENGTH_SCALE = 10_000
"""Multipath: 0.1 mm."""
SHARE_SCALE = 10_000
"""0.01 %."""
SLIPS_SCALE = 1_000
"""For each thousand observations: one in a million."""
ROTI_SCALE = 10_000
"""0.0001 TECU/min."""
OFFSET_SCALE = 1_000
"""Mean positions: 1 mm."""
_INTEGER_TESTS = 15
_LARGEST = 2**62

T = TypeVar("T")


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"cannot store {type(value).__name__}")


_encoder = msgspec.msgpack.Encoder(enc_hook=_plain)
_report_fields: Any = tuple(field.type for field in msgspec.structs.fields(StationReport))
_report_decoder = msgspec.msgpack.Decoder(tuple[_report_fields])
_kept_report = msgspec.defstruct(
    "_KeptReport",
    [
        (one.name, one.type) if one.required else (one.name, one.type, one.default)
        for one in msgspec.structs.fields(StationReport)
    ],
    array_like=True,
)
_kept_report_decoder = msgspec.msgpack.Decoder(_kept_report)
_FIRST_OF_ARRAYS = frozenset({*range(0x90, 0xA0), 0xDC, 0xDD})
"""First bytes of arrays in MessagePack."""


def pack(value: object) -> bytes:
    """Return MessagePack; numpy scalars and arrays become numbers and lists."""
    return _encoder.encode(value)


def unpack(data: bytes, kind: type[T]) -> T:
    """Return the value that `pack` was given."""
    return msgspec.msgpack.decode(data, type=kind)


def pack_report(report: StationReport) -> bytes:
    """Return MessagePack without the names of fields, a third of what `pack` makes of it."""
    return _encoder.encode(msgspec.structs.astuple(report))


def unpack_report(data: bytes) -> StationReport | None:
    """Return the report that `pack_report` was given; None: another version of the program packed it."""
    try:
        return StationReport(*_report_decoder.decode(data))
    except msgspec.DecodeError:
        return None


def unpack_kept_report(data: bytes) -> StationReport:
    """Return the report that `pack_report`, or `pack`, was given by this version or an older one.

    Fields that came behind the others since then have what they have by default.
    """
    if not _FIRST_OF_ARRAYS.intersection(data[:1]):
        return unpack(data, StationReport)
    return StationReport(**msgspec.structs.asdict(_kept_report_decoder.decode(data)))


def compressed(data: bytes) -> bytes:
    """Return data in a zstd frame."""
    return zstandard.ZstdCompressor(level=3).compress(data)


def expanded(frame: bytes) -> bytes:
    """Return what `compressed` was given."""
    return zstandard.ZstdDecompressor().decompress(frame)


def scaled(value: float | None, scale: int) -> int | None:
    """Return value times scale as an integer; what is not finite is missing."""
    if value is None:
        return None
    product = value * scale
    if -_LARGEST < product < _LARGEST:
        return round(product)
    if math.isfinite(value):
        return round(math.copysign(_LARGEST, value))
    return None


def unscaled(value: float | None, scale: int) -> float | None:
    """Return the value of a scaled integer."""
    return None if value is None else value / scale


def scaled_each(values: Sequence[float | None], scale: int) -> list[int | None]:
    """Return what `scaled` returns of each."""
    with np.errstate(over="ignore"):
        column = np.array(values, np.float64) * scale
    is_plain = np.abs(column) < _LARGEST
    found: list[int | None] = np.rint(np.where(is_plain, column, 0.0)).astype(np.int64).tolist()
    for i in np.flatnonzero(~is_plain).tolist():
        found[i] = scaled(values[i], scale)
    return found


def report_rows(
    reports: Sequence[StationReport], station_keys: Sequence[int], codes_keys: Sequence[int | None]
) -> list[tuple[object, ...]]:
    """Return the columns of `put_station_epoch` of each."""
    scaled_columns = (
        scaled_each([one.latency_s for one in reports], TIME_SCALE),
        scaled_each([one.jitter_s for one in reports], TIME_SCALE),
        scaled_each([one.cn0_dbhz for one in reports], CN0_SCALE),
        scaled_each([one.multipath_m for one in reports], LENGTH_SCALE),
    )
    columns = zip(reports, station_keys, codes_keys, *scaled_columns, strict=True)
    return [
        (
            station_key,
            one.epoch_us,
            one.received_at_us,
            STATES.index(one.state),
            one.score,
            codes_key,
            pack([(r.text, r.value, r.threshold, r.check) for r in one.reasons]) if one.reasons else None,
            one.epochs,
            one.epochs_expected,
            one.observations,
            one.observations_expected,
            one.satellites,
            latency,
            jitter,
            cn0,
            one.slips,
            multipath,
            one.frames,
            one.bad_frames,
        )
        for one, station_key, codes_key, latency, jitter, cn0, multipath in columns
    ]


def report_of_row(station_id: str, row: tuple[Any, ...]) -> StationReport:
    """Return the report of a row of the query `station_reports`."""
    codes = [] if row[4] is None else msgspec.json.decode(row[4], type=list[str])
    details = [] if row[5] is None else unpack(row[5], list[tuple[str, float | None, float | None, str]])
    return StationReport(
        station_id=station_id,
        epoch_us=row[0],
        received_at_us=row[1],
        state=STATES[row[2]],
        score=row[3],
        reasons=[
            Reason(code=code, text=text, value=value, threshold=threshold, check=check)
            for code, (text, value, threshold, check) in zip(codes, details, strict=True)
        ],
        epochs=row[6],
        epochs_expected=row[7],
        observations=row[8],
        observations_expected=row[9],
        satellites=row[10],
        latency_s=unscaled(row[11], TIME_SCALE),
        jitter_s=unscaled(row[12], TIME_SCALE),
        cn0_dbhz=unscaled(row[13], CN0_SCALE),
        slips=row[14],
        multipath_m=unscaled(row[15], LENGTH_SCALE),
        frames=row[16],
        bad_frames=row[17],
    )


def figures_row(figures: StationFigures, station_key: int) -> tuple[object, ...]:
    """Return the columns of `put_station_figures`."""
    offsets = (*(figures.offset_m or _NO_OFFSET), *(figures.offset_sd_m or _NO_OFFSET))
    return (
        station_key,
        figures.time_us,
        figures.horizon_expected,
        figures.horizon_have,
        figures.mask_expected,
        figures.mask_have,
        scaled(figures.expected_share, SHARE_SCALE),
        scaled(figures.usable_share, SHARE_SCALE),
        figures.usable_systems,
        scaled(figures.slips_a_thousand, SLIPS_SCALE),
        scaled(figures.cn0_loss_db, CN0_SCALE),
        scaled(figures.roti_tecu_min, ROTI_SCALE),
        scaled(figures.clock_step_ms, 1),
        figures.clock_step_at_us,
        *(scaled(metres, OFFSET_SCALE) for metres in offsets),
    )


def figures_of_row(station_id: str, row: tuple[Any, ...]) -> StationFigures:
    """Return the figures of a row of the query `station_figures`."""
    return StationFigures(
        station_id=station_id,
        time_us=row[0],
        horizon_expected=row[1],
        horizon_have=row[2],
        mask_expected=row[3],
        mask_have=row[4],
        expected_share=unscaled(row[5], SHARE_SCALE),
        usable_share=unscaled(row[6], SHARE_SCALE),
        usable_systems=row[7],
        slips_a_thousand=unscaled(row[8], SLIPS_SCALE),
        cn0_loss_db=unscaled(row[9], CN0_SCALE),
        roti_tecu_min=unscaled(row[10], ROTI_SCALE),
        clock_step_ms=unscaled(row[11], 1),
        clock_step_at_us=row[12],
        offset_m=_vector(row[13:16]),
        offset_sd_m=_vector(row[16:19]),
    )


_NO_OFFSET = (None, None, None)


def _vector(row: tuple[Any, ...]) -> tuple[float, float, float] | None:
    if None in row:
        return None
    east, north, up = (value / OFFSET_SCALE for value in row)
    return east, north, up


def packed_flags(flags: NDArray[np.uint8]) -> NDArray[np.int64] | NDArray[np.object_]:
    """Return a value a row: up to 15 tests 4 bits each, the first lowest, else one byte each; shape (n,)."""
    n_tests = flags.shape[1]
    if n_tests > _INTEGER_TESTS:
        rows = np.empty(len(flags), np.object_)
        rows[:] = [row.tobytes() for row in flags]
        return rows
    shifts = np.arange(0, 4 * n_tests, 4, dtype=np.int64)
    packed: NDArray[np.int64] = np.bitwise_or.reduce((flags & 0xF).astype(np.int64) << shifts, axis=1)
    return packed


def unpacked_flags(packed: int | bytes, tests: list[str]) -> dict[str, int]:
    """Return the flag of each test."""
    if isinstance(packed, bytes):
        return dict(zip(tests, packed, strict=True))
    return {test: packed >> 4 * i & 0xF for i, test in enumerate(tests)}
