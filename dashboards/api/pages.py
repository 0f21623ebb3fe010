"""The page and the API's description, from files beside this program: nothing is fetched elsewhere."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from fastapi import APIRouter, FastAPI
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

WEB = Path(__file__).resolve().parent.parent / "web"


def install(app: FastAPI) -> None:
    """Serve `/`, `/rovers`, `/docs` and `/assets/...`."""
    mimetypes.add_type("application/geo+json", ".geojson")
    mimetypes.add_type("text/javascript", ".js")
    routes = APIRouter(include_in_schema=False)

    @routes.get("/")
    async def index() -> Response:
        return FileResponse(WEB / "index.html", headers={"cache-control": "no-cache"})

    @routes.get("/rovers")
    async def rovers() -> Response:
        return FileResponse(WEB / "rovers.html", headers={"cache-control": "no-cache"})

    @routes.get("/docs")
    async def docs() -> Response:
        return FileResponse(WEB / "docs.html", headers={"cache-control": "no-cache"})

    @routes.get("/favicon.ico")
    async def favicon() -> Response:
        return FileResponse(WEB / "icon.svg", headers={"cache-control": "max-age=86400"})

    app.include_router(routes)
    app.mount("/assets", _Assets(directory=WEB), name="assets")


class _Assets(StaticFiles):
    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["cache-control"] = "no-cache"  # asked anew each time, answered 304
        return response
