"""A toy service that keeps a ledger: one row per contact that came, and one event announced for each."""

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from anliegen.events import ContactReceived, ContactTriaged, CustomerLearnt, QuestionOpened
from anliegen.kit import Handlers, Service, Timers, ids
from anliegen.kit.database import connect
from anliegen.kit.errors import NotYet, Refusal
from anliegen.kit.testing.databases import TestDatabase
from anliegen.kit.testing.deliveries import Postman

LEDGER = """
CREATE TABLE IF NOT EXISTS ledger (
    nth bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, contact_id uuid NOT NULL, journey_id uuid NOT NULL, text text
)
"""


class TooLate(Refusal):
    """It is too late for this."""


@dataclass
class Toy:
    """How the toy's handlers behave; a test changes it."""

    broken: set[str] = field(default_factory=set)
    """Texts whose handling fails."""
    refused: set[str] = field(default_factory=set)
    not_yet: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    """Texts whose handling fails as if a file or a host were away; subjects of timers, too."""
    endless: set[str] = field(default_factory=set)
    """Texts whose handling never ends."""
    fired: list[UUID] = field(default_factory=list)
    calls: int = 0


@pytest.fixture
def toy() -> Toy:
    return Toy()


def make_service(toy: Toy, *, projection: bool = False, attempts: int = 3, policy: str = "dead_letter") -> Service:
    handlers = Handlers("kit-toy", projection=projection, attempts=attempts, policy=policy)  # type: ignore[arg-type]
    timers = Timers()

    @handlers.on(ContactReceived)
    async def enter_contact(event: ContactReceived, tx) -> None:
        toy.calls += 1
        await tx.execute(
            "INSERT INTO ledger (contact_id, journey_id, text) VALUES ($1, $2, $3)",
            event.contact_id, event.journey_id, event.text,
        )  # fmt: skip
        if event.text in toy.broken:
            raise RuntimeError("broken on purpose")
        if event.text in toy.gone:
            raise FileNotFoundError("gone on purpose")
        if event.text in toy.endless:
            await asyncio.sleep(3600)
        if event.text in toy.refused:
            raise TooLate
        if event.text in toy.not_yet:
            raise NotYet
        if not projection:
            case_id = ids.derived("case", event.contact_id)
            tx.publish(
                QuestionOpened(
                    journey_id=event.journey_id,
                    case_id=case_id,
                    task="helpdesk",
                    status="opened",
                    concern_id=event.contact_id,
                    intent="toy",
                )
            )

    @handlers.on(CustomerLearnt, over_person=True)
    async def count_over_person(event: CustomerLearnt, tx) -> None:
        await tx.members(event.journey_id)

    @handlers.on_many(ContactTriaged)
    async def enter_triaged(deliveries, tx) -> None:
        await tx.executemany(
            "INSERT INTO ledger (contact_id, journey_id, text) VALUES ($1, $2, 'triaged')",
            [(d.event.contact_id, d.event.journey_id) for d in deliveries],
        )

    @timers.on("toy_due")
    async def ring(timer, tx) -> None:
        if str(timer.subject) in toy.gone:
            raise FileNotFoundError("gone on purpose")
        if str(timer.subject) in toy.broken:
            raise RuntimeError("broken on purpose")
        toy.fired.append(timer.subject)

    return Service(name="kit-toy", title="Toy", description="A ledger.", handlers=handlers, timers=timers)


@pytest.fixture
def make_toy_service():
    return make_service


@pytest.fixture
def service(toy: Toy) -> Service:
    return make_service(toy)


@pytest.fixture
async def database(service: Service, migrated) -> TestDatabase:
    database = await migrated(service)
    async with connect(database.owner_address, application="toy") as connection:
        await connection.execute(LEDGER)
        await connection.execute("GRANT ALL ON ledger TO kit_toy")
    yield database
    await database.empty()


@pytest.fixture
def postman(context):
    """These tests are about what happens when handlers fail."""
    return Postman(context, may_park=True)


@pytest.fixture
def ledger_table() -> str:
    return LEDGER


@pytest.fixture
def ledger(context):
    """The texts in the ledger, in the order in which they were entered."""

    async def read() -> list[str]:
        async with context.pool.acquire() as connection:
            return [row["text"] for row in await connection.fetch("SELECT text FROM ledger ORDER BY nth")]

    return read


@pytest.fixture
def count(context):
    """How many rows a table of the kit has."""

    async def rows(table: str) -> int:
        async with context.pool.acquire() as connection:
            return await connection.fetchval(f"SELECT count(*) FROM {table}")

    return rows
