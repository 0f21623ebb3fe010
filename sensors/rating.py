"""Ratings: from the stage of a river to its discharge.

Q = a (h - h0)^b in pieces, each for stages from its own lowest on: straight lines on logarithmic paper, h0
being the stage of no flow that makes them straight. A shift is added to the stage before the rating is read;
it may change with stage, linearly between points. Source: Rantz et al. (1982), USGS Water-Supply Paper 2175,
volume 2, chapters 10 and 11.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

import msgspec


class Piece(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One power law."""

    from_m: float
    """The lowest shifted stage for which it holds."""
    a: float
    b: float
    h0_m: float

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if self.a <= 0 or self.b <= 0:
            raise ValueError("a and b of a rating must be above 0: discharge grows with stage")
        if self.from_m < self.h0_m:
            raise ValueError("from_m of a rating must not lie below its h0_m")

    def discharge_m3_s(self, stage_m: float) -> float:
        """Return the discharge at a shifted stage, 0 at and below that of no flow."""
        return float(self.a * max(stage_m - self.h0_m, 0.0) ** self.b)


class Rating(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rating. Any units will do that its constants were made for; the names say those used here."""

    pieces: tuple[Piece, ...]
    """Lowest first."""
    shifts_m: tuple[tuple[float, float], ...] = ()
    """Stage and shift, lowest stage first; beyond the ends the nearest holds."""
    highest_m: float | None = None
    """The highest stage for which it was made; beyond it there is no answer."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        lowest = [piece.from_m for piece in self.pieces]
        if not lowest or lowest != sorted(set(lowest)):
            raise ValueError("a rating needs pieces, each from a higher stage than the one before")
        stages = [stage for stage, _ in self.shifts_m]
        if stages != sorted(set(stages)):
            raise ValueError("the stages of shifts_m must rise")

    def shift_m(self, stage_m: float) -> float:
        """Return what is added to a stage."""
        if not self.shifts_m:
            return 0.0
        i = bisect_right(self.shifts_m, (stage_m, math.inf))
        if i == 0 or i == len(self.shifts_m):
            return self.shifts_m[min(i, len(self.shifts_m) - 1)][1]
        (low, at_low), (high, at_high) = self.shifts_m[i - 1 : i + 1]
        return at_low + (at_high - at_low) * (stage_m - low) / (high - low)

    def discharge_m3_s(self, stage_m: float) -> float | None:
        """Return the discharge, or None above the highest stage; below the lowest piece it goes on."""
        if self.highest_m is not None and stage_m > self.highest_m:
            return None
        shifted = stage_m + self.shift_m(stage_m)
        i = bisect_right([piece.from_m for piece in self.pieces], shifted)
        return self.pieces[max(i - 1, 0)].discharge_m3_s(shifted)

    def stage_m(self, discharge_m3_s: float) -> float:
        """Return the lowest stage at which this discharge is reached; infinite: it is not."""
        low = min(piece.h0_m for piece in self.pieces) - max((abs(s) for _, s in self.shifts_m), default=0.0)
        high = low + 1000.0 if self.highest_m is None else self.highest_m
        if (self.discharge_m3_s(high) or 0.0) < discharge_m3_s:
            return math.inf
        for _ in range(60):
            middle = (low + high) / 2
            if (self.discharge_m3_s(middle) or 0.0) >= discharge_m3_s:
                high = middle
            else:
                low = middle
        return high


def through_points(
    points: Sequence[tuple[float, float]], offsets_m: Sequence[float], breakpoints_m: Sequence[float] = ()
) -> tuple[Piece, ...]:
    """Return pieces through the points of a rating table, as logarithmic expansion joins them.

    Parameters
    ----------
    points
        Stage and discharge, shape (n, 2), rising.
    offsets_m, breakpoints_m
        The stages of no flow, one more than the stages from which the next one holds.

    Raises
    ------
    ValueError
        There are too few points or offsets, a discharge is not above 0, or the points do not rise.
    """
    if len(points) < 2 or len(offsets_m) != len(breakpoints_m) + 1:
        raise ValueError("two points, and one offset more than breakpoints, are needed")
    pieces = []
    for (low, at_low), (high, at_high) in pairwise(points):
        offset = offsets_m[bisect_right(breakpoints_m, low)]
        if not (offset < low < high and 0 < at_low < at_high):
            raise ValueError("the points of a rating must rise, above the offset and above 0")
        b = math.log(at_high / at_low) / math.log((high - offset) / (low - offset))
        pieces.append(Piece(from_m=low, a=at_low / (low - offset) ** b, b=b, h0_m=offset))
    return tuple(pieces)
