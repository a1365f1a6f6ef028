"""A small service on the kit, to measure the kit by: notes that people write, and contacts that it hears of.

Its write is "state and announcement in one transaction": one row of its own, one event. Its consumer answers each
contact with a row and an event. Run as `python -m benchmarks.toy serve --port=…` it serves HTTP as any service does.
"""

import argparse
from typing import Annotated
from uuid import UUID

import uvloop
from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from anliegen.events import ContactReceived, CustomerLearnt, Handle, QuestionOpened
from anliegen.kit import Delivery, Handlers, Service, Settings, Transaction, collector, ids
from anliegen.kit.http import APIRouter, Tx, idempotent_optional, public
from anliegen.kit.http.app import create_app
from anliegen.kit.http.server import server_for
from anliegen.kit.settings import load
from anliegen.kit.telemetry.start import start_telemetry

NAME = "bench-toy"
PATH = f"/{NAME}/v1/notes"
TABLES = """
CREATE TABLE IF NOT EXISTS notes (note_id uuid PRIMARY KEY, journey_id uuid NOT NULL, text text NOT NULL,
                                  made_at timestamptz NOT NULL);
CREATE TABLE IF NOT EXISTS effects (contact_id uuid PRIMARY KEY, journey_id uuid NOT NULL, text text NOT NULL,
                                    case_id uuid NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
"""
router = APIRouter(prefix=f"/{NAME}/v1", tags=[NAME])


class NewNote(BaseModel):
    """A note about a journey."""

    model_config = ConfigDict(extra="forbid")
    journey_id: UUID
    name: Annotated[str, Field(min_length=1, max_length=200)]
    text: Annotated[str, Field(min_length=1, max_length=10_000)]


class NoteView(BaseModel):
    """A note that is kept."""

    note_id: UUID
    journey_id: UUID


@router.post("/notes", name="write_note", status_code=201, dependencies=[public("measured"), idempotent_optional])
async def write_note(body: NewNote, tx: Tx, response: Response) -> NoteView:
    """Keep a note and announce it."""
    await tx.lock(body.journey_id)
    note_id = ids.uuid7(tx.wall)
    tx.write(
        "INSERT INTO notes (note_id, journey_id, text, made_at) VALUES ($1, $2, $3, $4)",
        note_id, body.journey_id, body.text, tx.now,
    )  # fmt: skip
    tx.publish(
        CustomerLearnt(
            journey_id=body.journey_id,
            name=body.name,
            handle=Handle(kind="email", value="katrin@post.example"),
            assurance="claimed",
        )
    )
    response.headers["Location"] = f"{PATH}/{note_id}"
    return NoteView(note_id=note_id, journey_id=body.journey_id)


def opened(event: ContactReceived) -> QuestionOpened:
    """What the toy announces about a contact."""
    return QuestionOpened(
        journey_id=event.journey_id,
        case_id=ids.derived("case", event.contact_id),
        task="helpdesk",
        status="opened",
        concern_id=event.contact_id,
        intent="opening_hours",
    )


def toy_service(*, many: bool = False, announces: bool = True) -> Service:
    """The toy, with a handler for each event or one that takes lists; it answers what it hears, or only notes it."""
    handlers = Handlers(NAME)

    async def enter_contact(event: ContactReceived, tx: Transaction) -> None:
        await tx.execute(
            "INSERT INTO effects (contact_id, journey_id, text, case_id) VALUES ($1, $2, $3, $4) "
            "ON CONFLICT DO NOTHING",
            event.contact_id, event.journey_id, event.text, ids.derived("case", event.contact_id),
        )  # fmt: skip
        if announces:
            tx.publish(opened(event))

    async def enter_contacts(deliveries: list[Delivery[ContactReceived]], tx: Transaction) -> None:
        events = [delivery.event for delivery in deliveries]
        await tx.execute(
            """
            INSERT INTO effects (contact_id, journey_id, text, case_id)
            SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[]) ON CONFLICT DO NOTHING
            """,
            [e.contact_id for e in events], [e.journey_id for e in events], [e.text for e in events],
            [ids.derived("case", e.contact_id) for e in events],
        )  # fmt: skip
        for delivery in deliveries if announces else ():
            tx.publish(opened(delivery.event), cause=delivery.envelope)

    if many:
        handlers.on_many(ContactReceived)(enter_contacts)
    else:
        handlers.on(ContactReceived)(enter_contact)
    return Service(
        name=NAME, title="Toy", description="Measures the kit.", handlers=handlers,
        routers=() if many else (router,),
    )  # fmt: skip


async def _serve(port: int) -> None:
    service = toy_service()
    collector.settle()
    settings = load(Settings, service.package)
    start_telemetry([service], part="http", settings=settings)
    # A limit like every public route's, so high that it never holds; it is counted all the same.
    app = create_app(service, settings, public_routes={f"POST {PATH}": "1000000/second"})
    await server_for(app, [app.state.doors], host="127.0.0.1", port=port, settings=settings).serve()


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("what", choices=["serve"])
    asked.add_argument("--port", type=int, required=True)
    uvloop.run(_serve(asked.parse_args().port))
