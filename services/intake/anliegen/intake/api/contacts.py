"""Contacts as JSON: forms, apps, and what agents note from calls, visits and letters."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from anliegen.events import Assurance, Channel, ContentReference, Handle, HandleKind, Task, Thread
from anliegen.kit import Principal, ids
from anliegen.kit.errors import FieldError, Invalid, NotAllowed, Unauthenticated
from anliegen.kit.http import APIRouter, Caller, MaybeCaller, Tx, idempotent_optional, public, requires, set_etag
from anliegen.kit.principal import ADMINISTRATOR, AGENT, CUSTOMER, SERVICE, SUPERVISOR

from ..actions import accept, acknowledge, show
from ..actions.excerpt import shorten
from ..domain.contacts import Contact, Message
from ..domain.identity import Evidence, handle_of, normalise_customer_number
from ..resources import resources_of
from .saved import saved

router = APIRouter(prefix="/intake/v1", tags=["intake"])

PEOPLE_CHANNELS = frozenset({"web_form", "app"})
STAFF = frozenset({AGENT, SUPERVISOR, ADMINISTRATOR, SERVICE})
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class AgentNeeded(Unauthenticated):
    """Calls, visits and letters are noted by agents, with a token; for a form choose `web_form` or `app`."""


class Sender(BaseModel):
    """The address a person gives for the answer."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["email", "phone", "whatsapp", "account"]
    value: Annotated[Line, Field(max_length=320)]


class BringContact(BaseModel):
    """A matter that somebody brings. Only `channel` and `text` are needed; nobody needs a customer number."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "channel": "web_form",
                    "text": "Guten Tag, auf meiner letzten Rechnung ist ein Betrag doppelt. Können Sie das prüfen?",
                    "sender": {"kind": "email", "value": "katrin.aebischer@post.example"},
                    "display_name": "Katrin Aebischer",
                }
            ]
        },
    )

    channel: Literal["web_form", "app", "phone", "visit", "letter"]
    text: Annotated[Line, Field(max_length=1_000_000)]
    subject_line: str | None = Field(default=None, max_length=998)
    sender: Sender | None = None
    customer_number: str | None = Field(default=None, max_length=40)
    display_name: str | None = Field(default=None, max_length=200)
    language: Annotated[str, StringConstraints(pattern="^[a-z]{2}$")] | None = None
    stated_task: Task | None = Field(default=None, description="What the form is about, where it says so.")
    may_learn: bool = Field(
        default=False,
        description="The person agreed that these words are kept, masked, for triage to learn from (a box of its own, "
        "empty at first). It can be withdrawn: `DELETE /triage/v1/contacts/{contact_id}/words`.",
    )
    account: str = Field(default="", max_length=320, description="The form's or the branch's name; else the channel's.")


class ContactAccepted(BaseModel):
    """The contact is kept, and will be answered."""

    contact_id: UUID
    journey_id: UUID | None = Field(
        default=None, description="For staff, and for a customer's own token: it would tell others who is known here."
    )
    reference: str = Field(description="Short enough to be said aloud, with a check sign.", examples=["K7QM-4X2T"])
    status_url: str = Field(description="The status page, opened by the token in its address.")


class ContactView(BaseModel):
    """A contact as agents see it."""

    contact_id: UUID
    journey_id: UUID
    channel: Channel
    account: str
    reference: str
    received_at: AwareDatetime
    sender: Handle | None
    customer_number: str | None
    assurance: Assurance
    display_name: str | None
    subject_line: str | None
    text: str
    content: ContentReference | None
    language: str | None
    attachments: list[ContentReference]
    stated_task: Task | None
    thread: Thread | None
    automatic: str | None = Field(description="Why it counts as a machine's; null for a person's.")
    noted_by: str | None
    may_learn: bool
    version: int


@router.post(
    "/contacts",
    name="bring_contact",
    status_code=202,
    summary="Bring a matter",
    dependencies=[public("rate limit; reveals nothing to the sender"), idempotent_optional],
)
async def bring_contact(body: BringContact, principal: MaybeCaller, tx: Tx, response: Response) -> ContactAccepted:
    """Bring a matter to us. Forms and apps need no token; what agents note does."""
    _check_caller(body, principal)
    resources = resources_of(tx)
    account = resources.settings.account(body.channel, body.account)
    sender = None
    if body.sender is not None:
        sender = handle_of(HandleKind(body.sender.kind), body.sender.value, region=account.region)
        if sender is None:
            raise Invalid(
                "This is no address we can answer to.",
                errors=[FieldError("/sender/value", "address_not_usable", f"Not a valid {body.sender.kind}.")],
            )
    text, content = await shorten(resources.files, body.text)
    if not text:
        raise Invalid("There is no text.", errors=[FieldError("/text", "text_empty", "Nothing readable is left.")])
    is_staff = principal is not None and bool(principal.roles & STAFF)
    message = Message(
        contact_id=ids.uuid7(tx.wall),
        channel=Channel(body.channel),
        account=body.account or body.channel,
        text=text,
        content=content,
        received_at=tx.now,
        subject_line=body.subject_line,
        display_name=body.display_name,
        language=body.language,
        stated_task=body.stated_task,
        noted_by=principal.subject if principal is not None and is_staff else None,
        may_learn=body.may_learn,
    )
    evidence = _evidence(body, sender, principal)
    accepted = await accept.accept_contact(tx, message, evidence)
    view = accepted_view(tx, accepted.contact, principal)
    response.headers["Location"] = view.status_url
    return view


def _evidence(body: BringContact, sender: Handle | None, principal: Principal | None) -> Evidence:
    """What is known about the sender: as stated, and what a customer's own token vouches for."""
    stated = normalise_customer_number(body.customer_number) if body.customer_number else None
    if principal is None or CUSTOMER not in principal.roles:
        return Evidence(sender=sender, customer_number=stated)
    number = normalise_customer_number(principal.customer_number) if principal.customer_number else None
    vouched = [
        None if number is None else Handle(kind=HandleKind.CUSTOMER_NUMBER, value=number),
        handle_of(HandleKind.EMAIL, principal.email, region="") if principal.email else None,
    ]
    return Evidence(
        sender=sender or vouched[1],
        sender_verified=vouched[1] is not None and sender in {None, vouched[1]},
        customer_number=number or stated,
        customer_number_verified=number is not None,
        journey_id=principal.journey_id,
        vouched=tuple(handle for handle in vouched if handle is not None),
    )


def _check_caller(body: BringContact, principal: Principal | None) -> None:
    if principal is None:
        if body.channel not in PEOPLE_CHANNELS:
            raise AgentNeeded
        return
    if CUSTOMER in principal.roles and not principal.roles & STAFF:
        if body.channel not in PEOPLE_CHANNELS:
            raise NotAllowed("Customers write by `web_form` or `app`.")
    elif not principal.may("contacts:write"):
        raise NotAllowed("The token does not grant contacts:write.")


def accepted_view(tx: Tx, contact: Contact, principal: Principal | None) -> ContactAccepted:
    """The answer to whoever brought a contact."""
    knows = principal is not None and (bool(principal.roles & STAFF) or principal.journey_id == contact.journey_id)
    return ContactAccepted(
        contact_id=contact.contact_id,
        journey_id=contact.journey_id if knows else None,
        reference=contact.reference,
        status_url=acknowledge.status_url(tx, contact),
    )


@router.get("/contacts/{contact_id}", name="get_contact", dependencies=[requires("contacts:read")])
async def get_contact(contact_id: UUID, tx: Tx, principal: Caller, response: Response) -> ContactView:
    """A contact with its words, for staff."""
    contact = await show.show_contact(tx, contact_id=contact_id, principal=principal)
    set_etag(response, contact.version)
    return contact_view(contact)


def contact_view(contact: Contact) -> ContactView:
    """A contact as agents see it."""
    return ContactView(
        contact_id=contact.contact_id,
        journey_id=contact.journey_id,
        channel=contact.channel,
        account=contact.account,
        reference=contact.reference,
        received_at=contact.received_at,
        sender=contact.sender,
        customer_number=contact.customer_number,
        assurance=contact.assurance,
        display_name=contact.display_name,
        subject_line=contact.subject_line,
        text=contact.text,
        content=contact.content,
        language=contact.language,
        attachments=list(contact.attachments),
        stated_task=contact.stated_task,
        thread=contact.thread,
        automatic=contact.automatic,
        noted_by=contact.noted_by,
        may_learn=contact.may_learn,
        version=contact.version,
    )


@router.get(
    "/contacts/{contact_id}/attachments/{sha256}",
    name="get_attachment",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}, "description": "The file, to be saved."}},
    dependencies=[requires("contacts:read")],
)
async def get_attachment(contact_id: UUID, sha256: str, tx: Tx, principal: Caller) -> Response:
    """A file that came with a contact. It is offered for saving, never for showing within our pages."""
    reference, content = await show.show_attachment(tx, contact_id=contact_id, sha256=sha256, principal=principal)
    return saved(reference.name, content)
