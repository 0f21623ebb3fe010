"""What can go wrong at a simulated station."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from gnss.rtcm.signals import L1_HZ
from gnss.systems import System

FaultKind = Literal[
    "outage",
    "loss",
    "latency",
    "corruption",
    "out_of_order",
    "slips",
    "slip",
    "jamming",
    "multipath",
    "clock_jump",
    "clock_jump_of_ranges",
    "moved",
    "moved_and_told",
    "storm",
    "missing_system",
    "wrong_station_id",
    "wrong_antenna",
]
LASTING = frozenset({"slip", "clock_jump", "clock_jump_of_ranges"})
"""These happen once, at their begin; what they changed stays, and their end is not read."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong at a station between two times.

    outage              no bytes, and all signals lose their lock
    loss                `magnitude`: share of epochs that are not sent
    latency             `magnitude`: seconds that epochs are later than usual
    corruption          `magnitude`: share of frames with a flipped bit
    out_of_order        `magnitude` (0: 0.5): share of epochs that are sent behind the one that follows
    slips               `magnitude`: cycles that each fiftieth signal slips at an epoch, with loss of lock
    slip                `magnitude` (0: 1): cycles that one signal slips once, at the begin, while its lock
                        time goes on. `system`, `satellite`, `signal` choose it, else it is the first signal
                        of the highest satellite
    jamming             `magnitude`: dB that all signals within 40 MHz of `carrier_hz` lose; the weak are lost
    multipath           `magnitude`: RMS in m that is added to all codes
    clock_jump          `magnitude`: ms by which the receiver's clock, codes and phases step once
    clock_jump_of_ranges    the same for codes alone; see `SimulatedStation.observe`
    moved               `magnitude`: m that the antenna stands further east than 1006 tells
    moved_and_told      the same, and 1006 tells it
    storm               `magnitude` (0: 2): ROTI in TECU/min. Give it to the sky for all stations
    missing_system      no observations of `system` are sent
    wrong_station_id    `magnitude` (0: one more than its own) is sent as the reference station
    wrong_antenna       1033 tells another antenna
    """

    kind: FaultKind
    begin_us: int
    end_us: int
    """UTC; the first moment without the fault."""
    magnitude: float = 0.0
    system: System | None = None
    satellite: int = 0
    signal: int = 0
    carrier_hz: float = L1_HZ

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            msg = f"there is no fault {self.kind!r}: give one of {', '.join(get_args(FaultKind))}"
            raise ValueError(msg)
        if self.kind == "missing_system" and self.system is None:
            raise ValueError("missing_system needs a system: give system=System.GLONASS or another")

    def is_active(self, epoch_us: int) -> bool:
        """Whether it has an effect at a time."""
        return self.begin_us <= epoch_us and (epoch_us < self.end_us or self.kind in LASTING)


@dataclass(frozen=True, slots=True)
class FaultEvent:
    """Something that happened at one epoch because of a fault: what an indicator should find."""

    kind: FaultKind
    epoch_us: int
    magnitude: float
    """As that of the fault: cycles of a slip, ms of a clock."""
    system: System | None = None
    satellite: int = 0
    signal: int = 0


def active(faults: Iterable[Fault], epoch_us: int) -> dict[FaultKind, list[Fault]]:
    """Return the faults that have an effect at a time, by kind."""
    found: dict[FaultKind, list[Fault]] = {}
    for fault in faults:
        if fault.is_active(epoch_us):
            found.setdefault(fault.kind, []).append(fault)
    return found


def total(faults: Iterable[Fault], default: float = 0.0) -> float:
    """Return the sum of magnitudes; one of 0 counts as the default."""
    return sum(fault.magnitude or default for fault in faults)
