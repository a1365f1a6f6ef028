"""Three small services in a row, which keep a ledger: a door takes contacts, a desk opens cases, a shelf files them.

None of their tables has a unique key, so whatever takes effect twice stands there twice. What they count, they read
after their lock, so whoever decides without the lock counts wrong.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import status
from pydantic import BaseModel

from anliegen.events import ContactReceived, QuestionOpened, QuestionResolved
from anliegen.events.builders import build
from anliegen.kit import Delivery, Handlers, Service, Timer, Timers, Transaction, ids
from anliegen.kit.errors import NotYet
from anliegen.kit.http import APIRouter, Tx, idempotent, requires

TABLES = {
    "fault-door": """
        CREATE TABLE contacts (
            nth bigint GENERATED ALWAYS AS IDENTITY, contact_id uuid NOT NULL, journey_id uuid NOT NULL,
            number int
        );
        CREATE INDEX contacts_journey ON contacts (journey_id)
    """,
    "fault-desk": """
        CREATE TABLE effects (
            nth bigint GENERATED ALWAYS AS IDENTITY, contact_id uuid NOT NULL, journey_id uuid NOT NULL,
            number int NOT NULL, sequence bigint NOT NULL
        );
        CREATE INDEX effects_journey ON effects (journey_id);
        CREATE TABLE rings (contact_id uuid NOT NULL, journey_id uuid NOT NULL);
        CREATE TABLE thorns (contact_id uuid NOT NULL, kind text NOT NULL)
    """,
    "fault-shelf": """
        CREATE TABLE entries (
            nth bigint GENERATED ALWAYS AS IDENTITY, contact_id uuid NOT NULL, journey_id uuid NOT NULL,
            type text NOT NULL, sequence bigint NOT NULL
        )
    """,
}
FOLLOW_UP = "fault_follow_up"
RING, QUICK = "ring", "quick"
"""Texts that ask for something: a follow-up by the desk; a write of one statement, in which nothing can be counted."""

router = APIRouter(prefix="/fault-door/v1", tags=["fault-door"])


class NewContact(BaseModel):
    """A contact as the ledger knows it. `text` may ask for something (`RING`, `QUICK`)."""

    contact_id: UUID
    journey_id: UUID
    text: str = ""


@router.post(
    "/contacts",
    name="take_fault_contact",
    status_code=status.HTTP_201_CREATED,
    dependencies=[requires("contacts:write"), idempotent],
)
async def take_fault_contact(contact: NewContact, tx: Tx) -> dict[str, int]:
    """Take a contact, number it within its journey, announce it."""
    await tx.lock(contact.journey_id)
    number = None
    if contact.text != QUICK:
        number = 1 + await tx.fetchval("SELECT count(*) FROM contacts WHERE journey_id = $1", contact.journey_id)
    tx.write(
        "INSERT INTO contacts (contact_id, journey_id, number) VALUES ($1, $2, $3)",
        contact.contact_id, contact.journey_id, number,
    )  # fmt: skip
    tx.publish(build(ContactReceived, contact_id=contact.contact_id, journey_id=contact.journey_id, text=contact.text))
    return {"number": number or 0}


class Thorny(RuntimeError):
    """The test wants this contact's handling to fail."""


desk = Handlers("fault-desk", attempts=1000)
desk_timers = Timers()


@desk.on(ContactReceived)
async def open_fault_case(event: ContactReceived, tx: Transaction) -> None:
    thorn = await tx.fetchval("SELECT kind FROM thorns WHERE contact_id = $1", event.contact_id)
    if thorn is not None:
        raise NotYet if thorn == "not_yet" else Thorny
    assert tx.cause is not None
    number = 1 + await tx.fetchval("SELECT count(*) FROM effects WHERE journey_id = $1", event.journey_id)
    await tx.execute(
        "INSERT INTO effects (contact_id, journey_id, number, sequence) VALUES ($1, $2, $3, $4)",
        event.contact_id, event.journey_id, number, tx.cause.sequence,
    )  # fmt: skip
    tx.publish(_case_event(QuestionOpened, event.contact_id, event.journey_id))
    if event.text == RING:
        due_at = datetime.now(UTC)
        await tx.set_timer(FOLLOW_UP, key=event.journey_id, subject=event.contact_id, due_at=due_at)


@desk_timers.on(FOLLOW_UP)
async def ring_fault_case(timer: Timer, tx: Transaction) -> None:
    journey_id = UUID(timer.key)
    await tx.execute("INSERT INTO rings (contact_id, journey_id) VALUES ($1, $2)", timer.subject, journey_id)
    tx.publish(_case_event(QuestionResolved, timer.subject, journey_id))


def _case_event(cls: Any, contact_id: UUID, journey_id: UUID) -> Any:
    return build(cls, contact_id=contact_id, journey_id=journey_id, case_id=ids.derived("case", contact_id))


shelf = Handlers("fault-shelf", projection=True, policy="stay")


@shelf.on_many(QuestionOpened, QuestionResolved)
async def file_fault_cases(deliveries: list[Delivery[Any]], tx: Transaction) -> None:
    await tx.executemany(
        "INSERT INTO entries (contact_id, journey_id, type, sequence) VALUES ($1, $2, $3, $4)",
        [(d.event.contact_id, d.event.journey_id, d.envelope.type, d.envelope.sequence) for d in deliveries],
    )


SERVICES = {
    "fault-door": Service(
        name="fault-door", title="Door", description="Takes contacts.", handlers=Handlers("fault-door"),
        routers=(router,),
    ),
    "fault-desk": Service(
        name="fault-desk", title="Desk", description="Opens cases.", handlers=desk, timers=desk_timers
    ),
    "fault-shelf": Service(name="fault-shelf", title="Shelf", description="Files cases.", handlers=shelf),
}  # fmt: skip
