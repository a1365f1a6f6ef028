"""Write what follows from the code: schemas, docs/events.md, docs/asyncapi.json, docs/openapi.json, docs/metrics.md,
dashboards, parts of READMEs.

`make docs` runs it; `--check` writes nothing and fails where something is out of date.
"""

import argparse
import inspect
import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import docs_dashboards
import docs_metrics

from anliegen.events import CaseEvent, ReplyRequested, asyncapi, documentation, registry, schemas
from anliegen.kit.http.app import create_app
from anliegen.kit.http.merged import merge
from anliegen.kit.service import Service, all_services, load_service

ROOT = Path(__file__).resolve().parent.parent
BEGIN = "<!-- written by make docs -->"
END = "<!-- end -->"
# Nothing is opened: an application describes itself without a database, an issuer or a broker.
SETTINGS = {
    "environment": "test",
    "database_url": "postgresql:///{database}",
    "oidc_issuer": "http://issuer.test",
    "identity_secret": "00" * 32,
}


def consumers_of(services: list[Service]) -> dict[str, list[str]]:
    """The services that hear each type of event."""
    return {
        cls.event_type: [
            service.name for service in services if service.handlers.wants(cls.event_type, registry.topic_of(cls))
        ]
        for cls in registry.classes_in("anliegen.events")
    }


def events_document(services: list[Service]) -> str:
    """The events of all services, and who hears them, as one AsyncAPI document."""
    readers = [service.name for service in services if service.handlers.take_partner_records is not None]
    return json.dumps(asyncapi.document(consumers_of(services), readers), indent=1, ensure_ascii=False) + "\n"


def openapi(services: list[Service]) -> str:
    """The interfaces of all services as one document."""
    apps = [(service, create_app(service, service.settings(**SETTINGS))) for service in services]
    merged = merge([(service.package, app.openapi()) for service, app in apps], title="Anliegen", version="0.1.0")
    return json.dumps(merged, indent=1, ensure_ascii=False) + "\n"


def hears_and_announces(service: Service) -> str:
    """What a service hears and brings about, one row a handler, and what it announces."""
    classes = registry.classes_in("anliegen.events")
    heard: dict[str, list[str]] = {}
    effects: dict[str, str] = {}
    for cls in classes:
        for handler in service.handlers.for_(cls.event_type, registry.topic_of(cls)):
            heard.setdefault(handler.name, []).append(cls.__name__)
            effects[handler.name] = _first_sentence(handler.call.__doc__ or "")
    announced = [cls.__name__ for cls in classes if registry.service_of(cls.event_type) == service.name]
    if take := service.handlers.take_partner_records:
        heard[take.__name__] = ["anliegen.partner.<name>"]
        effects[take.__name__] = _first_sentence(take.__doc__ or "")
    return "\n".join([*_table(heard, effects, len(classes)), "", f"Announces {_names(announced)}."])


def _table(heard: dict[str, list[str]], effects: dict[str, str], every: int) -> Iterator[str]:
    yield "| hears | and then |"
    yield "|---|---|"
    for handler, names in heard.items():
        told = "every event" if len(names) == every else _kind(names) or _names(names)
        yield f"| {told} | `{handler}`: {effects[handler]} |"
    yield "| `JourneysMerged`, `JourneysSplit` | the kit follows them, so that reads by journey find the whole person |"


def _kind(names: list[str]) -> str:
    """A whole kind of events by its base, so that one more of them changes no README."""
    for base in (CaseEvent, ReplyRequested):
        if names == [cls.__name__ for cls in registry.classes_of(base)]:
            return f"every `{base.__name__}`"
    return ""


def _names(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "nothing"


def _first_sentence(text: str) -> str:
    first = inspect.cleandoc(text).split("\n\n", maxsplit=1)[0].replace("\n", " ").partition(". ")[0]
    return first.rstrip(".").replace("|", "\\|")


def readme_of(service: Service) -> tuple[Path, str]:
    """The README with its written part brought up to date; unchanged where it has no such part."""
    path = ROOT / "services" / service.name / "README.md"
    return path, with_part(path, lambda: hears_and_announces(service))


def with_part(path: Path, write: Callable[[], str]) -> str:
    """The text of a file with its written part brought up to date; unchanged where it has no such part."""
    text = path.read_text("utf-8") if path.is_file() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{BEGIN}\n{write()}\n{END}{after}" if begin and end else text


def examples_missing() -> list[str]:
    """The types of events whose example nobody has written yet; the catalogue cannot be written without it."""
    types = (cls.event_type for cls in registry.classes_in("anliegen.events"))
    return [kind for kind in types if not (documentation.EXAMPLES / f"{kind}.json").is_file()]


def main() -> int:
    """Write or check everything; the exit code is 1 where something is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where something is out of date")
    check = parser.parse_args().check
    logging.disable(logging.WARNING)
    services = [load_service(name) for name in all_services()]
    arguments = ["--check"] if check else []
    result = schemas.main(arguments)
    if missing := examples_missing():
        for kind in missing:
            print(f"No example of {kind}. Begin one: .venv/bin/python scripts/new_example.py {kind}", file=sys.stderr)
        return 1
    result |= documentation.main(arguments, consumers=consumers_of(services))
    documents = {"openapi.json": openapi(services), "asyncapi.json": events_document(services)}
    documents["metrics.md"] = docs_metrics.metrics_page()
    wanted = dict([*((ROOT / "docs" / name, text) for name, text in documents.items()), *map(readme_of, services)])
    runbooks = ROOT / "docs" / "runbooks" / "README.md"
    wanted[runbooks] = with_part(runbooks, docs_metrics.runbook_table)
    folder = ROOT / "deploy" / "observability" / "dashboards"
    wanted |= {folder / name: text for name, text in docs_dashboards.dashboards().items()}
    for path, text in wanted.items():
        if not text or (path.is_file() and path.read_text("utf-8") == text):
            continue
        if check:
            result = 1
            print(f"Out of date: {path.relative_to(ROOT)}. Run: make docs", file=sys.stderr)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            print(f"Wrote {path.relative_to(ROOT)}")
    return result


if __name__ == "__main__":
    sys.exit(main())
