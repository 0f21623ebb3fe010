"""Simulated stations under one simulated sky: true RTCM 3 bytes, with faults on request.

`SimulatedSky` broadcasts ephemerides and moves its satellites by them; `SimulatedStation` observes it and
emits MSM, ephemerides and what it tells of itself; `simulated_network` makes thousands of stations of a few.
"""

from gnss.simulate.faults import Fault, FaultEvent, FaultKind
from gnss.simulate.messages import Equipment
from gnss.simulate.network import simulated_network
from gnss.simulate.restamp import restamp, restamp_for
from gnss.simulate.sky import SimulatedSky
from gnss.simulate.station import Emission, SimulatedStation
from gnss.simulate.truth import StationTruth, VisibleSatellite

__all__ = [
    "Emission",
    "Equipment",
    "Fault",
    "FaultEvent",
    "FaultKind",
    "SimulatedSky",
    "SimulatedStation",
    "StationTruth",
    "VisibleSatellite",
    "restamp",
    "restamp_for",
    "simulated_network",
]
