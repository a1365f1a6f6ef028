"""Entity tags: a representation's version as a strong `ETag`, and the conditions callers put on it (RFC 9110)."""

import re
from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi.dependencies.models import Dependant
from starlette.responses import Response

from ..errors import Malformed, PreconditionRequired
from ..versions import ANY_VERSION, ExpectedVersion

_TAG = re.compile(r'\s*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*(?:,|$)')
_VERSION = re.compile(r"0|[1-9][0-9]{0,17}")


class TagMalformed(Malformed):
    """An entity tag is written in double quotes, such as "7"; several are separated by commas."""


def etag(version: int) -> str:
    """The strong entity tag of a row's version: 7 → `"7"`."""
    return f'"{version}"'


def set_etag(response: Response, version: int) -> None:
    """Tell the caller which version this is; a later command on it names it in `If-Match`."""
    response.headers["ETag"] = etag(version)


def parse_tags(text: str) -> list[tuple[bool, str]]:
    """Entity tags as pairs of (weak, opaque text). Raises TagMalformed."""
    tags: list[tuple[bool, str]] = []
    position = 0
    while position < len(text):
        match = _TAG.match(text, position)
        if match is None:
            raise TagMalformed
        tags.append((match[1] is not None, match[2]))
        position = match.end()
    if not tags:
        raise TagMalformed
    return tags


def expected_version(if_match: str | None) -> ExpectedVersion:
    """What `If-Match` demands. Raises PreconditionRequired where it is absent or a star, TagMalformed.

    A star means "whatever it is now", which is what the condition is there to prevent. A weak tag never matches.
    """
    if if_match is None or if_match.strip() == "*":
        raise PreconditionRequired
    tags = parse_tags(if_match)
    return ExpectedVersion(frozenset(int(tag) for weak, tag in tags if not weak and _VERSION.fullmatch(tag)))


async def _if_match(
    if_match: Annotated[str | None, Header(description='The ETag of what you decided on, such as `"7"`.')] = None,
) -> ExpectedVersion:
    return expected_version(if_match)


async def _if_match_or_any(
    if_match: Annotated[str | None, Header(description='The ETag of what you decided on, such as `"7"`.')] = None,
) -> ExpectedVersion:
    return ANY_VERSION if if_match is None else expected_version(if_match)


IfMatch = Annotated[ExpectedVersion, Depends(_if_match)]
"""For every command on something that exists: call `.check(row.version)` once its stream is locked."""
IfMatchOptional = Annotated[ExpectedVersion, Depends(_if_match_or_any)]
"""For the rare command that does not depend on what was seen."""


def is_unchanged(request: Request, response: Response) -> bool:
    """Whether the caller has this representation already (`If-None-Match` on a GET)."""
    condition = request.headers.get("if-none-match")
    tag = response.headers.get("etag")
    if condition is None or tag is None or response.status_code != 200:
        return False
    if condition.strip() == "*":
        return True
    try:
        wanted = {text for _, text in parse_tags(condition)}
    except TagMalformed:
        # A condition that cannot be read is ignored: the answer is only larger than it had to be.
        return False
    return tag.removeprefix("W/").strip('"') in wanted


def not_modified(response: Response) -> Response:
    """The short answer: 304 with the headers a cache needs."""
    kept = {name: value for name, value in response.headers.items() if name in _KEPT_BY_304}
    return Response(status_code=304, headers=kept)


_KEPT_BY_304 = frozenset({"etag", "cache-control", "content-location", "date", "expires", "vary", "link"})


def needs_if_match(dependant: Dependant) -> bool:
    """Whether a route takes `IfMatch`."""
    return any(inner.call is _if_match or needs_if_match(inner) for inner in dependant.dependencies)


def takes_if_match(dependant: Dependant) -> bool:
    """Whether a route takes `IfMatch` or `IfMatchOptional`."""
    calls = (_if_match, _if_match_or_any)
    return any(inner.call in calls or takes_if_match(inner) for inner in dependant.dependencies)
