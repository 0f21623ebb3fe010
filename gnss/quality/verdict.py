"""What each figure means for an operator: the indicators in words, and the verdict on a station."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnss.quality.bands import BANDS
from gnss.quality.completeness import share
from gnss.quality.frame_errors import bad_share
from gnss.quality.score import Finding, Indicator, Limit, Thresholds, Verdict, judged, worst_of
from gnss.quality.window import Sums

CLOCK_AHEAD_S = -0.5
"""An epoch that comes earlier than this tells of our own clock."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What is judged: sums over the window, and what belongs to this moment. None: not known."""

    sums: Sums
    epochs_expected: int
    age_s: float | None
    """Since the first epoch."""
    gap_s: float | None
    """Since the last epoch."""
    interval_s: float
    latency_s: float | None
    jitter_s: float | None
    drop_db: NDArray[np.float64] | None
    """Shape (5,), by `gnss.quality.bands.BANDS`."""
    slipped_share: float | None
    """Of the satellites, within the window."""
    live: bool

    @property
    def multipath_m(self) -> float | None:
        """RMS over the window."""
        count = self.sums.multipath_count
        return math.sqrt(self.sums.multipath_squares / count) if count else None


def judge(figures: Figures, thresholds: Thresholds) -> Verdict:
    """Return the verdict of this moment, before any hold."""
    gap = _gap(figures, thresholds)
    if figures.age_s is None:
        text = "No observations have come yet."
        check = "Whether the stream carries MSM4 to MSM7."
        frames = _frames(figures, thresholds)
        findings = (frames.finding,) if frames and frames.points < 70 else ()
        return Verdict("unknown", None, (*findings, Finding("no_observations", text, check=check)))
    warm_up_s = max(thresholds.warm_up_s, 3 * figures.interval_s)
    if figures.age_s < warm_up_s and not (gap and gap.points < 40):
        text = f"Observed for {figures.age_s:.0f} s; a verdict needs {warm_up_s:.0f} s."
        return Verdict("unknown", None, (Finding("warm_up", text, figures.age_s, warm_up_s, "Wait."),))
    verdict = worst_of(
        (
            gap,
            _epochs(figures, thresholds),
            _observations(figures, thresholds),
            _latency(figures, thresholds),
            _jitter(figures, thresholds),
            _cn0(figures, thresholds),
            _interference(figures, thresholds),
            _slips(figures, thresholds),
            _multipath(figures, thresholds),
            _frames(figures, thresholds),
        )
    )
    return Verdict(verdict.state, verdict.score, (*verdict.findings, *_remarks(figures)))


def _gap(f: Figures, t: Thresholds) -> Indicator | None:
    limit = Limit(
        t.gap_s.perfect, max(t.gap_s.degraded, 2 * f.interval_s), max(t.gap_s.bad, 3 * f.interval_s)
    )
    # An epoch that is due but not missed yet is no gap.
    gap_s = f.gap_s if f.gap_s is None or f.gap_s > f.interval_s else 0.0
    text = "No epoch has come for {value:.0f} s (threshold {threshold:.0f} s)."
    check = "Power and network of the station, the connection to the caster, the caster's own log."
    return judged("outage", text, gap_s, limit, check)


def _epochs(f: Figures, t: Thresholds) -> Indicator | None:
    text = f"{f.sums.epochs:.0f} of {f.epochs_expected} epochs of the last minute came"
    text += " ({value:.0f} %, threshold {threshold:.0f} %)."
    check = "Packet loss between station and caster; the receiver's output interval against the registry."
    value = share(f.sums.epochs, f.epochs_expected)
    return judged("epochs", text, value, t.epochs_share, check, 100)


def _observations(f: Figures, t: Thresholds) -> Indicator | None:
    text = "{value:.0f} % of the signals that were tracked before came in the last minute"
    text += " (threshold {threshold:.0f} %)."
    check = "Missing messages of a constellation, obstructions, antenna cable, interference."
    value = share(f.sums.observations_compared, f.sums.observations_expected)
    return judged("observations", text, value, t.observations_share, check, 100)


def _latency(f: Figures, t: Thresholds) -> Indicator | None:
    if f.latency_s is None or f.latency_s < CLOCK_AHEAD_S:
        return None
    text = "Epochs arrive {value:.1f} s after they were observed (threshold {threshold:.1f} s)."
    check = "The station's uplink, queues in its data logger, the caster's load."
    return judged("latency", text, f.latency_s, t.latency_s, check)


def _jitter(f: Figures, t: Thresholds) -> Indicator | None:
    text = "The latency varies by {value:.1f} s over the last minute (threshold {threshold:.1f} s)."
    check = "A mobile or radio link with changing quality, buffering on the way."
    return judged("jitter", text, f.jitter_s, t.jitter_s, check)


def _cn0(f: Figures, t: Thresholds) -> Indicator | None:
    mean = f.sums.cn0_sum / f.sums.cn0_count if f.sums.cn0_count else None
    text = "The mean C/N0 is {value:.1f} dB-Hz (threshold {threshold:.0f} dB-Hz)."
    check = "Antenna, cable and connectors, their power supply, obstructions."
    return judged("cn0", text, mean, t.cn0_dbhz, check)


def _interference(f: Figures, t: Thresholds) -> Indicator | None:
    if f.drop_db is None or np.isnan(f.drop_db).all():
        return None
    band = int(np.nanargmax(f.drop_db))
    text = f"Most satellites lost {{value:.1f}} dB of C/N0 in the {BANDS[band]} band at once"
    text += " (threshold {threshold:.0f} dB)."
    check = "Interference near the antenna; if all bands drop, the antenna, its cable or snow on it."
    return judged("interference", text, float(f.drop_db[band]), t.cn0_drop_db, check)


def _slips(f: Figures, t: Thresholds) -> Indicator | None:
    text = "{value:.0f} % of the satellites slipped in the last minute (threshold {threshold:.0f} %)."
    check = "Interference, ionospheric scintillation, new obstructions, the receiver's clock."
    return judged("slips", text, f.slipped_share, t.slipped_share, check, 100)


def _multipath(f: Figures, t: Thresholds) -> Indicator | None:
    text = "The code multipath of the last minute is {value:.2f} m RMS (threshold {threshold:.2f} m)."
    check = "New reflectors near the antenna (vehicles, metal roofs, water), the antenna's ground plane."
    return judged("multipath", text, f.multipath_m, t.multipath_m, check)


def _frames(f: Figures, t: Thresholds) -> Indicator | None:
    text = f"{f.sums.bad_frames:.0f} frames of the last minute failed their CRC"
    text += " ({value:.1f} %, threshold {threshold:.0f} %)."
    check = "The link between receiver and caster (serial line, radio), mixed streams on one mountpoint."
    value = bad_share(f.sums.frames, f.sums.bad_frames)
    return judged("frame_errors", text, value, t.bad_frames_share, check, 100)


def _remarks(f: Figures) -> list[Finding]:
    remarks = []
    if not f.live:
        text = "Latency is unknown: the recording has no receiving times."
        remarks.append(Finding("latency_unknown", text))
    elif f.latency_s is not None and f.latency_s < CLOCK_AHEAD_S:
        text = f"Latency is unknown: epochs seem to come {-f.latency_s:.1f} s before they were observed."
        check = "The clock of this computer (NTP)."
        remarks.append(Finding("clock", text, f.latency_s, CLOCK_AHEAD_S, check))
    if f.sums.epochs and not f.sums.multipath_count:
        text = "Multipath is unknown: no satellite has had two carriers for long enough."
        remarks.append(Finding("multipath_unknown", text))
    return remarks
