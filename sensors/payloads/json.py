"""JSON payloads, mapped by configuration: where in a message the series, the time and the values stand.

A path is a row of keys and list indices with dots between them (`data.0.level`); a key that holds dots
itself is found as well. Nothing that a device sends raises an exception: what cannot be used becomes an error
that names the topic and the field.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from sensors.payloads import Place, Rows, TooManyError, UnusableError, Wave, printable, register
from sensors.payloads.mapping import FormatMapping, check_place, read_place
from sensors.payloads.numbers import read_number
from sensors.payloads.paths import ABSENT, Finder, Namer, checked, finder, is_key, name_of_field, namer
from sensors.payloads.times import EARLIEST_US, SCALES, Chosen, Clock, check_format, check_zone, read_time


class JsonMapping(FormatMapping, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """How the messages of some topics are read."""

    datastream: str = ""
    """Datastream id. `{1}` is a level of the topic, counted from 0; `{name}` a field of the sample, or of
    the message."""
    value: str = ""
    """Path of the value; empty: the sample itself is the value."""
    values: dict[str, str] = msgspec.field(default_factory=dict)
    """Several values in one sample: path of each, and its datastream id. Instead of the two above."""
    samples: str | None = None
    """Path of a list of samples; None: the message is one sample; empty: the message is the list."""
    time: str = ""
    """Path of the time in the sample, or in the message; empty: the receiving time."""
    time_format: str = "iso8601"
    """iso8601, epoch_s, epoch_ms or epoch_us, or a pattern of strptime as %Y%m%d%H%M%S."""
    zone: str = ""
    """Offset for times that tell none, for instance `+08:00` or `UTC`. Without it they are refused."""
    gateway_time: str = ""
    """Path of the time that a gateway put to it, which counts where the device's is empty or cannot be."""
    gateway_time_format: str = "iso8601"
    step_s: float = 0.0
    """The value is a list, the first of it at the time of the sample, and so far apart: as many samples."""
    waveform: bool = False
    """Such a list is one sample, a waveform."""
    rate: str = ""
    """Path of a waveform's values a second in the sample, or in the message; else `step_s` counts."""
    longitude: str = ""
    """Path of where the sample was taken, in degrees, in the sample or in the message; empty: it is not
    told."""
    latitude: str = ""
    height: str = ""
    """Metres; negative under water."""
    unit: str = ""
    """Path of the values' unit in the sample, or in the message."""
    missing: list[float | str] = msgspec.field(default_factory=list)
    """What the device writes for no value, for instance -9999. null and "NaN" always mean it."""
    scale: float = 1.0
    offset: float = 0.0
    """The value is `number * scale + offset`."""

    def __post_init__(self) -> None:
        """Refuse a mapping that cannot work."""
        super().__post_init__()
        if bool(self.datastream) == bool(self.values):
            raise ValueError("a mapping needs either datastream and value, or values")
        check_zone(self.zone)
        check_format(self.time_format)
        check_format(self.gateway_time_format)
        if not (math.isfinite(self.scale) and math.isfinite(self.offset)) or self.scale == 0:
            raise ValueError("scale and offset must be finite, scale not 0")
        if not 0 <= self.step_s <= 86_400:
            raise ValueError("step_s must lie between 0 and 86400")
        if self.waveform and not (0 < self.step_s <= 3600 or self.rate):
            raise ValueError("a waveform needs step_s, up to 3600, or rate")
        if self.rate and not self.waveform:
            raise ValueError("rate is that of waveforms; set waveform = true")
        check_place(self.longitude, self.latitude, self.height)

    @property
    def tells_time(self) -> bool:
        """Whether samples carry their time."""
        return bool(self.time)

    def read(self, rows: Rows, payload: bytes, clock: Clock) -> None:
        """Add the samples of a message."""
        plan, message = self._plan, _parse(payload)
        samples = plan.samples(message)
        if (count := len(samples) * len(plan.columns)) > self.max_rows:
            raise TooManyError(
                f"{count} values in one message, at most {self.max_rows} are read; "
                "send fewer, or raise max_rows of the mapping"
            )
        if plan.alike is not None and self._take_alike(rows, samples, plan.alike, clock):
            return
        levels = rows.topic.split("/")
        is_list = bool(self.step_s or self.waveform)
        is_plain = not (is_list or self.unit or self.missing)
        for number, sample in enumerate(samples):
            try:
                time_us, doubt = self._time(rows, sample, message, clock)
                unit = "" if plan.find_unit is None else _text(plan.find_unit, sample, message)
            except UnusableError as error:
                rows.refuse(self._where(number) + str(error))
                continue
            place = self._place_of(rows, sample, message) if self.longitude else None
            for field, find_value, name_of in plan.columns:
                try:
                    raw = find_value(sample)
                    name = checked(name_of(levels, sample, message))
                    if is_plain and type(raw) is float:
                        value = raw * self.scale + self.offset
                        rows.add(name, time_us, value if math.isfinite(value) else math.nan, doubt, place)
                        continue
                    if not is_list:
                        rows.add(name, time_us, self._value(rows, name, raw, field, unit), doubt, place)
                        continue
                    if not isinstance(raw, list):
                        raise UnusableError(f"{field} should be a list of numbers, as the mapping says")
                    if len(raw) > self.max_rows:
                        raise TooManyError(
                            f"more than {self.max_rows} values in one message; send fewer, or raise max_rows"
                        )
                    values = [self._value(rows, name, one, field, unit) for one in raw]
                    if self.waveform:
                        wave = Wave(self._step_us(sample, message), values)
                        rows.add_wave(name, time_us, wave, doubt, place)
                        continue
                except UnusableError as error:
                    rows.refuse(self._where(number) + str(error))
                    continue
                for k, value in enumerate(values):
                    rows.add(name, time_us + round(k * self.step_s * 1e6), value, doubt, place)

    def _take_alike(self, rows: Rows, samples: Sequence[Any], alike: _Alike, clock: Clock) -> bool:
        """Take samples of which each is as most are, all at once: devices send thousands a second.

        Returns
        -------
        bool
            False: one of them is not, and none was taken.
        """
        try:
            taken = [(one[alike.name], one[alike.time], one[alike.value]) for one in samples]
            names, times, raws = zip(*taken, strict=True) if taken else ((), (), ())
            kinds = ((names, {str}), (times, {int}), (raws, {float, int}))
            if not all({*map(type, column)} <= kind for column, kind in kinds):
                return False
            time_us = [time * alike.time_scale for time in times]
            values = [raw * self.scale + self.offset for raw in raws]
            if min(time_us, default=EARLIEST_US) < EARLIEST_US or max(time_us, default=0) > clock.latest_us:
                return False
            if not all(map(math.isfinite, values)):
                return False
            rows.extend(list(map(checked, names)), time_us, values)
        except (KeyError, TypeError, OverflowError, UnusableError):
            return False
        return True

    def _place_of(self, rows: Rows, sample: Any, message: Any) -> Place | None:
        found = [(name, _either(find, sample, message)) for name, find in self._plan.place]
        return read_place(rows, [(name, None if raw is ABSENT else raw) for name, raw in found], self.missing)

    def _step_us(self, sample: Any, message: Any) -> float:
        find = self._plan.find_rate
        raw = ABSENT if find is None else _either(find, sample, message)
        if raw is ABSENT:
            if not self.step_s:
                raise UnusableError(f"field {self.rate} is not there, and the mapping has no step_s")
            return self.step_s * 1e6
        rate_hz = read_number(raw, f"field {self.rate}", ())
        if not 0 < rate_hz <= 1e6:
            raise UnusableError(f"field {self.rate} should be values a second, from 0 to a million")
        return 1e6 / rate_hz

    def _value(self, rows: Rows, name: str, raw: Any, field: str, unit: str) -> float:
        if raw is ABSENT:
            raise UnusableError(f"{field} is not there")
        value = read_number(raw, field, self.missing) * self.scale + self.offset
        if unit:
            value = self.in_unit(rows, name, value, unit, field)
        return value if math.isfinite(value) else math.nan

    def _time(self, rows: Rows, sample: Any, message: Any, clock: Clock) -> Chosen:
        plan = self._plan
        if plan.find_time is None:
            return clock.arrival(rows), None
        raw, name = _either(plan.find_time, sample, message), plan.time_name
        if type(raw) is int and plan.time_scale:
            time_us = raw * plan.time_scale
            if EARLIEST_US <= time_us <= clock.latest_us:  # most times are like that
                return time_us, None
        try:
            if raw is ABSENT or raw is None:
                raise UnusableError(f"{name} is not there, and without a time a sample is worth nothing")
            time_us = read_time(raw, self.time_format, self.zone, name)
        except UnusableError as error:
            gateway_us = self._gateway_us(sample, message)
            if gateway_us is None or clock.doubt(gateway_us):
                raise
            return gateway_us, ("gateway_time", str(error))
        chosen = clock.choose(time_us, name)
        if chosen[1] is None or plan.find_gateway_time is None:
            return chosen
        return clock.choose(time_us, name, self._gateway_us(sample, message))

    def _gateway_us(self, sample: Any, message: Any) -> int | None:
        """Return the gateway's time; None: there is none that can be read."""
        find = self._plan.find_gateway_time
        found = ABSENT if find is None else _either(find, sample, message)
        try:
            return read_time(found, self.gateway_time_format, self.zone, "")
        except UnusableError:
            return None

    def _where(self, number: int) -> str:
        return f"sample {number}: " if self.samples is not None else ""

    @cached_property
    def _plan(self) -> _Plan:
        """What the paths and templates mean, taken apart once."""
        pairs = self.values or {self.value: self.datastream}
        return _Plan(
            samples=_lister(self.samples),
            find_time=finder(self.time) if self.time else None,
            time_name=f"field {self.time}",
            time_scale=SCALES.get(self.time_format, 0),
            find_gateway_time=finder(self.gateway_time) if self.gateway_time else None,
            find_unit=finder(self.unit) if self.unit else None,
            find_rate=finder(self.rate) if self.rate else None,
            place=[
                (f"field {path}", finder(path) if path else lambda _: ABSENT)
                for path in (self.longitude, self.latitude, self.height)
            ],
            columns=[
                (f"field {path or '(sample)'}", finder(path), namer(text)) for path, text in pairs.items()
            ],
            alike=self._alike(),
        )

    def _alike(self) -> _Alike | None:
        if self.step_s or self.waveform or self.unit or self.missing or self.longitude or self.values:
            return None
        name, time_scale = name_of_field(self.datastream), SCALES.get(self.time_format, 0)
        if not (name and time_scale and is_key(self.value) and is_key(self.time)):
            return None
        return _Alike(name, self.time, time_scale, self.value)


class _Alike(NamedTuple):
    """Keys of a sample that are all there is to it; None of them is a path."""

    name: str
    time: str
    time_scale: int
    value: str


class _Plan(NamedTuple):
    samples: Callable[[Any], Sequence[Any]]
    find_time: Finder | None
    time_name: str
    """What it is called in errors."""
    time_scale: int
    """Microseconds of what it counts; 0: it is text."""
    find_gateway_time: Finder | None
    find_unit: Finder | None
    find_rate: Finder | None
    place: list[tuple[str, Finder]]
    """What longitude, latitude and height are called in errors, and what finds them."""
    columns: list[tuple[str, Finder, Namer]]
    """Of each value what it is called in errors, what finds it, and what names its datastream."""
    alike: _Alike | None
    """Set: most samples are read by their keys alone."""


def _either(find: Finder, sample: Any, message: Any) -> Any:
    found = find(sample)
    return find(message) if found is ABSENT else found


def _text(find: Finder, sample: Any, message: Any) -> str:
    found = _either(find, sample, message)
    if found is None or found is ABSENT:
        return ""
    if not isinstance(found, str):
        raise UnusableError("the unit should be text")
    return found.strip()


def _parse(payload: bytes) -> Any:
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        # Devices write NaN without quotes, which JSON does not know but this parser takes.
        return json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise UnusableError(f"the payload is not JSON ({printable(str(error))})") from error


def _lister(path: str | None) -> Callable[[Any], Sequence[Any]]:
    if path is None:
        return lambda message: [message]
    find = finder(path)

    def samples(message: Any) -> Sequence[Any]:
        found = find(message)
        if not isinstance(found, list):
            raise UnusableError(f"field {path or '(message)'} should be a list of samples")
        return found

    return samples


register("json", JsonMapping)
