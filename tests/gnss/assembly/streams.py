"""Frames of all sorts, good and bad, and the twin that tells everything it does."""

from __future__ import annotations

from functools import cache

import numpy as np
from hypothesis import strategies as st

from gnss.assembly.table import EpochTable
from gnss.epoch_columns import CLOSED_BY, NO_TIME_US
from gnss.observations import Observations
from gnss.rtcm.framing import build_frame
from gnss.rtcm.msm_encode import encode_msm
from gnss.rtcm.station import encode_1006
from gnss.systems import System
from gnss.time import msm_time_ms
from tests.gnss import slow_assembler

S = 1_000_000
HOUR, DAY = 3600 * S, 86_400 * S
REFERENCE_US = 1_554_638_400_000_000  # 2019-04-07 12:00
T0 = REFERENCE_US - 2 * HOUR
GROUPS = (System.GPS, System.GLONASS, System.GALILEO, System.SBAS, System.BEIDOU)


@cache
def msm(system: System, time_us: int, more: bool, satellites: int = 1) -> bytes:
    n = satellites
    columns = Observations(
        row=np.zeros(n, np.int32),
        system=np.full(n, system, np.uint8),
        satellite=np.arange(n, dtype=np.uint8) + (20 if system is System.SBAS else 3),
        signal=np.full(n, 2, np.uint8),
        range_m=np.full(n, 22_000_000.0) + np.arange(n),
        phase_m=np.full(n, 22_000_000.0),
        rate_m_s=np.zeros(n),
        cn0_dbhz=np.full(n, 45.0),
        lock_ms=np.zeros(n, np.int32),
        lock_indicator=np.zeros(n, np.int16),
        half_cycle=np.zeros(n, np.uint8),
        flags=np.zeros(n, np.uint8),
        channel=np.zeros(n, np.int8),
    )
    message = 1077 + 10 * int(system)
    return build_frame(encode_msm(message, 7, msm_time_ms(time_us, system), more, columns))


def bits(*fields: tuple[int, int]) -> bytes:
    """Return fields of (value, width) as bytes, zeros behind."""
    text = "".join(f"{value:0{width}b}" for value, width in fields)
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def legacy(message: int, time_us: int, more: bool) -> bytes:
    """Return a 1004 or 1012 without satellites."""
    if message == 1004:
        time = (msm_time_ms(time_us, System.GPS), 30)
    else:
        time = ((msm_time_ms(time_us, System.GLONASS) + 10_800_000) % 86_400_000, 27)
    return build_frame(bits((message, 12), (7, 12), time, (int(more), 1), (0, 5), (0, 4)))


def numbered(message: int, size: int = 4) -> bytes:
    return build_frame(bits((message, 12), (0, 8 * size - 12)))


def flipped(frame: bytes, at: int) -> bytes:
    return frame[:at] + bytes([frame[at] ^ 1]) + frame[at + 1 :]


def _pool() -> list[bytes]:
    times = [T0 + k * S for k in range(4)] + [T0 + 3 * DAY, T0 - 60 * S, T0 + 2 * HOUR, T0 - DAY, T0 - 5 * S]
    frames = [msm(system, t, more) for system in GROUPS for t in times for more in (True, False)]
    frames += [
        legacy(message, t, more) for message in (1004, 1012) for t in times[:2] for more in (True, False)
    ]
    unknown = bytearray(msm(System.GPS, T0, True)[3:-3])
    unknown[3:7] = ((0x3FFFFFFF << 2) | (unknown[6] & 3)).to_bytes(4, "big")
    whole = msm(System.GALILEO, T0 + S, False, 9)
    frames += [
        build_frame(bytes(unknown)),
        build_frame(whole[3:-12]),
        build_frame(encode_1006(7, (1.0, 2.0, 3.0), 0.5)),
        build_frame(encode_1006(7, (4.0, 5.0, 6.0), 0.5)),
        build_frame(encode_1006(7, (0.0, 0.0, 0.0), 0.5)),
        numbered(1005),  # too short
        numbered(1019, 61),
        numbered(4095),
        build_frame(b""),
        build_frame(b"\x40"),
        flipped(whole, 20),
        flipped(whole, 2),
        flipped(whole, 0),
        whole[:30],
        whole[30:],
        b"\xd3",
        b"\xd3\x00",
        b"\xd3\x03\xff",
        b"noise",
    ]
    return frames


POOL = _pool()


MISHAPS_US = [S] * 9 + [0, -S, 200_000, -20 * S, 2 * HOUR, 3 * DAY, -2 * DAY]


@st.composite
def orderly(draw: st.DrawFn, begin_us: int = T0, *, mishaps: bool = True) -> bytes:
    """Return epochs as a receiver sends them; mishaps: with steps of time and worse now and then."""
    out, now = [], begin_us
    for _ in range(draw(st.integers(1, 8))):
        now += draw(st.sampled_from(MISHAPS_US if mishaps else [S, S, 200_000]))
        systems = draw(st.lists(st.sampled_from(GROUPS), min_size=1, max_size=4))
        last = draw(st.sampled_from([False, False, False, True]))
        early = draw(st.sampled_from([True] * 6 + [False]))
        for i, system in enumerate(systems):
            more = last if i + 1 == len(systems) else early
            out.append(msm(system, now, more, draw(st.integers(1, 3))))
        if mishaps and draw(st.integers(0, 3)) == 0:
            out.append(draw(st.sampled_from(POOL)))
    return b"".join(out)


disorderly = st.lists(st.sampled_from(POOL), max_size=25).map(b"".join)
contents = orderly() | disorderly


class Twin(slow_assembler.EpochAssembler):
    """The slow twin, which also notes the frames without observations."""

    def __init__(self) -> None:
        super().__init__()
        self.others: list[tuple[int, int, int, int, bytes]] = []
        self._received_us: int | None = None

    def _advance(self, payload: bytes, received_us: int | None, *, final: bool) -> None:
        self._received_us = received_us
        super()._advance(payload, received_us, final=final)

    def _pass_over(self, number: int, payload: bytes) -> None:
        latest_us = self._state.sorter.latest_us
        self.others.append(
            (number, told_us(latest_us), told_us(self._received_us), self._state.frames - 1, payload)
        )
        super()._pass_over(number, payload)

    def take_others(self) -> list[tuple[int, int, int, int, bytes]]:
        others, self.others = self.others, []
        return others


def told_us(time_us: int | None) -> int:
    return NO_TIME_US if time_us is None else time_us


def state_of_twin(twin: Twin) -> dict[str, object]:
    """Return all that a twin remembers."""
    state, sorter = twin._state, twin._state.sorter
    pending = []
    for epoch in (sorter.open, sorter.held or slow_assembler.PendingEpoch()):
        first, last = (epoch.frames[0], epoch.frames[-1]) if epoch.frames else (None, None)
        assert len({frame.time_us for frame in epoch.frames}) < 2
        pending.append(
            {
                "time_us": told_us(epoch.time_us),
                "first_received_us": told_us(first and first.first_received_us),
                "last_received_us": told_us(last and last.last_received_us),
                "begin": first.begin if first else 0,
                "frames": epoch.n_frames,
                "bad": epoch.n_bad,
                "bytes": b"".join(frame.data for frame in epoch.frames),
                "ends": bool(last and last.ends),
                "ended_before": any(frame.ends for frame in epoch.frames[:-1]),
            }
        )
    return {
        "pending": pending,
        "tail": state.tail,
        "messages": dict(sorted(state.messages.items())),
        "latest_us": told_us(sorter.latest_us),
        "reference_us": told_us(state.reference_us),
        "running_us": told_us(state.running_us),
        "tail_received_us": told_us(state.tail_received_us),
        "offset": state.offset,
        "closed_by": CLOSED_BY.index(sorter.closed_by) if sorter.closed_by else -1,
        "distrust": sorter.distrust,
        "frames": state.frames,
        "bad_frames": state.bad_frames,
        "skipped_bytes": state.skipped_bytes,
        "damaged_messages": state.damaged_messages,
        "unusable_times": sorter.unusable_times,
        "late_frames": sorter.late_frames,
        "oversized_epochs": sorter.oversized_epochs,
    }


def state_of_table(table: EpochTable, station: int) -> dict[str, object]:
    """Return all that a table remembers of a station, in the same words."""
    memory = table._memory
    slot = memory.slots((station,))[0]
    record, kept, at = memory.stations[slot], memory.kept.get(slot, b""), 0
    pending = []
    for epoch in memory.pending[slot]:
        size = int(epoch["size"])
        names = ("time_us", "first_received_us", "last_received_us", "begin", "frames", "bad")
        told = {name: int(epoch[name]) for name in names}
        told |= {"ends": bool(epoch["ends"]), "ended_before": bool(epoch["ended_before"])}
        pending.append(told | {"bytes": kept[at : at + size]})
        at += size
    assert len(kept) - at == record["tail"]
    counts = table.message_counts([station])
    messages = dict(sorted(zip(counts.message.tolist(), counts.frames.tolist(), strict=True)))
    told = {name: int(record[name]) for name in record.dtype.names if name != "tail"}
    return told | {"pending": pending, "tail": kept[at:], "messages": messages}
