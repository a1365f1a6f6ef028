"""HTTP clients for tests: the service's real application, real tokens, the test's clock and database."""

import atexit
import json
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from joserfc import jwt
from joserfc.jwk import OKPKey

from ..scopes import ROLES
from ..service import Context

ISSUER = "http://issuer.test"
KEY_ID = "test"


@cache
def signing_key() -> OKPKey:
    """The key that signs tokens in this test run."""
    return OKPKey.generate_key("Ed25519", {"kid": KEY_ID, "use": "sig", "alg": "Ed25519"}, private=True)


@cache
def jwks_address() -> str:
    """The address of the file with the public key, as `oidc_jwks_url` takes it."""
    folder = Path(tempfile.mkdtemp(prefix="anliegen-test-keys-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file = folder / "jwks.json"
    file.write_text(json.dumps({"keys": [signing_key().as_dict(private=False)]}))
    return file.as_uri()


def token(role: str, *, scopes: str | None = None, **claims: Any) -> str:
    """A signed token of this role. `claims` replace what would stand in it; None leaves a claim out."""
    now = int(time.time())
    content: dict[str, Any] = {
        "iss": ISSUER,
        "aud": "anliegen",
        "sub": f"{role}-1",
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
        "jti": str(uuid4()),
        "roles": [role],
        "scope": " ".join(ROLES.get(role, ())) if scopes is None else scopes,
        **claims,
    }
    header = {"alg": "Ed25519", "kid": KEY_ID}
    given = {
        name: str(value) if isinstance(value, UUID) else value for name, value in content.items() if value is not None
    }
    return jwt.encode(header, given, signing_key(), algorithms=["Ed25519"])


class TestClient:
    """One application, many callers: `client.as_agent()` and the others are httpx clients with a token of that role."""

    __test__ = False

    def __init__(self, app: Any, stack: AsyncExitStack) -> None:
        self.app = app
        self._stack = stack
        self._known: dict[str, httpx.AsyncClient] = {}

    def with_headers(self, **headers: str) -> httpx.AsyncClient:
        """A client that sends these headers."""
        place = json.dumps(headers, sort_keys=True)
        if place not in self._known:
            self._known[place] = httpx.AsyncClient(
                # An unhandled exception is answered as callers would see it, not raised into the test.
                transport=httpx.ASGITransport(app=self.app, raise_app_exceptions=False),
                base_url="http://test",
                headers=headers,
                timeout=30,
            )
            self._stack.push_async_callback(self._known[place].aclose)
        return self._known[place]

    @property
    def anonymous(self) -> httpx.AsyncClient:
        """A caller without a token."""
        return self.with_headers()

    def as_(self, role: str, *, scopes: str | None = None, **claims: Any) -> httpx.AsyncClient:
        """A caller of this role, with other scopes or claims where given."""
        return self.with_headers(Authorization=f"Bearer {token(role, scopes=scopes, **claims)}")

    def as_agent(self, *, tasks: Iterable[str] | None = None, **claims: Any) -> httpx.AsyncClient:
        """An agent, limited to these tasks where given."""
        return self.as_("agent", tasks=None if tasks is None else list(tasks), **claims)

    def as_customer(self, journey_id: UUID, **claims: Any) -> httpx.AsyncClient:
        """The customer of this journey."""
        return self.as_("customer", journey_id=journey_id, **claims)

    def as_supervisor(self, **claims: Any) -> httpx.AsyncClient:
        """A supervisor."""
        return self.as_("supervisor", **claims)

    def as_administrator(self, **claims: Any) -> httpx.AsyncClient:
        """An administrator."""
        return self.as_("administrator", **claims)


@asynccontextmanager
async def open_client(context: Context) -> AsyncIterator[TestClient]:
    """The application of this service, at work with this context."""
    from ..http.app import create_app

    app = create_app(context.service, context.settings, context=context)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.router.lifespan_context(app))
        yield TestClient(app, stack)
