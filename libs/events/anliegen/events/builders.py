"""Valid events for tests: `build(ContactReceived, text="…")` fills in what the test does not care about.

With a seed the ids follow from it and from the fields' names, so events that are built with one seed belong together:
`build(ContactReceived, seed=1)` and `build(ContactTriaged, seed=1)` are about the same journey and contact.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, TypeVar
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from . import registry
from .base import CaseEvent, CaseStatus, Event, Failure, FailureKind, Part, Promise, PromiseKind, Task
from .envelope import Envelope, format_time
from .schemas import schema_of

P = TypeVar("P", bound=Part)

MOMENT = datetime(2026, 3, 2, 8, 14, 7, tzinfo=UTC)
"""A Monday morning: the time of everything that is built without one."""

# What a field is filled with where its name says more than its type; with the class's name in front, only there.
_VALUES: Mapping[str, Any] = {
    "account": "service@anliegen.example",
    "answered_by": "agent-17",
    "code": "no_reason_given",
    "ContactQuarantined.reason": "message_not_readable",
    "confidence": 0.93,
    "currency": "CHF",
    "customer_number": "CH471102",
    "credit_id": "G-2026-17",
    "CreditIssued.amount": 500,
    "decided_by": "rules",
    "evidence": "verified_customer_number",
    "found_by": "references",
    "GoodwillProposed.kind": "credit_next_period",
    "GoodwillProposed.reason": "wrong_invoice",
    "GoodwillProposalWithdrawn.reason": "correction_reversed",
    "Handle.kind": "email",
    "Handle.value": "katrin.aebischer@post.example",
    "InquiryOpened.intent": "invoice_question",
    "intent": "opening_hours",
    "invoice_number": "R-2026-004711",
    "InvoiceIssued.total": 4250,
    "InvoiceLine.gross": 4250,
    "InvoiceLine.line_id": "1",
    "InvoiceLine.net": 3935,
    "InvoiceLine.tax": 315,
    "InvoiceLine.tax_rate": 800,
    "JourneysSplit.reason": "agent_separated",
    "language": "de",
    "media_type": "application/pdf",
    "Money.amount": 4250,
    "method": "invoice",
    "GoodwillDecided.outcome": "approved",
    "kept": "yes",
    "bought_again": "unknown",
    "GoodwillStep.rule": "share_of_value",
    "GoodwillStep.amount": 2500,
    "GoodwillStep.says": "20.00 % of 125.00 EUR, for severity 3",
    "GoodwillWithdrawn.reason": "given_by_mistake",
    "kind": "voucher",
    "name": "Rechnung.pdf",
    "order_reference": "2026-104711",
    "withdrawn_by": "agent-17",
    "ordinal": 0,
    "pack": "standard/1",
    "PaymentReceived.amount": 4250,
    "payment_id": "Z-2026-0815",
    "PartnerOrigin.event_id": "4711-02/17",
    "PartnerOrigin.partner": "erp",
    "PartnerOrigin.source": "urn:example:erp",
    "proposed_by": "agent-17",
    "reason": "customer_wrote_again",
    "reminder_id": "M-1",
    "resolution": "accepted",
    "rule": "opening_hours",
    "severity": 2,
    "template": "answer",
    "text": "Guten Tag, wann haben Sie über die Feiertage geöffnet? Freundliche Grüsse, Katrin Aebischer",
}

# A case's status after the fact whose name ends so.
_STATUS: Mapping[str, CaseStatus] = {
    "opened": CaseStatus.OPENED,
    "answered": CaseStatus.WAITING_FOR_CUSTOMER,
    "resolved": CaseStatus.RESOLVED,
    "closed": CaseStatus.CLOSED,
    "reopened": CaseStatus.REOPENED,
    "transferred": CaseStatus.TRANSFERRED,
    "withdrawn": CaseStatus.WITHDRAWN,
}


class NothingSensible(TypeError):
    """There is no sensible default for this field: give it in the call, or teach the builder its name."""


def build(cls: type[P], *, seed: int | str | None = None, at: datetime = MOMENT, **fields: Any) -> P:
    """A valid event of this class, or part of one, with these fields and sensible values for the required others.

    `seed` makes the ids repeatable; without it they are fresh. `at` is the time of every time field; a `due_at` is
    a day later. Raises pydantic's ValidationError where a given field is not valid or not known.
    """
    filler = _Filler(seed=seed, at=at, event_type=getattr(cls, "event_type", ""), definitions=_schema(cls)["$defs"])
    values = filler.fill(_schema(cls), fields)
    if {"journey_a", "journey_b"} <= values.keys() - fields.keys():
        values["journey_a"], values["journey_b"] = sorted((values["journey_a"], values["journey_b"]))
    if issubclass(cls, CaseEvent):
        values = filler.for_a_case() | values
    return cls.model_validate(values)


def envelope_for(
    event: Event,
    *,
    id: UUID | None = None,  # noqa: A002 - the attribute's name in CloudEvents
    time: datetime = MOMENT,
    sequence: int = 1,
    cause: Envelope | None = None,
) -> Envelope:
    """The envelope in which the event's own service would publish it; the id is a fresh UUIDv7 of `time`.

    With a `cause` it says what caused the event, and takes over what began it all.
    """
    return Envelope(
        id=id or _uuid7(time),
        source=f"/anliegen/{registry.service_of(event.event_type)}",
        type=event.event_type,
        time=time,
        key=event.key,
        sequence=sequence,
        subject=event.subject,
        dataschema=registry.dataschema_of(event.event_type),
        correlationid=(cause.correlationid or str(cause.id)) if cause else None,
        causationid=str(cause.id) if cause else None,
        traceparent=cause.traceparent if cause else None,
        tracestate=cause.tracestate if cause else None,
    )


@dataclass(frozen=True, slots=True)
class _Filler:
    """Fills the required fields of a schema. The values are as in JSON; the class turns them into its own types."""

    seed: int | str | None
    at: datetime
    event_type: str
    definitions: Mapping[str, Any]

    def fill(self, schema: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """The given values, and one for every required field that is not given."""
        required = (name for name in schema.get("required", ()) if name not in given)
        return {name: self.value(schema["title"], name, schema["properties"][name]) for name in required} | dict(given)

    def value(self, owner: str, name: str, schema: Mapping[str, Any]) -> Any:  # noqa: PLR0911 - one for each kind
        """A value for this field of `owner`: what its name says, else what its type allows."""
        for known in (f"{owner}.{name}", name):
            if known in _VALUES:
                return _VALUES[known]
        if "$ref" in schema:
            return self.value(owner, name, self.definitions[schema["$ref"].rpartition("/")[2]])
        match schema:
            case {"title": "Task"}:
                return self._task()
            case {"title": "CaseStatus"}:
                return _STATUS.get(self._last_word(), CaseStatus.IN_PROGRESS)
            case {"anyOf": [first, *_]}:
                return self.value(owner, name, first)
            case {"enum": [first, *_]}:
                return first
            case {"type": "object"}:
                return self.fill(schema, {})
            case {"type": "array", "items": items}:
                return [self.value(owner, name, items)]
            case {"type": "integer" | "number"}:
                return schema.get("minimum", schema.get("maximum", 1))
            case {"type": "boolean"}:
                return False
            case {"type": "string"}:
                return self._text(owner, name, schema)
        raise NothingSensible(f"{NothingSensible.__doc__} {owner}.{name}: {dict(schema)}")

    def for_a_case(self) -> dict[str, Any]:
        """The promise of a case that is opened, and the failure of one that is overdue."""
        if self._last_word() == "opened":
            return {"promise": Promise(promise_id=self._id("promise_id"), kind=PromiseKind.ANSWER, due_at=self._due())}
        if self._last_word() == "overdue":
            kind, code = FailureKind.BROKEN_PROMISE, "answer_overdue"
            return {"failure": Failure(failure_id=self._id("failure_id"), kind=kind, occurred_at=self.at, code=code)}
        return {}

    def _text(self, owner: str, name: str, schema: Mapping[str, Any]) -> str:
        match schema:
            case {"format": "uuid"}:
                return str(self._id(name))
            case {"format": "date-time"}:
                return format_time(self._due() if name == "due_at" else self.at)
            case {"format": "date"}:
                return self.at.date().isoformat()
            case {"pattern": _} if name == "sha256":
                return hashlib.sha256(self._id(name).bytes).hexdigest()
            case {"pattern": _} | {"format": _} | {"minLength": _}:
                raise NothingSensible(f"{NothingSensible.__doc__} {owner}.{name}: {dict(schema)}")
        return name[: schema.get("maxLength")]

    def _id(self, name: str) -> UUID:
        return uuid4() if self.seed is None else uuid5(NAMESPACE_URL, f"urn:anliegen:example:{self.seed}:{name}")

    def _due(self) -> datetime:
        return self.at + timedelta(days=1)

    def _task(self) -> Task:
        task = Task(self.event_type.partition(".")[0])
        return Task.HELPDESK if task is Task.UNKNOWN else task

    def _last_word(self) -> str:
        fact = self.event_type.split(".")[1] if self.event_type else ""
        return fact.rpartition("_")[2]


@cache
def _schema(cls: type[Part]) -> Mapping[str, Any]:
    return {"$defs": {}} | schema_of(cls)


def _uuid7(moment: datetime) -> UUID:
    high = int(moment.timestamp() * 1000) << 16 | 0x7000 | secrets.randbits(12)
    return UUID(int=high << 64 | 0x8000_0000_0000_0000 | secrets.randbits(62))
