"""Lists, a page at a time: an opaque cursor holds the sort key and the id of the row at the page's edge (keyset).

In the endpoint: `paging: Paging`; in the store `WHERE (opened_at, id) < ($1, $2) ORDER BY opened_at DESC, id DESC
LIMIT $3`, or the other way round where `paging.backwards`, with `paging.fetch` rows; then `paging.page(rows, …)`.
"""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from fastapi import Depends, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from ..errors import FieldError, Malformed

DEFAULT_LIMIT = 50
LARGEST_LIMIT = 200
LONGEST_CURSOR = 1_000

T = TypeVar("T")
R = TypeVar("R")
Key = TypeVar("Key", datetime, int, str)


class CursorMalformed(Malformed):
    """The cursor is not one that we gave; leave it out to begin at the start."""

    def __init__(self) -> None:
        super().__init__(errors=[FieldError("?cursor", "cursor_malformed", "Not a cursor of this list.")])


class Page(BaseModel, Generic[T]):
    """One page of a list. There is no total; `next` and `prev` are cursors, null at the ends."""

    items: list[T]
    next: str | None = Field(default=None, description="The cursor of the next page; null on the last one.")
    prev: str | None = Field(default=None, description="The cursor of the page before; null on the first one.")


@dataclass(frozen=True, slots=True)
class Cursor:
    """The edge of a page: rows after it are wanted, or where `backwards` those before it."""

    key: datetime | int | str
    id: UUID
    backwards: bool = False

    def encode(self) -> str:
        """The opaque text for callers."""
        key: Any = {"t": self.key.astimezone(UTC).isoformat()} if isinstance(self.key, datetime) else self.key
        text = json.dumps([key, str(self.id), int(self.backwards)], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Read a cursor that a caller brought back. Raises CursorMalformed."""
        try:
            if len(text) > LONGEST_CURSOR:
                raise CursorMalformed
            padded = text.encode("ascii") + b"=" * (-len(text) % 4)
            key, row_id, backwards = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
            if isinstance(key, dict):
                key = datetime.fromisoformat(key["t"])
                if key.tzinfo is None:
                    raise CursorMalformed
                key = key.astimezone(UTC)
            if not isinstance(key, datetime | int | str) or isinstance(key, bool) or backwards not in (0, 1):
                raise CursorMalformed
            if (isinstance(key, int) and not -(2**63) <= key < 2**63) or (isinstance(key, str) and "\x00" in key):
                raise CursorMalformed
            return cls(key, UUID(row_id), bool(backwards))
        except (
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            OverflowError,
            binascii.Error,
            RecursionError,
        ) as problem:
            raise CursorMalformed from problem


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page is asked for."""

    limit: int
    cursor: Cursor | None
    path: str
    query: str

    @property
    def backwards(self) -> bool:
        """Whether the page before the cursor is wanted: the store then reads in the opposite order."""
        return self.cursor is not None and self.cursor.backwards

    @property
    def fetch(self) -> int:
        """How many rows the store reads: one more than shown, to know whether there are others."""
        return self.limit + 1

    def after(self, kind: type[Key]) -> tuple[Key, UUID] | None:
        """Sort key and id at the edge; None at the start. Raises CursorMalformed for a key of another kind."""
        if self.cursor is None:
            return None
        key = self.cursor.key
        if not isinstance(key, kind):
            raise CursorMalformed
        return key, self.cursor.id

    def page(
        self,
        rows: Sequence[R],
        *,
        edge: Callable[[R], tuple[datetime | int | str, UUID]],
        view: Callable[[R], T],
        response: Response | None = None,
    ) -> Page[T]:
        """The page from `fetch` rows as the store read them; sets the `Link` header on `response`."""
        more = len(rows) > self.limit
        shown = list(rows[: self.limit])
        if self.backwards:
            shown.reverse()
        has_next, has_previous = (True, more) if self.backwards else (more, self.cursor is not None)
        following = Cursor(*edge(shown[-1])).encode() if shown and has_next else None
        previous = Cursor(*edge(shown[0]), backwards=True).encode() if shown and has_previous else None
        if response is not None:
            links = [self._link(following, "next"), self._link(previous, "prev")]
            if any(links):
                response.headers["Link"] = ", ".join(link for link in links if link)
        return Page(items=[view(row) for row in shown], next=following, prev=previous)

    def _link(self, cursor: str | None, relation: str) -> str | None:
        if cursor is None:
            return None
        kept = [(name, value) for name, value in parse_qsl(self.query, keep_blank_values=True) if name != "cursor"]
        return f'<{self.path}?{urlencode([*kept, ("cursor", cursor)])}>; rel="{relation}"'


async def _paging(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=LARGEST_LIMIT, description="How many items a page has.")] = DEFAULT_LIMIT,
    cursor: Annotated[
        str | None, Query(max_length=LONGEST_CURSOR, description="`next` or `prev` of another page.")
    ] = None,
) -> PageRequest:
    edge = None if cursor is None else Cursor.decode(cursor)
    return PageRequest(limit, edge, request.scope["path"], request.scope["query_string"].decode("latin-1"))


Paging = Annotated[PageRequest, Depends(_paging)]
"""The page that is asked for: `?limit=&cursor=`."""
