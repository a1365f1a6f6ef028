"""The statements that intake sends for one contact, taken down as it sends them, as a script for pgbench.

So the bound is always that of the statements as they are now: what PostgreSQL does with them when nothing is around it.
"""

import json
import re
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
from asyncpg.connection import LoggedQuery

from anliegen.kit import Context
from anliegen.kit.http.app import create_app
from anliegen.kit.service import load_service, open_context

from .servers import Servers

SENDER = "kreplay0000000001@post.example"
CONTACT = {
    "channel": "web_form",
    "text": "Wie ändere ich das WLAN-Passwort an meinem Router? Ich finde die Seite in der Anleitung nicht.",
    "sender": {"kind": "email", "value": SENDER},
    "display_name": "Katrin Aebischer",
}
_PARAMETER = re.compile(r"\$(\d+)")


async def intake_script(servers: Servers) -> tuple[str, int]:
    """The script, in which every run is a new sender's contact, and how many statements it has."""
    service = load_service("intake")
    settings = servers.settings(service)
    logged: list[LoggedQuery] = []
    async with open_context(service, settings) as context:
        app = create_app(service, settings, context=context)
        transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            await _listen(context, logged)
            # The second one is taken down: the first also asks what a process asks only once.
            for number in (0, 1):
                logged.clear()
                contact = CONTACT | {"sender": {"kind": "email", "value": SENDER.replace("1@", f"{number}@")}}
                (await client.post("/intake/v1/contacts", json=contact)).raise_for_status()
    known: dict[UUID, int] = {}
    statements = [_written(query.query, query.args or (), known) for query in logged]
    return "\\set r random(1, 4000000000000000000)\n" + "\n".join(statements) + "\n", len(statements)


async def _listen(context: Context, logged: list[LoggedQuery]) -> None:
    async with AsyncExitStack() as opened:
        for _ in range(context.settings.database_pool_size):
            connection = await opened.enter_async_context(context.pool.acquire())
            connection.add_query_logger(logged.append)


def _written(query: str, values: Sequence[Any], known: dict[UUID, int]) -> str:
    """A statement with its values put in; ids and the sender's address are made from the run's random number."""
    text = _PARAMETER.sub(lambda found: _literal(values[int(found[1]) - 1], known), query.replace("\n", " "))
    return f"{text.strip().rstrip(';')};"


def _literal(value: Any, known: dict[UUID, int]) -> str:
    match value:
        case None:
            return "NULL"
        case bool() | int() | float():
            return str(value)
        case UUID():
            return f"lpad(to_hex(:r::bigint + {known.setdefault(value, len(known))}), 32, '0')::uuid"
        case datetime():
            return f"{_quoted(value.isoformat())}::timestamptz"
        case bytes():
            return f"'\\x{value.hex()}'::bytea"
        case list() | tuple():
            return f"ARRAY[{', '.join(_literal(one, known) for one in value)}]" if value else "'{}'"
        case dict():
            return f"{_quoted(json.dumps(value))}::jsonb"
    text = str(value)
    if text == SENDER:
        return "('k' || :r || '@post.example')"
    try:
        return f"{_literal(UUID(text), known)}::text"
    except ValueError:
        return _quoted(text)


def _quoted(text: str) -> str:
    # pgbench takes a colon before a word or a number for one of its variables, in quotes too.
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace(":", "\\x3a").replace("\n", "\\n")
    return f"E'{escaped}'"
