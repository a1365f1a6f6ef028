"""SQL of taking words that are due: nothing twice, in their order, and no second automatic mail within a day."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from anliegen.events import Channel
from anliegen.kit import Transaction

from ..domain.replies import Reply
from .outgoing import REPLY_COLUMNS, reply_of


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
            WHERE channel = 'email' AND state = 'pending' AND due <= $1 AND claimed_until IS NULL
            ORDER BY due LIMIT $4 FOR UPDATE SKIP LOCKED
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
    tx: Transaction, *, by: str, places: Mapping[Channel, int], hold: timedelta, automatic_every: timedelta
) -> list[Reply]:
    """Take what is due, of each channel as many as it has places; at most one per recipient and only its oldest, so
    that words arrive in their order. What a channel has already, and is to be noted alone, holds up no later words.

    A claim ends by itself after `hold`: a process that died in between and never comes back leaves nothing behind for
    ever. `by` is the slot of the worker. An automatic mail to an address that had one within `automatic_every` is never
    taken, unless it was before: then it may have been sent already, and is sent again as the same.
    """
    # An array, since PostgreSQL expects a tenth of the table from limits that it does not know, and would read it all.
    rows = await tx.fetch(
        f"""
        WITH due AS (
            SELECT found.reply_id FROM unnest($2::text[], $6::int[]) AS lane (channel, places), LATERAL (
                SELECT reply_id FROM outgoing_messages AS mine
                WHERE channel = lane.channel AND state = 'pending' AND due <= $1
                  AND (claimed_until IS NULL OR claimed_until <= $1)
                  AND NOT EXISTS (SELECT 1 FROM outgoing_messages AS other
                      WHERE other.state = 'pending' AND other.sent_at IS NULL AND other.channel = mine.channel
                        AND other.recipient = mine.recipient AND other.ord < mine.ord)
                  AND (claimed_until IS NOT NULL OR NOT ({_repeated("mine", every="$5")}))
                ORDER BY due LIMIT lane.places FOR UPDATE SKIP LOCKED
            ) AS found
        ), claimed AS (
            UPDATE outgoing_messages AS o SET attempts = attempts + 1, claimed_until = $3, claimed_by = $4
            WHERE o.reply_id = ANY (ARRAY (SELECT reply_id FROM due)) RETURNING {REPLY_COLUMNS}
        )
        SELECT o.*, c.message_id AS in_reply_to, c.message_refs,
            (SELECT max(heard.received_at) FROM contacts AS heard WHERE heard.channel = 'whatsapp'
                AND o.channel = 'whatsapp' AND heard.sender_kind = 'whatsapp' AND heard.sender_value = o.recipient)
            AS last_heard_at
        FROM claimed AS o LEFT JOIN contacts AS c ON c.contact_id = o.contact_id
        """,
        tx.wall, [channel.value for channel in places], tx.wall + hold, by, automatic_every, list(places.values()),
    )  # fmt: skip
    return [reply_of(row) for row in rows]


async def update_claims_ended(
    tx: Transaction, *, by: str, waits: Sequence[timedelta], taken_over: Sequence[UUID] = ()
) -> int:
    """End the claims of a worker that is not at work, but for these; tells how many. Waits for nobody: what is locked
    is being noted.

    What was taken once is due at once. From then on it is due after `waits[n - 2]` where it was taken `n` times (the
    last of them for all that follow): a worker that dies again and again, for whatever cause, uses up no attempts in a
    hurry.
    """
    return await tx.execute(
        """
        UPDATE outgoing_messages
        SET claimed_until = $2,
            due = CASE WHEN attempts < 2 THEN due
                  ELSE greatest(due, $2 + ($4::interval[])[least(attempts - 1, cardinality($4::interval[]))]) END
        WHERE reply_id IN (SELECT reply_id FROM outgoing_messages WHERE state = 'pending' AND claimed_by = $1
            AND claimed_until > $2 AND reply_id <> ALL ($3::uuid[]) FOR UPDATE SKIP LOCKED)
        """,
        by, tx.wall, list(taken_over), list(waits),
    )  # fmt: skip
