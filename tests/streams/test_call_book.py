from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streams.call_book import REMEMBERED, RETRY_S, CallBook
from streams.call_records import CallReceipt, CallReceipts, Calls
from tests.streams.calls import S, order


def due(book, at_s=11.0):
    return [one.call_id for one in book.due(round(at_s * S))]


def test_what_is_said_before_its_order_comes_counts():
    book, one = CallBook(), order()
    book.hear([CallReceipts(receipts=[CallReceipt.of(one, "accepted", 5)])])
    book.hear([Calls(orders=[one])])
    assert due(book) == []
    assert len(book) == 0


def test_a_door_that_is_away_is_asked_again_with_growing_pauses_until_the_deadline():
    book = CallBook()
    book.add([order(deadline_us=100 * S)])
    at_s, asked = 10.0, []
    while book.is_waiting("c1"):
        if due(book, at_s):
            asked.append(at_s)
            book.postpone("c1", round(at_s * S))
        at_s += 0.5
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    assert pauses == [*RETRY_S, RETRY_S[-1]][: len(pauses)]
    assert at_s == 100.5
    assert book.too_late == 1


def test_memory_is_bounded():
    book = CallBook()
    book.hear([Calls(withdrawn=[str(i) for i in range(REMEMBERED + 5)])])
    book.add([order("0"), order(str(REMEMBERED + 4))])
    assert due(book) == ["0"]


EVENTS = st.lists(
    st.tuples(st.sampled_from(["order", "receipt", "withdraw"]), st.integers(0, 5)), max_size=30
)


@given(EVENTS)
def test_against_sets(events):
    """A call is due when it was ordered and nothing was said of it, in whatever order that came."""
    book, ordered, settled = CallBook(), dict[str, None](), set[str]()
    for what, number in events:
        one = order(f"c{number}")
        if what == "order":
            book.hear([Calls(orders=[one, one])])
            if one.call_id not in settled:
                ordered[one.call_id] = None
        elif what == "receipt":
            book.hear([CallReceipts(receipts=[CallReceipt.of(one, "failed", 5)])])
            settled.add(one.call_id)
        else:
            book.hear([Calls(withdrawn=[one.call_id])])
            settled.add(one.call_id)
        assert due(book) == [name for name in ordered if name not in settled]
