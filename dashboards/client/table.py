"""An answer of many rows, as columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


@dataclass(frozen=True, slots=True)
class Table:
    """Samples or windows, by time and then by what they are about."""

    arrow: pa.Table

    def __len__(self) -> int:
        return int(self.arrow.num_rows)

    def rows(self) -> list[dict[str, Any]]:
        """Return one dict a row; times are datetimes with their zone, missing values None."""
        rows: list[dict[str, Any]] = self.arrow.to_pylist()
        return rows

    def to_pandas(self) -> pd.DataFrame:
        """Return a frame; missing values are NaN. Needs pandas (`groundswell[client]`)."""
        frame: pd.DataFrame = self.arrow.to_pandas()
        return frame

    def to_xarray(self) -> xr.Dataset:
        """Return a data set over time and what it is about. Needs xarray (`groundswell[client]`).

        The dimensions are the first two columns: `phenomenon_time` or `start` (UTC, but without a zone, as
        xarray has times), and `datastream_id` or `station_id`.
        """
        time, subject = self.arrow.schema.names[:2]
        frame = self.to_pandas()
        frame[time] = frame[time].dt.tz_convert("UTC").dt.tz_localize(None)
        frame[subject] = frame[subject].astype(str)
        data: xr.Dataset = frame.set_index([time, subject]).to_xarray()
        return data
