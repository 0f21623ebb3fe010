"""A network as a configuration or a command defines it, and who decides about what a detector finds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec

from sensors.detectors import Level
from sensors.networks import MOST_MEMBERS, find_network_kind, read_network
from streams.definition import Definition

Line = Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*\Z")]
Member = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class NetworkDefinition(Definition, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Series of several sites that are looked at together."""

    kind: Annotated[str, msgspec.Meta(max_length=40)]
    members: Annotated[list[Member], msgspec.Meta(min_length=2, max_length=MOST_MEMBERS)]
    """Datastreams."""
    name: Line = ""
    parameters: dict[str, Any] = msgspec.field(default_factory=dict)
    """Of the kind (`sensors/networks`)."""

    def check(self) -> None:
        """Look at the kind and its parameters."""
        find_network_kind(self.kind)
        read_network(self.kind, self.parameters)
        if len(set(self.members)) < len(self.members):
            raise ValueError("a member is named twice; name each once")


def capping(networks: Iterable[tuple[str, NetworkDefinition]]) -> dict[tuple[str, str], tuple[str, Level]]:
    """Return the highest level of a finding alone and whose word that is, by datastream and rule."""
    found: dict[tuple[str, str], tuple[str, Level]] = {}
    for identity, network in sorted(networks):
        parameters = read_network(network.kind, network.parameters)
        most = parameters.most_alone()
        if most is not None:
            for member in network.members:
                for rule in parameters.listens():
                    found.setdefault((member, rule), (identity, most))
    return found


def deciding(networks: Iterable[tuple[str, NetworkDefinition]]) -> dict[tuple[str, str], str]:
    """Return the network that decides about a finding, by datastream and rule; of several the first by id."""
    found: dict[tuple[str, str], str] = {}
    for identity, network in sorted(networks):
        parameters = read_network(network.kind, network.parameters)
        if parameters.decides():
            for member in network.members:
                for rule in parameters.listens():
                    found.setdefault((member, rule), identity)
    return found
