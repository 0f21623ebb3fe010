"""How much a stream may make us try in vain, so that a hostile one costs no more than another.

A candidate for a frame that proves to be none has cost its length, and the search goes on a byte behind its
first. A stream made of nothing but beginnings of long frames would so cost thousands of times its length.
Each byte of a stream brings some credit, each failure takes its length, and a candidate that is longer than
the credit is refused unseen. The credit depends on the stream alone, not on how it was cut into pieces.
"""

from __future__ import annotations

from gnss.rtcm.bits import Integer
from kernels.compiled import njit

EARNED_A_BYTE = 8
"""Bytes that may be looked at in vain for each byte of the stream."""
MOST_CREDIT = 1 << 20


@njit(cache=True, nogil=True, inline="always")
def earned(credit: Integer, n_bytes: Integer) -> Integer:
    """Return the credit after some more bytes of the stream."""
    return min(credit + EARNED_A_BYTE * n_bytes, MOST_CREDIT)
