"""What a route says about itself, in `dependencies=[…]`: who may call it, how large, how often, whether repeatable.

The marks are read once, when the route is made (`routing.py`); nothing of them is resolved again at a request.
"""

from dataclasses import dataclass

from fastapi.params import Depends


@dataclass(frozen=True)
class Mark(Depends):
    """A statement about a route."""


@dataclass(frozen=True)
class Requires(Mark):
    """The caller's token must grant all of these scopes."""

    scopes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Public(Mark):
    """Nobody needs a token; the route must also stand in `public_routes.py`."""

    because: str = ""


@dataclass(frozen=True)
class Idempotent(Mark):
    """The route takes an `Idempotency-Key`."""

    required: bool = True


@dataclass(frozen=True)
class BodyLimit(Mark):
    """The largest body the route takes, in bytes."""

    maximum: int = 0


@dataclass(frozen=True)
class RateLimit(Mark):
    """How often one caller may use the route, such as `30/minute`."""

    limit: str = ""


@dataclass(frozen=True)
class OpenQuery(Mark):
    """Query parameters that are not declared are let through, for doors whose providers add their own."""


@dataclass(frozen=True)
class WhileFenced(Mark):
    """The command is taken while the service is fenced."""


@dataclass(frozen=True)
class Unconditional(Mark):
    """The route changes something without `If-Match`, or creates something without `Idempotency-Key`."""

    because: str = ""


def requires(*scopes: str) -> Requires:
    """The route needs a valid token that grants every one of these scopes, such as `cases:read`."""
    if not scopes or not all(scopes):
        raise ValueError("name at least one scope")
    return Requires(scopes=scopes)


def public(because: str) -> Public:
    """The route needs no token. `because` says what protects it instead, in a few words."""
    if not because:
        raise ValueError("say what protects the route instead of a token")
    return Public(because=because)


def unconditional(because: str) -> Unconditional:
    """The command needs neither `If-Match` nor `Idempotency-Key`. `because` says why repeating it is harmless."""
    if not because:
        raise ValueError("say why the command needs no condition")
    return Unconditional(because=because)


def body_limit(maximum: int) -> BodyLimit:
    """The route takes bodies of up to this many bytes, instead of the general limit."""
    return BodyLimit(maximum=maximum)


def rate_limit(limit: str) -> RateLimit:
    """One caller may use this costly route so often: `30/minute`. Counted per process."""
    return RateLimit(limit=limit)


idempotent = Idempotent()
"""A repetition with the same `Idempotency-Key` gets the first answer again; without a key the request is refused."""
idempotent_optional = Idempotent(required=False)
"""The same, where a caller without a key is served, too: nobody is turned away from a contact door."""
while_fenced = WhileFenced()
"""The command is taken although the service waits for a person's release after a restore: the release itself."""
open_query = OpenQuery()
"""Undeclared query parameters are let through."""
