"""What people see of dead letters and parked keys, over HTTP and on the command line alike.

Lists and single entries show ids, codes and places. What stands in an event may be people's words: it is shown by
`ContentView` alone, to whoever may see it, and each look is written down.
"""

import base64
import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from ..consumer.records import Record
from ..errors import Problem
from ..http.limits import parse_json
from ..service import Context
from .actions import Redriven, delivery_of
from .journal import Action
from .letters import RELAY, DeadLetter
from .parked import ParkedEvent, ParkedKey

ATTRIBUTES = frozenset(
    {
        "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_subject", "ce_dataschema", "ce_partitionkey",
        "ce_sequence", "ce_correlationid", "ce_causationid", "content-type", "traceparent",
    }
)  # fmt: skip
"""The headers that hold ids and codes; what else a record carries may be anything."""


class Settlement(BaseModel):
    """How a dead letter was settled."""

    at: AwareDatetime
    how: str = Field(description="`redriven`, `repeated` (the event had been taken meanwhile) or `discarded`.")
    by: str
    reason: str | None


class DeadLetterView(BaseModel):
    """An event that was given up on, without its content."""

    id: str
    group: str = Field(description="Whose failure it was: the service's own consumer, or `relay`: never published.")
    type: str | None
    key: str | None = Field(description="The journey or subject; null where there is none that is text.")
    event_id: UUID | None = Field(description="Null where the record could not be read.")
    topic: str | None
    partition: int | None
    offset: int | None
    size: int | None = Field(description="Bytes of the payload.")
    error_type: str | None
    error: str | None = Field(description="As logs may say it: nothing is quoted.")
    attempts: int | None
    first_failed_at: AwareDatetime | None
    died_at: AwareDatetime
    service_version: str | None
    settled: Settlement | None
    version: int

    @classmethod
    def of(cls, letter: DeadLetter, **more: Any) -> Self:
        """The view of a letter."""
        settled = None
        if letter.settled_at is not None:
            settled = Settlement(
                at=letter.settled_at,
                how=letter.settled_how or "",
                by=letter.settled_by or "",
                reason=letter.settled_reason,
            )
        return cls(
            id=str(letter.id),
            group=letter.group,
            type=letter.type or None,
            key=_text(letter.key),
            event_id=letter.event_id,
            topic=letter.topic,
            partition=letter.part,
            offset=letter.offset,
            size=letter.size,
            error_type=letter.error_type,
            error=letter.error,
            attempts=letter.attempts,
            first_failed_at=letter.first_failed_at,
            died_at=letter.died_at,
            service_version=letter.service_version,
            settled=settled,
            version=letter.version,
            **more,
        )


class ActionView(BaseModel):
    """One thing that somebody did or looked at by hand."""

    at: AwareDatetime
    who: str
    did: str = Field(description="`redriven`, `repeated`, `discarded`, `set aside`, `retried` or `read`.")
    about: str = Field(description="`dead-letter/<id>` or `parked-key/<key>`.")
    reason: str | None

    @classmethod
    def of(cls, action: Action) -> Self:
        """The view of an action."""
        return cls(at=action.at, who=action.who, did=action.did, about=action.about, reason=action.reason)


class DeadLetterDetail(DeadLetterView):
    """A dead letter, its envelope, what would keep it from being redriven, and what was done with it."""

    envelope: dict[str, str]
    obstacle: str | None = Field(
        description="The code of what would refuse a redrive now, such as `still_unreadable`; null where nothing would."
    )
    actions: list[ActionView] = Field(description="The newest first, at most 50.")

    @classmethod
    def look(cls, context: Context, letter: DeadLetter, record: Record, done: Sequence[Action]) -> Self:
        """The view of a letter with its record and what was done with it."""
        return cls.of(
            letter,
            envelope=envelope_of(record),
            obstacle=obstacle_of(context, letter, record),
            actions=[ActionView.of(one) for one in done],
        )


class ParkedEventView(BaseModel):
    """An event that waits behind its key, without its content."""

    event_id: UUID
    type: str | None
    topic: str
    partition: int
    offset: int
    size: int = Field(description="Bytes of the payload.")
    envelope: dict[str, str]

    @classmethod
    def of(cls, event: ParkedEvent) -> Self:
        """The view of an event."""
        record = event.record
        return cls(
            event_id=event.event_id,
            type=record.event_type or None,
            topic=record.place.topic,
            partition=record.place.part,
            offset=record.offset,
            size=len(record.value or b""),
            envelope=envelope_of(record),
        )


class OldestEvent(BaseModel):
    """The event that holds up its key."""

    event_id: UUID
    type: str | None


class ParkedKeyView(BaseModel):
    """A key whose events wait in order, since the oldest could not be handled."""

    key: str
    since: AwareDatetime
    attempts: int
    exhausted: bool = Field(description="It failed as often as it may and stays until a person decides.")
    due_at: AwareDatetime = Field(description="When it is tried again.")
    reason: str | None = Field(description="The code or class of what failed last.")
    waiting: int = Field(description="How many events wait.")
    oldest: OldestEvent | None

    @classmethod
    def of(cls, context: Context, one: ParkedKey) -> Self:
        """The view of a key."""
        handlers = context.service.handlers
        return cls(
            key=one.key,
            since=one.since,
            attempts=one.attempts,
            exhausted=handlers.policy == "stay" and one.attempts >= handlers.attempts,
            due_at=one.due_at,
            reason=one.reason,
            waiting=one.waiting,
            oldest=OldestEvent(event_id=one.oldest_id, type=one.oldest_type) if one.oldest_id else None,
        )


class HeaderView(BaseModel):
    """One header: as text where it is text, else in base64."""

    name: str
    text: str | None
    base64: str | None


class ContentView(BaseModel):
    """What stands in an event: its headers, and its payload as JSON where it is JSON, else in base64."""

    key_base64: str | None
    headers: list[HeaderView]
    form: Literal["json", "base64", "none"]
    payload: Any

    @classmethod
    def of(cls, record: Record) -> Self:
        """The content of a record."""
        form, payload = readable(record.value)
        return cls(
            key_base64=None if record.key is None else base64.b64encode(record.key).decode(),
            headers=[_header(name, value) for name, value in record.headers],
            form=form,
            payload=payload,
        )


class RefusedView(BaseModel):
    """A letter that was not redriven."""

    id: str
    code: str
    detail: str


class RedrivenView(BaseModel):
    """What became of many letters."""

    redriven: int
    repeated: int = Field(description="Nothing was left to do: the event had been taken meanwhile under the same id.")
    settled: int = Field(description="Somebody else was quicker.")
    refused: list[RefusedView]
    next: str | None = Field(description="Give it as `after` to go on; null where no letter is left that fits.")

    @classmethod
    def of(cls, done: Redriven) -> Self:
        """The view of what was done."""
        return cls(
            redriven=done.redriven,
            repeated=done.repeated,
            settled=done.settled,
            refused=[RefusedView(id=str(one.letter_id), code=one.code, detail=one.detail) for one in done.refused],
            next=None if done.following is None else str(done.following),
        )


def envelope_of(record: Record) -> dict[str, str]:
    """The attributes that are ids and codes, as far as they are text."""
    return {name.lower(): text for name, text in _texts(record.headers) if name.lower() in ATTRIBUTES}


def _texts(headers: Iterable[tuple[str, bytes]]) -> Iterable[tuple[str, str]]:
    return ((name, text) for name, value in headers if (text := _text(value)) is not None)


def _text(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def _header(name: str, value: bytes) -> HeaderView:
    text = _text(value)
    return HeaderView(name=name, text=text, base64=base64.b64encode(value).decode() if text is None else None)


def readable(payload: bytes | None) -> tuple[Literal["json", "base64", "none"], Any]:
    """A payload as something that can be shown: JSON that anybody can read, else base64."""
    if payload is None:
        return "none", None
    try:
        # What is refused here (half characters, endless nesting, numbers that no reader holds) would break the answer.
        value = parse_json(payload)
        json.dumps(value, ensure_ascii=False).encode()
    except (Problem, UnicodeEncodeError, ValueError):
        return "base64", base64.b64encode(payload).decode()
    return "json", value


def obstacle_of(context: Context, letter: DeadLetter, record: Record) -> str | None:
    """The code of what would refuse a redrive now. What a partner's record is good for is seen only by taking it."""
    if letter.settled_at is not None:
        return "letter_settled"
    if letter.group == RELAY or record.is_partners:
        return None
    try:
        delivery_of(context, letter, record)
    except Problem as problem:
        return problem.code
    return None
