"""Completeness by signal against the elevations of gnssmultipath 2.2, on the same 3 h 40 min of data.

It has no completeness itself: expected are its elevations of 10 degrees and more of satellites that the file
has with the signal. We leave out satellites that call themselves unhealthy (E14, on its wrong orbit), and
those whose first ephemeris was not sent yet (GPS in the first epoch). In the first minute nobody knows yet
which signals a station has, and what is missing is not expected (`LEARNT`). The rest is the same number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gnss.quality.memory import K_EXPECTED_MASK, K_HAVE_MASK
from gnss.quality.table import REGISTERED, QualityTable
from gnss.rtcm.signals import SPEED_OF_LIGHT_M_S
from gnss.sky import Skies
from gnss.systems import System
from tests.gnss.quality.gnssmultipath_run import INTERVAL_S, Beside, run_beside

LEARNT = 3
"""Epochs before a signal is known at the station: see `gnss.quality.completeness.CAPABLE_S`."""


@pytest.fixture(scope="module")
def beside(data: Any, tmp_path_factory: pytest.TempPathFactory) -> Beside:
    return run_beside(data, tmp_path_factory.mktemp("gnssmultipath"))


def test_the_navigation_file_of_beidou_is_in_semicircles(beside: Beside) -> None:
    """Its satellites are thousands of km from where they were heard; turned to radians, as near as others."""
    o = beside.epochs.observations
    some = np.isfinite(o.range_m) & (o.row % 60 == 5)
    for book in (beside.book, beside.unrepaired):
        skies = Skies(book)
        for system in (System.GPS, System.GLONASS, System.GALILEO, System.BEIDOU):
            misses = []
            for c in np.flatnonzero(some & (o.system == system)).tolist():
                sky = skies.at(int(beside.epochs.time_us[o.row[c]]))
                j = system * 64 + int(o.satellite[c]) - 1
                away_m = float(np.linalg.norm(sky.position_m[j] - beside.position_m))
                misses.append(o.range_m[c] - away_m + SPEED_OF_LIGHT_M_S * sky.clock_s[j])
            worst_m = np.nanmax(np.abs(misses))
            assert len(misses) > 150
            if book is beside.unrepaired and system is System.BEIDOU:
                assert worst_m > 1e6
            else:
                assert worst_m < 300.0, system  # its way while the signal travelled, and our clock


def test_completeness_is_the_same(beside: Beside) -> None:
    table = QualityTable()
    s = table.add(INTERVAL_S)
    table.place(s, beside.position_m, REGISTERED)
    skies = Skies(beside.book)
    table.observe(beside.epochs, skies)
    usable = np.zeros((len(beside.epochs), len(System), 65), np.bool_)
    for e, time_us in enumerate(beside.epochs.time_us.tolist()):
        sky = skies.at(time_us)
        usable[e, :, 1:] = (sky.known & sky.healthy).reshape(-1, 64)
    for code in beside.codes:
        sums = table.memory.kinds[s, table.memory.kind_of[s, code.system * 33 + code.signal]]
        came = np.isfinite(beside.grid(code.system, code.signal, beside.cells.hz))
        expected = (code.elevation_deg >= 10.0) & came.any(axis=0)
        unknown = {
            "E14" if (code.system, satellite) == (System.GALILEO, 14) else (System(code.system).letter, e)
            for e, satellite in np.argwhere(expected & ~usable[:, code.system]).tolist()
        }
        assert unknown == {System.GALILEO: {"E14"}, System.GPS: {("G", 0)}}.get(System(code.system), set())
        expected &= usable[:, code.system]
        assert int(sums[K_HAVE_MASK]) == np.count_nonzero(expected & came)
        assert sums[K_HAVE_MASK] / sums[K_EXPECTED_MASK] == pytest.approx(np.mean(came[expected]), abs=0.002)
        expected[:LEARNT] &= came[:LEARNT]
        assert int(sums[K_EXPECTED_MASK]) == np.count_nonzero(expected) > 1500
