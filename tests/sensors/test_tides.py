"""The tide against UTide, which sums the satellites of each constituent (Foreman 1977)."""

import numpy as np
import pytest
import utide

from sensors.tides import CAPACITY, CONSTITUENTS, TIDE, Harmonic, fill, tide, tide_at

S = 1_000_000
HOUR = 3600 * S
BARE = ("MF", "MM")
"""UTide has no nodal corrections of these."""
NEW_YEAR = 1_577_836_800 * S  # 2020-01-01
UTIDE_NAMES = list(utide._ut_constants.ut_constants["const"]["name"])


def utide_tide(time_us, harmonics, latitude=30.0):
    """What UTide makes of the same constants."""
    coef = utide.solve(
        (NEW_YEAR + np.arange(24 * 366) * HOUR).astype("datetime64[us]"),
        np.random.default_rng(1).normal(0, 1, 24 * 366), lat=latitude, method="ols", conf_int="none",
        trend=False, verbose=False, constit=[h.name for h in harmonics],
    )  # fmt: skip
    by_name = {h.name: h for h in harmonics}
    coef["A"] = np.array([by_name[name].amplitude_m for name in coef["name"]])
    coef["g"] = np.array([by_name[name].phase_deg for name in coef["name"]])
    coef["mean"] = 0.0
    return utide.reconstruct(time_us.astype("datetime64[us]"), coef, verbose=False).h


@pytest.mark.parametrize("name", [name for name in CONSTITUENTS if name in UTIDE_NAMES and name not in BARE])
@pytest.mark.parametrize("year", [1998, 2011, 2025])
def test_a_constituent_is_that_of_utide(name, year):
    begin = int(np.datetime64(f"{year}-05-01").astype("datetime64[us]").astype(np.int64))
    time_us = begin + np.arange(0, 24 * 15) * HOUR
    harmonic = Harmonic(name, 1.0, 40.0)
    expected = utide_tide(time_us, [harmonic])
    # Nodal corrections by series instead of satellites; those of small constituents are less exact.
    tolerance = {"L2": 0.15, "OO1": 0.2, "2N2": 0.12, "RHO1": 0.1, "J1": 0.05, "MSF": 0.05}
    assert np.abs(tide(time_us, [harmonic]) - expected).max() < tolerance.get(name, 0.035)


def test_constants_that_utide_fitted_give_its_tide():
    """A year of hourly levels, fitted by UTide, predicted for the year that follows."""
    rng = np.random.default_rng(3)
    names = ["M2", "S2", "N2", "K2", "K1", "O1", "P1", "Q1", "M4", "MS4"]
    truth = [Harmonic(n, float(rng.uniform(0.05, 0.8)), float(rng.uniform(0, 360))) for n in names]
    time_us = NEW_YEAR + np.arange(24 * 366) * HOUR
    observed = tide(time_us, truth) + rng.normal(0, 0.05, len(time_us))
    coef = utide.solve(
        time_us.astype("datetime64[us]"), observed, lat=30.0, method="ols", conf_int="none", trend=False,
        verbose=False, constit=names,
    )  # fmt: skip
    fitted = [
        Harmonic(str(n), float(a), float(g))
        for n, a, g in zip(coef["name"], coef["A"], coef["g"], strict=True)
    ]
    later = NEW_YEAR + np.arange(24 * 366, 24 * 700) * HOUR
    assert np.std(tide(later, fitted) - tide(later, truth)) < 0.01
    again = utide.reconstruct(later.astype("datetime64[us]"), coef, verbose=False).h - coef["mean"]
    assert np.std(tide(later, fitted) - again) < 0.01


def test_the_rate_is_the_slope():
    (table,) = np.zeros(1, TIDE)
    fill(table, [Harmonic("M2", 1.2, 30.0), Harmonic("K1", 0.4, 200.0), Harmonic("M4", 0.1, 10.0)])
    for hour in range(50):
        at_us = NEW_YEAR + hour * HOUR
        before, behind = tide_at(table, at_us - 60 * S)[0], tide_at(table, at_us + 60 * S)[0]
        assert tide_at(table, at_us)[1] == pytest.approx((behind - before) * 30, abs=1e-3)


def test_wrong_constants_are_refused():
    with pytest.raises(ValueError, match=r"no constituent 'M3'; choose of .*M2"):
        Harmonic("M3", 1.0, 0.0)
    with pytest.raises(ValueError, match="amplitude of M2"):
        Harmonic("M2", -1.0, 0.0)
    with pytest.raises(ValueError, match="twice"):
        tide(np.array([0]), [Harmonic("M2", 1.0, 0.0)] * 2)
    with pytest.raises(ValueError, match="too many"):
        tide(np.array([0]), [Harmonic("M2", 1.0, 0.0)] * (CAPACITY + 1))
