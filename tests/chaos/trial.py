"""One fault from its begin until everything is as if it had not been, and what the books say then."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tests.chaos.alarms import Oracle, Verdict
from tests.chaos.books import Balance, Books, rover_gap_s
from tests.chaos.faults import Course, Fault
from tests.chaos.house import House
from tests.chaos.stations import clock_us

PATIENCE_S = 200.0
"""Without any progress: a webhook that failed some times waits a minute for its next attempt."""
MARGIN_US = 3_000_000
"""The newest seconds are still on their way."""
MOST_ROVER_GAP_S = 10.0
UNTOLD = "gather"
"""The rovers of a gatherer that is disturbed itself are told nothing."""
Say = Callable[[str], None]


@dataclass
class Trial:
    """The result."""

    scenario: str
    rows_expected: int = 0
    rows_stored: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    not_taken: int = 0
    transitions: int = 0
    webhook_ids: int = 0
    repeated_deliveries: int = 0
    recovery_s: float | None = None
    """From the end of the fault until everything that was sent before stood in the database."""
    rover_gap_s: float = 0.0
    told: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: dict[str, float] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        return not (self.lost or self.doubled or self.wrong or self.problems)

    def line(self) -> dict[str, Any]:
        """Return it for the report."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass
class Prober:
    """Does faults one after the other; the books of each begin where those before ended."""

    house: House
    books: Books
    oracle: Oracle
    since_us: int
    begin_us: int = field(init=False)
    _verdict: Verdict = field(default_factory=Verdict)

    def __post_init__(self) -> None:
        self.begin_us = self.since_us

    def run(self, fault: Fault, dice: random.Random, say: Say) -> Trial:
        """Do a fault and wait until the books are balanced, or nothing moves any more."""
        trial, course = Trial(fault.name), Course()
        time.sleep(dice.uniform(1.0, 5.0))
        say("away")
        if fault.name == "kill gather":
            kill_us = clock_us()
            self.books.kills.append(kill_us)
        try:
            fault.do(self.house, course)
        except (TimeoutError, RuntimeError) as error:
            course.problems.append(str(error))
        course.healed_us = clock_us()
        trial.told, trial.problems, trial.notes = course.told, course.problems, course.notes
        say("back")
        trial.recovery_s = self._recover(course.healed_us, say)
        gap_end_us = clock_us()
        if fault.target != UNTOLD:
            trial.rover_gap_s = rover_gap_s(self.books.folder, course.begin_us, gap_end_us - 1_000_000)
            if trial.rover_gap_s > MOST_ROVER_GAP_S:
                trial.problems.append(f"a rover got nothing for {trial.rover_gap_s} s")
        time.sleep(5.0)
        self.settle(trial, clock_us() - MARGIN_US, say)
        self.house.check_alive()
        return trial

    def settle(self, trial: Trial, until_us: int, say: Say) -> None:
        """Fill in what the books say of everything sent before a time; wait while that gets better."""
        before = self._verdict
        balance, verdict = self._settled(self.since_us, until_us, say)
        trial.rows_expected, trial.rows_stored = balance.expected, balance.stored
        trial.lost, trial.doubled, trial.wrong = balance.lost, balance.doubled, balance.wrong
        trial.not_taken = balance.not_taken
        trial.lost += len(verdict.missing)
        trial.doubled += len(verdict.surplus)
        trial.problems += balance.examples + verdict.missing[:5] + verdict.surplus[:5]
        trial.problems += [f"lost: {each}" for each in (*balance.lost_epochs[:5], *balance.lost_samples[:5])]
        flags = self.oracle.wrong_flags(self.since_us, until_us - MARGIN_US)
        trial.wrong += len(flags)
        trial.problems += flags[:3]
        trial.transitions = verdict.transitions - before.transitions
        trial.webhook_ids = verdict.webhook_ids - before.webhook_ids
        trial.repeated_deliveries = verdict.repeated_deliveries - before.repeated_deliveries
        self.since_us, self._verdict = until_us, verdict

    def _recover(self, healed_us: int, say: Say) -> float | None:
        """Return the seconds until all that was sent before the healing is stored; None: it never was."""
        moved, best = time.monotonic(), None
        while True:
            say("recovering")
            begun = time.monotonic()
            try:
                lost = self.books.balance(self.since_us, healed_us).lost
            except psycopg.Error:
                lost = None
            if lost == 0:
                return round((clock_us() - healed_us) / 1e6, 1)
            if lost is not None and (best is None or lost < best):
                best, moved = lost, time.monotonic()
            if time.monotonic() - moved > PATIENCE_S:
                return None
            time.sleep(max(0.3, 2 * (time.monotonic() - begun)))  # counting is to be no load of its own

    def _settled(self, since_us: int, until_us: int, say: Say) -> tuple[Balance, Verdict]:
        self.oracle.feed(until_us - MARGIN_US)
        moved, best = time.monotonic(), None
        while True:
            say("counting")
            try:
                balance = self.books.balance(since_us, until_us)
                verdict = self.oracle.verdict(until_us)
            except psycopg.Error:
                time.sleep(1.0)
                if time.monotonic() - moved > PATIENCE_S:
                    raise
                continue
            open_ends = balance.lost + len(verdict.missing)
            if not open_ends:
                return balance, verdict
            if best is None or open_ends < best:
                best, moved = open_ends, time.monotonic()
            if time.monotonic() - moved > PATIENCE_S:
                return balance, verdict
            time.sleep(1.0)
