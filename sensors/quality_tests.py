"""Which quality tests a series gets, with their parameters: from the catalogue and the datastream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from sensors.model import Datastream, ObservedProperty

Behaviour = Literal["manual", "ioos_qc"]
MAX_FLAT_COUNT = 10_000


class GrossRange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """QARTOD test 4. Outside `span` a sample fails, outside `user_span` it is suspect."""

    span: tuple[float, float]
    user_span: tuple[float, float] | None = None


class Spike(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """QARTOD test 6, in the unit of the property: deviation from the mean of both neighbours."""

    suspect: float
    fail: float | None = None


class RateOfChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """QARTOD test 7: either a fixed `limit` or `deviations` (N_DEV) of the last `period_s` (TIM_DEV)."""

    limit: float | None = None
    """Largest credible change in `per_s` seconds."""
    per_s: float = 1.0
    fail_limit: float | None = None
    """The manual knows no failure of this test; ioos_qc does."""
    deviations: float | None = None
    period_s: float = 90_000.0


class FlatLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """QARTOD test 8: so many samples before the newest that differ by less than `tolerance`."""

    suspect_count: int
    fail_count: int
    tolerance: float


class Series(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the series as a whole is treated."""

    behaviour: Behaviour = "manual"
    max_gap_s: float | None = None
    """A longer gap makes the tests forget what was before it. None: five sampling periods, at least
    10 minutes (manual), or never (ioos_qc)."""


class QualityTests(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The tests of one series; None: the test is not made."""

    series: Series = Series()
    gross_range: GrossRange | None = None
    spike: Spike | None = None
    rate_of_change: RateOfChange | None = None
    flat_line: FlatLine | None = None


def quality_tests(observed: ObservedProperty, datastream: Datastream | None = None) -> QualityTests:
    """Return the tests of a series: the property's, with the deviations of the datastream.

    A parameter of the datastream replaces the property's of the same name; `off = true` leaves a test out.

    Raises
    ------
    ValueError
        A test or parameter is unknown, missing or not credible; the message names the series.
    """
    where = f"property {observed.id}" if datastream is None else f"datastream {datastream.id}"
    merged: dict[str, dict[str, Any]] = {"gross_range": {"span": observed.span}}
    if observed.user_span is not None:
        merged["gross_range"]["user_span"] = observed.user_span
    layers: tuple[Mapping[str, Mapping[str, Any]], ...] = (observed.tests,)
    if datastream is not None:
        layers = (observed.tests, datastream.tests)
    for layer in layers:
        for name, parameters in layer.items():
            merged[name] = {**merged.get(name, {}), **parameters}
    chosen = {name: dict(parameters) for name, parameters in merged.items() if not parameters.get("off")}
    for parameters in chosen.values():
        parameters.pop("off", None)
    try:
        tests = msgspec.convert(chosen, QualityTests)
        _check(tests)
    except (msgspec.ValidationError, ValueError) as error:
        raise ValueError(f"quality tests of {where}: {error}; correct that parameter") from error
    return tests


def _check(tests: QualityTests) -> None:
    gross, spike, rate, flat = tests.gross_range, tests.spike, tests.rate_of_change, tests.flat_line
    if gross is not None:
        low, high = gross.span
        user_low, user_high = gross.user_span or gross.span
        if not low <= user_low < user_high <= high:
            raise ValueError("gross_range needs span and user_span as [low, high], user_span within span")
    if spike is not None and not 0 < spike.suspect <= (spike.fail or spike.suspect):
        raise ValueError("spike needs 0 < suspect <= fail")
    if rate is not None:
        if (rate.limit is None) == (rate.deviations is None):
            raise ValueError("rate_of_change needs either limit or deviations")
        if min(rate.limit or 1.0, rate.deviations or 1.0, rate.per_s, rate.period_s) <= 0:
            raise ValueError("rate_of_change needs positive parameters")
        if rate.fail_limit is not None and rate.fail_limit < (rate.limit or 0.0):
            raise ValueError("rate_of_change needs limit <= fail_limit")
        if rate.deviations is not None and tests.series.behaviour == "ioos_qc":
            raise ValueError("ioos_qc knows no rate_of_change by deviations; give limit and per_s")
    if flat is not None:
        if not 1 <= flat.suspect_count <= flat.fail_count <= MAX_FLAT_COUNT:
            raise ValueError(f"flat_line needs 1 <= suspect_count <= fail_count <= {MAX_FLAT_COUNT}")
        if flat.tolerance < 0:
            raise ValueError("flat_line needs a tolerance of 0 or more")
