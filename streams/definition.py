"""What all that can be changed while the program runs has in common."""

from __future__ import annotations

import msgspec


class Definition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all definitions; an unknown key is an error, not a surprise."""

    def check(self) -> None:
        """Look at what needs no other object.

        Raises
        ------
        ValueError
            It makes no sense; the message says what to do.
        """
