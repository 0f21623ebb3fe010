"""The quality of many stations: epochs go in, a judgement for each epoch and each missed slot comes out."""

from __future__ import annotations

import itertools
from dataclasses import fields
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from gnss.epoch_columns import NO_TIME_US, EpochColumns
from gnss.geodesy import ecef_to_geodetic
from gnss.observations import PARTIAL
from gnss.quality import grid
from gnss.quality import judge as kernels
from gnss.quality.judgements import JUDGEMENT, Judgements
from gnss.quality.measure import REGISTERED, TOLD, Columns, SkyColumns, list_usable, new_scratch
from gnss.quality.memory import (
    NEVER_US,
    SATELLITE,
    SATELLITES,
    SIGNAL,
    STATION,
    Memory,
    forget,
    grown,
    new_memory,
)
from gnss.quality.network import TURN_US, Network
from gnss.quality.score import Thresholds
from gnss.systems import UNKNOWN_CHANNEL

BY_REGISTRY, BY_MESSAGES = 0, 1
ROOM = 16
"""Stations for which there is room at the beginning; when it is full, there is eight times as much."""
AT_ONCE = 8192
"""From here on twice as much: what is there is copied, 58 kB a station, and nobody is judged meanwhile."""
MOST_TIMES = 64
"""Times of one call for which the sky is laid out at once."""
MISSES_AT_ONCE = 2048


class SkySource(Protocol):
    """Gives the network's sky, see `gnss.sky.Sky`."""

    def __call__(self, time_us: int) -> Any:
        """Return the sky at a time (UTC, us); None: no ephemeris is known."""
        ...


class _Snapshot(msgspec.Struct):
    """One station. Arrays as bytes, without what is not used."""

    station: bytes
    signals: bytes
    satellites: bytes
    window: bytes
    window_slot: bytes
    window_total: bytes
    latency_s: bytes
    down_since_us: bytes
    template: bytes
    capability: tuple[bytes, bytes]
    history: bytes
    kind_of: bytes
    kinds: bytes
    elevation: bytes


class QualityTable:
    """State of many stations, each a row. Deterministic: see `gnss.quality.judge`.

    Parameters
    ----------
    thresholds
        Of the verdicts.
    """

    def __init__(self, thresholds: Thresholds | None = None) -> None:
        self.thresholds = thresholds or Thresholds()
        self.network = Network()
        self._memory = new_memory(ROOM)
        self._free = list(range(ROOM - 1, -1, -1))
        self._scratch = new_scratch()
        self._limits, self._times = self.thresholds.columns()

    @property
    def memory(self) -> Memory:
        """All state, rows by station."""
        return self._memory

    def add(self, interval_s: float) -> int:
        """Return the row of a new station.

        Parameters
        ----------
        interval_s
            Time between epochs that it promises.
        """
        if not self._free:
            n = len(self._memory.station)
            more = 2 * n if n >= AT_ONCE else 8 * n
            self._memory = grown(self._memory, more)
            self._free = list(range(more - 1, n - 1, -1))
        s = self._free.pop()
        forget(self._memory, s)
        station = self._memory.station[s]
        station["used"] = 1
        station["interval_us"] = interval = grid.interval_us(interval_s)
        station["step_us"] = max(interval, grid.SECOND_US)
        return s

    def remove(self, s: int) -> None:
        """Forget a station; its row may be given to another."""
        forget(self._memory, s)
        self.network.forget(s)
        self._free.append(s)

    def place(self, s: int, ecef_m: NDArray[np.float64], placed: int) -> None:
        """Tell where a station is, before its first epoch.

        Parameters
        ----------
        ecef_m
            Shape (3,); what is not near the ground is left out.
        placed
            `TOLD` or `REGISTERED`.
        """
        station = self._memory.station[s]
        if not 6.3e6 < np.linalg.norm(ecef_m) < 6.4e6:
            return
        station["placed"] = placed
        station["ecef_m"], station["up"] = ecef_m, _up(ecef_m)

    def tell_place(self, s: int, ecef_m: NDArray[np.float64], after_us: int) -> None:
        """Say where the stream says that it is; it counts for epochs after `after_us`.

        A registered place is not replaced by it.
        """
        station = self._memory.station[s]
        if not 6.3e6 < np.linalg.norm(ecef_m) < 6.4e6 or station["placed"] == REGISTERED:
            return
        if station["placed"] == TOLD and np.array_equal(station["ecef_m"], ecef_m):
            return
        station["told_us"] = max(after_us, NEVER_US + 1)
        station["told_m"], station["told_up"] = ecef_m, _up(ecef_m)

    def tell_points(self, s: int, points: float, from_us: int, lane: int = BY_REGISTRY) -> None:
        """Say what points a station has at most from a time on, later than all that was said before.

        Parameters
        ----------
        lane
            `BY_REGISTRY` (`gnss.quality.registry`) or `BY_MESSAGES` (`gnss.quality.message_set`).
        """
        station = self._memory.station[s]
        from_of, points_of = station["extra_from_us"][lane], station["next_points"][lane]
        same = np.flatnonzero((from_of == NEVER_US) | (from_of >= from_us))
        i = int(same[0]) if len(same) else len(from_of) - 1
        from_of[i], points_of[i] = from_us, points
        from_of[i + 1 :] = NEVER_US

    def begin(self, s: int, now_us: int) -> None:
        """Say that a station is connected live: from now on its slots are due."""
        kernels.begin(self._memory, s, now_us)

    def due(self, now_us: int) -> NDArray[np.int64]:
        """Return the stations that have a slot which counts as missed by now."""
        due_us = self._memory.station["due_us"]
        return np.flatnonzero((due_us != NEVER_US) & (due_us <= now_us))

    def all_due_us(self) -> NDArray[np.int64]:
        """Return when each row's next slot is due, as `due_us`; shape (rows,), `NO_TIME_US` for none."""
        return self._memory.station["due_us"].copy()

    def due_us_of(self, rows: list[int]) -> NDArray[np.int64]:
        """Return when the next slot of each of some rows is due, as `all_due_us`."""
        due_us: NDArray[np.int64] = self._memory.station["due_us"][rows]
        return due_us

    def due_us(self, s: int) -> int | None:
        """Return when the next slot of a live station counts as missed if nothing comes."""
        due_us = int(self._memory.station["due_us"][s])
        return None if due_us == NEVER_US else due_us

    def has_epochs(self, s: int) -> bool:
        """Whether an epoch of the station ever came."""
        return int(self._memory.station["epoch_us"][s]) != NEVER_US

    def judged_us(self, s: int) -> int | None:
        """Return the time of the newest slot, or epoch, of a station that was judged; None: none yet."""
        station = self._memory.station[s]
        if station["anchor_us"] == NEVER_US or station["last_slot"] < 0:
            return None
        slot_us = int(station["anchor_us"]) + int(station["last_slot"]) * int(station["step_us"])
        return max(slot_us, int(station["epoch_us"]))

    def jumps_ms(self, rows: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return the last step of each receiver's clock."""
        jumps_ms: NDArray[np.float64] = self._memory.station["jump_ms"][rows]
        return jumps_ms

    def counts(self, s: int) -> dict[str, int]:
        """Return what was left out of judging so far, by what."""
        station = self._memory.station[s]
        names = ("repeated_epochs", "empty_epochs", "restarts", "surplus_epochs")
        counts = {name: int(station[name]) for name in names}
        others = {"signals_without_room": "without_room", "partial_observations": "partial"}
        return counts | {name: int(station[column]) for name, column in others.items()}

    def miss(
        self, stations: NDArray[np.int64], frames: NDArray[np.int64], bad_frames: NDArray[np.int64]
    ) -> Judgements:
        """Judge the next slot of each of some stations as missed.

        Parameters
        ----------
        stations
            Each at most once, shape (n,), from `due`.
        frames, bad_frames
            That ever came, shape (n,): what neither epochs nor missed slots have told is told now.
        """
        out = np.zeros(len(stations), JUDGEMENT)
        network = np.full(3, np.nan)
        kernels.miss_all(
            self._memory, stations, frames, bad_frames, self._limits, self._times, network, self._scratch, out
        )
        return out

    def observe(self, epochs: EpochColumns, sky: SkySource | None = None) -> Judgements:
        """Judge epochs and the slots that were missed before each.

        Parameters
        ----------
        epochs
            Oldest first for each station; `station` is the row that `add` gave.
        sky
            Where satellites are; None: not known.
        """
        if not len(epochs):
            return np.zeros(0, JUDGEMENT)
        now_us = np.where(epochs.received_at_us == NO_TIME_US, epochs.time_us, epochs.received_at_us)
        turn = now_us // TURN_US
        if (turn != turn[0]).any():
            epochs, now_us, turn = _by_turn(epochs, now_us, turn)
        cuts = [0, *(np.flatnonzero(np.diff(turn)) + 1).tolist(), len(epochs)]
        parts = []
        for begin, end in itertools.pairwise(cuts):
            self.network.turn(int(now_us[begin]))
            for first, last in _pieces(epochs.time_us, begin, end):
                parts.append(self._judge(epochs, first, last, sky))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _judge(self, epochs: EpochColumns, begin: int, end: int, sky: SkySource | None) -> Judgements:
        some = slice(begin, end)
        skies, at = _sky_columns(epochs.time_us[some], sky)
        networks = self.network.states(epochs.time_us[some], epochs.station[some])
        o = epochs.observations
        columns = Columns(*(getattr(o, name) for name in Columns._fields))
        if (columns.flags & PARTIAL).any():
            # whole milliseconds are restored in place
            own = {name: getattr(o, name).copy() for name in ("range_m", "phase_m", "flags")}
            columns = columns._replace(**own)
        out, parts = np.zeros(end - begin + 16, JUDGEMENT), []
        e, resumed = 0, False
        while True:
            e, written = kernels.judge(
                self._memory, epochs.station[some], epochs.time_us[some], epochs.received_at_us[some],
                epochs.first[some], epochs.count[some], epochs.frames[some], epochs.bad_frames[some],
                at, columns, skies, self._limits, self._times, networks, self._scratch, out, e,
                resumed,
            )  # fmt: skip
            parts.append(out[:written])
            if e == end - begin:
                break
            out, resumed = np.zeros(end - begin - e + MISSES_AT_ONCE, JUDGEMENT), True
        judgements = parts[0] if len(parts) == 1 else np.concatenate(parts)
        self.network.add(judgements, len(self._memory.station))
        return judgements

    def snapshot(self, s: int) -> bytes:
        """Return the state of one station."""
        m = self._memory
        rows, satellites = m.signals[s], m.satellites[s]
        capable = np.flatnonzero(m.capability[s].any(axis=1)).astype(np.int16)
        return msgspec.msgpack.encode(
            _Snapshot(
                station=m.station[s].tobytes(),
                signals=_used(rows),
                satellites=_used(satellites),
                window=m.window[s].tobytes(),
                window_slot=m.window_slot[s].tobytes(),
                window_total=m.window_total[s].tobytes(),
                latency_s=m.latency_s[s].tobytes(),
                down_since_us=m.down_since_us[s].tobytes(),
                template=m.template[s].tobytes(),
                capability=(capable.tobytes(), m.capability[s][capable].tobytes()),
                history=m.history[s].tobytes(),
                kind_of=m.kind_of[s].tobytes(),
                kinds=m.kinds[s].tobytes(),
                elevation=m.elevation[s].tobytes(),
            )
        )

    def restore(self, s: int, state: bytes) -> None:
        """Give a station, which `add` made, what `snapshot` gave."""
        saved = msgspec.msgpack.decode(state, type=_Snapshot)
        m = self._memory
        forget(m, s)
        m.station[s] = np.frombuffer(saved.station, STATION)[0]
        for name in ("window", "window_slot", "window_total", "latency_s", "down_since_us", "template",
                     "history", "kind_of", "kinds", "elevation"):  # fmt: skip
            column = getattr(m, name)[s]
            column[...] = np.frombuffer(getattr(saved, name), column.dtype).reshape(column.shape)
        places, values = saved.capability
        m.capability[s][np.frombuffer(places, np.int16)] = np.frombuffer(values, np.uint32).reshape(-1, 2)
        rows, satellites = np.frombuffer(saved.signals, SIGNAL), np.frombuffer(saved.satellites, SATELLITE)
        m.signals[s][: len(rows)] = rows
        m.satellites[s][: len(satellites)] = satellites
        used = np.flatnonzero(satellites["key"] >= 0)
        m.slot_of[s][satellites["key"][used]] = used
        for r in np.flatnonzero(rows["key"] >= 0).tolist():
            key = int(rows["key"][r])
            k = int(m.slot_of[s][key // 33])
            if k < len(satellites):
                m.row_of[s][k, key % 33] = r


def _used(rows: NDArray[Any]) -> bytes:
    """Return rows without the unused tail."""
    used = np.flatnonzero(rows["key"] >= 0)
    return rows[: int(used[-1]) + 1 if len(used) else 0].tobytes()


def _up(ecef_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the direction of the ellipsoid's normal."""
    longitude, latitude, _ = (np.radians(v) for v in ecef_to_geodetic(*(float(v) for v in ecef_m)))
    return np.array(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)]
    )


def _by_turn(
    epochs: EpochColumns, now_us: NDArray[np.int64], turn: NDArray[np.int64]
) -> tuple[EpochColumns, NDArray[np.int64], NDArray[np.int64]]:
    """Put epochs in the order of the network's turns, but each station's in their own."""
    reached = turn.copy()
    for s in np.unique(epochs.station).tolist():
        own = epochs.station == s
        reached[own] = np.maximum.accumulate(turn[own])
    order = np.argsort(reached, kind="stable")
    names = [f.name for f in fields(EpochColumns) if f.name != "observations"]
    columns = {name: getattr(epochs, name)[order] for name in names}
    return EpochColumns(observations=epochs.observations, **columns), now_us[order], reached[order]


def _pieces(time_us: NDArray[np.int64], begin: int, end: int) -> list[tuple[int, int]]:
    """Cut epochs where the sky of too many times would be needed at once."""
    if end - begin <= MOST_TIMES or len(np.unique(time_us[begin:end])) <= MOST_TIMES:
        return [(begin, end)]
    pieces, at, times = [], begin, set[int]()
    for e in range(begin, end):
        t = int(time_us[e])
        if t not in times and len(times) == MOST_TIMES:
            pieces.append((at, e))
            at, times = e, set()
        times.add(t)
    return [*pieces, (at, end)]


NO_SKY = SkyColumns(
    usable=np.zeros((1, SATELLITES), np.uint8),
    position_m=np.zeros((1, SATELLITES, 3)),
    velocity_m_s=np.zeros((1, SATELLITES, 3)),
    acceleration_m_s2=np.zeros((1, SATELLITES, 3)),
    clock_s=np.zeros((1, SATELLITES)),
    clock_rate=np.zeros((1, SATELLITES)),
    group_delay_s=np.zeros((1, SATELLITES, 2)),
    channel=np.full((1, SATELLITES), UNKNOWN_CHANNEL, np.int8),
    listed=np.zeros((1, SATELLITES), np.int16),
    n_listed=np.zeros(1, np.int64),
    lines_m=np.zeros((1, 3, SATELLITES), np.float32),
)


def _sky_columns(time_us: NDArray[np.int64], sky: SkySource | None) -> tuple[SkyColumns, NDArray[np.int64]]:
    """Return the sky of the times of epochs, and its row for each epoch (-1: none)."""
    if (time_us == time_us[0]).all():
        times, place = [int(time_us[0])], np.zeros(len(time_us), np.int64)
    else:
        unique, place = np.unique(time_us, return_inverse=True)
        times = unique.tolist()
    known = [None if sky is None else sky(t) for t in times]
    skies = [one for one in known if one is not None]
    if not skies:
        return NO_SKY, np.full(len(time_us), -1, np.int64)
    row = np.cumsum([one is not None for one in known]) - 1
    row[[one is None for one in known]] = -1

    def stack(name: str) -> NDArray[Any]:
        if len(skies) == 1:
            return getattr(skies[0], name)[np.newaxis]  # type: ignore[no-any-return]
        return np.stack([getattr(one, name) for one in skies])

    usable, position_m = stack("known") & stack("healthy"), stack("position_m")
    listed, n_listed, lines_m = list_usable(usable, position_m)
    columns = SkyColumns(
        usable=usable,
        position_m=position_m,
        velocity_m_s=stack("velocity_m_s"),
        acceleration_m_s2=stack("acceleration_m_s2"),
        clock_s=stack("clock_s"),
        clock_rate=stack("clock_rate"),
        group_delay_s=stack("group_delay_s"),
        channel=stack("channel"),
        listed=listed,
        n_listed=n_listed,
        lines_m=lines_m,
    )
    return columns, row[place]
