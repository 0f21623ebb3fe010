"""What observation files of RINEX 2, 3 and 4 may hold, one thing at a time."""

from __future__ import annotations

import numpy as np
import pytest

from gnss.observations import LOST_LOCK
from gnss.rinex.observation import read_observations
from gnss.rinex.problems import NotRinexError
from gnss.rtcm.signals import wavelength_m
from gnss.systems import UNKNOWN_CHANNEL, System
from gnss.time import iso_z
from tests.gnss.rinex.samples import (
    HEAD_2,
    HEAD_3,
    epoch_2,
    epoch_3,
    field,
    gps_3,
    head,
    sample_2,
    sample_3,
    values_2,
)

L1_M = 299_792_458.0 / 1575.42e6


def read(text: str, **options):
    return read_observations(text.encode("latin-1"), **options)


def rows(found):
    seen = found.epochs.observations
    keys = zip(
        seen.row.tolist(), seen.system.tolist(), seen.satellite.tolist(), seen.signal.tolist(), strict=True
    )
    return {key: i for i, key in enumerate(keys)}


def test_rinex_3_values() -> None:
    found = read(sample_3())
    seen = found.epochs.observations
    assert found.problems == ()
    assert len(found.epochs) == 6
    assert iso_z(int(found.epochs.time_us[0])) == "2024-02-29T23:59:42Z"
    i = rows(found)[2, System.GPS, 4, 2]
    assert seen.range_m[i] == 20_002_004.0
    assert seen.phase_m[i] == pytest.approx(100_010_020.0 * L1_M, abs=1e-6)
    assert seen.rate_m_s[i] == pytest.approx(1234.567 * L1_M, abs=1e-9)
    assert seen.cn0_dbhz[i] == 45.25
    i = rows(found)[2, System.GLONASS, 7, 2]
    assert seen.channel[i] == 5
    assert seen.phase_m[i] == pytest.approx(110e6 + 2, rel=1.0)
    assert seen.phase_m[i] == pytest.approx((110e6 + 2) * 299_792_458.0 / (1602e6 + 5 * 562.5e3), abs=1e-6)
    assert np.all(seen.lock_ms == -1)
    assert np.all(seen.lock_indicator == -1)
    assert found.epochs.first.tolist() == [0, 6, 12, 18, 24, 30]
    assert found.epochs.count.tolist() == [6] * 6


def test_begin_is_the_offset_of_the_epoch_line() -> None:
    text = sample_3(3)
    found = read(text)
    assert [text[b : b + 21] for b in found.epochs.begin.tolist()] == [
        "> 2024 03 01 00 00 00",
        "> 2024 03 01 00 00 01",
        "> 2024 03 01 00 00 02",
    ]


def test_line_ends_of_another_system() -> None:
    plain, other = read(sample_3()), read(sample_3().replace("\n", "\r\n"))
    assert other.problems == ()
    np.testing.assert_array_equal(plain.epochs.observations.range_m, other.epochs.observations.range_m)


def test_missing_values_and_indicators() -> None:
    line_1 = f"G01{field(None)}{field(100.0, 3)}{field(0.0)}{field(None, None, 7)}"
    line_2 = f"G02{field(0.0)}{field(None, 1)}"
    line_3 = "G03" + field(21e6, None, 9).rstrip()
    found = read(HEAD_3 + epoch_3(0, line_1, line_2, line_3))
    seen = found.epochs.observations
    assert found.problems == ()
    assert seen.satellite.tolist() == [1, 3]
    assert np.isnan(
        [seen.range_m[0], seen.rate_m_s[0], seen.cn0_dbhz[0], seen.phase_m[1], seen.cn0_dbhz[1]]
    ).all()
    assert seen.flags.tolist() == [LOST_LOCK, 0]
    assert seen.half_cycle.tolist() == [1, 0]


def test_glonass_phase_without_channel_is_missing_and_counted() -> None:
    found = read(HEAD_3 + epoch_3(0, f"R08{field(20e6)}{field(100e6)}"))
    seen = found.epochs.observations
    assert seen.range_m.tolist() == [20e6]
    assert np.isnan(seen.phase_m).all()
    assert seen.channel.tolist() == [UNKNOWN_CHANNEL]
    assert found.phases_without_channel == 1
    told = read(HEAD_3 + epoch_3(0, f"R08{field(20e6)}{field(100e6)}"), glonass_channels={8: -7})
    wave_m = wavelength_m(System.GLONASS, 2, -7)
    assert told.epochs.observations.phase_m[0] == pytest.approx(100e6 * wave_m)
    assert told.phases_without_channel == 0


def test_receiver_clock_offset() -> None:
    found = read(HEAD_3 + epoch_3(0, gps_3(1, 20e6), clock=" 0.000123456789") + epoch_3(1, gps_3(1, 20e6)))
    assert found.clock_offset_s[0] == 0.000123456789
    assert np.isnan(found.clock_offset_s[1])


@pytest.mark.parametrize(
    ("system", "utc"),
    [
        ("GPS", "2024-02-29T23:59:42Z"),
        ("GAL", "2024-02-29T23:59:42Z"),
        ("QZS", "2024-02-29T23:59:42Z"),
        ("IRN", "2024-02-29T23:59:42Z"),
        ("BDT", "2024-02-29T23:59:56Z"),
        ("GLO", "2024-03-01T00:00:00Z"),
    ],
)
def test_time_systems(system: str, utc: str) -> None:
    found = read(HEAD_3.replace("     GPS  ", f"     {system}  ") + epoch_3(0, gps_3(1, 20e6)))
    assert found.problems == ()
    assert found.header.time_system == system
    assert iso_z(int(found.epochs.time_us[0])) == utc
    assert found.header.first_us == found.epochs.time_us[0]


@pytest.mark.parametrize(("letter", "system"), [("R", "GLO"), ("C", "BDT"), ("G", "GPS"), ("E", "GAL")])
def test_time_system_of_a_file_of_one_system(letter: str, system: str) -> None:
    text = head(
        (f"     3.05           OBSERVATION DATA    {letter}", "RINEX VERSION / TYPE"),
        ("G    1 C1C", "SYS / # / OBS TYPES"),
    )
    assert read(text).header.time_system == system


def test_power_failure_is_a_loss_of_lock_of_all() -> None:
    found = read(HEAD_3 + epoch_3(0, gps_3(1, 20e6)) + epoch_3(1, gps_3(1, 20e6), gps_3(2, 20e6), flag=1))
    assert found.epochs.observations.flags.tolist() == [0, LOST_LOCK, LOST_LOCK]
    assert [(e.flag, e.line) for e in found.events] == [(1, 11)]


def test_new_types_between_epochs() -> None:
    change = epoch_3(
        1,
        f"{'G    2 L1C C1C':60}SYS / # / OBS TYPES",
        f"{'G   10  1 L1C':60}SYS / SCALE FACTOR",
        flag=4,
    )
    behind = epoch_3(2, f"G01{field(1000.0)}{field(20e6)}")
    found = read(HEAD_3 + epoch_3(0, gps_3(1, 20e6)) + change + behind)
    seen = found.epochs.observations
    assert found.problems == ()
    assert seen.range_m.tolist() == [20e6, 20e6]
    assert seen.phase_m[1] == pytest.approx(100.0 * L1_M)
    assert [e.flag for e in found.events] == [4]


@pytest.mark.parametrize("flag", [2, 3, 5])
def test_events_without_types(flag: int) -> None:
    event = f">{'':30}{flag}  1\n{'NEW':60}MARKER NAME\n"
    found = read(HEAD_3 + epoch_3(0, gps_3(1, 20e6)) + event + epoch_3(1, gps_3(1, 20e6)))
    assert found.problems == ()
    assert len(found.epochs) == 2
    assert [(e.flag, e.time_us) for e in found.events] == [(flag, None)]
    assert found.header.marker_name == "NEW"


def test_cycle_slip_records_are_passed_over() -> None:
    slips = epoch_3(1, gps_3(1, 999.0), gps_3(2, 999.0), flag=6)
    found = read(HEAD_3 + epoch_3(0, gps_3(1, 20e6)) + slips + epoch_3(2, gps_3(1, 21e6)))
    assert found.problems == ()
    assert found.epochs.observations.range_m.tolist() == [20e6, 21e6]


@pytest.mark.parametrize(
    ("version", "code", "signal"),
    [
        ("3.02", "1I", 2),
        ("3.02", "1X", 4),
        ("3.03", "2I", 2),
        ("3.04", "1X", 32),
        ("3.04", "1I", 2),
        ("4.01", "1P", 31),
    ],
)
def test_codes_of_beidou(version: str, code: str, signal: int) -> None:
    text = head(
        (f"{version:>9}           OBSERVATION DATA    C", "RINEX VERSION / TYPE"),
        (f"C    1 C{code}", "SYS / # / OBS TYPES"),
    )
    found = read(text + epoch_3(0, f"C19{field(20e6)}"))
    assert found.epochs.observations.signal.tolist() == [signal]


def test_types_that_msm_does_not_have() -> None:
    text = head(
        ("     3.05           OBSERVATION DATA    M", "RINEX VERSION / TYPE"),
        ("R    3 C3Q C4A C1C", "SYS / # / OBS TYPES"),
        ("G    2 X1  C1C", "SYS / # / OBS TYPES"),
    )
    found = read(
        text + epoch_3(0, f"R01{field(1.0)}{field(2.0)}{field(3.0)}", f"G01{field(4.0)}{field(5.0)}")
    )
    assert found.opaque == {"R C3Q": 1, "R C4A": 1, "G X1": 1}
    assert found.epochs.observations.range_m.tolist() == [3.0, 5.0]


def test_satellites_in_any_order_and_with_spaces() -> None:
    lines = [gps_3(9, 1e6), gps_3(2, 2e6), f"C 5{field(3e6)}{field(1.0)}"]
    found = read(HEAD_3 + epoch_3(0, *lines))
    assert found.problems == ()
    assert found.epochs.observations.satellite.tolist() == [9, 2, 5]


def test_rinex_2_values() -> None:
    found = read(sample_2())
    seen = found.epochs.observations
    assert found.problems == ()
    assert found.opaque == {}
    assert len(found.epochs) == 5
    assert iso_z(int(found.epochs.time_us[1])) == "2004-02-29T23:59:48Z"
    assert len(seen) == 5 * 14 * 3
    at = rows(found)
    i, j, k = (at[3, System.GPS, 13, signal] for signal in (2, 10, 24))
    assert (seen.range_m[i], seen.range_m[j], seen.range_m[k]) == (20_003_013.0, 20_003_015.0, 20_003_018.0)
    assert seen.phase_m[i] == pytest.approx(100_015_065.0 * L1_M)
    assert (seen.flags[i], seen.half_cycle[i], seen.flags[j], seen.half_cycle[j]) == (LOST_LOCK, 0, 0, 1)
    assert np.isnan(seen.phase_m[k])
    assert seen.rate_m_s[i] == pytest.approx(-500.25 * L1_M)
    assert seen.cn0_dbhz[i] == 40.0
    assert (3, System.GPS, 3, 2) in at  # its letter was left out


def test_rinex_2_blank_lines_and_clock() -> None:
    text = (
        HEAD_2
        + epoch_2(0, ["G01", "R02"], clock="0.000000123")
        + "\n\n"
        + values_2(20e6)
        + epoch_2(1, ["G01"])
    )
    found = read(text + values_2(21e6))
    assert found.problems == ()
    assert found.clock_offset_s[0] == 1.23e-7
    assert found.epochs.observations.satellite.tolist() == [2, 2, 1, 1, 1]
    assert found.opaque == {"R C5": 1}


def test_rinex_2_phase_goes_with_the_range_that_is_there() -> None:
    text = head(
        ("     2.11           OBSERVATION DATA    G", "RINEX VERSION / TYPE"),
        ("     5    C1    P1    P2    C2    L2", "# / TYPES OF OBSERV"),
    )
    both = "".join(field(v) for v in (1e6, 2e6, 3e6, 4e6, 5e6)) + "\n"
    civil = "".join(field(v) for v in (1e6, None, None, 4e6, 5e6)) + "\n"
    found = read(text + epoch_2(0, ["G01", "G02"]) + both + civil)
    seen, at = found.epochs.observations, rows(found)
    assert not np.isnan(seen.phase_m[at[0, 0, 1, 10]])
    assert np.isnan(seen.phase_m[at[0, 0, 1, 17]])
    assert not np.isnan(seen.phase_m[at[0, 0, 2, 17]])
    assert (0, 0, 2, 10) not in at


def test_rinex_2_events() -> None:
    event = f"{'':28}4  2\n{'     1    C1':60}# / TYPES OF OBSERV\n{'':60}COMMENT\n"
    slips = epoch_2(2, ["G01"], flag=6) + field(9.0) + "\n"
    text = (
        HEAD_2
        + epoch_2(0, ["G01"])
        + values_2(20e6)
        + event
        + slips
        + epoch_2(3, ["G01"])
        + field(21e6)
        + "\n"
    )
    found = read(text)
    assert found.problems == ()
    assert found.epochs.observations.range_m[found.epochs.observations.signal == 2].tolist() == [20e6, 21e6]
    assert [(e.flag, e.time_us) for e in found.events] == [(4, None)]


def test_rinex_2_12_letters() -> None:
    text = head(
        ("     2.12           OBSERVATION DATA    M", "RINEX VERSION / TYPE"),
        ("     4    CA    LA    CC    LC", "# / TYPES OF OBSERV"),
    )
    line = "".join(field(v) for v in (1e6, 2e6, 3e6, 4e6)) + "\n"
    found = read(text + epoch_2(0, ["G01", "R01"]) + line * 2, glonass_channels={1: 1})
    assert found.epochs.observations.signal.tolist() == [2, 17, 2, 8]
    assert not np.isnan(found.epochs.observations.phase_m).any()


def test_years_of_two_digits() -> None:
    early = sample_2(1).replace(" 04  3  1  0  0  0", " 97  3  1  0  0  0")
    assert iso_z(int(read(early).epochs.time_us[0])) == "1997-02-28T23:59:49Z"


def test_another_file_behind_the_first() -> None:
    second = sample_3(2).replace("00 00 0", "00 10 0")
    found = read(sample_3(2) + second)
    assert len(found.epochs) == 4
    assert found.problems == ("line 23: another header begins: read on as the same file",)


def test_epochs_that_come_again_or_late() -> None:
    text = HEAD_3 + epoch_3(5, gps_3(1, 5e6)) + epoch_3(3, gps_3(1, 3e6)) + epoch_3(5, gps_3(1, 9e6))
    found = read(text)
    assert found.epochs.observations.range_m.tolist() == [3e6, 5e6]
    assert found.epochs.observations.row.tolist() == [0, 1]
    assert np.all(np.diff(found.epochs.time_us) > 0)
    assert found.problems == (
        "line 11: times go back (1 in all): epochs are put in order",
        "line 13: an epoch of the same time came before",
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a RINEX file"),
        ("hello\n" * 50, "not a RINEX file"),
        (HEAD_3.replace("3.05", "5.00", 1), "only 2, 3 and 4"),
        (HEAD_3.replace("3.05", "x.xx", 1), "no version"),
        (HEAD_3.replace("OBSERVATION", "NAVIGATION ", 1), "not an observation file"),
        (head(("     3.05           OBSERVATION DATA    M", "RINEX VERSION / TYPE")), "no observation types"),
    ],
)
def test_what_is_not_read(text: str, reason: str) -> None:
    with pytest.raises(NotRinexError, match=reason):
        read(text)
