"""A station's report as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from gnss.quality.judgements import STATES
from gnss.quality.period import StationPeriod
from gnss.quality.score import Limit, default_limits
from gnss.reports.report import report
from gnss.reports.texts import moment
from gnss.systems import System


def to_json(period: StationPeriod, limits: Mapping[str, Limit] | None = None) -> bytes:
    """Return a report as JSON: the fields of `gnss.reports.figures.StationReport`, then `minutes` and `sky`.

    Both hold one list for each column; what is not known is null. Times are ISO 8601 in UTC.

    Parameters
    ----------
    limits
        That the verdict rests upon, by indicator; the usual ones without it.
    """
    figures = msgspec.structs.asdict(report(period, limits or default_limits()))
    return msgspec.json.encode(figures | {"minutes": minute_columns(period), "sky": sky_columns(period)})


def minute_columns(period: StationPeriod) -> dict[str, Any]:
    """Return the rows of minutes as lists: figures as they are, NaN where not known."""
    rows = period.minutes
    return {
        "row_s": period.rows_s,
        "time": [moment(time_us) for time_us in rows.time_us.tolist()],
        "state": [STATES[state] if state < len(STATES) else "unknown" for state in rows.state.tolist()],
        "score": rows.score.tolist(),
        "epochs": rows.epochs.tolist(),
        "epochs_expected": rows.epochs_expected.tolist(),
        "observations_share": rows.observations_share.tolist(),
        "satellites": rows.satellites.tolist(),
        "cn0_dbhz": rows.cn0_dbhz.tolist(),
        "multipath_m": rows.multipath_m.tolist(),
        "slips": rows.slips.tolist(),
        "latency_s": rows.latency_s.tolist(),
        "roti_tecu_min": rows.roti_tecu_min.tolist(),
    }


def sky_columns(period: StationPeriod) -> dict[str, Any]:
    """Return where satellites were as lists: angles to 0.01 degrees, C/N0 to 0.01 dB-Hz; NaN: not seen."""
    sky = period.sky
    return {
        "time": [moment(time_us) for time_us in sky.time_us.tolist()],
        "satellite": [
            f"{System(system).letter}{satellite:02d}"
            for system, satellite in zip(sky.system.tolist(), sky.satellite.tolist(), strict=True)
        ],
        "azimuth_deg": np.round(sky.azimuth_deg, 2).tolist(),
        "elevation_deg": np.round(sky.elevation_deg, 2).tolist(),
        "cn0_dbhz": np.round(sky.cn0_dbhz, 2).tolist(),
    }
