"""One epoch to many sockets, without Python between the system calls.

A call of `send` costs the kernel some microseconds, a protocol object in Python as much again. What a socket
does not take at once is for its transport to send; so is an error, which it will find and tell.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

import numba
import numpy as np
from numpy.typing import NDArray

from connectors.gathering.libc import send

_FLAGS = socket.MSG_DONTWAIT | getattr(socket, "MSG_NOSIGNAL", 0)  # Python ignores SIGPIPE anyway

FEW = 32
"""For fewer sockets it does not pay to let other threads run meanwhile, and to wait for one of them."""


def _send_all(sockets: NDArray[np.int32], data: NDArray[np.uint8], short: NDArray[np.int64]) -> int:
    """Fill `short`, shape (n, 2), as `send_all` says; return how much of it."""
    count, size, address = 0, data.size, data.ctypes.data
    for i in range(sockets.size):
        taken = send(sockets[i], address, size, _FLAGS)
        if taken != size:
            short[count, 0] = i
            short[count, 1] = max(taken, 0)
            count += 1
    return count


_Kernel = Callable[[NDArray[np.int32], NDArray[np.uint8], NDArray[np.int64]], int]
_to_few: _Kernel = numba.njit(cache=True)(_send_all)
_to_many: _Kernel = numba.njit(cache=True, nogil=True)(_send_all)


def send_all(sockets: NDArray[np.int32], frames: bytes) -> NDArray[np.int64]:
    """Send whole frames, at least a byte, to each of some non-blocking sockets.

    Returns
    -------
    NDArray[np.int64]
        Shape (m, 2): the position in `sockets`, rising, and the number of bytes taken, of those that did not
        take all.
    """
    short = np.empty((sockets.size, 2), np.int64)
    kernel = _to_few if sockets.size < FEW else _to_many
    return short[: kernel(sockets, np.frombuffer(frames, np.uint8), short)]


def prepare() -> None:
    """Compile, or load what was compiled: a second that no stream should wait."""
    for n in (0, FEW):
        send_all(np.full(n, -1, np.int32), b"\0")
