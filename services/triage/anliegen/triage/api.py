"""Door 2: the review queue, and what was decided about a contact."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from anliegen.events import Concern, FailureOrigin, Flag, JourneyStage, Priority, Sentiment
from anliegen.events import Task as AnyTask
from anliegen.kit import Principal, Transaction
from anliegen.kit.errors import NotFound
from anliegen.kit.http import APIRouter, Caller, IfMatch, Page, Paging, Tx, idempotent, requires, set_etag
from anliegen.kit.principal import ADMINISTRATOR, AGENT, SUPERVISOR

from . import actions, store
from .domain import Contact, ContactNotFound, Decided, Draft, Review, ReviewNotFound
from .questions.domain import Question
from .questions.store import list_questions

router = APIRouter(prefix="/triage/v1", tags=["triage"])

Task = Literal[
    "helpdesk", "sales_support", "billing_inquiry", "administration", "claims", "complaints", "feedback"
]  # fmt: skip
KnownPriority = Literal["low", "normal", "high", "urgent"]
KnownSentiment = Literal["negative", "neutral", "positive"]
KnownStage = Literal["before", "during", "after"]
KnownOrigin = Literal[
    "information", "self_service", "product", "delivery", "invoice", "contract", "earlier_service", "none"
]  # fmt: skip
KnownFlag = Literal["legal", "churn", "cancellation", "repeat", "vulnerable", "press"]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NameConcern(_Body):
    """One matter as the reviewer names it. What is left out follows from the intent and from what was read."""

    task: Task
    intent: str | None = Field(default=None, max_length=100, examples=["invoice_question"])
    origin: KnownOrigin | None = None
    stage: KnownStage | None = None
    priority: KnownPriority | None = None
    sentiment: KnownSentiment | None = None
    hardness: int | None = Field(default=None, ge=1, le=5)
    flags: list[KnownFlag] | None = Field(default=None, max_length=6)
    case_id: UUID | None = Field(default=None, description="The case it continues, where it is a follow-up.")
    start: int | None = Field(
        default=None, ge=0, le=50_000, description="Where in the text it is said: first character."
    )
    end: int | None = Field(default=None, ge=0, le=50_000, description="The offset after the last character.")

    @model_validator(mode="after")
    def _offsets_belong_together(self) -> "NameConcern":
        if (self.start is None) != (self.end is None) or (self.start or 0) > (self.end or 0):
            raise ValueError("start and end are given together, start first")
        return self

    def draft(self) -> Draft:
        """The matter for the domain."""
        return Draft(
            task=AnyTask(self.task),
            intent=self.intent,
            origin=FailureOrigin(self.origin) if self.origin else None,
            stage=JourneyStage(self.stage) if self.stage else None,
            priority=Priority(self.priority) if self.priority else None,
            sentiment=Sentiment(self.sentiment) if self.sentiment else None,
            hardness=self.hardness,
            flags=None if self.flags is None else tuple(Flag(flag) for flag in dict.fromkeys(self.flags)),
            case_id=self.case_id,
            start=self.start,
            end=self.end,
        )


class DecideReview(_Body):
    """What the contact is about, the main matter first. An empty list says that there is nothing to do."""

    concerns: list[NameConcern] = Field(max_length=10)


class QuestionView(BaseModel):
    """What the customer was asked: which of these tasks it is."""

    options: list[str]
    asked_by: str = Field(description="`triage`, or the person who had it asked.")
    asked_at: datetime
    state: str = Field(description="`asked`, `answered`, `unclear`: the answer did not tell, or `undelivered`.")
    answered_by: UUID | None = Field(description="The contact that answered.")


class ReviewView(BaseModel):
    """A contact that a person has to look at. Its words are read through the journey."""

    review_id: UUID
    contact_id: UUID
    journey_id: UUID
    status: str = Field(description="`open` or `decided`; further values are possible.")
    language: str
    market: str | None = Field(description="ISO 3166-1 alpha-2, as our side of the channel or the sender tells.")
    channel: str
    priority: str
    confidence: float = Field(description="How sure triage is of its suggestions, 0 to 1.")
    suggestions: list[Concern]
    mode: str | None = Field(
        description="`preselect`: the suggestions only have to be confirmed. `suggest`: they are to be seen. Null: "
        "there are none, since triage is not sure enough to say anything."
    )
    other: str | None = Field(description="What it looks like where none of the seven tasks fits, such as `spam`.")
    questions: list[QuestionView]
    requested_at: datetime
    decided_at: datetime | None
    decided_by: str | None = Field(description="A person; or `customer`, who answered a question.")
    version: int


class ConcernView(BaseModel):
    """One matter of a contact as it was decided, with the case that works on it."""

    concern: Concern
    case_id: UUID
    base_tier: int = Field(description="The tier before the person's failures were counted.")


class ContactView(BaseModel):
    """What was decided about a contact, with the reasons: rules by name, and offsets into the contact's text."""

    contact_id: UUID
    journey_id: UUID
    channel: str
    language: str
    market: str | None
    received_at: datetime
    status: str = Field(description="`automatic`, `waiting`, `in_review` or `decided`.")
    concerns: list[ConcernView]
    decided_by: str | None
    decided_at: datetime | None
    pack: str = Field(description="The rule packs and their versions.")
    version: int


ReviewId = Annotated[UUID, Path(description="The review.")]


@router.get("/reviews", name="list_reviews", dependencies=[requires("reviews:read")])
async def list_reviews(
    *,
    tx: Tx,
    principal: Caller,
    paging: Paging,
    response: Response,
    status: Annotated[
        list[Literal["open", "decided"]] | None, Query(description="`open` where it is left out.")
    ] = None,
    language: Annotated[list[str] | None, Query(max_length=10)] = None,
    channel: Annotated[list[str] | None, Query(max_length=20)] = None,
    priority: Annotated[list[KnownPriority] | None, Query(max_length=4)] = None,
    market: Annotated[list[str] | None, Query(max_length=20, description="ISO 3166-1, such as `CH`.")] = None,
) -> Page[ReviewView]:
    """The review queue, the oldest first."""
    only_staff(principal, ReviewNotFound)
    rows = await store.list_reviews(
        tx,
        statuses=status or ["open"],
        languages=language or [],
        channels=channel or [],
        priorities=priority or [],
        markets=market or [],
        after=paging.after(datetime),
        backwards=paging.backwards,
        limit=paging.fetch,
    )
    asked = await questions_of(tx, rows)
    return paging.page(
        rows, edge=lambda r: (r.requested_at, r.review_id), view=lambda r: _view_review(r, asked), response=response
    )


@router.get("/reviews/{review_id}", name="get_review", dependencies=[requires("reviews:read")])
async def get_review(review_id: ReviewId, tx: Tx, principal: Caller, response: Response) -> ReviewView:
    """One review, with what triage would have decided."""
    only_staff(principal, ReviewNotFound)
    review = await store.get_review(tx, review_id=review_id)
    set_etag(response, review.version)
    return await view_review(tx, review)


@router.post(
    "/reviews/{review_id}/decision", name="decide_review", dependencies=[requires("reviews:write"), idempotent]
)
async def decide_review(
    *, review_id: ReviewId, body: DecideReview, tx: Tx, principal: Caller, version: IfMatch, response: Response
) -> ReviewView:
    """Say what the contact is about: its tasks get it at once, and what was decided is kept to learn from."""
    only_staff(principal, ReviewNotFound)
    review = await actions.decide_review(
        tx,
        review_id=review_id,
        version=version,
        drafts=[one.draft() for one in body.concerns],
        decided_by=principal.subject,
    )
    set_etag(response, review.version)
    return await view_review(tx, review)


@router.post(
    "/reviews/{review_id}/confirmation", name="confirm_review", dependencies=[requires("reviews:write"), idempotent]
)
async def confirm_review(
    *, review_id: ReviewId, tx: Tx, principal: Caller, version: IfMatch, response: Response
) -> ReviewView:
    """Agree to what triage chose, where it chose (`mode` is `preselect`): its tasks get the contact at once."""
    only_staff(principal, ReviewNotFound)
    review = await actions.confirm_review(tx, review_id=review_id, version=version, decided_by=principal.subject)
    set_etag(response, review.version)
    return await view_review(tx, review)


@router.get("/contacts/{contact_id}", name="get_triaged_contact", dependencies=[requires("cases:read")])
async def get_triaged_contact(contact_id: UUID, tx: Tx, principal: Caller, response: Response) -> ContactView:
    """What was decided about a contact, and why."""
    only_staff(principal, ContactNotFound)
    contact = await store.get_contact(tx, contact_id=contact_id)
    concerns = await _visible_concerns(tx, contact, principal)
    set_etag(response, contact.version)
    return ContactView(
        contact_id=contact.contact_id,
        journey_id=contact.journey_id,
        channel=contact.channel,
        language=contact.language,
        market=contact.market,
        received_at=contact.received_at,
        status=contact.status,
        concerns=[ConcernView(concern=c.concern, case_id=c.case_id, base_tier=c.base_tier) for c in concerns],
        decided_by=contact.decided_by,
        decided_at=contact.decided_at,
        pack=contact.pack,
        version=contact.version,
    )


def only_staff(principal: Principal, otherwise: type[NotFound]) -> None:
    """Why triage decided so is for staff; to everybody else these things do not exist."""
    if not principal.roles & {AGENT, SUPERVISOR, ADMINISTRATOR}:
        raise otherwise


async def _visible_concerns(tx: Transaction, contact: Contact, principal: Principal) -> list[Decided]:
    """The concerns of a contact that this caller may see. Raises ContactNotFound where all are others' business."""
    concerns = await store.list_concerns(tx, contact_id=contact.contact_id)
    if principal.tasks is None or principal.roles & {SUPERVISOR, ADMINISTRATOR}:
        return concerns
    visible = [one for one in concerns if one.concern.task in principal.tasks]
    if concerns and not visible:
        raise ContactNotFound
    return visible


async def questions_of(tx: Transaction, reviews: Sequence[Review]) -> dict[UUID, list[Question]]:
    """What was asked about these reviews' contacts, by contact."""
    found: dict[UUID, list[Question]] = {}
    for question in await list_questions(tx, contact_ids=[one.contact_id for one in reviews]):
        found.setdefault(question.contact_id, []).append(question)
    return found


async def view_review(tx: Transaction, review: Review) -> ReviewView:
    """One review, with what the customer was asked."""
    return _view_review(review, await questions_of(tx, [review]))


def _view_review(review: Review, asked: Mapping[UUID, Sequence[Question]]) -> ReviewView:
    return ReviewView(
        review_id=review.review_id, contact_id=review.contact_id, journey_id=review.journey_id, status=review.status,
        language=review.language, market=review.market, channel=review.channel, priority=review.priority,
        confidence=review.confidence, suggestions=list(review.suggestions), mode=review.mode, other=review.other,
        questions=[
            QuestionView(
                options=list(one.options), asked_by=one.asked_by, asked_at=one.asked_at, state=one.state,
                answered_by=one.answered_by,
            )
            for one in asked.get(review.contact_id, ())
        ],
        requested_at=review.requested_at, decided_at=review.decided_at, decided_by=review.decided_by,
        version=review.version,
    )  # fmt: skip
