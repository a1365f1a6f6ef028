"""A stand-in for WhatsApp's provider, where there is no real account: it answers as the Cloud API does, and shows what
it was given. The real client talks to it; only the address in the settings differs."""

import hashlib
import html
import itertools
import secrets
from collections import OrderedDict, deque
from datetime import UTC, datetime
from hmac import compare_digest
from typing import Any

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

MOST_MESSAGES = 1_000
MOST_MEDIA = 50
LARGEST_MEDIA = 20_000_000
LONGEST_TEXT = 4096
_TYPES = {"text": ("text", "body"), "template": ("template", "name")}


class StandInSettings(BaseSettings):
    """What the stand-in has in common with the client."""

    model_config = SettingsConfigDict(env_prefix="ANLIEGEN_INTAKE_WHATSAPP_", extra="ignore", env_ignore_empty=True)

    access_token: SecretStr = SecretStr("")
    """The token that callers must show; empty: any."""


class StandIn:
    """The messages and files of one stand-in, in memory."""

    def __init__(self, access_token: str) -> None:
        self._access_token = access_token
        self._numbers = itertools.count(1)
        self.messages: deque[dict[str, Any]] = deque(maxlen=MOST_MESSAGES)
        self.media: OrderedDict[str, tuple[bytes, str]] = OrderedDict()

    async def send_message(self, request: Request) -> Response:
        """`POST /{phone_number_id}/messages`."""
        if refusal := self._check(request):
            return refusal
        try:
            body = await request.json()
        except ValueError:
            return _error(400, 100, "(#100) The body is not JSON")
        fault = _fault(body)
        if fault:
            return _error(400, 100, f"(#100) {fault}")
        wa_id = "".join(filter(str.isdigit, body["to"]))
        message_id = f"wamid.{secrets.token_urlsafe(24)}"
        self.messages.append(
            {
                "number": next(self._numbers),
                "id": message_id,
                "phone_number_id": request.path_params["phone_number_id"],
                "to": wa_id,
                "received_at": datetime.now(UTC).isoformat(),
                "text": _text_of(body),
                "body": body,
            }
        )
        return JSONResponse(
            {
                "messaging_product": "whatsapp",
                "contacts": [{"input": body["to"], "wa_id": wa_id}],
                "messages": [{"id": message_id}],
            }
        )

    async def upload_media(self, request: Request) -> Response:
        """`POST /media`: keep a file as if a customer had sent it, and tell its id."""
        if refusal := self._check(request):
            return refusal
        content = await request.body()
        if len(content) > LARGEST_MEDIA:
            return _error(413, 131053, "Media upload error")
        media_id = str(secrets.randbelow(10**15))
        while len(self.media) >= MOST_MEDIA:
            self.media.popitem(last=False)
        self.media[media_id] = (content, request.headers.get("content-type", "application/octet-stream"))
        return JSONResponse({"id": media_id})

    async def show_media(self, request: Request) -> Response:
        """`GET /{media_id}`: where a file can be fetched."""
        if refusal := self._check(request):
            return refusal
        media_id = request.path_params["media_id"]
        found = self.media.get(media_id)
        if found is None:
            return _error(404, 100, "(#100) Unsupported get request. Object does not exist")
        content, media_type = found
        return JSONResponse(
            {
                "messaging_product": "whatsapp",
                "url": str(request.url_for("media_content", media_id=media_id)),
                "mime_type": media_type,
                "sha256": hashlib.sha256(content).hexdigest(),
                "file_size": len(content),
                "id": media_id,
            }
        )

    async def show_content(self, request: Request) -> Response:
        """`GET /media/{media_id}/content`: the file itself, with the same token."""
        if refusal := self._check(request):
            return refusal
        found = self.media.get(request.path_params["media_id"])
        return _error(404, 100, "gone") if found is None else Response(found[0], media_type=found[1])

    async def list_messages(self, request: Request) -> Response:
        """`GET /messages.json?to=&callback_data=&after=`: what was sent after this number, the newest first."""
        to, data = request.query_params.get("to"), request.query_params.get("callback_data")
        given = request.query_params.get("after", "")
        after = int(given) if given.isdecimal() else 0
        digits = "".join(filter(str.isdigit, to or ""))
        found = [
            message
            for message in reversed(self.messages)
            if message["number"] > after
            and (to is None or message["to"] == digits)
            and (data is None or message["body"].get("biz_opaque_callback_data") == data)
        ]
        return JSONResponse(found)

    async def show_page(self, _request: Request) -> Response:
        """`GET /`: what was sent, for people."""
        rows = "".join(
            f"<article><h2>{html.escape(message['to'])}</h2><p><small>{message['received_at'][:19]} · "
            f"{html.escape(message['id'])}</small></p><pre>{html.escape(message['text'])}</pre></article>"
            for message in reversed(self.messages)
        )
        policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return HTMLResponse(_PAGE.replace("{rows}", rows or "<p>Nothing was sent yet.</p>"), headers=policy)

    def _check(self, request: Request) -> Response | None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        wanted = self._access_token or token
        if kind != "Bearer" or not token or not compare_digest(token.encode(), wanted.encode()):
            return _error(401, 190, "Invalid OAuth access token - Cannot parse access token", kind="OAuthException")
        return None


def create_stand_in(access_token: str | None = None) -> Starlette:
    """The stand-in as an ASGI application; `access_token` is the settings' own where none is given."""
    stand_in = StandIn(StandInSettings().access_token.get_secret_value() if access_token is None else access_token)
    app = Starlette(
        routes=[
            Route("/", stand_in.show_page),
            Route("/messages.json", stand_in.list_messages),
            Route("/media", stand_in.upload_media, methods=["POST"]),
            Route("/media/{media_id}/content", stand_in.show_content, name="media_content"),
            Route("/{phone_number_id}/messages", stand_in.send_message, methods=["POST"]),
            Route("/{media_id}", stand_in.show_media),
        ]
    )
    app.state.stand_in = stand_in
    return app


def _fault(body: Any) -> str | None:
    if not isinstance(body, dict) or body.get("messaging_product") != "whatsapp":
        return "The parameter messaging_product is required."
    if not isinstance(body.get("to"), str) or not body["to"].strip("+").isdigit():
        return "Invalid parameter: to"
    kind = body.get("type", "text")
    if kind not in _TYPES:
        return f"Param type must be one of {sorted(_TYPES)}"
    part, name = _TYPES[kind]
    text = (body.get(part) or {}).get(name) if isinstance(body.get(part), dict) else None
    if not isinstance(text, str) or not 1 <= len(text) <= LONGEST_TEXT:
        return f"Param {part}['{name}'] must be at least 1 and at most {LONGEST_TEXT} characters long."
    return None


def _text_of(body: dict[str, Any]) -> str:
    if body.get("type") != "template":
        return str(body["text"]["body"])
    parts = [
        str(parameter.get("text", ""))
        for component in body["template"].get("components", [])
        for parameter in component.get("parameters", [])
    ]
    return f"[{body['template']['name']}] {' '.join(parts)}"


def _error(status: int, code: int, message: str, *, kind: str = "OAuthException") -> Response:
    error = {"message": message, "type": kind, "code": code, "fbtrace_id": secrets.token_urlsafe(8)}
    return JSONResponse({"error": error}, status_code=status)


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="5"><title>WhatsApp stand-in</title>
<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem;background:#eef1ee}
article{background:#fff;border-radius:.6rem;padding:.8rem 1.2rem;margin:1rem 0}h2{font-size:1rem;margin:0}
pre{white-space:pre-wrap;font:inherit;margin:.4rem 0}small{color:#667}</style></head>
<body><h1>WhatsApp, as sent</h1>{rows}</body></html>"""
