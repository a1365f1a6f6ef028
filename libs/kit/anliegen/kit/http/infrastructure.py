"""The routes for those who run the product: health, metrics, the interface's description, what a problem means."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..telemetry import metrics
from .health import Health
from .problems import PathNotFound, all_problems, status_of, title_of, type_of

Endpoint = Callable[[Request], Awaitable[Response]]


def infrastructure_routes(health: Health, openapi: Callable[[], dict[str, Any]], *, part: str = "http") -> list[Route]:
    """The routes, each listed in `public_routes.INFRASTRUCTURE_ROUTES`."""

    async def livez(_request: Request) -> Response:
        return health.live()

    async def readyz(_request: Request) -> Response:
        return await health.ready()

    async def startupz(_request: Request) -> Response:
        return await health.started()

    async def show_metrics(_request: Request) -> Response:
        for context in health.contexts():
            labels = context.service.name, part
            metrics.pool_in_use.labels(*labels).set(context.pool.get_size() - context.pool.get_idle_size())
            metrics.pool_size.labels(*labels).set(context.pool.get_max_size())
            metrics.pool_waiting.labels(*labels).set(context.turns.waiting)
            metrics.loop_lag.labels(*labels).set(health.loop_lag)
        headers = {"Cache-Control": "no-store"}
        return Response(metrics.exposition(), media_type=metrics.CONTENT_TYPE, headers=headers)

    async def openapi_document(_request: Request) -> Response:
        return JSONResponse(openapi())

    endpoints: dict[str, Endpoint] = {
        "/livez": livez,
        "/readyz": readyz,
        "/startupz": startupz,
        "/metrics": show_metrics,
        "/openapi.json": openapi_document,
        "/problems/{code}": explain_problem,
    }
    return [Route(path, endpoint, name=endpoint.__name__) for path, endpoint in endpoints.items()]


async def explain_problem(request: Request) -> Response:
    """What a problem's `type` stands for."""
    code = request.path_params["code"]
    problem = all_problems().get(code)
    if problem is None:
        raise PathNotFound("There is no problem of this code.")
    content = {
        "type": type_of(code),
        "title": title_of(code),
        "status": status_of(problem),
        "description": " ".join((problem.__doc__ or "").split()),
    }
    return JSONResponse(content)
