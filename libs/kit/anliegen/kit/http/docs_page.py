"""The interface to try out in a browser, `/docs`: for development, and without anything from another server.

Swagger UI's files come with a package that the embedded stack brings (`fastapi-offline`, of which nothing else is
used). Where it is not installed, as in an image, there is no such page.
"""

from importlib.util import find_spec
from pathlib import Path

from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from .problems import PathNotFound

FILES_OF = "fastapi_offline"
FILES = frozenset({"swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"})
POLICY = "default-src 'self' 'unsafe-inline' data:; frame-ancestors 'none'"


def docs_routes() -> list[Route]:
    """The page and its files; none where the files are not installed."""
    if _folder() is None:
        return []
    return [
        Route("/docs", show_docs, name="show_docs"),
        Route("/docs/{file}", show_docs_file, name="show_docs_file"),
    ]


async def show_docs(request: Request) -> Response:
    """The page."""
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=getattr(request.app, "title", "Anliegen"),
        swagger_js_url="/docs/swagger-ui-bundle.js",
        swagger_css_url="/docs/swagger-ui.css",
        swagger_favicon_url="/docs/favicon.png",
    )
    page.headers["Content-Security-Policy"] = POLICY
    return page


async def show_docs_file(request: Request) -> Response:
    """One of its files."""
    name, folder = request.path_params["file"], _folder()
    if folder is None or name not in FILES:
        raise PathNotFound
    return FileResponse(folder / name, headers={"Cache-Control": "max-age=3600"})


def _folder() -> Path | None:
    found = find_spec(FILES_OF)
    return Path(found.origin).parent / "static" if found is not None and found.origin else None
