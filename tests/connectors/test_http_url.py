"""Times in addresses."""

from datetime import UTC, datetime

import pytest

from connectors.http_url import check_url, filled, shown, zone_of

NOW = datetime(2026, 3, 1, 0, 30, 5, tzinfo=UTC)
NOW_US = round(NOW.timestamp()) * 1_000_000
SINCE_US = NOW_US - 90 * 60 * 1_000_000


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://a/x", "http://a/x"),
        ("http://a/{now}", "http://a/2026-03-01T00%3A30%3A05Z"),
        ("http://a/{now:%Y%m%d}.txt", "http://a/20260301.txt"),
        ("http://a/{now-1d:%Y-%m-%d}/{now:%H}", "http://a/2026-02-28/00"),
        ("http://a/?b={since:epoch_s}&e={now+30s:epoch_ms}", "http://a/?b=1772319605&e=1772325035000"),
        ("http://a/?b={since-10m:%H:%M}", "http://a/?b=22%3A50"),
        ("http://a/{now-2h:%j}", "http://a/059"),
    ],
)
def test_places_get_their_time(url, expected):
    check_url(url)
    assert filled(url, NOW_US, SINCE_US) == expected


def test_a_zone_is_that_of_formats_and_iso_stays_utc():
    url = "http://a/{now:%Y%m%d%H}/{now}/{now:epoch_s}"
    found = filled(url, NOW_US, SINCE_US, zone_of("+08:00"))
    assert found == f"http://a/2026030108/2026-03-01T00%3A30%3A05Z/{NOW_US // 10**6}"
    assert zone_of("-03:30").utcoffset(None) == -zone_of("+03:30").utcoffset(None)
    assert zone_of("UTC") is UTC


@pytest.mark.parametrize("zone", ["", "8", "+8:00", "Asia/Shanghai", "+15:00", "+08:60"])
def test_a_zone_that_is_none_is_refused(zone):
    with pytest.raises(ValueError, match="write UTC or an offset"):
        zone_of(zone)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://a/x", "must begin with https"),
        ("http:///x", "must begin with https"),
        ("http://{now}/x", "must begin with https"),
        ("http://a/{then}", "a place in url"),
        ("http://a/{now-5}", "a place in url"),
        ("http://a/{now", "a place in url"),
        ("http://a/x}", "a place in url"),
    ],
)
def test_an_address_that_cannot_be_is_refused(url, says):
    with pytest.raises(ValueError, match=says):
        check_url(url)


def test_no_key_of_an_address_is_shown():
    assert shown("https://me:word@a.example:8443/x/{now}?key=abc") == "https://a.example:8443/x/{now}"
