"""What a configuration says of messages of the Common Alerting Protocol."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Annotated, Literal

import msgspec

from streams.alert_words import is_of_a_sensor

_SENDER = re.compile(r"[^\s,<&]{1,100}")
_OFFSET = re.compile(r"[+-](0\d|1[0-4]):[0-5]\d")


class CapConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[cap]`."""

    sender: str = "groundswell.invalid"
    """Who warns: unique in the world, and by custom a domain or a mail address."""
    sender_name: str = "Groundswell"
    sender_name_zh: str = ""
    status: Literal["Actual", "Exercise", "Test"] = "Actual"
    """`Exercise`: of a rehearsal; who receives it must be told so beforehand."""
    utc_offset: str = "+08:00"
    """Of the times in messages; +08:00 is Beijing's."""
    contact: str = ""
    radius_km: Annotated[float, msgspec.Meta(ge=0, le=1000)] = 1.0
    """Of the circle around a site where no area is known."""
    expires_hours: Annotated[float, msgspec.Meta(ge=0, le=8760)] = 72.0
    """After which a message without a newer one is not valid any more; 0: it does not say."""
    without: list[str] = []
    """Rules whose alerts are no messages, with * and ?. Those about sensors never are."""
    areas: str = ""
    """GeoJSON file of areas by which alerts are told, for instance counties."""

    def __post_init__(self) -> None:
        if not _SENDER.fullmatch(self.sender):
            raise ValueError(
                "cap: sender must have no space, comma, < or &; write for instance warn.example.org"
            )
        if not _OFFSET.fullmatch(self.utc_offset):
            raise ValueError("cap: utc_offset must be like +08:00")

    def tells(self, rule: str) -> bool:
        """Return whether the alerts of a rule become messages."""
        return not is_of_a_sensor(rule) and not any(fnmatchcase(rule, one) for one in self.without)

    @property
    def offset_s(self) -> int:
        """Of the times in messages, in s."""
        sign = -1 if self.utc_offset.startswith("-") else 1
        return sign * (int(self.utc_offset[1:3]) * 3600 + int(self.utc_offset[4:]) * 60)
