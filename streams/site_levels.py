"""The highest level of the open alerts of each site, without I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sensors.detectors import LEVELS
from streams.records import AlertTransition, LevelName


@dataclass(slots=True)
class SiteLevels:
    """What alerts say of sites. An alert counts until it is closed; one from late data never does.

    Parameters
    ----------
    site_of
        Site of what an alert is about.
    """

    site_of: Callable[[str], str]
    _newest: dict[str, AlertTransition] = field(default_factory=dict)
    """Of each alert that is not closed, by its id."""
    _alerts: dict[str, set[str]] = field(default_factory=dict)
    """Those that are not closed, by site."""

    def take(self, transitions: Iterable[AlertTransition]) -> None:
        """Take steps of alerts; one that is older than what is known changes nothing."""
        for step in transitions:
            known = self._newest.get(step.alert_id)
            if step.historic or (known is not None and known.number >= step.number):
                continue
            site = self.site_of(step.subject_id)
            if step.state != "closed":
                self._newest[step.alert_id] = step
                self._alerts.setdefault(site, set()).add(step.alert_id)
            elif known is not None:
                del self._newest[step.alert_id]
                self._alerts[site].discard(step.alert_id)
                if not self._alerts[site]:
                    del self._alerts[site]

    def level(self, site: str) -> tuple[LevelName | None, str]:
        """Return the highest level, None without an open alert, and the alert that has it."""
        found = max(
            (self._newest[name] for name in self._alerts.get(site, ())),
            key=lambda one: (LEVELS.index(one.level), one.alert_id),
            default=None,
        )
        return (None, "") if found is None else (found.level, found.alert_id)

    @property
    def sites(self) -> set[str]:
        """Those with an open alert."""
        return set(self._alerts)
