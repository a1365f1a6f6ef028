"""From events to the rows of the read models. Pure, so that a batch, a rebuild and a look back all do the same.

A row is a mapping of columns. Several facts about one row are folded by the table's rule, and the store does the same
in SQL where a row is there already; neither depends on the order in which topics arrive.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from anliegen.events import (
    Assurance,
    CaseEvent,
    ContactReceived,
    ContactTriaged,
    CustomerLearnt,
    Handle,
    HandleKind,
    ReplyFailed,
    ReplyRequested,
    ReplySent,
    ReviewRequested,
)
from anliegen.events.envelope import format_time

from .domain import StoredEvent

Row = dict[str, Any]
ASSURANCES = (Assurance.NONE, Assurance.CLAIMED, Assurance.VERIFIED)
TABLES = ("contacts", "cases", "promises", "failures", "answers", "handles", "people")
_KEYS = {
    "contacts": ("contact_id",),
    "cases": ("case_id",),
    "promises": ("promise_id",),
    "failures": ("failure_id",),
    "answers": ("reply_id",),
    "handles": ("kind", "value", "journey_id"),
    "people": ("journey_id",),
}


class Models:
    """Rows of every read model, folded; `tables[name]` are its rows by key."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[tuple[Any, ...], Row]] = {name: {} for name in TABLES}

    def rows(self, table: str) -> list[Row]:
        """The rows of one table, sorted by key, so that nobody waits for another in a circle."""
        return [row for _, row in sorted(self.tables[table].items(), key=lambda entry: [str(p) for p in entry[0]])]

    def add(self, table: str, **row: Any) -> None:
        """Fold a row into its table."""
        key = tuple(row[name] for name in _KEYS[table])
        known = self.tables[table].get(key)
        self.tables[table][key] = row if known is None else _FOLDS.get(table, _filled)(known, row)


def project(events: Iterable[StoredEvent]) -> Models:
    """The rows that these events make; events of one source and key come in the order of their sequence."""
    models = Models()
    for stored in events:
        for kind, tell in _TELLERS:
            if isinstance(stored.event, kind):
                tell(models, stored)
    return models


# What each kind of event tells ----------------------------------------------------------------------------------------
def _tell_contact(models: Models, stored: StoredEvent) -> None:
    event = stored.event
    assert isinstance(event, ContactReceived)
    models.add(
        "contacts",
        contact_id=event.contact_id,
        journey_id=event.journey_id,
        channel=event.channel,
        received_at=_time(event.received_at),
        sender_kind=event.sender.kind if event.sender else None,
        sender=_clean(event.sender.value) if event.sender else None,
        customer_number=_clean(event.customer_number),
        assurance=event.assurance,
        display_name=_clean(event.display_name),
        subject_line=_clean(event.subject_line),
        text=_clean(event.text),
        language=event.language,
        automatic=event.automatic,
    )
    numbered = Handle(kind=HandleKind.CUSTOMER_NUMBER, value=event.customer_number) if event.customer_number else None
    for handle in (event.sender, numbered):
        if handle is not None:
            _tell_handle(models, stored, handle, event.assurance)


def _tell_handle(models: Models, stored: StoredEvent, handle: Handle, assurance: Assurance) -> None:
    models.add(
        "handles",
        kind=handle.kind,
        value=normalised(handle.kind, _clean(handle.value) or ""),
        journey_id=stored.journey_id,
        assurance=ASSURANCES.index(assurance) if assurance in ASSURANCES else 0,
        first_seen_at=_time(stored.time),
        last_seen_at=_time(stored.time),
    )


def _tell_person(models: Models, stored: StoredEvent) -> None:
    event = stored.event
    assert isinstance(event, CustomerLearnt)
    models.add("people", journey_id=event.journey_id, name=_clean(event.name), language=event.language)
    _tell_handle(models, stored, event.handle, event.assurance)


def _tell_understood(models: Models, stored: StoredEvent) -> None:
    event = stored.event
    assert isinstance(event, ContactTriaged)
    models.add(
        "contacts",
        contact_id=event.contact_id,
        journey_id=event.journey_id,
        decided_by=event.decided_by,
        concerns=[concern.model_dump(mode="json") for concern in event.concerns],
    )


def _tell_review(models: Models, stored: StoredEvent) -> None:
    event = stored.event
    assert isinstance(event, ReviewRequested)
    models.add(
        "contacts",
        contact_id=event.contact_id,
        journey_id=event.journey_id,
        review_asked_at=_time(event.requested_at),
    )


def _tell_case(models: Models, stored: StoredEvent) -> None:
    event = stored.event
    assert isinstance(event, CaseEvent)
    about = {"journey_id": event.journey_id, "case_id": event.case_id, "task": event.task}
    at = _time(stored.time)
    models.add(
        "cases",
        **about,
        service=stored.service,
        opened_at=at,
        status=event.status,
        changed_at=at,
        last_type=stored.type,
        sequence=stored.sequence,
    )
    if event.promise is not None:
        promise = event.promise
        models.add(
            "promises",
            **about,
            promise_id=promise.promise_id,
            promised_at=at,
            kind=promise.kind,
            due_at=_time(promise.due_at),
            state=promise.state,
            changed_at=at,
            sequence=stored.sequence,
        )
    if event.failure is not None:
        failure = event.failure
        models.add(
            "failures",
            **about,
            failure_id=failure.failure_id,
            kind=failure.kind,
            code=_clean(failure.code),
            occurred_at=_time(failure.occurred_at),
        )


def _tell_request(models: Models, stored: StoredEvent) -> None:
    event = stored.event
    assert isinstance(event, ReplyRequested)
    models.add(
        "answers",
        reply_id=event.reply_id,
        journey_id=event.journey_id,
        contact_id=event.contact_id,
        case_id=event.case_id,
        task=event.task,
        template=_clean(event.template),
        answer=_clean(event.values.get("answer")),
        requested_at=_time(stored.time),
    )


def _tell_reply(models: Models, stored: StoredEvent) -> None:
    event = stored.event
    assert isinstance(event, ReplySent | ReplyFailed)
    about = {
        "reply_id": event.reply_id,
        "journey_id": event.journey_id,
        "contact_id": event.contact_id,
        "case_id": event.case_id,
        "task": event.task,
        "template": _clean(event.template),
    }
    if isinstance(event, ReplySent):
        sent_at = _time(event.sent_at)
        models.add("answers", **about, sent_at=sent_at, sent_on=event.channel, language=event.language)
    else:
        models.add("answers", **about, failed_at=_time(stored.time), failure_code=_clean(event.code))


_TELLERS: tuple[tuple[Any, Callable[[Models, StoredEvent], None]], ...] = (
    (ContactReceived, _tell_contact),
    (CustomerLearnt, _tell_person),
    (ContactTriaged, _tell_understood),
    (ReviewRequested, _tell_review),
    (CaseEvent, _tell_case),
    (ReplyRequested, _tell_request),
    ((ReplySent, ReplyFailed), _tell_reply),
)


# How facts about one row are folded -----------------------------------------------------------------------------------
def _filled(known: Row, new: Row) -> Row:
    """What is new fills or replaces; what it does not say stays."""
    return known | {name: value for name, value in new.items() if value is not None}


def _contact(known: Row, new: Row) -> Row:
    """As `_filled`; what the contact is about adds up, since a matter may come later, from a task that handed it over.

    Of each concern the latest word counts.
    """
    folded = _filled(known, new)
    if known.get("concerns") and new.get("concerns"):
        by_id = {one["concern_id"]: one for one in [*known["concerns"], *new["concerns"]]}
        folded["concerns"] = sorted(by_id.values(), key=lambda one: (one["ordinal"], one["concern_id"]))
    return folded


def _by_sequence(first: str) -> Callable[[Row, Row], Row]:
    """The facts of the highest sequence, with the earliest time in the column `first`."""

    def fold(known: Row, new: Row) -> Row:
        latest = new if new["sequence"] > known["sequence"] else known
        return latest | {first: min(known[first], new[first])}

    return fold


def _seen(known: Row, new: Row) -> Row:
    return known | {
        "assurance": max(known["assurance"], new["assurance"]),
        "first_seen_at": min(known["first_seen_at"], new["first_seen_at"]),
        "last_seen_at": max(known["last_seen_at"], new["last_seen_at"]),
    }


_FOLDS: dict[str, Callable[[Row, Row], Row]] = {
    "contacts": _contact,
    "cases": _by_sequence("opened_at"),
    "promises": _by_sequence("promised_at"),
    "handles": _seen,
}


# Values ---------------------------------------------------------------------------------------------------------------
def normalised(kind: str, value: str) -> str:
    """A handle as it is compared: small letters, and for numbers of telephones digits behind a plus."""
    plain = value.strip().lower()
    if kind in {HandleKind.PHONE, HandleKind.WHATSAPP}:
        digits = "".join(letter for letter in plain if letter.isdigit())
        return f"+{digits.removeprefix('00')}" if digits else plain
    return plain


def _time(moment: datetime) -> str:
    # As text it sorts as time does, and goes into the database as it is.
    return format_time(moment)


def _clean(text: str | None) -> str | None:
    """Text as PostgreSQL takes it: without NUL. The event's own bytes stay as they came."""
    return None if text is None else text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
