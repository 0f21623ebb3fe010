"""The tree of regions and the ids that go along it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.regions import Region, RegionTree, from_above, qualified, region_of, to_above, within

NAMES = st.text("abyz09-", min_size=1, max_size=10).map(lambda name: f"r{name}")
STATIONS = st.text("AZaz09_.-", min_size=1, max_size=32)
IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


def tree(here: str, *nodes: tuple[str, str, str]) -> RegionTree:
    found = [Region(name=name, level=level, parent=parent) for name, level, parent in nodes]  # type: ignore[arg-type]
    return RegionTree(here=here, node=found)


CHINA, ZHEJIANG, HANGZHOU = (
    ("china", "ministry", ""),
    ("zhejiang", "province", "china"),
    ("hangzhou", "city", "zhejiang"),
)


def test_a_tree_knows_its_own_node_and_the_one_above():
    whole = tree("hangzhou", HANGZHOU, CHINA, ZHEJIANG)
    whole.check()
    assert whole.own.level == "city"
    assert whole.parent is not None
    assert whole.parent.name == "zhejiang"
    assert tree("china", CHINA, ZHEJIANG).parent is None
    assert whole.reserved == ()
    assert tree("china", CHINA, ZHEJIANG, HANGZHOU).reserved == ("zhejiang:",)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (tree("china", CHINA, CHINA), "two regions are called 'china'"),
        (tree("beijing", CHINA, ZHEJIANG), "here = 'beijing' is none of the regions; write one of china"),
        (tree("china"), "here = 'china'"),
        (tree("china", CHINA, ("a:b", "city", "china")), "region name 'a:b' does not serve"),
        (tree("china", CHINA, ("..", "city", "china")), "region name '..' does not serve"),
        (tree("china", CHINA, HANGZHOU), "its parent 'zhejiang' is none of the regions"),
        (tree("china", CHINA, ("other", "city", "")), "china and other have no parent"),
        (tree("china", CHINA, ("below", "ministry", "china")), "a ministry cannot be below a ministry"),
        (tree("a", ("a", "city", "b"), ("b", "province", "a")), "a province cannot be below a city"),
        (tree("a", ("a", "city", "a")), "a city cannot be below a city"),
    ],
)
def test_what_is_no_tree_is_refused_with_a_sentence(wrong, words):
    with pytest.raises(ValueError, match=words.replace(".", r"\.").replace("(", r"\(")):
        wrong.check()


def test_raw_data_and_exact_coordinates_stay_unless_somebody_says_otherwise():
    up = Region(name="a", level="city").up
    assert (up.reports, up.periods, up.raw) == ("coarsened", "coarsened", "none")
    with pytest.raises(msgspec.ValidationError, match="coarsened"):
        msgspec.convert({"name": "a", "level": "city", "up": {"raw": "coarsened"}}, Region)


@given(NAMES, NAMES, IDS)
def test_an_id_comes_back_down_as_it_went_up_and_to_nobody_else(region, other, identity):
    above = qualified(region, identity)
    assert within(region, above) == identity
    if other != region:
        assert within(other, above) is None


@given(st.lists(NAMES, min_size=1, max_size=4), STATIONS)
def test_the_way_down_stands_before_an_id(way, identity):
    found = identity
    for region in reversed(way):
        found = qualified(region, found)
    assert region_of(found) == ":".join(way)
    assert region_of(identity) == ""


@given(IDS)
def test_answers_go_to_who_has_asked(identity):
    assert to_above(from_above(identity)) == identity
    assert to_above(from_above(from_above(identity))) == from_above(identity)
    assert to_above("0123456789abcdef") is None
