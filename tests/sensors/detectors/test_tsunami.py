import numpy as np
import pytest

from sensors.detectors import Samples, Subject, detector_names, find_kind, make_detector
from sensors.detectors.tsunami import SeaLevelParameters
from sensors.simulate import TideGauge, Tsunami
from tests.sensors.detectors.contract import Input, assert_cuts_do_not_matter, assert_survives

S = 1_000_000
MINUTE = 60 * S
HOUR = 3600 * S
START = 1_700_000_000 * S
SUBJECT = Subject("Gauge", "m")


def detector(**parameters):
    return make_detector("sea_level", parameters, SUBJECT)


def minutes(n, step_s=60.0):
    return START + (np.arange(n) * step_s).astype(np.int64) * S


def tide(times, tsunami=None, seed=1):
    gauge = TideGauge(seed, tsunami)
    return np.array([gauge.value(int(t)) for t in times])


def feed(watch, times, values, usable=None):
    usable = np.ones(len(times), bool) if usable is None else usable
    return watch.on_samples(Samples(times, values, usable, times))


def story(findings):
    return [(f.rule or "sea_level", f.phase, f.level) for f in findings]


@pytest.fixture(scope="module")
def quiet():
    """Two days of a quiet gauge at one sample a minute."""
    times = minutes(2880)
    return times, tide(times)


def test_the_detector_is_found_by_its_name():
    assert "sea_level" in detector_names()
    with pytest.raises(ValueError, match=r"choose one of .*sea_level"):
        make_detector("sea_lvel", {}, SUBJECT)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [({"flor_m": 1}, "flor_m"), ({"window_s": 0}, "above 0"), ({"orange_m": 0.1}, "orange_m")],
)
def test_wrong_parameters_are_refused(parameters, words):
    with pytest.raises(ValueError, match=words) as error:
        detector(**parameters)
    assert "Gauge" in str(error.value)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("step_s", [10, 60, 360])
def test_a_quiet_gauge_says_nothing(seed, step_s):
    times = minutes(86_400 // step_s, step_s)
    assert feed(detector(), times, tide(times, seed=seed)) == []


@pytest.mark.parametrize(
    ("amplitude_m", "levels"),
    [(0.15, ["blue"]), (0.6, ["blue", "yellow"]), (1.6, ["blue", "yellow", "orange"])],
)
def test_one_wave_train_is_one_event_whose_level_rises_and_falls(quiet, amplitude_m, levels):
    times, level = quiet
    wave = Tsunami(int(times[1000]), amplitude_m, period_s=1500)
    findings = feed(detector(), times, level + [wave.height_m(int(t)) for t in times])
    begin, end = findings[0], findings[-1]
    assert {f.phase for f in findings[1:-1]} <= {"update"}
    assert (begin.phase, end.phase) == ("begin", "end")
    assert {f.onset_us for f in findings} == {begin.onset_us}
    assert times[1000] <= begin.onset_us <= times[1005]
    assert begin.at_us - begin.onset_us <= 4 * MINUTE
    told = [f.level for f in findings[:-1]]
    top = told.index(levels[-1])
    assert told[: top + 1] == levels[-top - 1 :]
    assert told[top:] == levels[::-1], "each lower level once, down to the lowest"
    eased = [
        f.at_us - before.at_us for before, f in zip(findings[top:], findings[top + 1 : -1], strict=False)
    ]
    assert min(eased, default=2 * HOUR) >= 1.5 * HOUR, "waves come again"
    assert end.level == levels[-1]
    assert end.at_us - begin.onset_us > 3 * HOUR


def test_back_log_by_minute_then_fast_samples():
    back = START + np.arange(-180, 0) * MINUTE
    live = minutes(600, 2.0)
    times = np.concatenate([back, live])
    assert feed(detector(min_duration_s=4.0), times, tide(times)) == []
    findings = feed(detector(min_duration_s=4.0), times, tide(times, Tsunami(START + 15 * S, 1.4, 720)))
    assert story(findings)[0] == ("sea_level", "begin", "blue")
    assert START + 15 * S < findings[0].onset_us < findings[0].at_us < START + 45 * S
    assert findings[-1].level == "orange"


@pytest.mark.parametrize("step_s", [2.0, 10.0])
def test_a_splash_of_many_fast_samples_is_no_tsunami(step_s):
    times = minutes(int(14_400 / step_s), step_s)
    level = tide(times)
    seconds = (times - times[0]) / S
    splash = (seconds > 10_000) & (seconds < 10_090)
    rough = np.random.default_rng(1).uniform(0.2, 1.5, len(times))
    assert splash.sum() >= 8
    assert feed(detector(), times, level + splash * rough) == []


def test_spikes_are_no_tsunami(quiet):
    times, level = quiet
    level = level.copy()
    level[300::40] += 1.5
    level[301::400] -= 1.5
    assert feed(detector(), times, level) == []


@pytest.mark.parametrize("offset_m", [0.2, -0.5, 4.0])
def test_a_shifted_datum_is_a_problem_of_the_sensor(quiet, offset_m):
    times, level = quiet
    findings = feed(detector(), times, level + offset_m * (np.arange(len(times)) >= 1000))
    assert story(findings) == [("sea_level_sensor", "begin", "blue"), ("sea_level_sensor", "end", "blue")]
    assert findings[0].onset_us == times[1000]
    assert findings[0].value == pytest.approx(offset_m, abs=0.05)


def test_a_tsunami_right_after_a_shifted_datum_is_still_seen(quiet):
    times, level = quiet
    wave = Tsunami(int(times[1030]), 0.8, 1200)
    moved = level + 0.3 * (np.arange(len(times)) >= 1000) + [wave.height_m(int(t)) for t in times]
    findings = feed(detector(), times, moved)
    onset = [f.onset_us for f in findings if not f.rule and f.phase == "begin"]
    assert len(onset) == 1
    assert times[1030] <= onset[0] <= times[1034]


def test_a_bore_that_jumps_and_then_moves_is_a_tsunami(quiet):
    times, level = quiet
    minutes_after = np.maximum(np.arange(len(times)) - 1000, 0)
    bore = (minutes_after > 0) * 0.8 * np.exp(-minutes_after / 40) * np.cos(minutes_after / 6)
    findings = feed(detector(), times, level + bore)
    assert story(findings)[0][:2] == ("sea_level", "begin")
    assert findings[0].onset_us == times[1001]
    assert findings[0].at_us <= times[1011]


def test_a_stuck_gauge_is_no_tsunami(quiet):
    times, level = quiet
    level = level.copy()
    level[1000:1200] = level[1000]
    assert not [f for f in feed(detector(), times, level) if not f.rule]


@pytest.mark.parametrize("hours", [1, 4, 12])
@pytest.mark.parametrize("at", [900, 1100, 1300])
def test_a_gauge_that_was_stuck_is_no_tsunami_when_it_moves_again(quiet, at, hours):
    times, level = quiet
    level = level.copy()
    level[at : at + 60 * hours] = level[at]
    assert {f.rule for f in feed(detector(), times, level)} == {"sea_level_sensor"}


def test_unusable_samples_are_left_out(quiet):
    times, level = quiet
    level, usable = level.copy(), np.ones(len(times), bool)
    level[1000:1200], usable[1000:1200] = np.nan, False
    level[2000:2010], usable[2000:2010] = 99.0, False
    assert feed(detector(), times, level, usable) == []


@pytest.mark.parametrize("length", [3, 9, 12, 60, 300])
def test_a_gap_raises_nothing_even_if_the_datum_moved_in_it(quiet, length):
    times, level = quiet
    moved = level + 0.4 * (np.arange(len(times)) >= 1000)
    keep = np.ones(len(times), bool)
    keep[1000 : 1000 + length] = False
    for values in (level, moved):
        findings = feed(detector(), times[keep], values[keep])
        assert not [f for f in findings if not f.rule]
        assert values is moved or not findings


def test_an_event_does_not_flicker_over_a_gap(quiet):
    times, level = quiet
    wave = Tsunami(int(times[1000]), 0.8, 1500, decay_s=20_000)
    values = level + [wave.height_m(int(t)) for t in times]
    keep = np.ones(len(times), bool)
    keep[1040:1100] = False
    phases = [f.phase for f in feed(detector(), times[keep], values[keep])]
    assert phases.count("begin") == phases.count("end") == 1


def test_an_event_lasts_as_long_as_the_wave_although_the_wave_is_in_the_window(quiet):
    times, level = quiet
    wave = Tsunami(int(times[1000]), 0.8, 1500, decay_s=5400)
    over_s = 5400 * np.log(0.8 / 0.06)
    end = feed(detector(), times, level + [wave.height_m(int(t)) for t in times])[-1]
    assert end.phase == "end"
    assert end.at_us > times[1000] + (over_s - 1500) * S + 3 * HOUR


def test_silence_is_not_taken_for_calm(quiet):
    times, level = quiet
    wave = Tsunami(int(times[600]), 0.3, 1500, decay_s=2000)
    values = level + [wave.height_m(int(t)) for t in times]
    keep = np.ones(len(times), bool)
    keep[780:1080] = False
    phases = [(f.phase, f.at_us) for f in feed(detector(), times[keep], values[keep])]
    assert [p for p, _ in phases][-1] == "end"
    assert phases[-1][1] >= times[1080] + 4.5 * HOUR


def test_an_event_ends_when_the_gauge_is_gone(quiet):
    times, level = quiet
    wave = Tsunami(int(times[1000]), 0.8, 1500)
    watch = detector()
    begin = feed(watch, times[:1020], (level + [wave.height_m(int(t)) for t in times])[:1020])[0]
    last = int(times[1019])
    assert watch.on_time(last + 24 * HOUR) == []
    (end,) = watch.on_time(last + 24 * HOUR + 1)
    assert (end.phase, end.onset_us, end.at_us) == ("end", begin.onset_us, last)
    assert watch.on_time(last + 48 * HOUR) == []


def test_the_evidence_can_be_checked_by_hand(quiet):
    times, level = quiet
    wave = Tsunami(int(times[1000]), 0.6, 1500)
    begin = feed(detector(), times, level + [wave.height_m(int(t)) for t in times])[0]
    window, samples = begin.evidence["window"], begin.evidence["samples"]
    hours = (np.array(window["time_us"]) - begin.at_us) / HOUR
    fit = np.polynomial.Polynomial.fit(hours, window["value"], 2)
    assert fit(hours) == pytest.approx(window["trend"], abs=2e-4)
    assert samples["value"][-1] - fit(0) == pytest.approx(samples["residual"][-1], abs=3e-4)
    assert sum(samples["exceeds"]) >= 3
    assert abs(samples["residual"][-1]) > begin.evidence["threshold_m"] == begin.threshold
    assert begin.evidence["parameters"]["multiple"] == 5.0


@pytest.mark.parametrize("size", [1, 7, 500])
def test_cutting_and_restarting_change_nothing(quiet, size):
    times, level = (column[:1500] for column in quiet)
    wave = Tsunami(int(times[600]), 0.6, 1500, decay_s=3000)
    values = level + [wave.height_m(int(t)) for t in times] + 0.3 * (np.arange(1500) >= 300)
    whole = [(f.phase, f.at_us, f.value, f.evidence) for f in feed(detector(), times, values)]
    assert len(whole) >= 4
    watch, parts = detector(), []
    for begin in range(0, 1500, size):
        cut = slice(begin, begin + size)
        parts += [(f.phase, f.at_us, f.value, f.evidence) for f in feed(watch, times[cut], values[cut])]
        state, watch = watch.snapshot(), detector()
        watch.restore(state)
    assert parts == whole


# --- what is too fast to be a tsunami ---------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("step_s", [10, 30])
def test_seismic_waves_are_no_tsunami(seed, step_s):
    times = minutes(86_400 // step_s, step_s)
    rng = np.random.default_rng(seed)
    since_s = np.maximum((times - times[0]) / S - 40_000, 0)
    shaking = np.zeros(len(times))
    for _ in range(5):
        shaking += 0.15 * np.sin(2 * np.pi * since_s / rng.uniform(15, 150) + rng.uniform(0, 6))
    values = tide(times, seed=seed) + shaking * (since_s > 0) * np.exp(-since_s / 800)
    assert feed(detector(), times, values) == []


@pytest.mark.parametrize("period_s", [480, 900, 3600])
@pytest.mark.parametrize("step_s", [10, 60])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_tsunami_is_told_in_its_first_half_wave(period_s, step_s, sign):
    times = minutes(86_400 // step_s, step_s)
    begin = START + 40_000 * S
    wave = Tsunami(begin, 0.5 * sign, period_s)
    found = feed(detector(), times, tide(times) + [wave.height_m(int(t)) for t in times])
    assert story(found)[0][:2] == ("sea_level", "begin")
    assert begin < found[0].onset_us < found[0].at_us < begin + max(period_s / 2, 300) * S
    assert np.sign(found[0].value) == sign


# --- the contract -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_cuts_restarts_and_neighbours_change_nothing(quiet, seed):
    times, level = quiet
    wave = Tsunami(int(times[600]), 0.6, 1500, decay_s=3000)
    values = level + [wave.height_m(int(t)) for t in times] + 0.3 * (np.arange(len(times)) >= 300)
    values[2000:2100] = np.nan
    assert_cuts_do_not_matter(find_kind("sea_level"), SeaLevelParameters(), [Input(times, values)], seed)


@pytest.mark.parametrize("seed", range(10))
def test_it_survives_what_is_absurd(seed):
    assert_survives(find_kind("sea_level"), SeaLevelParameters(), 1, 60.0, seed)


def test_the_state_is_small():
    assert find_kind("sea_level").state.itemsize <= 6000
