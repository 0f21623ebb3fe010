"""The words of a station's findings over a period, and the figures that go with them."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from gnss.quality.judgements import I_REGISTRY, INDICATORS
from gnss.quality.period import ReasonFigures
from gnss.quality.period_figures import known
from gnss.quality.period_memory import CODES
from gnss.quality.score import Finding

_KNOWN = frozenset(CODES)
MOST_REGISTRY_CODES = 16


class _Words(msgspec.Struct):
    text: str
    check: str
    value: float | None
    threshold: float | None


class _OfRegistry(msgspec.Struct):
    """A finding that has no indicator of its own: it has the seconds of the registry's."""

    first_us: int
    last_us: int
    seconds: float = 0.0


class ReasonTexts(msgspec.Struct):
    """Of one station; the seconds of indicators stand in `gnss.quality.period_memory.PERIOD`."""

    words: dict[str, _Words] = {}
    registry: dict[str, _OfRegistry] = {}
    standing: list[str] = []
    """Findings of the registry that stood when words were made last."""
    counted_s: float = 0.0
    """Seconds of the registry's indicator until then."""

    def tell(self, findings: tuple[Finding, ...], time_us: int, registry_s: float) -> None:
        """Take the findings of a judgement.

        Parameters
        ----------
        registry_s
            Seconds of the registry's indicator in the period, without this judgement's.
        """
        self._count(registry_s)
        self.standing = []
        for finding in findings:
            code = finding.code
            if code not in _KNOWN:
                if code not in self.registry and len(self.registry) >= MOST_REGISTRY_CODES:
                    continue
                one = self.registry.setdefault(code, _OfRegistry(time_us, time_us))
                one.last_us = max(one.last_us, time_us)
                self.standing.append(code)
            self.words[code] = _Words(finding.text, finding.check, finding.value, finding.threshold)

    def _count(self, registry_s: float) -> None:
        passed_s, self.counted_s = registry_s - self.counted_s, registry_s
        for code in self.standing:
            self.registry[code].seconds += passed_s

    def take(self, period: Any) -> list[ReasonFigures]:
        """Return the reasons of a period, those that stood longest first, and begin anew.

        Parameters
        ----------
        period
            A `PERIOD` of the station.
        """
        self._count(float(period["code_s"][I_REGISTRY]))
        made = [self._of_code(period, int(i)) for i in np.flatnonzero(period["code_points"] < np.inf)]
        for code, one in self.registry.items():
            words = self.words[code]
            made.append(
                ReasonFigures(
                    code, round(one.seconds, 6), one.first_us, one.last_us, words.text, words.check,
                    words.value, words.threshold,
                )
            )  # fmt: skip
        if self.registry:
            made = [reason for reason in made if reason.code != INDICATORS[I_REGISTRY]]
        self.words, self.registry, self.standing, self.counted_s = {}, {}, [], 0.0
        return sorted(made, key=lambda reason: (-reason.seconds, reason.code))

    def _of_code(self, period: Any, i: int) -> ReasonFigures:
        code = CODES[i]
        words = self.words.get(code) or _Words("", "", None, None)
        judged = i < len(INDICATORS)
        return ReasonFigures(
            code=code,
            seconds=round(float(period["code_s"][i]), 6),
            first_us=int(period["code_first_us"][i]),
            last_us=int(period["code_last_us"][i]),
            text=words.text,
            check=words.check,
            worst_value=known(period["code_value"][i]) if judged else words.value,
            threshold=known(period["code_threshold"][i]) if judged else words.threshold,
        )
