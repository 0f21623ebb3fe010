"""Frames go on as whole epochs, however reads cut them."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyrtcm import RTCMReader

from connectors.caster.link.whole_epochs import MOST_HELD_BYTES, WholeEpochs, frame_ends, observed_at_ms
from tests.connectors.link.frames import epoch, observed
from tests.rtcm_frames import of_type, split, text_frame


@pytest.mark.parametrize("number", [1001, 1004, 1009, 1012, 1071, 1077, 1087, 1137])
def test_an_epoch_goes_on_with_its_last_message(number):
    held = WholeEpochs()
    first, second = observed(number, 5000, more=True), observed(1127, 5000, more=False)
    assert list(held.feed(first, 10)) == []
    assert held.is_waiting
    assert list(held.feed(second, 20)) == [(10, first + second)]
    assert not held.is_waiting


def test_what_is_no_observation_never_waits_alone_and_never_leaves_its_epoch():
    held = WholeEpochs()
    assert list(held.feed(of_type(1005), 1)) == [(1, of_type(1005))]
    assert list(held.feed(of_type(1070) + of_type(1138) + of_type(1019), 2))
    first = observed(1077, 1, more=True)
    assert list(held.feed(first + of_type(1005), 3)) == []
    assert list(held.feed(text_frame("still open"), 4)) == []
    (one,) = held.feed(observed(1127, 1, more=False) + of_type(1019), 5)
    assert one.received_at_us == 3
    assert len(list(split(one.frames))) == 5


def test_the_begin_of_the_next_epoch_waits_for_its_own_end():
    held = WholeEpochs()
    begin = next(split(epoch(2000)))
    assert list(held.feed(epoch(1000) + begin, 7)) == [(7, epoch(1000))]
    assert list(held.feed(epoch(2000)[len(begin) :], 8)) == [(7, begin + epoch(2000)[len(begin) :])]


def test_what_never_ends_is_given_up_by_its_size_and_by_hand():
    held = WholeEpochs()
    endless = observed(1077, 1, more=True, length=1000)
    got = [one for n in range(200) for one in held.feed(endless, n)]
    assert got
    assert all(len(one.frames) <= MOST_HELD_BYTES + len(endless) for one in got)
    got += held.give_up()
    assert b"".join(one.frames for one in got) == endless * 200
    assert list(held.give_up()) == []


def test_a_read_that_is_too_large_for_one_record_is_cut_between_frames():
    much = b"".join(text_frame(f"message {n}" * 3) for n in range(4000))
    got = list(WholeEpochs().feed(much, 1))
    assert len(got) > 2
    assert b"".join(one.frames for one in got) == much
    for one in got:
        assert len(one.frames) <= MOST_HELD_BYTES
        assert len(list(split(one.frames))) > 0


@settings(deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.data())
def test_epochs_stay_whole_however_they_are_cut(systems, data):
    epochs = [epoch(1000 * n, count) + of_type(1005) for n, count in enumerate(systems)]
    stream = b"".join(epochs)
    ends = list(frame_ends(stream))
    assert ends[-1] == len(stream)
    cuts = [0, *sorted(data.draw(st.sets(st.sampled_from(ends)))), len(stream)]
    held = WholeEpochs()
    got = []
    for n, (begin, end) in enumerate(pairwise(cuts)):
        if begin < end:
            got += held.feed(stream[begin:end], n)
    assert not held.is_waiting
    assert b"".join(one.frames for one in got) == stream
    borders = {0}
    for one in got:
        borders.add(max(borders) + len(one.frames))
    for n, one in enumerate(epochs):
        begin = sum(map(len, epochs[:n]))
        assert not any(begin < border < begin + len(one) - len(of_type(1005)) for border in borders)


@pytest.mark.parametrize("number", [1001, 1002, 1003, 1004, 1009, 1010, 1011, 1012, 1071, 1077, 1087, 1137])
@pytest.mark.parametrize("more", [True, False])
def test_another_decoder_finds_the_flag_in_the_same_place(number, more):
    message = RTCMReader.parse(observed(number, 5000, more=more))
    assert message.identity == str(number)
    if 1009 <= number <= 1012 or number == 1087:
        assert observed_at_ms(observed(number, 5000, more=more)) == {}
    else:
        assert observed_at_ms(observed(number, 604_000_123, more=more)) == {number // 10: 604_000_123}
    assert bool(message.DF393 if number > 1070 else message.DF005) is more
    assert bool(list(WholeEpochs().feed(observed(number, 5000, more=more), 0))) is not more
