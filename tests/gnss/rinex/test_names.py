"""Long file names."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnss.rinex.names import FileName, format_name, parse_name, period_begin_us
from gnss.time import GPS_EPOCH_US

S = 1_000_000
HOUR_US = 3600 * S
RECORDINGS = {
    "ESBC00DNK_R_20201770000_01D_30S_MO.crx.gz": ("ESBC", "DNK", 86_400, 30.0, "MO", True, ".gz"),
    "ESBC00DNK_R_20201770000_01D_MN.rnx.gz": ("ESBC", "DNK", 86_400, None, "MN", False, ".gz"),
    "GRAS00FRA_R_20223151700_15M_01S_MO.crx.gz": ("GRAS", "FRA", 900, 1.0, "MO", True, ".gz"),
    "REYK00ISL_R_20192701000_01H_30S_MO.rnx": ("REYK", "ISL", 3600, 30.0, "MO", False, ""),
    "FAST12CHN_S_20243660000_01H_10Z_MO.crx": ("FAST", "CHN", 3600, 0.1, "MO", True, ""),
    "FAST12CHN_U_20243660000_00U_05C_GO.rnx": ("FAST", "CHN", None, 0.002, "GO", False, ""),
}


@pytest.mark.parametrize("text", list(RECORDINGS))
def test_names_of_recordings(text: str) -> None:
    name = parse_name(text)
    assert name is not None
    site, country, period_s, interval_s, kind, compact, packed = RECORDINGS[text]
    assert (name.site, name.country, name.period_s, name.interval_s) == (site, country, period_s, interval_s)
    assert (name.kind, name.compact, name.packed) == (kind, compact, packed)
    assert format_name(name) == text


def test_begin_is_gps_time() -> None:
    name = parse_name("REYK00ISL_R_20192701000_01H_30S_MO.rnx")
    assert name is not None
    assert name.begin_us == 1_569_578_400 * S - 18 * S  # 2019-09-27 10:00:00 GPS time


@pytest.mark.parametrize(
    "text",
    [
        "",
        "esbc1770.20o",
        "ESBC00DNK_R_20203670000_01D_30S_MO.crx",
        "ESBC00DNK_X_20201770000_01D_30S_MO.crx",
        "ESBC00DNK_R_20201770000_01D_30S_MO.txt",
        "../ESBC00DNK_R_20201770000_01D_30S_MO.crx",
    ],
)
def test_other_names(text: str) -> None:
    assert parse_name(text) is None


@given(
    site=st.from_regex(r"[A-Z0-9]{4}", fullmatch=True),
    begin_min=st.integers(0, 50_000_000),
    period_s=st.sampled_from([None, 60, 900, 3600, 86_400]),
    interval_s=st.sampled_from([None, 1.0, 30.0, 60.0, 0.2, 0.1, 0.05, 0.01]),
    kind=st.sampled_from(["MO", "GO", "RO", "CO"]),
    compact=st.booleans(),
)
def test_format_and_parse(site, begin_min, period_s, interval_s, kind, compact) -> None:
    begin_us = period_begin_us(GPS_EPOCH_US + begin_min * 60 * S, 60)
    name = FileName(site, begin_us, period_s, interval_s, kind=kind, compact=compact)
    again = parse_name(format_name(name))
    assert again is not None
    assert again.interval_s == (None if interval_s is None else pytest.approx(interval_s))
    assert replace(again, interval_s=interval_s) == name


@pytest.mark.parametrize(
    "change",
    [
        {"site": "ABC"},
        {"country": "GERM"},
        {"kind": "XO"},
        {"source": "Q"},
        {"period_s": 61},
        {"interval_s": 0.0},
        {"interval_s": 0.7},
        {"packed": ".exe"},
    ],
)
def test_parts_that_do_not_fit(change: dict[str, object]) -> None:
    name = FileName("SITE", 1_700_000_000 * S, 3600, 1.0)
    with pytest.raises(ValueError, match=r"name|more than"):
        format_name(replace(name, **change))


def test_hours_and_days_begin_in_gps_time() -> None:
    noon_gps_us = 1_709_294_400 * S - 18 * S
    assert period_begin_us(noon_gps_us, 3600) == noon_gps_us
    assert period_begin_us(noon_gps_us + HOUR_US - 1, 3600) == noon_gps_us
    assert period_begin_us(noon_gps_us - 1, 3600) == noon_gps_us - HOUR_US
    assert period_begin_us(noon_gps_us, 86_400) == noon_gps_us - 12 * HOUR_US
    with pytest.raises(ValueError, match="does not divide"):
        period_begin_us(0, 7000)
