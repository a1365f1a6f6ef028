"""Note that words did not reach a customer, and tell everybody, so that a person finds another way."""

from anliegen.events import Envelope, ReplyFailed
from anliegen.kit import Transaction

from ..domain.replies import Reply
from ..store import outgoing


async def fail_reply(tx: Transaction, reply: Reply, *, code: str) -> None:
    """Give a reply up. Its journey is locked. Given up twice, it is announced once."""
    if await outgoing.update_failed(tx, reply_id=reply.reply_id, code=code):
        announce_failure(tx, reply, code=code)


def announce_failure(tx: Transaction, reply: Reply, *, code: str) -> None:
    """Tell that a reply was given up."""
    failed = ReplyFailed(
        journey_id=reply.journey_id,
        reply_id=reply.reply_id,
        contact_id=reply.contact_id,
        case_id=reply.case_id,
        task=reply.task,
        channel=reply.way.channel,
        template=reply.template,
        code=code,
        attempts=reply.attempts,
    )
    tx.publish(failed, cause=cause_of(tx, reply))


def cause_of(tx: Transaction, reply: Reply) -> Envelope | None:
    """The event that these words answer to, so that what becomes of them stands in its thread."""
    if reply.cause is None:
        return None
    return Envelope(
        id=reply.cause.event_id,
        source=tx.context.service.source,
        type="",
        time=reply.cause.at,
        key=str(reply.journey_id),
        correlationid=reply.cause.correlation,
        traceparent=reply.cause.traceparent,
    )
