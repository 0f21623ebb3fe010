"""Who looks at a finding before it may become an alert: a network of several sites, or the whole site."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from sensors.networks import capped
from streams.definitions import DatastreamDefinition, ThingDefinition
from streams.network_definition import NetworkDefinition, capping, deciding
from streams.objects import Objects
from streams.records import Detection

_SITE = "thing/"
LEVEL_ALONE = "level_alone"
"""In the evidence of a finding that is capped: the level that was found."""


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
        networks = list(self._objects.all("network", NetworkDefinition))
        self._networks, self._caps = deciding(networks), capping(networks)

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
        """Return a detector's finding with who decides about it, capped where a network has it so.

        One from late data goes its own way.
        """
        network = self.network(detection.subject_id, detection.detector)
        if detection.historic:
            return detection
        if network:
            return msgspec.structs.replace(detection, part_of=of_network(network))
        return self.of_its_site(self._capped(detection))

    def _capped(self, detection: Detection) -> Detection:
        """Return a finding at the highest level that one member has alone, with the one that was found."""
        cap = self._caps.get((detection.subject_id, detection.detector))
        if cap is None or capped(detection.level, cap[1]) == detection.level:
            return detection
        network, most = cap
        why = f"{most} at most until another station of network {network} confirms it"
        evidence = {**detection.evidence, LEVEL_ALONE: detection.level, "why": why}
        return msgspec.structs.replace(detection, level=most, evidence=evidence)

    def of_its_site(self, detection: Detection) -> Detection:
        """Return a finding that no network holds back, with the site that judges it, where one does."""
        site = self._site(detection)
        return msgspec.structs.replace(detection, part_of=f"{_SITE}{site}") if site else detection

    def moved(self, before: Iterable[Detection], begun: Iterable[Detection], now_us: int) -> list[Detection]:
        """Tell what goes on to whoever decides about it now.

        Where it was part of a site, or becomes one, it is over as what it was. What networks let go on is
        the same alert as without them.

        Parameters
        ----------
        before
            What went on before a change, marked.
        begun
            What goes on behind it, not marked.
        """
        there = {(one.subject_id, one.detector, one.onset_us): one for one in begun}
        told: list[Detection] = []
        for old in before:
            one = there.get((old.subject_id, old.detector, old.onset_us))
            if one is None or (new := self.marked(one)).part_of == old.part_of:
                continue
            now: dict[str, Any] = {"at_us": now_us, "detected_at_us": now_us}
            if old.part_of.startswith(_SITE) or (new.part_of.startswith(_SITE) and not old.part_of):
                why = {"why": "it is judged by others from now on"}
                told.append(msgspec.structs.replace(old, phase="end", evidence=why, **now))
            told.append(msgspec.structs.replace(new, phase="update", **now))
        return told
