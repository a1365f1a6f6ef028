"""One catalogue of events, topics, texts, scopes and public routes."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from .workspace import Source, Workspace

LANGUAGES = ("de", "en", "fr", "it")
TEMPLATES = "services/intake/anliegen/intake/templates"


def events_undocumented(workspace: Workspace, types: Iterable[str]) -> Iterator[str]:
    """Every event type has its golden example and its schema, and neither is left over."""
    library = workspace.root / "libs" / "events"
    wanted = set(types)
    for folder in ("examples", "schemas"):
        found = {path.name.removesuffix(".json") for path in (library / folder).glob("*.json")}
        yield from (f"libs/events/{folder}/{kind}.json is missing" for kind in sorted(wanted - found))
        yield from (f"libs/events/{folder}/{kind}.json belongs to no event" for kind in sorted(found - wanted))


def events_unimported(workspace: Workspace) -> Iterator[str]:
    """Every module that declares an event is imported by the library itself: what nobody imports is in no catalogue."""
    library = workspace.root / "libs" / "events" / "anliegen" / "events"
    imported = (library / "__init__.py").read_text("utf-8")
    for path in sorted(library.glob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        declares = any(keyword.arg == "type" for node in classes for keyword in node.keywords)
        if declares and not re.search(rf"^from \.{path.stem} import ", imported, re.MULTILINE):
            yield f"libs/events/anliegen/events/__init__.py imports nothing of {path.stem}: its events are unknown"


def topics_unknown(used: Mapping[str, str], manifest: Iterable[str]) -> Iterator[str]:
    """Every topic that is used stands in the manifest, and every one there is used. `used` says by whom."""
    known = set(manifest)
    yield from (f"{used[topic]} uses {topic}, which is not in topics.toml" for topic in sorted(set(used) - known))
    yield from (f"topics.toml names {topic}, which nobody uses" for topic in sorted(known - set(used)))


def templates_missing(workspace: Workspace) -> Iterator[str]:
    """Every text key that a service asks for has a text in every language."""
    folder = workspace.root / TEMPLATES
    for service in workspace.services:
        for source in service.sources:
            for key, node in template_keys(source):
                if not key:
                    yield source.at(node, "template: give the key as a text or a constant, so that it can be found")
                    continue
                for language in LANGUAGES:
                    if not (folder / f"{key}.{language}.text.j2").is_file():
                        yield source.at(node, f"the text {key} is missing in {language}")


def template_keys(source: Source) -> Iterator[tuple[str, ast.AST]]:
    """The keys of `template=…` in requests for replies; empty where it cannot be read."""
    constants = {
        target.id: node.value.value
        for node in source.nodes
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for name, call in source.calls():
        if not re.search(r"ReplyRequested(\.about)?$", name):
            continue
        for keyword in call.keywords:
            if keyword.arg == "template":
                match keyword.value:
                    case ast.Constant(value=str(key)):
                        yield key, call
                    case ast.Name(id=constant) if constant in constants:
                        yield str(constants[constant]), call
                    case _:
                        yield "", call


def texts_incomplete(folder: Path) -> Iterator[str]:
    """A text that is there in one language is there in all."""
    found = {path.name for path in folder.glob("*.j2")}
    parts = {(match[1], match[2]) for name in found if (match := re.match(r"(\w+)\.(?:de|en|fr|it)\.(\w+)\.j2$", name))}
    for key, part in sorted(parts):
        for language in LANGUAGES:
            if f"{key}.{language}.{part}.j2" not in found:
                yield f"{folder.name}/{key}.{language}.{part}.j2 is missing"


def scopes_unknown(used: Mapping[str, Iterable[str]], known: Iterable[str]) -> Iterator[str]:
    """Every scope that a route asks for stands in the one list. `used` gives the scopes of each route."""
    listed = set(known)
    for route, scopes in used.items():
        yield from (f"{route} asks for {scope}, which is in no list" for scope in sorted(set(scopes) - listed))


def public_routes_unlisted(found: Iterable[str], listed: Iterable[str]) -> Iterator[str]:
    """Every public route stands in the one list, and every one there exists."""
    is_there, is_listed = set(found), set(listed)
    yield from (f"{path} is public and not listed" for path in sorted(is_there - is_listed))
    yield from (f"{path} is listed and there is no such public route" for path in sorted(is_listed - is_there))
