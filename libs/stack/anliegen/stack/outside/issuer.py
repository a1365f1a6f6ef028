"""The HTTP interface of the development issuer: discovery, keys, and tokens for whoever asks on this machine."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from anliegen.stack.errors import StackError
from anliegen.stack.tokens import LIFETIME, Issuer

LONGEST_LIFETIME = 7 * 24 * 3600  # seconds


def issuer_routes(issuer: Issuer) -> list[Route]:
    """Routes to be mounted under /issuer."""

    async def discovery(_: Request) -> JSONResponse:
        return JSONResponse(issuer.discovery())

    async def keys(_: Request) -> JSONResponse:
        return JSONResponse(issuer.public_keys(), headers={"Cache-Control": "max-age=60"})

    async def token(request: Request) -> JSONResponse:
        """Client credentials without a secret: `client_id` names the role; `scope`, `task`, `journey_id`, `sub`."""
        form = await request.form()
        words = {name: str(value) for name, value in form.items()}
        if words.get("grant_type") != "client_credentials":
            return _refused("unsupported_grant_type", "grant_type is client_credentials here")
        try:
            lifetime = int(words.get("lifetime", LIFETIME))
        except ValueError:
            return _refused("invalid_request", "lifetime is a number of seconds")
        if not 0 < lifetime <= LONGEST_LIFETIME:
            return _refused("invalid_request", f"lifetime is between 1 and {LONGEST_LIFETIME} seconds")
        scopes = words.get("scope", "").split()
        try:
            signed = issuer.token(
                words.get("client_id", ""),
                scopes=scopes,
                tasks=words.get("task", "").split(),
                journey_id=words.get("journey_id"),
                subject=words.get("sub"),
                lifetime=lifetime,
            )
        except StackError as unknown:
            return _refused("invalid_client", str(unknown), status=401)
        answer = {"access_token": signed, "token_type": "Bearer", "expires_in": lifetime}
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    return [
        Route("/.well-known/openid-configuration", discovery),
        Route("/jwks.json", keys),
        Route("/token", token, methods=["POST"]),
    ]


def _refused(error: str, description: str, *, status: int = 400) -> JSONResponse:
    return JSONResponse({"error": error, "error_description": description}, status_code=status)
