"""The channel doors: verify the signature over the raw bytes, keep the bytes, then understand them."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query, Request, Response
from pydantic import BaseModel, Field

from anliegen.events import Channel
from anliegen.kit import Context, begin
from anliegen.kit.errors import Invalid, NotAllowed, Unavailable
from anliegen.kit.http import APIRouter, body_limit, doors_of, open_query, public

from .. import processing
from ..actions import keep
from ..actions.acknowledge import status_url_of
from ..resources import resources_of

router = APIRouter(prefix="/intake/v1", tags=["intake"])

LARGEST_MAIL = 25_000_000
LARGEST_WEBHOOK = 3_500_000
REPLAY_SECONDS = 300
_KEPT_HEADERS = ("content-type", "user-agent", "x-anliegen-timestamp", "x-request-id")
Account = Annotated[
    str, Path(min_length=1, max_length=320, pattern=r"^[^\x00-\x20/\x7f]+$", description="Our side of the channel.")
]


class DoorClosed(Unavailable):
    """This door has no secret set, so nobody's signature can be checked. Nothing was taken in."""


class SignatureWrong(NotAllowed):
    """The signature does not belong to this body, or it is too old."""


class MailEmpty(Invalid):
    """There is no mail in this request."""


class MailTaken(BaseModel):
    """The mail's bytes are kept."""

    vault_id: UUID
    contact_id: UUID | None = Field(default=None, description="Null where it could not be understood yet.")
    reference: str | None = None
    quarantined: str | None = Field(default=None, description="Why it waits for a person, as a code.")


class WebhookTaken(BaseModel):
    """The webhook's bytes are kept."""

    vault_id: UUID
    contacts: int
    quarantined: str | None = None


def _header(name: str, description: str, pattern: str) -> dict[str, Any]:
    """A header that a door checks itself, for the interface's document."""
    schema = {"type": "string", "pattern": pattern}
    return {"name": name, "in": "header", "required": True, "description": description, "schema": schema}


@router.post(
    "/channels/email/{account}",
    name="receive_email",
    status_code=202,
    summary="Hand over a mail, byte for byte (RFC 5322)",
    openapi_extra={
        "requestBody": {"required": True, "content": {"message/rfc822": {"schema": {"type": "string"}}}},
        "parameters": [
            _header("X-Anliegen-Timestamp", "When it was signed, in seconds since 1970.", r"^[0-9]{1,12}$"),
            _header("X-Anliegen-Signature", "HMAC-SHA256 over `<timestamp>.<body>`.", r"^sha256=[0-9a-f]{64}$"),
        ],
    },
    dependencies=[public("HMAC signature over timestamp and body"), body_limit(LARGEST_MAIL)],
)
async def receive_email(account: Account, request: Request, response: Response) -> MailTaken:
    """Take a mail. `X-Anliegen-Signature: sha256=<hex>` is the HMAC-SHA256 over `<timestamp>.<body>`, and
    `X-Anliegen-Timestamp` says when it was signed, in seconds since 1970; older than five minutes is refused."""
    context = doors_of(request.scope).running
    settings = resources_of(context).settings
    secrets = [settings.email_door_secret, settings.email_door_secret_before]
    keys = [key for secret in secrets if (key := secret.get_secret_value().encode())]
    if not keys:
        raise DoorClosed
    raw = await request.body()
    stamp = request.headers.get("x-anliegen-timestamp", "")
    _check_age(stamp, context.clock.wall().timestamp())
    _check_signature(keys, request.headers.get("x-anliegen-signature"), stamp.encode("latin-1") + b"." + raw)
    if not raw.strip():
        raise MailEmpty
    outcome = await _take_in(context, Channel.EMAIL, account.lower(), raw, request.headers)
    taken = MailTaken(vault_id=outcome.vault_id, quarantined=outcome.quarantined)
    if outcome.accepted:
        contact = outcome.accepted[0].contact
        taken.contact_id, taken.reference = contact.contact_id, contact.reference
        response.headers["Location"] = status_url_of(settings, contact.contact_id)
    return taken


@router.get(
    "/channels/whatsapp/{account}",
    name="confirm_whatsapp",
    summary="The provider's handshake",
    response_class=Response,
    dependencies=[public("verify token"), open_query],
)
async def confirm_whatsapp(
    account: Account,  # noqa: ARG001 - the provider is given one address for handshake and webhook
    request: Request,
    mode: Annotated[str, Query(alias="hub.mode")] = "",
    verify_token: Annotated[str, Query(alias="hub.verify_token")] = "",
    challenge: Annotated[str, Query(alias="hub.challenge", max_length=1000)] = "",
) -> Response:
    """Echo the challenge to whoever knows the verify token."""
    settings = resources_of(doors_of(request.scope).running).settings
    expected = settings.whatsapp_verify_token.get_secret_value()
    if not expected:
        raise DoorClosed
    if mode != "subscribe" or not hmac.compare_digest(verify_token.encode(), expected.encode()):
        raise SignatureWrong("The verify token is not ours.")
    return Response(challenge, media_type="text/plain; charset=utf-8", headers={"X-Content-Type-Options": "nosniff"})


@router.post(
    "/channels/whatsapp/{account}",
    name="receive_whatsapp",
    summary="The provider's webhook",
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
        "parameters": [
            _header("X-Hub-Signature-256", "The provider's HMAC-SHA256 over the body.", r"^sha256=[0-9a-f]{64}$")
        ],
    },
    dependencies=[public("X-Hub-Signature-256 over the body"), body_limit(LARGEST_WEBHOOK), open_query],
)
async def receive_whatsapp(account: Account, request: Request) -> WebhookTaken:
    """Take a webhook: messages become contacts, statuses tell what became of ours."""
    context = doors_of(request.scope).running
    key = resources_of(context).settings.whatsapp_app_secret.get_secret_value().encode()
    if not key:
        raise DoorClosed
    raw = await request.body()
    _check_signature([key], request.headers.get("x-hub-signature-256"), raw)
    outcome = await _take_in(context, Channel.WHATSAPP, account, raw, request.headers)
    return WebhookTaken(vault_id=outcome.vault_id, contacts=len(outcome.accepted), quarantined=outcome.quarantined)


def _check_age(stamp: str, now: float) -> None:
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12) or abs(now - int(stamp)) > REPLAY_SECONDS:
        raise SignatureWrong("X-Anliegen-Timestamp is missing, unreadable or more than five minutes off.")


def _check_signature(keys: list[bytes], signature: str | None, content: bytes) -> None:
    given = (signature or "").removeprefix("sha256=").strip().lower().encode("latin-1", "replace")
    # Every key is tried: which one fits must not show in the time.
    matches = [hmac.compare_digest(hmac.new(key, content, hashlib.sha256).hexdigest().encode(), given) for key in keys]
    if not any(matches):
        raise SignatureWrong


async def _take_in(
    context: Context, channel: Channel, account: str, raw: bytes, headers: Mapping[str, str]
) -> processing.Outcome:
    """Keep the bytes, committed; then understand them. If the process ends in between, the sweeper goes on."""
    kept = {name: headers[name][:500] for name in _KEPT_HEADERS if name in headers}
    async with begin(context) as tx:
        vault_id = await keep.keep_bytes(
            tx, channel=channel, account=account, raw=raw, sha256=hashlib.sha256(raw).hexdigest(), headers=kept
        )
    return await processing.process(context, vault_id)
