import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.push.channels import (
    MOST_CHANNELS,
    Source,
    channels_of,
    sources_of,
    tells_changes,
)


def test_lists_become_channels_each_once_and_in_order():
    asked = [
        "station:SHAO00CHN, network",
        'network,region:zj:hz,"thing:a,b",region:',
        "property:rain,level:red",
    ]
    assert channels_of(asked) == (
        "level:red", "network", "property:rain", "region:", "region:zj:hz", "station:SHAO00CHN", "thing:a,b",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ([], "name a channel: network, or region:ID"),
        ([""], "name a channel"),
        (["stations:SHAO"], "'stations:SHAO' is no channel: write network, or one of region:ID"),
        (["station"], "is no channel"),
        (["station:"], "names nothing"),
        (["level:pink"], "a level is one of blue, yellow, orange, red"),
        (["network:x"], "is no channel"),
        (["station:" + "x" * 300], "is too long"),
        (['"station:x'], "no list of channels"),
        ([f"station:{k}" for k in range(MOST_CHANNELS + 1)], "at most 100"),
    ],
)
def test_what_is_no_channel_is_refused_in_words(asked, says):
    with pytest.raises(ValueError, match=says):
        channels_of(asked)


@given(st.lists(st.text(max_size=30), max_size=5))
def test_any_text_is_channels_or_refused(texts):
    try:
        found = channels_of(texts)
    except ValueError:
        return
    assert found == tuple(sorted(set(found)))
    assert sources_of(found) >= {Source.ALERTS}


def test_what_channels_are_made_of():
    assert sources_of(["level:red"]) == {Source.ALERTS}
    assert sources_of(["property:rain", "level:red"]) == {Source.SAMPLES, Source.ALERTS}
    assert sources_of(["station:A", "thing:B"]) == set(Source)
    assert tells_changes(["level:red", "region:zj"])
    assert not tells_changes(["level:red", "station:A", "property:rain"])
