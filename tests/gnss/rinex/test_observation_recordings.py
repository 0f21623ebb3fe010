"""Observation files of the recordings against a plain text reader, georinex and our own RTCM decoding."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from io import StringIO

import georinex
import hatanaka
import numpy as np
import pytest

from gnss import capture
from gnss.rinex.observation import read_observations
from gnss.rtcm.signals import rinex_code
from gnss.systems import System
from gnss.time import iso_z
from tests.gnss.rinex.values import joined, of_columns, rinex_3

LEAP_US = 18_000_000
ESBC = "rinex/ESBC00DNK_R_20201770000_01D_30S_MO.crx.gz"
GRAS = "rinex/GRAS00FRA_R_20223151700_15M_01S_MO.crx.gz"
REYK = "rinex/REYK00ISL_R_20192701000_01H_30S_MO.rnx"
OPEC = "qc/OPEC00NOR_S_20220010000_01D_30S_MO_3.04_croped.rnx.gz"


@pytest.mark.parametrize(
    ("name", "epochs", "rows", "first", "interval_s", "every"),
    [
        (ESBC, 2880, 427_574, "2020-06-24T23:59:42Z", 30.0, 24),
        (GRAS, 900, 101_354, "2022-11-11T16:59:42Z", 1.0, 9),
        (REYK, 120, 14_171, "2019-09-27T09:59:42Z", 30.0, 1),
        (OPEC, 440, 57_156, "2021-12-31T23:59:42Z", 30.0, 4),
    ],
)
def test_every_value_is_that_of_the_text(data, name, epochs, rows, first, interval_s, every) -> None:
    content = (data / name).read_bytes()
    read = read_observations(content)
    assert (len(read.epochs), len(read.epochs.observations)) == (epochs, rows)
    assert read.problem_count == 0
    assert read.phases_without_channel == 0
    assert iso_z(int(read.epochs.time_us[0])) == first
    assert read.header.interval_s == interval_s
    text = hatanaka.decompress(content).decode("ascii")
    theirs = rinex_3(text, every=every)
    ours = of_columns(read.epochs, LEAP_US, every=every)
    opaque = {key for key in theirs if key not in ours}
    assert {key[2][1:] for key in opaque} <= {"3Q"}  # MSM has no ids for GLONASS G3
    assert ours.keys() <= theirs.keys()
    for key, (value, indicator) in ours.items():
        written, lock = theirs[key]
        assert abs(value - written) < 1e-6, key
        assert indicator == (lock & 3 if key[2][0] == "L" else 0), key
    assert len(ours) > 25_000


def test_types_without_a_signal_id_are_counted(data) -> None:
    content = (data / ESBC).read_bytes()
    read = read_observations(content)
    text = hatanaka.decompress(content).decode("ascii")
    g3 = dict.fromkeys(("C3Q", "D3Q", "L3Q", "S3Q"), 0)
    types = ["C1C", "C1P", "C2C", "C2P", "C3Q", "D1C", "D1P", "D2C", "D2P", "D3Q", "L1C", "L1P", "L2C", "L2P"]
    types += ["L3Q", "S1C", "S1P", "S2C", "S2P", "S3Q"]
    for line in text.splitlines():
        if line[:1] == "R" and line[1:3].isdigit():
            for kind in g3:
                at = 3 + 16 * types.index(kind)
                written = line[at : at + 14].strip()
                g3[kind] += bool(written) and float(written) != 0.0
    assert read.opaque == {f"R {kind}": count for kind, count in g3.items()}


def test_header(data) -> None:
    header = read_observations((data / REYK).read_bytes()).header
    assert (header.version, header.system_letter) == (3.04, "M")
    assert (header.marker_name, header.marker_number) == ("REYK", "10202M001")
    assert (header.observer, header.agency) == ("Automatic", "BKG/GOWettzell+LMI")
    assert header.receiver_serial == "1830137"
    assert (header.receiver_type, header.receiver_version) == ("LEICA GR50", "4.31/7.403")
    assert (header.antenna_serial, header.antenna_type) == ("725281", "LEIAR25.R4      LEIT")
    assert header.position_m == (2587384.4105, -1043033.8325, 5716563.9240)
    assert header.antenna_delta_hen_m == (0.0635, 0.0, 0.0)
    assert (header.time_system, header.leap_seconds, header.strength_unit) == ("GPS", 18, "DBHZ")
    assert header.types[System.NAVIC] == ("C5A", "D5A", "L5A", "S5A")
    assert header.types[System.GALILEO][13:] == ("S5Q", "S7Q", "S8Q")
    assert header.glonass_channels[2] == -4
    assert len(header.glonass_channels) == 24


@pytest.mark.parametrize(("name", "epochs"), [(REYK, 15), (GRAS, 15), (OPEC, 20)])
def test_values_equal_georinex(data, name, epochs) -> None:
    text = hatanaka.decompress((data / name).read_bytes()).decode("ascii")
    lines = text.splitlines(keepends=True)
    heads = [i for i, line in enumerate(lines) if line[0] == ">"]
    part = "".join(lines[: heads[epochs]])
    ours = read_observations(part.encode("ascii"))
    assert len(ours.epochs) == epochs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = georinex.load(StringIO(part))
    values = of_columns(ours.epochs, LEAP_US)
    times = theirs.time.values.astype("datetime64[us]").astype(np.int64).tolist()
    compared = 0
    for kind in theirs.data_vars:
        table = theirs[kind].values
        for i, time_us in enumerate(times):
            for k, satellite in enumerate(theirs.sv.values.tolist()):
                found = values.pop((time_us, satellite, kind), None)
                value = table[i, k]
                if found is not None or (not np.isnan(value) and value != 0.0):
                    assert found is not None, (kind, satellite)
                    assert abs(found[0] - value) < 1e-6
                    compared += 1
    assert not values
    assert compared > 5_000


@pytest.mark.integration
@pytest.mark.parametrize("version", ["2.11", "3.04"])
def test_files_of_convbin_hold_what_the_stream_held(data, tmp_path, version) -> None:
    convbin = shutil.which("convbin")
    if convbin is None:
        pytest.fail("convbin is missing: install Debian's package rtklib")
    source = data / "rtcm3/swift/week-rollover-STR24.rtcm3"
    command = [convbin, "-r", "rtcm3", "-tr", "2018/07/14", "23:50:00", "-v", version, "-os"]
    command += ["-o", "obs", "-n", "nav", str(source)]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    content = (tmp_path / "obs").read_bytes()
    channels = read_observations((data / REYK).read_bytes()).header.glonass_channels
    read = read_observations(content, glonass_channels=channels)
    assert read.problem_count == 0
    assert read.phases_without_channel == 0
    begin_us, _ = capture.reference_time(source.read_bytes(), date_us=None, modified_us=1_600_000_000_000_000)
    streamed = joined([(e.time_us, e.observations) for e in capture.epochs(source.read_bytes(), begin_us)])
    assert read.epochs.time_us.tolist() == streamed.time_us.tolist()
    known = {}
    seen = streamed.observations
    for i in range(len(seen)):
        system, satellite, signal = int(seen.system[i]), int(seen.satellite[i]), int(seen.signal[i])
        known[int(seen.row[i]), system, satellite, signal] = i
    ours = read.epochs.observations
    compared = {"range": 0, "phase": 0, "cn0": 0}
    for i in range(len(ours)):
        key = int(ours.row[i]), int(ours.system[i]), int(ours.satellite[i]), int(ours.signal[i])
        assert key in known, (key, rinex_code(key[1], key[3]))
        k = known[key]
        pairs = {
            "range": (ours.range_m[i], seen.range_m[k], 6e-4),
            "cn0": (ours.cn0_dbhz[i], seen.cn0_dbhz[k], 0.13),
        }
        pairs["phase"] = ours.phase_m[i], seen.phase_m[k], 2e-4
        for name, (value, streamed_value, tolerance) in pairs.items():
            if not np.isnan(value):
                assert abs(value - streamed_value) <= tolerance, (name, key)
                compared[name] += 1
    assert min(compared.values()) > 50_000
