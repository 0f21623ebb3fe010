"""The package gnssmultipath, run on the same files as we, with its results as arrays by epoch and satellite.

The BeiDou navigation file of the recording has its angles in semicircles; RINEX wants radians. As it stands
it places satellites thousands of kilometres away from where they were, for both of us alike, so that both get
it repaired (`radians`).
"""

from __future__ import annotations

import gzip
import math
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnss.ephemeris_book import EphemerisBook
from gnss.epoch_columns import EpochColumns
from gnss.quality.engine_cells import Cells, engine_cells
from gnss.rinex.navigation import read_navigation
from gnss.rinex.observation import read_observations
from gnss.rtcm.signals import RINEX_CODES
from gnss.systems import System
from tests.conftest import Recordings

NAME = "qc/OPEC00NOR_S_20220010000_01D_30S_MO_3.04_croped.rnx.gz"
PUBLISHED = "qc/analysisResults_OPEC00NOR_S_20220010000_01D_30S_MO_3.04_croped.pkl.zst"
NAVIGATION = "qc/OPEC00NOR_S_20220010000_01D_{}N.rnx.gz"
INTERVAL_S = 30.0
SATELLITES = 64
SYSTEMS = {"GPS": "G", "GLONASS": "R", "Galileo": "E", "BeiDou": "C"}

Bools = NDArray[np.bool_]
Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]

_RUN = """
import sys
import numpy as np
from gnssmultipath import GNSS_MultipathAnalysis

made = GNSS_MultipathAnalysis(
    "observations.rnx", broadcastNav1="C.rnx", broadcastNav2="E.rnx", broadcastNav3="G.rnx",
    broadcastNav4="R.rnx", outputDir="out", plotEstimates=False, plot_polarplot=False, include_SNR=False,
    save_results_as_pickle=False, write_results_to_csv=False,
)
columns = {}
for name in made["GNSSsystems"]:
    for band in made[name]["Bands"]:
        for code, one in made[name][band].items():
            if not isinstance(one, dict):
                continue
            head = f"{name} {code} "
            for key in ("multipath_range1", "sat_elevation_angles", "range1_observations", "nRange1Obs",
                        "nEstimates", "rms_multipath_range1_satellitewise", "rms_multipath_range1_averaged",
                        "range2_Code"):
                columns[head + key] = np.asarray(one[key])
            columns[head + "lli"] = np.asarray(one["LLI_slip_distribution"]["n_slips_Tot"])
            columns[head + "periods"] = np.array(
                [(s, *p) for s, some in one["cycle_slip_periods"].items() for p in some], float
            ).reshape(-1, 3)
np.savez("made.npz", **columns)
"""


@dataclass(frozen=True)
class Code:
    """What gnssmultipath makes of one code. Arrays: shape (epochs, 65), column 0 unused."""

    name: str
    """Like "G C1C"."""
    system: int
    signal: int
    """MSM signal ids of the code, whose phase is i, and of the other phase, j."""
    other: int
    multipath_m: Float64
    """NaN: none."""
    elevation_deg: Float64
    """NaN: below the horizon or not known."""
    has_range: Bools
    range_m: Float64
    observations: int
    estimates: int
    rms_of_satellite_m: Float64
    rms_m: float
    lli_periods: int
    slip_periods: Int64
    """Satellite, first and last epoch, shape (n, 3)."""


@dataclass(frozen=True)
class Beside:
    """The recording, and what both make of it."""

    epochs: EpochColumns
    position_m: Float64
    cells: Cells
    book: EphemerisBook
    unrepaired: EphemerisBook
    codes: tuple[Code, ...]

    def grid(self, system: int, signal: int, column: NDArray[Any]) -> Float64:
        """Return a column of one signal by epoch and satellite, shape (epochs, 65)."""
        o = self.epochs.observations
        own = (o.system == system) & (o.signal == signal)
        grid = np.full((len(self.epochs), SATELLITES + 1), np.nan)
        grid[o.row[own], o.satellite[own]] = column[own]
        return grid


def radians(text: str) -> str:
    """Return a BeiDou navigation file whose angles are in semicircles with angles in radians."""
    # by line of a record: mean motion, anomaly; node; inclination, perigee, node's rate; inclination's rate
    angles = {1: (2, 3), 3: (2,), 4: (0, 2, 3), 5: (0,)}
    head, mark, body = text.partition("END OF HEADER")
    rest, *records = body.splitlines()
    lines, k = [rest], 0
    for line in records:
        k = k + 1 if line.startswith("    ") else 0
        fields = [line[4 + 19 * i : 23 + 19 * i] for i in range(4)]
        for i in angles.get(k, ()):
            fields[i] = f"{float(fields[i]) * math.pi:19.12E}"
        lines.append(line[:4] + "".join(fields) if k in angles else line)
    return head + mark + "\n".join(lines) + "\n"


def run_beside(data: Recordings, folder: Path) -> Beside:
    """Run gnssmultipath in a process and a folder of its own, and read the same files."""
    observations = gzip.decompress((data / NAME).read_bytes())
    (folder / "observations.rnx").write_bytes(observations)
    book, unrepaired = EphemerisBook(), EphemerisBook()
    for letter in "CEGR":
        text = gzip.decompress((data / NAVIGATION.format(letter)).read_bytes()).decode()
        repaired = radians(text) if letter == "C" else text
        (folder / f"{letter}.rnx").write_text(repaired)
        for one, into in ((repaired, book), (text, unrepaired)):
            into.extend(read_navigation(one.encode()).ephemerides)
    subprocess.run([sys.executable, "-c", _RUN], cwd=folder, check=True, capture_output=True)
    read = read_observations(observations)
    assert read.header.position_m is not None
    with np.load(folder / "made.npz") as made:
        codes = _codes(dict(made))
    return Beside(
        epochs=read.epochs,
        position_m=np.array(read.header.position_m),
        cells=engine_cells(read.epochs, INTERVAL_S),
        book=book,
        unrepaired=unrepaired,
        codes=codes,
    )


def _codes(made: dict[str, NDArray[Any]]) -> tuple[Code, ...]:
    ids = {(s.letter, code): g for s, table in RINEX_CODES.items() for g, code in table.items()}
    numbers = {s.letter: int(s) for s in System}
    codes = []
    for head in sorted({" ".join(key.split(" ")[:2]) for key in made}):
        letter, code = SYSTEMS[head.split(" ")[0]], head.split(" ")[1]
        one = {key.removeprefix(head + " "): value for key, value in made.items() if key.startswith(head)}
        range_m = _wide(one["range1_observations"])
        multipath_m = _wide(one["multipath_range1"])
        codes.append(
            Code(
                name=f"{letter} {code}",
                system=numbers[letter],
                signal=ids[letter, code[1:]],
                other=ids[letter, str(one["range2_Code"])[1:]],
                multipath_m=np.where(multipath_m == 0.0, np.nan, multipath_m),
                elevation_deg=_wide(one["sat_elevation_angles"]),
                has_range=np.isfinite(range_m) & (range_m != 0.0),
                range_m=range_m,
                observations=int(one["nRange1Obs"]),
                estimates=int(one["nEstimates"]),
                rms_of_satellite_m=_wide(one["rms_multipath_range1_satellitewise"][np.newaxis])[0],
                rms_m=float(one["rms_multipath_range1_averaged"]),
                lli_periods=int(one["lli"]),
                slip_periods=one["periods"].astype(np.int64),
            )
        )
    return tuple(codes)


def _wide(grid: NDArray[Any]) -> Float64:
    """Return the first 64 satellites, NaN where its arrays end before."""
    wide = np.full((len(grid), SATELLITES + 1), np.nan)
    n = min(grid.shape[1], SATELLITES + 1)
    wide[:, :n] = grid[:, :n]
    return wide
