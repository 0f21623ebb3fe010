"""The tables of a station's page: reasons, signals, and what else is known."""

from __future__ import annotations

from typing import Any

from gnss.reports.elevation_plot import system_name
from gnss.reports.figures import Reason, Signals, StationReport
from gnss.reports.indicator_words import UNITS
from gnss.reports.markup import Child, Markup, join, outside, tag
from gnss.reports.numbers import NARROW, duration, number, share, when
from gnss.reports.page import cells, pairs, table
from gnss.reports.words import Words

MOST_GAPS = 50
MOST_JUMPS = 50


def reasons(figures: StationReport, words: Words) -> Markup:
    """Return why the verdicts were what they were, the longest first."""
    if not figures.reasons:
        return tag("p", words("no_reasons"), class_="muted")
    heads = [
        (words("reason"), True),
        (words("stood"), False),
        (words("worst"), False),
        (words("threshold"), False),
        (words("first_last"), True),
        (words("check"), True),
    ]
    rows = [
        cells(
            join(
                tag("b", words.indicator(one.code)), tag("br"), tag("span", outside(one.text), class_="muted")
            ),
            duration(one.seconds, words.units()),
            _value(one, one.worst_value),
            _value(one, one.threshold),
            join(when(one.first), tag("br"), when(one.last)),
            outside(words.check(one.code, one.check)),
            text=(0, 4, 5),
        )
        for one in figures.reasons
    ]
    return table(heads, rows)


def _value(reason: Reason, value: float | None) -> Markup:
    unit, digits = UNITS.get(reason.code, ("", 2))
    return share(value, digits) if unit == "%" else number(value, digits, unit)


def signals(figures: StationReport, words: Words) -> Markup:
    """Return a row for each signal, after those of each system its sum, and the sum of all."""
    if not figures.signals:
        return tag("p", words("no_signals"), class_="muted")
    names = (
        "system", "signal", "band", "observations", "share_horizon", "share_mask", "have_expected",
        "slips_lock_phase", "csr", "o_slps_title", "interruptions", "multipath_title", "cn0_title",
    )  # fmt: skip
    rows = []
    for system in figures.systems:
        rows += [_signal(one, words) for one in figures.signals if one.system == system.system]
        rows.append(_signal(system, words, "sum"))
    rows.append(_signal(figures.total, words, "total"))
    return table([(words(name), place < 3) for place, name in enumerate(names)], rows)


def _signal(one: Signals, words: Words, class_: str | None = None) -> Markup:
    name = words("all") if one.system is None else system_name(one.system)
    slips = one.lock_slips + one.phase_slips
    return cells(
        name,
        words("all") if one.signal is None and one.system is not None else (one.signal or ""),
        one.band or "",
        number(one.observations),
        share(one.share),
        share(one.share_above_mask),
        join(number(one.have_above_mask), " / ", number(one.expected_above_mask))
        if one.expected_above_mask
        else number(None),
        join(number(slips), f" ({one.lock_slips} + {one.phase_slips})"),
        number(one.slips_per_1000_observations, 2),
        number(one.observations_per_slip) if slips else words("no_slips"),
        number(one.interruptions),
        number(one.multipath_rms_m, 3),
        join(number(one.cn0_mean_dbhz, 1), " ± ", number(one.cn0_sd_dbhz, 1))
        if one.cn0_mean_dbhz is not None
        else number(None),
        text=(0, 1, 2),
        class_=class_,
    )


def details(figures: StationReport, words: Words) -> Markup:
    """Return what else is known: latency, frames, position, clock, gaps, metadata and problems."""
    return join(
        pairs(_facts(figures, words)),
        tag("h3", words("gaps")),
        _gaps(figures, words),
        *_told(figures, words),
    )


def _facts(figures: StationReport, words: Words) -> list[tuple[Child, Child]]:
    rows: list[tuple[Child, Child]] = [
        (
            words("usable_of", system=system_name(letter)),
            join(number(some.count), " (", share(some.share), ")"),
        )
        for letter, some in figures.usable_epochs.items()
    ]
    rows.append(
        (words("late"), join(number(figures.late_epochs), " / ", number(figures.out_of_order_epochs)))
    )
    if (latency := figures.latency) is not None:
        values = [
            number(latency[name], 2, "s") for name in ("median_s", "p95_s", "p99_s", "max_s", "jitter_s")
        ]
        approximate = None if latency["exact"] else " " + words("latency_approximate")
        rows.append((words("latency_all"), join(_listed(values), approximate)))
    if figures.frames or figures.bad_frames:
        values = [number(figures.frames), number(figures.bad_frames)]
        bad = (
            join(" (", share(figures.bad_frames_share), ")") if figures.bad_frames_share is not None else None
        )
        rows.append((words("frames"), join(_listed(values), bad)))
    if figures.messages:
        counts = [join(message, " × ", number(count)) for message, count in figures.messages.items()]
        rows.append((words("messages"), _listed(counts)))
    if (position := figures.position) is not None:
        rows.append(_position(position, words))
    if figures.clock_jumps:
        jumps = [
            join(when(one.time), " ", number(one.milliseconds, 0, "ms"))
            for one in figures.clock_jumps[:MOST_JUMPS]
        ]
        left = len(figures.clock_jumps) - MOST_JUMPS
        rows.append((words("clock_jumps"), join(_listed(jumps), f" … (+{left})" if left > 0 else None)))
    return rows


def _listed(values: list[Markup]) -> Markup:
    return join(*(join(", " if place else None, value) for place, value in enumerate(values)))


def _position(position: dict[str, Any], words: Words) -> tuple[Child, Child]:
    reference = position["reference"]
    name = words("position", reference=words(reference) if words.has(reference) else reference)
    values = [
        join(number(position[f"{axis}_m"], 2), f"{NARROW}±{NARROW}", number(position[f"{axis}_sd_m"], 2, "m"))
        for axis in ("east", "north", "up")
    ]
    return name, _listed(values)


def _gaps(figures: StationReport, words: Words) -> Markup:
    if not figures.gaps:
        return tag("p", words("no_gaps"), class_="muted")
    units = words.units()
    longest = sorted(figures.gaps, key=lambda gap: -gap.seconds)[:MOST_GAPS]
    rows = [
        cells(when(gap.begin), when(gap.end), duration(gap.seconds, units), text=(0, 1))
        for gap in sorted(longest, key=lambda gap: gap.begin)
    ]
    parts = words("gap_sum", count=len(figures.gaps), time="\0").split("\0")
    heads = [(words("begin"), True), (words("end"), True), (words("duration"), False)]
    shown = (
        words("longest_of", shown=MOST_GAPS, count=len(figures.gaps))
        if len(figures.gaps) > MOST_GAPS
        else None
    )
    return join(
        tag("p", parts[0], duration(figures.gaps_seconds, units), parts[1]),
        tag("p", shown, class_="note") if shown else None,
        table(heads, rows),
    )


def _told(figures: StationReport, words: Words) -> list[Markup]:
    parts = []
    if figures.metadata:
        rows = [(outside(name), outside(value)) for name, value in figures.metadata.items()]
        parts += [tag("h3", words("metadata")), pairs(rows)]
    if figures.problems:
        items = [tag("li", outside(problem)) for problem in figures.problems]
        parts += [tag("h3", words("problems")), tag("ul", *items)]
    return parts
