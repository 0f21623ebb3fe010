"""What is so at a simulated station: what its indicators should find."""

from __future__ import annotations

from dataclasses import dataclass

from gnss.simulate.faults import Fault, FaultEvent
from gnss.systems import System


@dataclass(frozen=True, slots=True)
class VisibleSatellite:
    """A satellite above the horizon."""

    system: System
    satellite: int
    elevation_deg: float
    azimuth_deg: float
    signals: tuple[int, ...]
    """MSM signal ids that a healthy station observes: those above their masks."""


@dataclass(frozen=True, slots=True)
class StationTruth:
    """What is so at a station at one epoch, whatever it sends."""

    epoch_us: int
    ecef_m: tuple[float, float, float]
    """Of the antenna, moved or not."""
    clock_s: float
    """How much the receiver's clock is ahead."""
    satellites: tuple[VisibleSatellite, ...]
    faults: tuple[Fault, ...]
    """That are active."""
    events: tuple[FaultEvent, ...]
    """That `observe` or `emit` put into this epoch; the last 100,000 are remembered."""
