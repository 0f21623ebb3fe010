"""Periods of stations to bytes and back, exactly: what is kept of them.

One version byte, then MessagePack; an array is an extension of its dtype, its shape and its bytes, in the
order of little-endian machines.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar, get_type_hints

import msgspec
import numpy as np
from numpy.typing import NDArray

from gnss.quality.bands import BANDS
from gnss.quality.period import ELEVATION_BINS, StationPeriod
from gnss.quality.period_figures import elevation_figures, minute_figures
from gnss.quality.period_memory import MINUTE
from gnss.quality.sky_marks import MARK, sky_track
from gnss.systems import System

T = TypeVar("T")
VERSION = 1
_ARRAY = 1
_DTYPES = tuple(np.dtype(name) for name in ("|u1", "<i4", "<i8", "<f8"))


class PeriodError(ValueError):
    """The bytes are not a period, or one of a newer program."""


def pack_period(period: StationPeriod) -> bytes:
    """Return the bytes of a period."""
    return bytes((VERSION,)) + _encoder.encode(period)


def unpack_period(data: bytes) -> StationPeriod:
    """Return the period of bytes that `pack_period` made.

    Raises
    ------
    PeriodError
        They are damaged, or of a newer program.
    """
    return _decoded(_decoder, data)


def unpack_sums(data: bytes) -> StationPeriod:
    """Return a period without its minutes, its sky and its elevations, as `unpack_period` does."""
    sums = _decoded(_decoder_of_sums, data)
    values = {name: getattr(sums, name) for name in sums.__struct_fields__}
    return StationPeriod(**values, elevation=_NO_ELEVATION, minutes=_NO_MINUTES, sky=_NO_SKY)


def _decoded(decoder: msgspec.msgpack.Decoder[T], data: bytes) -> T:
    if data[:1] != bytes((VERSION,)):
        written = data[0] if data else "none"
        raise PeriodError(f"a period of version {written}, this program reads {VERSION}")
    try:
        return decoder.decode(memoryview(data)[1:])
    except (msgspec.MsgspecError, ValueError) as error:
        raise PeriodError(f"a damaged period: {error}") from error


def _to_wire(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        code = _DTYPES.index(value.dtype.newbyteorder("<"))
        head = bytes((code, value.ndim)) + b"".join(n.to_bytes(4, "little") for n in value.shape)
        return msgspec.msgpack.Ext(_ARRAY, head + np.ascontiguousarray(value, _DTYPES[code]).tobytes())
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a period cannot hold {type(value).__name__}")


def _from_wire(code: int, data: memoryview) -> NDArray[Any]:
    if code != _ARRAY or len(data) < 2 or data[0] >= len(_DTYPES) or len(data) < 2 + 4 * data[1]:
        raise PeriodError("the head of an array is damaged")
    shape = [int.from_bytes(data[2 + 4 * i : 6 + 4 * i], "little") for i in range(data[1])]
    dtype = _DTYPES[data[0]]
    body = data[2 + 4 * len(shape) :]
    if len(body) != math.prod(shape) * dtype.itemsize:
        raise PeriodError("an array does not fit its shape")
    return np.frombuffer(body, dtype).reshape(shape)


def _array(_expected: type, value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value
    raise PeriodError("a column is missing")


_encoder = msgspec.msgpack.Encoder(enc_hook=_to_wire)
_decoder = msgspec.msgpack.Decoder(StationPeriod, ext_hook=_from_wire, dec_hook=_array)
_LARGE = {"elevation", "minutes", "sky"}
_Sums = msgspec.defstruct(
    "_Sums", [(name, kind) for name, kind in get_type_hints(StationPeriod).items() if name not in _LARGE]
)
_decoder_of_sums = msgspec.msgpack.Decoder(_Sums, ext_hook=_from_wire, dec_hook=_array)
_NO_ELEVATION = elevation_figures(np.zeros((len(System), len(BANDS), ELEVATION_BINS, 4), np.float32))
_NO_MINUTES, _NO_SKY = minute_figures(np.zeros(0, MINUTE)), sky_track(np.zeros(0, MARK))
