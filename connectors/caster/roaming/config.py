"""What a configuration says of roaming mountpoints."""

from __future__ import annotations

from typing import Annotated

import msgspec

from connectors.caster.mountpoints import kinds
from connectors.caster.roaming.choice import Rules

_Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class RoamingConfig(Rules, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[caster.roaming]`."""

    mountpoints: dict[_Name, str] = msgspec.field(
        default_factory=lambda: {"NEAREST": "nearest", "BEST": "best"}
    )
    """Name to kind; empty: none. They are there as soon as there are two stations with a known place."""
    silent_s: Annotated[float, msgspec.Meta(gt=0, le=600)] = 3.0
    """A base without an epoch for so long is left, where there is another."""
    recovery_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 10.0
    """For so long one that was silent must send before it is as good as the others."""
    verdict_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 60.0
    """A verdict that is older counts no more: the base's quality is not known."""
    position_s: Annotated[float, msgspec.Meta(gt=0, le=86_400)] = 60.0
    """A rover that has not sent any GGA sentence for so long after its request is let go."""

    def __post_init__(self) -> None:
        for kind in self.mountpoints.values():
            if kind not in kinds():
                raise ValueError(
                    f"there is no kind of mountpoint {kind!r}; choose one of {', '.join(kinds())}"
                )
