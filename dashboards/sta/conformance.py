"""Which requirement classes of OGC 18-088 are met; docs/sensorthings.md names the test of each."""

from __future__ import annotations

_ROOT = "http://www.opengis.net/spec/iot_sensing/1.1/req"

CLASSES = [
    f"{_ROOT}/{name}"
    for name in (
        "datamodel",
        "resource-path/resource-path-to-entities",
        "request-data",
        "data-array/data-array",
    )
]
CREATED_BY_MQTT = f"{_ROOT}/create-observations-via-mqtt/observations-creation"
"""Met where observations are read from a broker."""
