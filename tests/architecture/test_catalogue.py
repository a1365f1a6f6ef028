"""One catalogue of events, topics, texts, scopes and public routes."""

from functools import cache

import pytest
from house_rules import catalogue, hold

from anliegen.events import CaseEvent, registry
from anliegen.events.topics import manifest
from anliegen.kit.http.public_routes import PUBLIC_ROUTES
from anliegen.kit.http.routing import Route
from anliegen.kit.scopes import ROLES, SCOPES
from anliegen.kit.service import Service, all_services, load_service


@cache
def services() -> list[Service]:
    """The installed services."""
    return [load_service(name) for name in all_services()]


@cache
def routes() -> dict[str, Route]:
    """Every route of every service, by method and path."""
    found = {}
    for service in services():
        for router in service.routers:
            for route in router.routes:
                if isinstance(route, Route):
                    found.update({f"{method} {route.path_format}": route for method in route.methods or ()})
    return found


def event_types() -> list[str]:
    return [cls.event_type for cls in registry.classes_in("anliegen.events")]


def test_every_service_is_installed(workspace) -> None:
    assert [service.name for service in workspace.services] == all_services()


def test_every_event_has_example_and_schema(workspace) -> None:
    hold(catalogue.events_undocumented(workspace, event_types()))


def test_every_event_is_imported_by_the_library(workspace) -> None:
    hold(catalogue.events_unimported(workspace))


def test_every_topic_stands_in_the_manifest() -> None:
    used = {registry.topic_of(cls): cls.__name__ for cls in registry.classes_in("anliegen.events")}
    used |= {topic: service.name for service in services() for topic in service.handlers.topics}
    hold(catalogue.topics_unknown(used, [topic.name for topic in manifest("production")]))


def test_every_text_is_there_in_every_language(workspace) -> None:
    hold(catalogue.templates_missing(workspace))
    hold(catalogue.texts_incomplete(workspace.root / catalogue.TEMPLATES))


def test_every_scope_stands_in_the_list() -> None:
    hold(catalogue.scopes_unknown({name: route.rules.scopes for name, route in routes().items()}, SCOPES))
    hold(catalogue.scopes_unknown(ROLES, SCOPES))


def test_every_public_route_stands_in_the_list() -> None:
    public = [entry for entry, route in routes().items() if route.rules.public]
    hold(catalogue.public_routes_unlisted(public, PUBLIC_ROUTES))


def test_every_route_has_a_name_of_its_own() -> None:
    names = [route.name for route in routes().values()]
    assert sorted(names) == sorted(set(names))


def test_undocumented_event_is_found(toy) -> None:
    both = {f"/libs/events/{folder}/toy.toy_broke.v1.json": "{}" for folder in ("examples", "schemas")}
    assert list(catalogue.events_undocumented(toy(both), ["toy.toy_broke.v1"])) == []
    missing = list(catalogue.events_undocumented(toy(both), ["toy.toy_broke.v1", "toy.toy_mended.v1"]))
    assert [line.rpartition("/")[2] for line in missing] == ["toy.toy_mended.v1.json is missing"] * 2
    assert len(list(catalogue.events_undocumented(toy(both), []))) == 2


def test_event_that_nobody_imports_is_found(toy) -> None:
    folder = "/libs/events/anliegen/events"
    declared = 'class ToyBroke(Event, type="toy.toy_broke.v1"):\n    pass\n'
    known = {f"{folder}/toy.py": declared, f"{folder}/__init__.py": "from .toy import ToyBroke\n"}
    assert list(catalogue.events_unimported(toy(known))) == []
    forgotten = {f"{folder}/toy.py": declared, f"{folder}/__init__.py": "from .base import Event\n"}
    assert len(list(catalogue.events_unimported(toy(forgotten)))) == 1


def test_unknown_and_unused_topics_are_found() -> None:
    assert list(catalogue.topics_unknown({"a": "A"}, ["a"])) == []
    assert list(catalogue.topics_unknown({"a": "A", "b": "B"}, ["a", "c"])) == [
        "B uses b, which is not in topics.toml",
        "topics.toml names c, which nobody uses",
    ]


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('tx.publish(ToyReplyRequested.about(toy, template="mended"))\n', 0),
        ('MENDED = "mended"\ntx.publish(ToyReplyRequested(template=MENDED))\n', 0),
        ('tx.publish(ToyReplyRequested(template="broken"))\n', 4),
        ("tx.publish(ToyReplyRequested(template=make_key()))\n", 1),
    ],
)
def test_missing_text_is_found(toy, code, found) -> None:
    texts = {f"/{catalogue.TEMPLATES}/mended.{language}.text.j2": "" for language in catalogue.LANGUAGES}
    assert len(list(catalogue.templates_missing(toy({**texts, "actions.py": code})))) == found


def test_text_without_a_language_is_found(toy) -> None:
    texts = {f"/{catalogue.TEMPLATES}/mended.{language}.text.j2": "" for language in ("de", "en", "fr")}
    folder = toy(texts).root / catalogue.TEMPLATES
    assert list(catalogue.texts_incomplete(folder)) == ["templates/mended.it.text.j2 is missing"]


def test_unknown_scope_and_unlisted_route_are_found() -> None:
    assert list(catalogue.scopes_unknown({"GET /x": ["toys:break"]}, ["toys:read"]))
    assert len(list(catalogue.public_routes_unlisted(["/a", "/b"], ["/b", "/c"]))) == 2


def test_every_task_measures_its_open_cases() -> None:
    tasks = {registry.service_of(cls.event_type) for cls in registry.classes_of(CaseEvent)}
    assert tasks & {service.name for service in services()}
    assert [one.name for one in services() if one.name in tasks and not one.measures] == []
