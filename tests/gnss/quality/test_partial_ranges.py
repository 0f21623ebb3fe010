"""Ranges without whole milliseconds are judged as whole ones where it is known what they should be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import numpy as np

from gnss.assembly.table import Chunk, EpochTable
from gnss.ephemeris_book import EphemerisBook
from gnss.epoch_columns import EpochColumns
from gnss.observations import PARTIAL
from gnss.quality.judgements import CLOCK_STEP, Judgements
from gnss.quality.measure import TOLD
from gnss.quality.table import QualityTable
from gnss.rtcm.ephemeris import EPHEMERIS_MESSAGES
from gnss.rtcm.signals import SPEED_OF_LIGHT_M_S
from gnss.rtcm.whole_ms import MILLISECOND_M
from gnss.simulate import SimulatedSky, SimulatedStation
from gnss.sky import Skies, Sky

T0_US = 1_790_000_100_000_000
SECONDS = 120
STATION = SimulatedStation(1, 121.2, 31.1, 20.0, seed=3, sky=SimulatedSky())


@cache
def recorded() -> tuple[tuple[EpochColumns, ...], Callable[[int], Sky | None]]:
    """Return epochs of a station whose clock drifts over half a millisecond, and the sky."""
    table, book = EpochTable(frozenset(EPHEMERIS_MESSAGES)), EphemerisBook()
    epochs = []
    for second in range(SECONDS):
        frames = STATION.emit(T0_US + second * 1_000_000).frames
        got = table.feed([Chunk(0, b"".join(frames), None, T0_US)])
        for payload in got.others.payload:
            book.add_message(payload, T0_US - 3_600_000_000)
        if len(got.epochs):
            clock_m = (0.4995e-3 + second * 2e-8) * SPEED_OF_LIGHT_M_S
            o = got.epochs.observations
            moved = replace(o, range_m=o.range_m + clock_m, phase_m=o.phase_m + clock_m)
            epochs.append(replace(got.epochs, observations=moved))
    return tuple(epochs), Skies(book)


def without_whole_ms(epochs: EpochColumns) -> EpochColumns:
    o = epochs.observations
    whole_m = np.floor(o.range_m / MILLISECOND_M) * MILLISECOND_M
    cut = replace(
        o, range_m=o.range_m - whole_m, phase_m=o.phase_m - whole_m, flags=o.flags | np.uint8(PARTIAL)
    )
    return replace(epochs, observations=cut)


def judged(epochs: Iterator[EpochColumns], *, placed: bool = True) -> tuple[Judgements, QualityTable]:
    _, sky = recorded()
    table = QualityTable()
    row = table.add(1.0)
    if placed:
        table.place(row, STATION.ecef_m, TOLD)
    return np.concatenate([table.observe(one, sky) for one in epochs]), table


def test_they_are_judged_as_whole_ones_while_the_clock_drifts_over_a_half() -> None:
    epochs, _ = recorded()
    whole, of_whole = judged(iter(epochs))
    restored, of_restored = judged(without_whole_ms(one) for one in epochs)
    assert len(whole) > SECONDS - 5
    for name in (
        "observations",
        "satellites",
        "slips",
        "usable_systems",
        "sky_expected",
        "sky_have",
        "state",
    ):
        assert (whole[name] == restored[name]).all(), name
    for name in ("multipath_m", "roti_tecu_min", "cn0_dbhz"):
        np.testing.assert_allclose(whole[name], restored[name], atol=1e-5, err_msg=name)
    assert np.isfinite(restored["multipath_m"][-1])
    assert not (restored["remarks"] & CLOCK_STEP).any()
    assert of_restored.counts(0)["partial_observations"] == 0
    positions = [t.memory.station["position"][0] for t in (of_whole, of_restored)]
    assert positions[0].any()
    np.testing.assert_allclose(*positions, atol=1e-4)


def test_the_given_columns_are_left_as_they_are() -> None:
    part = without_whole_ms(recorded()[0][0])
    before = part.observations.range_m.copy()
    judged(iter([part]))
    np.testing.assert_array_equal(part.observations.range_m, before)
    assert (part.observations.flags & PARTIAL).all()


def test_without_a_place_they_stay_partial_and_are_counted() -> None:
    epochs = [without_whole_ms(one) for one in recorded()[0][:60]]
    judgements, table = judged(iter(epochs), placed=False)
    total = sum(len(one.observations) for one in epochs)
    assert table.counts(0)["partial_observations"] == total
    assert np.isnan(judgements["multipath_m"]).all()
    assert (judgements["slips"] == 0).all()
    assert judgements["observations"][-1] > 50
