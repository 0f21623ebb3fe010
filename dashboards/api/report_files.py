"""Reports as answers: JSON, a page that may load nothing, a table, several tables in a zip."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping
from typing import Literal

from fastapi import Response

from dashboards.api.streaming import as_file
from dashboards.problems import ProblemError
from gnss.reports.style import STYLE

Format = Literal["json", "csv", "html"]
MEDIA = ("application/json", "text/html", "text/csv", "application/zip")

_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
_PAGE_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def json_file(body: bytes) -> Response:
    """Return JSON."""
    return Response(body, media_type="application/json")


def page_file(text: str) -> Response:
    """Return a page of `gnss.reports.page`."""
    return Response(
        text.encode(),
        media_type="text/html; charset=utf-8",
        headers={"content-security-policy": _PAGE_POLICY},
    )


def csv_file(text: str, name: str) -> Response:
    """Return a table."""
    return Response(text.encode(), media_type="text/csv; charset=utf-8", headers=as_file(f"{name}.csv"))


def tables_file(tables: Mapping[str, str], part: str | None, name: str) -> Response:
    """Return one of the tables, or all of them in a zip.

    Raises
    ------
    ProblemError
        400: there is no such table.
    """
    if part is not None:
        if part not in tables:
            known = ", ".join(tables)
            raise ProblemError(400, f"part={part[:40]!r} is not a table: use one of {known}.")
        return csv_file(tables[part], f"{name}-{part}")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for table, text in tables.items():
            archive.writestr(zipfile.ZipInfo(f"{table}.csv"), text.encode(), zipfile.ZIP_DEFLATED)
    return Response(buffer.getvalue(), media_type="application/zip", headers=as_file(f"{name}.zip"))
