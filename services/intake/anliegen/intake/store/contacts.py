"""SQL of handles, contacts and their cases."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from anliegen.events import Assurance, CaseStatus, Channel, ContentReference, Handle, HandleKind, Task, Thread
from anliegen.kit import Transaction

from ..domain.contacts import CaseMove, CaseState, Contact, ContactNotFound, Earlier, Media
from ..domain.identity import journey_id_of

_COLUMNS = """contact_id, journey_id, channel, account, reference, received_at, sender_kind, sender_value,
    customer_number, assurance, display_name, subject_line, text, content, language, attachments, stated_task, thread,
    automatic, message_id, message_refs, vault_id, noted_by, may_learn, version"""


async def upsert_handle(tx: Transaction, *, secret: bytes, handle: Handle) -> tuple[UUID, bool]:
    """The journey of a handle, and whether the handle is new. Its row is made where there is none.

    Two doors that see a new handle at once agree: the second waits for the first one's row, and both derive one id.
    """
    journey_id = journey_id_of(secret, handle, generation=0)
    while True:
        row = await tx.fetchrow(
            """
            WITH made AS (
                INSERT INTO handles (kind, value, generation, journey_id, first_seen_at) VALUES ($1, $2, 0, $3, $4)
                ON CONFLICT DO NOTHING RETURNING journey_id
            )
            SELECT journey_id, true AS is_new FROM made
            UNION ALL
            SELECT journey_id, false FROM handles WHERE kind = $1 AND value = $2
            """,
            handle.kind.value, handle.value, journey_id, tx.now,
        )  # fmt: skip
        # A row that was committed while we waited for it is not in this statement's snapshot, but in the next one's.
        if row is not None:
            return row["journey_id"], row["is_new"]


async def update_handle_verified(tx: Transaction, *, handle: Handle) -> None:
    """Note that somebody made sure whose handle it is."""
    await tx.execute(
        "UPDATE handles SET verified_at = coalesce(verified_at, $3) WHERE kind = $1 AND value = $2",
        handle.kind.value, handle.value, tx.now,
    )  # fmt: skip


async def peek_sender(
    tx: Transaction, *, handle: Handle | None, recipient: str | None, since: datetime
) -> tuple[UUID | None, bool]:
    """Before anything is locked: the journey of a handle, or None where it is new, and whether this address was sent
    an automatic mail since then."""
    if handle is None and recipient is None:
        return None, False
    row = await tx.peek(
        """
        SELECT (SELECT journey_id FROM handles WHERE kind = $1 AND value = $2) AS journey_id,
               $3::text IS NOT NULL AND EXISTS (
                   SELECT 1 FROM outgoing_messages WHERE automatic AND recipient = $3 AND created_at > $4
                   AND channel = 'email' AND state <> 'suppressed') AS answered
        """,
        handle.kind.value if handle else None, handle.value if handle else None, recipient, since,
    )  # fmt: skip
    assert row is not None
    return row["journey_id"], row["answered"]


def add_handle(tx: Transaction, *, handle: Handle, journey_id: UUID) -> None:
    """Have a new handle kept; another door that sees it at the same moment derives the same journey."""
    tx.write(
        """
        INSERT INTO handles (kind, value, generation, journey_id, first_seen_at) VALUES ($1, $2, 0, $3, $4)
        ON CONFLICT DO NOTHING
        """,
        handle.kind.value, handle.value, journey_id, tx.now,
    )  # fmt: skip


_INSERT = (
    f"INSERT INTO contacts ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, "
    "$16, $17, $18, $19, $20, $21, $22, $23, $24, $25)"
)


async def insert_contact(tx: Transaction, contact: Contact) -> bool:
    """Keep a contact; False where it is there already, as after a provider's retry."""
    return await tx.execute(f"{_INSERT} ON CONFLICT (contact_id) DO NOTHING", *_values(contact)) == 1


def add_contact(tx: Transaction, contact: Contact) -> None:
    """Have a contact kept whose id is fresh."""
    tx.write(_INSERT, *_values(contact))


def _values(contact: Contact) -> tuple[object, ...]:
    return (
        contact.contact_id,
        contact.journey_id,
        contact.channel.value,
        contact.account,
        contact.reference,
        contact.received_at,
        contact.sender.kind.value if contact.sender else None,
        contact.sender.value if contact.sender else None,
        contact.customer_number,
        contact.assurance.value,
        contact.display_name,
        contact.subject_line,
        contact.text,
        contact.content.model_dump(mode="json") if contact.content else None,
        contact.language,
        [reference.model_dump(mode="json") for reference in contact.attachments],
        contact.stated_task.value if contact.stated_task else None,
        contact.thread.model_dump(mode="json") if contact.thread else None,
        contact.automatic,
        contact.message_id,
        list(contact.references),
        contact.vault_id,
        contact.noted_by,
        contact.may_learn,
        contact.version,
    )


async def find_contact(tx: Transaction, *, contact_id: UUID) -> Contact | None:
    """The contact, or None."""
    row = await tx.fetchrow(f"SELECT {_COLUMNS} FROM contacts WHERE contact_id = $1", contact_id)
    return None if row is None else _contact(row)


async def get_contact(tx: Transaction, *, contact_id: UUID) -> Contact:
    """The contact. Raises ContactNotFound."""
    found = await find_contact(tx, contact_id=contact_id)
    if found is None:
        raise ContactNotFound
    return found


async def update_identification(tx: Transaction, *, contact_id: UUID, customer_number: str) -> None:
    """Note that a person made sure who the sender is."""
    await tx.execute(
        "UPDATE contacts SET customer_number = $2, assurance = $3, version = version + 1 WHERE contact_id = $1",
        contact_id, customer_number, Assurance.VERIFIED.value,
    )  # fmt: skip


async def find_earlier_by_message(tx: Transaction, *, message_ids: Sequence[str]) -> list[Earlier]:
    """Contacts that carried one of these message ids, in the order of the ids."""
    if not message_ids:
        return []
    rows = await tx.fetch(
        """
        SELECT contact_id, journey_id, sender_kind, sender_value FROM contacts
        WHERE message_id = ANY ($1::text[]) ORDER BY array_position($1::text[], message_id) LIMIT 20
        """,
        list(message_ids),
    )
    return [_earlier(row) for row in rows]


async def find_earlier_by_reference(tx: Transaction, *, references: Sequence[str], sender: Handle) -> list[Earlier]:
    """Contacts of this sender that have one of these references."""
    if not references:
        return []
    rows = await tx.fetch(
        """
        SELECT contact_id, journey_id, sender_kind, sender_value FROM contacts
        WHERE reference = ANY ($1::text[]) AND sender_kind = $2 AND sender_value = $3
        ORDER BY received_at DESC LIMIT 20
        """,
        list(references), sender.kind.value, sender.value,
    )  # fmt: skip
    return [_earlier(row) for row in rows]


async def list_cases(tx: Transaction, *, contact_id: UUID) -> list[CaseState]:
    """The cases that a contact raised, the oldest first."""
    rows = await tx.fetch(
        """
        SELECT case_id, task, status, changed_at FROM contact_cases WHERE contact_id = $1 ORDER BY changed_at, case_id
        """,
        contact_id,
    )
    return [CaseState(row["case_id"], Task(row["task"]), CaseStatus(row["status"]), row["changed_at"]) for row in rows]


async def upsert_cases(tx: Transaction, *, moves: Sequence[CaseMove]) -> None:
    """Take over what tasks say about cases, each there once, unless something later is known already.

    The contact that raised a case is the one of its first event; a follow-up's contact does not replace it.
    """
    await tx.execute(
        """
        INSERT INTO contact_cases AS known (case_id, contact_id, journey_id, task, status, sequence, changed_at)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bigint[],
                             $7::timestamptz[])
        ON CONFLICT (case_id) DO UPDATE SET contact_id = coalesce(known.contact_id, excluded.contact_id),
            status = CASE WHEN excluded.sequence > known.sequence THEN excluded.status ELSE known.status END,
            changed_at = CASE WHEN excluded.sequence > known.sequence THEN excluded.changed_at
                              ELSE known.changed_at END,
            sequence = greatest(excluded.sequence, known.sequence)
        """,
        [move.case_id for move in moves],
        [move.contact_id for move in moves],
        [move.journey_id for move in moves],
        [move.task.value for move in moves],
        [move.status.value for move in moves],
        [move.sequence for move in moves],
        [move.changed_at for move in moves],
    )


async def insert_media(
    tx: Transaction, *, contact_id: UUID, account: str, media: Sequence[Media], due: datetime
) -> None:
    """Remember which files the provider keeps for us."""
    for ordinal, item in enumerate(media):
        await tx.execute(
            """
            INSERT INTO media (contact_id, media_id, ordinal, account, media_type, name, due)
            VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING
            """,
            contact_id, item.media_id, ordinal, account, item.media_type, item.name, due,
        )  # fmt: skip


def _handle(row: asyncpg.Record) -> Handle | None:
    if row["sender_value"] is None:
        return None
    return Handle(kind=HandleKind(row["sender_kind"]), value=row["sender_value"])


def _earlier(row: asyncpg.Record) -> Earlier:
    return Earlier(contact_id=row["contact_id"], journey_id=row["journey_id"], sender=_handle(row))


def _contact(row: asyncpg.Record) -> Contact:
    content: dict[str, Any] | None = row["content"]
    return Contact(
        contact_id=row["contact_id"],
        journey_id=row["journey_id"],
        channel=Channel(row["channel"]),
        account=row["account"],
        reference=row["reference"],
        received_at=row["received_at"],
        text=row["text"],
        assurance=Assurance(row["assurance"]),
        sender=_handle(row),
        customer_number=row["customer_number"],
        display_name=row["display_name"],
        subject_line=row["subject_line"],
        content=ContentReference(**content) if content else None,
        language=row["language"],
        attachments=tuple(ContentReference(**reference) for reference in row["attachments"]),
        stated_task=Task(row["stated_task"]) if row["stated_task"] else None,
        thread=Thread(**row["thread"]) if row["thread"] else None,
        automatic=row["automatic"],
        message_id=row["message_id"],
        references=tuple(row["message_refs"]),
        vault_id=row["vault_id"],
        noted_by=row["noted_by"],
        may_learn=row["may_learn"],
        version=row["version"],
    )
