"""Messages without observations against the vectors of rtcm-rs: every field of every vector."""

from __future__ import annotations

from typing import Any

import pytest

from gnss.rtcm.messages import Message, decode, encode
from tests.gnss.rtcm.flat import INTERVALS_S, accuracy_m, check_equal
from tests.gnss.rtcm.vectors import vectors

NUMBERS = [
    *range(1005, 1009),
    *range(1013, 1018),
    *range(1021, 1028),
    *range(1029, 1036),
    *range(1037, 1040),
    *range(1057, 1069),
    1230,
    *range(1300, 1305),
]
SINGLE = 2e-7
"""rtcm-rs keeps many fields in single precision."""
ITRF_YEARS = {"reserved_24_6", "reserved_36_6"}
SSR_SIGNALS = {
    1059: dict(
        enumerate(("1C", "1P", "1W", "", "", "2C", "2D", "2S", "2L", "2X", "2P", "2W", "", "", "5I", "5Q"))
    ),
    1065: dict(enumerate(("1C", "1P", "2C", "2P"))),
}
GLONASS_SIGNALS = {"1C": "l1_ca_bias_m", "1P": "l1_p_bias_m", "2C": "l2_ca_bias_m", "2P": "l2_p_bias_m"}


def flat(value: Any, row: list[Any]) -> list[Any]:
    """Append all values of a vector in their order."""
    if isinstance(value, dict):
        for name, part in value.items():
            if name == "ssr_update_interval_index":
                row.append(INTERVALS_S[int(part)])
            elif name == "ssr_ura_class":
                row.append(accuracy_m(int(8 * part + value["ssr_ura_value"])))
            elif name == "ssr_ura_value":
                continue
            elif not name.startswith("reserved") or name in ITRF_YEARS:
                flat(part, row)
    elif isinstance(value, list):
        for part in value:
            flat(part, row)
    else:
        row.append(value)
    return row


def payloads(number: int) -> list[tuple[str, bytes, dict[str, Any]]]:
    """Return name, payload and fields of each vector.

    rtcm-rs has no reserved bits in 1230 where RTKLIB, pyrtcm and all recordings have three (a message of four
    biases would else not have a mask of 1111 there): they are put in.
    """
    found = [(name, frame[3:-3], fields) for name, frame, fields in vectors(number)]
    return [(name, with_reserved_bits(p), fields) for name, p, fields in found] if number == 1230 else found


def with_reserved_bits(payload: bytes) -> bytes:
    """Put three zero bits behind the 25th, and cut what was padding."""
    bits = "".join(f"{byte:08b}" for byte in payload)
    bits = bits[:25] + "000" + bits[25 : 29 + 16 * bits[25:29].count("1")]
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


@pytest.mark.parametrize("number", NUMBERS)
def test_every_field_of_every_vector(number):
    for name, payload, fields in payloads(number):
        message = decode(payload)
        assert isinstance(message, Message), (name, message)
        assert message.number == number
        expected, values = dict(fields), dict(message.values)
        if number in SSR_SIGNALS:  # rtcm-rs has one list of biases, with codes for signals
            biases = [
                (x["satellite"], SSR_SIGNALS[number][y["signal"]], y["code_bias_m"])
                for x in values.pop("satellites")
                for y in x["biases"]
            ]
            check_equal([part for bias in biases for part in bias], flat(expected.pop("biases"), []), SINGLE)
        if number == 1230:
            for bias in expected.pop("glo_code_phase_biases"):
                told = values.pop(GLONASS_SIGNALS[bias["signal_id"]])
                assert told == pytest.approx(bias["bias_m"], rel=SINGLE), name
            assert [x for x in values if x.endswith("_m") and values[x] is not None] == []
            values = {k: v for k, v in values.items() if not k.endswith("_m")}
        check_equal(flat(values, []), flat(expected, []), SINGLE)


@pytest.mark.parametrize("number", NUMBERS)
def test_what_is_written_is_the_vector_again(number):
    for name, payload, fields in payloads(number):
        message = decode(payload)
        assert isinstance(message, Message)
        if not any(key.startswith("reserved") and key not in ITRF_YEARS and fields[key] for key in fields):
            assert encode(message) == payload, name  # else reserved bits were sent, which are not kept
