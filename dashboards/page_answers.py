"""What the API says for the pages alone: the trend of the network, and how a datastream is judged."""

from __future__ import annotations

from typing import Any, Literal

from dashboards.answers import Answer, Time

ValueType = Literal["number", "integer", "text", "boolean", "choice", "json"]


class StateCounts(Answer, frozen=True, kw_only=True):
    """How many stations were in each state, as means over a window."""

    good: float
    degraded: float
    bad: float
    unknown: float
    """Of those that reported: one that sends nothing is in none."""


class TrendAnswer(Answer, frozen=True, kw_only=True):
    """The network over one window."""

    start: Time
    window_s: int
    stations: StateCounts


class ParameterAnswer(Answer, frozen=True, kw_only=True):
    """A parameter of a test or detector."""

    name: str
    """It ends in its unit."""
    type: ValueType
    choices: list[str]
    required: bool
    may_be_null: bool
    default: Any


class PartAnswer(Answer, frozen=True, kw_only=True):
    """A test or detector that a datastream can have."""

    kind: Literal["test", "detector"]
    name: str
    text: str
    parameters: list[ParameterAnswer]


class TestAnswer(Answer, frozen=True, kw_only=True):
    """A test in force."""

    name: str
    source: Literal["property", "datastream"]
    """Where it stands: in the catalogue, or (also) at the datastream."""
    parameters: dict[str, Any]


class DetectorAnswer(Answer, frozen=True, kw_only=True):
    """A detector of a datastream."""

    name: str
    is_off: bool
    """A rule says that it does not watch."""
    is_ruled: bool
    """Its parameters are a rule's, in place of the datastream's."""
    configured: dict[str, Any]
    """What the datastream says, as PATCH takes it."""
    given: dict[str, Any]
    """What is given and in force."""
    parameters: dict[str, Any]
    """Those that are given, and the usual ones."""


class ChainAnswer(Answer, frozen=True, kw_only=True):
    """How samples of a datastream are judged, in their order."""

    id: str
    paused: bool
    own_tests: dict[str, dict[str, Any]]
    """What the datastream says of tests, as PATCH takes it."""
    tests: list[TestAnswer]
    off: list[str]
    """Tests that the catalogue has and the datastream leaves out."""
    detectors: list[DetectorAnswer]
    network: list[str]
    """Networks that it is a member of."""


class PausedAnswer(Answer, frozen=True, kw_only=True):
    """A task that somebody paused."""

    kind: Literal["station", "datastream"]
    id: str


class SkySatellite(Answer, frozen=True, kw_only=True):
    """A satellite over a station."""

    name: str
    """As in RINEX: G05."""
    azimuth_deg: float | None
    """From north over east; null: no ephemeris is known yet."""
    elevation_deg: float | None
    cn0_dbhz: dict[str, float]
    """By the signal's RINEX code (1C); empty: it should be seen, and does not come."""


class SkyAnswer(Answer, frozen=True, kw_only=True):
    """What a station sees at its newest epoch."""

    state: Literal["live", "waiting", "full", "none"]
    """`waiting`: nothing came yet; `full`: as many stations as can be are looked at; `none`: no streams come
    to this server."""
    time: Time | None
    """Of the epoch."""
    satellites: list[SkySatellite]
    trouble: str
    """Why nothing comes, where that is known."""
