"""Findings as the records that travel."""

from __future__ import annotations

from sensors.detectors import Finding
from streams.records import Detection


def detection_of(finding: Finding, subject_id: str, version: str, unit: str, told_us: int) -> Detection:
    """Return what a network or a site found, whose rule stands in the finding, as told at a time."""
    return Detection(
        detector=finding.rule,
        version=version,
        subject_id=subject_id,
        phase=finding.phase,
        level=finding.level,
        onset_us=finding.onset_us,
        at_us=min(finding.at_us, told_us),
        detected_at_us=told_us,
        title=finding.title,
        value=finding.value,
        threshold=finding.threshold,
        unit=unit,
        evidence=finding.evidence,
    )
