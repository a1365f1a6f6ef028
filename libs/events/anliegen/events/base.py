"""What every event is: a frozen fact with a type, a key and a subject."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Protocol, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from . import registry


class OpenEnum(StrEnum):
    """An enumeration that may grow: a value of a newer producer reads as `unknown` instead of failing."""

    @classmethod
    def _missing_(cls, value: object) -> "OpenEnum | None":
        return cls.__members__.get("UNKNOWN") if isinstance(value, str) else None


class Task(OpenEnum):
    """The seven core tasks of a customer service."""

    HELPDESK = "helpdesk"
    SALES_SUPPORT = "sales_support"
    BILLING_INQUIRY = "billing_inquiry"
    ADMINISTRATION = "administration"
    CLAIMS = "claims"
    COMPLAINTS = "complaints"
    FEEDBACK = "feedback"
    UNKNOWN = "unknown"


class CaseStatus(OpenEnum):
    """A case's status as every service understands it; each domain maps its own states onto these."""

    OPENED = "opened"
    IN_PROGRESS = "in_progress"
    WAITING_FOR_CUSTOMER = "waiting_for_customer"
    WAITING_FOR_THIRD_PARTY = "waiting_for_third_party"
    RESOLVED = "resolved"
    CLOSED = "closed"
    REOPENED = "reopened"
    TRANSFERRED = "transferred"
    WITHDRAWN = "withdrawn"
    UNKNOWN = "unknown"


class FailureKind(OpenEnum):
    """What went wrong for the customer on our side."""

    BROKEN_PROMISE = "broken_promise"
    MISSED_CALLBACK = "missed_callback"
    WRONG_INVOICE = "wrong_invoice"
    REJECTED_ANSWER = "rejected_answer"
    REOPENED_CASE = "reopened_case"
    UPHELD_COMPLAINT = "upheld_complaint"
    UNKNOWN = "unknown"


class PromiseKind(OpenEnum):
    """What the customer was told would happen."""

    ANSWER = "answer"
    CALLBACK = "callback"
    CREDIT = "credit"
    DECISION = "decision"
    UNKNOWN = "unknown"


class PromiseState(OpenEnum):
    """Where a promise stands after the event that carries it."""

    OPEN = "open"
    KEPT = "kept"
    BROKEN = "broken"
    WITHDRAWN = "withdrawn"
    UNKNOWN = "unknown"


class Part(BaseModel):
    """A piece of an event: producers refuse fields that the model does not have, consumers ignore them."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        # A refused value may be a person's words, and the text of an error ends up in logs and dead letters.
        hide_input_in_errors=True,
        ser_json_timedelta="iso8601",
        use_attribute_docstrings=True,
    )


LARGEST = 2**53 - 1
"""The largest whole number that every reader of JSON keeps as it is (RFC 8259, 6)."""


class CurrenciesDiffer(ValueError):
    """Amounts of different currencies are neither added nor compared."""


class Money(Part):
    """An amount in the minor units of its currency: `Money(amount=4250, currency="CHF")` are 42.50 Swiss francs.

    Only amounts of one currency are added, subtracted and compared; others raise CurrenciesDiffer.
    """

    amount: int = Field(ge=-LARGEST, le=LARGEST)
    """Minor units of the currency; negative where it is owed the other way."""
    currency: str = Field(pattern=r"^[A-Z]{3}$", max_length=3)
    """ISO 4217, three capitals."""

    def __add__(self, other: "Money") -> "Money":
        return Money(amount=self.amount + self._same(other), currency=self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(amount=self.amount - self._same(other), currency=self.currency)

    def __neg__(self) -> "Money":
        return Money(amount=-self.amount, currency=self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.amount < self._same(other)

    def __le__(self, other: "Money") -> bool:
        return self.amount <= self._same(other)

    def __gt__(self, other: "Money") -> bool:
        return self.amount > self._same(other)

    def __ge__(self, other: "Money") -> bool:
        return self.amount >= self._same(other)

    def share(self, basis_points: int) -> "Money":
        """This part of it (10,000 basis points are the whole), rounded half away from zero."""
        rounded = (2 * abs(self.amount * basis_points) + 10_000) // 20_000
        return Money(amount=rounded if self.amount * basis_points >= 0 else -rounded, currency=self.currency)

    def __str__(self) -> str:
        """As texts to customers take it: `4250 CHF`, in minor units."""
        return f"{self.amount} {self.currency}"

    def _same(self, other: "Money") -> int:
        if self.currency != other.currency:
            raise CurrenciesDiffer(f"{CurrenciesDiffer.__doc__} {self.currency}, {other.currency}")
        return other.amount


class ContentReference(Part):
    """A file in the object store, by the hash of its content."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of the content, in small hexadecimal letters."""
    size: int = Field(ge=0)
    """Bytes."""
    media_type: str = Field(max_length=200)
    """As found out from the content, not as the sender said."""
    name: str = Field(max_length=255)
    """The file's name as the sender gave it."""


class Failure(Part):
    """Something that went wrong for the customer on our side."""

    failure_id: UUID
    """Names the failure, so that it counts once however often it is told."""
    kind: FailureKind
    occurred_at: AwareDatetime
    """When it went wrong, which may be long before anybody noticed."""
    code: str = Field(max_length=100)
    """A stable word for the cause, for counting; never a person's words."""


class Promise(Part):
    """Something the customer was told would happen by a time."""

    promise_id: UUID
    """The same in every event about this promise."""
    kind: PromiseKind
    due_at: AwareDatetime
    """By when."""
    state: PromiseState = PromiseState.OPEN


class Event(Part):
    """A fact that a service announces. It is frozen, small, and named in the past tense.

    A class is declared with its type: `class ContactReceived(Event, type="intake.contact_received.v1", words=True)`.
    `words=True` says that it carries what a person wrote, so it travels on the producer's `.words` topic.
    A class without a type is a base for others and cannot be published.
    """

    event_type: ClassVar[str] = ""
    words: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Take the class arguments, which pydantic hands to `__pydantic_init_subclass__` once the fields are there."""

    @classmethod
    def __pydantic_init_subclass__(cls, *, type: str = "", words: bool = False, **kwargs: Any) -> None:  # noqa: A002
        super().__pydantic_init_subclass__(**kwargs)
        cls.event_type = type
        cls.words = words
        if type:
            registry.register(cls)

    @property
    def key(self) -> str:
        """The stream this event belongs to: its journey, or the subject of a fact that belongs to none."""
        raise TypeError(f"{self.__class__.__name__} does not say its key")

    @property
    def lock_keys(self) -> tuple[str, ...]:
        """Keys that a consumer locks before it handles the event, the event's own key among them."""
        return (self.key,)

    @property
    def subject(self) -> str:
        """What the event is about: a case, else a contact, else its key (CloudEvents `subject`)."""
        return self.key


class JourneyEvent(Event):
    """A fact in the life of one journey."""

    journey_id: UUID
    """The identity it came in under; links join the journeys of one person."""

    @property
    def key(self) -> str:
        return str(self.journey_id)


class Case(Protocol):
    """What a case tells of itself; every domain's case has these."""

    @property
    def journey_id(self) -> UUID: ...
    @property
    def case_id(self) -> UUID: ...
    @property
    def task(self) -> Task: ...
    @property
    def case_status(self) -> CaseStatus: ...


class CaseEvent(JourneyEvent):
    """A fact about one case: what happened is the type, and the case's status after it is `status`."""

    case_id: UUID
    """The case, one concern being worked on by one task."""
    task: Task
    """The task that works on the case."""
    status: CaseStatus
    """The case's status after this event."""
    contact_id: UUID | None = None
    """The contact that brought this about, where there is one."""
    failure: Failure | None = None
    """What went wrong for the customer, where this event says so."""
    promise: Promise | None = None
    """What the customer was told would happen, as it stands after this event."""

    @property
    def subject(self) -> str:
        return str(self.case_id)

    @classmethod
    def about(cls, case: Case, **fields: Any) -> Self:
        """The event about this case, with journey, case, task and status taken from it."""
        return cls(journey_id=case.journey_id, case_id=case.case_id, task=case.task, status=case.case_status, **fields)


class ReplyRequested(JourneyEvent):
    """A task asks intake to bring words to the customer. Each task has its own type, made from this base."""

    reply_id: UUID
    """Names the reply: a request that comes twice is sent once."""
    case_id: UUID
    """The case that is answered."""
    task: Task
    """The task that asks."""
    contact_id: UUID
    """The contact that is answered: it says the channel and the address."""
    template: str = Field(max_length=100)
    """The template's key; its texts in all languages are intake's."""
    values: dict[str, str] = Field(default_factory=dict)
    """What the template's places are filled with; a person's free answer is `values["answer"]`."""
    language: str | None = Field(default=None, max_length=2)
    """ISO 639-1, where the task knows better than the contact."""
    attachments: tuple[ContentReference, ...] = ()
    """Files that go with the words: a mail brings them, elsewhere the words say where they are."""

    @property
    def subject(self) -> str:
        return str(self.case_id)
