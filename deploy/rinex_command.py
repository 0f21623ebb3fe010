"""What a person asks `groundswell rinex` for: captures, or a station and time of the archive."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy import defaults
from deploy.recordings import Archive, Files
from deploy.refusal import Refusal
from deploy.rinex import run_rinex
from deploy.rinex_files import Output, given_site
from deploy.settings_file import load
from deploy.times import time_us
from gnss.rinex.site import site_of


@dataclass(frozen=True, slots=True)
class Source:
    """The command's options about what is read."""

    files: Sequence[Path]
    date_us: int | None
    station: str | None
    config: Path | None
    data: Path | None
    begin: str | None
    end: str | None


def write_rinex(source: Source, output: Output) -> None:
    """Write the files.

    Raises
    ------
    Refusal
        The options do not go together, or nothing can be written.
    """
    begin_us, end_us = time_us("--from", source.begin), time_us("--to", source.end)
    if begin_us is not None and end_us is not None and end_us <= begin_us:
        raise Refusal(f"--to {source.end} is not behind --from {source.begin}")
    from_archive = source.config is not None or source.data is not None
    if bool(source.files) == from_archive:
        raise Refusal(
            "name captures, or an archive with --config FILE.toml (or --data DIR), --station, --from and --to"
        )
    if source.files:
        site = site_of(source.files[0].name) if source.station is None else given_site(source.station)
        recording = Files(source.files, source.date_us)
        run_rinex(recording, site, output, begin_us=begin_us, end_us=end_us)
        return
    if source.station is None or begin_us is None or end_us is None:
        raise Refusal("an archive has many stations and days: name one with --station, --from and --to")
    with contextlib.closing(Archive(_folder(source), source.station, begin_us, end_us)) as archive:
        run_rinex(archive, site_of(source.station), output, begin_us=begin_us, end_us=end_us)


def _folder(source: Source) -> Path:
    if source.data is not None or source.config is None:
        return source.data or Path(defaults.DATA)
    return Path(load(source.config).server.data)
