"""`Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a repeated request gets the first answer again.

The key is bound to the caller, the method, the path and the request's content. The answer is kept in the service's own
database, in the transaction that stores the effect, so there is never one without the other. Refusals are not kept:
whoever mends the request may use the key again.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fastapi import Request
from starlette.responses import Response

from ..database import Connection
from ..errors import Conflict, Invalid, Malformed
from ..principal import Principal
from ..transaction import Transaction

KEPT = timedelta(hours=48)
"""How long an answer is repeated at least; what is older is purged."""
PURGE_AT_ONCE = 500
LONGEST_KEY = 255
_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_BARE = re.compile(r"[\x21\x23-\x7e]+")
_NOT_KEPT = frozenset({b"content-length", b"date", b"server", b"set-cookie"})


class KeyMissing(Malformed):
    """This request creates or sends something: give it an `Idempotency-Key`, so that a repetition does it only once."""

    code = "idempotency_key_missing"


class KeyMalformed(Malformed):
    """An `Idempotency-Key` is a text of 1 to 255 visible ASCII characters, in double quotes or bare."""

    code = "idempotency_key_malformed"


class KeyReused(Invalid):
    """This `Idempotency-Key` was used for another request; give each request a key of its own."""

    code = "idempotency_key_reused"


class StillRunning(Conflict):
    """The first request with this `Idempotency-Key` is still running; try again in a moment."""

    code = "idempotency_key_in_use"
    headers = {"Retry-After": "1"}  # noqa: RUF012 - read-only


class Replayed(Exception):
    """The request was answered before: here is the answer. Ends the transaction without effect."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def parse_key(header: str) -> str:
    """The key from the header, a structured-field string (quoted) or bare. Raises KeyMalformed."""
    text = header.strip()
    if text.startswith('"'):
        match = _QUOTED.fullmatch(text)
        key = re.sub(r"\\(.)", r"\1", match[1]) if match else ""
    else:
        key = text if _BARE.fullmatch(text) else ""
    if not 1 <= len(key) <= LONGEST_KEY:
        raise KeyMalformed
    return key


@dataclass(slots=True)
class RepeatableCall:
    """One request with a key. `place` is whose key it is and for what, `content` what was asked (SHA-256 each)."""

    place: bytes
    content: bytes
    tx: Transaction | None = None

    async def claim(self, tx: Transaction) -> None:
        """Make this request the only one with its key. Raises Replayed, StillRunning, KeyReused."""
        # A try-lock: the second request must not wait for the first. Lock and look-up share one statement and so one
        # snapshot; what was committed between the two is found by the unique key in `keep`.
        row = await tx.fetchrow(
            """
            SELECT pg_try_advisory_xact_lock($1) AS claimed, kept.content, kept.status, kept.headers, kept.body
            FROM (VALUES (1)) AS one LEFT JOIN idempotency_keys AS kept ON kept.place = $2
            """,
            int.from_bytes(self.place[:8], signed=True),
            self.place,
        )
        assert row is not None
        if row["content"] is not None:
            if row["content"] != self.content:
                raise KeyReused
            raise Replayed(_response(row))
        if not row["claimed"]:
            raise StillRunning
        self.tx = tx

    async def keep(self, response: Response) -> None:
        """Store the answer beside its effect; the transaction is still open."""
        if self.tx is None or response.status_code >= 400:
            return
        headers = [
            [name.decode("latin-1"), value.decode("latin-1")]
            for name, value in response.raw_headers
            if name not in _NOT_KEPT
        ]
        kept = await self.tx.execute(
            """
            INSERT INTO idempotency_keys (place, content, status, headers, body) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT DO NOTHING
            """,
            self.place, self.content, response.status_code, headers, bytes(response.body),
        )  # fmt: skip
        if not kept:
            raise StillRunning


def _response(row: Any) -> Response:
    response = Response(content=row["body"], status_code=row["status"])
    response.raw_headers.extend((name.encode("latin-1"), value.encode("latin-1")) for name, value in row["headers"])
    response.headers["Idempotency-Replayed"] = "true"
    return response


async def repeatable_call(request: Request, *, required: bool, principal: Principal | None) -> RepeatableCall | None:
    """Read key and content of a request; None where it has no key and needs none. Raises KeyMissing, KeyMalformed."""
    header = request.headers.get("idempotency-key")
    if header is None:
        if required:
            raise KeyMissing
        return None
    key = parse_key(header)
    scope = request.scope
    caller = f"subject {principal.subject}" if principal else "anonymous"
    place = _digest(caller, scope["method"], scope["path"], key)
    content = hashlib.sha256(scope["query_string"] + b"\n" + await _canonical_body(request)).digest()
    return RepeatableCall(place, content)


def _digest(*parts: str) -> bytes:
    return hashlib.sha256(json.dumps(parts).encode()).digest()


async def _canonical_body(request: Request) -> bytes:
    """The body in a form in which a repetition is equal to the first request, even if a client writes it anew."""
    body = await request.body()
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    kind = kind.strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        try:
            return json.dumps(await request.json(), sort_keys=True, separators=(",", ":")).encode()
        except (ValueError, RecursionError):
            return body
    if kind == "multipart/form-data" and (boundary := re.search(r'boundary="?([^";]+)', parameters)):
        # Each sender of the same form draws another boundary.
        return body.replace(boundary[1].encode("latin-1"), b"boundary")
    return body


async def purge_idempotency_keys(connection: Connection, *, kept: timedelta = KEPT) -> int:
    """Delete one small portion of what is older than `kept`; tells how many rows went, 0 when there is nothing left."""
    status = await connection.execute(
        """
        DELETE FROM idempotency_keys WHERE place = ANY (ARRAY(
            SELECT place FROM idempotency_keys WHERE created_at < clock_timestamp() - $1::interval LIMIT $2))
        """,
        kept,
        PURGE_AT_ONCE,
    )
    return int(status.rpartition(" ")[2])
