"""What the messages of ephemerides share: their numbers, and how these become an ephemeris and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any

from gnss.ephemeris import Ephemeris, GlonassEphemeris, KeplerEphemeris
from gnss.rtcm.ephemeris_week import WEEK_S, EphemerisWeek, week_of_sending
from gnss.rtcm.fields import BitReader, BitWriter, Field, Number, Signed, Values, read_all, write_all
from gnss.systems import System
from gnss.time import GPS_EPOCH_US, SECOND_US, utc_to_gps

ICD_PI = 3.1415926535898
"""As all interface documents have it (IS-GPS-200, table 20-IV)."""
_NUMBER_BITS = 12
_KEPLER_NAMES = {field.name for field in fields(KeplerEphemeris)} - {"health", "flags"}


def two_to_minus(exponent: int) -> Fraction:
    """Return the step of a field in which this exponent stands."""
    return Fraction(1, 1 << exponent)


@dataclass(frozen=True, slots=True)
class HalfCircles(Signed):
    """An angle, or its rate, that is sent in half circles and given in radians."""

    def value(self, sent: int) -> float:
        """Return the angle in radians."""
        return float(Signed.value(self, sent) or 0.0) * ICD_PI

    def sent(self, value: Any) -> int:
        """Return the bits of an angle in radians; see `Number.sent`."""
        half_circles = value / ICD_PI if isinstance(value, int | float) else value
        try:
            return Signed.sent(self, half_circles)
        except ValueError as error:
            low, high = (self.value(self._to_bits(steps)) for steps in self._limits())
            raise ValueError(f"{self.name} {value} does not fit: give {low} to {high} radians") from error


class EphemerisMessage(ABC):
    """A message that carries an ephemeris: its table of fields, and what they mean.

    Parameters
    ----------
    number
        DF002.
    row
        All fields behind the number.
    """

    def __init__(self, number: int, row: Iterable[Field]) -> None:
        self.number = number
        self.fields = tuple(row)

    def read(self, payload: bytes) -> Values:
        """Return the fields of a message of this number by name.

        Raises
        ------
        gnss.rtcm.fields.MalformedError
            It is too short.
        """
        bits = BitReader(payload)
        bits.take(_NUMBER_BITS)
        return read_all(self.fields, bits)

    def write(self, values: Values) -> bytes:
        """Return the message with these fields.

        Raises
        ------
        ValueError
            A value is missing, unknown, or does not fit.
        """
        bits = BitWriter()
        bits.put(self.number, _NUMBER_BITS)
        write_all(self.fields, bits, values)
        return bits.payload()

    @abstractmethod
    def ephemeris(self, values: Values, near_us: int) -> Ephemeris | None:
        """Return what the fields say; None when no satellite or time is like that.

        Parameters
        ----------
        values
            From `read`.
        near_us
            UTC, near the reference time.
        """

    @abstractmethod
    def values(self, ephemeris: Any) -> Values:
        """Return the fields for `write`; raises ValueError when the message cannot say it."""


class KeplerMessage(EphemerisMessage):
    """A message with Kepler elements; its fields have the names of `gnss.ephemeris.KeplerEphemeris`.

    Besides these: `week`, `toe_s` and `toc_s` of the week in the system's own time, and the parts of what
    an ephemeris packs.

    Parameters
    ----------
    number, row
        See `EphemerisMessage`.
    system
        Of the satellites.
    first_week
        GPS week of week 0.
    group_delays, health, flags
        Fields that make up the attribute, the most significant one first.
    behind_gps_s
        How much the system's own time is behind GPS time.
    """

    def __init__(
        self,
        number: int,
        row: Iterable[Field],
        *,
        system: System,
        first_week: int,
        group_delays: tuple[str, ...],
        health: tuple[Number, ...],
        flags: tuple[Number, ...] = (),
        behind_gps_s: int = 0,
    ) -> None:
        super().__init__(number, row)
        numbers = {field.name: field for field in self.fields if isinstance(field, Number)}
        self.system = system
        self._first_week = first_week
        self._group_delays = group_delays
        self._health, self._flags = health, flags
        self._behind_us = behind_gps_s * SECOND_US
        self._weeks = 1 << numbers["week"].width
        self._time_step_us = int(numbers["toe_s"].step) * SECOND_US
        self._plain = tuple(name for name in numbers if name in _KEPLER_NAMES)

    def week(self, values: Mapping[str, Any]) -> EphemerisWeek:
        """Return the week that the fields tell."""
        week = self._first_week + values["week"]
        return EphemerisWeek(self.system, values["satellite"], week, self._weeks, values["toe_s"])

    def ephemeris(self, values: Values, near_us: int) -> KeplerEphemeris | None:
        """Return what the fields say; see `EphemerisMessage.ephemeris`."""
        toe_s, toc_s = values["toe_s"], values["toc_s"]
        if not (values["satellite"] and toe_s < WEEK_S and toc_s < WEEK_S):
            return None
        near_s = (int(utc_to_gps(near_us)) - GPS_EPOCH_US) // SECOND_US
        reference_s = self.week(values).reference_near_s(near_s)
        toc_after_s = (toc_s - toe_s + WEEK_S // 2) % WEEK_S - WEEK_S // 2
        toe_gps_us = GPS_EPOCH_US + reference_s * SECOND_US + self._behind_us
        delays = [values[name] for name in self._group_delays]
        plain = {name: values[name] for name in self._plain}
        return KeplerEphemeris(
            system=self.system,
            message=self.number,
            toe_gps_us=toe_gps_us,
            toc_gps_us=toe_gps_us + toc_after_s * SECOND_US,
            clock_issue=plain.pop("clock_issue", -1),
            group_delay_s=(delays[0], delays[1] if len(delays) > 1 else 0.0),
            health=packed(self._health, values),
            flags=packed(self._flags, values),
            **plain,
        )

    def values(self, ephemeris: KeplerEphemeris) -> Values:
        """Return the fields for `write`; see `EphemerisMessage.values`."""
        if ephemeris.system is not self.system:
            raise ValueError(f"{self.number} is of {self.system.name}, not of {ephemeris.system.name}")
        if not ephemeris.satellite > 0:
            raise ValueError(f"give a satellite from 1 on, not {ephemeris.satellite}")
        if any(ephemeris.group_delay_s[len(self._group_delays) :]):
            raise ValueError(f"{self.number} has no second group delay: give 0")
        reference_s = self._own_s(ephemeris.toe_gps_us, "toe_gps_us")
        clock_reference_s = self._own_s(ephemeris.toc_gps_us, "toc_gps_us")
        if not -WEEK_S // 2 <= clock_reference_s - reference_s < WEEK_S // 2:
            raise ValueError("toc_gps_us must be within half a week of toe_gps_us")
        return {
            **{name: getattr(ephemeris, name) for name in self._plain},
            **dict(zip(self._group_delays, ephemeris.group_delay_s, strict=False)),
            **unpacked(self._health, ephemeris.health, "health"),
            **unpacked(self._flags, ephemeris.flags, "flags"),
            "week": (week_of_sending(self.system, reference_s) - self._first_week) % self._weeks,
            "toe_s": reference_s % WEEK_S,
            "toc_s": clock_reference_s % WEEK_S,
        }

    def _own_s(self, time_gps_us: int, name: str) -> int:
        own_us = time_gps_us - GPS_EPOCH_US - self._behind_us
        if own_us % self._time_step_us:
            step_s = self._time_step_us // SECOND_US
            raise ValueError(f"{name} is no multiple of {step_s} s in the system's own time: give one")
        return own_us // SECOND_US


def packed(parts: Iterable[Number], values: Mapping[str, Any]) -> int:
    """Return unsigned fields as one number, the first one most significant."""
    bits = 0
    for part in parts:
        bits = bits << part.width | values[part.name]
    return bits


def unpacked(parts: Iterable[Number], bits: int, name: str) -> Values:
    """Return the fields that `packed` made one number of.

    Raises
    ------
    ValueError
        The number is too large or negative.
    """
    values = {}
    rest = bits
    for part in reversed(tuple(parts)):
        values[part.name] = rest & ((1 << part.width) - 1)
        rest >>= part.width
    if rest:
        raise ValueError(f"{name} {bits} has more bits than the message: give fewer")
    return values


_STATE_VECTOR = (
    ("position_m", ("x_m", "y_m", "z_m")),
    ("velocity_m_s", ("velocity_x_m_s", "velocity_y_m_s", "velocity_z_m_s")),
    ("acceleration_m_s2", ("acceleration_x_m_s2", "acceleration_y_m_s2", "acceleration_z_m_s2")),
)


def state_vector(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the vectors of `gnss.ephemeris.GlonassEphemeris` from the fields of their components."""
    return {name: (values[x], values[y], values[z]) for name, (x, y, z) in _STATE_VECTOR}


def state_fields(ephemeris: GlonassEphemeris) -> Values:
    """Return the fields of the components of a state vector: the other direction of `state_vector`."""
    components: Values = {}
    for name, parts in _STATE_VECTOR:
        components.update(zip(parts, getattr(ephemeris, name), strict=True))
    return components
