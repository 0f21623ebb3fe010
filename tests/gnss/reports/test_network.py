import csv
import json
import math

import pytest

from gnss.reports import network_csv, network_html, network_json, to_json
from tests.gnss.reports.hostile import TEXTS
from tests.gnss.reports.invented import empty, network, station
from tests.gnss.reports.reading import SVG, drawings, read, rows_of, text_of


@pytest.fixture(scope="module")
def periods():
    return network()


def test_the_worst_come_first(periods):
    told = json.loads(network_json(periods))
    states = [row["state"] for row in told["stations"]]
    assert states == sorted(states, key=["bad", "degraded", "unknown", "good"].index)
    assert told["stations"][0]["station_id"] == "DEAD"
    assert told["stations_by_state"] == {
        state: states.count(state) for state in ("bad", "degraded", "unknown", "good")
    }
    assert sum(told["stations_by_state"].values()) == 40
    assert json.loads(network_json(periods[::-1])) == told


def test_figures_are_those_of_the_stations(periods):
    rows = {row["station_id"]: row for row in json.loads(network_json(periods))["stations"]}
    for period in periods[:5]:
        own, row = json.loads(to_json(period)), rows[period.station_id]
        assert row["state"] == own["verdict"]["state"]
        assert row["epochs_share"] == own["epochs_share"]
        assert row["good_share"] == own["state_share"]["good"]
        assert row["latency_p95_s"] == own["latency"]["p95_s"]
        for name in ("share_above_mask", "multipath_rms_m", "observations_per_slip", "cn0_mean_dbhz"):
            assert row[name] == own["total"][name]
        assert row["reasons"] == [reason["code"] for reason in own["reasons"]]


def test_the_spread_is_that_of_the_rows(periods):
    told = json.loads(network_json(periods))
    values = sorted(row["multipath_rms_m"] for row in told["stations"] if row["multipath_rms_m"] is not None)
    assert told["spread"]["multipath_rms_m"] == {
        "stations": len(values),
        "best": values[0],
        "median": (values[18] + values[19]) / 2,
        "worst": values[-1],
    }
    slips = [row["observations_per_slip"] for row in told["stations"] if row["observations_per_slip"]]
    assert told["spread"]["observations_per_slip"]["worst"] == min(slips)


def test_the_table_has_the_numbers_of_the_json(periods):
    told = json.loads(network_json(periods))
    rows = list(csv.DictReader(network_csv(periods).splitlines()))
    assert len(rows) == 40
    for row, expected in zip(rows, told["stations"], strict=True):
        assert list(row) == list(expected)
        for name, value in expected.items():
            text = (
                " ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
            )
            assert row[name] == text


def test_the_page_has_the_numbers_of_the_json(periods):
    told = json.loads(network_json(periods))
    rows = rows_of(read(network_html(periods)), "Stations, the worst first")
    for cells, row in zip(rows, told["stations"], strict=True):
        assert cells[0][0] == row["station_id"]
        assert cells[1][0].endswith(row["state"])
        figures = [values[0] if values else None for _, values in cells[3:10]]
        assert figures == [
            row["score"], row["epochs_share"], row["share_above_mask"], row["slips_per_1000_observations"],
            row["observations_per_slip"], row["multipath_rms_m"], row["cn0_mean_dbhz"],
        ]  # fmt: skip


def test_the_distributions_count_every_station(periods):
    told = json.loads(network_json(periods))
    tree = read(network_html(periods))
    for title, name in (
        ("Completeness of epochs", "epochs_share"),
        ("Signals above 10°", "share_above_mask"),
        ("Multipath RMS", "multipath_rms_m"),
        ("Observations per slip", "observations_per_slip"),
        ("Median latency", "latency_median_s"),
    ):
        (svg,) = drawings(tree, title)
        bars = [rect for rect in svg.iter(f"{SVG}rect") if rect.get("class") == "f-bar"]
        counts = [int(text_of(bar).split(":")[0]) for bar in bars]
        assert sum(counts) == sum(row[name] is not None for row in told["stations"]), name
        assert [path for path in svg.iter(f"{SVG}path") if path.get("class") == "limit"], name


def test_a_bar_stands_where_its_figure_is():
    some = [station("A", minutes=600, faults=False)]
    value = json.loads(network_json(some))["stations"][0]["observations_per_slip"]
    (svg,) = drawings(read(network_html(some)), "Observations per slip")
    (bar,) = [rect for rect in svg.iter(f"{SVG}rect") if rect.get("class") == "f-bar"]
    x = 36 + (490 - 36) * math.log10(value / 50) / 2
    assert float(bar.get("x")) - 1 <= x <= float(bar.get("x")) + float(bar.get("width")) + 2


def test_yardsticks_name_their_sources(periods):
    english, chinese = (
        text_of(read(network_html(periods))),
        text_of(read(network_html(periods, language="zh"))),
    )
    for source in (
        "IGS network statistics",
        "EPN (epncb.oma.be)",
        "site test of reference stations in China",
    ):
        assert source in english
    for source in ("IGS 站网统计", "中国基准站选址测试要求"):
        assert source in chinese


def test_links_lead_to_the_stations(periods):
    tree = read(network_html(periods[:2], links={"S001": 'S001.html?a="1"&b=<2>'}))
    (link,) = list(tree.iter("a"))
    assert (link.get("href"), text_of(link)) == ('S001.html?a="1"&b=<2>', "S001")


@pytest.mark.parametrize("periods", [[], [empty()], [station(minutes=1)]])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_small_networks(periods, language):
    told = json.loads(network_json(periods))
    assert len(told["stations"]) == len(periods)
    read(network_html(periods, language=language))
    assert network_csv(periods).count("\r\n") == 1 + len(periods)


def test_names_from_outside_stay_names():
    periods = [empty(f"{text}{number}") for number, text in enumerate(TEXTS)]
    tree = read(network_html(periods, links={periods[0].station_id: periods[0].station_id}))
    assert len(rows_of(tree, "Stations, the worst first")) == len(TEXTS)
    assert "<script>alert(1)</script>0" in [text_of(bdi) for bdi in tree.iter("bdi")]


def test_a_station_with_several_periods_is_refused():
    with pytest.raises(ValueError, match="combine them first"):
        network_json([empty("A"), empty("A")])
