"""Keeps people out of logs: what a log line may say about an exception, and what is masked in any text."""

import re
import traceback
from collections.abc import Iterator
from typing import Any

import asyncpg
from pydantic import ValidationError

from ..errors import Problem

MASK = "[masked]"
LONGEST_TEXT = 2_000
FRAMES = 15

PERSONAL_FIELDS = frozenset(
    {
        "address", "answer", "authorization", "birth_date", "body", "content", "cookie", "customer_name", "email",
        "e_mail", "first_name", "from_address", "full_name", "handle", "iban", "input", "last_name", "mail", "mobile",
        "name_of_sender", "names", "password", "payload", "person", "phone", "postal_code", "recipient", "secret",
        "sender", "street", "telephone", "text", "to_address", "token", "values", "words",
    }
)  # fmt: skip
"""Fields of a log line whose value is never written."""

_SECRETS = re.compile(
    r"""
    (?P<mail>[\w.!#$%&'*+/=?^`{|}~-]+@[\w-]+(?:\.[\w-]+)*)
    | (?P<bearer>\bBearer\s+[\w.~+/=-]+)
    | (?P<jwt>\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*)
    | (?P<iban>\b[A-Z]{2}\d{2}(?:\s?[A-Z0-9]{4}){3,7}(?:\s?[A-Z0-9]{1,3})?\b)
    | (?P<password>(?<=://)[^\s/@:]+:[^\s/@]+(?=@))
    | (?P<phone>(?<![\w.:+-])(?:\+|00)[1-9](?:[\s()/.-]{0,2}\d){6,14}(?![\w-])
        |(?<![\w.:+-])\(?0[1-9]\d{1,4}\)?[\s/-]{0,2}\d(?:[\s-]?\d){3,9}(?![\w.:-]))
    """,
    re.VERBOSE,
)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
# Their messages speak about code, not about data.
_ABOUT_CODE = (AttributeError, TypeError, NameError, ImportError, AssertionError, RuntimeError, OSError, Problem)


def mask(text: str) -> str:
    """The text without e-mail addresses, telephone numbers, account numbers, tokens and passwords."""
    if len(text) > LONGEST_TEXT:
        text = text[:LONGEST_TEXT] + "…"
    # Most texts have neither an @ nor a digit nor a token, and are left alone at once.
    if not any(sign in text for sign in "@0123456789") and "Bearer" not in text:
        return text
    return _SECRETS.sub(MASK, text)


def message_of(problem: BaseException) -> str:
    """What may be said about an exception: its message without data that came from outside."""
    if isinstance(problem, asyncpg.PostgresError):
        return _database_message(problem)
    errors = getattr(problem, "errors", None)
    if isinstance(problem, ValidationError) or (callable(errors) and not isinstance(problem, Problem)):
        assert callable(errors)
        return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['type']}" for e in errors()[:20])
    if isinstance(problem, UnicodeError):
        return ""
    text = str(problem)
    if not isinstance(problem, _ABOUT_CODE):
        text = _QUOTED.sub("'…'", text)
    return mask(text[:500])


def _database_message(problem: asyncpg.PostgresError) -> str:
    state = getattr(problem, "sqlstate", None)
    names = (getattr(problem, name, None) for name in ("table_name", "column_name", "constraint_name"))
    places = [name for name in names if name]
    # Classes 22 and 23 quote the values that were refused; an error raised by the driver itself does, too.
    if state is None or state.startswith(("22", "23")):
        return " ".join([state or "", *places]).strip()
    return " ".join([state, mask(str(problem.args[0]).partition("\n")[0])[:300] if problem.args else "", *places])


def traceback_of(problem: BaseException) -> list[dict[str, Any]]:
    """The exception and what caused it, the nearest first: type, message and the last frames of each."""
    return [
        {
            "type": f"{type(one).__module__}.{type(one).__qualname__}".removeprefix("builtins."),
            "message": message_of(one),
            "frames": [
                f"{frame.filename.rpartition('site-packages/')[2]}:{frame.lineno} {frame.name}"
                for frame in traceback.extract_tb(one.__traceback__)[-FRAMES:]
            ],
        }
        for one in _chain(problem)
    ]


def _chain(problem: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    pending: list[BaseException] = [problem]
    while pending and len(seen) < 10:
        one = pending.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, BaseExceptionGroup):
            pending.extend(one.exceptions)
        cause = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
        if cause is not None:
            pending.append(cause)
