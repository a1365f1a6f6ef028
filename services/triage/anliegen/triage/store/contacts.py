"""Contacts, their concerns, and what went wrong. No words are kept: codes, and offsets into the contact's text."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import TypeAdapter

from anliegen.events import Concern, Failure, Task
from anliegen.kit import Transaction

from ..classifier import Reading
from ..domain import Contact, ContactNotFound, Decided, DecidedBy, Handover, Status
from ..guard import EarlierFailure

_reading = TypeAdapter(Reading)


# Contacts -------------------------------------------------------------------------------------------------------------
async def insert_contacts(tx: Transaction, contacts: Sequence[Contact]) -> set[UUID]:
    """Keep contacts; tells which of them were new."""
    rows = await tx.fetch(
        """
        INSERT INTO contacts (contact_id, journey_id, channel, language, received_at, status, earlier_contact_id,
                              found_by, pack, decided_by, decided_at, reading, market)
        SELECT a, b, c, d, e, f, g, h, i, j, k, l::jsonb, m
        FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::uuid[],
                    $8::text[], $9::text[], $10::text[], $11::timestamptz[], $12::text[], $13::text[])
             AS given (a, b, c, d, e, f, g, h, i, j, k, l, m)
        ON CONFLICT (contact_id) DO NOTHING RETURNING contact_id
        """,
        [one.contact_id for one in contacts],
        [one.journey_id for one in contacts],
        [one.channel for one in contacts],
        [one.language for one in contacts],
        [one.received_at for one in contacts],
        [one.status for one in contacts],
        [one.earlier_contact_id for one in contacts],
        [one.found_by for one in contacts],
        [one.pack for one in contacts],
        [one.decided_by for one in contacts],
        [one.decided_at for one in contacts],
        [_reading.dump_json(one.reading).decode() for one in contacts],
        [one.market for one in contacts],
    )
    return {row["contact_id"] for row in rows}


async def update_contact(tx: Transaction, contact: Contact) -> None:
    """Write where a contact stands."""
    await tx.execute(
        """
        UPDATE contacts SET status = $2, decided_by = $3, decided_at = $4, version = version + 1 WHERE contact_id = $1
        """,
        contact.contact_id, contact.status, contact.decided_by, contact.decided_at,
    )  # fmt: skip


async def update_contact_version(tx: Transaction, *, contact_id: UUID) -> None:
    """What a reader of this contact sees has changed."""
    await tx.execute("UPDATE contacts SET version = version + 1 WHERE contact_id = $1", contact_id)


async def find_contact(tx: Transaction, *, contact_id: UUID) -> Contact | None:
    """The contact of this id."""
    row = await tx.fetchrow(
        """
        SELECT contact_id, journey_id, channel, language, received_at, status, earlier_contact_id, found_by, reading,
               pack, decided_by, decided_at, market, version
        FROM contacts WHERE contact_id = $1
        """,
        contact_id,
    )
    return None if row is None else _contact(row)


async def get_contact(tx: Transaction, *, contact_id: UUID) -> Contact:
    """The contact of this id. Raises ContactNotFound."""
    contact = await find_contact(tx, contact_id=contact_id)
    if contact is None:
        raise ContactNotFound
    return contact


def _contact(row: asyncpg.Record) -> Contact:
    fields: dict[str, Any] = dict(row)
    fields["reading"] = _reading.validate_python(row["reading"])
    fields["status"] = Status(row["status"])
    fields["decided_by"] = DecidedBy(row["decided_by"]) if row["decided_by"] else None
    return Contact(**fields)


async def list_waiting(tx: Transaction, *, earlier_contact_ids: Sequence[UUID]) -> dict[UUID, list[tuple[UUID, UUID]]]:
    """By earlier contact, those (id, journey) that wait for it to be understood, in the order they came."""
    rows = await tx.fetch(
        """
        SELECT earlier_contact_id, contact_id, journey_id FROM contacts
        WHERE earlier_contact_id = ANY($1::uuid[]) AND status = 'waiting' ORDER BY received_at, contact_id
        """,
        earlier_contact_ids,
    )
    waiting: dict[UUID, list[tuple[UUID, UUID]]] = {}
    for row in rows:
        waiting.setdefault(row["earlier_contact_id"], []).append((row["contact_id"], row["journey_id"]))
    return waiting


async def list_contacts_after(
    tx: Transaction, *, journey_ids: Sequence[UUID], since: datetime, until: datetime
) -> list[tuple[UUID, UUID]]:
    """The decided contacts (id, journey) of these journeys that came between these times, by id."""
    rows = await tx.fetch(
        """
        SELECT contact_id, journey_id FROM contacts
        WHERE journey_id = ANY($1::uuid[]) AND received_at >= $2 AND received_at < $3 AND status = 'decided'
        ORDER BY contact_id
        """,
        journey_ids, since, until,
    )  # fmt: skip
    return [(row["contact_id"], row["journey_id"]) for row in rows]


# Concerns -------------------------------------------------------------------------------------------------------------
async def insert_concerns(tx: Transaction, decided: Mapping[UUID, Sequence[Decided]]) -> None:
    """Keep the concerns of contacts, given by contact."""
    # The tier stands in its own column, since it is counted again when failures become known later.
    await tx.executemany(
        """
        INSERT INTO concerns (concern_id, contact_id, ordinal, task, intent, case_id, continues, handed_over_from,
                              base_tier, tier, details)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        """,
        [
            (
                one.concern.concern_id, contact_id, one.concern.ordinal, one.concern.task, one.concern.intent,
                one.case_id, one.continues, one.handed_over_from, one.base_tier, one.concern.tier,
                one.concern.model_dump(mode="json", exclude={"tier"}),
            )
            for contact_id, concerns in decided.items()
            for one in concerns
        ],
    )  # fmt: skip


async def list_concerns(tx: Transaction, *, contact_id: UUID) -> list[Decided]:
    """The concerns of a contact, in their order."""
    rows = await tx.fetch(
        "SELECT case_id, base_tier, tier, details FROM concerns WHERE contact_id = $1 ORDER BY ordinal", contact_id
    )
    return [
        Decided(Concern.model_validate(row["details"]), row["case_id"], row["base_tier"]).at_tier(row["tier"])
        for row in rows
    ]


async def find_intent_of_case(tx: Transaction, *, case_id: UUID) -> str | None:
    """The intent that a case began with, where triage has seen its beginning."""
    intent: str | None = await tx.fetchval("SELECT intent FROM concerns WHERE case_id = $1 AND NOT continues", case_id)
    return intent


async def find_handed_over(tx: Transaction, *, case_id: UUID) -> tuple[UUID, Task, str] | None:
    """The case (id, task, intent) that goes on with one that its task handed over."""
    row = await tx.fetchrow("SELECT case_id, task, intent FROM concerns WHERE handed_over_from = $1", case_id)
    return (row["case_id"], Task(row["task"]), row["intent"]) if row else None


async def insert_handover(tx: Transaction, handover: Handover) -> bool:
    """Keep a handover; tells whether it was new."""
    found = await tx.fetchval(
        """
        INSERT INTO handovers (case_id, contact_id, task, to_task) VALUES ($1, $2, $3, $4)
        ON CONFLICT (case_id) DO NOTHING RETURNING true
        """,
        handover.case_id, handover.contact_id, handover.task, handover.to_task,
    )  # fmt: skip
    return bool(found)


async def list_handovers(tx: Transaction, *, contact_ids: Sequence[UUID], waiting: bool = False) -> list[Handover]:
    """What was handed over of these contacts; `waiting` leaves out what goes on already."""
    rows = await tx.fetch(
        """
        SELECT case_id, contact_id, task, to_task FROM handovers
        WHERE contact_id = ANY ($1::uuid[])
            AND NOT ($2 AND EXISTS (SELECT FROM concerns WHERE handed_over_from = handovers.case_id))
        ORDER BY case_id
        """,
        contact_ids, waiting,
    )  # fmt: skip
    return [Handover(row["case_id"], row["contact_id"], Task(row["task"]), Task(row["to_task"])) for row in rows]


async def update_tiers(tx: Transaction, *, concerns: Sequence[Decided]) -> None:
    """Write the tiers of these concerns."""
    await tx.executemany(
        "UPDATE concerns SET tier = $2 WHERE concern_id = $1",
        [(one.concern.concern_id, one.concern.tier) for one in concerns],
    )


# Failures -------------------------------------------------------------------------------------------------------------
async def insert_failure(tx: Transaction, *, journey_id: UUID, case_id: UUID, task: Task, failure: Failure) -> bool:
    """Keep a failure; tells whether it was new."""
    return bool(
        await tx.execute(
            """
            INSERT INTO failures (failure_id, journey_id, case_id, task, kind, code, occurred_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (failure_id) DO NOTHING
            """,
            failure.failure_id, journey_id, case_id, task, failure.kind, failure.code, failure.occurred_at,
        )
    )  # fmt: skip


async def list_failures(
    tx: Transaction, *, journey_ids: Sequence[UUID], since: datetime, until: datetime
) -> list[EarlierFailure]:
    """What went wrong in these journeys between these times."""
    rows = await tx.fetch(
        """
        SELECT journey_id, case_id, occurred_at FROM failures
        WHERE journey_id = ANY($1::uuid[]) AND occurred_at > $2 AND occurred_at <= $3
        """,
        journey_ids, since, until,
    )  # fmt: skip
    return [EarlierFailure(row["journey_id"], row["case_id"], row["occurred_at"]) for row in rows]
