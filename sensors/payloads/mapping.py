"""What the mappings of all formats have in common: limits, clocks, units."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self

import msgspec

from sensors.payloads import MAX_ROWS, Place, Rows, TooManyError, UnusableError, check_filter, printable
from sensors.payloads.numbers import read_number
from sensors.payloads.times import Clock
from sensors.payloads.units import converted

MAX_BYTES = 1_000_000
MOST_ROWS = 500_000


class FormatMapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """How the messages of some topics are read. A format adds its own settings and `read`."""

    topic: str
    """MQTT topic filter: `+` stands for one level, `#` at the end for all that follow."""
    clock_ahead_s: Annotated[float, msgspec.Meta(gt=0, le=31_536_000)] = 86_400.0
    """A device's time that is further ahead of the arrival is not believed."""
    units: dict[str, str] = msgspec.field(default_factory=dict)
    """Unit that a datastream is kept in, by its id, where messages tell theirs. Those of the registry are
    added."""
    max_rows: Annotated[int, msgspec.Meta(ge=1, le=MOST_ROWS)] = MAX_ROWS
    """Values of one message. One with more is refused as a whole."""

    def __post_init__(self) -> None:
        """Refuse a topic that cannot be."""
        check_filter(self.topic)

    @property
    def tells_time(self) -> bool:
        """Whether samples carry their time."""
        return True

    def decode(self, topic: str, payload: bytes, received_at_us: int) -> Rows:
        """Return the samples of one message.

        Parameters
        ----------
        topic, payload
            Of the message; of more than `MAX_BYTES` or `max_rows` values nothing is taken.
        received_at_us
            When the message came, microseconds of UTC since 1970.
        """
        return self.decode_by(self.read, topic, payload, received_at_us)

    def decode_by(
        self, read: Callable[[Rows, bytes, Clock], None], topic: str, payload: bytes, received_at_us: int
    ) -> Rows:
        """Return what `read` makes of a message, within the limits of all formats."""
        rows = Rows(topic, self.max_rows)
        try:
            if len(payload) > MAX_BYTES:
                raise UnusableError(
                    f"the payload has {len(payload)} bytes, at most {MAX_BYTES} are read; send less"
                )
            read(rows, payload, Clock(received_at_us, received_at_us + round(self.clock_ahead_s * 1e6)))
        except TooManyError as error:
            rows.clear()
            rows.refuse(str(error))
        except UnusableError as error:
            rows.refuse(str(error))
        rows.settle()
        return rows

    def read(self, rows: Rows, payload: bytes, clock: Clock) -> None:
        """Add the samples of a message to the rows.

        Raises
        ------
        UnusableError
            Nothing, or nothing more, can be read; what was added stays.
        TooManyError
            It has too many rows, of which then none is taken.
        """
        raise NotImplementedError

    def expecting(self, units: Mapping[str, str]) -> Self:
        """Return the mapping with the units that datastreams have; its own hold."""
        return msgspec.structs.replace(self, units={**units, **self.units})

    def in_unit(self, rows: Rows, datastream_id: str, value: float, unit: str, name: str) -> float:
        """Return a value in its datastream's unit; as it is, where the message or the registry tells none.

        Raises
        ------
        UnusableError
            Its unit is another one and cannot become that of the datastream.
        """
        expected = self.units.get(datastream_id, "") if unit else ""
        if not expected or unit == expected:
            return value
        value = converted(value, unit, expected, name)
        rows.note("converted", f"{name} came in {printable(unit)} and was made {expected}")
        return value


def read_place(
    rows: Rows,
    parts: Sequence[tuple[str, Any]],
    missing: Sequence[float | str],
    *,
    decimal_comma: bool = False,
) -> Place | None:
    """Return where a sample was taken; None: that is not told, or cannot be read, which is noted.

    Parameters
    ----------
    parts
        Longitude, latitude and height: how each is called, and what stands there; None: nothing does.
    missing
        What the device writes for no number.
    """
    try:
        longitude, latitude, height_m = (
            read_number(raw, name, missing, decimal_comma=decimal_comma) for name, raw in parts
        )
    except UnusableError as error:
        rows.note("unplaced", f"{error}; the sample counts without its position")
        return None
    if math.isnan(longitude) and math.isnan(latitude):
        return None
    return Place(longitude, latitude, height_m)


def check_place(longitude: str, latitude: str, height: str) -> None:
    """Raise ValueError where a part of a position is named alone."""
    if bool(longitude) != bool(latitude) or (height and not longitude):
        raise ValueError("a position needs longitude and latitude; name both, or none")


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the messages of one connection with what was remembered of those before; one at a time."""

    mapping: FormatMapping
    read: Callable[[Rows, bytes, Clock], None]
    """As `FormatMapping.read`, with a memory."""

    @property
    def topic(self) -> str:
        """Return the mapping's."""
        return self.mapping.topic

    @property
    def tells_time(self) -> bool:
        """Return the mapping's."""
        return self.mapping.tells_time

    def decode(self, topic: str, payload: bytes, received_at_us: int) -> Rows:
        """Return the samples of one message."""
        return self.mapping.decode_by(self.read, topic, payload, received_at_us)
