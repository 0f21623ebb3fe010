"""Every message without observations in the recordings against pyrtcm: every field."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from gnss.rtcm.framing import find_frames
from gnss.rtcm.messages import Message, Opaque, decode, tables
from tests.gnss.rtcm.flat import check_equal, ours, theirs
from tests.gnss.rtcm.pyrtcm_tables import parse

KNOWN = {table.number for table in tables()}
SYSTEMS = {"GPS": 1057, "GLONASS": 1063, "Galileo": 1240, "QZSS": 1246, "BeiDou": 1258}


def payloads(data, name):
    """Yield number and payload of each frame with a known number."""
    content = (data / f"rtcm3/{name}").read_bytes()
    index = find_frames(np.frombuffer(content, np.uint8), final=True)
    columns = zip(index.start.tolist(), index.length.tolist(), index.message.tolist(), strict=True)
    for start, length, number in columns:
        if number in KNOWN:
            yield number, content[start + 3 : start + 3 + length]


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("asv/fw206mrtk_rtcm", {1006: 69, 1008: 69}),
        ("asv/imu_rtcm", {1006: 13, 1008: 13, 1033: 13}),
        ("gpsd/rtcm3.2.log", {1007: 3, 1008: 3, 1033: 3}),
        ("gpsd/rtcm3.bndm.log", {1006: 8, 1008: 6, 1013: 7, 1029: 1, 1033: 6, 1230: 6}),
        ("pyrtcm/pygpsdata-1230.bin", {1230: 5}),
        (
            "pyrtcm/pygpsdata-1240-1264.log",
            {1240: 1, 1241: 1, 1242: 2, 1243: 2, 1258: 1, 1259: 1, 1260: 2, 1261: 2, 1264: 1},
        ),
        ("pyrtcm/pygpsdata-MIXED-RTCM3.log", {1005: 1, 1230: 1}),
        ("pyrtcm/pygpsdata-MT1023.log", {1023: 1}),
        (
            "pyrtcm/pygpsdata-NTRIP-1300-1302.log",
            {1057: 7, 1058: 7, 1059: 7, 1063: 7, 1064: 7, 1065: 7, 1240: 6, 1241: 6, 1242: 6, 1300: 6},
        ),
        ("pyrtcm/pygpsdata-NTRIP-4076.log", {4076: 11}),
        (
            "pyrtcm/pygpsdata-NTRIP-USCL00CHL0.log",
            {1005: 1, 1006: 1, 1007: 1, 1008: 1, 1013: 1, 1029: 1, 1033: 1, 1230: 1},
        ),
        ("pyrtcm/pygpsdata-RTCM3.log", {1005: 1, 1007: 1, 1059: 1, 1060: 1, 1230: 1}),
        ("qzsl6tool/20221213-010900.rtcm", {1005: 54, 1033: 54, 1230: 2}),
        (
            "swift/bds-clk.rtcm",
            dict.fromkeys((1059, 1060, 1065, 1066, 1242, 1243, 1260, 1261, 1265, 1266, 1267, 1270), 120)
            | {1264: 10},
        ),
        ("swift/geo++_SOK.rtcm", {1005: 4, 1013: 3, 1029: 5, 1033: 2, 1230: 2}),
        ("swift/geo++_TRM.rtcm", {1005: 4, 1013: 3, 1029: 1, 1033: 2, 1230: 2}),
        ("swift/glo_day_rollover.rtcm", {1005: 1, 1013: 1, 1029: 1, 1033: 1}),
        ("swift/leica.rtcm", {1006: 2, 1008: 2, 1013: 2, 1033: 2, 1230: 2}),
        ("swift/missing-gps.rtcm", {1006: 6, 1008: 5}),
        ("swift/mixed-msm-legacy.rtcm", {1006: 3, 1033: 3}),
        ("swift/navcom.rtcm", {1005: 9, 1013: 7, 1029: 21, 1033: 4, 1230: 1}),
        ("swift/piksi-5Hz.rtcm3", {1006: 7, 1008: 7, 1033: 7, 1230: 8}),
        ("swift/separate_clk_orbit.rtcm", {1057: 78, 1058: 77, 1063: 77, 1064: 77, 1240: 77, 1241: 77}),
        (
            "swift/switch-legacy-msm-legacy-msm.rtcm",
            {1005: 27, 1006: 24, 1007: 27, 1008: 26, 1013: 24, 1033: 51, 1230: 24},
        ),
        ("swift/topcon.rtcm", {1006: 4, 1008: 4, 1033: 4, 1230: 4}),
        ("swift/missing-beidou-STR17.rtcm3", {1006: 17, 1008: 501, 1013: 501, 1033: 17, 1230: 501}),
        ("swift/week-rollover-STR17.rtcm3", {1006: 38, 1008: 1125, 1013: 1125, 1033: 38, 1230: 1126}),
        ("swift/week-rollover-STR24.rtcm3", {1006: 113, 1008: 113, 1013: 113, 1033: 114, 1230: 113}),
        (
            "mrtklib/madocalib_2025091A.204.rtcm3",
            {first + n: count for first in SYSTEMS.values() for n, count in ((0, 120), (1, 676), (2, 119))}
            | {first + 4: 119 for first in SYSTEMS.values()}
            | dict.fromkeys((1265, 1266, 1267, 1268), 119)
            | {1258: 240, 1259: 1352, 1260: 238, 1262: 238, 1270: 238},
        ),
    ],
)
def test_every_field_of_every_message(data, name, numbers):
    seen: Counter[int] = Counter()
    different: dict[bytes, Message] = {}
    for number, payload in payloads(data, name):
        message = decode(payload)
        if isinstance(message, Opaque):
            assert number == 1302, message  # see test_links_without_counters
            continue
        seen[number] += 1
        different[payload] = message
    assert seen == numbers
    for payload, message in different.items():
        beidou_crc = any("ephemeris_crc" in x for x in message.values.get("satellites", ()))
        check_equal(ours(message), theirs(parse(payload, beidou_crc=beidou_crc)))


def test_links_without_counters(data):
    """A stream of EUREF sends 1302 with four characters a link and no counters: not read as nonsense."""
    read = [decode(p) for n, p in payloads(data, "pyrtcm/pygpsdata-NTRIP-1300-1302.log") if n == 1302]
    assert [(x.number, x.reason) for x in read if isinstance(x, Opaque)] == [(1302, "too short")] * 6


@pytest.mark.parametrize(
    ("name", "layout"),
    [("swift/bds-clk.rtcm", "ephemeris_issue"), ("mrtklib/madocalib_2025091A.204.rtcm3", "ephemeris_crc")],
)
def test_the_layout_of_beidou_orbits_is_found(data, name, layout):
    """With a wrong layout satellites, which clocks and biases name as well, and orbits would be nonsense."""
    orbits, others = set(), set()
    for number, payload in payloads(data, name):
        message = decode(payload)
        assert isinstance(message, Message)
        if number in {1258, 1261}:
            for satellite in message.values["satellites"]:
                assert layout in satellite
                assert satellite["ephemeris_time_s"] % 8 == 0
                assert max(abs(satellite[x]) for x in ("radial_m", "along_track_m", "cross_track_m")) < 30
                orbits.add(satellite["satellite"])
        elif number in {1259, 1260, 1262, 1270}:
            others |= {x["satellite"] for x in message.values["satellites"]}
    assert orbits == others
    # C01 to C46 that were in service, counted from 1 in one draft and from 0 in the other
    first = 0 if layout == "ephemeris_issue" else 1
    assert {x + first for x in orbits} <= {*range(1, 15), 16, *range(19, 31), *range(32, 38), *range(38, 47)}
