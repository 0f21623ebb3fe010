"""What GNSS stations show of themselves, as datastreams: a row an indicator."""

from __future__ import annotations

from typing import NamedTuple

from storage.sta_query import SITE, Source


class Indicator(NamedTuple):
    """One indicator of stations."""

    id: str
    name: str
    unit: str
    """UCUM."""
    source: Source
    sql: str
    """Of the columns of a report (`e`) or of figures (`f`), as both databases read it."""
    description: str


INDICATORS = (
    Indicator("score", "Score", "1", "reports", "e.score", "0 to 100, of the last second."),
    Indicator("latency", "Latency", "s", "reports", "e.latency_100us / 10000.0", "From epoch to arrival."),
    Indicator("jitter", "Jitter", "s", "reports", "e.jitter_100us / 10000.0", "Of the latency."),
    Indicator(
        "completeness", "Completeness of epochs", "%", "reports",
        "100.0 * e.epochs / nullif(e.epochs_expected, 0)", "Epochs that came, of those expected.",
    ),
    Indicator("observations", "Observations", "1", "reports", "e.observations", "Signals that were tracked."),
    Indicator("satellites", "Satellites", "1", "reports", "e.satellites", "That were tracked."),
    Indicator("cn0", "C/N0", "dB[Hz]", "reports", "e.cn0_cdbhz / 100.0", "Mean over all signals."),
    Indicator("slips", "Cycle slips", "1", "reports", "e.slips", "In this second."),
    Indicator("multipath", "Multipath", "m", "reports", "e.multipath_100um / 10000.0", "RMS over signals."),
    Indicator(
        "expected_share", "Expected signals", "%", "figures", "f.expected_100ppm / 100.0",
        "Signals above 10 degrees that came, of those expected.",
    ),
    Indicator(
        "usable_share", "Usable epochs", "%", "figures", "f.usable_100ppm / 100.0",
        "Epochs with four satellites of two carriers of one system.",
    ),
    Indicator(
        "slip_rate", "Rate of cycle slips", "1", "figures", "f.slips_a_million / 1000.0",
        "For each thousand observations.",
    ),
    Indicator(
        "cn0_loss", "Loss of C/N0", "dB", "figures", "f.cn0_loss_cdb / 100.0",
        "Below this station's own at the same elevations.",
    ),
    Indicator(
        "roti", "Irregularity of the ionosphere", "{TECU}/min", "figures", "f.roti_100utecu_min / 10000.0",
        "ROTI, median over the satellites.",
    ),
    Indicator(
        "east", "Offset to the east", "m", "figures", "f.east_mm / 1000.0",
        "Mean of single-point positions, from the station's coordinates.",
    ),
    Indicator(
        "north", "Offset to the north", "m", "figures", "f.north_mm / 1000.0",
        "Mean of single-point positions, from the station's coordinates.",
    ),
    Indicator(
        "up", "Offset upwards", "m", "figures", "f.up_mm / 1000.0",
        "Mean of single-point positions, from the station's coordinates.",
    ),
)  # fmt: skip
NUMBERS = {indicator.id: number for number, indicator in enumerate(INDICATORS)}


def source_of(kind: int, indicator: int) -> Source:
    """Return where the observations of a datastream come from."""
    return "samples" if kind == SITE else INDICATORS[indicator].source


def table() -> str:
    """Return the indicators as SQL that selects them: constants of ours only."""
    rows = []
    for number, one in enumerate(INDICATORS):
        texts = (one.id, one.name, one.unit, one.description)
        quoted = ", ".join("'" + text.replace("'", "''") + "'" for text in texts)
        rows.append(f"({number}, {quoted})")
    return f"VALUES {', '.join(rows)}"


def result(source: Source) -> str:
    """Return the value of an indicator `i` in a row of a source, as SQL."""
    cases = " ".join(
        f"WHEN {number} THEN {one.sql}" for number, one in enumerate(INDICATORS) if one.source == source
    )
    return f"CASE i.number {cases} END"


def numbers(source: Source) -> str:
    """Return the numbers of a source's indicators, as SQL has a list."""
    return ", ".join(str(number) for number, one in enumerate(INDICATORS) if one.source == source)
