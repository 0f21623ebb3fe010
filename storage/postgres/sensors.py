"""Samples as PostgreSQL keeps them: the flags of tests are 4 bits each."""

from __future__ import annotations

from storage.postgres.sample_columns import unpacked_nibbles
from storage.sql.sensors import SensorQueries


class PostgresSensorQueries(SensorQueries):
    """The sensor part of the store."""

    _flags = staticmethod(unpacked_nibbles)
