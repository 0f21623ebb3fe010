"""RINEX files of one station in a folder: their names, and how they come to be there whole or not at all."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, cast

from deploy.clock import wall_clock_us
from deploy.refusal import Refusal
from gnss.rinex.convert import FilePlan, Lines, Navigation
from gnss.rinex.names import format_name
from gnss.rinex.site import SITE, Site, site_of
from gnss.rinex.write_header import header_text
from gnss.rinex.write_navigation import write_navigation


@dataclass(frozen=True, slots=True)
class Output:
    """Where and how files are written."""

    folder: Path = Path()
    period_s: int = 3600
    interval_s: float | None = None
    packed: bool = False
    """With gzip."""
    navigation: bool = True
    force: bool = False
    """Replace files that are there."""


def given_site(text: str) -> Site:
    """Return the site that a person gave: nine characters, or four.

    Raises
    ------
    Refusal
        Another number of them.
    """
    if SITE.fullmatch(text) or re.fullmatch(r"[A-Za-z0-9]{4}", text):
        return site_of(text)
    raise Refusal(
        f"--station {text!r} is no name of a RINEX file; write nine characters such as ALPH00CHN, or four"
    )


class FileWriter:
    """Writes files beside their places and moves them there when they are whole."""

    def __init__(self, site: Site, output: Output, interval_s: float | None) -> None:
        self._site, self._output, self._interval_s = site, output, interval_s
        self._open: tuple[FilePlan, Path, BinaryIO] | None = None
        self.written: list[Path] = []
        self.records: dict[Path, int] = {}
        self.left_out: dict[str, int] = {}
        self.made_us = wall_clock_us()

    def __enter__(self) -> FileWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self._finish()
        elif self._open is not None:
            _, unfinished, file = self._open
            with contextlib.suppress(OSError):
                file.close()
            _beside(unfinished).unlink(missing_ok=True)

    def path(self, begin_us: int, kind: str) -> Path:
        """Return where a file goes; `kind` is MO or MN."""
        name = replace(
            self._site.file(begin_us, self._output.period_s, self._interval_s, kind),
            packed=".gz" if self._output.packed else "",
        )
        try:
            text = format_name(name)
        except ValueError:
            text = format_name(replace(name, interval_s=None))
        return self._output.folder / text

    def refuse_existing(self, plans: Sequence[FilePlan]) -> None:
        """Refuse to begin when a file is there that would be replaced."""
        kinds = ("MO", "MN") if self._output.navigation else ("MO",)
        for path in (self.path(plan.begin_us, kind) for plan in plans for kind in kinds):
            self._refuse(path)

    def take(self, item: Lines | Navigation) -> None:
        """Write the next lines, or a navigation file."""
        if isinstance(item, Navigation):
            if self._output.navigation:
                self._write_navigation(item)
            return
        if self._open is None or self._open[0] is not item.plan:
            self._finish()
            path = self.path(item.plan.begin_us, "MO")
            self._refuse(path)
            with _refusing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                self._open = item.plan, path, self._opened(path)
                self._open[2].write(header_text(item.plan.header, item.plan.contents, self.made_us))
        with _refusing(self._open[1]):
            self._open[2].write(item.text)

    def _write_navigation(self, item: Navigation) -> None:
        path = self.path(item.begin_us, "MN")
        try:
            made = write_navigation(item.ephemerides, self.made_us)
        except ValueError:
            return
        self._refuse(path)
        for reason, n in made.left_out.items():
            self.left_out[reason] = self.left_out.get(reason, 0) + n
        with _refusing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with self._opened(path) as file:
                    file.write(made.text)
                _beside(path).replace(path)
            except BaseException:
                _beside(path).unlink(missing_ok=True)
                raise
        self.records[path] = made.records
        self.written.append(path)

    def _finish(self) -> None:
        if self._open is None:
            return
        _, path, file = self._open
        with _refusing(path):
            file.close()
            _beside(path).replace(path)
        self._open = None
        self.written.append(path)

    def _opened(self, path: Path) -> BinaryIO:
        if self._output.packed:
            return cast(BinaryIO, gzip.open(_beside(path), "wb", compresslevel=6))
        return _beside(path).open("wb")

    def _refuse(self, path: Path) -> None:
        if path.exists() and not self._output.force:
            raise Refusal(f"{path} is there already; replace it with --force, or choose another --out DIR")


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")


@contextlib.contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Refusal(f"cannot write {path} ({reason}); choose another folder with --out DIR") from error
