"""The issuer's public keys, by key id: fetched once, again for an unknown id (not too often), and when they are old."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog

from ..errors import Unavailable

Fetch = Callable[[str], Awaitable[Mapping[str, Any]]]

ASK_AGAIN_SECONDS = 10.0
"""Tokens with invented key ids must not make us flood the issuer."""
STALE_SECONDS = 900.0
"""After so long the keys are fetched again, so that a withdrawn one is forgotten."""
LARGEST_DOCUMENT = 1_000_000

log = structlog.get_logger()


class KeysUnavailable(Unavailable):
    """The issuer's keys cannot be fetched just now, so nobody's token can be checked. Try again."""


class KeySource:
    """Keys of one issuer. `find` is all that a caller needs."""

    def __init__(
        self, issuer: str, jwks_url: str, *, fetch: Fetch | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._issuer = issuer.rstrip("/")
        self._jwks_url = jwks_url
        self._fetch = fetch or fetch_document
        self._clock = clock
        self._keys: dict[str, Any] = {}
        self._fetched_at: float | None = None
        self._asked_at: float | None = None
        self._failed = False
        self._refreshing: asyncio.Task[None] | None = None

    async def find(self, key_id: str) -> Any:
        """The key of this id, or None where the issuer has none. Raises KeysUnavailable."""
        if key_id in self._keys:
            if self._clock() - (self._fetched_at or 0.0) > STALE_SECONDS and self._may_ask():
                # Nobody waits for this one: the keys we have still hold.
                self._refresh()
            return self._keys[key_id]
        if self._may_ask() or self._refreshing is not None:
            await asyncio.shield(self._refresh())
        if key_id not in self._keys and self._failed:
            raise KeysUnavailable
        return self._keys.get(key_id)

    def _may_ask(self) -> bool:
        return self._asked_at is None or self._clock() - self._asked_at >= ASK_AGAIN_SECONDS

    def _refresh(self) -> "asyncio.Task[None]":
        if self._refreshing is None:
            self._asked_at = self._clock()
            self._refreshing = asyncio.get_running_loop().create_task(self._load())
        return self._refreshing

    async def _load(self) -> None:
        try:
            if not self._jwks_url and not self._issuer:
                return
            address = self._jwks_url or await self._discover()
            self._keys = read_keys(await self._fetch(address))
            self._fetched_at = self._clock()
            self._failed = False
        except Exception as problem:
            # Whatever is wrong with the issuer's answer: the keys we have still hold, and unknown ones get a 503.
            self._failed = True
            log.warning("issuer_keys_unavailable", error=type(problem).__name__)
        finally:
            self._refreshing = None

    async def _discover(self) -> str:
        document = await self._fetch(f"{self._issuer}/.well-known/openid-configuration")
        if str(document.get("issuer", "")).rstrip("/") != self._issuer:
            raise ValueError("the discovery document names another issuer")
        return str(document["jwks_uri"])


def read_keys(document: Mapping[str, Any]) -> dict[str, Any]:
    """The signing keys of a JWK Set (RFC 7517) by key id; keys that are not ours to use are left out."""
    from joserfc.jwk import import_key

    keys: dict[str, Any] = {}
    for entry in document["keys"]:
        if entry.get("kty") in {"RSA", "EC", "OKP"} and entry.get("use", "sig") == "sig" and entry.get("kid"):
            public = {name: value for name, value in entry.items() if name not in _PRIVATE}
            keys[str(entry["kid"])] = import_key(public)
    return keys


_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "key_ops"})


async def fetch_document(address: str) -> Mapping[str, Any]:
    """Read a JSON document at an http, https or file address."""
    parts = urlsplit(address)
    if parts.scheme == "file":
        content = await asyncio.to_thread(Path(unquote(parts.path)).read_bytes)
    else:
        # Only the process that asks pays for the client.
        import httpx

        async with httpx.AsyncClient(timeout=3.0, follow_redirects=False) as client:
            response = await client.get(address, headers={"accept": "application/json"})
        response.raise_for_status()
        content = response.content
    if len(content) > LARGEST_DOCUMENT:
        raise ValueError("the document is too large")
    document = json.loads(content)
    if not isinstance(document, dict):
        raise TypeError("the document is not a JSON object")
    return document
