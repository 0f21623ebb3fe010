import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.push.cursor import VERSION, Cursor, cursor_of, later, text_of

numbers = st.integers(0, 2**50)
cursors = st.builds(
    Cursor,
    st.just(VERSION),
    st.text(max_size=20),
    numbers,
    st.tuples(*[st.lists(numbers, max_size=12).map(tuple)] * 3),
)


@given(cursors)
def test_a_cursor_comes_back_from_its_text(cursor):
    text = text_of(cursor)
    assert cursor_of(text) == cursor
    assert text.replace("-", "").replace("_", "").isalnum()


@given(st.text(max_size=200) | cursors.map(text_of).map(lambda text: text[:-3]) | st.binary().map(repr))
def test_what_is_no_id_is_refused(text):
    try:
        cursor_of(text)
    except ValueError as error:
        assert str(error) == "this is no id of an event"  # noqa: PT017 - most are none, a few may be one


def test_an_id_has_an_end():
    with pytest.raises(ValueError, match="no id"):
        cursor_of("A" * 3000)
    many = Cursor(VERSION, "kafka-00000000", 2**50, ((2**40,) * 12, (2**40,) * 12, (2**40,)))
    assert len(text_of(many)) < 400


def test_the_later_place_of_each_partition():
    assert later(((1, 5), (2,)), ((3, 4), (2,))) == ((3, 5), (2,))
