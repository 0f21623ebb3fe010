"""What travels between sites and their networks; as `streams.records`."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from streams.records import Detection, Record, TimeUs

MemberId = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]


class ToldSample(Record, frozen=True, kw_only=True):
    """A sample of a member with all its flags."""

    time_us: TimeUs
    value: float
    received_at_us: TimeUs
    revision: Annotated[int, msgspec.Meta(ge=0, le=99)]
    flag: Annotated[int, msgspec.Meta(ge=0, le=9)]
    flags: Annotated[dict[str, Annotated[int, msgspec.Meta(ge=0, le=9)]], msgspec.Meta(max_length=32)]


class Telling(Record, frozen=True, kw_only=True):
    """What members tell their network. Those of a member come in the order of `told_us`."""

    network: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    members: Annotated[list[MemberId], msgspec.Meta(min_length=1, max_length=500)]
    """Datastreams; with a finding or a sample the one that it is of."""
    told_us: TimeUs
    """The time where they are judged. Without finding and sample: all before has been told."""
    finding: Detection | None = None
    sample: ToldSample | None = None

    @property
    def evidence(self) -> dict[str, Any]:
        """Of the finding."""
        return {} if self.finding is None else self.finding.evidence


class Tellings(Record, frozen=True, kw_only=True, tag="tellings"):
    """Tellings in order."""

    tellings: list[Telling]


class Decisions(Record, frozen=True, kw_only=True, tag="decisions"):
    """Findings of members that networks let go on, for the sites that judge them together."""

    detections: list[Detection]


NetworkBatch = Tellings | Decisions
