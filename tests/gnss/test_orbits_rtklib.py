"""Places, clocks and elevations against those of RTKLIB, from the same capture or file."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import datetime

import hatanaka
import numpy as np
import pytest

from gnss import orbits
from gnss.broadcast_orbits import orbit_columns, sin_elevation, states
from gnss.ephemeris_book import EphemerisBook
from gnss.geodesy import ecef_to_geodetic, geodetic_to_ecef
from gnss.rinex.navigation import read_navigation
from gnss.rtcm.ephemeris import decode_ephemeris
from gnss.sky import sky_at
from gnss.systems import System
from gnss.time import SECOND_US, gps_to_utc
from tests.gnss.rtcm.ephemeris_samples import messages

pytestmark = pytest.mark.integration

ROTATION = 7.292115e-5
SENT = re.compile(r"^4 (\S+ \S+) sat=\s*(\d+) rs=\s*(\S+)\s+(\S+)\s+(\S+) dts=\s*(\S+) var=", re.MULTILINE)
"""What its trace says of a satellite: when it sent (GPS time), its number, place (m), and clock (ns)."""
FIRST = {System.BEIDOU: 106, System.QZSS: 96, System.GALILEO: 60, System.GLONASS: 33, System.GPS: 1}
"""RTKLIB numbers all satellites: the first one of each system."""


def solve(folder, *options):
    """Run RTKLIB; return (row of the sky, time sent, place, clock) of all satellites that it placed."""
    command = ["rnx2rtkp", "-p", "0", "-x", "4", "-y", "2", "-m", "0", "-sys", "G,R,E,J,C", *options]
    run(folder, *command, "-o", "s.pos", "s.obs", "s.nav")
    some = []
    for when, number, x, y, z, clock_ns in SENT.findall((folder / "s.pos.trace").read_text()):
        sent = datetime.strptime(f"{when}+0000", "%Y/%m/%d %H:%M:%S.%f%z")
        system = next(system for system, first in FIRST.items() if int(number) >= first)
        row = system * 64 + int(number) - FIRST[system]
        place = np.array([float(x), float(y), float(z)])
        if place.any():
            some.append((row, round(sent.timestamp() * SECOND_US), place, float(clock_ns)))
    return some


def run(folder, *command):
    assert shutil.which(command[0]), f"{command[0]} of RTKLIB is needed"
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)


def compare(some, ephemerides, book, receiver):
    """Check all; return how many satellites of each system there were, and how far the chosen places are."""
    longitude, latitude, _ = (np.radians(v) for v in ecef_to_geodetic(*receiver.tolist()))
    up = np.array(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)]
    )
    counts, apart_m = dict.fromkeys(FIRST, 0), []
    for row, sent_us, place, clock_ns in some:
        epoch_us = -(-sent_us // SECOND_US) * SECOND_US
        sky = sky_at(book, int(gps_to_utc(epoch_us)))
        assert sky.known[row]
        tau_s = (epoch_us - sent_us) / SECOND_US
        chosen = sky.position_m[row] - tau_s * (
            sky.velocity_m_s[row] - tau_s / 2 * sky.acceleration_m_s2[row]
        )
        of_it = orbit_columns([e for e in ephemerides if e.system * 64 + e.satellite - 1 == row])
        own = states(of_it, sent_us)
        # theirs are printed to a mm and a us, in which a satellite moves 4 mm
        is_one = np.linalg.norm(own.position_m - place, axis=1) < 0.005
        assert (is_one & (np.abs(own.clock_s * 1e9 - clock_ns) < 0.001)).any()
        # and which of them serves may be another choice
        apart_m.append(np.linalg.norm(chosen - place))
        # the Earth turns while the signal is on its way
        angle = ROTATION * tau_s
        turned = place + angle * np.array([place[1], -place[0], 0.0])
        _, elevation = orbits.azimuth_elevation(turned[np.newaxis], receiver)
        sine = sin_elevation(sky.position_m[row : row + 1], receiver, up)[0]
        assert abs(np.degrees(np.arcsin(sine) - elevation[0])) < 0.002
        counts[System(row // 64)] += 1
    return counts, np.array(apart_m)


def elevations(folder, book, receiver):
    """Return how far the elevations that RTKLIB writes, to 0.1 degrees, are from ours."""
    up = receiver * [1, 1, 1 / (1 - 0.00669437999)]
    up /= np.linalg.norm(up)
    off = []
    for line in (folder / "s.pos.stat").read_text().splitlines():
        if not line.startswith("$SAT"):
            continue
        _, week, tow, name, _, _, degrees = line.split(",")[:7]
        row = "GRESJCI".index(name[0]) * 64 + int(name[1:]) - 1
        gps_us = (315_964_800 + int(week) * 604_800) * SECOND_US + round(float(tow) * SECOND_US)
        sky = sky_at(book, int(gps_to_utc(gps_us)))
        sine = sin_elevation(sky.position_m[row : row + 1], receiver, up)[0]
        off.append(abs(np.degrees(np.arcsin(sine)) - float(degrees)))
    return np.array(off)


def test_a_capture_that_both_decode(data, tmp_path):
    path = data / "rtcm3/swift/week-rollover-STR24.rtcm3"
    read = "convbin -r rtcm3 -tr 2018/07/14 23:49:00 -v 3.04 -o s.obs -n s.nav"
    run(tmp_path, *read.split(), str(path))
    book = EphemerisBook()
    near_us, payloads = messages(path)
    ephemerides = [decode_ephemeris(payload, near_us) for payload in payloads]
    book.extend(ephemerides)
    receiver = np.array(geodetic_to_ecef(149.010135, -35.31619, 835.0))
    counts, apart_m = compare(solve(tmp_path, "-ti", "240"), ephemerides, book, receiver)
    # it takes none of the ephemerides of Galileo
    assert counts == {
        System.GPS: 65, System.GLONASS: 47, System.QZSS: 5, System.BEIDOU: 53, System.GALILEO: 0
    }  # fmt: skip
    assert apart_m.max() < 0.005
    off_deg = elevations(tmp_path, book, receiver)
    assert len(off_deg) > 100
    assert off_deg.max() < 0.06


def test_a_file_that_both_read(data, tmp_path):
    name = str(data / "rinex/ESBC00DNK_R_20201770000_01D_30S_MO.crx.gz")
    (tmp_path / "s.obs").write_bytes(hatanaka.decompress(name))
    navigation = hatanaka.decompress(str(data / "rinex/ESBC00DNK_R_20201770000_01D_MN.rnx.gz"))
    (tmp_path / "s.nav").write_bytes(navigation)
    book = EphemerisBook()
    ephemerides = read_navigation(navigation).ephemerides
    book.extend(ephemerides)
    receiver = np.array([3_582_105.291, 532_589.7313, 5_232_754.8054])  # the header's
    hours = ["-ts", "2020/06/25", "12:00:00", "-te", "2020/06/25", "14:00:00", "-ti", "600"]
    counts, apart_m = compare(solve(tmp_path, *hours), ephemerides, book, receiver)
    # RTKLIB takes no reference time ahead of Galileo; the nearest one serves here
    assert np.median(apart_m) < 0.002
    assert apart_m.max() < 2.0
    assert min(counts[system] for system in (System.GPS, System.GLONASS, System.GALILEO, System.BEIDOU)) > 50
    assert elevations(tmp_path, book, receiver).max() < 0.06
