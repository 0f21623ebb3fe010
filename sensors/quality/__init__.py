"""Quality tests: one file a test. A file here that calls `register` is found; nothing else is edited.

A test brings what a configuration may say of it, its parameters and its state as fields of a record, and a
kernel that judges one sample. `sensors.qartod_kernel` calls the kernels of all tests in one pass; tests that
a series does not have cost it a branch.

Source of all: U.S. IOOS, Manual for Real-Time Quality Control of Water Level Data, version 2.1 (2021),
section 3, and its sister manuals; where the program ioos_qc 3.0 differs, a series chooses its `behaviour`.
Each file says what its test does in both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

PASS: Final = 1
NOT_EVALUATED: Final = 2
SUSPECT: Final = 3
FAIL: Final = 4
MISSING: Final = 9
MOST_TESTS: Final = 15
"""A sample's flags are a word of 4 bits each, the first test lowest."""

OWN: Final = "\0"
"""Ids of partners that begin so are what each sample of a series brings itself."""
OWN_PLACE: Final = {"longitude": f"{OWN}longitude", "latitude": f"{OWN}latitude"}
"""Partners of a series whose samples tell where they were taken."""

LINE = np.dtype(
    [
        ("n", "i8"),  # samples since the start or the last gap
        ("time_us", "i8"),  # the newest sample, and the one before it
        ("value", "f8"),
        ("time_before_us", "i8"),
        ("value_before", "f8"),
        ("value_before_that", "f8"),
        ("received_at_us", "i8"),
        ("flags", "i8"),  # of all tests, as a word; of the newest sample
        ("flag", "u1"),  # overall, of the newest sample and the one before it
        ("flag_before", "u1"),
        ("revision", "u1"),  # of the newest sample
    ],
    align=True,
)
"""What is remembered of each series, whatever its tests; all zero before the first sample."""


class Sample(NamedTuple):
    """What a kernel is told of the sample that it judges."""

    time_us: int
    value: float
    bits: int
    """The value's bits: how `sensors.quality.syntax` knows what could not be read."""
    is_there: bool
    """The value is finite."""
    received_at_us: int
    fresh: bool
    """Nothing before it counts: the first one, or the first after a gap that makes the tests forget."""
    ioos_qc: bool
    """The series is judged as ioos_qc does."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a test's parameters are worked out from, besides what is configured."""

    period_s: float
    """Sampling period."""
    ioos_qc: bool


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a configuration may say of a test; numbers go into the record, where it has their name."""

    def check(self, *, ioos_qc: bool) -> None:
        """Look at the parameters.

        Raises
        ------
        ValueError
            They make no sense; the message says what is needed.
        """

    def fill(self, record: NDArray[np.void], facts: Facts) -> None:
        """Write into the test's record what is not simply a field of the same name."""

    def memory_words(self, facts: Facts) -> int:
        """How many numbers the test remembers of a series; from `memory_at` of its record on."""
        del facts
        return 0

    def table(self) -> NDArray[np.float64]:
        """Numbers that do not change; from `table_at` of its record on, `table_rows` rows."""
        return np.zeros((0, 1))

    def partners(self) -> Mapping[str, str]:
        """Fields of the record that hold slots of other series of the site, and ids of these."""
        return {}


@dataclass(frozen=True, slots=True)
class Test:
    """A test as the engine knows it."""

    name: str
    order: float
    """Its place among the tests, as the manual numbers them: of its flag among the columns, and in time."""
    configured: type[Parameters]
    parameters: np.dtype[np.void]
    state: np.dtype[np.void]
    judge: Callable[..., int]
    """(parameters, state, line, all, memory, tables, sample, failed) -> flag of this sample. `all` has the
    records of all series, `failed` says that an earlier test failed. May change its state and memory."""
    revise: Callable[..., int] | None = None
    """(parameters, state, line, all, memory, tables, sample, flag) -> flag of the sample before this one,
    of which `line` still tells; called before `judge`, not for fresh samples. `flag` is what it was."""
    any_order: bool = False
    """A sample that comes after a newer one is judged, too; the kernel remembers nothing."""
    usual: bool = False
    """Most series have it: its parameters and state stand beside those of the others that most have."""


_tests: dict[str, Test] = {}


def register(test: Test) -> None:
    """Make a test known: `tests.NAME` of a property or datastream sets its parameters.

    Raises
    ------
    ValueError
        The name is taken.
    """
    if test.name in _tests:
        raise ValueError(f"two quality tests are called {test.name!r}")
    _tests[test.name] = test


@cache
def every_test() -> tuple[Test, ...]:
    """Return all tests, in the order of the manual."""
    for module in iter_modules(__path__, f"{__name__}."):
        import_module(module.name)
    if len(_tests) > MOST_TESTS:
        raise ValueError(f"there are more than {MOST_TESTS} quality tests")
    return tuple(sorted(_tests.values(), key=lambda test: test.order))


def record(*fields: tuple[str, str]) -> np.dtype[np.void]:
    """Return the type of a test's parameters or state."""
    return np.dtype(list(fields), align=True)


NOTHING: Final = record(("nothing", "u1"))
"""Parameters or state of a test that has none."""
