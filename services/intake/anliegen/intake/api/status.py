"""The status page: for whoever brought a contact, opened by the signed token in its address."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import AwareDatetime, BaseModel, Field

from anliegen.events import CaseStatus
from anliegen.kit.http import APIRouter, Tx, public

from ..actions import show
from ..resources import resources_of
from .saved import saved

router = APIRouter(prefix="/intake/v1", tags=["intake"])

HEADERS = {"Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}
PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"


class StatusDocument(BaseModel):
    """A file that goes with an answer."""

    name: str
    url: str = Field(description="Its signed address: whoever has it may open it.")


class ContactStatus(BaseModel):
    """How a matter stands, without anything that tells who brought it."""

    contact_id: UUID
    reference: str
    received_at: AwareDatetime
    language: str
    acknowledgement: str | None = Field(description="What we told the sender at once.")
    cases: list[CaseStatus] = Field(description="The state of each case it raised; unknown values are possible.")
    answers: list[str] = Field(description="Our answers, only where the form left no address to send them to.")
    documents: list[StatusDocument] = Field(description="The files that go with these answers.")


@router.get(
    "/contacts/{contact_id}/status",
    name="get_contact_status",
    response_model=ContactStatus,
    responses={200: {"content": {"text/html": {}}}},
    dependencies=[public("signed token")],
)
async def get_contact_status(
    contact_id: UUID,
    tx: Tx,
    request: Request,
    response: Response,
    token: Annotated[str, Query(max_length=100)] = "",
) -> ContactStatus | Response:
    """How the matter stands: as JSON, or as a page for people where `Accept` asks for HTML."""
    status = await show.show_status(tx, contact_id=contact_id, token=token)
    contact = status.contact
    if wants_html(request.headers.get("accept", "")):
        page = resources_of(tx).texts.status_page(
            language=status.language,
            reference=contact.reference,
            received_at=contact.received_at,
            zone=status.zone,
            cases=[case.status.value for case in status.cases],
            acknowledgement=status.acknowledgement,
            answers=status.answers,
            documents=status.documents,
        )
        return HTMLResponse(
            page, headers={**HEADERS, "Content-Security-Policy": PAGE_POLICY, "Content-Language": status.language}
        )
    response.headers.update(HEADERS)
    return ContactStatus(
        contact_id=contact.contact_id,
        reference=contact.reference,
        received_at=contact.received_at,
        language=status.language,
        acknowledgement=status.acknowledgement,
        cases=[case.status for case in status.cases],
        answers=list(status.answers),
        documents=[StatusDocument(name=each.name, url=each.url) for each in status.documents],
    )


@router.get(
    "/documents/{reply_id}/{sha256}",
    name="get_document",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}, "description": "The file, to be saved."}},
    dependencies=[public("signed token")],
)
async def get_document(
    reply_id: UUID, sha256: str, tx: Tx, token: Annotated[str, Query(max_length=100)] = ""
) -> Response:
    """A file that went with words to a customer, by the signed address that the words told."""
    name, content = await show.show_document(tx, reply_id=reply_id, sha256=sha256, token=token)
    return saved(name, content, headers=HEADERS)


def wants_html(accept: str) -> bool:
    """Whether HTML is asked for before JSON; browsers do, programs do not."""
    kinds = [part.split(";")[0].strip().lower() for part in accept.split(",")]
    if "text/html" not in kinds:
        return False
    return "application/json" not in kinds or kinds.index("text/html") < kinds.index("application/json")
