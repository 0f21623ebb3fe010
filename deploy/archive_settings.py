"""`[archive]`: the raw bytes of all stations in one place, and where others find them."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from deploy.refusal import Refusal

LEAST_SECRET = 16
_DAY_US = 86_400_000_000


class ArchiveSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of `groundswell archive`, and of `serve`, which asks it."""

    url: str = ""
    """http://host:port where `groundswell archive` answers; empty: `serve` has no raw data."""
    secret: str = ""
    """Both sides know it; without it the archive answers nobody."""
    days: Annotated[int, msgspec.Meta(ge=0, le=36_500)] = 0
    """How long raw bytes are kept, by `run` and `archive`; 0: for ever."""
    gathered_days: Annotated[int, msgspec.Meta(ge=0, le=36_500)] = 0
    """How long a gatherer keeps its own; 0: for ever."""

    @property
    def keep_us(self) -> int:
        """`days`, in microseconds."""
        return self.days * _DAY_US

    @property
    def gathered_keep_us(self) -> int:
        """`gathered_days`, in microseconds."""
        return self.gathered_days * _DAY_US

    def checked_secret(self) -> str:
        """Return the secret.

        Raises
        ------
        Refusal
            It is too short.
        """
        if len(self.secret) < LEAST_SECRET or not self.secret.isascii():
            raise Refusal(
                f"secret of [archive] is not {LEAST_SECRET} or more characters of ASCII; draw a long one at "
                "random, the same for `groundswell archive` and `serve`"
            )
        return self.secret

    def checked_url(self) -> str:
        """Return the address.

        Raises
        ------
        Refusal
            It is none.
        """
        try:
            parts = urlsplit(self.url)
            is_one = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_one = False
        if not is_one or not set(parts.path) <= {"/"} or parts.query or parts.username:
            raise Refusal(f"url of [archive]: {self.url!r} is not understood; write http://host:port")
        return self.url
