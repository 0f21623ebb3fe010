"""What tests of quality tests share: an engine of one test, columns, and the flags that a store keeps."""

from itertools import pairwise

import numpy as np

from sensors.model import ObservedProperty
from sensors.qartod import Qartod
from sensors.quality_tests import quality_tests

S = 1_000_000
START_US = 1_700_000_000 * S
NAN = float("nan")


def made(tests, period_s=60.0):
    """Tests as in a catalogue, the span from 0 to 10 unless it says otherwise."""
    observed = ObservedProperty(
        id="p", name="P", domain="ocean", unit="m", span=(0.0, 10.0), sampling_period_s=period_s, tests=tests
    )
    return quality_tests(observed)


def engine(tests, n_series=1, period_s=60.0):
    return Qartod(
        [f"s{i}" for i in range(n_series)], [made(tests, period_s)] * n_series, [period_s] * n_series
    )


def with_partners(tests, partners, period_s=60.0):
    """The series `s0` with tests, and others of the same site without any."""
    every = [made(only(**tests), period_s), *[made(only(), period_s)] * len(partners)]
    return Qartod(["s0", *partners], every, [period_s] * len(every), ["site"] * len(every))


def only(**tests):
    return {"gross_range": {"off": True}} | tests


def columns(values, times=None, series=0, received=None):
    n = len(values)
    times = START_US + np.arange(n) * 60 * S if times is None else np.asarray(times, np.int64)
    return (
        np.broadcast_to(np.asarray(series, np.int32), n),
        times,
        np.asarray(values, np.float64),
        times if received is None else np.asarray(received, np.int64),
    )


def minutes(*numbers):
    return START_US + np.array(numbers, np.int64) * 60 * S


def together(times, *values, order=None):
    """Columns of several series that are sampled at the same times; `order` of the slots in each message."""
    order = list(range(len(values))) if order is None else order
    times = np.asarray(times, np.int64)
    rows = np.array([np.asarray(values[slot], float) for slot in order])
    slots = np.tile(np.array(order, np.int32), len(times))
    return columns(rows.T.ravel(), np.repeat(times, len(order)), slots)


def final(*judged):
    """What a store keeps: for each series and time the highest revision."""
    kept = {}
    for part in judged:
        for i in range(len(part.series)):
            key = (int(part.series[i]), int(part.time_us[i]))
            if key not in kept or part.revision[i] >= kept[key][0]:
                kept[key] = (int(part.revision[i]), part.flags[i].tolist(), int(part.flag[i]))
    return kept


def flags_of(test, *judged, slot=0):
    kept = final(*judged)
    return [kept[key][1][judged[0].tests.index(test)] for key in sorted(kept) if key[0] == slot]


def overall_of(*judged, slot=0):
    kept = final(*judged)
    return [kept[key][2] for key in sorted(kept) if key[0] == slot]


def in_cuts(q, made_columns, cuts):
    """Judge columns in pieces, and the end of the stream."""
    bounds = [0, *sorted(min(c, len(made_columns[0])) for c in cuts), len(made_columns[0])]
    parts = [q.judge(*(column[begin:end] for column in made_columns)) for begin, end in pairwise(bounds)]
    return [*parts, q.end()]


def rows(*judged):
    """All that was told, in words that can be compared."""
    return [
        (
            int(part.series[i]),
            int(part.time_us[i]),
            repr(float(part.value[i])),
            int(part.received_at_us[i]),
            int(part.revision[i]),
            tuple(part.flags[i].tolist()),
            int(part.flag[i]),
        )
        for part in judged
        for i in range(len(part.series))
    ]
