"""SQL of the read models: rows are folded into what is there by the rules of `projection.py`."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from anliegen.kit import Transaction

from ..projection import Models, Row

# One statement a table, whatever the number of rows. Facts of one topic replace what an earlier one said; where several
# topics speak of a row, its service's sequence says which is the latest.
_UPSERTS = {
    "contacts": """
        INSERT INTO contacts SELECT * FROM jsonb_populate_recordset(NULL::contacts, $1)
        ON CONFLICT (contact_id) DO UPDATE SET
            channel = coalesce(excluded.channel, contacts.channel),
            received_at = coalesce(excluded.received_at, contacts.received_at),
            sender_kind = coalesce(excluded.sender_kind, contacts.sender_kind),
            sender = coalesce(excluded.sender, contacts.sender),
            customer_number = coalesce(excluded.customer_number, contacts.customer_number),
            assurance = coalesce(excluded.assurance, contacts.assurance),
            display_name = coalesce(excluded.display_name, contacts.display_name),
            subject_line = coalesce(excluded.subject_line, contacts.subject_line),
            text = coalesce(excluded.text, contacts.text),
            language = coalesce(excluded.language, contacts.language),
            automatic = coalesce(excluded.automatic, contacts.automatic),
            decided_by = coalesce(excluded.decided_by, contacts.decided_by),
            concerns = coalesce(
                (SELECT jsonb_agg(said ORDER BY (said ->> 'ordinal')::int, said ->> 'concern_id') FROM (
                    SELECT DISTINCT ON (said ->> 'concern_id') said FROM (
                        SELECT said, 2 AS place FROM jsonb_array_elements(excluded.concerns) AS said
                        UNION ALL SELECT said, 1 FROM jsonb_array_elements(contacts.concerns) AS said
                    ) AS told ORDER BY said ->> 'concern_id', place DESC
                ) AS latest),
                excluded.concerns, contacts.concerns),
            review_asked_at = coalesce(excluded.review_asked_at, contacts.review_asked_at)
    """,
    "cases": """
        INSERT INTO cases SELECT * FROM jsonb_populate_recordset(NULL::cases, $1)
        ON CONFLICT (case_id) DO UPDATE SET
            opened_at = least(excluded.opened_at, cases.opened_at),
            status = CASE WHEN excluded.sequence > cases.sequence THEN excluded.status ELSE cases.status END,
            changed_at = CASE WHEN excluded.sequence > cases.sequence
                              THEN excluded.changed_at ELSE cases.changed_at END,
            last_type = CASE WHEN excluded.sequence > cases.sequence THEN excluded.last_type ELSE cases.last_type END,
            sequence = greatest(excluded.sequence, cases.sequence)
    """,
    "promises": """
        INSERT INTO promises SELECT * FROM jsonb_populate_recordset(NULL::promises, $1)
        ON CONFLICT (promise_id) DO UPDATE SET
            promised_at = least(excluded.promised_at, promises.promised_at),
            kind = CASE WHEN excluded.sequence > promises.sequence THEN excluded.kind ELSE promises.kind END,
            due_at = CASE WHEN excluded.sequence > promises.sequence THEN excluded.due_at ELSE promises.due_at END,
            state = CASE WHEN excluded.sequence > promises.sequence THEN excluded.state ELSE promises.state END,
            changed_at = CASE WHEN excluded.sequence > promises.sequence
                              THEN excluded.changed_at ELSE promises.changed_at END,
            sequence = greatest(excluded.sequence, promises.sequence)
    """,
    "failures": """
        INSERT INTO failures SELECT * FROM jsonb_populate_recordset(NULL::failures, $1)
        ON CONFLICT (failure_id) DO UPDATE SET
            kind = excluded.kind, code = excluded.code, occurred_at = excluded.occurred_at
    """,
    "answers": """
        INSERT INTO answers SELECT * FROM jsonb_populate_recordset(NULL::answers, $1)
        ON CONFLICT (reply_id) DO UPDATE SET
            case_id = coalesce(excluded.case_id, answers.case_id),
            task = coalesce(excluded.task, answers.task),
            answer = coalesce(excluded.answer, answers.answer),
            requested_at = coalesce(excluded.requested_at, answers.requested_at),
            sent_at = coalesce(excluded.sent_at, answers.sent_at),
            sent_on = coalesce(excluded.sent_on, answers.sent_on),
            language = coalesce(excluded.language, answers.language),
            failed_at = coalesce(excluded.failed_at, answers.failed_at),
            failure_code = coalesce(excluded.failure_code, answers.failure_code)
    """,
    "handles": """
        INSERT INTO handles SELECT * FROM jsonb_populate_recordset(NULL::handles, $1)
        ON CONFLICT (kind, value, journey_id) DO UPDATE SET
            assurance = greatest(excluded.assurance, handles.assurance),
            first_seen_at = least(excluded.first_seen_at, handles.first_seen_at),
            last_seen_at = greatest(excluded.last_seen_at, handles.last_seen_at)
    """,
    "people": """
        INSERT INTO people SELECT * FROM jsonb_populate_recordset(NULL::people, $1)
        ON CONFLICT (journey_id) DO UPDATE SET
            name = coalesce(excluded.name, people.name), language = coalesce(excluded.language, people.language)
    """,
}
_OF_PERSON = {
    "contacts": "SELECT * FROM contacts WHERE journey_id = ANY($1::uuid[])",
    "cases": "SELECT * FROM cases WHERE journey_id = ANY($1::uuid[])",
    "promises": "SELECT * FROM promises WHERE journey_id = ANY($1::uuid[])",
    "failures": "SELECT * FROM failures WHERE journey_id = ANY($1::uuid[])",
    "answers": "SELECT * FROM answers WHERE journey_id = ANY($1::uuid[])",
    "handles": "SELECT * FROM handles WHERE journey_id = ANY($1::uuid[])",
    "people": "SELECT * FROM people WHERE journey_id = ANY($1::uuid[])",
}


async def upsert_models(tx: Transaction, *, models: Models) -> None:
    """Fold these rows into the read models."""
    for table, statement in _UPSERTS.items():
        rows = models.rows(table)
        if rows:
            await tx.execute(statement, [_jsonable(row) for row in rows])


def _jsonable(row: Row) -> Row:
    return {name: str(value) if isinstance(value, UUID) else value for name, value in row.items()}


async def delete_models(tx: Transaction) -> None:
    """Empty every read model, before it is computed again."""
    await tx.execute("DELETE FROM contacts")
    await tx.execute("DELETE FROM cases")
    await tx.execute("DELETE FROM promises")
    await tx.execute("DELETE FROM failures")
    await tx.execute("DELETE FROM answers")
    await tx.execute("DELETE FROM handles")
    await tx.execute("DELETE FROM people")


async def list_models(tx: Transaction, *, journey_ids: Sequence[UUID]) -> dict[str, list[dict[str, Any]]]:
    """The rows of every read model that belong to these journeys; times are datetimes."""
    return {table: [dict(row) for row in await tx.fetch(query, journey_ids)] for table, query in _OF_PERSON.items()}


async def list_journeys_of_handle(tx: Transaction, *, kinds: Sequence[str], value: str) -> list[dict[str, Any]]:
    """The journeys that know this handle, the surest first; without kinds, of whatever kind it is."""
    rows = await tx.fetch(
        """
        SELECT journey_id, kind, value, assurance, first_seen_at, last_seen_at FROM handles
        WHERE value = $2 AND (cardinality($1::text[]) = 0 OR kind = ANY($1))
        ORDER BY assurance DESC, last_seen_at DESC, journey_id LIMIT 100
        """,
        kinds, value,
    )  # fmt: skip
    return [dict(row) for row in rows]
