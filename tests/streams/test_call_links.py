import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.call_links import CallLinks
from tests.streams.calls import order

LINKS = CallLinks("x" * 32, "https://warnings.example/", 2)


def parts(url):
    assert url.startswith("https://warnings.example/answer/")
    return url.removeprefix("https://warnings.example/answer/").split("/")


def test_a_link_serves_one_call_for_its_time():
    call_id, until_s, signature = parts(LINKS.url(order("c1"), 1_000_000))
    assert LINKS.serves(call_id, until_s, signature, 1_000_000)
    assert LINKS.serves(call_id, until_s, signature, 7201 * 1_000_000)
    assert not LINKS.serves(call_id, until_s, signature, 7202 * 1_000_000)
    assert not LINKS.serves("c2", until_s, signature, 1_000_000)
    assert not LINKS.serves(call_id, str(int(until_s) + 1), signature, 1_000_000)
    other = CallLinks("y" * 32, "https://warnings.example/", 2)
    assert not other.serves(call_id, until_s, signature, 1_000_000)


@given(st.text(), st.text(), st.text())
def test_nothing_that_somebody_makes_up_serves(call_id, until_s, signature):
    assert not LINKS.serves(call_id, until_s, signature, 0)


def test_a_short_secret_is_refused():
    with pytest.raises(ValueError, match="write a longer one"):
        CallLinks("short", "")
