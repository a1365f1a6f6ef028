"""Golden examples of all releases through all consumers: real handlers, real PostgreSQL, the bytes as they were.

A handler may say that something it needs has not come yet, or refuse by a rule; it may never be taken by surprise.
"""

import json
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any
from uuid import UUID

import pytest

from anliegen.events import ContactReceived
from anliegen.events.releases import Release, all_releases, retired_types
from anliegen.kit import Handlers, Service
from anliegen.kit.errors import NotYet
from anliegen.kit.service import all_services, load_service

RELEASES = [release for release in all_releases() if release.event_type not in retired_types()]


@pytest.fixture
def service(request: pytest.FixtureRequest) -> Service:
    """The service that a test names by its parameter."""
    return request.param if isinstance(request.param, Service) else load_service(request.param)


@pytest.fixture
def outcome(context: Any, postman: Any) -> Callable[[Iterable[Release]], Awaitable[dict[str, str]]]:
    """Deliver examples, and tell what became of each that did not simply have its effect: parked, or a dead letter."""

    async def deliver(releases: Iterable[Release]) -> dict[str, str]:
        delivered = {}
        for release in releases:
            example = release.example
            data = json.dumps(example["data"], ensure_ascii=False, separators=(",", ":")).encode()
            headers = [(name, value.encode()) for name, value in example["headers"].items()]
            await postman.deliver_raw(example["topic"], key=example["key"].encode(), headers=headers, value=data)
            delivered[UUID(example["headers"]["ce_id"])] = release
        async with context.pool.acquire() as connection:
            seen = {row["event_id"] for row in await connection.fetch("SELECT event_id FROM inbox")}
            parked = await connection.fetch("SELECT reason FROM parked_keys")
            dead = await connection.fetch("SELECT type, error_type, error FROM dead_letters")
        told = {str(release): "never taken" for event_id, release in delivered.items() if event_id not in seen}
        told |= {f"parked {n}": row["reason"] for n, row in enumerate(parked) if row["reason"] not in patient()}
        return told | {f"dead letter {n}": f"{row['error_type']}: {row['error']}" for n, row in enumerate(dead)}

    return deliver


def patient() -> set[str]:
    """The codes of `NotYet` and of what derives from it."""

    def codes(cls: type[NotYet]) -> Iterator[str]:
        yield cls.code
        for derived in cls.__subclasses__():
            yield from codes(derived)

    return set(codes(NotYet))


def heard_by(service: Service) -> list[Release]:
    """The releases whose examples this service hears, as their records follow one another in the story they tell."""
    heard = [r for r in RELEASES if service.handlers.wants(r.event_type, r.example["topic"])]
    assert heard
    return sorted(heard, key=lambda release: (release.example["headers"]["ce_time"], release.number))


@pytest.mark.parametrize("service", all_services(), indirect=True)
async def test_example_alone_takes_no_consumer_by_surprise(service: Service, outcome: Any, database: Any) -> None:
    for release in heard_by(service):
        assert await outcome([release]) == {}, release
        await database.empty()


@pytest.mark.parametrize("service", all_services(), indirect=True)
async def test_examples_as_the_story_they_tell_take_no_consumer_by_surprise(service: Service, outcome: Any) -> None:
    """Delivered alone, most find nothing to act on; here what came before has had its effect."""
    last = {release.event_type: release for release in heard_by(service)}
    assert await outcome(last.values()) == {}


def careless(problem: Exception) -> Service:
    """A service whose handler is taken by surprise."""
    handlers = Handlers("careless")

    @handlers.on(ContactReceived)
    async def stumble(event: ContactReceived, tx: Any) -> None:
        raise problem

    return Service(name="careless", title="Careless", description="Stumbles.", handlers=handlers)


CONTACT = next(release for release in RELEASES if release.event_type == ContactReceived.event_type)


@pytest.mark.parametrize("service", [careless(KeyError("status"))], indirect=True, ids=["careless"])
async def test_consumer_that_is_taken_by_surprise_is_found(service: Service, outcome: Any) -> None:
    assert await outcome([CONTACT]) == {"parked 0": "KeyError"}


@pytest.mark.parametrize("service", [careless(NotYet())], indirect=True, ids=["patient"])
async def test_consumer_that_waits_is_let_be(service: Service, outcome: Any) -> None:
    assert await outcome([CONTACT]) == {}


@pytest.mark.parametrize("service", ["triage"], indirect=True)
async def test_example_that_cannot_be_read_is_found(service: Service, outcome: Any) -> None:
    data = CONTACT.example["data"] | {"received_at": "yesterday"}
    broken = Release(CONTACT.event_type, 1, {}, CONTACT.example | {"data": data})
    assert set(await outcome([broken])) == {str(broken), "dead letter 0"}
