"""Bit fields, most significant bit first, at any bit of a byte buffer: the kernels' smallest parts."""

from __future__ import annotations

from typing import Any, TypeAlias, TypeVar

import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from kernels.compiled import njit

Scalar = TypeVar("Scalar", bound=np.generic)
Integer: TypeAlias = int | np.integer[Any]
"""An integer inside a kernel."""

PADDING_BYTES = 8
"""A field is read with a load of 64 bits: so many bytes behind its first must be readable."""


def _load_be64(typing_context: Any, buffer: Any, offset: Any) -> Any:
    """Read 8 bytes at `offset` of a contiguous uint8 array as a big-endian uint64; no bounds check."""
    del typing_context

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        word = context.get_value_type(types.uint64)
        address = builder.bitcast(builder.gep(array.data, [arguments[1]], inbounds=True), word.as_pointer())
        loaded = builder.load(address)
        loaded.align = 1
        return builder.bswap(loaded)

    return types.uint64(buffer, offset), generate


def _popcount(typing_context: Any, value: Any) -> Any:
    """Count the bits of a uint64 that are 1."""
    del typing_context, value

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


def _leading_zeros(typing_context: Any, value: Any) -> Any:
    """Count the bits of a uint64 above its highest 1; 64 when it is zero."""
    del typing_context, value

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        return builder.ctlz(arguments[0], context.get_constant(types.boolean, False))

    return types.int64(types.uint64), generate


# numba's own types do not know that a kernel calls an intrinsic without its first argument
load_be64: Any = intrinsic(_load_be64)
popcount: Any = intrinsic(_popcount)
leading_zeros: Any = intrinsic(_leading_zeros)


@njit(cache=True, nogil=True, inline="always")
def copy_bytes(source: Any, begin: Any, size: Any, target: Any, at: Any) -> None:
    """Copy bytes of one buffer into another; the caller has looked that there is room.

    An assignment of slices would do the same, and costs seconds of compilation for its error messages.
    """
    for i in range(size):
        target[at + i] = source[begin + i]


@njit(cache=True, nogil=True, inline="always")
def unsigned_field(buffer: NDArray[np.uint8], bit: Integer, width: Integer) -> Integer:
    """Return the unsigned field of 1 to 57 bits that begins at bit `bit` of a uint8 array, as int64."""
    word = load_be64(buffer, bit >> 3) << np.uint64(bit & 7)
    return np.int64(word >> np.uint64(64 - width))


@njit(cache=True, nogil=True, inline="always")
def signed_field(buffer: NDArray[np.uint8], bit: Integer, width: Integer) -> Integer:
    """Return the two's-complement field of 1 to 57 bits that begins at bit `bit` of a uint8 array."""
    word = load_be64(buffer, bit >> 3) << np.uint64(bit & 7)
    return np.int64(word) >> np.int64(64 - width)


@njit(cache=True, nogil=True)
def put_field(buffer: NDArray[np.uint8], bit: Integer, width: Integer, value: Integer) -> Integer:
    """Write the lowest `width` bits of an integer into a zeroed uint8 array; return the bit behind them."""
    for i in range(width):
        if (value >> (width - 1 - i)) & 1:
            at = bit + i
            buffer[at >> 3] |= np.uint8(128 >> (at & 7))
    return bit + width


def frozen(values: NDArray[Any], dtype: type[Scalar]) -> NDArray[Scalar]:
    """Return a contiguous, read-only view (a copy where needed): a kernel then sees one array type only."""
    view = np.ascontiguousarray(values, dtype).view()
    view.flags.writeable = False
    return view
