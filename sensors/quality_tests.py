"""Which quality tests a series gets, with their parameters: from the catalogue and the datastream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from sensors.model import Datastream, ObservedProperty
from sensors.quality import OWN, Facts, Parameters, every_test

Behaviour = Literal["manual", "ioos_qc"]


class Series(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the series as a whole is treated."""

    behaviour: Behaviour = "manual"
    max_gap_s: float | None = None
    """A longer gap makes the tests forget what was before it. None: five sampling periods, at least
    10 minutes (manual), or never (ioos_qc)."""


class QualityTests(msgspec.Struct, frozen=True, kw_only=True):
    """The tests of one series."""

    series: Series = Series()
    tests: dict[str, Parameters] = {}
    """By name; what is not there is not made."""

    def facts(self, sampling_period_s: float) -> Facts:
        """Return what the parameters of a test are worked out from."""
        return Facts(sampling_period_s, self.series.behaviour == "ioos_qc")

    def partners(self) -> set[str]:
        """Return the ids of all series that these tests look at besides their own."""
        every = {name for test in self.tests.values() for name in test.partners().values()}
        return {name for name in every if not name.startswith(OWN)}

    def own_partners(self) -> set[str]:
        """Return what these tests look at that each sample brings itself."""
        return {name for test in self.tests.values() for name in test.partners().values()} - self.partners()


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
        return _tests(chosen)
    except (msgspec.ValidationError, ValueError) as error:
        raise ValueError(f"quality tests of {where}: {error}; correct that parameter") from error


def _tests(chosen: dict[str, dict[str, Any]]) -> QualityTests:
    series = msgspec.convert(chosen.pop("series", {}), Series)
    known = {test.name: test.configured for test in every_test()}
    tests: dict[str, Parameters] = {}
    for name, parameters in chosen.items():
        if name not in known:
            raise ValueError(f"there is no test {name!r}, only {', '.join(known)}")
        try:
            tests[name] = msgspec.convert(parameters, known[name])
        except msgspec.ValidationError as error:
            raise ValueError(f"{name}: {error}") from error
        tests[name].check(ioos_qc=series.behaviour == "ioos_qc")
    if series.max_gap_s is not None and not series.max_gap_s > 0:
        raise ValueError("series needs a max_gap_s above 0")
    return QualityTests(series=series, tests=tests)
