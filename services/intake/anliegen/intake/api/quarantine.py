"""What came in and could not be understood: listed, looked at, processed again. Nothing is dropped."""

from datetime import datetime
from uuid import UUID

from fastapi import Request, Response
from pydantic import AwareDatetime, BaseModel, Field

from anliegen.events import Channel
from anliegen.kit import begin
from anliegen.kit.http import APIRouter, IfMatch, Page, Paging, Tx, doors_of, requires, set_etag

from .. import processing
from ..actions import inspect

router = APIRouter(prefix="/intake/v1", tags=["intake"])


class Quarantined(BaseModel):
    """Something that came in; its bytes are kept."""

    vault_id: UUID
    channel: Channel
    account: str
    received_at: AwareDatetime
    size: int = Field(description="Bytes.")
    sha256: str
    state: str = Field(description="`received`, `processed` or `quarantined`.")
    reason: str | None
    error: str | None
    attempts: int
    version: int


class Reprocessed(BaseModel):
    """What became of it this time."""

    vault_id: UUID
    state: str
    reason: str | None
    contacts: list[UUID]


def _view(entry: inspect.Entry) -> Quarantined:
    return Quarantined(**{name: getattr(entry, name) for name in Quarantined.model_fields})


@router.get("/quarantine", name="list_quarantine", dependencies=[requires("quarantine:read")])
async def list_quarantine(tx: Tx, paging: Paging, response: Response) -> Page[Quarantined]:
    """Everything that waits for a person, the oldest first."""
    rows = await inspect.list_quarantine(
        tx, after=paging.after(datetime), backwards=paging.backwards, limit=paging.fetch
    )
    return paging.page(rows, edge=lambda entry: (entry.received_at, entry.vault_id), view=_view, response=response)


@router.get("/quarantine/{vault_id}", name="get_quarantined", dependencies=[requires("quarantine:read")])
async def get_quarantined(vault_id: UUID, tx: Tx, response: Response) -> Quarantined:
    """One entry of the vault."""
    entry = await inspect.get_entry(tx, vault_id=vault_id)
    set_etag(response, entry.version)
    return _view(entry)


@router.get(
    "/quarantine/{vault_id}/content",
    name="get_quarantined_content",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}, "description": "The bytes as they came."}},
    dependencies=[requires("quarantine:write")],
)
async def get_quarantined_content(vault_id: UUID, tx: Tx) -> Response:
    """The bytes as they came. They are people's words, so it takes more than a look at the list."""
    content = await inspect.read_bytes(tx, vault_id=vault_id)
    headers = {"Content-Disposition": f'attachment; filename="{vault_id}.bin"', "X-Content-Type-Options": "nosniff"}
    return Response(content, media_type="application/octet-stream", headers=headers)


@router.post(
    "/quarantine/{vault_id}/reprocessing", name="reprocess_quarantined", dependencies=[requires("quarantine:write")]
)
async def reprocess_quarantined(vault_id: UUID, request: Request, version: IfMatch, response: Response) -> Reprocessed:
    """Try again to understand it, with today's code; what became a contact before stays as it is."""
    context = doors_of(request.scope).running
    async with begin(context) as tx:
        version.check((await inspect.get_entry(tx, vault_id=vault_id)).version)
    outcome = await processing.process(context, vault_id)
    async with begin(context) as tx:
        entry = await inspect.get_entry(tx, vault_id=vault_id)
    set_etag(response, entry.version)
    return Reprocessed(
        vault_id=vault_id,
        state=entry.state,
        reason=entry.reason,
        contacts=[accepted.contact.contact_id for accepted in outcome.accepted],
    )
