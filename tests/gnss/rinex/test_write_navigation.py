"""Navigation files: read back, and against RTKLIB and georinex."""

from __future__ import annotations

import math
import shutil
import subprocess
import warnings
from dataclasses import fields, replace
from pathlib import Path

import georinex
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gnss.ephemeris import Ephemeris, GlonassEphemeris, KeplerEphemeris
from gnss.rinex.navigation import read_navigation
from gnss.rinex.navigation_records import sisa_index, ura_index
from gnss.rinex.write_navigation import sisa_m, ura_m, write_navigation
from gnss.rtcm.ephemeris import decode_ephemeris
from gnss.systems import UNKNOWN_CHANNEL, System
from gnss.time import SECOND_US, WEEK_US, gps_to_utc
from tests.gnss.rtcm.ephemeris_samples import messages

T0 = 1_709_424_000 * SECOND_US
"""2024-03-03, the begin of a GPS week."""
STR24 = "rtcm3/swift/week-rollover-STR24.rtcm3"
MESSAGES = {
    System.GPS: (1019,),
    System.GALILEO: (1045, 1046),
    System.QZSS: (1044,),
    System.BEIDOU: (1042,),
    System.NAVIC: (1041,),
}
HEALTH_BITS = {1019: 6, 1045: 3, 1046: 6, 1044: 6, 1042: 1, 1041: 2}
OF_GEORINEX = {
    "SVclockBias": "clock_s",
    "Eccentricity": "eccentricity",
    "sqrtA": "sqrt_axis",
    "M0": "mean_anomaly",
    "Omega0": "node",
    "omega": "perigee",
    "Io": "inclination",
    "IDOT": "inclination_rate",
    "DeltaN": "mean_motion_difference",
    "OmegaDot": "node_rate",
    "Cuc": "cuc",
    "Crs": "crs_m",
}
FLAG_BITS = {1019: 4, 1044: 3}


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False).map(lambda v: 0.0 if abs(v) < 1e-60 else v)


@st.composite
def kepler(draw) -> KeplerEphemeris:
    system = draw(st.sampled_from(list(MESSAGES)))
    message = draw(st.sampled_from(MESSAGES[system]))
    toe_us = T0 + draw(st.integers(-2000, 2000)) * 720 * SECOND_US
    toe_us += 14 * SECOND_US if system is System.BEIDOU else 0
    small, angle = numbers(-1e-4, 1e-4), numbers(-math.pi, math.pi)
    both = message in {1042, 1046}
    return KeplerEphemeris(
        system=system,
        satellite=draw(st.integers(1, 63)),
        message=message,
        toe_gps_us=toe_us,
        toc_gps_us=toe_us - draw(st.sampled_from([0, 0, 7200, -3600])) * SECOND_US,
        issue=draw(st.integers(0, 255)),
        clock_issue=draw(st.integers(0, 31)) if message in {1019, 1044, 1042} else -1,
        clock_s=draw(numbers(-0.01, 0.01)),
        clock_rate=draw(small),
        clock_acceleration=draw(small),
        sqrt_axis=draw(numbers(5000.0, 6600.0)),
        eccentricity=draw(numbers(0.0, 0.3)),
        mean_anomaly=draw(angle),
        perigee=draw(angle),
        node=draw(angle),
        inclination=draw(angle),
        mean_motion_difference=draw(small),
        node_rate=draw(small),
        inclination_rate=draw(small),
        cuc=draw(small),
        cus=draw(small),
        crc_m=draw(numbers(-1000.0, 1000.0)),
        crs_m=draw(numbers(-1000.0, 1000.0)),
        cic=draw(small),
        cis=draw(small),
        group_delay_s=(draw(small), draw(small) if both else 0.0),
        health=draw(st.integers(0, (1 << HEALTH_BITS[message]) - 1)),
        accuracy=draw(st.integers(0, 125 if system is System.GALILEO else 15)),
        flags=draw(st.integers(0, (1 << FLAG_BITS.get(message, 0)) - 1)),
    )


@st.composite
def states(draw) -> GlonassEphemeris:
    system = draw(st.sampled_from([System.GLONASS, System.SBAS]))
    is_glonass = system is System.GLONASS
    radius_m = 25.5e6 if is_glonass else 42.2e6
    first, second = draw(numbers(-1.4, 1.4)), draw(numbers(-3.0, 3.0))
    toe_us = T0 + draw(st.integers(-500, 500)) * 900 * SECOND_US
    accuracy = draw(st.integers(0, 14))
    speed, rate = numbers(-3000.0, 3000.0), numbers(-1e-5, 1e-5)
    return GlonassEphemeris(
        system=system,
        satellite=draw(st.integers(1, 27) if is_glonass else st.integers(20, 58)),
        channel=draw(st.integers(-7, 13)) if is_glonass else UNKNOWN_CHANNEL,
        toe_gps_us=toe_us + (18 * SECOND_US if is_glonass else 0),
        sent_gps_us=toe_us
        - draw(st.integers(0, 60)) * 30 * SECOND_US
        + (18 * SECOND_US if is_glonass else 0),
        clock_s=draw(numbers(-1e-3, 1e-3)),
        clock_rate=draw(numbers(-1e-9, 1e-9)),
        position_m=(
            radius_m * math.cos(first) * math.cos(second),
            radius_m * math.cos(first) * math.sin(second),
            radius_m * math.sin(first),
        ),
        velocity_m_s=(draw(speed), draw(speed), draw(speed)),
        acceleration_m_s2=(draw(rate), draw(rate), draw(rate)),
        health=draw(st.integers(0, 1)),
        age_days=draw(st.integers(0, 31)) if is_glonass else 0,
        flags=0 if is_glonass else accuracy << 8 | draw(st.integers(0, 255)),
        delta_tau_s=draw(numbers(-1e-8, 1e-8)) if is_glonass else 0.0,
    )


AT_REST = GlonassEphemeris(
    system=System.GLONASS, satellite=1, channel=0, toe_gps_us=T0 + 18 * SECOND_US,
    sent_gps_us=T0 + 18 * SECOND_US, clock_s=0.0, clock_rate=0.0, position_m=(25.5e6, 0.0, 0.0),
    velocity_m_s=(0.0, 0.0, 0.0), acceleration_m_s2=(0.0, 0.0, 0.0), health=0, age_days=0, flags=0,
    delta_tau_s=0.0,
)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(st.lists(kepler() | states(), min_size=1, max_size=5))
@example([AT_REST, replace(AT_REST, sent_gps_us=T0 - 12 * SECOND_US)])
def test_read_back_all_values_are_equal(some: list[Ephemeris]) -> None:
    file = write_navigation(some, T0)
    assert file.left_out == {}
    assert all(len(line) <= 80 for line in file.text.decode("ascii").splitlines())
    found = read_navigation(file.text)
    assert found.problems == ()
    assert found.leap_seconds == 18
    first = {replace_sent(one): one for one in reversed(some)}  # what is sent again stands there once
    assert file.records == len(found.ephemerides) == len(first)
    left = list(found.ephemerides)
    for one in first.values():
        again = next((other for other in left if is_same(one, other)), None)
        assert again is not None, (one, left)


def replace_sent(one: Ephemeris) -> Ephemeris:
    return replace(one, sent_gps_us=0) if isinstance(one, GlonassEphemeris) else one


def is_same(
    one: Ephemeris, other: Ephemeris, *, but: frozenset[str] = frozenset(), share: float = 6e-13
) -> bool:
    """Whether two ephemerides agree: 13 digits are written."""
    if type(one) is not type(other):
        return False
    for name in (f.name for f in fields(type(one))):
        mine, theirs = getattr(one, name), getattr(other, name)
        mine, theirs = (v if isinstance(v, tuple) else (v,) for v in (mine, theirs))
        if name not in but and any(abs(a - b) > share * abs(a) for a, b in zip(mine, theirs, strict=True)):
            return False
    return True


def test_accuracies_come_back() -> None:
    assert [ura_index(ura_m(i)) for i in range(16)] == list(range(16))
    assert [ura_m(i) for i in (0, 1, 5, 6, 7, 15)] == [2.0, 2.8, 11.3, 16.0, 32.0, 8192.0]
    assert [sisa_index(sisa_m(i)) for i in range(126)] == list(range(126))
    assert [sisa_m(i) for i in (0, 50, 75, 100, 125)] == pytest.approx([0.0, 0.5, 1.0, 2.0, 6.0])
    assert {sisa_m(i) for i in (126, 254, 255)} == {-1.0}


def gps(**values: object) -> KeplerEphemeris:
    usual = {f.name: 0.0 for f in fields(KeplerEphemeris)}
    whole = {"issue": 1, "clock_issue": 1, "health": 0, "accuracy": 0, "flags": 0, "message": 1019}
    usual |= whole | {"system": System.GPS, "satellite": 5, "group_delay_s": (0.0, 0.0), "sqrt_axis": 5153.6}
    return KeplerEphemeris(**(usual | {"toe_gps_us": T0, "toc_gps_us": T0} | values))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("flag", "issue", "hours"), [(0, 240, 4.0), (1, 5, 6.0), (1, 240, 8.0), (1, 496, 14.0), (1, 757, 98.0)]
)
def test_the_fit_interval_of_gps_is_written_in_hours(flag: int, issue: int, hours: float) -> None:
    text = write_navigation([gps(flags=flag, clock_issue=issue)], T0).text.decode("ascii")
    assert float(text.splitlines()[-1][23:42].replace("D", "E")) == hours


def test_what_cannot_be_written_is_counted() -> None:
    state = GlonassEphemeris(
        System.GLONASS, 3, UNKNOWN_CHANNEL, T0, T0, 0.0, 0.0, (25.5e6, 0.0, 0.0), (0.0,) * 3, (0.0,) * 3, 0, 0
    )
    some = [gps(), gps(), gps(sqrt_axis=0.0), state, gps(satellite=6, clock_s=math.nan)]
    file = write_navigation(some, T0)
    assert file.records == 1
    assert file.left_out == {
        "ephemerides that are no orbit": 2,
        "GLONASS ephemerides without a frequency number": 1,
    }
    with pytest.raises(ValueError, match="nothing to write"):
        write_navigation([state], T0)


def test_the_kind_of_file_is_that_of_its_only_system() -> None:
    first = write_navigation([gps()], T0).text.splitlines()[0].decode("ascii")
    assert first.startswith("     3.05           N: GNSS NAV DATA    G: GPS")


def of_stream(path: Path) -> list[Ephemeris]:
    near_us, payloads = messages(path)
    found = [decode_ephemeris(payload, near_us) for payload in dict.fromkeys(payloads)]
    return [one for one in found if one is not None]


def test_georinex_reads_the_same_values(data, tmp_path) -> None:
    some = of_stream(data / "rtcm3/qzsl6tool/20221213-010900.rtcm")
    text = write_navigation(some, T0).text.decode("ascii")
    # georinex wants all four fields of the last line of Kepler's records
    lines = [
        line + " 0.000000000000D+00" * ((80 - len(line)) // 19) if line.startswith("    ") else line
        for line in text.splitlines()
    ]
    path = tmp_path / "nav.rnx"
    path.write_text("\n".join(lines) + "\n")
    compared = 0
    for system in (System.GPS, System.QZSS, System.BEIDOU):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = georinex.load(path, use=system.letter)
        for one in some:
            if not isinstance(one, KeplerEphemeris) or one.system is not system:
                continue
            row = theirs.sel(sv=f"{system.letter}{one.satellite:02d}").dropna("time", how="all")
            behind_us = 14 * SECOND_US if system is System.BEIDOU else 0
            when = row.time.values.astype("datetime64[us]").astype("int64").tolist()
            at = when.index(one.toc_gps_us - behind_us)
            for name, ours in OF_GEORINEX.items():
                assert float(row[name][at]) == pytest.approx(getattr(one, ours), rel=1e-12, abs=1e-30)
                compared += 1
            week = (one.toe_gps_us - behind_us - 315_964_800 * SECOND_US) // WEEK_US
            name = "BDTWeek" if system is System.BEIDOU else "GPSWeek"
            assert int(row[name][at]) == week - (1356 if system is System.BEIDOU else 0)
    assert compared > 400


@pytest.mark.integration
def test_records_equal_convbins_own(data, tmp_path) -> None:
    convbin = shutil.which("convbin")
    if convbin is None:
        pytest.fail("convbin is missing: install Debian's package rtklib")
    command = [convbin, "-r", "rtcm3", "-tr", "2018/07/14", "23:50:00", "-v", "3.04"]
    command += ["-o", "obs", "-n", "nav", str(data / STR24)]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    theirs = read_navigation((tmp_path / "nav").read_bytes())
    assert theirs.problems == ()
    ours = read_navigation(write_navigation(of_stream(data / STR24), T0).text).ephemerides
    left = list(ours)
    systems = set()
    for one in theirs.ephemerides:
        but = frozenset({"delta_tau_s", "sent_gps_us"})  # 3.04 has no room for the first
        # it writes 12 digits
        same = next(k for k, other in enumerate(left) if is_same(one, other, but=but, share=1e-11))
        systems.add(left.pop(same).system)
    assert systems >= {System.GPS, System.GLONASS, System.GALILEO, System.BEIDOU}
    assert not left
    assert len(ours) == 100


def test_a_glonass_record_tells_what_the_message_says(data) -> None:
    one = next(e for e in of_stream(data / STR24) if isinstance(e, GlonassEphemeris))
    text = write_navigation([one], T0).text.decode("ascii").splitlines()
    status, delay_s, accuracy, health = (
        float(text[-1][4 + 19 * k : 23 + 19 * k].replace("D", "E")) for k in range(4)
    )
    # M 1 (GLO-M), P3 5 satellites, P2 odd, P1 30 min, P 2; F_T 2; C_n told and healthy
    assert int(status) == 1 << 7 | 1 << 5 | 1 << 4 | 1 << 2 | 2
    assert delay_s == pytest.approx(one.delta_tau_s)
    assert (accuracy, health) == (2.0, 3.0)
    moment = text[-5][4:23].split()
    assert moment[:5] == ["2018", "07", "14", "23", "45"]
    assert (int(gps_to_utc(one.toe_gps_us)) // SECOND_US) % 86_400 == (23 * 60 + 45) * 60
