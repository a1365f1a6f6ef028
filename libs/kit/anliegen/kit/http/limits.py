"""Limits on what a request may carry: the size of its body, counted while it streams in, and how its JSON is made."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import FieldError, Invalid, Malformed, TooLarge, pointer_token
from .scope import BODY

DEFAULT_BODY = 1_000_000
BODY_SECONDS = 120.0
"""In which a whole body comes in; who sends more slowly holds a connection and memory for nothing."""
PIECE_SECONDS = 30.0
DEEPEST_JSON = 64
LARGEST_INTEGER = 2**63 - 1
LONGEST_INTEGER = len(f"-{LARGEST_INTEGER}")

_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])|\d{19}")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


class _Ambiguous(dict[str, Any]):
    """An object in which names are given twice: `twice`. Two readers could each believe another value."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.twice = [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise ValueError("a name is given twice")
    return read


def _mark_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    marked = _Ambiguous(pairs)
    return marked if marked.twice else dict(pairs)


def _mark_integer(digits: str) -> int:
    # Python itself refuses integers of more than 4300 digits, without saying where one stands.
    return int(digits) if len(digits) <= LONGEST_INTEGER else LARGEST_INTEGER + 1


_decoder = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_read_object)
# Slower, for what the first refused: what is wrong stays in what it reads, so that it can be pointed at.
_marking = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_mark_object, parse_int=_mark_integer)


class BodyTooLarge(TooLarge):
    """The body is larger than this door takes."""

    code = "too_large"


class JsonUnreadable(Malformed):
    """The body is not JSON (RFC 8259, UTF-8)."""


class JsonTooDeep(Malformed):
    """The JSON is nested more deeply than any request here needs."""


class BodyTooSlow(Malformed):
    """The body did not come in time."""


class BodyCutOff(Malformed):
    """The connection ended before the body did."""


class BodyGauge:
    """Counts one request's body. A route raises or lowers `maximum` before it reads."""

    __slots__ = ("_complete", "_declared", "_ends_at", "_receive", "maximum", "taken")

    def __init__(self, receive: Receive, maximum: int, declared: int | None) -> None:
        self._receive = receive
        self._declared = declared
        self.maximum = maximum
        self.taken = 0
        self._complete = False
        self._ends_at: float | None = None

    async def receive(self) -> Message:
        """The next piece of the body. Raises BodyTooLarge, BodyTooSlow, BodyCutOff."""
        if self._declared is not None and self._declared > self.maximum:
            raise BodyTooLarge(maximum_bytes=self.maximum)
        if self._complete:
            return await self._receive()
        now = asyncio.get_running_loop().time()
        if self._ends_at is None:
            self._ends_at = now + BODY_SECONDS
        try:
            async with asyncio.timeout(min(PIECE_SECONDS, self._ends_at - now)):
                message = await self._receive()
        except TimeoutError as problem:
            raise BodyTooSlow from problem
        if message["type"] == "http.disconnect":
            self._complete = True
            if self._declared or self.taken:
                raise BodyCutOff
        if message["type"] == "http.request":
            self._complete = not message.get("more_body", False)
            self.taken += len(message.get("body", b""))
            if self.taken > self.maximum:
                raise BodyTooLarge(maximum_bytes=self.maximum)
        return message


class BodyLimit:
    """Middleware: every request has a limit, whether or not it declares a Content-Length.

    Of a body that is refused the server reads the rest and throws it away, so that the caller sees the answer.
    """

    def __init__(self, app: ASGIApp, *, maximum: int = DEFAULT_BODY) -> None:
        self.app = app
        self.maximum = maximum

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        gauge = BodyGauge(receive, self.maximum, _content_length(scope))
        scope[BODY] = gauge
        await self.app(scope, gauge.receive, send)


def _content_length(scope: Scope) -> int | None:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else None
    return None


def parse_json(body: bytes) -> Any:
    """Read JSON that came from outside. Raises JsonUnreadable, JsonTooDeep, and Invalid with pointers.

    Refused beside what is no JSON: nesting beyond 64 levels; names that an object gives twice (RFC 8259, 4, leaves open
    which value holds); NUL characters, which PostgreSQL cannot store; halves of surrogate pairs, which no UTF-8 has;
    integers beyond 64 bits; and NaN and Infinity.
    """
    try:
        value, is_plain = _decode(body.decode("utf-8-sig"))
    except RecursionError as problem:
        raise JsonTooDeep from problem
    except ValueError as problem:
        place = f" {problem.msg} at character {problem.pos}." if isinstance(problem, json.JSONDecodeError) else ""
        raise JsonUnreadable(f"{JsonUnreadable.__doc__}{place}") from problem
    # Searches at the speed of C decide whether the slow walk is needed at all.
    if not is_plain or _SUSPECT.search(body) or body.count(b"[") + body.count(b"{") > DEEPEST_JSON:
        errors = list(_faults(value))
        if errors:
            raise Invalid("The body has something that cannot be taken as it is.", errors=errors[:20])
    return value


def _decode(text: str) -> tuple[Any, bool]:
    """What the JSON says, and whether it may be taken without a closer look."""
    try:
        return _decoder.decode(text), True
    except json.JSONDecodeError:
        raise
    except ValueError:
        return _marking.decode(text), False


def _faults(value: Any) -> Iterator[FieldError]:
    pending: list[tuple[str, int, Any]] = [("", 0, value)]
    while pending:
        pointer, depth, part = pending.pop()
        if depth > DEEPEST_JSON:
            raise JsonTooDeep
        if isinstance(part, str):
            if fault := text_fault(part):
                yield FieldError(pointer, *fault)
        elif isinstance(part, dict):
            for name in part.twice if isinstance(part, _Ambiguous) else ():
                if not text_fault(name):
                    message = "In one object a name is given once."
                    yield FieldError(f"{pointer}/{pointer_token(name)}", "given_twice", message)
            for name, inner in part.items():
                here = f"{pointer}/{pointer_token(name)}"
                if fault := text_fault(name):
                    yield FieldError(pointer, *fault)
                else:
                    pending.append((here, depth + 1, inner))
        elif isinstance(part, list):
            pending.extend((f"{pointer}/{index}", depth + 1, inner) for index, inner in enumerate(part))
        elif isinstance(part, int) and abs(part) > LARGEST_INTEGER:
            yield FieldError(pointer, "integer_too_large", "The number is too long: it does not fit into 64 bits.")


def text_fault(text: str) -> tuple[str, str] | None:
    """What keeps a text from being stored, as code and message; None where nothing does."""
    if "\x00" in text:
        return "nul_character", "The text contains a NUL character."
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        return "lone_surrogate", "The text contains half of a surrogate pair."
    return None
