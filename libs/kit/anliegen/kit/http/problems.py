"""Problem details (RFC 9457) for every 4xx and 5xx. HTTP statuses of errors appear only here."""

import json
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import asyncpg
import structlog
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from .. import errors
from ..database import is_passing
from ..errors import FieldError, Problem, pointer_token
from ..telemetry import traces
from .limits import BodyTooSlow, JsonUnreadable

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2

STATUS: dict[type[Problem], int] = {
    errors.Problem: 500,
    errors.Malformed: 400,
    errors.Unauthenticated: 401,
    errors.NotAllowed: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Refusal: 409,
    errors.NotYet: 409,
    errors.PreconditionFailed: 412,
    errors.TooLarge: 413,
    errors.NotSupported: 415,
    errors.Invalid: 422,
    errors.PreconditionRequired: 428,
    errors.TooManyRequests: 429,
    errors.Unavailable: 503,
}

log = structlog.get_logger()


class PathNotFound(errors.NotFound):
    """There is nothing under this path."""

    code = "path_not_found"


class MethodNotAllowed(errors.Malformed):
    """This path does not take this method; `Allow` says which it takes."""


class InternalError(errors.Problem):
    """Something went wrong on our side. It was recorded under the trace id."""


class NotStorable(errors.Invalid):
    """A value in the request cannot be stored: it is too large, or it holds characters that no text may hold."""


class AlreadyThere(errors.Conflict):
    """Another request has stored the same thing at the same time."""


class BodyUnreadable(errors.Malformed):
    """The body cannot be read in the form its Content-Type names."""


STATUS[MethodNotAllowed] = 405
STATUS[BodyTooSlow] = 408


class ProblemResponse(Response):
    """A problem as `application/problem+json`."""

    media_type = MEDIA_TYPE


def status_of(problem: type[Problem]) -> int:
    """The HTTP status of an expected trouble: its own, else that of its nearest base."""
    return next(STATUS[base] for base in problem.__mro__ if base in STATUS)


def type_of(code: str) -> str:
    """The problem's type, a reference relative to the gateway, which explains it there."""
    return f"/problems/{code}"


def title_of(code: str) -> str:
    """A short title: `question_not_found` → `Question not found`."""
    return code.replace("_", " ").capitalize()


def respond(problem: Problem, *, path: str, status: int | None = None) -> ProblemResponse:
    """The response for an expected trouble."""
    status = status or status_of(type(problem))
    content: dict[str, Any] = {
        "type": type_of(problem.code),
        "title": title_of(problem.code),
        "status": status,
        "detail": problem.detail,
        # As it came: what a URI may not hold stays encoded (RFC 9457, 3.1.5).
        "instance": quote(path, safe="/:@!$&'()*+,;=~-._", errors="replace"),
        "code": problem.code,
        "trace_id": traces.current_trace_id(),
    }
    if problem.errors:
        content["errors"] = [{"pointer": e.pointer, "code": e.code, "message": e.message} for e in problem.errors]
    content.update({name: value for name, value in problem.extra.items() if name not in content})
    headers: dict[str, str] = {"Cache-Control": "no-store", **getattr(problem, "headers", {})}
    if status == 401:
        error = ' error="invalid_token"' if type(problem) is not errors.Unauthenticated else ""
        headers["WWW-Authenticate"] = f'Bearer realm="anliegen"{"," if error else ""}{error}'
    elif status == 403 and "required_scopes" in problem.extra:
        scopes = " ".join(problem.extra["required_scopes"])
        headers["WWW-Authenticate"] = f'Bearer realm="anliegen", error="insufficient_scope", scope="{scopes}"'
    elif status == 503:
        headers.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    return ProblemResponse(json.dumps(content, ensure_ascii=False, default=str).encode(), status, headers)


def problem_for(trouble: BaseException) -> Problem:
    """The problem that tells the caller about any exception, without the text of one we did not expect."""
    if isinstance(trouble, Problem):
        return trouble
    if is_passing(trouble):
        return errors.Unavailable()
    if isinstance(trouble, asyncpg.DataError):
        return NotStorable()
    if isinstance(trouble, asyncpg.UniqueViolationError):
        return AlreadyThere()
    return InternalError()


def respond_to(trouble: BaseException, *, path: str) -> ProblemResponse:
    """The response to any exception; what was not expected is logged with its traceback."""
    problem = problem_for(trouble)
    response = respond(problem, path=path)
    if isinstance(trouble, errors.Unavailable):
        # It says itself what is the matter, and a service that is fenced says so to everybody.
        log.warning("request_refused", status=response.status_code, code=problem.code)
    elif response.status_code >= 500 or not isinstance(trouble, Problem):
        log.error("request_failed", status=response.status_code, code=problem.code, exc_info=trouble)
    return response


async def handle_problem(request: Request, trouble: Exception) -> Response:
    """An expected trouble."""
    return respond_to(trouble, path=request.scope["path"])


async def handle_http_exception(request: Request, trouble: Exception) -> Response:
    """What Starlette and FastAPI raise by themselves: no route, wrong method, unreadable form."""
    assert isinstance(trouble, HTTPException)
    status = trouble.status_code
    if status < 400:
        return Response(status_code=status, headers=dict(trouble.headers or {}))
    problem = _FROM_STATUS.get(status, _UnnamedProblem)()
    if isinstance(problem, _UnnamedProblem):
        problem = _UnnamedProblem(_phrase(status), code=_phrase(status).lower().replace(" ", "_"))
    response = respond(problem, path=request.scope["path"], status=status)
    response.headers.update(dict(trouble.headers or {}))
    if status == 405:
        response.headers["Allow"] = ", ".join(sorted(_allowed_methods(request)))
    return response


def _allowed_methods(request: Request) -> set[str]:
    """Every method of this path; a framework tells only those of the first route that fits."""
    fitting = (route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE)
    return {method for route in fitting for method in getattr(route, "methods", None) or ()}


class _UnnamedProblem(Problem):
    """A status that only a framework gives."""

    def __init__(self, detail: str = "", *, code: str = "problem") -> None:
        super().__init__(detail)
        self.code = code  # type: ignore[misc]


_FROM_STATUS: dict[int, type[Problem]] = {
    400: BodyUnreadable,
    401: errors.Unauthenticated,
    403: errors.NotAllowed,
    404: PathNotFound,
    405: MethodNotAllowed,
    413: errors.TooLarge,
    429: errors.TooManyRequests,
    503: errors.Unavailable,
}


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Problem"


async def handle_validation(request: Request, trouble: Exception) -> Response:
    """What a request's models refuse."""
    assert isinstance(trouble, RequestValidationError)
    faults = trouble.errors()
    problem: Problem
    if any(fault["type"] == "json_invalid" for fault in faults):
        problem = JsonUnreadable()
    elif _is_untyped(request, faults):
        problem = errors.Invalid("Send the body as JSON, with Content-Type: application/json.")
    else:
        problem = errors.Invalid(errors=list(_field_errors(faults)))
    return respond(problem, path=request.scope["path"])


def _is_untyped(request: Request, faults: Sequence[Mapping[str, Any]]) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return "json" not in kind and any(
        tuple(fault["loc"]) == ("body",) and isinstance(fault.get("input"), bytes) for fault in faults
    )


def _field_errors(faults: Sequence[Mapping[str, Any]]) -> Iterator[FieldError]:
    for fault in faults[:50]:
        yield FieldError(_pointer(fault["loc"]), str(fault["type"]), str(fault["msg"]))


def _pointer(location: Sequence[Any]) -> str:
    """Where a fault is: `/a/0` in the body, `?limit` in the query, `{id}` in the path, `If-Match:` for a header."""
    place, *steps = location or ("body",)
    path = "/".join(pointer_token(step) for step in steps)
    if place == "query":
        return f"?{path}"
    if place == "path":
        return f"{{{path}}}"
    if place in {"header", "cookie"}:
        return f"{path}:"
    return f"/{path}" if path else ""


HANDLERS: dict[Any, Any] = {
    HTTPException: handle_http_exception,
    RequestValidationError: handle_validation,
    Problem: handle_problem,
}


def all_problems() -> dict[str, type[Problem]]:
    """Every problem that a caller may meet, by code."""
    found: dict[str, type[Problem]] = {}
    pending: list[type[Problem]] = [Problem]
    while pending:
        problem = pending.pop()
        if not problem.__name__.startswith("_"):
            found.setdefault(problem.code, problem)
        pending.extend(problem.__subclasses__())
    return dict(sorted(found.items()))
