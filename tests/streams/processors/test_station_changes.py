"""Stations that are paused, changed and deleted while they are judged."""

from __future__ import annotations

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from gnss.simulate import SimulatedStation
from sensors.model import Station
from streams.definitions import StationDefinition, values_of
from streams.processors.score_stations import ScoreStations
from streams.records import (
    Change,
    Changes,
    ChangeVerb,
    RawBatch,
    RawChunk,
    Record,
    StationReport,
    StationReports,
)

S = 1_000_000
T0_US = 1_760_000_040 * S
PLACE = {"longitude": 114.0, "latitude": 30.5, "height_m": 40.0}
ANTENNA = "LEIAR25.R4 LEIT"
SECONDS = 250


@cache
def stream(name: str, seed: int) -> tuple[RawChunk, ...]:
    station = SimulatedStation(seed, 114.0, 30.5, 40.0, seed)
    return tuple(
        RawChunk(
            station_id=name,
            payload=b"".join(station.emit(T0_US + k * S).frames),
            received_at_us=T0_US + k * S + 300_000,
        )
        for k in range(SECONDS)
    )


def change(
    version: int, values: dict[str, object] | None, verb: ChangeVerb = "put", name: str = "A"
) -> Changes:
    made = StationDefinition(source="tcp://host:1", **values) if values is not None else None  # type: ignore[arg-type]
    one = Change(
        kind="station", id=name, version=version, verb=verb, before=None, by="Li", at_us=version,
        after=None if made is None else values_of(made), command_id=f"c{version}",
    )  # fmt: skip
    return Changes(changes=[one])


class Run:
    """Carries two stations second by second; `at` says what comes in line before a second."""

    def __init__(self) -> None:
        self.processor = self.fresh()
        self.outputs: list[Record] = []

    def fresh(self) -> ScoreStations:
        return ScoreStations([Station(id="A", name="A", antenna=ANTENNA), Station(id="B", name="B")])

    def go(self, begin: int, end: int, silent: str = "") -> None:
        for k in range(begin, end):
            chunks = [s[k] for s in (stream("A", 1), stream("B", 2)) if s[k].station_id != silent]
            self.outputs += self.processor.on_batch(RawBatch(chunks=chunks))
            self.outputs += self.processor.on_time(T0_US + k * S + 400_000)

    def take(self, changes: Changes) -> None:
        self.outputs += self.processor.on_batch(changes)

    def restart(self) -> None:
        state = list(self.processor.snapshot())
        self.processor = self.fresh()
        self.processor.restore(state)

    def reports(self, name: str = "A") -> list[StationReport]:
        made = [r for o in self.outputs if isinstance(o, StationReports) for r in o.reports]
        return [report for report in made if report.station_id == name]

    def seconds(self, name: str = "A") -> list[tuple[int, int]]:
        """Return second and number of epochs of each report."""
        return [((r.epoch_us - T0_US) // S, r.epochs) for r in self.reports(name)]


def test_a_paused_station_is_neither_judged_nor_missed_and_is_missed_again_when_it_goes_on() -> None:
    run, undisturbed = Run(), Run()
    run.go(0, 20)
    run.take(change(1, {"paused": True}))
    run.go(20, 40)
    assert run.processor.counts()["chunks_of_paused"] == 20
    assert max(k for k, _ in run.seconds()) == 19
    run.restart()
    run.take(change(2, {"paused": False}))
    run.go(40, 60, silent="A")
    missed = [k for k, epochs in run.seconds() if k >= 20]
    assert missed
    assert min(missed) >= 39
    assert all(not epochs for k, epochs in run.seconds() if k >= 20)
    run.go(60, 80)
    assert sum(epochs for k, epochs in run.seconds() if k >= 60) >= 18
    undisturbed.go(0, 80)
    assert run.reports("B") == undisturbed.reports("B")


def test_a_deleted_station_is_forgotten_and_one_that_nobody_heard_is_not_missed_after_its_pause() -> None:
    run = Run()
    run.go(0, 10)
    run.take(change(1, None, "delete"))
    run.go(10, 20)
    run.take(change(2, {"paused": True}, name="C"))
    run.take(change(3, {"paused": False}, name="C"))
    run.take(change(4, None, "revert"))
    run.go(20, 30, silent="A")
    assert max(k for k, _ in run.seconds()) == 9
    assert run.reports("C") == []


def test_an_antenna_is_changed_without_a_stir() -> None:
    def codes(run: Run, begin: int, end: int) -> set[str]:
        found = [r for r in run.reports() if begin <= (r.epoch_us - T0_US) // S < end]
        assert found
        return {reason.code for report in found for reason in report.reasons}

    run = Run()
    run.go(0, 70)
    assert "antenna" not in codes(run, 0, 70)
    run.take(change(1, {"antenna": "TRM59800.00 SCIS"}))
    run.go(70, 130)
    assert "antenna" in codes(run, 120, 130)
    assert [epochs for k, epochs in run.seconds()] == [1] * len(run.seconds())
    run.take(change(2, {"antenna": ANTENNA}))
    run.go(130, 190)
    assert "antenna" not in codes(run, 181, 190)


def test_another_interval_is_another_promise() -> None:
    run = Run()
    run.go(0, 10)
    run.take(change(1, {"interval_s": 5.0}))
    run.go(10, 40, silent="A")
    assert {k % 5 for k, _ in run.seconds() if k >= 11} <= {0, 4, 1}
    assert len([k for k, _ in run.seconds() if k >= 11]) <= 7


def test_messages_that_are_promised_now_are_looked_for() -> None:
    run = Run()
    run.go(0, 5)
    run.take(change(1, {"messages": "1005(10),1077(1),1234(10)"}))
    run.restart()
    run.go(5, SECONDS)
    codes = [
        reason for report in run.reports()[-3:] for reason in report.reasons if reason.code == "messages"
    ]
    assert codes
    assert any("1234" in reason.text for reason in codes)


CHANGES = (
    change(1, {"paused": True}),
    change(2, {**PLACE}),
    change(3, {"interval_s": 2.0}),
    change(4, None, "delete"),
    change(5, {"antenna": "TRM59800.00 SCIS"}),
    change(6, None, "revert"),
)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 15), st.sampled_from(CHANGES)), max_size=5), st.data())
def test_restarts_and_repetitions_change_nothing(
    steps: list[tuple[int, Changes]], data: st.DataObject
) -> None:
    whole, disturbed, at = Run(), Run(), 0
    for seconds, changes in [*steps, (5, change(7, {"name": "end"}))]:
        for run in (whole, disturbed):
            run.go(at, at + seconds)
            run.take(changes)
        if data.draw(st.booleans()):
            disturbed.take(changes)
        if data.draw(st.booleans()):
            disturbed.restart()
        at += seconds
    for run in (whole, disturbed):
        run.go(at, at + 5)
    for name in ("A", "B"):
        assert disturbed.reports(name) == whole.reports(name)


def test_a_reason_without_a_threshold_says_so_and_equal_runs_have_equal_reports() -> None:
    whole, again = Run(), Run()
    for run in (whole, again):
        run.go(0, 11)
        run.take(change(1, {"antenna": "TRM59800.00 SCIS"}))
        run.go(11, 61)
        run.take(change(2, {"name": "end"}))
        run.go(61, 66)
    reasons = [reason for report in whole.reports() for reason in report.reasons]
    assert any(reason.code == "registry" for reason in reasons)
    assert all(number == number for one in reasons for number in (one.value, one.threshold))  # noqa: PLR0124
    assert whole.reports() == again.reports()


def test_a_fault_of_one_station_is_no_reason_to_lose_a_change() -> None:
    run = Run()
    run.go(0, 5)
    broken = run.processor._assembly.finish

    def fail(rows: list[int]) -> object:
        raise RuntimeError("planted")

    run.processor._assembly.finish = fail  # type: ignore[method-assign, assignment]
    run.take(change(1, {"paused": True}))
    run.processor._assembly.finish = broken  # type: ignore[method-assign]
    run.go(5, 10)
    assert run.processor.counts()["failures"] == 1
    assert max(k for k, _ in run.seconds()) <= 6
    assert len(run.reports("B")) == 10
