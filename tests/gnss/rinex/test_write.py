"""RINEX 3.05 files from columns: read back, and against other programs."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from dataclasses import fields, replace
from io import StringIO

import georinex
import numpy as np
import pytest
from gnssmultipath import readRinexObs
from hypothesis import given, settings
from hypothesis import strategies as st

from gnss import capture
from gnss.epoch_columns import EpochColumns
from gnss.observations import LOST_LOCK, PARTIAL, UNKNOWN_CHANNEL, Observations
from gnss.rinex.header import ObservationHeader
from gnss.rinex.observation import read_observations
from gnss.rinex.problems import Problems
from gnss.rinex.unpack import compact, unpack
from gnss.rinex.write import RinexFile, RinexWriter
from gnss.rtcm.signals import RINEX_CODES, wavelength_m
from gnss.systems import System
from gnss.time import utc_to_gps
from tests.gnss.rinex.values import joined, of_columns, rinex_3

S = 1_000_000
T0 = 1_709_251_200 * S  # 2024-03-01
ALWAYS = {"begin_us": 0, "end_us": 2**61}
LEAP_US = 18 * S
STR24 = "rtcm3/swift/week-rollover-STR24.rtcm3"
SITE = ObservationHeader(
    marker_name="SITE",
    marker_number="12345M001",
    observer="somebody",
    agency="an agency",
    receiver_serial="4711",
    receiver_type="SEPT POLARX5",
    receiver_version="5.4.0",
    antenna_serial="0815",
    antenna_type="LEIAR25.R4      LEIT",
    position_m=(4_075_580.1234, 931_853.9, 4_801_568.2),
    antenna_delta_hen_m=(0.0835, 0.0, 0.0),
)


def one(**columns: object) -> Observations:
    """Return observations; a column is a value for all or a list."""
    n = max((len(v) for v in columns.values() if isinstance(v, list)), default=1)
    given = {"system": 0, "satellite": 5, "signal": 2, "range_m": 2e7, "phase_m": 2e7, "rate_m_s": np.nan}
    given |= {
        "cn0_dbhz": 45.0,
        "lock_ms": -1,
        "lock_indicator": -1,
        "half_cycle": 0,
        "flags": 0,
        "channel": 0,
    }
    types = {"row": np.int32, "lock_ms": np.int32, "lock_indicator": np.int16, "channel": np.int8}
    made = {"row": np.zeros(n, np.int32)}
    for name, value in (given | columns).items():
        kind = types.get(name, np.float64 if "_m" in name or "db" in name else np.uint8)
        made[name] = np.full(n, value, kind) if not isinstance(value, list) else np.array(value, kind)
    return Observations(**made)


def written(epochs: EpochColumns, **options) -> RinexFile:
    writer = RinexWriter(SITE, **(ALWAYS | options))
    writer.add(epochs)
    return writer.finish(T0)


def seen_again(epochs: EpochColumns, **options) -> Observations:
    found = read_observations(written(epochs, **options).text)
    assert found.problems == ()
    return found.epochs.observations


@st.composite
def observations(draw) -> Observations:
    system = draw(st.sampled_from(list(System)))
    n = draw(st.integers(1, 6))
    satellites = draw(st.lists(st.integers(1, 58), min_size=n, max_size=n, unique=True))
    signals = [draw(st.sampled_from(sorted(RINEX_CODES[system]))) for _ in range(n)]

    def column(low: float, high: float) -> list[float]:
        return draw(st.lists(st.floats(low, high) | st.just(np.nan), min_size=n, max_size=n))

    return one(
        system=[int(system)] * n,
        satellite=satellites,
        signal=signals,
        range_m=column(0.001, 1e9),
        phase_m=column(-1e8, 1e9),
        rate_m_s=column(-2000.0, 2000.0),
        cn0_dbhz=column(0.001, 99.0),
        half_cycle=draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)),
        flags=draw(st.lists(st.sampled_from([0, LOST_LOCK]), min_size=n, max_size=n)),
        channel=[satellite % 21 - 7 if system is System.GLONASS else 0 for satellite in satellites],
    )


@settings(deadline=None, max_examples=80)
@given(
    parts=st.lists(
        st.lists(observations(), min_size=1, max_size=4, unique_by=lambda o: int(o.system[0])),
        min_size=1,
        max_size=4,
    )
)
def test_read_back_all_columns_are_equal(parts: list[list[Observations]]) -> None:
    epochs = []
    for e, systems in enumerate(parts):
        columns = {
            f.name: np.concatenate([getattr(o, f.name) for o in systems]) for f in fields(Observations)
        }
        epochs.append((T0 + e * 100_000, Observations(**columns)))
    columns = joined(epochs)
    # a loss without a phase is told later: another test
    seen = columns.observations
    seen.flags[~(np.abs(seen.phase_m) > 0.001)] = 0
    # one value at least, so that there is a file
    columns.observations.range_m[0] = 2.5e7
    file = written(columns)
    assert file.left_out == {}
    found = read_observations(file.text)
    assert found.problems == ()
    theirs, ours = of_columns(columns, 0), of_columns(found.epochs, 0)
    tolerance = {"C": 0.5001e-3, "L": 0.5001e-3, "D": 0.5001e-3, "S": 0.5001e-3}
    for key, (value, indicator) in theirs.items():
        if abs(value) < 0.0005:
            assert key not in ours  # written 0.000: missing
            continue
        again, again_indicator = ours.pop(key)
        assert abs(again - value) <= tolerance[key[2][0]] + 1e-15 * abs(value), key
        if key[2][0] == "L":
            assert again_indicator == indicator, key
    assert not ours


def test_the_cut_into_batches_does_not_matter() -> None:
    whole = joined([(T0 + e * S, one(satellite=[3, 9], lock_ms=1000 * (e % 4))) for e in range(12)])
    writer = RinexWriter(SITE, **ALWAYS)
    for rows in ([5, 6, 7], [0, 1], [11], [2, 3, 4, 8, 9, 10]):
        chosen = {
            f.name: getattr(whole, f.name)[rows] for f in fields(EpochColumns) if f.name != "observations"
        }
        writer.add(EpochColumns(observations=whole.observations, **chosen))
    assert writer.finish(T0).text == written(whole).text


def test_header_says_what_was_given_and_seen() -> None:
    epochs = joined(
        [(T0 + e * S // 5, one(system=[0, 1, 1], satellite=[7, 3, 4], channel=[0, -4, 6])) for e in range(4)]
    )
    found = read_observations(written(epochs).text)
    header = found.header
    again = replace(
        SITE,
        marker_type="GEODETIC",
        interval_s=0.2,
        first_us=T0,
        last_us=T0 + 600_000,
        leap_seconds=18,
        glonass_channels={3: -4, 4: 6},
        types={System.GPS: ("C1C", "L1C", "S1C"), System.GLONASS: ("C1C", "L1C", "S1C")},
        strength_unit="DBHZ",
    )
    assert header == again
    assert found.epochs.time_us.tolist() == [T0, T0 + 200_000, T0 + 400_000, T0 + 600_000]


def test_lines_keep_to_the_format() -> None:
    nasty = replace(SITE, marker_name="a\nb\x00" + "ä" * 200, antenna_type="x" * 99, agency="y" * 99)
    writer = RinexWriter(nasty, **ALWAYS)
    writer.add(joined([(T0, one(satellite=list(range(1, 33))))]))
    lines = writer.finish(T0).text.decode("ascii").splitlines()
    end = lines.index(" " * 60 + "END OF HEADER")
    assert all(len(line) <= 80 for line in lines[:end])
    assert lines[0] == "     3.05           OBSERVATION DATA    G                   RINEX VERSION / TYPE"
    assert lines[end + 1] == "> 2024 03 01 00 00 18.0000000  0 32"
    assert lines[end + 2].startswith("G01  20000000.000 ")


def test_rounded_to_the_nearest() -> None:
    seen = seen_again(
        joined([(T0, one(satellite=[1, 2, 3], range_m=[20_000_000.0006, 20_000_000.0004, 0.9996]))])
    )
    assert seen.range_m.tolist() == [20_000_000.001, 20_000_000.0, 1.0]


def test_phases_beyond_the_field_are_left_out_and_counted() -> None:
    wave_m = float(wavelength_m(0, 2, 0))
    phases = [9_999_999_999.0 * wave_m, -999_999_999.0 * wave_m, 1e10 * wave_m, -1e9 * wave_m, np.inf]
    file = written(joined([(T0, one(satellite=[1, 2, 3, 4, 5], phase_m=phases))]))
    again = read_observations(file.text).epochs.observations
    assert np.isnan(again.phase_m).tolist() == [False, False, True, True, True]
    assert file.left_out == {"values that have no room in their field": 3}


def test_what_rinex_cannot_hold_is_counted() -> None:
    seen = one(
        system=[0, 0, 0, 1],
        satellite=[1, 2, 3, 4],
        signal=[2, 29, 2, 2],
        flags=[PARTIAL, 0, 0, 0],
        channel=[0, 0, 0, UNKNOWN_CHANNEL],
    )
    epochs = joined([(T0, seen), (T0, seen), (T0 + S, seen), (T0 + 9 * S, seen)])
    file = written(epochs, begin_us=T0, end_us=T0 + 5 * S)
    assert file.epochs == 2
    assert file.left_out == {
        "epochs outside of the period": 1,
        "epochs of a time that came before": 1,
        "signals without a RINEX code": 2,
        "ranges and phases without whole milliseconds": 2,
        "GLONASS phases without a frequency number": 2,
    }
    again = read_observations(file.text).epochs.observations
    assert again.satellite.tolist() == [1, 3, 4] * 2
    assert np.isnan(again.range_m).tolist() == [True, False, False] * 2
    assert np.isnan(again.phase_m).tolist() == [True, False, True] * 2


def test_a_channel_that_one_message_tells_serves_all() -> None:
    parts = [
        (T0 + e * S, one(system=1, satellite=[4, 5], channel=[c, UNKNOWN_CHANNEL]))
        for e, c in enumerate((-128, 6))
    ]
    file = written(joined(parts), glonass_channels={5: 1})
    assert file.left_out == {}
    again = read_observations(file.text).epochs.observations
    np.testing.assert_allclose(again.phase_m, 2e7, atol=1e-4)
    assert again.channel.tolist() == [6, 1, 6, 1]


@pytest.mark.parametrize(
    ("locks", "lost"),
    [
        ([1000, 2000, 3000], [0, 0, 0]),
        ([5000, 0, 1000], [0, 1, 0]),
        ([5000, 5000, 4999], [0, 0, 1]),
        ([-1, 0, -1], [0, 0, 0]),
        (
            [0, 0, 480, 480],
            [0, 1, 1, 1],
        ),  # less than the second that passed, whatever the step of the indicator
        ([0, 512, 1024], [0, 0, 0]),  # DF402: 512 ms may be 1 s
    ],
)
def test_loss_of_lock_from_lock_times(locks: list[int], lost: list[int]) -> None:
    seen = seen_again(joined([(T0 + e * S, one(lock_ms=lock)) for e, lock in enumerate(locks)]))
    assert seen.flags.tolist() == lost


def test_a_loss_without_a_phase_is_told_with_the_next_phase() -> None:
    parts = [
        one(lock_ms=9000),
        one(lock_ms=0, phase_m=np.nan),
        one(lock_ms=9500, phase_m=np.nan),
        one(lock_ms=10_500),
        one(lock_ms=11_500),
        one(flags=LOST_LOCK, phase_m=np.nan),
        one(half_cycle=1),
    ]
    seen = seen_again(joined([(T0 + e * S, part) for e, part in enumerate(parts)]))
    assert seen.flags.tolist() == [0, 0, 0, 1, 0, 0, 1]
    assert seen.half_cycle.tolist() == [0, 0, 0, 0, 0, 0, 1]


def test_one_station_of_many() -> None:
    epochs = joined([(T0 + e * S, one(satellite=[e + 1])) for e in range(4)])
    epochs = replace(epochs, station=np.array([0, 7, 0, 7], np.int32))
    assert seen_again(epochs, number=7).satellite.tolist() == [2, 4]


@pytest.mark.parametrize(
    "epochs", [joined([(T0, one(range_m=np.nan, phase_m=np.nan, cn0_dbhz=np.nan))]), None]
)
def test_nothing_to_write(epochs: EpochColumns | None) -> None:
    writer = RinexWriter(SITE, **ALWAYS)
    if epochs is not None:
        writer.add(epochs)
    with pytest.raises(ValueError, match="nothing to write"):
        writer.finish(T0)


def test_a_period_without_length() -> None:
    with pytest.raises(ValueError, match="behind begin_us"):
        RinexWriter(SITE, begin_us=T0, end_us=T0)


def streamed(data, name: str) -> EpochColumns:
    content = (data / name).read_bytes()
    begin_us, _ = capture.reference_time(content, date_us=None, modified_us=1_600_000_000 * S)
    return joined([(e.time_us, e.observations) for e in capture.epochs(content, begin_us)])


def test_compact_and_back(data) -> None:
    text = written(streamed(data, STR24)).text
    packed = compact(text)
    assert len(packed) < len(text) / 3
    assert unpack(packed, Problems()) == text


def test_georinex_reads_the_same_values(data) -> None:
    epochs = streamed(data, STR24)
    writer = RinexWriter(SITE, begin_us=0, end_us=int(epochs.time_us[15]))
    writer.add(epochs)
    file = writer.finish(T0)
    ours = of_columns(read_observations(file.text).epochs, LEAP_US)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = georinex.load(StringIO(file.text.decode("ascii")))
    times = theirs.time.values.astype("datetime64[us]").astype(np.int64).tolist()
    assert len(times) == 15
    assert theirs.attrs["position"] == list(SITE.position_m or ())
    for kind in theirs.data_vars:
        for (i, k), value in np.ndenumerate(theirs[kind].values):
            if not np.isnan(value):
                assert ours.pop((times[i], str(theirs.sv.values[k]), kind))[0] == pytest.approx(
                    value, abs=1e-6
                )
    assert not ours


def test_gnssmultipath_reads_the_same_values(data, tmp_path) -> None:
    epochs = streamed(data, STR24)
    writer = RinexWriter(SITE, begin_us=0, end_us=int(epochs.time_us[60]))
    writer.add(epochs)
    file = writer.finish(T0)
    path = tmp_path / "SITE00XXX_R_20240610000_01H_01S_MO.rnx"
    path.write_bytes(file.text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = readRinexObs(str(path))
    values, codes = theirs[0], theirs[7]
    ours = {k: v for k, v in of_columns(read_observations(file.text).epochs, 0).items() if k[1][0] in "GREC"}
    times = np.unique([key[0] for key in ours]).tolist()
    compared = 0
    for number, (letter, by_epoch) in enumerate(values.items(), start=1):
        names = codes[number][letter]
        for e, table in by_epoch.items():
            for satellite, column in np.argwhere(np.nan_to_num(table) != 0.0).tolist():
                key = times[int(e) - 1], f"{letter}{satellite:02d}", names[column]
                # it takes a loss of lock indicator, 1 to 3, for a fourth decimal
                assert -1e-6 < table[satellite, column] - ours.pop(key)[0] < 3.1e-4
                compared += 1
    assert not ours
    assert compared > 5_000


@pytest.mark.integration
def test_file_equals_convbins_own(data, tmp_path) -> None:
    convbin = shutil.which("convbin")
    if convbin is None:
        pytest.fail("convbin is missing: install Debian's package rtklib")
    command = [convbin, "-r", "rtcm3", "-tr", "2018/07/14", "23:50:00", "-v", "3.04", "-os"]
    command += ["-o", "obs", "-n", "nav", str(data / STR24)]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    theirs = rinex_3((tmp_path / "obs").read_text())
    channels = read_observations((tmp_path / "obs").read_bytes()).header.glonass_channels
    file = written(streamed(data, STR24), glonass_channels=channels)
    ours = rinex_3(file.text.decode("ascii"))
    assert file.left_out.get("GLONASS phases without a frequency number", 0) == 0
    missing = theirs.keys() - ours.keys()
    assert not missing, next(iter(missing))
    first_seen: set[tuple[str, str]] = set()
    unequal = {"C": 0, "L": 0, "S": 0, "indicator": 0}
    for key, (value, indicator) in sorted(theirs.items()):
        found, found_indicator = ours[key]
        limit = 0.13 if key[2][0] == "S" else 0.0011  # convbin has steps of 1/4 dB, and float sums of its own
        unequal[key[2][0]] += abs(found - value) > limit
        if key[1:] in first_seen:
            unequal["indicator"] += (indicator & 1) != (found_indicator & 1)
        first_seen.add(key[1:])
    assert unequal == {"C": 0, "L": 0, "S": 0, "indicator": 0}
    assert len(theirs) > 200_000
    assert len({key[0] for key in ours}) == 1134
    gps = utc_to_gps(streamed(data, STR24).time_us)
    assert sorted({key[0] for key in ours}) == gps.tolist()
