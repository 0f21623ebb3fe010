"""Recordings and what is left of them: full reports of good files, true reports of damaged ones."""

import gzip
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gnss.quality.period import SignalFigures
from gnss.rinex.problems import Problems
from gnss.rinex.unpack import unpack
from gnss.rtcm.framing import find_frames
from gnss.rtcm.signals import rinex_code
from gnss.scoring import NothingToScoreError, score_file
from gnss.systems import System

ESBC = "rinex/ESBC00DNK_R_20201770000_01D_30S_MO.crx.gz"
ESBC_NAV = "rinex/ESBC00DNK_R_20201770000_01D_MN.rnx.gz"
GRAS = "rinex/GRAS00FRA_R_20223151700_15M_01S_MO.crx.gz"
STR17 = "rtcm3/swift/week-rollover-STR17.rtcm3"
STR24 = "rtcm3/swift/week-rollover-STR24.rtcm3"
NOW_US = 1_790_000_000_000_000


def scored(content, *navigation, **options):
    return score_file(content, navigation, name="A", modified_us=NOW_US, **options)


def by_name(period):
    some = period.signals
    names = [
        f"{System(s).letter}{rinex_code(s, g)}"
        for s, g in zip(some.system.tolist(), some.signal.tolist(), strict=True)
    ]
    return {
        name: {f.name: getattr(some, f.name)[i] for f in fields(SignalFigures)}
        for i, name in enumerate(names)
    }


@pytest.fixture(scope="module")
def str17(data):
    content = (data / STR17).read_bytes()
    return content, scored(content)


@pytest.fixture(scope="module")
def gras_text(data):
    return unpack((data / GRAS).read_bytes(), Problems())


def test_a_day_of_30_s_has_a_full_report(data):
    period = scored((data / ESBC).read_bytes(), (data / ESBC_NAV).read_bytes())
    assert period.station_id == "ESBC00DNK"
    assert (period.interval_s, period.end_us - period.begin_us) == (30.0, 86_400_000_000)
    assert (period.epochs, period.epochs_expected, period.gaps) == (2880, 2880, [])
    assert period.usable_epochs["G"] == period.usable_epochs["E"] == 2880
    assert len(period.minutes.time_us) == 1441  # GPS minutes begin 18 s before those of UTC
    assert period.minutes.epochs.sum() == 2880
    assert sum(period.state_seconds.values()) == 86_400.0
    # a reference station of the EPN on a quiet day
    assert period.state_seconds["good"] > 86_000
    assert period.score > 85
    signals = by_name(period)
    # above ten degrees it loses next to nothing
    assert sum(s["have_mask"] for s in signals.values()) > 0.97 * sum(
        s["expected_mask"] for s in signals.values()
    )
    for name in ("G1C", "G2W", "G5Q", "E1C", "E5Q", "C2I"):
        one = signals[name]
        assert one["have"] <= one["expected"]
        assert one["have_mask"] > 0.99 * one["expected_mask"] > 5000
        assert 0.15 < np.sqrt(one["multipath_squares"] / one["multipath_count"]) < 0.6
        assert 30 < one["cn0_sum"] / one["cn0_count"] < 48
        assert one["lock_slips"] + one["phase_slips"] < 30
    # C/N0 grows with elevation, multipath falls
    low, high = 1, 7
    cn0 = period.elevation.cn0_sum[0, 3] / period.elevation.cn0_count[0, 3]
    squares = period.elevation.multipath_squares[0, 3] / period.elevation.multipath_count[0, 3]
    assert cn0[high] > cn0[low] + 5
    assert squares[high] < squares[low]
    # about fifty satellites are up at any time
    assert 288 * 35 < len(period.sky.time_us) < 288 * 70
    assert len(set(period.sky.time_us.tolist())) == 289
    assert period.sky.elevation_deg.min() >= 0
    position = period.position
    assert position.reference == "RINEX header"
    assert position.count > 2800
    assert np.hypot(position.east_m, position.north_m) < 2
    assert abs(position.up_m) < 3
    assert period.metadata["receiver"] == "SEPT POLARX5"
    assert period.metadata["antenna"] == "ASH701945E_M SCIS"
    assert len(period.problems) == 1
    assert "R C3Q" in period.problems[0]
    assert period.latency is None


def test_a_capture_has_a_full_report(str17):
    _, period = str17
    assert (period.epochs, period.epochs_expected, period.interval_s) == (1126, 1126, 1.0)
    assert (period.frames, period.bad_frames) == (9384, 0)
    assert period.messages[1077] == period.messages[1127] == 1126
    assert sum(period.messages.values()) == 9384
    assert period.state_seconds == {"unknown": 30.0, "good": 1096.0, "degraded": 0.0, "bad": 0.0}
    assert [r.code for r in period.reasons] == ["latency_unknown", "warm_up"]
    signals = by_name(period)
    # of BeiDou the capture has no ephemerides: nothing is expected, and nothing missing
    assert signals["C2I"]["expected"] == 0
    assert signals["C2I"]["observations"] > 14_000
    for name in ("G1C", "R1C", "E7Q", "J1C"):
        assert signals[name]["have_mask"] == signals[name]["expected_mask"] > 1000
    assert period.position.reference == "message 1006"
    assert abs(period.position.up_m) < 3
    assert period.metadata["receiver"] == "SEPT POLARX5"
    assert period.problems == ["Skipped because they belong to no valid frame: 46 bytes."]
    assert set(period.sky.system.tolist()) >= {0, 1, 2}


def test_glonass_of_msm4_gets_its_frequencies_from_the_ephemerides(data):
    signals = by_name(scored((data / STR24).read_bytes()))
    assert signals["R1C"]["multipath_count"] > 5000


def test_damaged_frames_are_left_out_and_counted(str17):
    content, whole = str17
    index = find_frames(np.frombuffer(content, np.uint8))
    observations = np.flatnonzero(index.message == 1077)
    broken = bytearray(content)
    for i in observations[200:260]:
        broken[int(index.start[i]) + 100] ^= 0xFF
    period = scored(bytes(broken))
    assert period.epochs == whole.epochs
    assert period.frames == whole.frames - 60
    assert 60 <= period.bad_frames <= 65
    assert any("checksum is wrong" in problem for problem in period.problems)
    lost = by_name(whole)["G1C"]["observations"] - by_name(period)["G1C"]["observations"]
    assert 60 * 10 <= lost <= 60 * 16
    assert by_name(period)["E1C"]["observations"] == by_name(whole)["E1C"]["observations"]
    assert period.state_seconds["good"] < whole.state_seconds["good"]


def test_a_stretch_of_garbage_is_a_gap(str17):
    content, whole = str17
    begin = len(content) // 2
    garbage = np.random.default_rng(1).integers(0, 256, 100_000, dtype=np.uint8).tobytes()
    period = scored(content[:begin] + garbage + content[begin + 100_000 :])
    ((gap_begin, gap_end),) = period.gaps
    missing_s = (gap_end - gap_begin) * 1e-6
    assert period.epochs == whole.epochs - missing_s
    assert 40 < missing_s < 60
    assert period.epochs_expected == whole.epochs_expected
    assert any("they belong to no valid frame" in problem for problem in period.problems)
    assert {r.code for r in period.reasons} >= {"outage", "hold"}


def test_a_capture_that_is_cut_has_the_report_of_its_begin(str17):
    content, whole = str17
    period = scored(content[: len(content) // 3])
    assert 350 < period.epochs < 400
    assert period.begin_us == whole.begin_us
    n = period.epochs // 60
    assert period.minutes.epochs[1:n].tolist() == whole.minutes.epochs[1:n].tolist()


def test_packed_captures_are_read_as_far_as_they_go(str17):
    content, whole = str17
    packed = gzip.compress(content)
    assert scored(packed).epochs == whole.epochs
    period = scored(packed[: len(packed) // 2])
    assert 400 < period.epochs < 700
    assert "gzip file was cut" in period.problems[0]


def test_a_rinex_file_that_is_cut_has_the_report_of_its_begin(gras_text):
    whole, period = scored(gras_text), scored(gras_text[: len(gras_text) // 2])
    assert 440 < period.epochs < 460
    assert period.begin_us == whole.begin_us
    assert any("the file ends within this epoch" in problem for problem in period.problems)
    assert period.epochs_expected == period.epochs
    n = period.epochs // 60
    assert period.minutes.score[1:n].tolist() == whole.minutes.score[1:n].tolist()


def test_garbage_in_a_rinex_file_costs_its_epochs_only(gras_text):
    whole = scored(gras_text)
    lines = gras_text.split(b"\n")
    begins = [i for i, line in enumerate(lines) if line.startswith(b">")]
    for i in range(begins[300], begins[320]):
        lines[i] = b"\xff\x00garbage" * 5
    period = scored(b"\n".join(lines))
    assert period.epochs == whole.epochs - 20
    assert period.epochs_expected == whole.epochs_expected
    assert [(end - begin) // 1_000_000 for begin, end in period.gaps] == [20]
    assert any("line" in problem.lower() for problem in period.problems)
    assert by_name(period)["G1C"]["observations"] == by_name(whole)["G1C"]["observations"] - 20 * 10


def test_a_damaged_navigation_file_is_said_and_does_no_harm(data, gras_text):
    period = scored(gras_text, b"this is no navigation file")
    assert period.epochs == 900
    assert "navigation file could not be read" in period.problems[0]
    assert any("No ephemerides" in problem for problem in period.problems)
    nav = bytearray(unpack((data / ESBC_NAV).read_bytes(), Problems()))
    nav[20_000:21_000] = b"*" * 1000
    some = scored((data / "rinex/REYK00ISL_R_20192701000_01H_30S_MO.rnx").read_bytes(), bytes(nav))
    assert some.epochs == 120
    assert any(problem.startswith("Navigation file, line") for problem in some.problems)


def test_a_station_without_coordinates_is_placed_by_its_codes(data):
    text = unpack((data / ESBC).read_bytes(), Problems())
    half_hour = text[: text.index(b"> 2020 06 25 00 30")].replace(
        b"  3582105.2910   532589.7313  5232754.8054", b"        0.0000        0.0000        0.0000"
    )
    period = scored(half_hour, (data / ESBC_NAV).read_bytes())
    assert period.position.reference == "mean position"
    assert np.hypot(period.position.east_m, period.position.north_m) < 1
    assert period.signals.expected.sum() > 5000


def test_a_header_that_tells_a_wrong_interval_is_not_believed(gras_text):
    label = b"INTERVAL            "
    line = b"    30.000                                                  " + label + b"\n"
    end = gras_text.index(b"END OF HEADER") - 60
    header = gras_text[:end].split(b"\n")
    kept = b"\n".join(one for one in header if one[60:68] != b"INTERVAL")
    period = scored(kept + line + gras_text[end:])
    assert (period.interval_s, period.epochs_expected) == (1.0, 900)
    assert any("an interval of 30 s" in problem for problem in period.problems)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (bytes(range(256)) * 100, "no valid RTCM 3 frame"),
        (b"     3.04           N: GNSS NAV DATA    M: MIXED            RINEX VERSION / TYPE\n", "navigation"),
        (b"     9.00           OBSERVATION DATA    M                   RINEX VERSION / TYPE\n", "9.0"),
        (b"     3.04           OBSERVATION DATA    M                   RINEX VERSION / TYPE\n", "types"),
        (b"\x1f\x8b\x08 this is no gzip file", "gzip"),
    ],
)
def test_what_cannot_be_judged_is_refused_in_words(content, why):
    with pytest.raises(NothingToScoreError, match=why):
        scored(content)


def test_ephemerides_alone_are_no_observations(data):
    with pytest.raises(NothingToScoreError, match="188 valid RTCM 3 frames, but no epoch"):
        scored((data / "rtcm3/swift/test_gal_eph.rtcm").read_bytes())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_damage_breaks_the_program(gras_text, str17, data):
    text = gras_text[: gras_text.index(b"> 2022 11 11 17 00 20")]
    begin = str17[0][:40_000]
    content = bytearray(data.draw(st.sampled_from([text, begin])))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        kind = data.draw(st.sampled_from(["set", "drop", "repeat", "noise"]))
        n = data.draw(st.integers(1, 2000))
        if kind == "set":
            content[at] = data.draw(st.integers(0, 255))
        elif kind == "drop":
            del content[at : at + n]
        elif kind == "repeat":
            content[at:at] = content[at : at + n]
        else:
            content[at : at + n] = np.random.default_rng(n).integers(0, 256, n, dtype=np.uint8).tobytes()
        content = content or bytearray(b"x")
    try:
        period = scored(bytes(content), date_us=1_531_612_200_000_000)
    except NothingToScoreError:
        return
    assert period.epochs > 0
    assert period.epochs <= period.epochs_expected + 40
    assert all(isinstance(problem, str) and problem.isprintable() for problem in period.problems)
    assert period.begin_us < period.end_us


def test_progress_goes_from_nothing_to_all(str17, gras_text):
    for content in (str17[0], gras_text):
        told = []
        scored(content, progress=told.append)
        assert told == sorted(told)
        assert told[-1] == 1.0
        assert 0.0 <= told[0] < 1.0
