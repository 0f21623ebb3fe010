from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gnss.observations import Observations
from gnss.quality.bands import BAND, BANDS
from gnss.quality.memory import TRACKED
from gnss.quality.signal_strength import HOLD_S, compare_template, elevation_bin, update
from tests.gnss.quality.kernels import Tracking

L1, L2, L5 = BANDS.index("L1"), BANDS.index("L2"), BANDS.index("L5")


class Levels:
    """Feeds epochs to the kernel as a station does."""

    def __init__(self) -> None:
        self.tracking = Tracking()
        self.down_since_us = np.full(5, -1, np.int64)
        self.drop_db = np.full(5, np.nan)

    def epoch(self, o: Observations, t_us: int) -> tuple[float, int]:
        tracking = self.tracking
        tracking.find(o, t_us)
        total, count = update(
            tracking.cells, tracking.n, tracking.seen, tracking.n_seen, tracking.rows, t_us,
            self.down_since_us, np.zeros((5, TRACKED)), self.drop_db,
        )  # fmt: skip
        tracking.commit()
        return float(total), int(count)


def warmed_up(sky: Any) -> Levels:
    levels = Levels()
    for i in range(60):
        levels.epoch(sky.at(i), sky.time_us(i))
    return levels


def in_l1(o: Observations) -> Any:
    return BAND[o.system, o.signal] == L1


def test_mean_is_over_the_signals_that_tell(sky: Any) -> None:
    epoch = sky.at(0)
    epoch.cn0_dbhz[:5] = (0.0, np.nan, 0.0, np.nan, 0.0)
    total, count = Levels().epoch(epoch, sky.time_us(0))
    assert count == len(sky) - 5
    assert total == pytest.approx(epoch.cn0_dbhz[5:].sum())


def test_a_band_that_drops_is_named_and_the_others_are_not(sky: Any) -> None:
    levels = warmed_up(sky)
    assert levels.drop_db[[L1, L2, L5]] == pytest.approx([0.0] * 3, abs=0.5)
    jammed = sky.at(60)
    jammed.cn0_dbhz[in_l1(jammed)] -= 6.0
    levels.epoch(jammed, sky.time_us(60))
    assert levels.drop_db[L1] == pytest.approx(6.0, abs=0.4)
    assert levels.drop_db[[L2, L5]] == pytest.approx([0.0, 0.0], abs=0.5)


def test_some_satellites_that_fade_are_no_interference(sky: Any) -> None:
    levels = warmed_up(sky)
    faded = sky.at(60)
    faded.cn0_dbhz[(faded.satellite <= 4)] -= 15.0
    levels.epoch(faded, sky.time_us(60))
    assert levels.drop_db[L1] < 1.0


def test_an_interferer_does_not_become_the_norm_too_soon(sky: Any) -> None:
    levels = warmed_up(sky)
    drops = {}
    for i in range(60, 60 + int(HOLD_S) + 400):
        jammed = sky.at(i)
        jammed.cn0_dbhz[in_l1(jammed)] -= 6.0
        levels.epoch(jammed, sky.time_us(i))
        drops[i] = levels.drop_db[L1]
    assert drops[60 + int(HOLD_S) - 1] > 5.5
    assert drops[max(drops)] < 2.0, "after that it is the site's new level"


def test_few_satellites_tell_nothing(sky: Any) -> None:
    levels = Levels()
    for i in range(60):
        levels.epoch(sky.at(i, keep=sky.satellite <= 1), sky.time_us(i))
    assert np.isnan(levels.drop_db).all()


def test_every_known_signal_has_a_band() -> None:
    from gnss.quality.bands import FREQUENCY_HZ

    assert ((BAND >= 0) == (FREQUENCY_HZ > 0)).all()


def test_elevation_bins() -> None:
    for degrees, place in ((-0.1, -1), (0.0, 0), (9.99, 0), (10.01, 1), (45.0, 4), (89.9, 8), (90.0, 8)):
        assert elevation_bin(np.sin(np.radians(degrees))) == place
    assert elevation_bin(np.nan) == -1


def test_a_loss_against_the_own_template_is_measured_once_it_is_mature() -> None:
    template = np.zeros((7, 5, 9, 2), np.float32)
    random = np.random.default_rng(1)
    first = [compare_template(template, 0, 3, 4, 45.0 + random.normal(0, 1.0), 30.0) for _ in range(2880)]
    assert np.isnan(first[:100]).all()
    assert abs(np.mean(first[200:])) < 0.2
    after = [compare_template(template, 0, 3, 4, 41.0 + random.normal(0, 1.0), 30.0) for _ in range(120)]
    assert np.mean(after) == pytest.approx(4.0, abs=0.4)
    assert template[0, 3, 4, 0] == pytest.approx(45.0, abs=0.3)
    assert not template[1].any()
