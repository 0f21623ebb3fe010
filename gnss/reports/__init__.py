"""Reports of a station and of the network over a period: JSON, CSV, and pages with plots."""

from gnss.reports.combining import combine
from gnss.reports.network import network_csv, network_json
from gnss.reports.network_page import network_html
from gnss.reports.station_json import to_json
from gnss.reports.station_page import to_html
from gnss.reports.tables import to_csv

__all__ = ["combine", "network_csv", "network_html", "network_json", "to_csv", "to_html", "to_json"]
