"""Small RINEX files made by hand."""

from __future__ import annotations


def head(*lines: tuple[str, str]) -> str:
    return "".join(f"{text:60}{label}\n" for text, label in (*lines, ("", "END OF HEADER")))


def field(value: float | None, indicator: int | None = None, strength: int | None = None) -> str:
    shown = " " * 14 if value is None else f"{value:14.3f}"
    return (
        shown
        + ("" if indicator is None else str(indicator)).rjust(1)
        + ("" if strength is None else str(strength)).rjust(1)
    )


HEAD_3 = head(
    ("     3.05           OBSERVATION DATA    M", "RINEX VERSION / TYPE"),
    ("SITE", "MARKER NAME"),
    ("G    4 C1C L1C D1C S1C", "SYS / # / OBS TYPES"),
    ("R    2 C1C L1C", "SYS / # / OBS TYPES"),
    ("C    2 C2I L2I", "SYS / # / OBS TYPES"),
    ("  2024     3     1     0     0    0.0000000     GPS", "TIME OF FIRST OBS"),
    ("  1 R07  5", "GLONASS SLOT / FRQ #"),
)


def epoch_3(second: int, *lines: str, flag: int = 0, count: int | None = None, clock: str = "") -> str:
    shown = len(lines) if count is None else count
    text = f"> 2024 03 01 00 00 {second:02d}.0000000  {flag}{shown:3d}" + (f"{'':6}{clock}" if clock else "")
    return "".join(f"{line}\n" for line in (text, *lines))


def gps_3(number: int, range_m: float, indicator: int = 0) -> str:
    """Return a line of HEAD_3 with range, phase, Doppler and strength."""
    values = field(range_m), field(range_m * 5, indicator), field(-1234.567), field(45.25)
    return f"G{number:02d}" + "".join(values)


def sample_3(epochs: int = 6, satellites: int = 5) -> str:
    """Return a file in which each value tells its epoch and satellite."""
    text = HEAD_3
    for e in range(epochs):
        lines = [gps_3(s, 20e6 + 1000 * e + s) for s in range(1, satellites + 1)]
        lines.append(f"R07{field(21e6 + 1000 * e + 7)}{field(110e6 + e)}")
        text += epoch_3(e, *lines)
    return text


HEAD_2 = head(
    ("     2.11           OBSERVATION DATA    M", "RINEX VERSION / TYPE"),
    ("     7    C1    L1    D1    S1    P2    L2    C5", "# / TYPES OF OBSERV"),
    ("  2004     3     1     0     0    0.0000000     GPS", "TIME OF FIRST OBS"),
)


def epoch_2(second: int, names: list[str], *, flag: int = 0, clock: str = "") -> str:
    text = f" 04  3  1  0  0 {second:2d}.0000000  {flag}{len(names):3d}" + "".join(names[:12])
    text = text.ljust(68) + clock if clock else text
    for at in range(12, len(names), 12):
        text += "\n" + " " * 32 + "".join(names[at : at + 12])
    return text + "\n"


def values_2(range_m: float) -> str:
    """Return the two lines of HEAD_2: C1 L1 D1 S1 P2, L2 C5."""
    first = (field(range_m), field(range_m * 5, 1), field(500.25), field(40.0), field(range_m + 2))
    return "".join(first) + "\n" + field(range_m * 4, 2) + field(range_m + 5) + "\n"


def sample_2(epochs: int = 5, satellites: int = 14) -> str:
    names = [f"G{s:02d}" if s != 3 else "  3" for s in range(1, satellites + 1)]
    text = HEAD_2
    for e in range(epochs):
        text += epoch_2(e, names) + "".join(values_2(20e6 + 1000 * e + s) for s in range(1, satellites + 1))
    return text
