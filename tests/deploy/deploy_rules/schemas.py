"""The strict schemas of everything that deploy/ says: Kubernetes' own, and those of the operators."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from jsonschema import Draft7Validator
from referencing import Registry
from referencing.jsonschema import DRAFT7

from .rendered import Overlay, called

FOLDER = Path(__file__).resolve().parent.parent / "schemas"


@cache
def validators() -> dict[str, Draft7Validator]:
    """A validator for each kind that there is a schema of, by `apiVersion/Kind`."""
    documents = {path.name: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}
    registry = Registry().with_resources(
        (name, DRAFT7.create_resource(document)) for name, document in documents.items()
    )
    return {
        kind: Draft7Validator({"$ref": f"{name}#/kinds/{kind.replace('/', '~1')}"}, registry=registry)
        for name, document in documents.items()
        for kind in document["kinds"]
    }


def as_the_schema_says(overlay: Overlay) -> Iterator[str]:
    """Every resource is as its schema says, and says nothing that its schema does not know."""
    seen: set[tuple[str, str, str]] = set()
    for resource in overlay.resources:
        kind = f"{resource['apiVersion']}/{resource['kind']}"
        identity = (kind, resource["metadata"].get("namespace", ""), resource["metadata"]["name"])
        if identity in seen:
            yield f"{called(resource)} stands there twice"
        seen.add(identity)
        validator = validators().get(kind)
        if validator is None:
            yield f"{called(resource)}: no schema of {kind}; name it in tests/deploy/schemas/sources.yaml"
            continue
        for error in validator.iter_errors(resource):
            place = ".".join(str(part) for part in error.absolute_path) or "the whole"
            yield f"{called(resource)}: {place}: {error.message[:200]}"
