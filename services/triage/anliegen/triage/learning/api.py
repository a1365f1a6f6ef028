"""Door 2 for those who train triage: what people decided, and the words that may be learned from."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, Field

from anliegen.kit.http import APIRouter, Caller, IfMatchOptional, Page, Paging, Tx, requires
from anliegen.kit.principal import ADMINISTRATOR, AGENT, SUPERVISOR

from ..domain import ContactNotFound
from ..store import get_contact
from . import actions, store

router = APIRouter(prefix="/triage/v1", tags=["triage"])


class LessonView(BaseModel):
    """What a person made of a contact."""

    contact_id: UUID
    language: str
    channel: str
    pack: str = Field(description="The rule packs and the model that read it.")
    suggested: list[dict[str, Any]] = Field(description="The labels that triage suggested.")
    decided: list[dict[str, Any]] = Field(description="The labels that the person decided.")
    decided_at: datetime
    subject: str | None
    text: str | None = Field(description="Masked; null where the sender did not agree, or withdrew, or time is over.")


@router.get("/corrections", name="list_corrections", dependencies=[requires("reviews:export")])
async def list_corrections(*, tx: Tx, principal: Caller, paging: Paging, response: Response) -> Page[LessonView]:
    """What people decided, the oldest first: read it before it goes into `training/`, names may be left in it."""
    if not principal.roles & {SUPERVISOR, ADMINISTRATOR}:
        raise ContactNotFound
    rows = await store.list_lessons(tx, after=paging.after(datetime), backwards=paging.backwards, limit=paging.fetch)
    return paging.page(rows, edge=lambda row: (row.decided_at, row.contact_id), view=_view, response=response)


@router.delete(
    "/contacts/{contact_id}/words", name="forget_words", status_code=204, dependencies=[requires("contacts:write")]
)
async def forget_words(contact_id: UUID, tx: Tx, principal: Caller, version: IfMatchOptional) -> None:
    """Withdraw the consent to learning from a contact: its words are forgotten at once. Again is harmless.

    Staff may for everybody, customers for themselves.
    """
    contact = await get_contact(tx, contact_id=contact_id)
    await tx.lock_person(contact.journey_id)
    if not principal.roles & {AGENT, SUPERVISOR, ADMINISTRATOR} and (
        principal.journey_id not in await tx.members(contact.journey_id)
    ):
        raise ContactNotFound
    version.check(contact.version)
    await actions.forget_words(tx, contact_id=contact_id)


def _view(lesson: store.Lesson) -> LessonView:
    return LessonView(
        contact_id=lesson.contact_id, language=lesson.language, channel=lesson.channel, pack=lesson.pack,
        suggested=lesson.suggested, decided=lesson.decided, decided_at=lesson.decided_at, subject=lesson.subject,
        text=lesson.text,
    )  # fmt: skip
