"""Calls of the C library inside kernels; by name, so that what numba compiled can be kept on disk."""

from __future__ import annotations

import platform
from typing import Any

import numba
from numba import types

EPOLL_EVENT_BYTES = 12 if platform.machine() in {"x86_64", "AMD64", "i686"} else 16
"""Four bytes of flags, then eight of data at the end: packed on x86, see epoll_wait(2)."""

carray: Any = numba.carray  # type: ignore[attr-defined]  # it is one of its public names
recv: Any = types.ExternalFunction("recv", types.int64(types.int32, types.uintp, types.uintp, types.int32))
"""(socket, address, bytes, flags) -> bytes, or -1."""
send: Any = types.ExternalFunction("send", types.int64(types.int32, types.uintp, types.uintp, types.int32))
"""(socket, address, bytes, flags) -> bytes, or -1."""
epoll_wait: Any = types.ExternalFunction(
    "epoll_wait", types.int32(types.int32, types.uintp, types.int32, types.int32)
)
"""(epoll, address of events, how many, ms) -> how many are ready, or -1."""
_int32_pointer: Any = types.CPointer
errno_address: Any = types.ExternalFunction("__errno_location", _int32_pointer(types.int32)())
