"""Door 2: the service over HTTP."""

from datetime import datetime
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel

from anliegen.kit.http import APIRouter, IfMatch, Tx, idempotent, requires, set_etag

from . import actions, store
from .domain import Contact

router = APIRouter(prefix="/complaints/v1", tags=["complaints"])


class ContactView(BaseModel, from_attributes=True):
    """A contact as callers see it."""

    contact_id: UUID
    journey_id: UUID
    channel: str | None
    language: str | None
    starred_at: datetime | None


@router.get("/contacts/{contact_id}", name="get_complaints_contact", dependencies=[requires("cases:read")])
async def get_contact(*, contact_id: UUID, tx: Tx, response: Response) -> ContactView:
    """One contact."""
    return _shown(await store.get_contact(tx, contact_id=contact_id), response)


@router.post(
    "/contacts/{contact_id}/star",
    name="star_complaints_contact",
    dependencies=[requires("cases:write"), idempotent],
)
async def star_contact(*, contact_id: UUID, tx: Tx, version: IfMatch, response: Response) -> ContactView:
    """Give a contact a star."""
    return _shown(await actions.star_contact(tx, contact_id=contact_id, expected=version), response)


def _shown(contact: Contact, response: Response) -> ContactView:
    set_etag(response, contact.version)
    return ContactView.model_validate(contact)
