import json
import re
from dataclasses import replace

import numpy as np
import pytest

from gnss.quality.period import ReasonFigures
from gnss.reports import combine, to_html, to_json
from gnss.time import DAY_US
from tests.gnss.reports.hostile import TEXTS
from tests.gnss.reports.invented import BEGIN_US, MINUTE_US, empty, station
from tests.gnss.reports.reading import SVG, drawings, read, rows_of, text_of


def shown(value, digits):
    return f"{value:,.{digits}f}".replace(",", " ").replace("-", "−")


def sky_of(tree, system):
    (sky,) = [svg for svg in drawings(tree, system) if svg.get("viewBox") == "0 0 260 260"]
    return sky


def test_the_signals_are_those_of_the_json():
    period = station()
    told = json.loads(to_json(period))
    rows = rows_of(read(to_html(period)), "By signal")
    expected = []
    for system in told["systems"]:
        expected += [one for one in told["signals"] if one["system"] == system["system"]] + [system]
    expected.append(told["total"])
    assert len(rows) == len(expected) == 12 + 5 + 1
    for row, one in zip(rows, expected, strict=True):
        texts = [text.replace("\u202f", " ") for text, _ in row]
        values = [value for _, figures in row for value in figures]
        slips = one["lock_slips"] + one["phase_slips"]
        assert values == [
            one["observations"], one["share"], one["share_above_mask"], one["have_above_mask"],
            one["expected_above_mask"], slips, one["slips_per_1000_observations"],
            one["observations_per_slip"], one["interruptions"], one["multipath_rms_m"], one["cn0_mean_dbhz"],
            one["cn0_sd_dbhz"],
        ]  # fmt: skip
        assert texts[3] == shown(one["observations"], 0)
        assert texts[4] == f"{100 * one['share']:.2f} %"
        assert texts[7] == f"{slips} ({one['lock_slips']} + {one['phase_slips']})"
        assert texts[11] == shown(one["multipath_rms_m"], 3)
        assert texts[12] == f"{one['cn0_mean_dbhz']:.1f} ± {one['cn0_sd_dbhz']:.1f}"


def test_the_tiles_are_those_of_the_json():
    period = station()
    told = json.loads(to_json(period))
    tree = read(to_html(period))
    tiles = {text_of(tile[0]): tile for tile in tree.iter("div") if "tile" in tile.get("class", "").split()}
    values = {name: float(tile.find("b/data").get("value")) for name, tile in tiles.items()}
    checked = {one["code"]: one for one in told["checked"]}
    assert values == {
        "Time in good state": checked["time_good"]["value"],
        "Epochs that came": told["epochs_share"],
        "Usable epochs": checked["usable"]["value"],
        "Signals above 10°": told["total"]["share_above_mask"],
        "Slips per 1000 observations": told["total"]["slips_per_1000_observations"],
        "Multipath, RMS": told["total"]["multipath_rms_m"],
        "Mean C/N0": told["total"]["cn0_mean_dbhz"],
        "Median latency": told["latency"]["median_s"],
        "Frames failing CRC": told["bad_frames_share"],
    }
    assert tiles["Time in good state"].get("class") == "tile is-degraded"
    assert "▲" in text_of(tiles["Time in good state"])


def test_reasons_tell_value_threshold_and_what_to_check():
    rows = rows_of(read(to_html(station())), "What was wrong, and what to check")
    (multipath, *_), *cells = rows[0]
    assert multipath.startswith("multipath The code multipath of the last minute is 1.32 m RMS")
    assert [values for _, values in cells[:3]] == [[53 * 60.0], [1.52], [1.5]]
    assert cells[3][0] == "2026-09-01 09:12:00 2026-09-01 10:06:00"
    assert cells[4][0].startswith("New reflectors")


def test_a_share_of_the_time_stands_in_the_summary():
    page = to_html(station())
    told = json.loads(to_json(station()))
    lead = text_of(next(p for p in read(page).iter("p") if p.get("class") == "lead"))
    assert f"{100 * told['state_share']['good']:.1f} % of the time good" in lead
    assert "Decided by: time in good state." in lead
    assert "Longest: multipath" in lead


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_station_that_nothing_came_from(language):
    tree = read(to_html(empty(), language=language))
    assert {"en": "No observations came.", "zh": "没有收到观测数据。"}[language] in text_of(tree)
    assert not list(tree.iter(f"{SVG}svg"))


def test_a_silent_station_shows_its_gap():
    period = empty(
        epochs_expected=2880, state_seconds={"bad": 86_400.0}, gaps=[(BEGIN_US, BEGIN_US + DAY_US)]
    )
    tree = read(to_html(period))
    assert "✕ bad" in text_of(tree)
    (lanes,) = drawings(tree, "State and gaps")
    (gap,) = [rect for rect in lanes.iter(f"{SVG}rect") if rect.get("class") == "f-gap"]
    (lane,) = [rect for rect in lanes.iter(f"{SVG}rect") if rect.get("class") == "f-lane"]
    assert (gap.get("x"), gap.get("width")) == (lane.get("x"), lane.get("width"))
    assert "2026-09-01T00:00:00Z – 2026-09-02T00:00:00Z" in text_of(gap)


def test_one_epoch():
    tree = read(to_html(station(minutes=1)))
    (score,) = drawings(tree, "Score")
    (line,) = [path for path in score.iter(f"{SVG}path") if path.get("class") == "line few"]
    assert re.fullmatch(r"M[\d.]+ [\d.]+h0", line.get("d"))


@pytest.mark.parametrize("interval_s", [30.0, 1.0])
def test_a_day_is_small_enough_to_send(interval_s):
    page = to_html(station(interval_s=interval_s))
    read(page)
    assert len(page.encode()) < 600_000


def test_more_rows_and_tracks_than_a_page_can_show_are_thinned_out():
    days = [station(begin_us=BEGIN_US + d * DAY_US, seed=d) for d in range(2)]
    two = combine(days)
    two.minutes.score[1777] = 10.0
    assert len(two.minutes.time_us) == 2880
    many = replace(
        two,
        sky=replace(
            two.sky,
            **{n: np.concatenate([getattr(two.sky, n)] * 4) for n in type(two.sky).__dataclass_fields__},
        ),
    )
    page = to_html(many)
    assert "Each point is the worst of 2" in page
    assert len(page.encode()) < 600_000
    # a single minute is the worst of its point: 10 of 100 between the places 92 and 8
    (score,) = drawings(read(page), "Score")
    (line,) = [path.get("d") for path in score.iter(f"{SVG}path") if path.get("class") == "line"]
    assert " 83.6L" in line


def test_a_month_is_a_calendar_of_days_and_hours():
    days = [station(begin_us=BEGIN_US + d * DAY_US, seed=d) for d in range(30)]
    month = combine(days)
    page = to_html(month)
    (calendar,) = drawings(read(page), "State of each hour")
    cells = {
        path.get("class"): path.get("d").count("z")
        for path in calendar.iter(f"{SVG}path")
        if path.get("class", "").startswith("f-")
    }
    states = month.minutes.state
    assert cells == {
        "f-good": int((states == 1).sum()),
        "f-degraded": int((states == 2).sum()),
        "f-bad": int((states == 3).sum()),
        "f-gap": int((month.minutes.epochs < month.minutes.epochs_expected).sum()),
    }
    assert sum(cells.values()) - cells["f-gap"] == 720
    assert {"09-01", "09-30"} <= {text_of(text) for text in calendar.iter(f"{SVG}text")}
    assert len(page.encode()) < 600_000


def test_minutes_of_a_long_period_are_put_into_hours_for_the_calendar():
    period = station(minutes=3 * 1440, faults=False)
    assert period.rows_s == 60
    (calendar,) = drawings(read(to_html(period)), "State of each hour")
    (good,) = [p for p in calendar.iter(f"{SVG}path") if p.get("class") == "f-good"]
    assert good.get("d").count("z") == 72


def test_satellites_that_were_expected_and_not_seen_are_marked():
    period = station()
    tree = read(to_html(period))
    gps = sky_of(tree, "GPS")
    classes = [path.get("class") for path in gps.iter(f"{SVG}path")]
    assert "unseen" in classes
    assert "Above 10°, but never seen: G07." in text_of(tree)
    seen = replace(period, sky=replace(period.sky, cn0_dbhz=np.full(len(period.sky.cn0_dbhz), 52.0)))
    tree = read(to_html(seen))
    assert "Every satellite above 10° was seen." in text_of(tree)
    gps = sky_of(tree, "GPS")
    tracks = {path.get("class") for path in gps.iter(f"{SVG}path")}
    assert tracks == {"grid", "track k5"}


def test_the_sky_is_seen_from_below_with_north_up():
    period = station(minutes=1)
    one = {
        "time_us": np.array([BEGIN_US] * 2),
        "system": np.zeros(2, np.uint8),
        "satellite": np.array([1, 2], np.uint8),
        "azimuth_deg": np.array([90.0, 0.0]),
        "elevation_deg": np.array([0.0, 45.0]),
        "cn0_dbhz": np.array([32.0, 47.0]),
    }
    tree = read(to_html(replace(period, sky=type(period.sky)(**one))))
    gps = sky_of(tree, "GPS")
    tracks = {p.get("class"): p.get("d") for p in gps.iter(f"{SVG}path") if "track" in p.get("class")}
    assert tracks == {"track k1 few": "M242 130h0", "track k4 few": "M130 74h0"}


def test_limits_are_drawn_where_they_are():
    (multipath,) = [
        svg for svg in drawings(read(to_html(station())), "Multipath") if svg.get("aria-label") == "Multipath"
    ]
    texts = [text for text in multipath.iter(f"{SVG}text") if text.get("class") == "limit-text"]
    assert [text_of(text) for text in texts] == ["degraded 0.75"]
    (line,) = [path for path in multipath.iter(f"{SVG}path") if path.get("class") == "limit"]
    y = float(re.match(r"M\S+ (\S+)H", line.get("d")).group(1))
    ticks = {
        float(text_of(t)): float(t.get("y")) - 3.5
        for t in multipath.iter(f"{SVG}text")
        if t.get("text-anchor") == "end" and t.get("class") == "tick" and text_of(t) != "UTC"
    }
    assert y == pytest.approx(ticks[0.5] + (ticks[1.0] - ticks[0.5]) * 0.5, abs=0.2)


def test_a_threshold_that_is_no_limit_is_drawn_too():
    period = station()
    reason = replace(period.reasons[0], threshold=0.6)
    tree = read(to_html(replace(period, reasons=[reason])))
    (multipath,) = [svg for svg in drawings(tree, "Multipath") if svg.get("aria-label") == "Multipath"]
    texts = [text_of(text) for text in multipath.iter(f"{SVG}text") if "limit" in text.get("class")]
    assert texts == ["degraded 0.75", "threshold 0.6"]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_texts_from_outside_stay_texts(text, language):
    reason = ReasonFigures(text, 1.0, BEGIN_US, BEGIN_US, text, text, 1.0, None)
    period = station(text, minutes=2, source=text, reasons=[reason], metadata={text: text}, problems=[text])
    period = replace(period, usable_epochs={text: 1}, position=replace(period.position, reference=text))
    plain = to_html(station("plain", minutes=2, metadata={"a": "b"}, problems=["c"]), language=language)
    tree = read(to_html(period, language=language))
    assert {element.tag for element in tree.iter()} <= {element.tag for element in read(plain).iter()} | {
        "br"
    }
    if text.isprintable() and "\u202e" not in text:
        names = [text_of(bdi) for bdi in tree.iter("bdi")]
        assert names.count(re.sub(r"\s+", " ", text)) == 7


def test_chinese_pages_have_chinese_words():
    english, chinese = to_html(station()), to_html(station(), language="zh")
    tree = read(chinese)
    assert tree.get("lang") == "zh-CN"
    for word in ("多路径", "周跳", "完整率", "信噪比", "卫星天空图", "历元", "数据中断", "高度角"):
        assert word in chinese, word
    heads = [text_of(h) for h in tree.iter("h2")] + [text_of(th) for th in tree.iter("th")]
    for head in heads:
        assert head == "o/slps" or re.search(r"[\u4e00-\u9fff]", head), head
    assert not re.search(r"[\u4e00-\u9fff]", english)


def test_other_languages_are_refused():
    with pytest.raises(ValueError, match='use "en" or "zh"'):
        to_html(empty(), language="de")


def test_wild_figures_do_no_harm():
    period = station(minutes=30)
    names = ("score", "observations_share", "satellites", "cn0_dbhz", "multipath_m", "latency_s")
    wild = np.array([np.nan, np.inf, -np.inf, 1e300, -1e300, 0.0] * 5)
    rows = replace(
        period.minutes,
        **dict.fromkeys(names, wild),
        state=np.full(30, 250, np.uint8),
        epochs=np.full(30, -5, np.int32),
    )
    tree = read(to_html(replace(period, minutes=rows, gaps=[(BEGIN_US, BEGIN_US + MINUTE_US)] * 2000)))
    assert "The 50 longest of 2000" in text_of(tree)
