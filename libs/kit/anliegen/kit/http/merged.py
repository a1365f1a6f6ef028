"""One description of the interfaces of several services.

Names get the service's prefix. What every service offers in the same form, such as its dead letters, is described once,
under `/{service}/v1/…`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from .openapi import DESCRIPTION_OF_ALL, PROBLEM

EVERY_SERVICE = "x-every-service"
"""Marks an operation that every service offers in the same form."""
_SHARED_PREFIX = "EveryService"
_SCHEMAS = "#/components/schemas/"

Document = Mapping[str, Any]


def merge(documents: Iterable[tuple[str, Document]], *, title: str, version: str) -> dict[str, Any]:
    """One document from those of several services, given by package name; schemas become `Helpdesk.QuestionView`."""
    merged: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": DESCRIPTION_OF_ALL.strip()},
        "servers": [{"url": "/"}],
        "tags": [],
        "paths": {},
        "components": {"schemas": {"Problem": PROBLEM}, "securitySchemes": {}},
    }
    taken: set[str] = set()
    shared: dict[str, Any] = {}
    sharing: list[str] = []
    for package, document in documents:
        merged["openapi"] = document["openapi"]
        own, common = _split(document)
        if common["paths"]:
            sharing.append(package.replace("_", "-"))
            shared = shared or _with_prefix(common, _SHARED_PREFIX)
        renamed = _with_prefix(own, "".join(word.capitalize() for word in package.split("_")))
        merged["components"]["schemas"].update(renamed["components"]["schemas"])
        merged["components"]["securitySchemes"].update(renamed["components"].get("securitySchemes", {}))
        merged["tags"] += [tag for tag in renamed.get("tags", []) if tag not in merged["tags"]]
        for path, operations in renamed["paths"].items():
            for operation in operations.values():
                if operation["operationId"] in taken:
                    operation["operationId"] = f"{package}_{operation['operationId']}"
                taken.add(operation["operationId"])
            merged["paths"][path] = operations
    if shared:
        merged["components"]["schemas"].update(shared["components"]["schemas"])
        merged["paths"].update(_for_every_service(shared["paths"], sharing))
    return merged


def _for_every_service(paths: Mapping[str, Any], services: list[str]) -> dict[str, Any]:
    """These paths of one service, with the service's name as a parameter."""
    parameter = {"name": "service", "in": "path", "required": True, "schema": {"type": "string", "enum": services}}
    return {
        "/{service}/" + path.split("/", 2)[2]: {
            method: {**operation, "parameters": [parameter, *operation.get("parameters", [])]}
            for method, operation in operations.items()
        }
        for path, operations in paths.items()
    }


def _split(document: Document) -> tuple[Document, Document]:
    """The service's own part of a document, and the part that every service has."""
    paths = document["paths"]
    common = {path: found for path, found in paths.items() if any(EVERY_SERVICE in one for one in found.values())}
    if not common:
        return document, {"paths": {}}
    own = {path: found for path, found in paths.items() if path not in common}
    schemas = document["components"]["schemas"]
    named_by_own, named_by_common = _named(own, schemas), _named(common, schemas)
    return (
        _part(document, own, schemas.keys() - (named_by_common - named_by_own)),
        _part(document, common, named_by_common),
    )


def _part(document: Document, paths: Mapping[str, Any], names: Iterable[str]) -> Document:
    kept = set(names)
    schemas = {name: schema for name, schema in document["components"]["schemas"].items() if name in kept}
    return {**document, "paths": paths, "components": {**document["components"], "schemas": schemas}}


def _named(value: Any, schemas: Mapping[str, Any]) -> set[str]:
    """Every schema that is named in a value, or in a schema that is."""
    found: set[str] = set()
    pending = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, Mapping):
            pending.extend(part.values())
        elif isinstance(part, list):
            pending.extend(part)
        elif isinstance(part, str) and part.startswith(_SCHEMAS):
            name = part.removeprefix(_SCHEMAS)
            if name in schemas and name not in found:
                found.add(name)
                pending.append(schemas[name])
    return found


def _with_prefix(document: Document, prefix: str) -> dict[str, Any]:
    def name_of(name: str) -> str:
        return name if name == "Problem" else f"{prefix}.{name}"

    def walk(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {k: _renamed(v) if k == "$ref" else walk(v) for k, v in value.items()}
        if isinstance(value, list):
            return [walk(inner) for inner in value]
        # A discriminator's mapping names schemas as plain text.
        return _renamed(value) if isinstance(value, str) and value.startswith(_SCHEMAS) else value

    def _renamed(reference: str) -> str:
        return _SCHEMAS + name_of(reference.removeprefix(_SCHEMAS)) if reference.startswith(_SCHEMAS) else reference

    whole: dict[str, Any] = walk(document)
    whole["components"]["schemas"] = {name_of(n): s for n, s in whole["components"]["schemas"].items()}
    return whole
