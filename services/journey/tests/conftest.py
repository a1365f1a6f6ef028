"""A person's story in events, as the services announce it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from anliegen.events import (
    AnswerOverdue,
    Assurance,
    Concern,
    ContactReceived,
    ContactTriaged,
    CustomerLearnt,
    Event,
    Failure,
    FailureKind,
    Flag,
    Handle,
    HandleKind,
    HelpdeskReplyRequested,
    InquiryOpened,
    Promise,
    PromiseKind,
    PromiseState,
    QuestionAnswered,
    QuestionOpened,
    QuestionResolved,
    ReplySent,
    Sentiment,
    Task,
)
from anliegen.events.builders import build, envelope_for
from anliegen.kit.testing.deliveries import Announced

MORNING = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


class Teller:
    """Announces events as their services would: sequences rise by one for each service and key."""

    morning = MORNING

    def __init__(self) -> None:
        self._sequences: dict[tuple[str, str], int] = {}
        self.told: list[Announced] = []

    def tell(self, event: Event, *, minute: float = 0, cause: Announced | None = None) -> Announced:
        """Announce an event so many minutes after eight in the morning."""
        envelope = envelope_for(
            event, time=MORNING + timedelta(minutes=minute), cause=cause.envelope if cause else None
        )
        place = (envelope.source, envelope.key)
        self._sequences[place] = self._sequences.get(place, 0) + 1
        self.told.append(Announced(event, replace(envelope, sequence=self._sequences[place])))
        return self.told[-1]

    def answered_question(self, journey_id: UUID, *, mail: str = "reto@post.example") -> dict[str, UUID]:
        """A mail is understood, becomes a question, is late, is answered, sent and settled. Tells the ids."""
        contact_id, case_id, reply_id, promise_id = uuid4(), uuid4(), uuid4(), uuid4()
        about: dict[str, Any] = {"journey_id": journey_id, "case_id": case_id}
        promised = {"promise_id": promise_id, "kind": PromiseKind.ANSWER, "due_at": MORNING + timedelta(minutes=30)}
        came = self.tell(
            build(
                ContactReceived,
                journey_id=journey_id,
                contact_id=contact_id,
                sender=Handle(kind=HandleKind.EMAIL, value=mail),
                customer_number="CH-4711",
                assurance=Assurance.CLAIMED,
                text="Wann haben Sie geöffnet?\x00",
                received_at=MORNING,
            )
        )
        self.tell(
            build(
                CustomerLearnt,
                journey_id=journey_id,
                handle=Handle(kind=HandleKind.EMAIL, value=mail),
                assurance=Assurance.VERIFIED,
                name="Reto Amstutz",
                language="de",
            ),
            minute=0.1,
            cause=came,
        )
        concern = build(Concern, task=Task.HELPDESK, sentiment=Sentiment.NEGATIVE, flags=(Flag.LEGAL,), tier=1)
        triaged = self.tell(
            build(ContactTriaged, journey_id=journey_id, contact_id=contact_id, concerns=(concern,)),
            minute=1,
            cause=came,
        )
        opened = self.tell(
            build(QuestionOpened, **about, contact_id=contact_id, promise=Promise(**promised)), minute=2, cause=triaged
        )
        failure = Failure(
            failure_id=uuid4(), kind=FailureKind.BROKEN_PROMISE, occurred_at=promised["due_at"], code="answer_overdue"
        )
        broken = Promise(**promised, state=PromiseState.BROKEN)
        self.tell(build(AnswerOverdue, **about, failure=failure, promise=broken), minute=30, cause=opened)
        self.tell(build(QuestionAnswered, **about), minute=40)
        request = self.tell(
            build(
                HelpdeskReplyRequested,
                **about,
                contact_id=contact_id,
                reply_id=reply_id,
                task=Task.HELPDESK,
                values={"answer": "Von zehn bis sechzehn Uhr."},
            ),
            minute=40,
        )
        self.tell(
            build(
                ReplySent,
                **about,
                contact_id=contact_id,
                reply_id=reply_id,
                task=Task.HELPDESK,
                sent_at=MORNING + timedelta(minutes=41),
            ),
            minute=41,
            cause=request,
        )
        self.tell(build(QuestionResolved, **about), minute=60)
        return {"contact_id": contact_id, "case_id": case_id, "reply_id": reply_id, "promise_id": promise_id}

    def open_inquiry(self, journey_id: UUID, *, minute: float = 10) -> UUID:
        """An inquiry is opened; its promise is open. Tells the case's id."""
        case_id = uuid4()
        promise = Promise(promise_id=uuid4(), kind=PromiseKind.ANSWER, due_at=MORNING + timedelta(days=1))
        self.tell(build(InquiryOpened, journey_id=journey_id, case_id=case_id, promise=promise), minute=minute)
        return case_id


@pytest.fixture
def teller() -> Teller:
    return Teller()


@pytest.fixture
def dump(context: Any) -> Callable[..., Any]:
    """`await dump()`: every table, row by row, as bytes; `models_only=True` leaves the events out."""
    tables = ["contacts", "cases", "promises", "failures", "answers", "handles", "people"]

    async def read(*, models_only: bool = False) -> bytes:
        lines = []
        async with context.pool.acquire() as connection:
            for table in tables if models_only else [*tables, "events", "journey_links"]:
                without = "- 'offset'" if table == "events" else ""
                rows = await connection.fetch(f"SELECT (to_jsonb(t) {without})::text FROM {table} t ORDER BY 1")
                lines.extend(f"{table} {row[0]}" for row in rows)
        return "\n".join(lines).encode()

    return read
