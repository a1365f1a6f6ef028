"""The story so far, put together from the rows of the read models. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from .views import (
    AnswerView,
    BriefingView,
    CaseView,
    ContactView,
    FailureView,
    HandleView,
    MoodView,
    PromisesView,
    PromiseView,
)

SHOWN = 20
"""How many contacts and answers a briefing shows; the timeline has them all."""
REMEMBERED_MOODS = 10
_LATEST = datetime.max.replace(tzinfo=UTC)
_CUSTOMER_SEES_OF_CONTACT = {"contact_id", "channel", "received_at", "subject_line", "text", "language"}
Rows = Mapping[str, Sequence[dict[str, Any]]]


def brief(journey_id: UUID, members: Sequence[UUID], rows: Rows, *, as_of: datetime, for_staff: bool) -> BriefingView:
    """The briefing of a person. A customer gets the own words, cases, promises and answers, and nothing of what we
    think of them."""
    contacts = sorted(
        (ContactView.model_validate(row) for row in rows["contacts"]),
        key=lambda one: (one.received_at or _LATEST, one.contact_id),
    )
    promises = sorted(
        (PromiseView.model_validate(row) for row in rows["promises"]), key=lambda one: (one.due_at, one.promise_id)
    )
    handles = sorted(
        (HandleView.of(row) for row in rows["handles"]), key=lambda one: (one.first_seen_at, one.kind, one.value)
    )
    people = sorted(rows["people"], key=lambda row: str(row["journey_id"]))
    return BriefingView(
        journey_id=journey_id,
        members=list(members) if for_staff else [journey_id],
        as_of=as_of,
        names=_distinct(row.get("name") for row in people) if for_staff else [],
        languages=_distinct([*(row.get("language") for row in people), *(one.language for one in contacts)]),
        handles=handles if for_staff else [],
        contact_count=len(contacts),
        channels=_distinct(one.channel for one in contacts),
        contacts=[_contact(one, for_staff=for_staff) for one in contacts[-SHOWN:]],
        cases=sorted(
            (CaseView.model_validate(row) for row in rows["cases"]), key=lambda one: (one.opened_at, one.case_id)
        ),
        promises=PromisesView(
            open=[one for one in promises if one.state == "open"],
            kept=sum(one.state == "kept" for one in promises),
            broken=sum(one.state == "broken" for one in promises),
        ),
        failures=sorted(
            (FailureView.model_validate(row) for row in rows["failures"]),
            key=lambda one: (one.occurred_at, one.failure_id),
        )
        if for_staff
        else [],
        answers=_answers(rows["answers"], for_staff=for_staff),
        mood=_mood(contacts) if for_staff else None,
    )


def _contact(contact: ContactView, *, for_staff: bool) -> ContactView:
    if for_staff:
        return contact
    return ContactView.model_validate(contact.model_dump(include=_CUSTOMER_SEES_OF_CONTACT))


def _answers(rows: Sequence[dict[str, Any]], *, for_staff: bool) -> list[AnswerView]:
    answers = sorted(
        (AnswerView.model_validate(row) for row in rows),
        key=lambda one: (one.requested_at or one.sent_at or one.failed_at or _LATEST, one.reply_id),
    )
    # What did not reach the customer is no answer to the customer yet.
    return [one for one in answers if for_staff or one.sent_at is not None][-SHOWN:]


def _mood(contacts: Sequence[ContactView]) -> MoodView:
    read = [one.concerns for one in contacts if one.concerns]
    moods = [str(concerns[0].get("sentiment", "unknown")) for concerns in read]
    flags = _distinct(flag for concerns in read for concern in concerns for flag in concern.get("flags", ()))
    return MoodView(latest=moods[-1] if moods else None, history=moods[-REMEMBERED_MOODS:], flags=flags)


def _distinct(values: Any) -> list[str]:
    return list(dict.fromkeys(value for value in values if value))
