"""Who calls: bearer tokens of an OpenID Connect issuer, verified here, and what they allow."""

import hashlib
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeGuard
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import Depends, Request

from ..errors import NotAllowed, SettingsRefused, Unauthenticated
from ..principal import Principal
from ..settings import Settings
from .keys import KeySource
from .scope import PRINCIPAL

ALGORITHMS = ("RS256", "ES256", "EdDSA", "Ed25519")
"""Fixed: a token cannot choose `none`, nor a symmetric algorithm with a public key as its secret."""
LEEWAY_SECONDS = 60
REMEMBER_SECONDS = 60.0
REMEMBER_TOKENS = 2_000
LONGEST_TOKEN = 16_384
DEVELOPMENT_CLAIM = "anliegen_development"


class TokenRefused(Unauthenticated):
    """The bearer token is not valid here."""

    code = "unauthenticated"


class ScopeMissing(NotAllowed):
    """The token does not grant what this needs."""


def check_issuer(settings: Settings) -> None:
    """Refuse settings under which tokens could be forged or read on the way. Raises SettingsRefused."""
    if settings.is_development:
        return
    if not settings.oidc_issuer:
        raise SettingsRefused("ANLIEGEN_OIDC_ISSUER is not set: nobody could show who they are.")
    if urlsplit(settings.oidc_issuer).scheme != "https":
        raise SettingsRefused("ANLIEGEN_OIDC_ISSUER has to be an https address outside development.")
    if settings.oidc_jwks_url and urlsplit(settings.oidc_jwks_url).scheme not in {"https", "file"}:
        raise SettingsRefused("ANLIEGEN_OIDC_JWKS_URL has to be an https or file address outside development.")


class Authenticator:
    """Turns an `Authorization` header into a Principal.

    A verified token is remembered for at most a minute, since checking a signature costs more than all the rest of the
    check; a key that the issuer withdraws is therefore refused a minute after we learn of it.
    """

    def __init__(self, settings: Settings, keys: KeySource, *, clock: Callable[[], float] = time.time) -> None:
        self._issuer = settings.oidc_issuer
        self._audience = settings.oidc_audience
        self._development = settings.is_development
        self._keys = keys
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[Principal, float]] = OrderedDict()

    async def authenticate(self, authorization: str | None) -> Principal:
        """The caller. Raises Unauthenticated, and Unavailable where the issuer's keys cannot be had."""
        if not authorization:
            raise Unauthenticated
        kind, _, token = authorization.partition(" ")
        token = token.strip()
        if kind.lower() != "bearer" or not token:
            raise Unauthenticated
        if len(token) > LONGEST_TOKEN:
            raise TokenRefused("The bearer token is too long.")
        digest = hashlib.sha256(token.encode()).digest()
        found = self._known.get(digest)
        if found is not None and self._clock() < found[1]:
            return found[0]
        principal, expires = await self._verify(token)
        while len(self._known) >= REMEMBER_TOKENS:
            self._known.popitem(last=False)
        self._known[digest] = (principal, min(expires + LEEWAY_SECONDS, self._clock() + REMEMBER_SECONDS))
        return principal

    async def _verify(self, token: str) -> tuple[Principal, float]:
        from joserfc import jws, jwt
        from joserfc.errors import JoseError, SecurityWarning

        try:
            header = jws.extract_compact(token.encode()).headers()
            algorithm, key_id = header.get("alg"), header.get("kid")
        except (JoseError, ValueError) as problem:
            raise TokenRefused("The bearer token cannot be read.") from problem
        if algorithm not in ALGORITHMS:
            raise TokenRefused("The bearer token is signed with an algorithm that is not allowed here.")
        if not isinstance(key_id, str) or not key_id:
            raise TokenRefused("The bearer token does not name its key.")
        key = await self._keys.find(key_id)
        if key is None:
            raise TokenRefused("The bearer token is signed with a key that the issuer does not have.")
        try:
            with warnings.catch_warnings():
                # RFC 9864 renames EdDSA to Ed25519; many issuers still write the old name.
                warnings.simplefilter("ignore", SecurityWarning)
                claims = jwt.decode(token, key, algorithms=ALGORITHMS).claims
        except (JoseError, ValueError) as problem:
            raise TokenRefused("The bearer token's signature is not right.") from problem
        expires = self._check(claims)
        return principal_of(claims), expires

    def _check(self, claims: Mapping[str, Any]) -> float:
        now = self._clock()
        if not self._issuer or claims.get("iss") != self._issuer:
            raise TokenRefused("The bearer token comes from another issuer.")
        audience = claims.get("aud")
        if self._audience not in (audience if isinstance(audience, list) else [audience]):
            raise TokenRefused("The bearer token is meant for somebody else.")
        expires, not_before = claims.get("exp"), claims.get("nbf", 0)
        if not _is_time(expires) or not _is_time(not_before):
            raise TokenRefused("The bearer token does not say when it is valid.")
        if now > expires + LEEWAY_SECONDS:
            raise TokenRefused("The bearer token has expired.")
        if now < not_before - LEEWAY_SECONDS:
            raise TokenRefused("The bearer token is not valid yet.")
        if claims.get(DEVELOPMENT_CLAIM) and not self._development:
            raise TokenRefused("The bearer token comes from a development issuer.")
        return float(expires)


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def principal_of(claims: Mapping[str, Any]) -> Principal:
    """What verified claims say. `scope` is a list of words or one string of them (RFC 9068), `roles` a list."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        raise TokenRefused("The bearer token does not say whose it is.")
    journey = claims.get("journey_id")
    try:
        journey_id = UUID(journey) if journey else None
    except (ValueError, AttributeError, TypeError) as problem:
        raise TokenRefused("The bearer token's journey_id is not an id.") from problem
    return Principal(
        subject=subject,
        roles=_words(claims.get("roles")),
        scopes=_words(claims.get("scope") or claims.get("scp")),
        tasks=None if claims.get("tasks") is None else _words(claims["tasks"]),
        journey_id=journey_id,
        customer_number=_text(claims.get("customer_number")),
        # An address that the issuer did not verify is only a claim of the caller's (OpenID Connect Core, 5.1).
        email=_text(claims.get("email")) if claims.get("email_verified") is True else None,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _words(value: object) -> frozenset[str]:
    if isinstance(value, str):
        return frozenset(value.split())
    if isinstance(value, list):
        return frozenset(word for word in value if isinstance(word, str))
    return frozenset()


def check_scopes(principal: Principal, scopes: tuple[str, ...]) -> None:
    """Raise ScopeMissing where the token lacks one of these."""
    missing = [scope for scope in scopes if not principal.may(scope)]
    if missing:
        raise ScopeMissing(f"The token does not grant {' '.join(missing)}.", required_scopes=list(scopes))


async def _caller(request: Request) -> Principal:
    principal: Principal | None = request.scope.get(PRINCIPAL)
    if principal is None:
        raise Unauthenticated
    return principal


async def caller_if_any(request: Request) -> Principal | None:
    """The caller of a public route, where a token was sent. Raises Unauthenticated for a wrong one."""
    principal: Principal | None = request.scope.get(PRINCIPAL)
    if principal is None and (authorization := request.headers.get("authorization")):
        principal = await request.app.state.doors.authenticator.authenticate(authorization)
        request.scope[PRINCIPAL] = principal
    return principal


Caller = Annotated[Principal, Depends(_caller)]
"""The verified caller of a route that `requires` a scope."""
MaybeCaller = Annotated[Principal | None, Depends(caller_if_any)]
"""On a public route: the caller, where a token was sent (a wrong one is refused), else None."""
