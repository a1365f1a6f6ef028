"""The kit's router. A route checks who asks, how often, what for and how much before anything is parsed or opened."""

from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from fastapi import APIRouter as FastAPIRouter
from fastapi import params
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from ..errors import FieldError, Invalid, Malformed
from .auth import caller_if_any, check_scopes
from .doors import Doors, doors_of
from .etags import is_unchanged, not_modified
from .idempotency import RepeatableCall, Replayed, repeatable_call
from .limits import BodyGauge, parse_json, text_fault
from .markers import BodyLimit, Idempotent, Mark, OpenQuery, Public, RateLimit, Requires, Unconditional, WhileFenced
from .rates import Allowance, address_of
from .scope import BODY, IDEMPOTENCY, PRINCIPAL
from .transactions import open_transaction

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
M = TypeVar("M", bound=Mark)


class RouteRefused(Exception):
    """A route does not say what the kit has to know about it, so its service does not start."""


class UnknownQuery(Malformed):
    """A query parameter is not known here; it may be misspelt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a route's marks say."""

    scopes: tuple[str, ...] = ()
    public: bool = False
    repeatable: bool = False
    key_required: bool = False
    body_maximum: int | None = None
    rate: str | None = None
    open_query: bool = False
    unconditional: bool = False
    while_fenced: bool = False

    @classmethod
    def of(cls, marks: Sequence[Mark]) -> "Rules":
        """Read a route's marks. Of a kind that router and route both have, scopes add up and else the last holds."""
        idempotent = _last(marks, Idempotent)
        limit = _last(marks, BodyLimit)
        rate = _last(marks, RateLimit)
        return cls(
            scopes=tuple(dict.fromkeys(s for mark in marks if isinstance(mark, Requires) for s in mark.scopes)),
            public=any(isinstance(mark, Public) for mark in marks),
            repeatable=idempotent is not None,
            key_required=idempotent is not None and idempotent.required,
            body_maximum=limit.maximum if limit else None,
            rate=rate.limit if rate else None,
            open_query=any(isinstance(mark, OpenQuery) for mark in marks),
            unconditional=any(isinstance(mark, Unconditional) for mark in marks),
            while_fenced=any(isinstance(mark, WhileFenced) for mark in marks),
        )


def _last(marks: Sequence[Mark], kind: type[M]) -> M | None:
    return next((mark for mark in reversed(marks) if isinstance(mark, kind)), None)


class Route(APIRoute):
    """A route with rules, which are kept before FastAPI's own work begins."""

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        dependencies: Sequence[params.Depends] | None = None,
        **options: Any,
    ) -> None:
        given = list(dependencies or [])
        self.rules = Rules.of([d for d in given if isinstance(d, Mark)])
        self.public_limit: str | None = None
        """The rate limit from the list of public routes; set when the application is made."""
        super().__init__(path, endpoint, dependencies=[d for d in given if not isinstance(d, Mark)], **options)
        if self.rules.repeatable and not _uses(self.dependant, open_transaction):
            raise RouteRefused(
                f"{self.name}: an idempotent route keeps its answer in its transaction, so it takes a Tx"
            )

    def get_route_handler(self) -> Handler:
        handler = super().get_route_handler()
        rules = self.rules
        known = frozenset(_query_names(self.dependant))
        reads_json = self.body_field is not None and not isinstance(self.body_field.field_info, params.Form)
        is_read = "GET" in (self.methods or ())
        is_command = not (is_read or rules.while_fenced)
        asks_for_caller = _uses(self.dependant, caller_if_any)

        async def guarded(request: Request) -> Response:
            scope = request.scope
            doors = doors_of(scope)
            if rules.body_maximum is not None:
                gauge: BodyGauge = scope[BODY]
                gauge.maximum = rules.body_maximum
            if rules.scopes:
                principal = await doors.authenticator.authenticate(request.headers.get("authorization"))
                check_scopes(principal, rules.scopes)
                scope[PRINCIPAL] = principal
            elif asks_for_caller:
                # Before the transaction and the key, which belong to the caller, if there is one.
                await caller_if_any(request)
            limit = rules.rate or self.public_limit
            allowance = self._count(doors, request, limit) if limit else None
            if is_command:
                await doors.running.gate.refuse_commands(doors.running)
            if scope["query_string"] and not rules.open_query:
                check_query(scope["query_string"], known)
            if reads_json:
                await _read_json(request)
            if rules.repeatable:
                response = await self._answer_once(request, handler)
            else:
                response = await handler(request)
            if is_read and is_unchanged(request, response):
                response = not_modified(response)
            if allowance is not None:
                response.headers.update(allowance.headers())
            return response

        return guarded

    def _count(self, doors: Doors, request: Request, limit: str) -> Allowance:
        principal = request.scope.get(PRINCIPAL)
        caller = f"subject {principal.subject}" if principal else address_of(request.scope)
        return doors.limiter.hit(limit, route=self.unique_id, caller=caller)

    async def _answer_once(self, request: Request, handler: Handler) -> Response:
        principal = request.scope.get(PRINCIPAL)
        call: RepeatableCall | None = await repeatable_call(
            request, required=self.rules.key_required, principal=principal
        )
        if call is None:
            return await handler(request)
        request.scope[IDEMPOTENCY] = call
        try:
            response = await handler(request)
        except Replayed as replayed:
            return replayed.response
        # FastAPI closes the transaction after this function, so the answer still goes into it.
        await call.keep(response)
        return response


class APIRouter(FastAPIRouter):
    """A router of routes with rules: `APIRouter(prefix="/helpdesk/v1", tags=["helpdesk"])`."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("route_class", Route)
        options.setdefault("generate_unique_id_function", _operation_id)
        options.setdefault("redirect_slashes", False)
        super().__init__(**options)


def _operation_id(route: APIRoute) -> str:
    return route.name


def _uses(dependant: Dependant, call: Callable[..., Any]) -> bool:
    return any(inner.call is call or _uses(inner, call) for inner in dependant.dependencies)


def _query_names(dependant: Dependant) -> Iterator[str]:
    """Every declared query parameter, those of dependencies and of query models included."""
    for field in dependant.query_params:
        model = field.field_info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            for name, inner in model.model_fields.items():
                yield str(inner.validation_alias or inner.alias or name)
        else:
            yield field.alias
    for inner_dependant in dependant.dependencies:
        yield from _query_names(inner_dependant)


def check_query(query: bytes, known: frozenset[str]) -> None:
    """Raise UnknownQuery for a name that is not declared, Invalid for a text that cannot be stored."""
    try:
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=200)
    except ValueError as problem:
        raise UnknownQuery("There are too many query parameters.") from problem
    unknown = dict.fromkeys(name for name, _ in pairs if name not in known)
    if unknown:
        raise UnknownQuery(
            errors=[FieldError(f"?{name[:100]}", "unknown_parameter", "Not known here.") for name in list(unknown)[:20]]
        )
    faults = [FieldError(f"?{name}", *fault) for name, value in pairs if (fault := text_fault(value))]
    if faults:
        raise Invalid("The query has values that cannot be stored.", errors=faults)


async def _read_json(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        return
    body = await request.body()
    if body:
        # Starlette keeps what `request.json()` reads under this name, so the body is parsed once.
        request._json = parse_json(body)
