from hypothesis import given
from hypothesis import strategies as st

from dashboards.access.cookies import LONGEST, Cookies

HOUR_US = 3_600_000_000
NOW_US = 1_800_000_000_000_000
COOKIES = Cookies(b"k" * 32, idle_s=3600.0, longest_s=5 * 3600.0)


@given(st.text(max_size=100).filter(lambda name: name.isascii()), st.binary(max_size=50))
def test_a_session_is_read_as_it_was_begun(name, state):
    cookie = COOKIES.begin(name, state, NOW_US)
    assert COOKIES.account_of(cookie) == name
    session = COOKIES.read(cookie, state, NOW_US)
    assert session is not None
    assert (session.account, session.begun_us, len(session.id)) == (name, NOW_US, 16)
    assert COOKIES.read(cookie, state + b"x", NOW_US) is None
    assert Cookies(b"other" * 8, 3600.0, 3600.0).read(cookie, state, NOW_US) is None


@given(st.data())
def test_whatever_is_changed_of_a_cookie_it_serves_no_more(data):
    cookie = COOKIES.begin("li", b"state", NOW_US)
    at = data.draw(st.integers(0, len(cookie) - 1))
    sign = data.draw(st.sampled_from("ABCxyz019-_.= %"))
    other = cookie[:at] + sign + cookie[at + 1 :]
    read = COOKIES.read(other, b"state", NOW_US)
    # the last sign of base64 has bits that say nothing
    assert read is None or other == cookie or at in {cookie.index(".") - 1, len(cookie) - 1}
    if read is not None:
        assert read == COOKIES.read(cookie, b"state", NOW_US)


@given(st.one_of(st.text(max_size=300), st.binary(max_size=300).map(lambda b: b.decode("latin-1"))))
def test_noise_is_no_session(text):
    assert COOKIES.read(text, b"state", NOW_US) is None
    COOKIES.account_of(text)


def test_a_cookie_that_is_too_long_is_not_looked_at():
    assert COOKIES.account_of("A" * (LONGEST + 1)) is None


def test_a_session_ends_when_nothing_is_asked_and_at_the_latest():
    cookie, begun_us = COOKIES.begin("li", b"s", NOW_US), NOW_US
    assert COOKIES.read(cookie, b"s", NOW_US + HOUR_US - 1)
    assert COOKIES.read(cookie, b"s", NOW_US + HOUR_US) is None
    now_us = NOW_US
    for _ in range(9):  # each half hour something is asked
        now_us += HOUR_US // 2
        session = COOKIES.read(cookie, b"s", now_us)
        assert session is not None
        assert session.begun_us == begun_us
        cookie = COOKIES.renewed(session, b"s", now_us)
    assert COOKIES.end_us(COOKIES.read(cookie, b"s", now_us)) == begun_us + 5 * HOUR_US
    assert COOKIES.read(cookie, b"s", begun_us + 5 * HOUR_US) is None


def test_one_that_was_just_renewed_is_not_renewed():
    session = COOKIES.read(COOKIES.begin("li", b"s", NOW_US), b"s", NOW_US)
    assert COOKIES.renewed(session, b"s", NOW_US + 60_000_000) is None


def test_a_cookie_from_the_future_serves_within_a_minute_only():
    cookie = COOKIES.begin("li", b"s", NOW_US)
    assert COOKIES.read(cookie, b"s", NOW_US - 59_000_000)
    assert COOKIES.read(cookie, b"s", NOW_US - 61_000_000) is None
