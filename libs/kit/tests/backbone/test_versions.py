"""A fact in two versions takes effect once, whichever a consumer reads, and also while consumers change from one to the
other."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from anliegen.events import ContactReceived, Event, JourneyEvent, codec, registry
from anliegen.events.builders import build
from anliegen.events.registry import UpcasterMisplaced, upcasts
from anliegen.kit import Handlers, Service
from anliegen.kit.handlers import VersionOutdated
from anliegen.kit.testing import announced
from anliegen.kit.testing.deliveries import Postman

OLD_TYPE, NEW_TYPE = "kit_toy.lamp_lit.v1", "kit_toy.lamp_lit.v2"


@pytest.fixture(autouse=True)
def versions(monkeypatch: pytest.MonkeyPatch) -> tuple[type[Event], type[Event]]:
    """A fact and its next version, of which it tells one thing more; both are forgotten after the test."""
    monkeypatch.setattr(registry, "_classes", dict(registry._classes))
    monkeypatch.setattr(registry, "_upcasters", {})

    class LampLit(JourneyEvent, type=OLD_TYPE):
        """A light shines."""

    class LampLitInColour(JourneyEvent, type=NEW_TYPE):
        """A light shines in a colour."""

        colour: str

    @upcasts(LampLit, to=LampLitInColour)
    def in_white(old: LampLit) -> LampLitInColour:
        return LampLitInColour(journey_id=old.journey_id, colour="white")

    return LampLit, LampLitInColour


@contextlib.contextmanager
def old_code() -> Iterator[None]:
    """As it was before the new version: nobody knows it, nobody upcasts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_upcasters", {})
        patch.delitem(registry._classes, NEW_TYPE)
        yield


def keeper(cls: type[Event]) -> Service:
    handlers = Handlers("kit-toy")

    @handlers.on(cls)
    async def enter_light(event: Any, tx: Any) -> None:
        await tx.execute(
            "INSERT INTO ledger (contact_id, journey_id, text) VALUES ($1, $1, $2)",
            event.journey_id, getattr(event, "colour", "without"),
        )  # fmt: skip

    return Service(name="kit-toy", title="Keeper", description="Keeps the light.", handlers=handlers)


@pytest.fixture
def service(versions: Any) -> Service:
    return keeper(versions[1])


@pytest.fixture
def old_consumer(context: Any, postman: Postman, versions: Any) -> Postman:
    """The same group at the same place in the log, with the code that it had before."""
    with old_code():
        before = Postman(replace(context, service=keeper(versions[0])))
    before._offsets = postman._offsets
    return before


@pytest.fixture
def twins(versions: Any) -> Any:
    """One fact as a producer announces it while some read the old version: the new one, then the old, of one id."""
    old, new = versions

    def make() -> list[Any]:
        first = announced(new(journey_id=(journey_id := uuid4()), colour="red"))
        second = announced(old(journey_id=journey_id))
        return [first, replace(second, envelope=replace(second.envelope, id=first.envelope.id))]

    return make


async def test_old_version_is_heard_as_the_new_one(versions: Any, deliver: Any, ledger: Any) -> None:
    await deliver(versions[0](journey_id=uuid4()), versions[1](journey_id=uuid4(), colour="red"))
    assert await ledger() == ["white", "red"]


@pytest.mark.parametrize("one_by_one", [False, True])
async def test_fact_announced_in_both_versions_takes_effect_once(
    twins: Any, deliver: Any, ledger: Any, one_by_one: bool
) -> None:
    await deliver(*twins(), *twins(), one_by_one=one_by_one)
    assert await ledger() == ["red", "red"]


async def test_consumer_of_the_old_version_reads_that_alone(twins: Any, old_consumer: Postman, ledger: Any) -> None:
    with old_code():
        await old_consumer.deliver(*twins())
    assert await ledger() == ["without"]


async def test_consumer_upgraded_between_the_two_loses_nothing(
    twins: Any, old_consumer: Postman, postman: Postman, ledger: Any
) -> None:
    new, old = twins()
    with old_code():
        await old_consumer.deliver(new)
    assert await ledger() == []
    await postman.deliver(old)
    assert await ledger() == ["white"]


async def test_consumer_taken_back_between_the_two_doubles_nothing(
    twins: Any, old_consumer: Postman, postman: Postman, ledger: Any
) -> None:
    new, old = twins()
    await postman.deliver(new)
    with old_code():
        await old_consumer.deliver(old)
    assert await ledger() == ["red"]


async def test_both_versions_are_published_under_one_id_the_new_one_first(
    versions: Any, begin: Any, context: Any
) -> None:
    old, new = versions
    journey_id = uuid4()
    async with begin() as tx:
        await tx.lock(journey_id)
        event_id = tx.publish(new(journey_id=journey_id, colour="red"), beside=old(journey_id=journey_id))
    async with context.pool.acquire() as connection:
        rows = await connection.fetch(
            "SELECT event_id, type, sequence, headers->>'ce_type' AS said FROM outbox ORDER BY seq"
        )
    assert [tuple(row) for row in rows] == [(event_id, NEW_TYPE, 1, NEW_TYPE), (event_id, OLD_TYPE, 2, OLD_TYPE)]


async def test_handler_that_runs_again_in_a_newer_version_announces_the_same_id(versions: Any, tx: Any) -> None:
    """After an upgrade and a restore, say: the repetition is known by its id, whatever its version."""
    old, new = versions
    journey_id = uuid4()
    await tx.lock(journey_id)
    cause = announced(build(ContactReceived)).envelope
    first = tx.publish(old(journey_id=journey_id), cause=cause)
    tx._ordinals.clear()
    assert tx.publish(new(journey_id=journey_id, colour="red"), cause=cause) == first


def test_old_version_alone_cannot_be_handled_any_more(versions: Any) -> None:
    with pytest.raises(VersionOutdated, match=r"enter_light: kit_toy\.lamp_lit\.v1"):
        keeper(versions[0])


def test_handler_of_a_base_hears_every_version_once(versions: Any) -> None:
    handlers = keeper(JourneyEvent).handlers
    assert handlers.heard[OLD_TYPE] == handlers.heard[NEW_TYPE] == ["enter_light"]


def test_several_breaks_are_upcast_one_after_the_other(versions: Any) -> None:
    class LampLitAtHeight(JourneyEvent, type="kit_toy.lamp_lit.v3"):
        """A light shines in a colour, at a height."""

        colour: str
        height: int

    @upcasts(versions[1], to=LampLitAtHeight)
    def at_sea_level(old: Any) -> LampLitAtHeight:
        return LampLitAtHeight(journey_id=old.journey_id, colour=old.colour, height=0)

    event = codec.decode(OLD_TYPE, codec.encode(versions[0](journey_id=uuid4())))
    assert isinstance(event, LampLitAtHeight)
    assert (event.colour, event.height) == ("white", 0)
    assert registry.versions_read_as(LampLitAtHeight) == ["kit_toy.lamp_lit.v3", NEW_TYPE, OLD_TYPE]


def test_upcaster_leads_to_the_next_version_and_is_the_only_one(versions: Any) -> None:
    old, new = versions
    for wrong in (lambda: upcasts(new, to=old), lambda: upcasts(old, to=ContactReceived), lambda: upcasts(old, to=new)):
        with pytest.raises(UpcasterMisplaced):
            wrong()(lambda event: event)
