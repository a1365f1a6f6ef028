"""One small ASGI application for everything outside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import asdict
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from anliegen.stack.home import Home
from anliegen.stack.outside import pages
from anliegen.stack.outside.issuer import issuer_routes
from anliegen.stack.outside.mail_server import serve_mail
from anliegen.stack.outside.mailbox import Mailbox, attachments, content_of, parse
from anliegen.stack.ports import LOOPBACK
from anliegen.stack.processes import shorten_all
from anliegen.stack.tokens import Issuer

STAND_INS = "anliegen.stand_ins"
LOGS_EVERY = 60.0  # seconds
log = logging.getLogger(__name__)


def make_app(home: Home, *, port: int, smtp_port: int, host: str = LOOPBACK, name: str = LOOPBACK) -> Starlette:
    """The application; its lifespan holds the mail server, the stand-ins' own lifespans and the care for the logs.

    `host` is where it listens, `name` what others call it, in tokens too.
    """
    mailbox = Mailbox(home.mailbox)
    issuer = Issuer(f"http://{name}:{port}/issuer", home.issuer_key)
    issuer.public_keys()
    stand_ins = load_stand_ins()

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            for provider, app in stand_ins.items():
                # The lifespan of a mounted application does not run by itself.
                if (router := getattr(app, "router", None)) is not None:
                    try:
                        await stack.enter_async_context(router.lifespan_context(app))
                    except Exception:
                        log.exception("The stand-in %s could not be started.", provider)
            mail = await serve_mail(mailbox, host=host, port=smtp_port)
            stack.callback(mail.close)
            care = asyncio.create_task(_care_for_logs(home.logs))
            stack.callback(care.cancel)
            yield

    links = [
        ("/mailbox", "Mailbox", "every mail the services have sent"),
        ("/issuer/.well-known/openid-configuration", "Issuer", "the identity provider of this machine"),
        *((f"/{name}/", name, "stands in for a provider") for name in stand_ins),
    ]
    return Starlette(
        routes=[
            Route("/", lambda _: HTMLResponse(pages.front_page(links), headers=_safe())),
            Route("/readyz", lambda _: PlainTextResponse("ready")),
            Mount("/issuer", routes=issuer_routes(issuer)),
            *mailbox_routes(mailbox),
            *(Mount(f"/{name}", app=app) for name, app in stand_ins.items()),
        ],
        lifespan=lifespan,
        # A page elsewhere must not reach us under a name of its own that points to this machine.
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=[LOOPBACK, "localhost", name])],
    )


def load_stand_ins() -> dict[str, Any]:
    """The stand-ins for providers that installed services bring, by name; one that fails is reported and left out."""
    apps = {}
    for entry in sorted(entry_points(group=STAND_INS), key=lambda entry: entry.name):
        try:
            apps[entry.name] = entry.load()()
        except Exception:
            log.exception("The stand-in %s could not be started.", entry.name)
    return apps


def mailbox_routes(mailbox: Mailbox) -> list[Route]:
    """The pages and the JSON of the mailbox."""

    async def show_list(request: Request) -> Response:
        to = request.query_params.get("to")
        return HTMLResponse(pages.list_page(mailbox.list(to=to), to=to), headers=_safe())

    async def list_json(request: Request) -> Response:
        query = request.query_params
        found = mailbox.list(to=query.get("to"), message_id=query.get("message_id"))
        if query.get("full") == "true":
            return JSONResponse([mailbox.read(mail.id) for mail in found])
        return JSONResponse([asdict(mail) for mail in found])

    async def show(request: Request) -> Response:
        mail = mailbox.read(request.path_params["mail_id"])
        return _missing() if mail is None else HTMLResponse(pages.mail_page(mail), headers=_safe())

    async def show_json(request: Request) -> Response:
        mail = mailbox.read(request.path_params["mail_id"])
        return JSONResponse({"error": "no such mail"}, status_code=404) if mail is None else JSONResponse(mail)

    async def show_html(request: Request) -> Response:
        mail = mailbox.read(request.path_params["mail_id"])
        if mail is None or mail["html"] is None:
            return _missing()
        return HTMLResponse(mail["html"], headers=_safe(sandbox=True))

    async def show_raw(request: Request) -> Response:
        raw = mailbox.raw(request.path_params["mail_id"])
        return _missing() if raw is None else Response(raw, media_type="message/rfc822", headers=_safe())

    async def attachment(request: Request) -> Response:
        raw = mailbox.raw(request.path_params["mail_id"])
        parts = attachments(parse(raw)) if raw is not None else []
        number = request.path_params["number"]
        if number >= len(parts):
            return _missing()
        name = json.dumps(parts[number].get_filename() or "attachment").encode("ascii", "replace").decode()
        headers = {**_safe(sandbox=True), "Content-Disposition": f"attachment; filename={name}"}
        return Response(content_of(parts[number]), media_type="application/octet-stream", headers=headers)

    return [
        Route("/mailbox", show_list),
        Route("/mailbox.json", list_json),
        Route("/mailbox/{mail_id}.json", show_json),
        Route("/mailbox/{mail_id}.eml", show_raw),
        Route("/mailbox/{mail_id}", show),
        Route("/mailbox/{mail_id}/html", show_html),
        Route("/mailbox/{mail_id}/attachments/{number:int}", attachment),
    ]


async def _care_for_logs(folder: Path) -> None:
    while True:
        await asyncio.to_thread(shorten_all, folder)
        await asyncio.sleep(LOGS_EVERY)


def _missing() -> Response:
    return PlainTextResponse("There is no such mail.", status_code=404)


def _safe(*, sandbox: bool = False) -> dict[str, str]:
    policy = f"sandbox; {pages.POLICY}" if sandbox else pages.POLICY
    return {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
