"""A station that emits true RTCM 3 bytes, with faults on request."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gnss.geodesy import geodetic_to_ecef
from gnss.observations import Observations
from gnss.rtcm.msm_epoch import observation_frames
from gnss.rtcm.signals import SPEED_OF_LIGHT_M_S
from gnss.simulate import cells as cell_kernels
from gnss.simulate import messages, rays
from gnss.simulate.broadcast import ORIGIN_GPS_US
from gnss.simulate.cells import SLIP_SILENT, SLIP_TOLD, Memory, Observed, Troubles
from gnss.simulate.effects import flip_a_bit, storm_roti, with_phases_near
from gnss.simulate.faults import Fault, FaultEvent, FaultKind, active, total
from gnss.simulate.messages import Equipment
from gnss.simulate.rays import Place, Rays
from gnss.simulate.receiver import Clock, offsets_s
from gnss.simulate.sky import SimulatedSky, nominal_sky
from gnss.simulate.truth import StationTruth, VisibleSatellite
from gnss.systems import System
from gnss.time import DAY_US, utc_to_gps

WRONG_ANTENNA = "TRM59800.00     NONE"
JAMMED_HZ = 40e6
SLIPPING_SHARE = 0.02
DEFAULT_SLIP_CYCLES = 1.0
_REMEMBERED_EVENTS = 100_000

Float64 = NDArray[np.float64]
Active = dict[FaultKind, list[Fault]]


@dataclass(frozen=True, slots=True)
class Emission:
    """What a station sends at one epoch, and how late."""

    epoch_us: int
    frames: tuple[bytes, ...]
    delay_s: float


@dataclass(slots=True)
class SimulatedStation:
    """One station. `seed` makes its clock, noise, masks and multipath; position in degrees and metres.

    Everything is a function of seed and time, but for lock times, ambiguities and what is held back, which
    the station remembers: asked for the same epochs in order, it gives the same bytes.
    """

    reference_station: int
    longitude: float
    latitude: float
    height_m: float
    seed: int
    faults: Sequence[Fault] = ()
    base_delay_s: float = 0.15
    sky: SimulatedSky = field(default_factory=nominal_sky)
    """Give all stations the same one: its satellites are computed once for each epoch."""
    clock: Clock = "steered"
    equipment: Equipment = field(default_factory=Equipment)
    kind: int = 7
    """Of MSM, 4 to 7."""
    sends_ephemerides: bool = True
    ecef_m: Float64 = field(init=False)
    """Where 1006 says that the antenna is."""
    _memory: Memory = field(init=False)
    _habits: cell_kernels.Habits = field(init=False)
    _observed: Observed = field(init=False)
    _rays: Rays = field(init=False)
    _axes: Float64 = field(init=False)
    _velocity_m_s: Float64 = field(init=False)
    """Earth-centred."""
    _calm: Troubles = field(init=False)
    _done: set[Fault] = field(init=False, default_factory=set)
    """Faults that happen once and have happened."""
    _events: deque[FaultEvent] = field(init=False)
    _sent_us: int | None = field(init=False, default=None)
    _held: tuple[bytes, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        self.move(self.longitude, self.latitude, self.height_m)
        n = len(self.sky.cells.hz)
        self._memory = cell_kernels.new_memory(n)
        self._habits = cell_kernels.habits_of(self.sky.cells, self.seed)
        self._observed = cell_kernels.new_observed(n)
        self._rays = rays.new_rays(len(self.sky.satellites))
        self._calm = Troubles(np.zeros(n), np.zeros(n, np.uint8), np.zeros(n), 0.0, 0.0)
        self._events = deque(maxlen=_REMEMBERED_EVENTS)

    def move(
        self,
        longitude: float,
        latitude: float,
        height_m: float,
        velocity_m_s: tuple[float, float, float] = (0.0, 0.0, 0.0),
    ) -> None:
        """Be somewhere else from the next epoch on, without a loss of lock: a rover.

        Parameters
        ----------
        longitude, latitude, height_m
            Where it is at the next epoch, by GPS time and not by its own clock.
        velocity_m_s
            To the east, north and up, there: rates (Doppler) are those of a receiver that moves so.
        """
        self.longitude, self.latitude, self.height_m = longitude, latitude, height_m
        self.ecef_m = np.asarray(geodetic_to_ecef(longitude, latitude, height_m), dtype=np.float64)
        self._axes = _axes(np.radians(longitude), np.radians(latitude))
        self._velocity_m_s = np.asarray(velocity_m_s, dtype=np.float64) @ self._axes

    def emit(self, epoch_us: int) -> Emission:
        """Return the frames of the epoch at `epoch_us` (UTC), later than all before; none during an outage.

        The delay is what the way takes; an epoch that is out of order comes with the emission behind it.
        """
        random = self._random(epoch_us, 0)
        now = active(self.faults, epoch_us)
        delay_s = self.base_delay_s + float(random.gamma(2.0, 0.01)) + total(now.get("latency", ()))
        lost, held_back, *_ = random.random(2)
        if "outage" in now:
            self._memory.lock_since_us[:] = cell_kernels.NOT_LOCKED_US
            self._sent_us, self._held = None, ()
            return Emission(epoch_us, (), delay_s)
        observations = self.observe(epoch_us)
        if lost < total(now.get("loss", ())):
            return Emission(epoch_us, (), delay_s)
        frames = self._frames(epoch_us, observations, now)
        if "corruption" in now:
            share = total(now["corruption"])
            frames = [flip_a_bit(f, random) if random.random() < share else f for f in frames]
        if held_back < total(now.get("out_of_order", ()), 0.5) and not self._held:
            self._held = tuple(frames)
            return Emission(epoch_us, (), delay_s)
        whole, self._held = (*frames, *self._held), ()
        return Emission(epoch_us, whole, delay_s)

    def observe(self, epoch_us: int) -> Observations:
        """Return what the receiver observes at an epoch (UTC), later than all before.

        `emit` sends this, with one exception: after a clock jump of ranges alone, MSM cannot hold phases a
        millisecond away from their ranges, so the sender moves them by whole cycles, which is a loss of lock.
        """
        now = active(self.faults, epoch_us)
        self._look(epoch_us, now)
        random = self._random(epoch_us, 1)
        troubles = self._troubles(epoch_us, now)
        noise = random.standard_normal((4, len(self.sky.cells.hz)))
        n = cell_kernels.observe(
            self.sky.cells, self._rays, self._habits, troubles, epoch_us, noise, self._memory, self._observed
        )
        out = self._observed
        self._note(epoch_us, troubles, out.cell[:n], now)
        cells = self.sky.cells
        kept = np.arange(n)
        if "missing_system" in now:
            missing = [int(fault.system) for fault in now["missing_system"] if fault.system is not None]
            kept = kept[~np.isin(cells.system[out.cell[:n]], missing)]
        cell, n = out.cell[kept], len(kept)
        return Observations(
            row=np.zeros(n, np.int32),
            system=cells.system[cell],
            satellite=cells.satellite[cell],
            signal=cells.signal[cell],
            range_m=out.range_m[kept],
            phase_m=out.phase_m[kept],
            rate_m_s=out.rate_m_s[kept],
            cn0_dbhz=out.cn0_dbhz[kept],
            lock_ms=out.lock_ms[kept],
            lock_indicator=np.full(n, -1, np.int16),
            half_cycle=np.zeros(n, np.uint8),
            flags=np.zeros(n, np.uint8),
            channel=cells.channel[cell],
        )

    def truth(self, epoch_us: int) -> StationTruth:
        """Return what is so at an epoch (UTC); changes nothing."""
        now = active(self.faults, epoch_us)
        clock_s = self._look(epoch_us, now)
        first = self.sky.first_cell
        found = []
        for row in np.flatnonzero(self._rays.sine >= 0.0).tolist():
            satellite = self.sky.satellites[row]
            sine = float(self._rays.sine[row])
            mine = slice(first[row], first[row + 1])
            up = self.sky.cells.signal[mine][self._habits.mask_sine[mine] <= sine]
            found.append(
                VisibleSatellite(
                    satellite.system,
                    satellite.satellite,
                    float(np.degrees(np.arcsin(sine))),
                    float(np.degrees(self._rays.azimuth[row])),
                    tuple(up.tolist()),
                )
            )
        x, y, z = (float(v) for v in self._antenna(now).ecef_m)
        return StationTruth(
            epoch_us,
            (x, y, z),
            clock_s,
            tuple(found),
            tuple(fault for some in now.values() for fault in some),
            tuple(event for event in self._events if event.epoch_us == epoch_us),
        )

    def _random(self, epoch_us: int, purpose: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(key=[self.seed + (purpose << 32), epoch_us // 1000]))

    def _antenna(self, now: Active) -> Place:
        east_m = total(now.get("moved", ())) + total(now.get("moved_and_told", ()))
        return Place(
            self.ecef_m + east_m * self._axes[0],
            self._axes,
            float(np.radians(self.longitude)),
            float(np.radians(self.latitude)),
            self.height_m,
            self._velocity_m_s,
        )

    def _look(self, epoch_us: int, now: Active) -> float:
        """Fill the rays of an epoch; return how much the clock is ahead."""
        time_s = (int(utc_to_gps(epoch_us)) - ORIGIN_GPS_US) / 1e6
        steps_s = total(now.get("clock_jump", ())) / 1e3
        clocks_s = np.array(offsets_s(self.clock, time_s, self.seed, steps_s))
        roti = sum(storm_roti(storm, epoch_us) for storm in (*self.sky.storms, *now.get("storm", ())))
        day_s = epoch_us % DAY_US / 1e6
        place = self._antenna(now)
        rays.rays(self.sky.at(epoch_us), place, clocks_s, day_s, float(roti), self.seed, self._rays)
        return float(clocks_s[0])

    def _troubles(self, epoch_us: int, now: Active) -> Troubles:
        if not now.keys() & {"jamming", "slips", "slip", "multipath", "clock_jump_of_ranges"}:
            return self._calm
        cells = self.sky.cells
        n = len(cells.hz)
        troubles = Troubles(
            np.zeros(n),
            np.zeros(n, np.uint8),
            np.zeros(n),
            total(now.get("multipath", ())),
            total(now.get("clock_jump_of_ranges", ())) / 1e3 * SPEED_OF_LIGHT_M_S,
        )
        for fault in now.get("jamming", ()):
            troubles.drop_db[np.abs(cells.hz - fault.carrier_hz) < JAMMED_HZ] += fault.magnitude
        if "slips" in now:
            hit = self._random(epoch_us, 2).random(n) < SLIPPING_SHARE
            troubles.slip[hit] = SLIP_TOLD
            troubles.slip_cycles[hit] = total(now["slips"])
        for fault in now.get("slip", ()):
            if fault not in self._done:
                at = self._slipping_cell(fault)
                if at >= 0 and self._memory.lock_since_us[at] != cell_kernels.NOT_LOCKED_US:
                    self._done.add(fault)
                    troubles.slip[at] = SLIP_SILENT
                    troubles.slip_cycles[at] = fault.magnitude or DEFAULT_SLIP_CYCLES
        return troubles

    def _slipping_cell(self, fault: Fault) -> int:
        cells = self.sky.cells
        wanted = self._rays.sine[cells.satellite_row] >= self._habits.mask_sine
        for column, value in ((cells.satellite, fault.satellite), (cells.signal, fault.signal)):
            if value:
                wanted &= column == value
        if fault.system is not None:
            wanted &= cells.system == fault.system
        if not wanted.any():
            return -1
        return int(np.argmax(np.where(wanted, self._rays.sine[cells.satellite_row], -1.0)))

    def _note(self, epoch_us: int, troubles: Troubles, seen: NDArray[np.int64], now: Active) -> None:
        """Remember what faults did at this very epoch."""
        for fault in (*now.get("clock_jump", ()), *now.get("clock_jump_of_ranges", ())):
            if fault not in self._done:
                self._done.add(fault)
                self._events.append(FaultEvent(fault.kind, epoch_us, fault.magnitude))
        cells = self.sky.cells
        for cell in seen[troubles.slip[seen] != cell_kernels.SLIP_NONE].tolist():
            told = troubles.slip[cell] == SLIP_TOLD
            self._events.append(
                FaultEvent(
                    "slips" if told else "slip",
                    epoch_us,
                    float(troubles.slip_cycles[cell]),
                    System(int(cells.system[cell])),
                    int(cells.satellite[cell]),
                    int(cells.signal[cell]),
                )
            )

    def _frames(self, epoch_us: int, observations: Observations, now: Active) -> list[bytes]:
        station = self.reference_station
        if "wrong_station_id" in now:
            station = int(total(now["wrong_station_id"], station + 1)) % 4096
        told_m = self.ecef_m + total(now.get("moved_and_told", ())) * self._axes[0]
        since, frames = self._sent_us, []
        if messages.is_due(messages.POSITION_PERIOD_S, 0, since, epoch_us):
            frames.append(messages.position_frame(station, told_m))
        if messages.is_due(messages.EQUIPMENT_PERIOD_S, messages.EQUIPMENT_AT_S, since, epoch_us):
            equipment = self.equipment
            if "wrong_antenna" in now:
                equipment = replace(equipment, antenna=WRONG_ANTENNA)
            frames.append(messages.equipment_frame(station, equipment))
        if messages.is_due(messages.BIASES_PERIOD_S, messages.BIASES_AT_S, since, epoch_us):
            frames.append(messages.biases_frame(station))
        if self.sends_ephemerides:
            slots = messages.due_slots(messages.EPHEMERIDES_PERIOD_S, since, epoch_us)
            every = np.arange(len(self.sky.satellites))
            turn = np.isin((every + self.seed) % messages.EPHEMERIDES_PERIOD_S, slots)
            due = np.flatnonzero(turn & (self._rays.sine > 0.0))
            frames += [self.sky.sent(row, epoch_us)[1] for row in due.tolist()]
        self._sent_us = epoch_us
        for fault in now.get("clock_jump_of_ranges", ()):
            observations = with_phases_near(observations, fault, epoch_us)
        return frames + observation_frames(observations, epoch_us, station, self.kind)


def _axes(longitude: float, latitude: float) -> Float64:
    """Return unit vectors to the east, north and up, shape (3, 3), at a place in radians."""
    sin_lon, cos_lon = np.sin(longitude), np.cos(longitude)
    sin_lat, cos_lat = np.sin(latitude), np.cos(latitude)
    return np.array(
        [
            [-sin_lon, cos_lon, 0.0],
            [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat],
            [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat],
        ]
    )
