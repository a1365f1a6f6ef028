"""The HTTP door: what a service's `api.py` needs."""

from ..principal import Principal
from ..versions import ANY_VERSION, ExpectedVersion
from .access import authorize_case, authorize_work, may_see_case, works_on
from .auth import Caller, MaybeCaller
from .cursors import Cursor, Page, PageRequest, Paging
from .doors import Doors, doors_of
from .etags import IfMatch, IfMatchOptional, etag, set_etag
from .idempotency import purge_idempotency_keys
from .limits import parse_json
from .markers import (
    body_limit,
    idempotent,
    idempotent_optional,
    open_query,
    public,
    rate_limit,
    requires,
    unconditional,
)
from .routing import APIRouter, RouteRefused
from .streams import EventStream, LastEventId, StreamEvent
from .transactions import Tx

__all__ = [
    "ANY_VERSION",
    "APIRouter",
    "Caller",
    "Cursor",
    "Doors",
    "EventStream",
    "ExpectedVersion",
    "IfMatch",
    "IfMatchOptional",
    "LastEventId",
    "MaybeCaller",
    "Page",
    "PageRequest",
    "Paging",
    "Principal",
    "RouteRefused",
    "StreamEvent",
    "Tx",
    "authorize_case",
    "authorize_work",
    "body_limit",
    "doors_of",
    "etag",
    "idempotent",
    "idempotent_optional",
    "may_see_case",
    "open_query",
    "parse_json",
    "public",
    "purge_idempotency_keys",
    "rate_limit",
    "requires",
    "set_etag",
    "unconditional",
    "works_on",
]
