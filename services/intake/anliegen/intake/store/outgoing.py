"""SQL of words on their way to customers."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from anliegen.events import Channel, Handle, HandleKind, Task
from anliegen.kit import Transaction

from ..domain.contacts import Earlier
from ..domain.replies import Cause, Reply, ReplyState, Sent, Way

_COLUMNS = """o.reply_id, o.contact_id, o.journey_id, o.case_id, o.task, o.channel, o.account, o.recipient, o.template,
    o."values", o.language, o.automatic, o.state, o.code, o.attempts, o.created_at, o.sent_at, o.provider_id,
    o.message_id, o.cause_id, o.cause_at, o.correlation"""


_INSERT = """
    INSERT INTO outgoing_messages (reply_id, contact_id, journey_id, case_id, task, channel, account, recipient,
        template, "values", language, automatic, state, code, due, created_at, sent_at, message_id,
        cause_id, cause_at, correlation)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
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
    )


async def update_repeated(tx: Transaction, *, every: timedelta, code: str, limit: int) -> int:
    """Give up automatic mails to addresses that had one within `every`, `limit` of them at most; tells how many.

    Forms of many journeys may name one address at the same moment, and none of them sees the others when it is
    accepted. Here the first one wins: the one that was sent or taken, else the one that was queued first.
    """
    return await tx.execute(
        f"""
        UPDATE outgoing_messages SET state = 'suppressed', code = $2
        FROM (
            SELECT reply_id, ord FROM outgoing_messages
            WHERE state = 'pending' AND due <= $1 AND claimed_until IS NULL ORDER BY due LIMIT $4
        ) AS oldest
        WHERE outgoing_messages.reply_id = oldest.reply_id AND state = 'pending' AND claimed_until IS NULL
          AND {_repeated("outgoing_messages", every="$3")}
        """,
        tx.wall, code, every, limit,
    )  # fmt: skip


def _repeated(mine: str, *, every: str) -> str:
    """The condition that the row `mine` is an automatic mail whose address had one already, or has one before it."""
    return f"""{mine}.automatic AND {mine}.channel = 'email' AND EXISTS (SELECT 1 FROM outgoing_messages AS other
        WHERE other.automatic AND other.recipient = {mine}.recipient AND other.channel = 'email'
          AND other.reply_id <> {mine}.reply_id AND other.state <> 'suppressed'
          AND other.created_at > {mine}.created_at - {every}::interval
          AND other.created_at < {mine}.created_at + {every}::interval
          AND (other.ord < {mine}.ord OR other.claimed_until IS NOT NULL OR other.state <> 'pending'))"""


async def claim_due(
    tx: Transaction, *, by: str, limit: int, hold: timedelta, automatic_every: timedelta
) -> list[Reply]:
    """Take what is due, at most one per recipient and only its oldest, so that words arrive in their order.

    A claim ends by itself after `hold`: a process that died in between and never comes back leaves nothing behind for
    ever. `by` is the slot of the worker. An automatic mail to an address that had one within `automatic_every` is never
    taken, unless it was before: then it may have been sent already, and is sent again as the same.
    """
    rows = await tx.fetch(
        f"""
        WITH due AS (
            SELECT reply_id FROM outgoing_messages AS mine
            WHERE state = 'pending' AND due <= $1 AND (claimed_until IS NULL OR claimed_until <= $1)
              AND NOT EXISTS (SELECT 1 FROM outgoing_messages AS other WHERE other.state = 'pending'
                  AND other.channel = mine.channel AND other.recipient = mine.recipient AND other.ord < mine.ord)
              AND (claimed_until IS NOT NULL OR NOT ({_repeated("mine", every="$5")}))
            ORDER BY due LIMIT $2 FOR UPDATE SKIP LOCKED
        ), claimed AS (
            UPDATE outgoing_messages AS o SET attempts = attempts + 1, claimed_until = $3, claimed_by = $4
            FROM due WHERE o.reply_id = due.reply_id RETURNING {_COLUMNS}
        )
        SELECT o.*, c.message_id AS in_reply_to, c.message_refs,
            (SELECT max(heard.received_at) FROM contacts AS heard WHERE heard.channel = 'whatsapp'
                AND o.channel = 'whatsapp' AND heard.sender_kind = 'whatsapp' AND heard.sender_value = o.recipient)
            AS last_heard_at
        FROM claimed AS o LEFT JOIN contacts AS c ON c.contact_id = o.contact_id
        """,
        tx.wall, limit, tx.wall + hold, by, automatic_every,
    )  # fmt: skip
    return [_reply(row) for row in rows]


async def update_claims_ended(tx: Transaction, *, by: str) -> int:
    """End the claims of a worker that is not at work; tells how many."""
    return await tx.execute(
        "UPDATE outgoing_messages SET claimed_until = $2 WHERE state = 'pending' AND claimed_by = $1 "
        "AND claimed_until > $2",
        by, tx.wall,
    )  # fmt: skip


async def find_reply(tx: Transaction, *, reply_id: UUID) -> Reply | None:
    """The words of this id, or None."""
    row = await tx.fetchrow(
        f"""
        SELECT {_COLUMNS}, NULL AS in_reply_to, '{{}}'::text[] AS message_refs, NULL AS last_heard_at
        FROM outgoing_messages AS o WHERE reply_id = $1
        """,
        reply_id,
    )
    return None if row is None else _reply(row)


async def list_replies(tx: Transaction, *, contact_id: UUID) -> list[Reply]:
    """Everything that was or will be said in answer to a contact, in order."""
    rows = await tx.fetch(
        f"""
        SELECT {_COLUMNS}, NULL AS in_reply_to, '{{}}'::text[] AS message_refs, NULL AS last_heard_at
        FROM outgoing_messages AS o WHERE contact_id = $1 ORDER BY ord
        """,
        contact_id,
    )
    return [_reply(row) for row in rows]


async def update_sent(tx: Transaction, sent: Sent) -> bool:
    """Note that the channel took it over; False where that was noted before."""
    touched = await tx.execute(
        """
        UPDATE outgoing_messages SET state = 'sent', provider_id = $2, message_id = coalesce($3, message_id),
            sent_at = $4, claimed_until = NULL, code = NULL
        WHERE reply_id = $1 AND state = 'pending'
        """,
        sent.reply.reply_id, sent.provider_id, sent.message_id, tx.now,
    )  # fmt: skip
    return touched == 1


def add_sent(tx: Transaction, sent: Sequence[Sent]) -> None:
    """Have it noted, with the announcements, that the channel took these over."""
    tx.write(
        """
        UPDATE outgoing_messages AS mine SET state = 'sent', provider_id = s.provider_id, sent_at = $4,
            message_id = coalesce(s.message_id, mine.message_id), claimed_until = NULL, code = NULL
        FROM unnest($1::uuid[], $2::text[], $3::text[]) AS s (reply_id, provider_id, message_id)
        WHERE mine.reply_id = s.reply_id AND state = 'pending'
        """,
        [each.reply.reply_id for each in sent], [each.provider_id for each in sent],
        [each.message_id for each in sent], tx.now,
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


def _reply(row: asyncpg.Record) -> Reply:
    return Reply(
        reply_id=row["reply_id"],
        contact_id=row["contact_id"],
        journey_id=row["journey_id"],
        way=Way(Channel(row["channel"]), row["account"], row["recipient"]),
        template=row["template"],
        language=row["language"],
        values=row["values"],
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
        cause=Cause(row["cause_id"], row["cause_at"], row["correlation"]) if row["cause_id"] else None,
    )
