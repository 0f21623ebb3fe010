"""Ratings against tables that the US Geological Survey published."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.rating import Piece, Rating, through_points

HYDE_FT = {
    2.50: 27.90, 2.51: 29.25, 2.52: 30.65, 2.53: 32.08, 2.54: 33.54, 2.55: 35.05, 2.56: 36.59, 2.57: 38.18,
    2.58: 39.80,
}  # fmt: skip
"""USGS 01541303, West Branch Susquehanna at Hyde, rating 11.0: offset 2.00 ft, shift 0; ft and ft3/s."""

OPPORTUNITY_FT = [(3.66, 0.78), (4.87, 61.27), (6.59, 243.71)]
"""USGS 12323720, Willow Creek at Opportunity, rating 3.0: offsets 3.58 and, from 4.87 ft, 3.30 ft."""


def test_the_expanded_table_is_that_of_the_survey():
    pieces = through_points([(2.50, 27.90), (2.58, 39.80)], [2.0])
    rating = Rating(pieces=pieces)
    for stage, discharge in HYDE_FT.items():
        assert rating.discharge_m3_s(stage) == pytest.approx(discharge, abs=0.006)
        assert rating.stage_m(discharge) == pytest.approx(stage, abs=1e-4)


def test_pieces_with_their_own_offsets_meet_at_the_points():
    rating = Rating(pieces=through_points(OPPORTUNITY_FT, [3.58, 3.30], [4.87]))
    for stage, discharge in OPPORTUNITY_FT:
        assert rating.discharge_m3_s(stage) == pytest.approx(discharge)
    # Straight on logarithmic paper between them, worked out by hand.
    halfway = 3.58 + math.sqrt((3.66 - 3.58) * (4.87 - 3.58))
    assert rating.discharge_m3_s(halfway) == pytest.approx(math.sqrt(0.78 * 61.27))
    halfway = 3.30 + math.sqrt((4.87 - 3.30) * (6.59 - 3.30))
    assert rating.discharge_m3_s(halfway) == pytest.approx(math.sqrt(61.27 * 243.71))
    assert rating.discharge_m3_s(3.58) == 0


def test_a_shift_is_added_to_the_stage_and_changes_with_it():
    pieces = (Piece(from_m=0.0, a=10.0, b=2.0, h0_m=0.0),)
    rating = Rating(pieces=pieces, shifts_m=((1.0, -0.2), (3.0, 0.0)), highest_m=5.0)
    for stage, shift in [(0.5, -0.2), (1.0, -0.2), (2.0, -0.1), (3.0, 0.0), (4.0, 0.0)]:
        assert rating.discharge_m3_s(stage) == pytest.approx(10 * (stage + shift) ** 2)
    assert rating.discharge_m3_s(5.1) is None
    assert rating.stage_m(1e9) == math.inf


@given(st.floats(1.0, 200.0))
def test_stage_and_discharge_are_inverse(discharge):
    rating = Rating(
        pieces=through_points(OPPORTUNITY_FT, [3.58, 3.30], [4.87]), shifts_m=((4.0, 0.1), (6.0, 0.0))
    )
    stage = rating.stage_m(discharge)
    assert rating.discharge_m3_s(stage) == pytest.approx(discharge, rel=1e-6)
    assert np.isfinite(stage)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Piece(from_m=0.0, a=0.0, b=1.0, h0_m=0.0), "above 0"),
        (lambda: Piece(from_m=0.0, a=1.0, b=1.0, h0_m=1.0), "h0_m"),
        (lambda: Rating(pieces=()), "pieces"),
        (lambda: through_points([(1.0, 2.0)], [0.0]), "two points"),
        (lambda: through_points([(1.0, 2.0), (2.0, 1.0)], [0.0]), "rise"),
    ],
)
def test_a_rating_that_makes_no_sense_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()
