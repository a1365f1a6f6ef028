"""SQL of words on their way to customers."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from anliegen.events import Channel, ContentReference, Handle, HandleKind, Task
from anliegen.kit import Transaction

from ..domain.contacts import Earlier
from ..domain.replies import Cause, Reply, ReplyState, Sent, Way

REPLY_COLUMNS = """
    o.reply_id, o.contact_id, o.journey_id, o.case_id, o.task, o.channel, o.account, o.recipient, o.template,
    o."values", o.attachments,
    o.language, o.automatic, o.state, o.code, o.attempts, o.created_at, o.sent_at, o.provider_id,
    o.message_id, o.cause_id, o.cause_at, o.correlation, o.traceparent"""


_INSERT = """
    INSERT INTO outgoing_messages (reply_id, contact_id, journey_id, case_id, task, channel, account, recipient,
        template, "values", language, automatic, state, code, due, created_at, sent_at, message_id,
        cause_id, cause_at, correlation, traceparent, attachments)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)
"""


async def insert_reply(tx: Transaction, reply: Reply, *, due: datetime) -> bool:
    """Queue words, or keep why they are not sent; False where the reply is there already."""
    return await tx.execute(f"{_INSERT} ON CONFLICT (reply_id) DO NOTHING", *_values(tx, reply, due)) == 1


def add_reply(tx: Transaction, reply: Reply, *, due: datetime) -> None:
    """Have words queued, or kept why they are not sent, in answer to a contact that is new."""
    tx.write(_INSERT, *_values(tx, reply, due))


def _values(tx: Transaction, reply: Reply, due: datetime) -> tuple[object, ...]:
    return (
        reply.reply_id,
        reply.contact_id,
        reply.journey_id,
        reply.case_id,
        reply.task.value if reply.task else None,
        reply.way.channel.value,
        reply.way.account,
        reply.way.recipient,
        reply.template,
        reply.values,
        reply.language,
        reply.automatic,
        reply.state.value,
        reply.code,
        due,
        tx.now,
        reply.sent_at,
        reply.message_id,
        reply.cause.event_id if reply.cause else None,
        reply.cause.at if reply.cause else None,
        reply.cause.correlation if reply.cause else None,
        reply.cause.traceparent if reply.cause else None,
        [reference.model_dump(mode="json") for reference in reply.attachments],
    )


async def find_reply(tx: Transaction, *, reply_id: UUID) -> Reply | None:
    """The words of this id, or None."""
    row = await tx.fetchrow(
        f"""
        SELECT {REPLY_COLUMNS}, NULL AS in_reply_to, '{{}}'::text[] AS message_refs, NULL AS last_heard_at
        FROM outgoing_messages AS o WHERE reply_id = $1
        """,
        reply_id,
    )
    return None if row is None else reply_of(row)


async def list_replies(tx: Transaction, *, contact_id: UUID) -> list[Reply]:
    """Everything that was or will be said in answer to a contact, in order."""
    rows = await tx.fetch(
        f"""
        SELECT {REPLY_COLUMNS}, NULL AS in_reply_to, '{{}}'::text[] AS message_refs, NULL AS last_heard_at
        FROM outgoing_messages AS o WHERE contact_id = $1 ORDER BY ord
        """,
        contact_id,
    )
    return [reply_of(row) for row in rows]


async def update_sent(tx: Transaction, sent: Sent) -> bool:
    """Note that the channel took it over; False where that was noted before."""
    touched = await tx.execute(
        """
        UPDATE outgoing_messages SET state = 'sent', provider_id = $2, message_id = coalesce($3, message_id),
            sent_at = coalesce(sent_at, $4), claimed_until = NULL, code = NULL
        WHERE reply_id = $1 AND state = 'pending'
        """,
        sent.reply.reply_id, sent.provider_id, sent.message_id, tx.now,
    )  # fmt: skip
    return touched == 1


def add_sent(tx: Transaction, sent: Sequence[Sent]) -> None:
    """Have it noted, with the announcements, that the channel took these over."""
    tx.write(
        """
        UPDATE outgoing_messages AS mine SET state = 'sent', provider_id = s.provider_id,
            message_id = coalesce(s.message_id, mine.message_id), sent_at = coalesce(mine.sent_at, $4),
            claimed_until = NULL, code = NULL
        FROM unnest($1::uuid[], $2::text[], $3::text[]) AS s (reply_id, provider_id, message_id)
        WHERE mine.reply_id = s.reply_id AND state = 'pending'
        """,
        [each.reply.reply_id for each in sent], [each.provider_id for each in sent],
        [each.message_id for each in sent], tx.now,
    )  # fmt: skip


async def update_unnoted(tx: Transaction, sent: Sent, *, code: str, due: datetime) -> None:
    """Keep that the channel took it over where that cannot be noted as it should be; what is due then is the note.

    Its claim has ended and is there, as for everything that was handed over once (see `claims`).
    """
    await tx.execute(
        """
        UPDATE outgoing_messages SET sent_at = coalesce(sent_at, $2), provider_id = coalesce($3, provider_id),
            message_id = coalesce($4, message_id), code = $5, due = $6, claimed_until = $7
        WHERE reply_id = $1 AND state = 'pending'
        """,
        sent.reply.reply_id, tx.now, sent.provider_id, sent.message_id, code, due, tx.wall,
    )  # fmt: skip


async def update_retry(tx: Transaction, *, reply_id: UUID, code: str, due: datetime) -> None:
    """Note why it did not work, and when it is tried again."""
    await tx.execute(
        """
        UPDATE outgoing_messages SET code = $2, due = $3, claimed_until = NULL
        WHERE reply_id = $1 AND state = 'pending'
        """,
        reply_id, code, due,
    )  # fmt: skip


async def update_failed(tx: Transaction, *, reply_id: UUID, code: str) -> bool:
    """Note that it cannot be brought to the customer; False where that was noted before."""
    touched = await tx.execute(
        """
        UPDATE outgoing_messages SET state = 'failed', code = $2, claimed_until = NULL
        WHERE reply_id = $1 AND state NOT IN ('failed', 'suppressed')
        """,
        reply_id, code,
    )  # fmt: skip
    return touched == 1


async def update_delivered(tx: Transaction, *, provider_id: str) -> None:
    """Note that the provider brought it to the customer's device."""
    await tx.execute(
        "UPDATE outgoing_messages SET state = 'delivered' WHERE provider_id = $1 AND state = 'sent'", provider_id
    )


async def lock_provider_id(tx: Transaction, *, provider_id: str) -> None:
    """Let nobody else note anything about this message of the provider's until the transaction ends."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 7))", provider_id)


async def insert_status(tx: Transaction, *, provider_id: str, status: str, at: datetime, code: str | None) -> None:
    """Keep what a provider says about a message; said again, it changes nothing."""
    await tx.execute(
        """
        INSERT INTO provider_statuses (provider_id, status, at, code) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
        """,
        provider_id, status, at, code,
    )  # fmt: skip


async def list_statuses(tx: Transaction, *, provider_id: str) -> list[tuple[str, str | None]]:
    """What a provider has said about a message so far, as status and code."""
    rows = await tx.fetch("SELECT status, code FROM provider_statuses WHERE provider_id = $1", provider_id)
    return [(row["status"], row["code"]) for row in rows]


async def find_reply_by_provider_id(tx: Transaction, *, provider_id: str) -> Reply | None:
    """The words that the provider calls so."""
    reply_id = await tx.fetchval("SELECT reply_id FROM outgoing_messages WHERE provider_id = $1", provider_id)
    return None if reply_id is None else await find_reply(tx, reply_id=reply_id)


async def find_reply_by_message_id(tx: Transaction, *, message_id: str) -> Reply | None:
    """The mail of ours with this Message-ID."""
    reply_id = await tx.fetchval("SELECT reply_id FROM outgoing_messages WHERE message_id = $1", message_id)
    return None if reply_id is None else await find_reply(tx, reply_id=reply_id)


async def find_earlier_by_reply(tx: Transaction, *, reply_id: UUID) -> Earlier | None:
    """What a reply of ours was about."""
    row = await tx.fetchrow(
        f"{_EARLIER} WHERE o.reply_id = $1",
        reply_id,
    )
    return None if row is None else _earlier(row)


async def find_earlier_by_our_messages(tx: Transaction, *, message_ids: Sequence[str]) -> Earlier | None:
    """What the nearest of these messages of ours was about."""
    if not message_ids:
        return None
    row = await tx.fetchrow(
        f"""
        {_EARLIER} WHERE o.message_id = ANY ($1::text[]) OR o.provider_id = ANY ($1::text[])
        ORDER BY array_position($1::text[], coalesce(o.message_id, o.provider_id)) LIMIT 1
        """,
        list(message_ids),
    )
    return None if row is None else _earlier(row)


_EARLIER = """SELECT o.contact_id, o.journey_id, o.case_id, o.task, c.sender_kind, c.sender_value
    FROM outgoing_messages AS o LEFT JOIN contacts AS c ON c.contact_id = o.contact_id"""


def _earlier(row: asyncpg.Record) -> Earlier:
    kind, value = row["sender_kind"], row["sender_value"]
    return Earlier(
        contact_id=row["contact_id"],
        journey_id=row["journey_id"],
        case_id=row["case_id"],
        task=Task(row["task"]) if row["task"] else None,
        sender=Handle(kind=HandleKind(kind), value=value) if value else None,
    )


def reply_of(row: asyncpg.Record) -> Reply:
    """Words from a row of REPLY_COLUMNS and what `claim_due` joins."""
    return Reply(
        reply_id=row["reply_id"],
        contact_id=row["contact_id"],
        journey_id=row["journey_id"],
        way=Way(Channel(row["channel"]), row["account"], row["recipient"]),
        template=row["template"],
        language=row["language"],
        values=row["values"],
        attachments=tuple(ContentReference(**reference) for reference in row["attachments"]),
        case_id=row["case_id"],
        task=Task(row["task"]) if row["task"] else None,
        automatic=row["automatic"],
        state=ReplyState(row["state"]),
        code=row["code"],
        attempts=row["attempts"],
        created_at=row["created_at"],
        sent_at=row["sent_at"],
        provider_id=row["provider_id"],
        message_id=row["message_id"],
        in_reply_to=row["in_reply_to"],
        references=tuple(row["message_refs"] or ()),
        last_heard_at=row["last_heard_at"],
        cause=_cause(row) if row["cause_id"] else None,
    )


def _cause(row: asyncpg.Record) -> Cause:
    return Cause(row["cause_id"], row["cause_at"], row["correlation"], row["traceparent"])
