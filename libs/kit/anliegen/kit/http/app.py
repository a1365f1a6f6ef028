"""One service's application, which can be served alone or behind the gateway."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import cast

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.routing import BaseRoute
from starlette.types import Lifespan

from ..health import LoopLag
from ..service import Context, Service, open_context
from ..settings import Settings, load
from .auth import Authenticator, check_issuer
from .cors import CrossOrigin
from .docs_page import docs_routes
from .doors import Doors
from .etags import takes_if_match
from .fence import fence_router
from .health import Health
from .infrastructure import infrastructure_routes
from .keys import KeySource
from .limits import BodyLimit
from .observe import Observed
from .openapi import describe
from .operations import TAG, operations_router
from .problems import HANDLERS
from .public_routes import INFRASTRUCTURE_ROUTES, PUBLIC_ROUTES
from .rates import Limiter, parse_limit
from .routing import Route, RouteRefused
from .streams import Streams

OpenContext = Callable[[], AbstractAsyncContextManager[Context]]


def create_app(
    service: Service,
    settings: Settings | None = None,
    *,
    context: Context | OpenContext | None = None,
    keys: KeySource | None = None,
    public_routes: Mapping[str, str] = PUBLIC_ROUTES,
    lag: LoopLag | None = None,
) -> FastAPI:
    """The application of one service, which answers under `/<service>/v1/…`.

    `context` is one that is open already, or opens one when the application starts; by default the service's own is
    opened. `lag` is given where another watches the event loop. Raises SettingsRefused, and RouteRefused for a route
    that does not say who may call it.
    """
    given = context if isinstance(context, Context) else None
    settings = settings or (given.settings if given else load(service.settings, service.package))
    check_issuer(settings)
    doors = Doors(
        settings=settings,
        authenticator=Authenticator(settings, keys or KeySource(settings.oidc_issuer, settings.oidc_jwks_url)),
        limiter=Limiter(),
        streams=Streams(service=service.name),
        context=given,
    )
    own_lag = LoopLag()
    kit_routers = (operations_router(service), fence_router(service))
    routes = [route for router in (*service.routers, *kit_routers) for route in router.routes]
    check_routes(service, routes, public_routes)
    middleware = [
        Middleware(
            Observed, service=service.name, version=service.version, secure=settings.public_url.startswith("https:")
        ),
        Middleware(BodyLimit),
    ]
    if settings.cors_origins:
        middleware.insert(0, Middleware(CrossOrigin, origins=settings.cors_origins))
    app = FastAPI(
        title=service.title,
        description=service.description,
        version=service.version,
        openapi_url=None,
        openapi_tags=[{"name": service.name, "description": service.description}, TAG],
        servers=[{"url": "/"}],
        redirect_slashes=False,
        middleware=middleware,
        exception_handlers=HANDLERS,
        lifespan=cast(Lifespan[FastAPI], _lifespan(service, settings, doors, context, None if lag else own_lag)),
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.doors = doors
    app.openapi = describe(app)  # type: ignore[method-assign]
    # The routers' own routes, not `include_router`, which would match every request twice.
    app.router.routes.extend(routes)
    health = Health(lambda: [doors.context] if doors.context else [], lag or own_lag, expected=[service.name])
    app.router.routes.extend(infrastructure_routes(health, app.openapi))
    if settings.is_development:
        app.router.routes.extend(docs_routes())
    check_infrastructure(app.routes)
    return app


def _lifespan(
    service: Service,
    settings: Settings,
    doors: Doors,
    context: Context | OpenContext | None,
    own_lag: LoopLag | None,
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        watch = asyncio.create_task(own_lag.watch()) if own_lag else None
        try:
            if isinstance(context, Context):
                yield
                return
            async with context() if context else open_context(service, settings) as opened:
                doors.context = opened
                try:
                    yield
                finally:
                    doors.context = None
        finally:
            doors.streams.close()
            if watch is not None:
                watch.cancel()
                with suppress(asyncio.CancelledError):
                    await watch

    return lifespan


def check_routes(service: Service, routes: Sequence[BaseRoute], public_routes: Mapping[str, str]) -> None:
    """Raise RouteRefused for a route that nobody decided about; set the rate limits of those that are public."""
    names: set[str] = set()
    for route in routes:
        if not isinstance(route, Route):
            raise RouteRefused(
                f"{service.name}: {getattr(route, 'path', route)!r} is not made by anliegen.kit's APIRouter"
            )
        if not route.path.startswith(f"/{service.name}/"):
            raise RouteRefused(f"{service.name}: {route.path} does not begin with /{service.name}/")
        if route.name in names:
            raise RouteRefused(f"{service.name}: two routes are called {route.name}")
        names.add(route.name)
        entries = [f"{method} {route.path_format}" for method in sorted(route.methods or ())]
        listed = [public_routes[entry] for entry in entries if entry in public_routes]
        rules = route.rules
        if rules.public and rules.scopes:
            raise RouteRefused(f"{service.name}: {route.name} is both public and behind a scope")
        if not rules.public and not rules.scopes:
            raise RouteRefused(f"{service.name}: {route.name} says neither `requires(…)` nor `public(…)`")
        if rules.public and len(listed) != len(entries):
            raise RouteRefused(
                f"{service.name}: {route.name} is public, but {entries} is not in the list of such routes"
            )
        if not rules.public and listed:
            raise RouteRefused(f"{service.name}: {route.name} is listed as public, but says it requires a scope")
        check_conditions(service, route)
        if rules.public:
            route.public_limit = listed[0]
        for limit in (route.public_limit, rules.rate):
            if limit:
                parse_limit(limit)


def check_conditions(service: Service, route: Route) -> None:
    """Raise RouteRefused for a command that could overwrite or repeat something unseen.

    Public doors are left out: they take what comes, and a provider's repetition is known by its content.
    """
    rules, methods = route.rules, route.methods or set()
    if rules.public or rules.unconditional or methods <= {"GET"}:
        return
    if route.param_convertors:
        if not takes_if_match(route.dependant):
            raise RouteRefused(f"{service.name}: {route.name} changes what is there and takes no IfMatch")
    elif "POST" in methods and not rules.repeatable:
        raise RouteRefused(f"{service.name}: {route.name} creates something and is not idempotent")


def check_infrastructure(routes: Sequence[BaseRoute]) -> None:
    """Raise RouteRefused for a route that is neither a service's nor in the list of those for running the product."""
    for route in routes:
        path = getattr(route, "path", None)
        if not isinstance(route, Route) and path not in INFRASTRUCTURE_ROUTES:
            raise RouteRefused(f"{path} stands in no list of public routes")
