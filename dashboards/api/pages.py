"""The page and the API's description, from files beside this program: nothing is fetched elsewhere."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from fastapi import APIRouter, FastAPI
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from dashboards.access.permissions import Action
from dashboards.api.needs import needs

WEB = Path(__file__).resolve().parent.parent / "web"


def install(app: FastAPI) -> None:
    """Serve `/`, `/rovers`, `/sign-in`, `/docs` and `/assets/...`.

    Who may not read is led to the sign-in by the pages; the files that they are made of tell nothing.
    """
    mimetypes.add_type("application/geo+json", ".geojson")
    mimetypes.add_type("text/javascript", ".js")
    routes = APIRouter(include_in_schema=False)

    shown, to_all = [needs(Action.READ, page=True)], [needs(Action.OPEN)]

    @routes.get("/", dependencies=shown)
    async def index() -> Response:
        return FileResponse(WEB / "index.html", headers={"cache-control": "no-cache"})

    @routes.get("/rovers", dependencies=shown)
    async def rovers() -> Response:
        return RedirectResponse("/#/rovers", 308)  # where it was before

    @routes.get("/sign-in", dependencies=to_all)
    async def sign_in() -> Response:
        return FileResponse(WEB / "sign_in.html", headers={"cache-control": "no-cache"})

    @routes.get("/docs", dependencies=to_all)
    async def docs() -> Response:
        return FileResponse(WEB / "docs.html", headers={"cache-control": "no-cache"})

    @routes.get("/favicon.ico", dependencies=to_all)
    async def favicon() -> Response:
        return FileResponse(WEB / "icon.svg", headers={"cache-control": "max-age=86400"})

    app.include_router(routes)
    app.mount("/assets", _Assets(directory=WEB), name="assets")


class _Assets(StaticFiles):
    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["cache-control"] = "no-cache"  # asked anew each time, answered 304
        return response
