"""A RINEX observation file to the report of its station."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gnss.ephemeris import Ephemeris, GlonassEphemeris
from gnss.ephemeris_book import EphemerisBook
from gnss.quality.period import StationPeriod
from gnss.quality.period_builder import About
from gnss.quality.registry import Registered
from gnss.quality.score import Thresholds
from gnss.rinex.epoch_lines import FLAG_POWER
from gnss.rinex.header import ObservationHeader
from gnss.rinex.navigation import read_navigation
from gnss.rinex.observation import RinexObservations, read_observations
from gnss.rinex.problems import NotRinexError
from gnss.rtcm.station import StationMetadata
from gnss.scoring.epochs import PIECE, EpochScorer, NothingToScoreError, Progress, interval_of, part
from gnss.scoring.place import mean_place
from gnss.scoring.problems import NO_PLACE, NO_SKY, shortened
from gnss.sky import Skies
from gnss.systems import System


def score_rinex(
    data: bytes,
    navigation: Sequence[bytes] = (),
    *,
    name: str = "",
    thresholds: Thresholds | None = None,
    registered: Registered | None = None,
    progress: Progress | None = None,
) -> StationPeriod:
    """Return the report of an observation file.

    A damaged file gives the report of what can be read; the rest stands in `problems`.

    Parameters
    ----------
    data
        RINEX 2, 3 or 4, plain or packed.
    navigation
        Navigation files. Without one, what needs elevations is not judged.
    name
        Of the file, for the report.
    registered
        What the registry says of the station: place, antenna, receiver. The header's place is an approximate
        one and is not held against it: that is what positions from codes are for.

    Raises
    ------
    NothingToScoreError
        Nothing of the file can be read or judged.
    """
    ephemerides, problems = read_ephemerides(navigation)
    try:
        file = read_observations(data, glonass_channels=glonass_channels(ephemerides))
    except NotRinexError as error:
        raise NothingToScoreError(str(error)) from error
    if not len(file.epochs):
        raise NothingToScoreError("the RINEX file has a header but no epoch that can be read")
    book = EphemerisBook()
    book.extend(ephemerides)
    sky = Skies(book) if len(book) else None
    header, epochs = file.header, file.epochs
    interval_s = interval_of(epochs.time_us, header.interval_s)
    problems += _problems(file)
    if header.interval_s is not None and interval_s != header.interval_s:
        problems.append(
            f"The header tells an interval of {header.interval_s:g} s, but epochs come each {interval_s:g} s."
        )
    scorer = EpochScorer(interval_s, sky, header.position_m, thresholds, registered)
    reference = "RINEX header"
    if sky is None:
        problems.append(NO_SKY)
    elif not scorer.is_placed:
        found_m = mean_place(epochs, sky)
        scorer = EpochScorer(interval_s, sky, found_m, thresholds, registered)
        reference = "mean position"
        if found_m is None:
            problems.append(NO_PLACE)
    scorer.tell(_told(header))
    for begin in range(0, len(epochs), PIECE):
        scorer.take(part(epochs, begin, min(begin + PIECE, len(epochs))))
        if progress is not None:
            progress(min(begin + PIECE, len(epochs)) / len(epochs))
    about = About(
        station_id=header.marker_name or name or "unknown",
        source=name or "RINEX file",
        reference=reference,
        metadata=_metadata(header),
        problems=problems,
    )
    return scorer.finish(about)


def read_ephemerides(navigation: Iterable[bytes]) -> tuple[list[Ephemeris], list[str]]:
    """Return the ephemerides of navigation files, and what could not be read."""
    found: list[Ephemeris] = []
    problems: list[str] = []
    for data in navigation:
        try:
            file = read_navigation(data)
        except NotRinexError as error:
            problems.append(f"A navigation file could not be read: {error}.")
            continue
        found += file.ephemerides
        told = [f"Navigation file, {problem}." for problem in file.problems]
        problems += shortened(told, file.problem_count)
    return found, problems


def glonass_channels(ephemerides: Iterable[Ephemeris]) -> dict[int, int]:
    """Return the frequency numbers by slot that ephemerides tell."""
    return {
        one.satellite: one.channel
        for one in ephemerides
        if isinstance(one, GlonassEphemeris) and one.system is System.GLONASS
    }


def _problems(file: RinexObservations) -> list[str]:
    told = shortened(
        [f"{problem[:1].upper()}{problem[1:]}." for problem in file.problems], file.problem_count
    )
    if file.opaque:
        kinds = ", ".join(f"{kind} ({n:,})" for kind, n in sorted(file.opaque.items())[:20])
        told.append(f"Observations of types that have no signal number are left out: {kinds}.")
    if file.phases_without_channel:
        n = file.phases_without_channel
        told.append(f"{n:,} GLONASS phases are left out: nothing tells their frequency numbers.")
    failures = sum(event.flag == FLAG_POWER for event in file.events)
    if failures:
        told.append(f"The file tells of {failures} power failures.")
    return told


def _told(header: ObservationHeader) -> StationMetadata:
    return StationMetadata(
        antenna_descriptor=header.antenna_type or None, receiver_descriptor=header.receiver_type or None
    )


def _metadata(header: ObservationHeader) -> dict[str, str]:
    told = {
        "marker": header.marker_name,
        "marker number": header.marker_number,
        "receiver": header.receiver_type,
        "receiver serial": header.receiver_serial,
        "firmware": header.receiver_version,
        "antenna": header.antenna_type,
        "antenna serial": header.antenna_serial,
        "agency": header.agency,
        "RINEX version": f"{header.version:.2f}",
    }
    if header.position_m is not None:
        told["position"] = ", ".join(f"{v:.4f}" for v in header.position_m) + " m (ECEF)"
    if header.antenna_delta_hen_m is not None:
        told["antenna height"] = f"{header.antenna_delta_hen_m[0]:.4f} m"
    return {what: " ".join(text.split()) for what, text in told.items() if text.strip()}
