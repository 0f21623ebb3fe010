"""How a station's report is made from the sums of its period."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnss.quality.bands import BAND, BANDS
from gnss.quality.period import ELEVATION_BINS, MASK_DEG, ElevationFigures, SignalFigures, StationPeriod
from gnss.quality.score import Limit
from gnss.reports.figures import (
    SCHEMA,
    ClockJump,
    ElevationBin,
    Gap,
    Reason,
    Share,
    Signals,
    StationReport,
    finite,
    ratio,
)
from gnss.reports.texts import clean, moment
from gnss.reports.verdicts import WORST_FIRST, overall
from gnss.rtcm.signals import rinex_code
from gnss.systems import System
from gnss.time import SECOND_US


def report(period: StationPeriod, limits: Mapping[str, Limit]) -> StationReport:
    """Return all figures of a period; `limits` as in `gnss.quality.score.Thresholds`."""
    some = period.signals
    everything = np.ones(len(some.system), bool)
    present = sorted(set(some.system.tolist()))
    total = _signals(some, everything, None, None, None)
    seconds = {state: period.state_seconds.get(state, 0.0) for state in WORST_FIRST}
    known_s = math.fsum(seconds.values())
    gaps_s = [(end - begin) / SECOND_US for begin, end in period.gaps]
    reasons = sorted(period.reasons, key=lambda reason: (-reason.seconds, reason.code))
    verdict, checked = overall(
        period, total.share_above_mask, total.multipath_rms_m, total.cn0_mean_dbhz, limits
    )
    return StationReport(
        schema=SCHEMA,
        station_id=clean(period.station_id),
        begin=moment(period.begin_us),
        end=moment(period.end_us),
        duration_s=(period.end_us - period.begin_us) / SECOND_US,
        interval_s=finite(period.interval_s),
        source=clean(period.source),
        verdict=verdict,
        checked=checked,
        score=finite(period.score),
        state_seconds=seconds,
        state_share={state: ratio(one, known_s) for state, one in seconds.items()},
        epochs=period.epochs,
        epochs_expected=period.epochs_expected,
        epochs_share=ratio(period.epochs, period.epochs_expected),
        usable_epochs={
            clean(letter): Share(count=count, share=ratio(count, period.epochs))
            for letter, count in sorted(period.usable_epochs.items())
        },
        late_epochs=period.late_epochs,
        out_of_order_epochs=period.out_of_order_epochs,
        mask_deg=MASK_DEG,
        total=total,
        systems=[_signals(some, some.system == s, System(s).letter, None, None) for s in present],
        signals=_each_signal(some),
        elevation=_elevation(period.elevation),
        latency=_figures(period.latency),
        frames=period.frames,
        bad_frames=period.bad_frames,
        bad_frames_share=ratio(period.bad_frames, period.frames + period.bad_frames),
        messages={str(number): count for number, count in sorted(period.messages.items())},
        gaps=[
            Gap(begin=moment(begin), end=moment(end), seconds=s)
            for (begin, end), s in zip(period.gaps, gaps_s, strict=True)
        ],
        gaps_seconds=math.fsum(gaps_s),
        longest_gap_seconds=max(gaps_s, default=None),
        clock_jumps=[ClockJump(time=moment(at), milliseconds=ms) for at, ms in period.clock_jumps],
        position=_figures(period.position),
        reasons=[
            Reason(
                code=clean(reason.code),
                seconds=reason.seconds,
                first=moment(reason.first_us),
                last=moment(reason.last_us),
                text=clean(reason.text),
                check=clean(reason.check),
                worst_value=finite(reason.worst_value),
                threshold=finite(reason.threshold),
            )
            for reason in reasons
        ],
        metadata={clean(name): clean(value) for name, value in period.metadata.items()},
        problems=[clean(problem) for problem in period.problems],
    )


def _each_signal(some: SignalFigures) -> list[Signals]:
    rows = []
    for row in np.lexsort((some.signal, some.system)).tolist():
        system, signal = int(some.system[row]), int(some.signal[row])
        only = np.zeros(len(some.system), bool)
        only[row] = True
        band = int(BAND[system, signal]) if signal < BAND.shape[1] else -1
        name = rinex_code(system, signal) or f"id {signal}"
        rows.append(_signals(some, only, System(system).letter, name, BANDS[band] if band >= 0 else None))
    return rows


def _signals(
    some: SignalFigures, rows: NDArray[np.bool_], system: str | None, signal: str | None, band: str | None
) -> Signals:
    def total(values: NDArray[np.int64]) -> int:
        return int(values[rows].sum())

    observations, slips = total(some.observations), total(some.lock_slips) + total(some.phase_slips)
    expected, have = total(some.expected), total(some.have)
    expected_mask, have_mask = total(some.expected_mask), total(some.have_mask)
    squares, paths = float(some.multipath_squares[rows].sum()), float(some.multipath_count[rows].sum())
    strengths = float(some.cn0_count[rows].sum())
    mean = ratio(float(some.cn0_sum[rows].sum()), strengths)
    square = ratio(float(some.cn0_squares[rows].sum()), strengths)
    mean_square = ratio(squares, paths)
    return Signals(
        system=system,
        signal=signal,
        band=band,
        observations=observations,
        expected=expected,
        have=have,
        share=ratio(have, expected),
        expected_above_mask=expected_mask,
        have_above_mask=have_mask,
        share_above_mask=ratio(have_mask, expected_mask),
        lock_slips=total(some.lock_slips),
        phase_slips=total(some.phase_slips),
        interruptions=total(some.interruptions),
        slips_per_1000_observations=ratio(1000.0 * slips, observations),
        observations_per_slip=ratio(observations, slips),
        multipath_rms_m=None if mean_square is None else math.sqrt(max(mean_square, 0.0)),
        multipath_count=int(paths),
        cn0_mean_dbhz=mean,
        cn0_sd_dbhz=None if mean is None or square is None else math.sqrt(max(square - mean * mean, 0.0)),
        cn0_count=int(strengths),
    )


def _elevation(some: ElevationFigures) -> list[ElevationBin]:
    step = 90.0 / ELEVATION_BINS
    rows = []
    for system, band, place in np.argwhere((some.cn0_count > 0) | (some.multipath_count > 0)).tolist():
        at = (system, band, place)
        square = ratio(float(some.multipath_squares[at]), float(some.multipath_count[at]))
        rows.append(
            ElevationBin(
                system=System(system).letter,
                band=BANDS[band],
                from_deg=place * step,
                to_deg=(place + 1) * step,
                cn0_mean_dbhz=ratio(float(some.cn0_sum[at]), float(some.cn0_count[at])),
                cn0_count=int(some.cn0_count[at]),
                multipath_rms_m=None if square is None else math.sqrt(max(square, 0.0)),
                multipath_count=int(some.multipath_count[at]),
            )
        )
    return rows


def _figures(some: Any) -> dict[str, Any] | None:
    """Return the fields of a dataclass, cleaned."""
    if some is None:
        return None
    figures: dict[str, Any] = {}
    for name in some.__slots__:
        value = getattr(some, name)
        if isinstance(value, str):
            value = clean(value)
        elif isinstance(value, float):
            value = finite(value)
        figures[name] = value
    return figures
