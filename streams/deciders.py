"""Who looks at a finding before it may become an alert: a network of several sites, or the whole site."""

from __future__ import annotations

import msgspec

from streams.definitions import DatastreamDefinition, ThingDefinition
from streams.network_definition import NetworkDefinition, deciding
from streams.objects import Objects
from streams.records import Detection


def of_network(network: str) -> str:
    """Return the `part_of` of what a network looks at first."""
    return f"network/{network}"


class Deciders:
    """What networks and sites say about findings of their members.

    Parameters
    ----------
    objects
        Has networks, datastreams and things; `renew` is called when they have changed.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self.renew()

    def renew(self) -> None:
        """Look again at who decides about what."""
        self._networks = deciding(self._objects.all("network", NetworkDefinition))

    def network(self, datastream_id: str, rule: str) -> str:
        """Return the network that decides about what a detector finds at a series; empty: none."""
        return self._networks.get((datastream_id, rule), "")

    def _site(self, detection: Detection) -> str:
        """Return the site that judges a finding with others of its own; empty: none."""
        datastream = self._objects.find("datastream", detection.subject_id, DatastreamDefinition)
        if datastream is None:
            return ""
        thing = self._objects.find("thing", datastream.thing, ThingDefinition)
        if thing is None or thing.fusion is None or not thing.fusion.family(detection.detector):
            return ""
        return datastream.thing

    def marked(self, detection: Detection) -> Detection:
        """Return a detector's finding with who decides about it; one from late data goes its own way."""
        network = self.network(detection.subject_id, detection.detector)
        if detection.historic:
            return detection
        if network:
            return msgspec.structs.replace(detection, part_of=of_network(network))
        return self.of_its_site(detection)

    def of_its_site(self, detection: Detection) -> Detection:
        """Return a finding that no network holds back, with the site that judges it, where one does."""
        site = self._site(detection)
        return msgspec.structs.replace(detection, part_of=f"thing/{site}") if site else detection
