"""What the name of a RINEX file says of a station."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gnss.rinex.names import FileName

SITE = re.compile(r"([A-Za-z0-9]{4})(\d)(\d)([A-Za-z]{3})")
_UNKNOWN_COUNTRY = "XXX"


@dataclass(frozen=True, slots=True)
class Site:
    """What a file name says of a station: SSSSMRCCC."""

    site: str
    monument: int = 0
    receiver: int = 0
    country: str = _UNKNOWN_COUNTRY

    @property
    def marker(self) -> str:
        """All nine characters."""
        return f"{self.site}{self.monument}{self.receiver}{self.country}"

    def file(
        self, begin_us: int, period_s: int, interval_s: float | None, kind: str, *, compact: bool = False
    ) -> FileName:
        """Return the name of a file of a stream; `kind` is MO or MN."""
        return FileName(
            site=self.site,
            begin_us=begin_us,
            period_s=period_s,
            interval_s=interval_s,
            country=self.country,
            monument=self.monument,
            receiver=self.receiver,
            source="S",
            kind=kind,
            compact=compact,
        )


def site_of(text: str) -> Site:
    """Return the site of a name: nine characters at its begin, else its first four letters and digits."""
    match = SITE.match(text)
    if match:
        return Site(match[1].upper(), int(match[2]), int(match[3]), match[4].upper())
    plain = re.sub(r"[^A-Za-z0-9]", "", text)[:4].upper()
    return Site(plain.ljust(4, "X"))
