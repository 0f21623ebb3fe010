"""QARTOD test 2, syntax: whether the sample could be read.

Length, parity and check sums are looked at where messages are read (`sensors.payloads`), and what is damaged
is refused and counted there: what comes here has passed. A format that knows the series and the time of a
value that it cannot read may hand on `UNREADABLE` for it: a NaN with bits of its own, which fails here and is
missing for all other tests.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from kernels.compiled import njit
from sensors.quality import FAIL, MISSING, NOTHING, PASS, Parameters, Test, register

_BITS: Final = 0x7FF8_0000_5359_4E54
UNREADABLE: Final[float] = struct.unpack("<d", struct.pack("<q", _BITS))[0]
"""In place of a value that could not be read."""


class Syntax(Parameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """It has no parameters."""


@njit(cache=True, nogil=True)
def judge(p: Any, s: Any, line: Any, every: Any, memory: Any, tables: Any, x: Any, failed: bool) -> int:
    """Look for the mark."""
    if x.is_there:
        return PASS
    return FAIL if x.bits == _BITS else MISSING


register(
    Test(
        name="syntax",
        order=2,
        configured=Syntax,
        parameters=NOTHING,
        state=NOTHING,
        judge=judge,
        any_order=True,
    )
)
