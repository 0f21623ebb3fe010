"""The monthly report as a page that needs nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from dashboards.service.figures import AlertCounts, NamedUsage, ServiceReport, Sessions, StationRow
from dashboards.service.plots import shares
from dashboards.service.words import ServiceWords
from gnss.reports.markup import Child, Markup, join, outside, tag
from gnss.reports.numbers import duration, number, share
from gnss.reports.page import cells, page, section, table
from gnss.reports.words import Language

MOST_ROWS = 20
"""Of a list on the page; the tables have all."""
_GB = 1e9


def to_html(report: ServiceReport, language: Language = "en", links: Mapping[str, str] | None = None) -> str:
    """Return the page.

    Parameters
    ----------
    links
        Where a station's own report stands, by station.

    Raises
    ------
    ValueError
        The language is not there.
    """
    words = ServiceWords(language)
    parts = [
        _head(report, words),
        _notes(report, words),
        _network(report, words, links or {}),
        _users(report, words),
        _sensors(report, words),
        _alerts(report, words),
        _calls(report, words),
    ]
    return page(words("title", month=report.month), words, *parts, is_broad=True)


def _head(report: ServiceReport, words: ServiceWords) -> Markup:
    of_all = next((one for one in report.calls.answers if not one.of), None)
    sessions = report.sessions
    tiles: Sequence[tuple[str, Markup]] = (
        ("service_share", share(report.availability.service_share)),
        ("network_share", share(report.availability.epochs_share)),
        ("series_share", share(report.sensors.completeness)),
        ("sessions", number(None if sessions is None else sessions.total.sessions)),
        ("hours", number(None if sessions is None else sessions.total.hours)),
        ("volume", number(None if sessions is None else sessions.total.n_bytes / _GB, 2, "GB")),
        ("alerts", number(report.alerts.total.alerts)),
        ("p90", duration(None if of_all is None else of_all.p90_s, words.units())),
    )
    told = words(
        "span", begin=_time(report.begin), end=_time(report.end), zone=words(report.zone),
        made=_time(report.made), program=report.program,
    )  # fmt: skip
    return tag(
        "header",
        tag("h1", words("title", month=report.month)),
        tag("p", told, class_="muted"),
        tag(
            "div",
            *(tag("div", tag("span", words(name)), tag("b", value), class_="tile") for name, value in tiles),
            class_="tiles",
        ),
    )


def _notes(report: ServiceReport, words: ServiceWords) -> Markup | None:
    if not report.notes:
        return None
    told = [
        words(note.code) if note.value is None else words(note.code, value=f"{note.value:,.0f}")
        for note in report.notes
    ]
    return section(words("notes"), tag("ul", *(tag("li", one) for one in told)))


def _network(report: ServiceReport, words: ServiceWords, links: Mapping[str, str]) -> Markup:
    told = report.availability
    if not told.stations:
        return section(words("network"), tag("p", words("no_stations")))
    plots = (
        shares(words("days_title"), words("near_100"), [(one.day, one.epochs_share) for one in told.days]),
        shares(
            words("months_title"), words("near_100"), [(one.month, one.epochs_share) for one in told.months]
        ),
    )
    heads = _heads(words, "begin end duration", text=2)
    missed = [
        cells(_time(one.begin), _time(one.end), duration(one.seconds, words.units()), text=(0, 1))
        for one in told.outages[:MOST_ROWS]
    ]
    return section(
        words("network"),
        tag("div", *plots, class_="row two"),
        tag("h3", words("outages")),
        table(heads, missed) if missed else tag("p", words("no_outages")),
        _more(len(told.outages), words),
        tag("h3", words("worst_stations")),
        tag("p", words("unheard", count=told.unheard)) if told.unheard else None,
        _stations(report.stations[:MOST_ROWS], words, links),
        _more(len(report.stations), words),
    )


def _stations(rows: Sequence[StationRow], words: ServiceWords, links: Mapping[str, str]) -> Markup:
    heads = _heads(words, "station share epochs_came expected judged good degraded bad unknown latency_mean")
    made = []
    for row in rows:
        name = outside(row.station_id)
        made.append(
            cells(
                tag("a", name, href=links[row.station_id]) if row.station_id in links else name,
                share(row.epochs_share), number(row.epochs), number(row.epochs_expected),
                share(row.judged_share), share(row.good_share), share(row.degraded_share),
                share(row.bad_share), share(row.unknown_share), number(row.latency_mean_s, 2), text=(0,),
            )
        )  # fmt: skip
    return table(heads, made)


def _users(report: ServiceReport, words: ServiceWords) -> Markup:
    users = report.users
    rows: list[tuple[Child, Child]] = [
        (words("accounts"), number(users.accounts_with_sessions)),
        (words("people"), number(users.people_with_changes)),
        (words("changes"), number(users.changes)),
        (words("refused"), number(users.refused)),
    ]
    for role, count in (users.accounts_by_role or {}).items():
        rows.append((f"{words('accounts_by_role')}: {role}", number(count)))
    pairs = tag("dl", *(join(tag("dt", name), tag("dd", value)) for name, value in rows))
    if report.sessions is None:
        return section(words("users"), pairs)
    return section(words("users"), pairs, *_sessions(report.sessions, words))


def _sessions(sessions: Sessions, words: ServiceWords) -> Iterable[Markup | None]:
    groups: Sequence[tuple[str, list[NamedUsage], Callable[[str], str]]] = (
        ("by_kind", sessions.by_kind, lambda name: words(f"kind_{name}")),
        ("by_region", sessions.by_region, lambda name: name or words("here")),
        ("by_mountpoint", sessions.by_mountpoint, lambda name: name),
        ("by_account", sessions.by_account, lambda name: name or words("open_to_all")),
    )
    heads = _heads(words, "name count hours_head volume accounts_head fixed")
    for title, some, shown in groups:
        rows = [
            cells(
                outside(shown(one.name)), number(one.usage.sessions), number(one.usage.hours, 1),
                number(one.usage.n_bytes / _GB, 3, "GB"), number(one.usage.accounts),
                share(one.usage.fixed_share, 1), text=(0,),
            )
            for one in some[:MOST_ROWS]
        ]  # fmt: skip
        if rows:
            yield tag("h3", words(title))
            yield table(heads, rows)
            yield _more(len(some), words)


def _sensors(report: ServiceReport, words: ServiceWords) -> Markup | None:
    told = report.sensors
    if not told.series:
        return None
    is_zh = words.language == "zh"
    heads = _heads(
        words, "property series silent samples share good_flag suspect_flag failed_flag missing_flag"
    )
    rows = [
        cells(
            outside(one.name_zh if is_zh and one.name_zh else one.name), number(one.series),
            number(one.silent), number(one.samples), share(one.completeness), share(one.good_share),
            share(one.suspect_share), share(one.failed_share), share(one.missing_share), text=(0,),
        )
        for one in told.properties
    ]  # fmt: skip
    worst = [
        cells(
            outside(one.datastream_id), share(one.completeness), number(one.samples), number(one.expected),
            share(one.good_share), text=(0,),
        )
        for one in report.series[:MOST_ROWS]
    ]  # fmt: skip
    of_worst = _heads(words, "series share samples expected good_flag")
    return section(
        words("sensors"),
        table(heads, rows),
        tag("h3", words("worst_series")),
        table(of_worst, worst),
        _more(told.series, words),
    )


def _alerts(report: ServiceReport, words: ServiceWords) -> Markup:
    told = report.alerts
    historic = tag("p", words("historic", count=told.historic), class_="note") if told.historic else None
    if not told.total.alerts:
        return section(words("alerts"), tag("p", words("no_alerts")), historic)
    groups: Sequence[tuple[str, list[AlertCounts], Callable[[str], str]]] = (
        ("level", told.by_level, words),
        ("rule", told.by_rule, lambda name: name),
        ("region", told.by_region, lambda name: name or words("here")),
    )
    parts = []
    for title, some, shown in groups:
        heads = _heads(
            words, f"{title} alerts acknowledged ended declined silenced still_open until_acknowledged"
        )
        rows = [
            cells(
                outside(shown(one.name)), number(one.alerts), number(one.acknowledged), number(one.ended),
                number(one.declined), number(one.silenced), number(one.open),
                duration(one.median_acknowledge_s, words.units()), text=(0,),
            )
            for one in some[:MOST_ROWS]
        ]  # fmt: skip
        parts += [table(heads, rows), _more(len(some), words)]
    return section(words("alerts"), *parts, historic)


def _calls(report: ServiceReport, words: ServiceWords) -> Markup:
    told, units = report.calls, words.units()
    parts: list[Markup | None] = []
    if told.channels:
        heads = _heads(words, "channel attempts delivered answered failed withdrawn")
        rows = [
            cells(
                outside(one.channel), number(one.attempts), number(one.delivered), number(one.answered),
                number(one.failed), number(one.withdrawn), text=(0,),
            )
            for one in told.channels
        ]  # fmt: skip
        parts.append(table(heads, rows))
    if told.answers:
        heads = _heads(words, "level called answered unreachable in_time median p90_head p95_head")
        rows = [
            cells(
                words(one.of or "all"), number(one.called), number(one.answered), number(one.unreachable),
                share(one.in_time_share, 1), duration(one.median_s, units), duration(one.p90_s, units),
                duration(one.p95_s, units), text=(0,),
            )
            for one in told.answers
        ]  # fmt: skip
        parts.append(table(heads, rows))
    if report.webhooks:
        heads = _heads(words, "webhook steps delivered given_up pending delay_mean delay_max")
        rows = [
            cells(
                outside(one.webhook_id), number(one.steps), number(one.delivered), number(one.given_up),
                number(one.pending), duration(one.delay_mean_s, units), duration(one.delay_max_s, units),
                text=(0,),
            )
            for one in report.webhooks
        ]  # fmt: skip
        parts += [tag("h3", words("webhooks")), table(heads, rows)]
    return section(words("calls"), *(parts or [tag("p", words("no_calls"))]))


def _heads(words: ServiceWords, names: str, text: int = 1) -> list[tuple[str, bool]]:
    """Return heads of columns by names divided by blanks, of which the first hold text."""
    return [(words(name), place < text) for place, name in enumerate(names.split())]


def _more(count: int, words: ServiceWords) -> Markup | None:
    return tag("p", words("more", count=count - MOST_ROWS), class_="note") if count > MOST_ROWS else None


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}"
