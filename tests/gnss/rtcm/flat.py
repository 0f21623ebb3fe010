"""Messages as rows of plain values, in the order in which they are sent: ours, and what pyrtcm reads."""

from __future__ import annotations

from typing import Any

from pyrtcm import RTCMMessage

from gnss.rtcm.messages import Message

INTERVALS_S = (1, 2, 5, 10, 15, 30, 60, 120, 240, 300, 600, 900, 1800, 3600, 7200, 10800)

TEXT_COUNTERS = {"DF029", "DF032", "DF227", "DF229", "DF231", "DF143", "DF145", "DF139", "DF562", "DF565"}
CHARACTERS = {"DF030", "DF033", "DF228", "DF230", "DF232", "DF144", "DF146"}
TEXTS = {"DF140", "DF563", "DF566"}
LEFT_OUT = {
    *("DF001", "DF002", "DF422", "IDF002"),  # reserved, number, flags of what is optional, subtype
    *("DF006", "DF035", "DF053", "DF067", "DF138", "DF234", "DF379", "DF387", "DF472", "DF568", "DF569"),
    *("DF572", "DF574", "DF576", "IDF010", "IDF023", "IDF035"),
}
MILLI = {
    *("DF064", "DF069", "DF070", "DF237", "DF238", "DF365", "DF366", "DF367", "DF368", "DF369", "DF370"),
    *("DF376", "DF377", "DF378", "DF390", "IDF013", "IDF014", "IDF015", "IDF016", "IDF017", "IDF018"),
    *("IDF019", "IDF020", "IDF021", "IDF022"),
}
MISSING_0 = {"DF057", "DF154", "DF155", "DF194", "DF195", "DF204", "DF205", "DF389", "IDF034"} | {
    *("DF166", "DF167", "DF168", "DF169", "DF564"),
}
MISSING_LOWEST = {"DF242": -20.48, "DF243": -20.48, "DF244": -81.92, "DF245": -81.92}
OFFSETS = {
    "DF166": 6_370_000,
    "DF167": 6_350_000,
    "DF168": 6_370_000,
    "DF169": 6_350_000,
    "DF173": 993_000,
    "DF187": 993_000,
    "DF564": 1900,
    "DF547": 44_244,
    "IDF037": 1,
    "IDF038": 1,
}
FACTORS = {
    "DF062": 1e-12,
    "DF063": 1e-12,  # pyrtcm multiplies by 25e6 where the step is 25e-6 degrees
    "DF162": 0.5,  # pyrtcm's step is twice that of rtcm-rs, and of its own DF554
    "IDF026": 180.0,
    "IDF027": 180.0,  # half circles
}


def ours(message: Message) -> list[Any]:
    """Return all values of a message of ours, as far as pyrtcm gives them."""
    values = dict(message.values)
    links = values.pop("links", ())
    row: list[Any] = []
    _append(values, row)
    if links:  # one text there
        row.append("".join(link["database"] for link in links))
    if message.number == 1230:  # absent biases are no attributes there
        return [x for x in row if x is not None]
    if message.number in {1029, 1300, 1302}:  # zeros are left out there
        row = [x.replace("\0", "") if isinstance(x, str) else x for x in row]
        return row[:-1] if links and not row[-1] else row
    return row


def _append(value: Any, row: list[Any]) -> None:
    if isinstance(value, dict):
        for part in value.values():
            _append(part, row)
    elif isinstance(value, list):
        for part in value:
            _append(part, row)
    else:
        row.append(value)


def theirs(parsed: RTCMMessage) -> list[Any]:
    """Return all values that pyrtcm read, in our units; counters are left out."""
    row: list[Any] = []
    for name, value in vars(parsed).items():
        base = name.split("_")[0]
        if name.startswith("_") or base in LEFT_OUT:
            continue
        if base in TEXT_COUNTERS:
            row.append("")
        elif base in CHARACTERS:
            row[-1] += value
        elif base == "DF570":
            row += [value] if value else []
        elif base in TEXTS:
            row[-1] = value.encode("latin-1").decode() if base == "DF140" else value
        else:
            row.append(_in_our_units(base, value))
    return row


def _in_our_units(base: str, value: float) -> float | None:
    if base in MISSING_0 and value == 0:
        return None
    if base in MISSING_LOWEST and abs(value - MISSING_LOWEST[base]) < 1e-9:
        return None
    if base == "DF054" and value == 255:
        return None
    if base in {"DF391", "IDF004"}:
        return INTERVALS_S[int(value)]
    if base in {"DF389", "IDF034"}:
        return accuracy_m(int(value))
    if base in MILLI:
        return value * 1e-3
    return value * FACTORS.get(base, 1) + OFFSETS.get(base, 0)


def accuracy_m(code: int) -> float | None:
    """Return the ranging accuracy of SSR from its class and value."""
    step, value = divmod(code, 8)
    return 1e-3 * (3.0**step * (1 + value / 4) - 1) if code else None


def check_equal(left: list[Any], right: list[Any], relative: float = 1e-12) -> None:
    """Fail unless all values are equal, numbers within a relative tolerance."""
    assert len(left) == len(right)
    for at, (a, b) in enumerate(zip(left, right, strict=True)):
        if isinstance(a, str) or a is None or b is None:
            assert a == b, f"value {at}: {a!r} is not {b!r}"
        else:
            assert abs(a - b) <= relative * abs(b) + 1e-15, f"value {at}: {a!r} is not {b!r}"
