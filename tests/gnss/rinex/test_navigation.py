"""Navigation files against georinex, RTKLIB's own files, and by hand."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import warnings
from collections import Counter
from dataclasses import fields
from io import StringIO

import georinex
import numpy as np
import pytest
from gnssmultipath import RinexNav
from hypothesis import given, settings
from hypothesis import strategies as st

from gnss.ephemeris import Ephemeris, GlonassEphemeris, KeplerEphemeris
from gnss.rinex.navigation import Ionosphere, read_navigation
from gnss.rinex.navigation_records import sisa_index, ura_index
from gnss.rinex.problems import NotRinexError
from gnss.rtcm.ephemeris import decode_ephemeris
from gnss.rtcm.framing import HEADER_BYTES, find_frames
from gnss.systems import UNKNOWN_CHANNEL, System
from gnss.time import GPS_EPOCH_US, WEEK_US, gps_to_utc, iso_z, utc_to_gps
from tests.gnss.rinex.samples import head
from tests.gnss.rinex.values import moment_us as moment_us_of

S = 1_000_000
KEPLER = {
    "SVclockBias": "clock_s",
    "SVclockDrift": "clock_rate",
    "SVclockDriftRate": "clock_acceleration",
    "sqrtA": "sqrt_axis",
    "Eccentricity": "eccentricity",
    "M0": "mean_anomaly",
    "omega": "perigee",
    "Omega0": "node",
    "Io": "inclination",
    "DeltaN": "mean_motion_difference",
    "OmegaDot": "node_rate",
    "IDOT": "inclination_rate",
    "Cuc": "cuc",
    "Cus": "cus",
    "Crc": "crc_m",
    "Crs": "crs_m",
    "Cic": "cic",
    "Cis": "cis",
}
ROW = [
    "clock_s",
    "clock_rate",
    "clock_acceleration",
    "issue",
    "crs_m",
    "mean_motion_difference",
    "mean_anomaly",
]
ROW += [
    "cuc",
    "eccentricity",
    "cus",
    "sqrt_axis",
    "",
    "cic",
    "node",
    "cis",
    "inclination",
    "crc_m",
    "perigee",
]
ROW += ["node_rate", "inclination_rate"]
OPEC = "qc/OPEC00NOR_S_20220010000_01D_{}N.rnx.gz"
COUNTS = {"G": 200, "C": 239, "E": 912, "R": 2390}
MIXED = "rinex/ESBC00DNK_R_20201770000_01D_MN.rnx.gz"


def by_georinex(text: str, letters: set[str]):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return georinex.load(StringIO(text), use=letters)


def first_of_each(found: list[Ephemeris], to_file_us) -> dict[tuple[str, int], list[Ephemeris]]:
    """Return ephemerides by satellite and time of clock (in the file's own scale)."""
    grouped: dict[tuple[str, int], list[Ephemeris]] = {}
    for e in found:
        of_clock_us = e.toc_gps_us if isinstance(e, KeplerEphemeris) else e.toe_gps_us
        key = f"{e.system.letter}{e.satellite:02d}", to_file_us(e.system, of_clock_us)
        grouped.setdefault(key, []).append(e)
    return grouped


def file_us(system: System, gps_us: int) -> int:
    if system is System.BEIDOU:
        return gps_us - 14 * S
    return int(gps_to_utc(gps_us)) if system is System.GLONASS else gps_us


@pytest.mark.parametrize("letter", ["G", "E", "C"])
def test_values_equal_gnssmultipath(data, tmp_path, letter: str) -> None:
    content = (data / OPEC.format(letter)).read_bytes()
    found = read_navigation(content)
    assert found.problems == ()
    path = tmp_path / "nav.rnx"
    path.write_bytes(gzip.decompress(content))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = RinexNav.read_nav(str(path)).ephemerides
    assert len(found.ephemerides) == COUNTS[letter]
    ours = first_of_each(found.ephemerides, file_us)
    for row in theirs.tolist():  # it leaves out records of other intervals
        moment_us = moment_us_of(" ".join(row[1:7]))
        candidates = ours[row[0], moment_us]
        assert any(same_row(e, row) for e in candidates), row
    assert len(theirs) > 180


def same_row(e: KeplerEphemeris, row: list[str]) -> bool:
    toe_s = (e.toe_gps_us - GPS_EPOCH_US) // S - (14 if e.system is System.BEIDOU else 0)
    values = [getattr(e, name) == float(text) for name, text in zip(ROW, row[7:], strict=False) if name]
    return all(values) and toe_s % 604_800 == float(row[18]) % 604_800


@pytest.mark.parametrize("letter", ["G", "R"])
def test_values_equal_georinex(data, letter: str) -> None:
    content = (data / OPEC.format(letter)).read_bytes()
    found = read_navigation(content)
    assert found.problems == ()
    assert len(found.ephemerides) == COUNTS[letter]
    ours = first_of_each(found.ephemerides, file_us)
    theirs = by_georinex(gzip.decompress(content).decode("ascii"), {letter})
    times = theirs.time.values.astype("datetime64[us]").astype(np.int64).tolist()
    compared = 0
    for k, satellite in enumerate(theirs.sv.values.tolist()):
        named, _, nth = satellite.partition("_")  # georinex numbers repetitions
        for i, time_us in enumerate(times):
            if np.isnan(theirs["SVclockBias"].values[i, k]):
                continue
            candidates = ours[named, time_us]
            values = {kind: float(theirs[kind].values[i, k]) for kind in theirs.data_vars}
            assert any(equal(e, values) for e in candidates), (satellite, time_us, nth)
            compared += 1
    assert compared >= len(ours) * 0.99
    assert compared > 100


def equal(e: Ephemeris, values: dict[str, float]) -> bool:
    """Tell whether an ephemeris has the values that georinex found (which skips blanks)."""
    if isinstance(e, GlonassEphemeris):
        vectors = zip("XYZ", e.position_m, e.velocity_m_s, e.acceleration_m_s2, strict=True)
        pairs = [(e.clock_s, values["SVclockBias"]), (e.clock_rate, values["SVrelFreqBias"])]
        for axis, place, speed, pull in vectors:
            pairs += [(place, values[axis]), (speed, values[f"d{axis}"]), (pull, values[f"d{axis}2"])]
        pairs += [(e.channel, values["FreqNum"]), (e.health, values["health"])]
    else:
        pairs = [(getattr(e, ours), values[theirs]) for theirs, ours in KEPLER.items()]
        pairs.append(((e.toe_gps_us - GPS_EPOCH_US) // S % 604_800, values["Toe"]))
    return all(abs(a - b) <= 1e-12 * max(1e-9, abs(b)) + 1e-20 for a, b in pairs)


def test_a_mixed_file_of_a_day(data) -> None:
    content = (data / MIXED).read_bytes()
    found = read_navigation(content)
    assert found.problems == ()
    lines = gzip.decompress(content).decode("ascii").splitlines()
    body = next(i for i, line in enumerate(lines) if "END OF HEADER" in line)
    records = Counter(line[0] for line in lines[body + 1 :] if line[:1].isalpha())
    assert Counter(e.system.letter for e in found.ephemerides) == records
    assert found.leap_seconds == 18
    assert found.ionosphere == [
        Ionosphere(System.GALILEO, (28.25, 7.8125e-3, 1.0071e-2)),
        Ionosphere(
            System.GPS,
            (4.6566e-09, 1.4901e-08, -5.9605e-08, -1.1921e-07, 8.192e4, 9.8304e4, -6.5536e4, -5.2429e5),
        ),
    ]
    first = lines[body + 1 :]
    sources = Counter(int(float(first[i + 5][23:42])) for i, line in enumerate(first) if line[:1] == "E")
    messages = Counter(e.message for e in found.ephemerides if e.system is System.GALILEO)
    assert messages == {1045: sources[258], 1046: sources[513] + sources[516] + sources[517]}
    for e in found.ephemerides:
        if isinstance(e, KeplerEphemeris):
            assert abs(e.toe_gps_us - e.toc_gps_us) <= 4 * 3600 * S
            assert "2020-06-24" <= iso_z(int(gps_to_utc(e.toe_gps_us)))[:10] <= "2020-06-26"


def test_weeks_of_the_file_agree(data) -> None:
    """The week is found without it, and is the one that the file has."""
    text = gzip.decompress((data / OPEC.format("G")).read_bytes()).decode("ascii")
    lines = text.splitlines()
    body = next(i for i, line in enumerate(lines) if "END OF HEADER" in line) + 1
    weeks = [int(float(lines[i + 5][42:61])) for i in range(body, len(lines), 8) if lines[i].strip()]
    found = read_navigation(text.encode()).ephemerides
    ours = [(e.toe_gps_us - GPS_EPOCH_US) // WEEK_US for e in found if isinstance(e, KeplerEphemeris)]
    assert ours == weeks


def convbin_files(data, tmp_path, version: str) -> list[Ephemeris]:
    convbin = shutil.which("convbin")
    if convbin is None:
        pytest.fail("convbin is missing: install Debian's package rtklib")
    source = data / "rtcm3/swift/week-rollover-STR24.rtcm3"
    command = [convbin, "-r", "rtcm3", "-tr", "2018/07/14", "23:50:00", "-v", version]
    command += ["-o", "obs", "-n", "nav", "-g", "glo", "-l", "gal", "-q", "qzs", "-b", "bds", str(source)]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    found: list[Ephemeris] = []
    for name in ("nav", "glo", "gal", "qzs", "bds"):
        path = tmp_path / name
        if path.exists() and path.stat().st_size:
            read = read_navigation(path.read_bytes())
            assert read.problems == ()
            assert read.version == float(version)
            found += read.ephemerides
    return found


NOT_IN_RINEX = {"health", "flags", "delta_tau_s"}
"""Of GLONASS, in part: l_n, the rest of the message, and the delay between the bands before 3.05."""


@pytest.mark.integration
@pytest.mark.parametrize(("version", "systems"), [("2.11", "GR"), ("3.04", "GREJC")])
def test_files_of_convbin_hold_what_the_messages_said(data, tmp_path, version: str, systems: str) -> None:
    found = convbin_files(data, tmp_path, version)
    assert {e.system.letter for e in found} == set(systems)
    source = (data / "rtcm3/swift/week-rollover-STR24.rtcm3").read_bytes()
    index = find_frames(np.frombuffer(source, np.uint8), final=True)
    said: dict[tuple[System, int], list[Ephemeris]] = {}
    for i in np.flatnonzero(np.isin(index.message, [1019, 1020, 1042, 1044, 1045, 1046])).tolist():
        begin = int(index.start[i]) + HEADER_BYTES
        e = decode_ephemeris(source[begin : begin + int(index.length[i])], 1_531_612_800 * S)
        assert e is not None
        said.setdefault((e.system, e.satellite), []).append(e)
    for e in found:
        assert any(same(e, told) for told in said[e.system, e.satellite]), e
    assert len(found) > 20


def same(e: Ephemeris, told: Ephemeris) -> bool:
    """Tell whether all that a file can say is equal, to the 12 digits that it has."""
    if type(e) is not type(told):
        return False
    names = [f.name for f in fields(e)]
    if isinstance(e, GlonassEphemeris):
        names = [name for name in names if name not in NOT_IN_RINEX]
    values = np.concatenate([np.atleast_1d(getattr(e, name)).astype(float) for name in names])
    others = np.concatenate([np.atleast_1d(getattr(told, name)).astype(float) for name in names])
    return bool(np.all(np.abs(values - others) <= 6e-12 * np.abs(others) + 1e-30))


def number(value: float) -> str:
    return f"{value:19.12E}".replace("E", "D")


def record_3(name: str, moment: str, rows: list[list[float | None]]) -> str:
    shown = [["" if v is None else number(v) for v in row] for row in rows]
    lines = [f"{name} {moment}" + "".join(v.rjust(19) for v in shown[0])]
    lines += ["    " + "".join(v.rjust(19) for v in row) for row in shown[1:]]
    return "".join(f"{line}\n" for line in lines)


NAV_3 = head(("     3.05           N: GNSS NAV DATA    M: MIXED", "RINEX VERSION / TYPE"))
ROWS = [
    [1e-5, 2e-12, 0.0],
    [87.0, 1.5, 4e-9, 0.5],
    [1e-6, 0.01, 2e-6, 5153.7],
    [432_000.0, 1e-8, 1.0, 2e-8],
    [0.97, 200.5, -1.0, -8e-9],
    [1e-10, 1.0, 2303.0, 0.0],
    [2.8, 0.0, -1e-8, 87.0],
    [431_000.0, 4.0],
]
MOMENT = "2024 03 01 00 00 00"
STATE = [
    [6.5e-5, 9.1e-13, 345_600.0],
    [7423.5, 1.2, 1e-9, 0.0],
    [-13748.25, -0.5, 0.0, -4.0],
    [20222.0, 2.5, 0.0, 1.0],
]


def test_records_by_hand() -> None:
    text = NAV_3 + record_3("G07", MOMENT, ROWS) + record_3("J02", MOMENT, ROWS)
    text += record_3("C21", MOMENT, [*ROWS[:6], [2.0, 1.0, 3e-9, 4e-9], [431_000.0, 2.0]])
    text += record_3("I05", MOMENT, ROWS) + record_3("R07", MOMENT, STATE) + record_3("S20", MOMENT, STATE)
    found = read_navigation(text.encode())
    assert found.problems == ()
    gps, qzss, beidou, navic, glonass, sbas = found.ephemerides
    midnight_us = 1_709_251_200 * S
    assert [e.message for e in (gps, qzss, beidou, navic)] == [1019, 1044, 1042, 1041]
    assert (gps.issue, gps.clock_issue, gps.accuracy, gps.health) == (87, 87, 1, 0)
    assert gps.toe_gps_us == gps.toc_gps_us == midnight_us
    assert (gps.flags, qzss.flags) == (0b0100, 0b011)
    assert (navic.clock_issue, qzss.satellite) == (-1, 2)
    assert beidou.toe_gps_us == beidou.toc_gps_us == midnight_us + 14 * S
    assert (beidou.group_delay_s, beidou.clock_issue, beidou.health) == ((3e-9, 4e-9), 2, 1)
    assert glonass.toe_gps_us == midnight_us + 18 * S
    # the frame began a day before in this record: 345 600 s of the UTC week is 2024-02-29
    assert glonass.sent_gps_us == glonass.toe_gps_us
    assert glonass.position_m == (7423.5e3, -13748.25e3, 20222e3)
    assert (glonass.channel, glonass.age_days, glonass.clock_s) == (-4, 1, 6.5e-5)
    assert (sbas.toe_gps_us, sbas.satellite, sbas.channel) == (midnight_us, 20, UNKNOWN_CHANNEL)
    assert (sbas.health, sbas.flags) == (1, 15 << 8 | 1)  # an accuracy that is no accuracy


def test_glonass_frame_time_and_delay_between_the_bands() -> None:
    rows = [[6.5e-5, 0.0, 431_130.0], *STATE[1:], [None, 2.3e-9, 1.0, None]]
    (e,) = read_navigation((NAV_3 + record_3("R07", MOMENT, rows)).encode()).ephemerides
    assert e.toe_gps_us - e.sent_gps_us == 870 * S
    assert e.delta_tau_s == 2.3e-9
    rows[4][1] = 0.999999999999e9
    (e,) = read_navigation((NAV_3 + record_3("R07", MOMENT, rows)).encode()).ephemerides
    assert e.delta_tau_s == 0.0


@pytest.mark.parametrize(
    ("toe_s", "toc", "expected"),
    [
        (0.0, "2024 03 02 23 59 44", "2024-03-03T00:00:00Z"),
        (604_784.0, "2024 03 03 00 00 00", "2024-03-02T23:59:44Z"),
        (604_800.0, "2024 03 03 00 00 00", "2024-03-03T00:00:00Z"),
    ],
)
@pytest.mark.parametrize("week", [2303.0, 2304.0, 255.0, 0.0])
def test_toe_beside_the_begin_of_a_week(toe_s: float, toc: str, expected: str, week: float) -> None:
    rows = [*ROWS[:3], [toe_s, *ROWS[3][1:]], ROWS[4], [1e-10, 1.0, week, 0.0], *ROWS[6:]]
    (e,) = read_navigation((NAV_3 + record_3("G01", toc, rows)).encode()).ephemerides
    assert iso_z(e.toe_gps_us) == expected


@pytest.mark.parametrize(
    ("sources", "bits", "message", "health"),
    [
        (258.0, 0.0, 1045, 0),
        (513.0, 0.0, 1046, 0),
        (516.0, 0.0, 1046, 0),
        (517.0, 0b000_000_011, 1046, 0b000_011),
        (517.0, 0b101_000_000, 1046, 0b101_000),
        (258.0, 0b000_110_000, 1045, 0b110),
        (256.0, 0.0, 1045, 0),
        (0.0, 0.0, 1046, 0),
    ],
)
def test_messages_and_health_of_galileo(sources: float, bits: float, message: int, health: int) -> None:
    rows = [*ROWS[:5], [1e-10, sources, 2303.0, None], [3.12, bits, 1e-9, 2e-9], [431_000.0]]
    (e,) = read_navigation((NAV_3 + record_3("E12", MOMENT, rows)).encode()).ephemerides
    assert (e.message, e.health, e.accuracy) == (message, health, 107)
    assert e.group_delay_s == (1e-9, 0.0 if message == 1045 else 2e-9)


@pytest.mark.parametrize(
    ("accuracy_m", "ura", "sisa"),
    [
        *[
            (0.0, 0, 0),
            (2.0, 0, 100),
            (2.4, 0, 102),
            (0.49, 0, 49),
            (0.5, 0, 50),
            (0.98, 0, 74),
            (1.0, 0, 75),
        ],
        *[(3.12, 1, 107), (6.0, 3, 125), (6.2, 3, 255), (32.0, 7, 255), (6144.0, 14, 255), (9e9, 15, 255)],
        (-1.0, 15, 255),
    ],
)
def test_accuracies(accuracy_m: float, ura: int, sisa: int) -> None:
    assert (ura_index(accuracy_m), sisa_index(accuracy_m)) == (ura, sisa)


def test_rinex_4() -> None:
    text = head(
        ("     4.00           NAVIGATION DATA     M", "RINEX VERSION / TYPE"), ("    18", "LEAP SECONDS")
    )
    text += "> EPH G07 LNAV\n" + record_3("G07", MOMENT, ROWS)
    text += "> EPH G07 CNAV\n" + record_3("G07", MOMENT, ROWS)
    fnav = [*ROWS[:5], [1e-10, 258.0, 2303.0, None], [3.12, 0.0, 1e-9, 2e-9], [431_000.0]]
    text += "> EPH E12 FNAV\n" + record_3("E12", MOMENT, fnav)
    text += "> STO G07 LNAV\n" + record_3("   ", MOMENT, [[1.0, 2.0, 3.0]])
    text += "> ION G07 LNAV\n" + record_3("   ", MOMENT, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0], [8.0, None]])
    text += "> ION E12 IFNV\n" + record_3("   ", MOMENT, [[1.0, 2.0, 3.0], [0.0]])
    text += "> EOP G07 CNAV\n" + record_3("   ", MOMENT, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]])
    found = read_navigation(text.encode())
    assert found.problems == ()
    assert [(e.system, e.message) for e in found.ephemerides] == [(System.GPS, 1019), (System.GALILEO, 1045)]
    assert found.left_out == {"G CNAV": 1, "G EOP": 1, "G STO": 1}
    time_us = 1_709_251_200 * S
    assert found.ionosphere == [
        Ionosphere(System.GPS, (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0), time_us),
        Ionosphere(System.GALILEO, (1.0, 2.0, 3.0), time_us),
    ]


def test_rinex_2_with_its_ionosphere() -> None:
    text = head(
        ("     2.11           N: GPS NAV DATA", "RINEX VERSION / TYPE"),
        ("   1.0000D-08  2.0000D-08 -3.0000D-08 -4.0000D-08", "ION ALPHA"),
        ("   5.0000D+04  6.0000D+04 -7.0000D+04 -8.0000D+04", "ION BETA"),
    )
    first = f" 7 97  3  1  0  0  0.0{number(1e-5)}{number(2e-12)}{number(0.0)}\n"
    rest = "".join("   " + "".join(number(v) for v in row) + "\n" for row in ROWS[1:])
    # 2024-03-01 was a Friday, 1997-03-01 a Saturday
    found = read_navigation((text + first + rest.replace(number(432_000.0), number(518_400.0))).encode())
    assert found.problems == ()
    (e,) = found.ephemerides
    assert (e.satellite, iso_z(e.toe_gps_us), e.sqrt_axis) == (7, "1997-03-01T00:00:00Z", 5153.7)
    assert found.ionosphere == [Ionosphere(System.GPS, (1e-8, 2e-8, -3e-8, -4e-8, 5e4, 6e4, -7e4, -8e4))]


def test_a_damaged_record_is_left_out_and_told() -> None:
    good = record_3("G07", MOMENT, ROWS)
    bad = good.replace("G07", "G08").replace(number(0.01), "           1.0X-02 ")
    short = "".join(record_3("G09", MOMENT, ROWS).splitlines(keepends=True)[:4])
    far = record_3("G10", MOMENT, [*ROWS[:2], [1e-6, 1.01, 2e-6, 5153.7], *ROWS[3:]])
    found = read_navigation((NAV_3 + good + bad + short + far + "X99\n    1\n" + good).encode())
    assert [e.satellite for e in found.ephemerides] == [7, 7]
    assert found.problem_count == 4
    assert (
        found.problems[1]
        == "line 19: the record 'G09 2024 03 01 00 00 00' is left out: number 4 of line 7 is missing"
    )
    assert found.problems[2].endswith("this is no orbit of a satellite")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a RINEX file"),
        (NAV_3.replace("3.05", "1.00", 1), "only 2, 3 and 4"),
        (NAV_3.replace("N: GNSS", "O: GNSS", 1), "not a navigation file"),
        (NAV_3.replace("END OF HEADER", "END OF HUNGER"), "no END OF HEADER"),
    ],
)
def test_what_is_not_read(text: str, reason: str) -> None:
    with pytest.raises(NotRinexError, match=reason):
        read_navigation(text.encode())


@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_nothing_else_raises(data) -> None:
    content = bytearray(
        (NAV_3 + record_3("G07", MOMENT, ROWS) * 2 + record_3("R07", MOMENT, STATE) * 2).encode()
    )
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content)))
        size = data.draw(st.integers(0, 30))
        junk = data.draw(
            st.binary(max_size=20) | st.text("0123456789.-+DE \n>GERCJIS", max_size=20).map(str.encode)
        )
        content[at : at + size] = junk
    try:
        found = read_navigation(bytes(content))
    except NotRinexError:
        return
    for e in found.ephemerides:
        assert 1 <= e.satellite <= 64
        assert utc_to_gps(0) <= e.toe_gps_us


def test_problems_name_their_line_whole_file_is_bounded() -> None:
    found = read_navigation((NAV_3 + "    1.0\n" * 10_000).encode())
    assert found.problem_count == 10_000
    assert len(found.problems) == 100
