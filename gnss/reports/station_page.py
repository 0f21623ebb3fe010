"""The page of a station over a period."""

from __future__ import annotations

from collections.abc import Mapping

from gnss.quality.period import StationPeriod
from gnss.quality.score import Limit, default_limits
from gnss.reports.elevation_plot import elevation_plots
from gnss.reports.figures import StationReport
from gnss.reports.indicator_words import UNITS
from gnss.reports.markup import Child, Markup, outside, tag
from gnss.reports.numbers import number, plain_duration, plain_share, plain_when, share
from gnss.reports.page import GLYPHS, badge, page, section
from gnss.reports.report import report
from gnss.reports.series_plot import series_plots
from gnss.reports.sky_plot import sky_plots
from gnss.reports.state_plot import state_plot
from gnss.reports.station_tables import details, reasons, signals
from gnss.reports.verdicts import Checked
from gnss.reports.words import Language, Words


def to_html(
    period: StationPeriod, limits: Mapping[str, Limit] | None = None, language: Language = "en"
) -> str:
    """Return a report as one page that needs no scripts and no network, well-formed as HTML and as XML.

    Parameters
    ----------
    limits
        That the verdict rests upon, by indicator; they are drawn into the plots. The usual ones without it.
    language
        "en" or "zh"; reasons and problems come as they were told, in English.

    Raises
    ------
    ValueError
        The language is not there.
    """
    words = Words(language)
    limits = limits or default_limits()
    figures = report(period, limits)
    title = words("station_title", station=figures.station_id)
    parts: list[Child] = [_head(figures, words), section(words("reasons"), reasons(figures, words))]
    came = figures.verdict.came
    if came or figures.gaps or len(period.minutes.time_us):
        parts.append(
            section(words("timeline"), state_plot(period, words), series_plots(period, limits, words))
        )
    if (sky := sky_plots(period, words)) is not None:
        parts.append(section(words("sky"), sky))
    if (curves := elevation_plots(figures.elevation, limits, words)) is not None:
        parts.append(section(words("by_elevation"), curves))
    parts.append(section(words("by_signal"), signals(figures, words)))
    parts.append(section(words("details"), details(figures, words)))
    parts.append(_how(limits, words))
    return page(title, words, *parts)


def _head(figures: StationReport, words: Words) -> Markup:
    units = words.units()
    verdict = figures.verdict
    line = [
        words(
            "period",
            begin=plain_when(figures.begin),
            end=plain_when(figures.end),
            duration=plain_duration(figures.duration_s, units),
        )
    ]
    if figures.interval_s is not None:
        line.append(words("interval", interval=f"{figures.interval_s:g}"))
    return tag(
        "header",
        tag("h1", outside(figures.station_id), badge(verdict.state, words)),
        tag("p", " · ".join(line), class_="muted"),
        tag("p", words("source"), outside(_shortened(figures.source)), class_="muted"),
        tag("p", lead(figures, words), class_="lead"),
        tag("div", *_tiles(figures, words), class_="tiles") if verdict.came else None,
    )


def _shortened(source: str) -> str:
    """Return the first and last of many files."""
    names = source.split("; ")
    return source if len(names) <= 4 else f"{names[0]}; … ({len(names)}); {names[-1]}"


def lead(figures: StationReport, words: Words) -> str:
    """Return the verdict in sentences."""
    verdict = figures.verdict
    told = []
    if not verdict.came:
        told.append(words("lead_nothing"))
    elif verdict.because:
        names = [_in_sentence(words(code)) for code in verdict.because]
        told.append(words("lead_because", what=words("listed").join(names)))
    else:
        told.append(words("lead_good" if verdict.state == "good" else "lead_unknown"))
    parts = figures.state_share
    if any(part is not None for part in parts.values()):
        shown = {state: f"{plain_share(part or 0.0, 1)} %" for state, part in parts.items()}
        told.append(words("lead_time", **shown))
    if figures.reasons:
        longest = figures.reasons[0]
        time = plain_duration(longest.seconds, words.units())
        told.append(words("lead_reason", reason=words.indicator(longest.code), time=time))
    return " ".join(told) if words.language == "en" else "".join(told)


def _in_sentence(name: str) -> str:
    return name[:1].lower() + name[1:] if name[:2] != name[:2].upper() else name


def _tiles(figures: StationReport, words: Words) -> list[Markup]:
    checked = {one.code: one for one in figures.checked}
    total, latency = figures.total, figures.latency
    came = words("of_expected", some=figures.epochs, all=figures.epochs_expected)
    signals_came = words("of_expected", some=total.have_above_mask, all=total.expected_above_mask)
    more = {
        "epochs": [came],
        "expected": [signals_came] if total.expected_above_mask else [],
        "latency": [words("p95", value=f"{latency['p95_s']:.2f}", most=f"{latency['max_s']:.1f}")]
        if latency is not None and latency["p95_s"] is not None and latency["max_s"] is not None
        else [],
    }
    tiles = []
    for code, value in (
        ("time_good", None),
        ("epochs", None),
        ("usable", None),
        ("expected", None),
        ("slips", number(total.slips_per_1000_observations, 2)),
        ("multipath", number(total.multipath_rms_m, 3, "m")),
        ("cn0", number(total.cn0_mean_dbhz, 1, "dB-Hz")),
        ("latency", number(latency["median_s"] if latency else None, 2, "s")),
        ("frame_errors", None),
    ):
        if code == "slips":
            if total.observations == 0:
                continue
            per_slip = total.observations_per_slip
            o_slps = words("no_slips") if per_slip is None else words("o_slps", value=f"{per_slip:.0f}")
            tiles.append(_tile(None, words("slips"), value, [o_slps, words("igs_slips")]))
        elif code in checked:
            one = checked[code]
            is_share = value is None
            shown = share(one.value) if is_share else value
            tiles.append(_tile(one, words(code), shown, [*more.get(code, []), _limit(one, is_share, words)]))
    return tiles


def _limit(one: Checked, is_share: bool, words: Words) -> str:
    unit, _ = UNITS.get(one.code, ("", 0))
    text = f"{plain_share(one.degraded, 0)} %" if is_share else f"{one.degraded:g} {unit}"
    return words("limit_high" if one.bad > one.degraded else "limit_low", limit=text)


def _tile(one: Checked | None, name: str, value: Markup | None, notes: list[str]) -> Markup:
    mark = tag("span", " " + GLYPHS[one.state], class_=one.state) if one is not None else None
    return tag(
        "div",
        tag("span", name),
        tag("b", value, mark),
        *(tag("span", note) for note in notes),
        class_=f"tile is-{one.state}" if one is not None else "tile",
    )


def _how(limits: Mapping[str, Limit], words: Words) -> Markup:
    epochs = limits["epochs"]
    told = words("how_verdict", good=f"{100 * epochs.degraded:g} %", bad=f"{100 * (1 - epochs.bad):g} %")
    return section(words("how"), tag("p", told, class_="note"), tag("p", words("how_terms"), class_="note"))
