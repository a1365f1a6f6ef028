"""Who a sender is, as a person made sure; and the links between journeys that follow from it."""

from typing import Annotated
from uuid import UUID

from fastapi import Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from anliegen.kit.http import APIRouter, IfMatch, Tx, requires, set_etag

from ..actions import identify
from ..domain.identity import Link
from .contacts import ContactView, contact_view

router = APIRouter(prefix="/intake/v1", tags=["intake"])
Code = Annotated[str, StringConstraints(pattern="^[a-z0-9_]{1,100}$")]


class IdentifyContact(BaseModel):
    """Who the sender is, and how that was made sure."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"customer_number": "CH-4711-02", "evidence": "agent_identified"}]},
    )

    customer_number: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]
    evidence: Code = Field(default="agent_identified", description="A code: `agent_identified`, `called_back` …")


class RemoveLink(BaseModel):
    """Why the link was wrong."""

    model_config = ConfigDict(extra="forbid")

    reason: Code = "agent_separated"


class LinkView(BaseModel):
    """A link between two journeys of one person."""

    link_id: UUID
    journey_a: UUID
    journey_b: UUID
    made_at: AwareDatetime | None
    removed_at: AwareDatetime | None
    version: int


class Identified(BaseModel):
    """The contact as it is now, and the link that was made; null where the journeys were one person's already."""

    contact: ContactView
    link: LinkView | None


def _link_view(link: Link) -> LinkView:
    return LinkView(**{name: getattr(link, name) for name in LinkView.model_fields})


@router.post("/contacts/{contact_id}/identification", name="identify_contact", dependencies=[requires("links:write")])
async def identify_contact(
    contact_id: UUID, body: IdentifyContact, tx: Tx, version: IfMatch, response: Response
) -> Identified:
    """Say who the sender is. The journeys are linked, not moved: it can be undone."""
    contact, link = await identify.identify_contact(
        tx, contact_id=contact_id, customer_number=body.customer_number, evidence=body.evidence, version=version
    )
    set_etag(response, contact.version)
    return Identified(contact=contact_view(contact), link=_link_view(link) if link else None)


@router.get("/links/{link_id}", name="get_link", dependencies=[requires("links:write")])
async def get_link(link_id: UUID, tx: Tx, response: Response) -> LinkView:
    """A link between two journeys."""
    link = await identify.get_link(tx, link_id=link_id)
    set_etag(response, link.version)
    return _link_view(link)


@router.post("/links/{link_id}/removal", name="remove_link", dependencies=[requires("links:write")])
async def remove_link(link_id: UUID, body: RemoveLink, tx: Tx, version: IfMatch, response: Response) -> LinkView:
    """Remove a link that was wrong; both journeys read as before."""
    link = await identify.remove_link(tx, link_id=link_id, reason=body.reason, version=version)
    set_etag(response, link.version)
    return _link_view(link)
