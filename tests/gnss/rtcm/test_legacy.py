"""Messages 1001 to 1004 and 1009 to 1012 against rtcm-rs, pyrtcm and messages written bit by bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyrtcm import RTCMMessage, RTCMReader

from gnss.observations import PARTIAL, UNKNOWN_CHANNEL, MsmFrames, Observations
from gnss.rtcm.framing import build_frame, find_frames
from gnss.rtcm.legacy_layout import LOCK_MS
from gnss.rtcm.msm import decode_msm
from gnss.rtcm.signals import rinex_code
from gnss.systems import System
from tests.gnss.rtcm.vectors import vectors

MESSAGES = [1001, 1002, 1003, 1004, 1009, 1010, 1011, 1012]
CAPTURES = {
    "gpsd/rtcm3.bndm.log": 66,
    "pyrtcm/pygpsdata-NTRIP-USCL00CHL0.log": 8,
    "swift/geo++_SOK.rtcm": 66,
    "swift/geo++_TRM.rtcm": 46,
    "swift/glo_day_rollover.rtcm": 14,
    "swift/leica.rtcm": 42,
    "swift/mixed-msm-legacy.rtcm": 68,
    "swift/navcom.rtcm": 129,
    "swift/switch-legacy-msm-legacy-msm.rtcm": 507,
    "swift/topcon.rtcm": 78,
}
# name here, then fields of rtcm-rs, GPS and GLONASS data fields of pyrtcm
FIELDS = [
    ("satellite", "_satellite_id", "DF009", "DF038"),
    ("l1_code", "_l1_code_ind", "DF010", "DF039"),
    ("channel", "_satellite_freq_chan_number", "", "DF040"),
    ("range", "l1_pseudorange_m", "DF011", "DF041"),
    ("phase", "l1_phase_pseudorange_diff_m", "DF012", "DF042"),
    ("lock", "l1_lock_time_index", "DF013", "DF043"),
    ("whole", "l1_pseudorange_amb_m", "DF014", "DF044"),
    ("cn0", "l1_cnr_dbhz", "DF015", "DF045"),
    ("l2_code", "_l2_code_ind", "DF016", "DF046"),
    ("l2_range", "l2_l1_pseudorange_diff_m", "DF017", "DF047"),
    ("l2_phase", "l2_phase_l1_pseudorange_diff_m", "DF018", "DF048"),
    ("l2_lock", "l2_lock_time_index", "DF019", "DF049"),
    ("l2_cn0", "l2_cnr_dbhz", "DF020", "DF050"),
]
L1_CODES, L2_CODES = ["1C", "1P"], [["2X", "2P", "2W", "2W"], ["2C", "2P", None, None]]
MODULUS_M = [299_792.458, 599_584.916]
NAMES = ["system", "satellite", "signal", "range_m", "phase_m", "cn0_dbhz", "lock_indicator", "channel"]

Satellite = dict[str, float | None]


def decode(stream: bytes) -> tuple[MsmFrames, Observations]:
    buffer = np.frombuffer(stream, np.uint8)
    index = find_frames(buffer, final=True)
    return decode_msm(buffer, index.start, index.length)


def lock_s(indicator: int) -> int:
    """Return the smallest lock time as RTCM 10403.1 tabulates it (DF013)."""
    for below, factor, offset in ((24, 1, 0), (48, 2, 24), (72, 4, 120), (96, 8, 408), (120, 16, 1176)):
        if indicator < below:
            return factor * indicator - offset
    return 32 * indicator - 3096 if indicator < 127 else 937


def expected(number: int, satellites: list[Satellite]) -> list[tuple[Any, ...]]:
    """Return what the columns of `NAMES` must hold; the signal as a RINEX code."""

    def total(*parts: float | None) -> float:
        return float("nan") if None in parts else sum(part for part in parts if part is not None)

    glonass = number >= 1009
    rows = []
    for s in satellites:
        system, prn, channel = System.GPS, int(s["satellite"] or 0), 0
        if glonass:
            system, sent = System.GLONASS, int(s["channel"] or 0)
            channel = sent if sent <= 13 else UNKNOWN_CHANNEL
        elif prn >= 40:
            system, prn = System.SBAS, prn - 20
        whole = s.get("whole", 0.0)
        code = L1_CODES[int(s["l1_code"] or 0)]
        base = (system, prn)
        cn0 = s.get("cn0") or float("nan")
        rows.append(
            (
                *base,
                code,
                total(s["range"], whole),
                total(s["range"], whole, s["phase"]),
                cn0,
                s["lock"],
                channel,
            )
        )
        if "l2_code" in s:
            code2 = L2_CODES[glonass][int(s["l2_code"] or 0)]
            values = total(s["range"], whole, s["l2_range"]), total(s["range"], whole, s["l2_phase"])
            rows.append((*base, code2, *values, s.get("l2_cn0") or float("nan"), s["l2_lock"], channel))
    return rows


def assert_equal(
    number: int, seen: Observations, at: slice, satellites: list[Satellite], tolerance: float = 1e-6
) -> None:
    rows = expected(number, satellites)
    wanted = dict(zip(NAMES, zip(*rows, strict=True) if rows else [()] * len(NAMES), strict=True))
    systems = seen.system[at].tolist()
    codes = [rinex_code(s, g) for s, g in zip(systems, seen.signal[at].tolist(), strict=True)]
    # only L1 C/A of SBAS has a RINEX code
    known = [
        c if s != System.SBAS or c == "1C" else None for s, c in zip(systems, wanted["signal"], strict=True)
    ]
    assert codes == known
    for name in NAMES:
        if name != "signal":
            np.testing.assert_allclose(
                getattr(seen, name)[at], wanted[name], rtol=0, atol=tolerance, err_msg=name
            )
    assert seen.lock_ms[at].tolist() == [1000 * lock_s(int(i)) for i in wanted["lock_indicator"]]
    assert set(seen.flags[at].tolist()) <= {PARTIAL if number % 2 else 0}
    assert not seen.half_cycle[at].any()
    assert np.isnan(seen.rate_m_s[at]).all()


def from_vector(message: dict[str, Any]) -> list[Satellite]:
    found = []
    for satellite in message["satellites"]:
        values = {name.removeprefix("gps").removeprefix("glo"): value for name, value in satellite.items()}
        found.append({name: values.pop(key) for name, key, _, _ in FIELDS if key in values})
        assert not values
    return found


def from_pyrtcm(message: RTCMMessage) -> list[Satellite]:
    glonass = int(message.identity) >= 1009
    count = message.DF035 if glonass else message.DF006
    found = []
    for i in range(1, count + 1):
        satellite: Satellite = {}
        for name, _, *data_fields in FIELDS:
            value = getattr(message, f"{data_fields[glonass]}_{i:02d}", None)
            if value is not None:
                satellite[name] = value
        invalid = {"range": 0x80000 * 0.02, "phase": -262.144, "l2_range": -163.84, "l2_phase": -262.144}
        assert satellite["range"] != invalid["range"]
        satellite |= {name: None for name, v in invalid.items() if name in satellite and satellite[name] == v}
        if glonass:
            satellite["channel"] = (satellite["channel"] or 0) - 7
        if "whole" in satellite:
            satellite["whole"] = (satellite["whole"] or 0) * MODULUS_M[glonass]
        found.append(satellite)
    return found


def time_ms(number: int, sent: int) -> int:
    if number < 1009:
        return sent if sent < 604_800_000 else -1
    return (sent - 10_800_000) % 86_400_000 if sent < 86_401_000 else -1


@pytest.mark.parametrize("number", MESSAGES)
def test_published_vectors(number: int) -> None:
    compared = 0
    for _, frame, message in vectors(number):
        frames, seen = decode(frame)
        assert (len(frames), frames.damaged, frames.message[0]) == (1, 0, number)
        assert frames.system[0] == (System.GLONASS if number >= 1009 else System.GPS)
        assert frames.reference_station[0] == message["reference_station_id"]
        assert frames.more_follow[0] == message["synchronous_gnss_msg_flag"]
        sent = message.get("gps_epoch_time_ms", message.get("glo_epoch_time_ms"))
        assert frames.time_ms[0] == time_ms(number, int(sent))
        satellites = from_vector(message)
        assert (
            frames.cells[0] == len(seen) == len(satellites) * (2 if number in {1003, 1004, 1011, 1012} else 1)
        )
        assert_equal(number, seen, slice(None), satellites, 2e-5)  # rtcm-rs has DF017 in 32 bits
        compared += len(seen)
    assert compared > 60


@pytest.mark.parametrize("capture", CAPTURES)
def test_every_observation_equals_pyrtcm(data, capture: str) -> None:
    stream = (data / f"rtcm3/{capture}").read_bytes()
    index = find_frames(np.frombuffer(stream, np.uint8), final=True)
    frames, seen = decode_msm(np.frombuffer(stream, np.uint8), index.start, index.length)
    assert frames.damaged == 0
    ends = np.cumsum(frames.cells)
    compared = 0
    for row in np.flatnonzero(frames.message < 1071).tolist():
        begin, length = index.start[frames.frame[row]], index.length[frames.frame[row]]
        message = RTCMReader.parse(stream[begin : begin + length + 6])
        number = int(message.identity)
        assert number == frames.message[row]
        assert frames.reference_station[row] == message.DF003
        assert (frames.more_follow[row], frames.clock_steering[row]) == (message.DF005, 2)
        sent = message.DF034 if number >= 1009 else message.DF004
        assert frames.time_ms[row] == time_ms(number, sent) >= 0
        at = slice(ends[row] - frames.cells[row], ends[row])
        assert set(seen.row[at].tolist()) == {row}
        assert_equal(number, seen, at, from_pyrtcm(message))
        compared += 1
    assert compared == CAPTURES[capture]


def written(number: int, satellites: list[dict[str, int]], *, time: int = 0, more: int = 0) -> bytes:
    """Write a payload from fields as they are sent."""
    glonass, dual, extended = number >= 1009, number in {1003, 1004, 1011, 1012}, number % 2 == 0
    bits = f"{number:012b}{77:012b}" + (f"{time:027b}" if glonass else f"{time:030b}")
    bits += f"{more:b}{len(satellites):05b}0000"
    for s in satellites:
        bits += f"{s['satellite']:06b}{s['l1_code']:b}" + (f"{s['channel']:05b}" if glonass else "")
        bits += f"{s['range']:025b}" if glonass else f"{s['range']:024b}"
        bits += f"{s['phase'] % 2**20:020b}{s['lock']:07b}"
        if extended:
            bits += (f"{s['whole']:07b}" if glonass else f"{s['whole']:08b}") + f"{s['cn0']:08b}"
        if dual:
            bits += f"{s['l2_code']:02b}{s['l2_range'] % 2**14:014b}{s['l2_phase'] % 2**20:020b}"
            bits += f"{s['l2_lock']:07b}" + (f"{s['l2_cn0']:08b}" if extended else "")
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def in_metres(number: int, sent: dict[str, int]) -> Satellite:
    """Return what fields as they are sent mean."""
    glonass = number >= 1009
    meant: Satellite = dict(sent)
    if glonass:
        meant["channel"] = sent["channel"] - 7
    else:
        del meant["channel"]
    meant["range"] = sent["range"] * 0.02
    meant["phase"] = None if sent["phase"] == -(2**19) else sent["phase"] * 0.0005
    meant["l2_phase"] = None if sent["l2_phase"] == -(2**19) else sent["l2_phase"] * 0.0005
    meant["l2_range"] = None if sent["l2_range"] == -(2**13) else sent["l2_range"] * 0.02
    meant |= {
        "whole": sent["whole"] * MODULUS_M[glonass],
        "cn0": sent["cn0"] / 4,
        "l2_cn0": sent["l2_cn0"] / 4,
    }
    left_out = (
        set() if number in {1003, 1004, 1011, 1012} else {f[0] for f in FIELDS if f[0].startswith("l2")}
    )
    left_out |= {"whole", "cn0", "l2_cn0"} if number % 2 else set()
    return {name: value for name, value in meant.items() if name not in left_out}


def sent_satellites(number: int) -> st.SearchStrategy[list[dict[str, int]]]:
    glonass = number >= 1009
    phase = st.integers(-(2**19), 2**19 - 1) | st.just(-(2**19))
    # ranges below the modulus; the marker of a missing one has a test of its own
    span = (2**25 if glonass else 2**24) - 2**20
    return st.lists(
        st.fixed_dictionaries(
            {
                "satellite": st.integers(0, 63),
                "l1_code": st.integers(0, 1),
                "channel": st.integers(0, 31),
                "range": st.integers(0, span).filter(lambda v: v != 0x80000),
                "phase": phase,
                "lock": st.integers(0, 127),
                "whole": st.integers(0, 127 if glonass else 255),
                "cn0": st.integers(0, 255),
                "l2_code": st.integers(0, 3),
                "l2_range": st.integers(-(2**13), 2**13 - 1) | st.just(-(2**13)),
                "l2_phase": phase,
                "l2_lock": st.integers(0, 127),
                "l2_cn0": st.integers(0, 255),
            }
        ),
        max_size=31,
    )


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(MESSAGES), st.integers(0, 2**27 - 1), st.integers(0, 1))
def test_what_was_written_is_read(drawn: Any, number: int, time: int, more: int) -> None:
    satellites = drawn.draw(sent_satellites(number))
    payload = written(number, satellites, time=time, more=more)
    before, behind = build_frame(written(1002, [ONE])), build_frame(written(1012, [ONE]))
    frames, seen = decode(before + build_frame(payload) + behind)
    assert frames.message.tolist() == [1002, number, 1012]
    assert frames.damaged == 0
    assert (frames.time_ms[1], frames.more_follow[1]) == (time_ms(number, time), more)
    end = 1 + int(frames.cells[1])
    assert_equal(number, seen, slice(1, end), [in_metres(number, s) for s in satellites])
    assert_equal(1002, seen, slice(0, 1), [in_metres(1002, ONE)])
    assert_equal(1012, seen, slice(end, None), [in_metres(1012, ONE)])
    # one byte less is damaged, and spoils no neighbour
    frames, cut = decode(before + build_frame(payload[:-1]) + behind)
    assert (frames.message.tolist(), frames.damaged) == ([1002, 1012], 1)
    for name in NAMES:
        rest = np.delete(getattr(seen, name), slice(1, end))
        np.testing.assert_array_equal(getattr(cut, name), rest)


ONE = {"satellite": 5, "l1_code": 0, "channel": 8, "range": 123_456, "phase": -1000, "lock": 50, "whole": 70}
ONE |= {"cn0": 180, "l2_code": 0, "l2_range": 100, "l2_phase": 2000, "l2_lock": 40, "l2_cn0": 120}


def test_lock_times() -> None:
    assert LOCK_MS.tolist() == [1000 * lock_s(i) for i in range(128)]


@pytest.mark.parametrize("number", [1004, 1012])
def test_a_missing_l1_range_still_carries_l2(number: int) -> None:
    modulus_m, glonass = MODULUS_M[number >= 1009], number >= 1009
    _, seen = decode(build_frame(written(number, [ONE | {"range": 0x80000}])))
    base_m = 0x80000 * 0.02 + 70 * modulus_m
    assert np.isnan(seen.range_m[0])
    np.testing.assert_allclose(seen.range_m[1], base_m + 2.0, rtol=0, atol=1e-6)
    np.testing.assert_allclose(seen.phase_m, [base_m - 0.5, base_m + 1.0], rtol=0, atol=1e-6)
    width = 25 if glonass else 24
    for marker in (2**width - 1, 0xFFF80000 % 2**width):  # rtcm-rs and librtcm
        _, seen = decode(build_frame(written(number, [ONE | {"range": marker}])))
        assert np.isnan(seen.range_m).all()
        assert np.isnan(seen.phase_m).all()
        assert seen.cn0_dbhz.tolist() == [45.0, 30.0]


def test_satellites_of_sbas_in_gps_messages() -> None:
    satellites = [ONE | {"satellite": n} for n in (1, 32, 40, 58)]
    frames, seen = decode(build_frame(written(1002, satellites)))
    assert frames.system.tolist() == [System.GPS]
    assert seen.system.tolist() == [System.GPS, System.GPS, System.SBAS, System.SBAS]
    assert seen.satellite.tolist() == [1, 32, 20, 38]  # PRN 120 and 138


def test_channels() -> None:
    satellites = [ONE | {"channel": n} for n in (0, 7, 13, 20, 21, 31)]
    _, seen = decode(build_frame(written(1010, satellites)))
    assert seen.channel.tolist() == [-7, 0, 6, 13, UNKNOWN_CHANNEL, UNKNOWN_CHANNEL]


def test_a_header_alone_and_less() -> None:
    for number in MESSAGES:
        whole = written(number, [])
        frames, seen = decode(build_frame(whole))
        assert (len(frames), len(seen), frames.damaged) == (1, 0, 0)
        for size in range(2, len(whole)):
            frames, _ = decode(build_frame(whole[:size]))
            assert (len(frames), frames.damaged) == (0, 1)


def test_at_the_end_of_the_buffer() -> None:
    for number in MESSAGES:
        frame = build_frame(written(number, [ONE] * 3))
        wanted = decode(frame + bytes(64))[1]
        for behind in range(3):  # without its CRC
            buffer = np.frombuffer(frame[: len(frame) - behind], np.uint8)
            _, seen = decode_msm(buffer, np.zeros(1, np.int64), np.full(1, len(frame) - 6, np.int32))
            assert seen.range_m.tolist() == wanted.range_m.tolist()
