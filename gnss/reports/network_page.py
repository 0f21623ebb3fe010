"""The page of the network over a period."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gnss.quality.period import StationPeriod
from gnss.quality.score import Limit, default_limits
from gnss.reports.histogram_plot import Axis, Yardstick, histogram
from gnss.reports.markup import Markup, join, outside, tag
from gnss.reports.network import NetworkReport, StationRow, network_report
from gnss.reports.numbers import duration, number, plain_duration, plain_share, plain_when, share
from gnss.reports.page import cells, page, section, state_word, table
from gnss.reports.verdicts import WORST_FIRST
from gnss.reports.words import Language, Words

MOST_REASONS = 3
_IGS = "IGS network statistics (kb.igs.org, CSR, MP1 and MP2 of teqc)"
_IGS_ZH = "IGS 站网统计（kb.igs.org，teqc 的 CSR、MP1、MP2）"
_EPN = "EPN (epncb.oma.be): above 90 % good, 80 to 90 % amber"
_EPN_ZH = "EPN（epncb.oma.be）：高于 90 % 良好，80–90 % 黄色"
_ASKED = ("commonly asked of reference stations", "对基准站的常见要求")
_SITE = ("site test of reference stations in China, as quoted by others", "中国基准站选址测试要求（转引）")
_YARDSTICKS = {
    "epochs_share": (
        Yardstick(95.0, "95 %", _ASKED),
        Yardstick(90.0, "90 %", (_EPN, _EPN_ZH)),
        Yardstick(80.0, "80 %", (_EPN, _EPN_ZH)),
    ),
    "share_above_mask": (
        Yardstick(90.0, "90 %", (_EPN, _EPN_ZH)),
        Yardstick(85.0, "85 %", _SITE),
        Yardstick(80.0, "80 %", (_EPN, _EPN_ZH)),
    ),
    "multipath_rms_m": (
        Yardstick(
            0.5,
            "0.5 m",
            (f"two thirds of MP1, {_IGS}; {_SITE[0]}", f"三分之二测站的 MP1，{_IGS_ZH}；{_SITE[1]}"),
        ),
        Yardstick(0.75, "0.75 m", (f"two thirds of MP2, {_IGS}", f"三分之二测站的 MP2，{_IGS_ZH}")),
    ),
    "observations_per_slip": (
        Yardstick(
            200.0, "200", (f"half of the stations (CSR < 5), {_IGS}", f"半数测站（CSR < 5），{_IGS_ZH}")
        ),
        Yardstick(100.0, "100", (f"two thirds (CSR < 10), {_IGS}", f"三分之二测站（CSR < 10），{_IGS_ZH}")),
    ),
}
_PLOTS = (
    ("epochs_share", "hist_epochs", Axis(90.0, 100.0, 75.0, 100.0), 100.0, "right_good"),
    ("share_above_mask", "hist_expected", Axis(75.0, 100.0, 40.0, 100.0), 100.0, "right_good"),
    ("multipath_rms_m", "hist_multipath", Axis(0.0, 1.0, 0.0, 3.0), 1.0, "left_good"),
    ("observations_per_slip", "hist_o_slps", Axis(50.0, 5_000.0, 1.0, 1e6, is_log=True), 1.0, "right_good"),
    ("latency_median_s", "hist_latency", Axis(0.0, 2.5, 0.0, 30.0), 1.0, "left_good"),
)


def network_html(
    periods: Iterable[StationPeriod],
    limits: Mapping[str, Limit] | None = None,
    language: Language = "en",
    links: Mapping[str, str] | None = None,
) -> str:
    """Return the report of many stations, one period each, as one page.

    Parameters
    ----------
    limits
        That the verdicts rest upon, by indicator; the usual ones without it.
    language
        "en" or "zh".
    links
        Where a station's own page stands, by station.

    Raises
    ------
    ValueError
        A station has several periods, or the language is not there.
    """
    words = Words(language)
    limits = limits or default_limits()
    figures = network_report(periods, limits)
    parts = [_head(figures, words)]
    if figures.stations:
        parts += [
            section(words("stations"), _stations(figures.stations, words, links or {})),
            section(words("spread"), tag("div", *_spread(figures, limits, words), class_="row two")),
        ]
    parts.append(section(words("how"), tag("p", words("how_terms"), class_="note")))
    return page(words("network_title"), words, *parts, is_broad=True)


def _head(figures: NetworkReport, words: Words) -> Markup:
    if figures.begin is None:
        return tag("header", tag("h1", words("network_title")), tag("p", words("no_stations"), class_="lead"))
    counts = [
        tag("div", tag("span", state_word(state, words)), tag("b", number(count)), class_=f"tile is-{state}")
        for state, count in figures.stations_by_state.items()
    ]
    return tag(
        "header",
        tag("h1", words("network_title")),
        tag(
            "p",
            f"{plain_when(figures.begin)} – {plain_when(figures.end or figures.begin)} (UTC) · ",
            words("stations_count", count=len(figures.stations)),
            class_="muted",
        ),
        tag("div", *counts, class_="tiles"),
    )


def _stations(rows: Sequence[StationRow], words: Words, links: Mapping[str, str]) -> Markup:
    names = (
        "station", "state", "state_time", "score_title", "epochs_title", "share_mask", "csr", "o_slps_title",
        "multipath_title", "cn0_short", "latency_title", "gaps_title", "reasons_title",
    )  # fmt: skip
    is_text = {"station", "state", "state_time", "reasons_title"}
    return table(
        [(words(name), name in is_text) for name in names], [_station(row, words, links) for row in rows]
    )


def _station(row: StationRow, words: Words, links: Mapping[str, str]) -> Markup:
    name = outside(row.station_id)
    units = words.units()
    gaps = (
        join(number(row.gaps), " (", duration(row.longest_gap_seconds, units), ")") if row.gaps else number(0)
    )
    return cells(
        tag("a", name, href=links[row.station_id]) if row.station_id in links else name,
        state_word(row.state, words),
        _split(row, words),
        number(row.score),
        share(row.epochs_share),
        share(row.share_above_mask),
        number(row.slips_per_1000_observations, 2),
        words("no_slips") if row.slips_per_1000_observations == 0 else number(row.observations_per_slip),
        number(row.multipath_rms_m, 2),
        number(row.cn0_mean_dbhz, 1),
        join(number(row.latency_median_s, 2), " / ", number(row.latency_p95_s, 2)),
        gaps,
        _reasons(row, words),
        text=(0, 1, 2, 12),
    )


def _reasons(row: StationRow, words: Words) -> Markup | str:
    if not row.reasons:
        if row.epochs == 0:
            return words("lead_nothing")
        return words("listed").join(words(code) for code in row.because)
    told = [
        f"{words.indicator(code)} ({plain_duration(seconds, words.units())})"
        for code, seconds in zip(row.reasons[:MOST_REASONS], row.reason_seconds, strict=False)
    ]
    left = len(row.reasons) - MOST_REASONS
    return words("listed").join(told) + (f" … (+{left})" if left > 0 else "")


def _split(row: StationRow, words: Words) -> Markup | None:
    """Return a bar that is split by the time in each state."""
    shares = {state: getattr(row, f"{state}_share") for state in WORST_FIRST}
    if all(one is None for one in shares.values()):
        return number(None)
    told = words("listed").join(
        f"{words(state)} {plain_share(one, 1)} %" for state, one in shares.items() if one
    )
    bars, x = [], 0.0
    for state, one in shares.items():
        if one:
            width = max(90.0 * one, 1.0)
            bars.append(tag("rect", x=x, y=2, width=width, height=10, class_=f"f-{state}"))
            x += width
    return tag(
        "svg",
        tag("title", told),
        *bars,
        viewBox="0 0 90 14",
        role="img",
        aria_label=told,
        class_="split",
        xmlns="http://www.w3.org/2000/svg",
    )


def _spread(figures: NetworkReport, limits: Mapping[str, Limit], words: Words) -> list[Markup]:
    own = ("limit of this network's verdicts", "本站网评定限值")
    latency = Yardstick(limits["latency"].degraded, f"{limits['latency'].degraded:g} s", own)
    plots = []
    for name, title, axis, factor, direction in _PLOTS:
        values = [
            (row.station_id, value * factor)
            for row in figures.stations
            if (value := getattr(row, name)) is not None
        ]
        median = figures.spread[name].median
        note = [words("spread_none")]
        if median is not None:
            shown = plain_share(median) + " %" if factor == 100.0 else f"{median:.3g}"
            note = [words("spread_note", count=len(values), median=shown), words(direction)]
        if name == "observations_per_slip":
            without = sum(row.slips_per_1000_observations == 0 for row in figures.stations)
            if without:
                note.append(words("without_slips", count=without))
        if any(not axis.least <= value <= axis.most for _, value in values):
            note.append(words("outer_bars"))
        yardsticks = _YARDSTICKS.get(name, (latency,))
        plots.append(histogram(words(title), " ".join(note), values, axis, yardsticks, words))
    return plots
