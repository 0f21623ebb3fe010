"""Stations that emit true RTCM 3 bytes: MSM7 of five systems and 1006, with faults on request.

Everything is a function of the station's seed and the time, but for the lock times and ambiguities, which
the station remembers: asked for the same epochs in order, it gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gnss import time as gnss_time
from gnss.constellations import SIGNALS, Constellation, nominal
from gnss.geodesy import geodetic_to_ecef
from gnss.observations import Observations
from gnss.orbits import azimuth_elevation, ranges
from gnss.rtcm.framing import build_frame
from gnss.rtcm.msm_encode import encode_msm
from gnss.rtcm.signals import SPEED_OF_LIGHT_M_S, frequency_hz
from gnss.rtcm.station import encode_1006
from gnss.systems import System

FaultKind = Literal["outage", "slips", "jamming", "latency", "corruption", "multipath", "loss"]
MESSAGES = {
    System.GPS: 1077,
    System.GLONASS: 1087,
    System.GALILEO: 1097,
    System.QZSS: 1117,
    System.BEIDOU: 1127,
}
MASK_RAD = np.radians(7.0)
POSITION_INTERVAL_S = 10
L1_HZ = 1575.42e6
MAX_CELLS = 64
_COLUMNS = [f.name for f in fields(Observations)]
_SLOTS = (7, 64, 33)
"""System, satellite, signal."""

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong at a station between two times.

    `magnitude`: slips, cycles at each onset second; jamming, dB lost in the L1 band; latency, seconds;
    corruption, share of frames with a flipped bit; multipath, metres of amplitude; loss, share of epochs.
    """

    kind: FaultKind
    begin_us: int
    end_us: int
    magnitude: float = 0.0


@dataclass(frozen=True, slots=True)
class Emission:
    """What a station sends at one epoch, and how late."""

    epoch_us: int
    frames: tuple[bytes, ...]
    delay_s: float


@dataclass(slots=True)
class SimulatedStation:
    """One station. `seed` makes its clock, noise and multipath; position in degrees and metres."""

    reference_station: int
    longitude: float
    latitude: float
    height_m: float
    seed: int
    faults: Sequence[Fault] = ()
    constellations: Sequence[Constellation] = field(default_factory=nominal)
    base_delay_s: float = 0.15
    ecef_m: Float64 = field(init=False)
    _lock_since_us: NDArray[np.int64] = field(init=False)
    _ambiguity: Float64 = field(init=False)

    def __post_init__(self) -> None:
        self.ecef_m = np.asarray(
            geodetic_to_ecef(self.longitude, self.latitude, self.height_m), dtype=np.float64
        )
        self._lock_since_us = np.full(_SLOTS, -1, np.int64)
        self._ambiguity = np.zeros(_SLOTS)

    def emit(self, epoch_us: int) -> Emission:
        """Return the frames of the epoch at `epoch_us` (UTC); none during an outage."""
        random = np.random.Generator(np.random.Philox(key=[self.seed, epoch_us // 1000]))
        active = {f.kind: f for f in self.faults if f.begin_us <= epoch_us < f.end_us}
        delay_s = self.base_delay_s + float(random.gamma(2.0, 0.01))
        if "latency" in active:
            delay_s += active["latency"].magnitude
        lost = "loss" in active and random.random() < active["loss"].magnitude
        if "outage" in active or lost:
            if "outage" in active:
                self._lock_since_us[:] = -1
            return Emission(epoch_us, (), delay_s)
        columns = [self._observe(c, epoch_us, random, active) for c in self.constellations]
        payloads = self._messages(epoch_us, columns)
        if epoch_us // 1_000_000 % POSITION_INTERVAL_S == 0:
            payloads.insert(0, encode_1006(self.reference_station, self._position(), 0.0))
        frames = [build_frame(p) for p in payloads]
        if "corruption" in active:
            share = active["corruption"].magnitude
            frames = [_flip_a_bit(f, random) if random.random() < share else f for f in frames]
        return Emission(epoch_us, tuple(frames), delay_s)

    def _position(self) -> tuple[float, float, float]:
        x, y, z = (float(v) for v in self.ecef_m)
        return x, y, z

    def _messages(self, epoch_us: int, columns: Sequence[Observations]) -> list[bytes]:
        by_system: dict[System, list[Observations]] = {}
        for part in columns:
            if len(part):
                by_system.setdefault(System(int(part.system[0])), []).append(part)
        payloads = []
        for i, (system, parts) in enumerate(by_system.items()):
            time_ms = gnss_time.msm_time_ms(epoch_us, system)
            more = i < len(by_system) - 1
            pieces = _pieces(parts)
            for j, piece in enumerate(pieces):
                more_follow = more or j < len(pieces) - 1
                payloads.append(
                    encode_msm(MESSAGES[system], self.reference_station, time_ms, more_follow, piece)
                )
        return payloads

    def _observe(
        self,
        constellation: Constellation,
        epoch_us: int,
        random: np.random.Generator,
        active: dict[FaultKind, Fault],
    ) -> Observations:
        system = constellation.system
        signals = np.array(SIGNALS[system], np.uint8)
        time_s = epoch_us / 1e6
        range_m, at = ranges(constellation.elements, time_s, self.ecef_m)
        azimuth, elevation = azimuth_elevation(at, self.ecef_m)
        later_m, _ = ranges(constellation.elements, time_s + 0.5, self.ecef_m)
        earlier_m, _ = ranges(constellation.elements, time_s - 0.5, self.ecef_m)
        up = elevation > MASK_RAD
        self._lock_since_us[system, constellation.satellite[~up]] = -1

        satellite = np.repeat(constellation.satellite[up], len(signals))
        signal = np.tile(signals, int(up.sum()))
        channel = np.repeat(constellation.channel[up], len(signals))
        n = len(satellite)

        def spread(values: Float64) -> Float64:
            return np.repeat(values[up], len(signals))

        sin_el = np.sin(spread(elevation))
        frequency = frequency_hz(np.full(n, system, np.uint8), signal, channel)
        wavelength = SPEED_OF_LIGHT_M_S / frequency

        clock_m = 30.0 * np.sin(2 * np.pi * time_s / 900.0 + self.seed)
        iono_m = 4.0 / np.sqrt(1 - (0.94 * np.sqrt(1 - sin_el**2)) ** 2) * (L1_HZ / frequency) ** 2
        true_m = spread(range_m) + clock_m + 2.4 / (sin_el + 0.01)
        amplitude = 0.12 / (sin_el + 0.25)
        if "multipath" in active:
            amplitude = amplitude + active["multipath"].magnitude * np.sqrt(2)
        period_s = 120.0 + 37.0 * (satellite % 7) + 11.0 * (signal % 5)
        bounce_m = amplitude * np.sin(2 * np.pi * time_s / period_s + satellite + signal + spread(azimuth))
        cn0 = 34.0 + 16.0 * sin_el - 2.0 * (signal % 3) + random.normal(0, 0.3, n)
        if "jamming" in active:
            cn0 = cn0 - np.where(np.abs(frequency - 1.58e9) < 0.04e9, active["jamming"].magnitude, 0.0)

        slot = (np.full(n, system), satellite, signal)
        fresh = self._lock_since_us[slot] < 0
        if "slips" in active and n:
            hit = random.random(n) < 0.02
            self._ambiguity[slot] += np.where(hit, active["slips"].magnitude, 0.0)
            fresh |= hit
        self._lock_since_us[slot] = np.where(fresh, epoch_us, self._lock_since_us[slot])
        noise_m = random.normal(0, 0.08, n) / (sin_el + 0.3)
        rate = spread(later_m - earlier_m) + 30.0 * 2 * np.pi / 900.0 * np.cos(
            2 * np.pi * time_s / 900.0 + self.seed
        )
        return Observations(
            row=np.zeros(n, np.int32),
            system=np.full(n, system, np.uint8),
            satellite=satellite,
            signal=signal,
            range_m=true_m + iono_m + bounce_m + noise_m,
            phase_m=true_m - iono_m + self._ambiguity[slot] * wavelength + random.normal(0, 0.002, n),
            rate_m_s=rate + random.normal(0, 0.01, n),
            cn0_dbhz=np.maximum(cn0, 5.0),
            lock_ms=((epoch_us - self._lock_since_us[slot]) // 1000).astype(np.int32),
            lock_indicator=np.full(n, -1, np.int16),
            half_cycle=np.zeros(n, np.uint8),
            flags=np.zeros(n, np.uint8),
            channel=channel,
        )


def _pieces(parts: Sequence[Observations]) -> list[Observations]:
    """Join a system's observations and split them where a message would exceed 64 cells (DF396)."""
    joined = [np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS]
    whole = Observations(*joined)
    cells_a_satellite = len(np.unique(whole.signal))
    step = MAX_CELLS // cells_a_satellite * cells_a_satellite
    return [Observations(*(c[i : i + step] for c in joined)) for i in range(0, len(whole), step)]


def _flip_a_bit(frame: bytes, random: np.random.Generator) -> bytes:
    damaged = bytearray(frame)
    damaged[int(random.integers(3, len(frame)))] ^= 1 << int(random.integers(8))
    return bytes(damaged)
