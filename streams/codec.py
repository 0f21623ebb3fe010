"""Batches to bytes and back, versioned.

A message is one version byte and MessagePack. An unknown version is refused with `UnknownVersionError`,
so that the caller can park it; nothing is guessed.
"""

from __future__ import annotations

import struct
from typing import Any

import msgspec
import numpy as np

from streams.call_records import CallBatch
from streams.network_records import Decisions, NetworkBatch, Tellings
from streams.records import AlertTransitions, Batch, Changes, Commands, Detections, Record

VERSION = 1
_ARRAY = 1
_DTYPES = tuple(map(np.dtype, ("|u1", "<i4", "<i8", "<f8", "|i1", "<i2", "<f4")))
MOST_LEVELS = 100
"""Of what has no schema, for instance the evidence of a detection."""
_FREE: dict[type[Record], tuple[str, tuple[str, ...]]] = {
    Detections: ("detections", ("evidence",)),
    AlertTransitions: ("transitions", ("evidence",)),
    Commands: ("commands", ("arguments",)),
    Changes: ("changes", ("before", "after")),
    Tellings: ("tellings", ("evidence",)),
    Decisions: ("detections", ("evidence",)),
}
"""Batches with records that have that, and where."""
_CODES = {dtype: code for code, dtype in enumerate(_DTYPES)}


class CodecError(ValueError):
    """The bytes are not a batch. Trying again cannot help."""


class UnknownVersionError(CodecError):
    """The message was written by a newer program. Trying again helps after an upgrade."""


def _to_wire(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype in _CODES:
        head = struct.pack(f"<BB{value.ndim}I", _CODES[value.dtype], value.ndim, *value.shape)
        return msgspec.msgpack.Ext(_ARRAY, head + value.tobytes())
    raise TypeError(f"cannot encode {getattr(value, 'dtype', type(value).__name__)}")


def _from_ext(code: int, data: memoryview) -> Any:
    if code != _ARRAY or len(data) < 2:
        raise CodecError(f"unknown extension {code}")
    dtype, n_dims = data[0], data[1]
    if dtype >= len(_DTYPES) or len(data) < 2 + 4 * n_dims:
        raise CodecError("array header is damaged")
    shape = struct.unpack_from(f"<{n_dims}I", data, 2)
    body = np.frombuffer(data, _DTYPES[dtype], offset=2 + 4 * n_dims)
    try:
        return body if body.shape == shape else body.reshape(shape)
    except ValueError as error:
        raise CodecError("array body does not fit its shape") from error


def _array(expected: type, value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value
    raise CodecError(f"expected {expected}")


_encoder = msgspec.msgpack.Encoder(enc_hook=_to_wire)
_decoder = msgspec.msgpack.Decoder(Batch | CallBatch | NetworkBatch, ext_hook=_from_ext, dec_hook=_array)


def encode(batch: Record) -> bytes:
    """Return the message for a batch."""
    return bytes((VERSION,)) + _encoder.encode(batch)


def decode(message: bytes) -> Record:
    """Return the batch of a message.

    Raises
    ------
    UnknownVersionError
        Written by another version of the program.
    CodecError
        Damaged.
    """
    if not message:
        raise CodecError("the message is empty")
    if message[0] != VERSION:
        raise UnknownVersionError(f"message version {message[0]}, this program reads {VERSION}")
    try:
        batch: Record = _decoder.decode(memoryview(message)[1:])
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:  # as deep as somebody liked
        raise CodecError(f"damaged message: {error}") from error
    # What could just be decoded may be too deep for who encodes it again, from further down the stack.
    if (free := _FREE.get(type(batch))) is not None:
        rows, names = free
        for row in getattr(batch, rows):
            if any(_is_deep(getattr(row, name), MOST_LEVELS) for name in names):
                raise CodecError(f"damaged message: more than {MOST_LEVELS} levels of lists and tables")
    return batch


def _is_deep(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(isinstance(one, dict | list) and (levels <= 1 or _is_deep(one, levels - 1)) for one in inner)
