"""What the sourcetable says of roaming mountpoints. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from connectors.caster.roaming.roaming import Roaming
from gnss.ntrip.sourcetable import StrEntry


def roaming_entries(roaming: Roaming, stations: Sequence[StrEntry], taken: Collection[str]) -> list[StrEntry]:
    """Return an entry for each roaming mountpoint; one whose name a station has is left out.

    They stand in the middle of the network, and tell what most of its stations send.
    """
    middle = roaming.network.middle()
    if middle is None or not stations:
        return []
    formats = [(one.format, one.format_details, one.carrier, one.nav_system) for one in stations]
    usual = Counter(formats).most_common(1)[0][0]
    return [
        StrEntry(
            mountpoint=name,
            identifier=f"{kind} base",
            format=usual[0],
            format_details=usual[1],
            carrier=usual[2],
            nav_system=usual[3],
            longitude=middle[0],
            latitude=middle[1],
            nmea=True,
            generator="Groundswell",
            authentication=stations[0].authentication,
        )
        for name, kind in roaming.names.items()
        if name not in taken
    ]
