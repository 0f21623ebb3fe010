"""The sky that all simulated stations share: one computation for each epoch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gnss.broadcast_orbits import OrbitColumns, States, orbit_columns, states
from gnss.constellations import Constellation, nominal
from gnss.ephemeris import Ephemeris, GlonassEphemeris
from gnss.rtcm.ephemeris import encode_ephemeris
from gnss.rtcm.framing import build_frame
from gnss.rtcm.signals import B3I_HZ, E5B_HZ, L1_HZ, L5_HZ, SPEED_OF_LIGHT_M_S, frequency_hz
from gnss.simulate.broadcast import RHYTHM, Satellite, nearest_issues, satellites, sent_issue
from gnss.simulate.faults import Fault
from gnss.systems import System
from gnss.time import utc_to_gps

HAND_OVER_S = 600.0
"""How long it takes from one issue's orbit to the next one's, half way between their reference times: phases
have no step there, although issues differ by their rounding."""
_MOST_EPOCHS = 8
_LAST_L1, _B2B = 7, 25
"""MSM signal ids."""

Float64 = NDArray[np.float64]


class Cells(NamedTuple):
    """All signals of all satellites, by system, satellite and signal; arrays of shape (cells,)."""

    satellite_row: NDArray[np.int64]
    """Row in the sky's satellites."""
    system: NDArray[np.uint8]
    satellite: NDArray[np.uint8]
    signal: NDArray[np.uint8]
    channel: NDArray[np.int8]
    hz: Float64
    late_m: Float64
    """By how much the code leaves later than the broadcast clock says."""


@dataclass(frozen=True, slots=True)
class _Issues:
    """The issues of all satellites for which two neighbouring ones of each system are needed."""

    numbers: tuple[int, ...]
    before: OrbitColumns
    behind: OrbitColumns


class SimulatedSky:
    """Satellites, their broadcast ephemerides, and the ionosphere above all stations.

    Parameters
    ----------
    constellations
        Which satellites there are; the nominal ones without.
    storms
        Faults of kind "storm", for all stations.
    """

    def __init__(
        self, constellations: Sequence[Constellation] | None = None, storms: Sequence[Fault] = ()
    ) -> None:
        if any(storm.kind != "storm" for storm in storms):
            raise ValueError("a sky has faults of kind 'storm' only: give the others to a station")
        self.storms = tuple(storms)
        self.satellites = satellites(nominal() if constellations is None else constellations)
        self.systems = tuple(sorted({s.system for s in self.satellites}))
        self.cells = _cells(self.satellites)
        self.first_cell = np.searchsorted(self.cells.satellite_row, np.arange(len(self.satellites) + 1))
        """Shape (satellites + 1,): cells of satellite i are first_cell[i] to first_cell[i + 1]."""
        self._system_at = np.array([self.systems.index(s.system) for s in self.satellites])
        self._frames: OrderedDict[tuple[int, int], tuple[Ephemeris, bytes]] = OrderedDict()
        self._epochs: OrderedDict[int, States] = OrderedDict()
        self._issues: _Issues | None = None

    def at(self, epoch_us: int) -> States:
        """Return places and clocks of all satellites at a time (UTC), shape (satellites, ...).

        They are those of the ephemeris with the nearest reference time; half way between two of them one
        goes over into the other within `HAND_OVER_S`. The last epochs are remembered.
        """
        found = self._epochs.get(epoch_us)
        if found is None:
            found = self._epochs[epoch_us] = self._compute(epoch_us)
            if len(self._epochs) > _MOST_EPOCHS:
                self._epochs.popitem(last=False)
        return found

    def sent(self, satellite_row: int, epoch_us: int) -> tuple[Ephemeris, bytes]:
        """Return the ephemeris that a satellite sends at a time (UTC), and the frame of its message."""
        satellite = self.satellites[satellite_row]
        number = sent_issue(satellite.system, int(utc_to_gps(epoch_us)))
        key = satellite_row, number
        found = self._frames.get(key)
        if found is None:
            ephemeris = satellite.issue(number)
            found = self._frames[key] = ephemeris, build_frame(encode_ephemeris(ephemeris))
            if len(self._frames) > 3 * len(self.satellites):
                self._frames.popitem(last=False)
        return found

    def ephemerides(self, epoch_us: int) -> list[Ephemeris]:
        """Return the ephemerides that all satellites send at a time (UTC)."""
        return [self.sent(row, epoch_us)[0] for row in range(len(self.satellites))]

    def _compute(self, epoch_us: int) -> States:
        gps_us = int(utc_to_gps(epoch_us))
        around = [nearest_issues(system, gps_us) for system in self.systems]
        numbers = tuple(before for before, _, _ in around)
        issues = self._issues
        if issues is None or issues.numbers != numbers:
            issues = self._issues = self._lay_out(numbers)
        length_s = np.array([RHYTHM[system].interval_us / 1e6 for system in self.systems])
        across = np.clip(
            (np.array([at for _, _, at in around]) - 0.5) * length_s / HAND_OVER_S + 0.5, 0.0, 1.0
        )
        share = (across**2 * (3.0 - 2.0 * across))[self._system_at]
        share_rate = (6.0 * across * (1.0 - across) / HAND_OVER_S)[self._system_at]
        before, behind = states(issues.before, gps_us), states(issues.behind, gps_us)
        apart_m = behind.position_m - before.position_m
        apart_s = behind.clock_s - before.clock_s
        return States(
            before.position_m + share[:, None] * apart_m,
            before.velocity_m_s
            + share[:, None] * (behind.velocity_m_s - before.velocity_m_s)
            + share_rate[:, None] * apart_m,
            before.acceleration_m_s2 + share[:, None] * (behind.acceleration_m_s2 - before.acceleration_m_s2),
            before.clock_s + share * apart_s,
            before.clock_rate + share * (behind.clock_rate - before.clock_rate) + share_rate * apart_s,
        )

    def _lay_out(self, numbers: tuple[int, ...]) -> _Issues:
        first = [numbers[k] for k in self._system_at]
        return _Issues(
            numbers,
            orbit_columns([s.issue(k) for s, k in zip(self.satellites, first, strict=True)]),
            orbit_columns([s.issue(k + 1) for s, k in zip(self.satellites, first, strict=True)]),
        )


@cache
def nominal_sky() -> SimulatedSky:
    """Return the one sky of all stations that were given none; what it remembers changes no result."""
    return SimulatedSky()


def _cells(every: Sequence[Satellite]) -> Cells:
    rows = [(row, s, signal) for row, s in enumerate(every) for signal in sorted(s.signals)]
    system = np.array([s.system for _, s, _ in rows], np.uint8)
    signal = np.array([g for _, _, g in rows], np.uint8)
    channel = np.array([s.channel for _, s, _ in rows], np.int8)
    hz = frequency_hz(system, signal, channel)
    delays = {row: every[row].issue(0) for row in range(len(every))}
    late_s = [late_by_s(delays[r], g, float(f)) for (r, _, g), f in zip(rows, hz, strict=True)]
    return Cells(
        np.array([row for row, _, _ in rows], np.int64),
        system,
        np.array([s.satellite for _, s, _ in rows], np.uint8),
        signal,
        channel,
        hz,
        np.array(late_s) * SPEED_OF_LIGHT_M_S,
    )


def late_by_s(ephemeris: Ephemeris, signal: int, hz: float) -> float:
    """Return by how much a code leaves later than the clock of its ephemeris says.

    GPS and QZSS: (f1/f)^2 TGD, for L5 too (IS-GPS-200, 20.3.3.3.3.2). Galileo I/NAV: (f1/f)^2 BGD(E1,E5b),
    and E5a as BGD(E1,E5a) says (OS SIS ICD 2.1, 5.1.5). BeiDou: B1I by TGD1, B2I by TGD2, B3I not at all
    (BDS-SIS-ICD-B1I, 5.2.4.10); B1C as B1I, B2a and B2b as B3I. GLONASS: L2 by delta tau (ICD 5.1, 4.4).

    Parameters
    ----------
    signal
        MSM signal id.
    hz
        Its carrier.
    """
    if isinstance(ephemeris, GlonassEphemeris):
        return ephemeris.delta_tau_s if signal > _LAST_L1 else 0.0
    first, second = ephemeris.group_delay_s
    if ephemeris.system is System.BEIDOU:
        return first if hz > B3I_HZ else second if hz == E5B_HZ and signal != _B2B else 0.0
    if ephemeris.system is System.GALILEO:
        if hz == L5_HZ:
            return second - (1.0 - (L1_HZ / hz) ** 2) * first
        return (L1_HZ / hz) ** 2 * second
    return (L1_HZ / hz) ** 2 * first
