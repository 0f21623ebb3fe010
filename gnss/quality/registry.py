"""What a stream tells of its station against what the registry says: place, antenna, receiver, identity.

ITRF of today and CGCS2000 at 2000.0 differ by decimetres in China, and registries are written by hand: a
place is another one from metres on. A place that is told anew, by a centimetre and more from what the same
stream told before, is worth a look whatever the registry says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from gnss.geodesy import geodetic_to_ecef
from gnss.quality.score import Finding
from gnss.rtcm.station import StationMetadata

FAR_M, VERY_FAR_M = 3.0, 30.0
CHANGED_M = 0.01
CHANGE_TOLD_US = 3_600_000_000
"""A change of what is told stands for an hour."""
DEGRADED_POINTS, BAD_POINTS = 60.0, 30.0


@dataclass(frozen=True, slots=True)
class Registered:
    """What the registry says; None: nothing."""

    ecef_m: tuple[float, float, float] | None = None
    antenna: str | None = None
    """Name of antenna and radome as in the IGS's list, for instance "LEIAR25.R4 LEIT"."""
    receiver: str | None = None

    @classmethod
    def at(
        cls,
        longitude: float | None,
        latitude: float | None,
        height_m: float | None,
        antenna: str | None = None,
        receiver: str | None = None,
    ) -> Registered:
        """Return it with geodetic coordinates: degrees, and ellipsoidal metres.

        Coordinates without a height are for a map: nothing is held against them.
        """
        if longitude is None or latitude is None or height_m is None:
            return cls(None, antenna, receiver)
        x_m, y_m, z_m = (float(v) for v in geodetic_to_ecef(longitude, latitude, height_m))
        return cls((x_m, y_m, z_m), antenna, receiver)


@dataclass(frozen=True, slots=True)
class Told:
    """What one stream has told, and when it told something else than before."""

    metadata: StationMetadata
    moved_us: int | None = None
    moved_m: float = 0.0
    renamed_us: int | None = None
    names: tuple[int, int] = (0, 0)
    """Reference station id before and after."""

    def after(self, metadata: StationMetadata, time_us: int) -> Told:
        """Return what is known when the stream has told `metadata` at `time_us`."""
        told = replace(self, metadata=metadata)
        before, now = self.metadata.reference_station, metadata.reference_station
        if before is not None and now is not None and before != now:
            told = replace(told, renamed_us=time_us, names=(before, now))
        if self.metadata.position is not None and metadata.position is not None:
            moved_m = math.dist(self.metadata.position.ecef_m, metadata.position.ecef_m)
            if moved_m >= CHANGED_M:
                told = replace(told, moved_us=time_us, moved_m=moved_m)
        return told


def findings(told: Told, registered: Registered, now_us: int) -> tuple[tuple[Finding, ...], float]:
    """Return what is not as it should be, and the points that follow (100: all is well)."""
    found: list[Finding] = []
    points = 100.0
    metadata = told.metadata
    if metadata.position is not None and registered.ecef_m is not None:
        off_m = math.dist(metadata.position.ecef_m, registered.ecef_m)
        if off_m >= FAR_M:
            points = BAD_POINTS if off_m >= VERY_FAR_M else DEGRADED_POINTS
            text = f"The stream tells a place that is {off_m:.1f} m from the registered one"
            text += f" (threshold {FAR_M:.0f} m)."
            check = "The registry's coordinates and frame, or whether another station's stream comes in."
            found.append(Finding("place", text, off_m, FAR_M, check))
    has_moved, is_renamed = recent(told, now_us)
    if has_moved:
        points = min(points, DEGRADED_POINTS)
        text = f"The stream tells a place that is {told.moved_m:.2f} m from the one that it told before."
        check = "Whether the antenna was moved or changed; the registry and all users must know."
        found.append(Finding("place_changed", text, told.moved_m, CHANGED_M, check))
    if is_renamed:
        points = min(points, DEGRADED_POINTS)
        text = f"The reference station id changed from {told.names[0]} to {told.names[1]}."
        check = "Whether another station's stream comes in."
        found.append(Finding("station_id", text, float(told.names[1]), None, check))
    for code, what, said, known in (
        ("antenna", "antenna", metadata.antenna_descriptor, registered.antenna),
        ("receiver", "receiver", metadata.receiver_descriptor, registered.receiver),
    ):
        if said is not None and known is not None and _plain(said) != _plain(known):
            points = min(points, DEGRADED_POINTS)
            text = f"The stream tells the {what} {said}, the registry {known}."
            found.append(Finding(code, text, check=f"The registry's entry after a change of the {what}."))
    return tuple(found), points


def recent(told: Told, now_us: int) -> tuple[bool, bool]:
    """Return all that `findings` takes from the time: whether changes of place and of id still stand."""
    return _recent(told.moved_us, now_us), _recent(told.renamed_us, now_us)


def _recent(at_us: int | None, now_us: int) -> bool:
    return at_us is not None and now_us - at_us < CHANGE_TOLD_US


def _plain(name: str) -> str:
    """Return a name for comparison: radome NONE, case and blanks do not matter."""
    words = [word for word in name.upper().split() if word != "NONE"]
    return " ".join(words)
