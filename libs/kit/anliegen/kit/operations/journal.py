"""Who did or looked at what by hand, and why: an audit record that is only ever added to."""

from dataclasses import dataclass
from datetime import datetime

import structlog

from ..transaction import Transaction

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Operator:
    """A person who acts by hand: the subject of a token, or whom the command line was told; and why."""

    name: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that somebody did. `about` is `dead-letter/17` or `parked-key/<key>`, with the event where one is."""

    id: int
    at: datetime
    who: str
    did: str
    about: str
    reason: str | None


async def record(tx: Transaction, operator: Operator, *, did: str, about: str) -> None:
    """Write down what is done in this transaction; it is done and written, or neither."""
    await tx.execute(
        "INSERT INTO operator_actions (who, did, about, reason) VALUES ($1, $2, $3, $4)",
        operator.name, did, about, operator.reason,
    )  # fmt: skip
    # The reason is in people's words, so it stays in the database.
    service = tx.context.service.name
    tx.after_commit(lambda: log.info("operator_action", service=service, actor=operator.name, did=did, about=about))


async def list_actions(
    tx: Transaction, *, about: str | None = None, before: int | None = None, backwards: bool = False, limit: int
) -> list[Action]:
    """What was done, the newest first, about one thing or all; `backwards` reads from `before` to newer ones."""
    sign, order = (">", "ASC") if backwards else ("<", "DESC")
    rows = await tx.fetch(
        f"""
        SELECT id, at, who, did, about, reason FROM operator_actions
        WHERE ($1::text IS NULL OR about = $1) AND ($2::bigint IS NULL OR id {sign} $2)
        ORDER BY id {order} LIMIT $3
        """,
        about, before, limit,
    )  # fmt: skip
    return [Action(**row) for row in rows]
