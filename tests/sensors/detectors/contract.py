"""What holds for every kind of detectors, whatever it watches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from sensors.detectors.bank import Bank, Kind, Rows, Told
from sensors.detectors.finding import Finding, Subject

SUBJECT = Subject("Site", "unit")
S = 1_000_000
HOUR = 3600 * S
DAY = 24 * HOUR
START = 1_700_000_000 * S


class Input(NamedTuple):
    """Samples of one input, shape (n,)."""

    time_us: NDArray[np.int64]
    value: NDArray[np.float64]
    role: int = 0


def every(period_s: float, n: int, begin_us: int = START) -> NDArray[np.int64]:
    """Return times."""
    return begin_us + np.round(np.arange(n) * period_s * S).astype(np.int64)


def rows(inputs: Sequence[Input], slot: int = 0) -> Rows:
    """Return the samples of all inputs in the order of time, received at once."""
    time_us = np.concatenate([one.time_us for one in inputs]).astype(np.int64)
    value = np.concatenate([one.value for one in inputs]).astype(np.float64)
    role = np.concatenate([np.full(len(one.time_us), one.role, np.int64) for one in inputs])
    order = np.argsort(time_us, kind="stable")
    n = len(order)
    return Rows(
        np.full(n, slot, np.int64), role[order], time_us[order], value[order], np.isfinite(value[order]),
        time_us[order] + S,
    )  # fmt: skip


def find(kind: Kind[Any], parameters: Any, *inputs: Input) -> list[Finding]:
    """Return what one detector finds in them."""
    bank = Bank(kind)
    slot = bank.add(parameters, SUBJECT)
    return [told.finding for told in bank.on_rows(rows(inputs, slot))]


def story(findings: Sequence[Finding]) -> list[tuple[str, ...]]:
    """Return phase and level of each, with the rule where it is about the sensor."""
    return [(f.phase, f.level, f.rule) if f.rule else (f.phase, f.level) for f in findings]


def assert_cuts_do_not_matter(kind: Kind[Any], parameters: Any, inputs: Sequence[Input], seed: int) -> None:
    """Cuts, restarts, and series beside it change nothing; nor does the series change those beside it."""
    random = np.random.default_rng(seed)
    alone = _all(kind, parameters, rows(inputs), [], restart=False)
    samples = rows(inputs)
    n = len(samples.slot)
    cuts = np.unique(random.integers(1, n, random.integers(1, 12))).tolist()
    assert _all(kind, parameters, samples, cuts, restart=True) == alone

    three = Rows(*(np.repeat(column, 3) for column in samples))
    three = three._replace(slot=np.tile(np.arange(3), n))
    # The one in the middle gets other values, or none.
    other = three.value.copy()
    other[1::3] = random.permutation(other[1::3]) * random.choice([1.0, -3.0, 100.0])
    usable = three.usable.copy()
    usable[1::3] &= random.random(n) < 0.8
    bank = Bank(kind)
    for _ in range(3):
        bank.add(parameters, SUBJECT)
    told = list(bank.on_rows(three._replace(value=other, usable=usable)))
    for slot in (0, 2):
        assert [(one.row // 3, _same(one.finding)) for one in told if one.slot == slot] == [
            (one.row, _same(one.finding)) for one in alone
        ]


def assert_survives(kind: Kind[Any], parameters: Any, roles: int, period_s: float, seed: int) -> None:
    """Absurd values and times make no error, and no finding that cannot be stored."""
    random = np.random.default_rng(seed)
    n = 400
    absurd = np.array([np.nan, np.inf, -np.inf, 1e308, -1e308, 1e13, -1e11, 1e-308, 0.0, -9999.0])
    value = np.where(random.random(n) < 0.3, random.choice(absurd, n), random.normal(0, 10, n))
    steps = random.choice([period_s] * 6 + [period_s * 50, 1e-6, 1e7, -period_s * 20], n)
    time_us = START + np.round(np.cumsum(steps) * S).astype(np.int64)
    bank = Bank(kind)
    slot = bank.add(parameters, SUBJECT)
    samples = Rows(
        np.full(n, slot), random.integers(0, roles, n), time_us, value, random.random(n) < 0.9, time_us
    )
    told = [*bank.on_rows(samples), *bank.on_time(int(time_us.max()) + 10**15)]
    for one in told:
        assert np.isfinite([one.finding.value, one.finding.threshold]).all(), one
        assert b"NaN" not in msgspec.json.encode(one.finding)
    assert bank.on_time(int(time_us.max()) + 10**16) is not None
    again = Bank(kind)
    again.restore(again.add(parameters, SUBJECT), bank.snapshot(slot))


def assert_ends_in_silence(kind: Kind[Any], parameters: Any, inputs: Sequence[Input]) -> None:
    """What has begun ends when nothing comes any more, once."""
    bank = Bank(kind)
    slot = bank.add(parameters, SUBJECT)
    told = list(bank.on_rows(rows(inputs, slot)))
    assert told
    assert told[-1].finding.phase != "end"
    later = max(int(one.time_us.max()) for one in inputs) + 1000 * DAY
    ends = list(bank.on_time(later))
    assert [one.finding.phase for one in ends] == ["end"] * len(ends)
    assert ends
    assert list(bank.on_time(later + DAY)) == []


def _all(kind: Kind[Any], parameters: Any, samples: Rows, cuts: list[int], *, restart: bool) -> list[Told]:
    bank = Bank(kind)
    slot = bank.add(parameters, SUBJECT)
    found: list[Told] = []
    n = len(samples.slot)
    for begin, end in zip([0, *cuts], [*cuts, n], strict=True):
        piece = Rows(*(column[begin:end] for column in samples))
        found += [Told(slot, told.row + begin, _same(told.finding)) for told in bank.on_rows(piece)]
        if restart:
            state = bank.snapshot(slot)
            bank = Bank(kind)
            slot = bank.add(parameters, SUBJECT)
            bank.restore(slot, state)
    return found


def _same(finding: Finding) -> Finding:
    return msgspec.structs.replace(finding, sample=-1)
