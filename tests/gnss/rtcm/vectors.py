"""Published test vectors of rtcm-rs: frames and what they hold, printed as Rust prints a structure."""

from __future__ import annotations

import os
import re
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ARCHIVE = "rtcm3/rtcm-rs-vectors.tar.gz"
TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>-?\d+(?:\.\d+)?(?:e-?\d+)?)
      | (?P<text>"(?:[^"\\]|\\.)*")
      | (?P<char>'(?:[^'\\]|\\u\{\w+\}|\\.)')
      | (?P<name>[A-Za-z_]\w*(?:<\d+>)?)
      | (?P<sign>[][(){},:])
    )""",
    re.VERBOSE,
)
ESCAPE = re.compile(r"\\(?:u\{(\w+)\}|(.))", re.DOTALL)
ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}


def vectors(number: int) -> list[tuple[str, bytes, dict[str, Any]]]:
    """Return name, frame and fields of each vector of a message type; skip when no recordings are there.

    Fields are dicts (structures, by field name), lists, floats (all numbers), strings and None. A signal id
    is a string: "1C".
    """
    root = os.environ.get("GROUNDSWELL_TEST_DATA")
    if not root:
        pytest.skip("GROUNDSWELL_TEST_DATA does not name the folder of recordings")
    files = _files(Path(root) / ARCHIVE)
    names = sorted(n.removesuffix(".rtcm") for n in files if re.fullmatch(rf"msg{number}_\d+\.rtcm", n))
    assert names, f"no vector of {number}"
    return [(n, files[f"{n}.rtcm"], parse(files[f"{n}.txt"].decode())) for n in names]


def parse(text: str) -> Any:
    """Read a value as Rust's `{:#?}` prints it."""
    tokens: list[tuple[str, str]] = []
    at, text = 0, text.rstrip()
    while at < len(text):
        found = TOKEN.match(text, at)
        assert found is not None, f"not understood: {text[at : at + 40]!r}"
        tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
        at = found.end()
    value, behind = _value(tokens, 0)
    assert behind == len(tokens), f"more behind the value: {tokens[behind]}"
    return value


@cache
def _files(path: Path) -> dict[str, bytes]:
    if not path.exists():
        pytest.fail(f"GROUNDSWELL_TEST_DATA is set, but {ARCHIVE} is missing in it")
    with tarfile.open(path) as archive:
        return {
            Path(member.name).name: opened.read()
            for member in archive.getmembers()
            if (opened := archive.extractfile(member)) is not None
        }


def _value(tokens: list[tuple[str, str]], at: int) -> tuple[Any, int]:
    kind, token = tokens[at]
    if kind == "number":
        return float(token), at + 1
    if kind in {"text", "char"}:
        return ESCAPE.sub(_unescaped, token[1:-1]), at + 1
    if token == "[":
        return _several(tokens, at + 1, "]")
    assert kind == "name", f"not a value: {token}"
    opens = tokens[at + 1][1] if at + 1 < len(tokens) else ""
    if opens == "(":
        parts, behind = _several(tokens, at + 2, ")")
        return _named(token, parts), behind
    if opens == "{":
        return _fields(tokens, at + 2)
    assert token == "None", f"not a value: {token}"
    return None, at + 1


def _several(tokens: list[tuple[str, str]], at: int, closes: str) -> tuple[list[Any], int]:
    values = []
    at += tokens[at][1] == ","  # an empty list is printed with one comma
    while tokens[at][1] != closes:
        value, at = _value(tokens, at)
        values.append(value)
        at += tokens[at][1] == ","
    return values, at + 1


def _fields(tokens: list[tuple[str, str]], at: int) -> tuple[dict[str, Any], int]:
    values = {}
    while tokens[at][1] != "}":
        name = tokens[at][1]
        assert tokens[at + 1][1] == ":", f"no colon behind {name}"
        values[name], at = _value(tokens, at + 2)
        at += tokens[at][1] == ","
    return values, at + 1


def _named(name: str, parts: list[Any]) -> Any:
    if name == "SigId":
        band, attribute = parts
        return f"{band:.0f}{attribute}"
    assert len(parts) == 1, f"{name} with {len(parts)} values"
    return "".join(parts[0]) if name == "Df88591String" else parts[0]


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)) if found[1] else ESCAPED.get(found[2], found[2])
