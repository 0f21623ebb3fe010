"""A RINEX file, and the same epochs sent as RTCM 3 and decoded again, give the same indicators.

What RTCM rounds or cannot carry, and how far that goes:

- C/N0 to 1/16 dB-Hz: the mean of a signal to 0.03 dB-Hz at most (0.0025 on this recording);
- ranges to 0.6 mm, phases to 0.14 mm: multipath RMS to 0.1 mm, positions to 1 mm, ROTI to 0.002 TECU/min;
- ephemerides to the steps of the broadcast, which RINEX writes with 12 digits: nothing is seen of it;
- a loss of lock at two reports in a row: a lock time that was 0 and is 0 again may never have begun. Such
  losses are counted in a file only, and the arcs of multipath end with them;
- phases are whole cycles away from ranges in a file as the receiver likes it: here they are moved near.
"""

from dataclasses import fields

import numpy as np
import pytest

from gnss.ephemeris_book import EphemerisBook
from gnss.observations import LOST_LOCK
from gnss.quality.period import MinuteFigures, SignalFigures
from gnss.quality.period_builder import About
from gnss.rinex.observation import read_observations
from gnss.scoring import score_capture, score_epochs
from gnss.scoring.epochs import part
from gnss.scoring.rinex import glonass_channels, read_ephemerides
from gnss.sky import Skies
from tests.gnss.scoring.as_stream import as_stream, cut, sendable

GRAS = "rinex/GRAS00FRA_R_20223151700_15M_01S_MO.crx.gz"
ESBC = "rinex/ESBC00DNK_R_20201770000_01D_30S_MO.crx.gz"
ESBC_NAV = "rinex/ESBC00DNK_R_20201770000_01D_MN.rnx.gz"
EQUAL = (
    "begin_us", "end_us", "interval_s", "epochs", "epochs_expected", "usable_epochs", "state_seconds",
    "score", "late_epochs", "out_of_order_epochs", "gaps", "clock_jumps", "latency",
)  # fmt: skip
COUNTS = (
    "observations", "expected", "have", "expected_mask", "have_mask", "phase_slips", "interruptions",
    "cn0_count",
)  # fmt: skip


@pytest.fixture(scope="module")
def a_quarter_hour_at_1_hz(data):
    return both(cut(read_observations((data / GRAS).read_bytes()), 0, 900), [])


@pytest.fixture(scope="module")
def two_hours_at_30_s_with_ephemerides(data):
    ephemerides, problems = read_ephemerides([(data / ESBC_NAV).read_bytes()])
    assert problems == []
    channels = glonass_channels(ephemerides)
    rinex = read_observations((data / ESBC).read_bytes(), glonass_channels=channels)
    return both(cut(rinex, 0, 240), ephemerides)


def both(rinex, ephemerides):
    """Return the file, its report, and the report of its stream."""
    book = EphemerisBook()
    book.extend(ephemerides)
    of_file = score_epochs(
        [rinex.epochs],
        about=About("A"),
        interval_s=float(np.median(np.diff(rinex.epochs.time_us))) * 1e-6,
        sky=Skies(book) if ephemerides else None,
        place_m=rinex.header.position_m,
    )
    stream = as_stream(rinex, ephemerides)
    of_stream = score_capture(stream, name="A", date_us=int(rinex.epochs.time_us[0]), modified_us=0)
    return rinex, of_file, of_stream


@pytest.fixture(params=["a_quarter_hour_at_1_hz", "two_hours_at_30_s_with_ephemerides"])
def reports(request):
    return request.getfixturevalue(request.param)


def by_signal(period):
    some = period.signals
    order = np.lexsort((some.signal, some.system))
    return SignalFigures(*(getattr(some, f.name)[order] for f in fields(SignalFigures)))


def test_whole_figures_are_equal(reports):
    _, of_file, of_stream = reports
    for name in EQUAL:
        assert getattr(of_file, name) == getattr(of_stream, name), name
    assert of_stream.bad_frames == 0
    assert of_stream.epochs == of_stream.epochs_expected


def test_signals_are_equal_but_for_what_is_rounded(reports):
    rinex, of_file, of_stream = reports
    one, other = by_signal(of_file), by_signal(of_stream)
    assert one.system.tolist() == other.system.tolist()
    assert one.signal.tolist() == other.signal.tolist()
    assert len(one.system) >= 15
    unseen = losses_in_a_row(rinex.epochs)
    told = np.array(
        [unseen.get((s, g), 0) for s, g in zip(one.system.tolist(), one.signal.tolist(), strict=True)]
    )
    assert (one.lock_slips - other.lock_slips).tolist() == told.tolist()
    for name in COUNTS:
        difference = np.abs(getattr(one, name) - getattr(other, name))
        # an arc that a loss ended in the file goes on in the stream: its phases are compared
        allowed = told.max(initial=0) if name == "phase_slips" else 0
        assert difference.max() <= allowed, name
    np.testing.assert_allclose(one.cn0_sum / one.cn0_count, other.cn0_sum / other.cn0_count, atol=0.03)
    rms_m, other_rms_m = (
        np.sqrt(x.multipath_squares / np.maximum(x.multipath_count, 1)) for x in (one, other)
    )
    np.testing.assert_allclose(rms_m, other_rms_m, atol=2e-4)
    assert np.abs(one.multipath_count - other.multipath_count).max() <= 2 * told.max(initial=0)
    assert one.multipath_count.min() > 0


def losses_in_a_row(epochs):
    """Count, by signal, losses of lock that the file tells when the lock time sent before was 0."""
    o, lock_ms = epochs.observations, sendable(epochs).lock_ms
    before, found = {}, {}
    for i in range(len(o)):
        kind = (int(o.system[i]), int(o.signal[i]))
        key = (*kind, int(o.satellite[i]))
        # what is away for longer than an arc lasts is no loss but an interruption
        since, was_ms = before.get(key, (-(2**62), 0))
        now_us = epochs.time_us[o.row[i]]
        near = now_us - since <= max(10e6, 10 * np.median(np.diff(epochs.time_us)))
        first = since == -(2**62)
        has_value = not (np.isnan(o.range_m[i]) and np.isnan(o.phase_m[i]))
        if has_value:
            if o.flags[i] & LOST_LOCK and near and not first and was_ms == 0:
                found[kind] = found.get(kind, 0) + 1
            before[key] = (now_us, lock_ms[i])
    return found


def test_minutes_are_equal_but_for_what_is_rounded(reports):
    _, of_file, of_stream = reports
    tolerances = {"cn0_dbhz": 0.01, "multipath_m": 2e-4, "roti_tecu_min": 0.003, "slips": 6}
    for f in fields(MinuteFigures):
        one, other = (np.asarray(getattr(p.minutes, f.name), float) for p in (of_file, of_stream))
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerances.get(f.name, 0), err_msg=f.name)
    assert len(of_file.minutes.time_us) >= 15


def test_reasons_are_equal(reports):
    _, of_file, of_stream = reports
    assert [(r.code, r.seconds, r.first_us, r.last_us) for r in of_file.reasons] == [
        (r.code, r.seconds, r.first_us, r.last_us) for r in of_stream.reasons
    ]


def test_positions_and_the_sky_are_equal_but_for_what_is_rounded(two_hours_at_30_s_with_ephemerides):
    _, of_file, of_stream = two_hours_at_30_s_with_ephemerides
    one, other = of_file.position, of_stream.position
    assert one.count == other.count > 200
    for name in ("east_m", "north_m", "up_m", "east_sd_m", "north_sd_m", "up_sd_m"):
        assert abs(getattr(one, name) - getattr(other, name)) < 0.001, name
    sky, other_sky = of_file.sky, of_stream.sky
    for name in ("time_us", "system", "satellite"):
        assert getattr(sky, name).tolist() == getattr(other_sky, name).tolist()
    np.testing.assert_allclose(sky.azimuth_deg, other_sky.azimuth_deg, atol=1e-4)
    np.testing.assert_allclose(sky.elevation_deg, other_sky.elevation_deg, atol=1e-4)
    np.testing.assert_allclose(sky.cn0_dbhz, other_sky.cn0_dbhz, atol=0.05)
    assert of_file.signals.expected.sum() > 20_000


@pytest.mark.parametrize("step", [1, 7, 64])
def test_the_cut_of_the_epochs_changes_nothing(two_hours_at_30_s_with_ephemerides, data, step):
    rinex, whole, _ = two_hours_at_30_s_with_ephemerides
    ephemerides, _ = read_ephemerides([(data / ESBC_NAV).read_bytes()])
    book = EphemerisBook()
    book.extend(ephemerides)
    n = len(rinex.epochs)
    made = score_epochs(
        (part(rinex.epochs, at, min(at + step, n)) for at in range(0, n, step)),
        about=About("A"),
        interval_s=30.0,
        sky=Skies(book),
        place_m=rinex.header.position_m,
    )
    for name in (*EQUAL, "position", "reasons"):
        assert getattr(made, name) == getattr(whole, name), name
    for group in ("signals", "elevation", "minutes", "sky"):
        for f in fields(type(getattr(whole, group))):
            one, other = (getattr(getattr(p, group), f.name) for p in (made, whole))
            np.testing.assert_array_equal(one, other, err_msg=f.name)
