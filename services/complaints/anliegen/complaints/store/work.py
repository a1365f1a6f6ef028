"""What belongs to a complaint: its history, investigations, measures of prevention, pauses and responses."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from anliegen.kit import Transaction

from ..states import Response, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a complaint's history; nobody did it where time or the customer did."""

    version: int
    step: str
    state: State
    done_by: str | None
    done_at: datetime
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvestigationRow:
    """Something that somebody finds out."""

    investigation_id: UUID
    kind: str
    owner: str
    due_at: datetime
    done_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreventionRow:
    """A root cause, and what is done about it."""

    prevention_id: UUID
    cause: str
    measure: str
    owner: str
    due_at: datetime
    done_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseRow:
    """A final response that went out; `letter` is the SHA-256 of its PDF in the object store."""

    response_id: UUID
    reply_id: UUID
    contact_id: UUID
    response: Response
    language: str
    answered_by: str
    answered_at: datetime
    letter: str | None = None


async def insert_step(tx: Transaction, *, case_id: UUID, step: Step) -> None:
    """Add to the history."""
    await tx.execute(
        """
        INSERT INTO steps (case_id, version, step, state, done_by, done_at, reason)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        case_id, step.version, step.step, step.state, step.done_by, step.done_at, step.reason,
    )  # fmt: skip


async def list_steps(tx: Transaction, *, case_id: UUID) -> list[Step]:
    """The history of a complaint, from its receipt on."""
    rows = await tx.fetch(
        "SELECT version, step, state, done_by, done_at, reason FROM steps WHERE case_id = $1 ORDER BY version", case_id
    )
    return [Step(**dict(row) | {"state": State(row["state"])}) for row in rows]


async def insert_investigation(tx: Transaction, *, case_id: UUID, investigation: InvestigationRow) -> None:
    """Let somebody find something out."""
    await tx.execute(
        "INSERT INTO investigations (investigation_id, case_id, kind, owner, due_at) VALUES ($1, $2, $3, $4, $5)",
        investigation.investigation_id, case_id, investigation.kind, investigation.owner, investigation.due_at,
    )  # fmt: skip


async def update_investigation_done(tx: Transaction, *, case_id: UUID, investigation_id: UUID, at: datetime) -> bool:
    """It was found out; tells whether there was such an open one."""
    return bool(
        await tx.execute(
            """
            UPDATE investigations SET done_at = $3 WHERE case_id = $1 AND investigation_id = $2 AND done_at IS NULL
            """,
            case_id, investigation_id, at,
        )
    )  # fmt: skip


async def count_open_investigations(tx: Transaction, *, case_id: UUID) -> int:
    """How much is still being found out."""
    count: int = await tx.fetchval(
        "SELECT count(*) FROM investigations WHERE case_id = $1 AND done_at IS NULL", case_id
    )
    return count


async def list_investigations(tx: Transaction, *, case_id: UUID) -> list[InvestigationRow]:
    """What is and was found out, by due date."""
    rows = await tx.fetch(
        """
        SELECT investigation_id, kind, owner, due_at, done_at FROM investigations
        WHERE case_id = $1 ORDER BY due_at, investigation_id
        """,
        case_id,
    )
    return [InvestigationRow(**row) for row in rows]


async def insert_prevention(tx: Transaction, *, case_id: UUID, prevention: PreventionRow) -> None:
    """Let something be done so that it does not happen again."""
    await tx.execute(
        """
        INSERT INTO preventions (prevention_id, case_id, cause, measure, owner, due_at) VALUES ($1, $2, $3, $4, $5, $6)
        """,
        prevention.prevention_id, case_id, prevention.cause, prevention.measure, prevention.owner, prevention.due_at,
    )  # fmt: skip


async def update_prevention_done(tx: Transaction, *, case_id: UUID, prevention_id: UUID, at: datetime) -> bool:
    """It was carried out; tells whether there was such an open one."""
    return bool(
        await tx.execute(
            "UPDATE preventions SET done_at = $3 WHERE case_id = $1 AND prevention_id = $2 AND done_at IS NULL",
            case_id, prevention_id, at,
        )
    )  # fmt: skip


async def list_preventions(tx: Transaction, *, case_id: UUID) -> list[PreventionRow]:
    """The measures that came from a complaint, by due date."""
    rows = await tx.fetch(
        """
        SELECT prevention_id, cause, measure, owner, due_at, done_at FROM preventions
        WHERE case_id = $1 ORDER BY due_at, prevention_id
        """,
        case_id,
    )
    return [PreventionRow(**row) for row in rows]


async def insert_pause(tx: Transaction, *, case_id: UUID, began_at: datetime) -> None:
    """The customer is waited for; who is waited for already goes on being."""
    await tx.execute("INSERT INTO pauses (case_id, began_at) VALUES ($1, $2) ON CONFLICT DO NOTHING", case_id, began_at)


async def update_pause_ended(tx: Transaction, *, case_id: UUID, ended_at: datetime) -> None:
    """The customer is not waited for any more."""
    await tx.execute(
        "UPDATE pauses SET ended_at = greatest(began_at, $2) WHERE case_id = $1 AND ended_at IS NULL", case_id, ended_at
    )


async def list_pauses(tx: Transaction, *, case_id: UUID) -> list[tuple[datetime, datetime | None]]:
    """From when to when the customer was waited for, the oldest first."""
    rows = await tx.fetch("SELECT began_at, ended_at FROM pauses WHERE case_id = $1 ORDER BY began_at", case_id)
    return [(row["began_at"], row["ended_at"]) for row in rows]


async def insert_response(tx: Transaction, *, case_id: UUID, response: ResponseRow) -> None:
    """Record a final response."""
    await tx.execute(
        """
        INSERT INTO responses (response_id, case_id, reply_id, contact_id, response, language, answered_by,
            answered_at, letter)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        response.response_id, case_id, response.reply_id, response.contact_id, response.response, response.language,
        response.answered_by, response.answered_at, response.letter,
    )  # fmt: skip


async def list_responses(tx: Transaction, *, case_id: UUID) -> list[ResponseRow]:
    """The final responses to a complaint, the oldest first."""
    rows = await tx.fetch(
        """
        SELECT response_id, reply_id, contact_id, response, language, answered_by, answered_at, letter FROM responses
        WHERE case_id = $1 ORDER BY answered_at, response_id
        """,
        case_id,
    )
    return [ResponseRow(**dict(row) | {"response": Response(row["response"])}) for row in rows]
