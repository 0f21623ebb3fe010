"""Epochs, ephemerides and equipment of one station to RTCM 3 frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnss.ephemeris import Ephemeris, is_orbit
from gnss.observations import Observations
from gnss.rinex.write_navigation import without_sending
from gnss.rtcm.ephemeris import encode_ephemeris
from gnss.rtcm.fields import Values
from gnss.rtcm.framing import build_frame
from gnss.rtcm.messages import encode, message
from gnss.rtcm.msm_epoch import observation_frames
from gnss.rtcm.msm_layout import CHANNEL_OFFSET, MAX_CHANNEL, SBAS_OFFSET
from gnss.rtcm.signals import wavelength_m
from gnss.rtcm.station import encode_1006
from gnss.rtcm.texts import MAX_DESCRIPTOR
from gnss.systems import UNKNOWN_CHANNEL, System
from gnss.time import SECOND_US, gps_to_utc
from gnss.to_rtcm.arcs import Arcs, Told
from gnss.to_rtcm.fit import fit

EQUIPMENT_PERIOD_US = 30 * SECOND_US
POSITION_PERIOD_US = 10 * SECOND_US
EPHEMERIS_PERIOD_US = 20 * SECOND_US
"""An ephemeris that did not change is not sent more often; receivers bring each about every 30 s."""
_MOST_SATELLITES = 64
_F_NAV = 1045
_MOST_M = 1e9
"""A phase may begin anywhere, but no further from its range."""
_COLUMNS = tuple(name for name in Observations.__slots__ if name != "row")


@dataclass(frozen=True, slots=True)
class Equipment:
    """What 1033 tells; texts of at most 31 bytes count."""

    antenna: str = ""
    antenna_serial: str = ""
    receiver: str = ""
    receiver_firmware: str = ""
    receiver_serial: str = ""


@dataclass(slots=True)
class Written:
    """What was written and what was not, so far."""

    epochs: int = 0
    observations: int = 0
    ephemerides: int = 0
    observations_left_out: int = 0
    """Those of a satellite or signal that MSM has no number for or that stands there twice, or without any
    range or phase."""
    values_left_out: int = 0
    """Ranges, phases, rates and C/N0 that MSM7 has no room for."""
    ephemerides_left_out: int = 0
    """That are no orbit, or that their message cannot say."""


class RtcmWriter:
    """Of one station; its memory is one epoch, and one ephemeris a satellite.

    Parameters
    ----------
    reference_station
        DF003, 0 to 4095.
    position_m
        ECEF of the antenna reference point, for 1006; None: 1006 is not sent.
    """

    def __init__(
        self, reference_station: int = 0, position_m: tuple[float, float, float] | None = None
    ) -> None:
        self._station = reference_station
        self._position_m = position_m
        self._arcs = Arcs()
        self._equipment = Equipment()
        self._equipment_us = self._position_us = -(1 << 60)
        self._ephemerides: dict[tuple[System, int, bool], tuple[Ephemeris, int]] = {}
        self.written = Written()

    def equip(self, equipment: Equipment) -> None:
        """Tell another antenna or receiver from the next epoch on."""
        if equipment != self._equipment:
            self._equipment, self._equipment_us = equipment, -(1 << 60)

    def epoch(self, time_gps_us: int, observations: Observations, told: Told, *, is_whole: bool) -> bytes:
        """Return an epoch, before it what is to be told from time to time.

        Parameters
        ----------
        time_gps_us
            GPS time, a whole millisecond.
        observations
            In any order; lock times are taken from `told`, flags are not read.
        told
            In the order of `observations`, with `key` of `keys_of`.
        is_whole
            No other call brings more of this epoch.
        """
        chosen = _sendable(observations, told.key)
        self.written.observations_left_out += len(observations) - len(chosen)
        seen = Observations(
            row=observations.row[chosen],
            **{name: getattr(observations, name)[chosen].copy() for name in _COLUMNS},
        )
        told = Told(
            told.key[chosen], told.lock_ms[chosen], told.most_lock_ms, told.lost[chosen], told.mark[chosen]
        )
        satellite = told.key >> 6
        _one_channel(seen, satellite)
        self.written.values_left_out += _only_possible(seen.range_m) + _only_possible(seen.phase_m)
        wave_m = wavelength_m(seen.system, seen.signal, seen.channel)
        lock_ms, phase_m = self._arcs.follow(time_gps_us, told, seen.range_m, seen.phase_m, wave_m)
        np.copyto(seen.phase_m, phase_m)
        self.written.values_left_out += int(
            fit(satellite, seen.range_m, seen.phase_m, seen.rate_m_s, seen.cn0_dbhz)
        )
        held = ~(np.isnan(seen.range_m) & np.isnan(seen.phase_m))
        self.written.observations_left_out += int(np.count_nonzero(~held))
        seen = Observations(
            row=seen.row[held],
            **{name: getattr(seen, name)[held] for name in _COLUMNS if name != "lock_ms"},
            lock_ms=np.minimum(lock_ms[held], np.iinfo(np.int32).max).astype(np.int32),
        )
        utc_us = int(gps_to_utc(time_gps_us))
        frames = observation_frames(seen, utc_us, self._station, more_follow=not is_whole)
        if not frames:
            return b""
        self.written.epochs += 1
        self.written.observations += len(seen)
        return b"".join([*self._beside(utc_us), *frames])

    def ephemeris(self, ephemeris: Ephemeris, now_us: int) -> bytes:
        """Return the message of an ephemeris; nothing for one that was sent a moment ago, or that is none.

        Parameters
        ----------
        now_us
            UTC.
        """
        key = ephemeris.system, ephemeris.satellite, getattr(ephemeris, "message", 0) == _F_NAV
        plain = without_sending(ephemeris)
        before, sent_us = self._ephemerides.get(key, (None, 0))
        if before == plain and 0 <= now_us - sent_us < EPHEMERIS_PERIOD_US:
            return b""
        try:
            frame = build_frame(encode_ephemeris(ephemeris)) if is_orbit(ephemeris) else b""
        except ValueError:
            frame = b""
        if frame:
            self._ephemerides[key] = plain, now_us
            self.written.ephemerides += 1
        else:
            self.written.ephemerides_left_out += 1
        return frame

    def _beside(self, utc_us: int) -> list[bytes]:
        frames = []
        if self._position_m is not None and _is_due(utc_us, self._position_us, POSITION_PERIOD_US):
            self._position_us = utc_us
            frames.append(build_frame(encode_1006(self._station, self._position_m, 0.0)))
        if self._equipment != Equipment() and _is_due(utc_us, self._equipment_us, EQUIPMENT_PERIOD_US):
            self._equipment_us = utc_us
            frames.append(build_frame(_encode_1033(self._station, self._equipment)))
        return frames


def keys_of(observations: Observations) -> NDArray[np.int64]:
    """Return a number for each system, satellite and signal, which sorts by them; shape (n,)."""
    satellite = observations.system.astype(np.int64) << 8 | observations.satellite
    key: NDArray[np.int64] = satellite << 6 | observations.signal
    return key


def _sendable(observations: Observations, key: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows that MSM has numbers for, by system, satellite and signal; of equal ones the first."""
    number = observations.satellite.astype(np.int64)
    number[observations.system == System.SBAS] -= SBAS_OFFSET
    usable = np.flatnonzero((number >= 1) & (number <= _MOST_SATELLITES))
    order = usable[np.argsort(key[usable], kind="stable")]
    chosen: NDArray[np.int64] = order[np.diff(key[order], prepend=-1) != 0]
    return chosen


def _one_channel(seen: Observations, satellite: NDArray[np.int64]) -> None:
    """Give all signals of a satellite the frequency number of its first one, where MSM can say it."""
    first = np.flatnonzero(np.diff(satellite, prepend=-1))
    channel = np.repeat(seen.channel[first], np.diff(first, append=len(satellite)))
    unusable = (channel < -CHANNEL_OFFSET) | (channel > MAX_CHANNEL)
    channel[unusable & (seen.system == System.GLONASS)] = UNKNOWN_CHANNEL
    np.copyto(seen.channel, channel)


def _only_possible(metres: NDArray[np.float64]) -> int:
    """Make NaN of what no receiver measures; return how many those were."""
    impossible = ~(np.abs(metres) < _MOST_M) & ~np.isnan(metres)
    metres[impossible] = np.nan
    return int(np.count_nonzero(impossible))


def _is_due(now_us: int, before_us: int, period_us: int) -> bool:
    """Whether another period has begun, or time was set back."""
    return now_us // period_us != before_us // period_us


def _encode_1033(reference_station: int, equipment: Equipment) -> bytes:
    texts = {
        "antenna_descriptor": equipment.antenna,
        "antenna_serial": equipment.antenna_serial,
        "receiver_descriptor": equipment.receiver,
        "receiver_firmware": equipment.receiver_firmware,
        "receiver_serial": equipment.receiver_serial,
    }
    values: Values = {"reference_station": reference_station, "antenna_setup": 0}
    values |= {name: text[:MAX_DESCRIPTOR] for name, text in texts.items()}
    return encode(message(1033, values))
