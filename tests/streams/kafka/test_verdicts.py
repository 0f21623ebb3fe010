"""Verdicts as they come over Kafka: read in short, the old and the damaged left out and counted."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from aiokafka.errors import KafkaConnectionError
from hypothesis import given
from hypothesis import strategies as st

from streams import codec
from streams.kafka.reader import Read
from streams.kafka.verdicts import AGE_US, VerdictFollower
from streams.records import Reason, StationFigures, StationReport, StationReports, Tick
from streams.topics import STATION_REPORTS
from streams.verdicts import Verdict, decode_verdicts
from tests.waiting import until

NOW_US = 1_760_000_000_000_000


def report(name: str, state: str = "good", score: int | None = 95, at_us: int = NOW_US) -> StationReport:
    return StationReport(
        station_id=name, epoch_us=at_us, received_at_us=at_us, state=state, score=score,
        reasons=[Reason(code="latency", text="The epochs come late (2 s).", value=2.0, threshold=1.0)],
        epochs=1, epochs_expected=1, observations=40, observations_expected=None, satellites=20,
        latency_s=0.1, jitter_s=None, cn0_dbhz=44.0, slips=0, multipath_m=None, frames=8, bad_frames=0,
        ecef_m=(1.0, 2.0, 3.0),
    )  # fmt: skip


def message(*reports: StationReport) -> bytes:
    figures = [StationFigures(station_id=one.station_id, time_us=one.epoch_us) for one in reports]
    return codec.encode(StationReports(reports=list(reports), figures=figures))


@given(
    st.lists(
        st.tuples(
            st.text(max_size=8),
            st.sampled_from(["good", "degraded", "bad", "unknown"]),
            st.none() | st.integers(0, 100),
        )
    )
)
def test_verdicts_are_those_of_the_whole_reports(stations):
    encoded = message(*(report(*one) for one in stations))
    whole = codec.decode(encoded)
    assert isinstance(whole, StationReports)
    assert decode_verdicts(encoded) == [
        Verdict(one.station_id, one.epoch_us, one.state, one.score) for one in whole.reports
    ]


@pytest.mark.parametrize("damaged", [b"", b"\x02", message(report("A"))[:-9], codec.encode(Tick(now_us=1))])
def test_another_or_a_damaged_message_is_none(damaged):
    with pytest.raises(codec.CodecError):
        decode_verdicts(damaged)


class Stumbling:
    """A reader that gives a message a time, and fails once before each."""

    def __init__(self, messages: list[bytes]) -> None:
        self._left = messages
        self._fails = True

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def next(self, timeout_s: float) -> list[Read]:
        await asyncio.sleep(0)
        self._fails = not self._fails
        if not self._fails:
            raise KafkaConnectionError("away")
        if not self._left:
            await asyncio.sleep(timeout_s)
            return []
        return [Read(STATION_REPORTS, 0, 0, self._left.pop(0), ())]


async def test_what_is_new_is_told_and_the_rest_counted(monkeypatch):
    monkeypatch.setattr("streams.kafka.verdicts.RETRY_S", 0.0)
    told: list[tuple[str, str, int | None]] = []
    late_us = NOW_US - AGE_US - 1
    reader = Stumbling([
        message(report("A"), report("B", "unknown", None)),
        b"\x01nonsense",
        message(report("A", "bad", 12), report("B", "bad", 12, late_us)),
    ])  # fmt: skip
    follower = VerdictFollower(reader, lambda *one: told.append(one), lambda: NOW_US)
    task = asyncio.create_task(follower.run())
    await until(lambda: len(told) == 3)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert told == [("A", "good", 95), ("B", "unknown", None), ("A", "bad", 12)]
    assert (follower.verdicts, follower.late, follower.unreadable) == (3, 1, 1)
