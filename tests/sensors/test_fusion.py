"""Evidence of a site put together: red needs two families or a person, and levels fall after a hold time."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.detectors.finding import LEVELS
from sensors.fusion import FAMILIES, MOST_EVIDENCE, Evidence, Fusion, FusionParameters, Report, fused

S = 1_000_000
HOUR = 3600
T0 = 1_700_000_000 * S


def site(**parameters):
    return Fusion(FusionParameters(**{"hold_s": 6.0 * HOUR, **parameters}), "Slope 7")


def evidence(rule, level, told_h, is_over=False, onset_h=0.0, subject="s"):
    return Evidence(
        subject_id=subject, rule=rule, level=level, onset_us=us(onset_h), at_us=us(told_h), title=f"{rule}!",
        value=1.0, threshold=0.5, unit="mm", told_us=us(told_h), is_over=is_over,
    )  # fmt: skip


def us(hours):
    return T0 + round(hours * HOUR * S)


def report(level, begin_h, end_h, identity="r1"):
    return Report(
        identity=identity, by="li", level=level, text="new cracks", begin_us=us(begin_h), end_us=us(end_h)
    )


def take(fusion, rule, level, told_h, **more):
    return steps(fusion.take(evidence(rule, level, told_h, **more), fusion.parameters.family(rule)))


def steps(findings):
    return [(one.phase, one.level, (one.at_us - T0) / S / HOUR) for one in findings]


def test_one_family_is_orange_at_most_and_says_why():
    fusion = site()
    (finding,) = fusion.take(evidence("tangent_angle", "red", 1), "displacement")
    assert (finding.phase, finding.level, finding.rule) == ("begin", "orange", "fusion")
    assert "displacement would be red, but one family alone can make it orange" in finding.evidence["why"]
    (shown,) = finding.evidence["families"]
    assert (shown["family"], shown["level"], shown["is_trigger"]) == ("displacement", "red", False)
    (known,) = shown["evidence"]
    assert (known["rule"], known["value"], known["threshold"], known["onset_us"]) == (
        "tangent_angle",
        1.0,
        0.5,
        T0,
    )
    assert finding.evidence["parameters"]["support"] == "yellow"
    # another detector of the same family is no second one
    assert take(fusion, "crack", "red", 2) == []


def test_a_second_family_makes_it_red():
    fusion = site()
    assert take(fusion, "tangent_angle", "red", 1) == [("begin", "orange", 1)]
    assert take(fusion, "rainfall", "blue", 2) == [("update", "orange", 2)]  # too little to support it
    assert take(fusion, "rainfall", "yellow", 3) == [("update", "red", 3)]


def test_rain_and_thaw_are_causes_and_no_movement():
    fusion = site()
    assert take(fusion, "rainfall", "red", 1) == [("begin", "orange", 1)]
    (both,) = fusion.take(evidence("freeze_thaw", "red", 2), "thaw")
    assert both.level == "orange"
    assert "families of triggers alone" in both.evidence["why"]
    assert take(fusion, "tilt", "yellow", 3) == [("update", "red", 3)]


def test_thaw_supports_what_moves():
    fusion = site()
    take(fusion, "freeze_thaw", "yellow", 1)
    assert take(fusion, "velocity_multiples", "red", 2) == [("update", "red", 2)]


def test_a_person_confirms_red_while_the_report_counts():
    fusion = site()
    take(fusion, "tangent_angle", "red", 1)
    (confirmed,) = fusion.hear([report("red", 2, 8)], us(3))
    assert (confirmed.level, confirmed.evidence["why"]) == ("red", "red: a person reports it")
    people = next(one for one in confirmed.evidence["families"] if one["family"] == "person")
    assert people["evidence"][0]["title"] == "li: new cracks"
    assert steps(fusion.advance(us(9))) == [("update", "orange", 8)]
    assert steps(fusion.hear([report("red", 12, 13, "r2")], us(10))) == []
    assert steps(fusion.advance(us(20))) == [("update", "red", 12), ("update", "orange", 13)]


def test_a_report_alone_begins_and_ends_an_alert():
    fusion = site()
    assert steps(fusion.hear([report("red", 1, 3)], us(1))) == [("begin", "red", 1)]
    assert steps(fusion.hear([], us(2))) == [("end", "red", 2)]


def test_a_level_falls_after_the_hold_time_to_what_was_measured_since():
    fusion = site()
    take(fusion, "tilt", "orange", 0, subject="a")
    assert take(fusion, "tilt", "yellow", 1, subject="b") == []
    assert take(fusion, "tilt", "orange", 2, subject="a", is_over=True) == []
    assert steps(fusion.advance(us(7.9))) == []
    assert steps(fusion.advance(us(8))) == [("update", "yellow", 8)]
    assert take(fusion, "tilt", "yellow", 9, subject="b", is_over=True) == []
    assert take(fusion, "tilt", "blue", 10, subject="c") == []
    assert steps(fusion.advance(us(40))) == [("update", "blue", 15)]
    assert take(fusion, "tilt", "blue", 41, subject="c", is_over=True) == []
    assert steps(fusion.advance(us(60))) == [("end", "blue", 47)]


def test_what_comes_back_within_the_hold_time_never_went():
    fusion = site()
    take(fusion, "tilt", "orange", 0)
    take(fusion, "tilt", "orange", 1, is_over=True)
    assert take(fusion, "tilt", "orange", 5, onset_h=5) == []
    assert steps(fusion.advance(us(100))) == []


def test_two_events_of_a_site_are_not_one():
    fusion = site(hold_s=0.0)
    (first,) = fusion.take(evidence("tilt", "yellow", 1), "tilt")
    assert take(fusion, "tilt", "yellow", 2, is_over=True) == [("end", "yellow", 2)]
    (second,) = fusion.take(evidence("tilt", "yellow", 3), "tilt")
    assert (first.phase, second.phase) == ("begin", "begin")
    assert first.onset_us < second.onset_us


def test_a_finding_that_nobody_ends_counts_for_a_limited_time():
    fusion = site(most_s=24.0 * HOUR)
    take(fusion, "tilt", "orange", 0)
    assert steps(fusion.advance(us(100))) == [("end", "orange", 30)]


def test_other_families_hold_from_their_change_on():
    fusion = site()
    take(fusion, "tangent_angle", "red", 1)
    take(fusion, "crack", "red", 1)
    families = {"gnss": ["tangent_angle"], "crack": ["crack"]}
    changed = fusion.renew(FusionParameters(families=families, triggers=[]), "Slope", us(2))
    assert steps(changed) == [("update", "red", 2)]
    only = FusionParameters(families={"rain": ["rainfall"]}, triggers=[])
    assert steps(fusion.renew(only, "Slope", us(3))) == [("end", "red", 3)]
    assert fusion.end(us(4), "deleted") == []
    take(fusion, "rainfall", "blue", 5)
    assert steps(fusion.end(us(6), "deleted")) == [("end", "blue", 6)]


def test_what_is_remembered_is_bounded_and_what_goes_on_is_kept():
    fusion = site()
    take(fusion, "tilt", "red", 0, subject="great")
    for i in range(MOST_EVIDENCE + 20):
        take(fusion, "tilt", "blue", 1, subject=f"small{i}")
    assert fusion.forgotten == 21
    assert steps(fusion.advance(us(2))) == []  # still as it was


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({"families": {}}, "must name rules"),
        ({"families": {"a": ["tilt"], "b": ["tilt"]}}, "one family only"),
        ({"families": {"person": ["tilt"]}}, "is there anyway"),
        ({"triggers": ["snow"]}, "names of families"),
        ({"hold_s": -1.0}, "hold_s"),
        ({"most_s": 1.0}, "most_s"),
    ],
)
def test_what_makes_no_sense_is_refused(bad, why):
    with pytest.raises(ValueError, match=why):
        FusionParameters(**bad)


LEVELS_OF = st.dictionaries(st.sampled_from([*FAMILIES, "person"]), st.sampled_from(LEVELS))


@given(LEVELS_OF)
def test_red_has_two_families_or_a_person(levels):
    """Held against the rule, written out."""
    level, why = fused(levels, FusionParameters())
    rank = LEVELS.index
    if level is None:
        assert not levels
        return
    highest = max(map(rank, levels.values()))
    supporters = {name for name, one in levels.items() if rank(one) >= rank("yellow")}
    reds = {name for name, one in levels.items() if one == "red"}
    allowed = "person" in reds or any(
        not {name, other} <= {"rain", "thaw"} for name in reds for other in supporters - {name}
    )
    assert level == LEVELS[highest if highest < 3 or allowed else 2]
    assert level in why


STORY = st.lists(
    st.tuples(
        st.sampled_from(["tangent_angle", "tilt", "rainfall", "freeze_thaw"]),
        st.sampled_from(LEVELS),
        st.floats(0, 5),
        st.booleans(),
        st.booleans(),
    ),
    max_size=25,
)


@given(STORY, st.integers(0, 2**32 - 1))
def test_neither_looks_between_nor_restarts_change_anything(story, seed):
    random = np.random.default_rng(seed)
    straight, other = site(hold_s=2.0 * HOUR), site(hold_s=2.0 * HOUR)
    told, found = [], []
    at_h = 0.0
    for rule, level, after_h, is_over, by_person in story:
        before_h, at_h = at_h, at_h + after_h
        for look_h in np.sort(random.uniform(before_h, at_h, 2)):
            found += other.advance(us(look_h))
        state, other = other.snapshot(), site(hold_s=2.0 * HOUR)
        other.restore(state)
        for fusion, into in ((straight, told), (other, found)):
            if by_person:
                into.extend(fusion.hear([report(level, at_h, at_h + 3)], us(at_h)))
            else:
                family = fusion.parameters.family(rule)
                into.extend(fusion.take(evidence(rule, level, at_h, is_over=is_over), family))
    told += straight.advance(us(at_h + 100))
    found += other.advance(us(at_h + 50)) + other.advance(us(at_h + 100))
    assert msgspec.to_builtins(found) == msgspec.to_builtins(told)
