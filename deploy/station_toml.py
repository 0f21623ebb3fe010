"""Stations in a configuration file: added and changed where they stand, all else stays as it was written."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

from deploy.refusal import Refusal

_BLOCK = re.compile(r"\s*\[\[\s*station\s*\]\]\s*(#.*)?")
_HEADER = re.compile(r"\s*\[")
_SIMPLE = r"\"(?:[^\"\\]|\\.)*\"|'[^']*'|[-+0-9.eE_]+|true|false"
_BY_HAND = "change it by hand"


class StationFile:
    """A TOML file with `[[station]]` tables; it need not exist yet.

    Raises
    ------
    Refusal
        It cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            text = path.read_bytes().decode("utf-8") if path.exists() else ""
            self._expected = tomllib.loads(text)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise Refusal(f"cannot read {path} ({error}); name a TOML file, or a new one") from error
        self._lines = _lines_of(text)
        tables = self._expected.get("station", [])
        is_usual = isinstance(tables, list) and all(isinstance(t, dict) and "id" in t for t in tables)
        if not is_usual or len(self._blocks()) != len(tables):
            raise Refusal(f"{path} has its stations not as [[station]] tables, each with an id; {_BY_HAND}")
        self._is_changed = False

    @property
    def stations(self) -> dict[str, dict[str, Any]]:
        """What the file says of each station."""
        return {str(table["id"]): dict(table) for table in self._expected.get("station", [])}

    def put(self, identity: str, values: dict[str, Any]) -> None:
        """Add a station, or change these values of one that is there."""
        self._is_changed = True
        tables = self._expected.setdefault("station", [])
        for table, (begin, end) in zip(tables, self._blocks(), strict=True):
            if str(table["id"]) == identity:
                n_new = 0
                for name, value in values.items():
                    n_new += self._set(begin, end + n_new, name, value)
                table.update(values)
                return
        if self._lines and not self._lines[-1].endswith("\n"):
            self._lines[-1] += "\n"
        table = {"id": identity, **values}
        block = "".join(f"{name} = {_written(value)}\n" for name, value in table.items())
        self._lines += _lines_of(f"{'' if not self._lines else chr(10)}[[station]]\n{block}")
        tables.append(table)

    def write(self) -> None:
        """Replace the file, whole or not at all, if anything was changed.

        Raises
        ------
        Refusal
            It would not say what it should, or cannot be written.
        """
        text = "".join(self._lines)
        try:
            is_right = tomllib.loads(text) == self._expected
        except tomllib.TOMLDecodeError:
            is_right = False
        if not is_right:
            raise Refusal(f"{self._path} is written in a way that cannot be changed from here; {_BY_HAND}")
        if self._is_changed:
            _replace(self._path, text)

    def _blocks(self) -> list[tuple[int, int]]:
        """Return the first line behind the header, and the one behind the last, of each station's table."""
        headers = [n for n, line in enumerate(self._lines) if _HEADER.match(line)] + [len(self._lines)]
        return [
            (begin + 1, end)
            for begin, end in pairwise(headers)
            if _BLOCK.fullmatch(self._lines[begin].rstrip("\r\n"))
        ]

    def _set(self, begin: int, end: int, name: str, value: Any) -> int:
        """Write a value into a table; return how many lines are new."""
        entry = re.compile(rf"(\s*{re.escape(name)}\s*=\s*)(?:({_SIMPLE})(\s*(?:#.*)?))?")
        new, own = _written(value), begin
        for number in range(begin, end):
            line = self._lines[number].rstrip("\r\n")
            if (found := entry.match(line)) is not None:
                rest = found[3] if found[2] and found.end() == len(line) else ""
                self._lines[number] = f"{found[1]}{new}{rest}\n"
                return 0
            if re.match(r"\s*id\s*=", line):
                own = number + 1
        if own and not self._lines[own - 1].endswith("\n"):
            self._lines[own - 1] += "\n"
        self._lines.insert(own, f"{name} = {new}\n")
        return 1


def _lines_of(text: str) -> list[str]:
    """Return the lines with their ends; in TOML no other character ends one."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _written(value: Any) -> str:
    """Return a value as TOML has it: of these types JSON is the same, but for one character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _replace(path: Path, text: str) -> None:
    path = path.resolve()  # a link stays one
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600  # it may hold passwords
    name = ""
    try:
        with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=path.name, delete=False) as file:
            name = file.name
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            Path(name).unlink(missing_ok=True)
        raise Refusal(f"cannot write {path} ({(error.strerror or str(error)).lower()}); free it") from error
