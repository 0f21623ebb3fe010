"""The API of a running Groundswell from Python: `Client` hides pages, and times are datetimes with a zone.

with Client("http://127.0.0.1:8080") as client:
    for station in client.stations(state="bad"):
        print(station.id, [reason.text for reason in station.reasons])
    rain = client.windows(Where(properties=["rain"], start=monday), window="1h", aggregate=["sum", "p95"])
    frame = rain.to_pandas()
    for update in client.follow(["level:red", "property:rain"]):
        ...
"""

from dashboards.client.api import Client
from dashboards.client.errors import ApiError
from dashboards.client.follow import Gap, Observed, Pushed, Update
from dashboards.client.table import Table
from dashboards.client.where import Where

__all__ = ["ApiError", "Client", "Gap", "Observed", "Pushed", "Table", "Update", "Where"]
