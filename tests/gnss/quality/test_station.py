"""One station, clean and with each fault planted alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

from gnss.observations import Observations
from tests.gnss.quality.one_station import Judgement, StationQuality

SECOND_US = 1_000_000
Plant = Callable[[Any, float, Observations], Observations]


def run(
    sky: Any,
    seconds: Iterable[float],
    *,
    quality: StationQuality | None = None,
    plant: Plant = lambda _sky, _i, o: o,
    latency_s: Callable[[float], float] | None = lambda i: 0.2 + 0.01 * (i % 5),
    frames: Callable[[float], tuple[int, int]] = lambda i: (5, 0),
) -> list[Judgement]:
    quality = quality or StationQuality(1.0)
    judgements = []
    for i in seconds:
        t_us = sky.time_us(i)
        received_us = None
        if latency_s is not None:
            received_us = t_us + round(latency_s(i) * SECOND_US)
            quality.begin(received_us)
        judgements += quality.observe(t_us, received_us, plant(sky, i, sky.at(i)), *frames(i))
    return judgements


def codes(judgement: Judgement) -> list[str]:
    return [finding.code for finding in judgement.findings]


def states(judgements: Iterable[Judgement]) -> set[str]:
    return {j.state for j in judgements}


def test_a_clean_station_is_unknown_until_warm_then_good(sky: Any) -> None:
    judgements = run(sky, range(180))
    assert [(j.state, j.score) for j in judgements[:30]] == [("unknown", None)] * 30
    assert codes(judgements[0]) == ["warm_up"]
    assert states(judgements[30:]) == {"good"}
    assert all(j.findings == () for j in judgements[60:])
    assert min(j.score or 0 for j in judgements[60:]) >= 90
    first, last = judgements[0], judgements[-1]
    assert (first.observations_expected, first.jitter_s, first.multipath_m) == (None, None, None)
    assert (last.observations, last.observations_expected, last.satellites) == (52, 52, 20)
    assert last.epochs == last.epochs_expected == 1
    assert sum(j.slips for j in judgements) == 0
    assert last.latency_s == pytest.approx(0.24)
    assert last.jitter_s == pytest.approx(0.04)
    assert last.multipath_m == pytest.approx(0.2, abs=0.03)
    assert last.frames == 5


def test_without_receiving_times_latency_is_unknown_and_good_is_possible(sky: Any) -> None:
    last = run(sky, range(60), latency_s=None)[-1]
    assert (last.state, last.latency_s, last.jitter_s, last.received_at_us) == ("good", None, None, None)
    assert codes(last) == ["latency_unknown"]


def test_an_outage_is_degraded_then_bad_and_ends_after_the_hold(sky: Any) -> None:
    judgements = run(sky, [*range(60), *range(80, 220)])
    assert [round((j.time_us - sky.time_us(0)) / SECOND_US) for j in judgements] == list(range(220))
    out = judgements[60:80]
    assert [j.epochs for j in out] == [0] * 20
    assert [j.observations_expected for j in out] == [52] * 20
    assert [j.state for j in out] == ["good"] * 2 + ["degraded"] * 7 + ["bad"] * 11
    assert "outage" in codes(out[-1])
    assert out[-1].findings[0].text == "No epoch has come for 20 s (threshold 10 s)."
    # 13 lost epochs are too many until the window has left them, then the hold begins.
    ends = 60 + 60 + 8
    assert states(judgements[80:ends]) == {"bad"}
    assert judgements[ends + 10].state == "bad"
    assert codes(judgements[ends + 30])[-1] == "hold"
    assert judgements[219].state == "good"


def test_scattered_losses_degrade(sky: Any) -> None:
    judgements = run(sky, [i for i in range(120) if i % 10])
    assert judgements[-1].state == "degraded"
    assert codes(judgements[-1]) == ["epochs"]
    assert judgements[-1].findings[0].value == pytest.approx(0.9)


def test_a_lost_constellation_degrades(sky: Any) -> None:
    def lose_galileo(sky: Any, i: float, o: Observations) -> Observations:
        return sky.at(i, keep=sky.system == 0) if i >= 60 else o

    judgements = run(sky, range(85), plant=lose_galileo)
    assert judgements[70].observations == 36
    assert judgements[70].observations_expected == 52
    assert codes(judgements[80])[0] == "observations"
    assert judgements[80].state == "degraded"


def test_late_epochs_turn_a_station_degraded_then_bad(sky: Any) -> None:
    judgements = run(sky, range(140), latency_s=lambda i: 0.2 if i < 60 else 3.0 if i < 100 else 8.0)
    assert judgements[61].state == "good", "one or two late epochs are not a late station"
    assert judgements[65].state == "degraded"
    assert "latency" in codes(judgements[65])
    assert judgements[104].state == "bad"
    assert judgements[104].findings[0].code == "latency"


def test_a_wrong_clock_of_ours_is_not_blamed_on_the_station(sky: Any) -> None:
    last = run(sky, range(60), latency_s=lambda i: -5.0)[-1]
    assert last.state == "good"
    assert codes(last) == ["clock"]


def test_crc_errors_degrade_then_turn_bad(sky: Any) -> None:
    few = run(sky, range(60), frames=lambda i: (5, int(i % 10 == 0)))[-1]
    assert (few.state, codes(few)) == ("degraded", ["frame_errors"])
    many = run(sky, range(60), frames=lambda i: (4, 1))[-1]
    assert (many.state, codes(many)) == ("bad", ["frame_errors"])
    assert many.bad_frames == 1


def test_interference_is_named_at_once(sky: Any) -> None:
    def jam(_sky: Any, i: float, o: Observations) -> Observations:
        if i >= 60:
            o.cn0_dbhz[o.signal == 2] -= 10.0
        return o

    judgements = run(sky, range(70), plant=jam)
    assert judgements[59].state == "good"
    assert judgements[60].state == "bad"
    assert codes(judgements[60]) == ["interference"]
    assert "L1" in judgements[60].findings[0].text


def test_one_slip_is_counted_and_forgiven_many_are_not(sky: Any) -> None:
    def slip(sky: Any, i: float, o: Observations) -> Observations:
        if i == 50:
            sky.cycles[3] += 1
        elif i >= 70:
            sky.cycles[(np.arange(len(sky)) * 7 + int(i)) % 40 == 0] += 5
        return sky.at(i)

    judgements = run(sky, range(100), plant=slip)
    assert [j.slips for j in judgements[49:52]] == [0, 1, 0]
    assert judgements[55].state == "good"
    assert judgements[99].state == "bad"
    assert codes(judgements[99])[0] == "slips"


@pytest.mark.parametrize(("amplitude_m", "state"), [(0.3, "good"), (1.5, "degraded"), (3.0, "bad")])
def test_multipath(new_sky: Any, amplitude_m: float, state: str) -> None:
    sky = new_sky(
        code_noise_m=0.1, code_bias_m=lambda i, signal: amplitude_m * np.sin(2 * np.pi * i / 20 + signal)
    )
    last = run(sky, range(150))[-1]
    assert last.multipath_m == pytest.approx(np.hypot(amplitude_m / np.sqrt(2), 0.1), rel=0.1)
    assert last.state == state
    assert codes(last) == ([] if state == "good" else ["multipath"])


def test_the_state_survives_being_written_down(sky: Any, new_sky: Any) -> None:
    def trouble(sky: Any, i: float, o: Observations) -> Observations:
        if i % 40 == 39:
            sky.cycles[::5] += 3
        o = sky.at(i)
        if 90 <= i < 110:
            o.cn0_dbhz[o.signal == 2] -= 5.0
        return o

    seconds = [i for i in range(160) if i not in {70, 71, 72, 73}]
    undisturbed = run(sky, seconds, plant=trouble)
    other, quality, cut = new_sky(), StationQuality(1.0), []
    for i in seconds:
        cut += run(other, [i], quality=quality, plant=trouble)
        if i % 7 == 0:
            again = StationQuality(1.0)
            again.restore(quality.snapshot())
            assert again.snapshot() == quality.snapshot()
            quality = again
    assert cut == undisturbed


def test_time_that_steps_back_begins_anew(sky: Any) -> None:
    quality = StationQuality(1.0)
    assert run(sky, range(60), quality=quality, latency_s=None)[-1].state == "good"
    again = run(sky, range(60), quality=quality, latency_s=None)
    assert [j.state for j in again] == ["unknown"] * 30 + ["good"] * 30
    assert quality.restarts == 1


def test_senseless_times_make_no_flood_of_reports(sky: Any) -> None:
    jumping = [(i % 2) * 86_400 * 3 + i for i in range(60)]
    assert len(run(sky, jumping, latency_s=None)) == 60


def test_a_repeated_and_an_empty_epoch_are_counted_not_judged(sky: Any) -> None:
    quality = StationQuality(1.0)
    assert len(run(sky, [0, 1, 1, 2], quality=quality)) == 3
    assert quality.repeated_epochs == 1

    def empty(_sky: Any, i: float, o: Observations) -> Observations:
        if i == 3:
            o.range_m[:] = o.phase_m[:] = np.nan
        return o

    judgements = run(sky, [3, 4], quality=quality, plant=empty)
    assert quality.empty_epochs == 1
    assert [(j.epochs, j.frames) for j in judgements] == [(0, 5), (1, 5)]


def test_five_epochs_a_second(sky: Any) -> None:
    judgements = run(sky, [i / 5 for i in range(5 * 45)], quality=StationQuality(0.2))
    assert len(judgements) == 225
    assert judgements[-1].state == "good"
    lossy = run(sky, [i / 5 for i in range(5 * 45) if i % 5 != 3], quality=StationQuality(0.2))
    assert codes(lossy[-1])[0] == "epochs"


def test_thirty_second_epochs(sky: Any) -> None:
    judgements = run(sky, range(0, 1800, 30), quality=StationQuality(30.0))
    assert len(judgements) == 60
    assert judgements[-1].state == "good"
    assert judgements[-1].multipath_m is not None


def test_a_live_station_without_observations_is_unknown(sky: Any) -> None:
    quality = StationQuality(1.0)
    assert quality.due_us() is None
    quality.begin(sky.time_us(0.4))
    due_us = quality.due_us()
    assert due_us is not None
    assert due_us > sky.time_us(1)
    judgement = quality.miss(0, 20)
    assert (judgement.state, judgement.score, judgement.bad_frames) == ("unknown", None, 20)
    assert codes(judgement) == ["frame_errors", "no_observations"]


def test_waiting_for_the_first_epoch_is_not_held_against_the_station(sky: Any) -> None:
    quality = StationQuality(1.0)
    quality.begin(sky.time_us(-90))
    assert states(quality.miss(5, 0) for _ in range(90)) == {"unknown"}
    judgements = run(sky, range(60), quality=quality)
    assert [j.state for j in judgements] == ["unknown"] * 30 + ["good"] * 30


def test_a_slot_is_due_after_the_usual_latency(sky: Any) -> None:
    quality = StationQuality(1.0)
    run(sky, range(20), quality=quality, latency_s=lambda i: 4.0)
    assert quality.due_us() == sky.time_us(20) + 5_500_000


def test_a_long_gap_of_a_replay_makes_few_reports(sky: Any) -> None:
    judgements = run(sky, [*range(40), 40 + 6 * 3600], latency_s=None)
    assert len(judgements) < 40 + 600 + 6 * 60
    assert judgements[-2].state == "bad"
    assert judgements[-2].observations_expected is None


def times_of(sky: Any, seconds: Iterable[tuple[float, float]]) -> tuple[list[Judgement], StationQuality]:
    """Judge epochs by (their time, when they are received)."""
    quality, judgements = StationQuality(1.0), []
    for i, received in seconds:
        quality.begin(sky.time_us(received))
        judgements += quality.observe(sky.time_us(i), sky.time_us(received), sky.at(0))
    return judgements, quality


def test_a_sender_whose_time_runs_ahead_has_missed_nothing_of_the_future(sky: Any) -> None:
    warm = [(i, i + 0.2) for i in range(40)]
    ahead = [(40 + 3540 * k, 40.2 + 0.02 * k) for k in range(1, 80)]
    judgements, _ = times_of(sky, [*warm, *ahead])
    assert sum(j.epochs == 0 for j in judgements) <= 2


def test_a_clock_that_is_ahead_does_not_hide_missed_epochs(sky: Any) -> None:
    judgements, _ = times_of(sky, [(i, i - 3600.0) for i in range(60) if i not in {40, 41}])
    assert [j.time_us for j in judgements if j.epochs == 0] == [sky.time_us(40), sky.time_us(41)]


def test_a_sender_whose_time_is_days_behind_has_no_days_of_missed_slots(sky: Any) -> None:
    day_s = 86_400.0
    _, quality = times_of(sky, [(-3 * day_s, 0.2)])
    slots = 0
    while (due_us := quality.due_us()) is not None and due_us <= sky.time_us(1):
        quality.miss()
        slots += 1
    assert slots <= 15
