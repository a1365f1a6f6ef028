"""The description of a service's interface: who may call what, what goes wrong and how that looks."""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from .etags import needs_if_match
from .idempotency import KEPT, LONGEST_KEY
from .problems import MEDIA_TYPE
from .routing import Route

DESCRIPTION_OF_ALL = """
Errors are `application/problem+json` (RFC 9457). Times are RFC 3339 in UTC, ids are strings, money is in minor units
with its currency. Enumerations may grow: treat a value you do not know as `unknown`. A body of JSON is sent with
`Content-Type: application/json`. Lists come in pages: `limit`, `cursor`, and a `Link` header.
"""

PROBLEM = {
    "title": "Problem",
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "Names the kind; explained there."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is the matter, for a person."},
        "instance": {"type": "string", "format": "uri-reference", "description": "The path that was called."},
        "code": {"type": "string", "description": "The kind, for a program; unknown values are possible."},
        "trace_id": {"type": ["string", "null"], "description": "Name it when you ask us."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "message"],
                "properties": {
                    "pointer": {
                        "type": "string",
                        "description": "JSON Pointer into the body; `?name` a query parameter, `{name}` a part of the"
                        " path, `Name:` a header.",
                    },
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                },
            },
        },
    },
    "additionalProperties": True,
    "examples": [
        {
            "type": "/problems/precondition_failed",
            "title": "Precondition failed",
            "status": 412,
            "detail": "Somebody changed this in the meantime: read it again, then repeat with the new ETag.",
            "instance": "/helpdesk/v1/questions/0b9f6d5e-6d1c-8b1e-9a53-6f2d3c1b7a10/answer",
            "code": "precondition_failed",
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        }
    ],
}

_PROBLEM_CONTENT = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
ETAG = r'^"[0-9]+"$'
_KEY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": LONGEST_KEY + 2,
        "pattern": r'^("[!#-\[\]-~]+"|[!#-~]+)$',
    },
    "description": "A text of your own for this one request, best a UUID. Sent again, with or without double quotes, "
    f"it brings the first answer again; answers are kept for {KEPT.total_seconds() / 3600:.0f} hours.",
    "example": '"9f2c1e9c-6d1e-4a57-8f2b-2f6f4a0c7b11"',
}


def describe(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """The function that gives the document; it is made once, when it is first asked for."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                description=f"{app.description}\n{DESCRIPTION_OF_ALL}",
                openapi_version=app.openapi_version,
                routes=app.routes,
                tags=app.openapi_tags,
                servers=app.servers,
            )
            for route in app.routes:
                if isinstance(route, Route) and route.include_in_schema:
                    for method in route.methods or ():
                        _complete(document["paths"][route.path_format][method.lower()], route)
            components = document.setdefault("components", {})
            schemas = components.setdefault("schemas", {})
            schemas.pop("HTTPValidationError", None)
            schemas.pop("ValidationError", None)
            schemas["Problem"] = PROBLEM
            components["securitySchemes"] = {"token": _scheme(app)}
            app.openapi_schema = document
        return app.openapi_schema

    return openapi


def _scheme(app: FastAPI) -> dict[str, Any]:
    issuer = app.state.doors.settings.oidc_issuer
    text = "A token of the OpenID Connect issuer" + (f" {issuer}." if issuer else ".")
    return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": text}


def _complete(operation: dict[str, Any], route: Route) -> None:
    rules = route.rules
    operation["security"] = [{"token": list(rules.scopes)}] if rules.scopes else []
    if rules.scopes:
        operation["x-required-scopes"] = list(rules.scopes)
    parameters = operation.setdefault("parameters", [])
    if rules.repeatable:
        parameters.append({**_KEY_PARAMETER, "required": rules.key_required})
    if needs_if_match(route.dependant):
        for parameter in parameters:
            if parameter["in"] == "header" and parameter["name"].lower() == "if-match":
                parameter.update(
                    required=True, name="If-Match", schema={"type": "string", "pattern": ETAG}, example='"7"'
                )
    if not parameters:
        del operation["parameters"]
    responses = operation["responses"]
    if _is_default_422(responses.get("422")):
        del responses["422"]
    responses["4XX"] = {"description": "The request was not taken; `code` says why.", "content": _PROBLEM_CONTENT}
    responses["5XX"] = {"description": "Not your fault; 503 says when to try again.", "content": _PROBLEM_CONTENT}


def _is_default_422(response: Mapping[str, Any] | None) -> bool:
    return response is not None and "HTTPValidationError" in str(response)
