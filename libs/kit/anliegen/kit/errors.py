"""Expected trouble has a name; its docstring is the message. Its HTTP status is said in `http/problems.py`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field. `pointer` is a JSON Pointer into the body, or `?name` for a query parameter."""

    pointer: str
    code: str
    message: str


def pointer_token(name: object) -> str:
    """One step of a JSON Pointer (RFC 6901)."""
    return str(name).replace("~", "~0").replace("/", "~1")


class Problem(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "problem"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "code" not in cls.__dict__:
            cls.code = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()

    def __init__(self, detail: str | None = None, *, errors: Sequence[FieldError] = (), **extra: Any) -> None:
        """`detail` replaces the docstring as the message; `extra` is shown to the caller beside it."""
        self.detail = detail or " ".join((self.__doc__ or type(self).__name__).split())
        self.errors = list(errors)
        self.extra = extra
        super().__init__(self.detail)


class Refusal(Problem):
    """A rule says no. In a handler it is recorded as the outcome, and the event is done."""


class NotFound(Refusal):
    """There is nothing here, or it is not yours to see."""


class Conflict(Refusal):
    """Another request is changing this just now, or it is no longer in a state that allows this."""


class NotAllowed(Refusal):
    """You may not do this."""


class Invalid(Refusal):
    """Something in the request is not as it has to be."""


class Malformed(Problem):
    """The request cannot be read."""


class Unauthenticated(Problem):
    """This needs a valid bearer token."""


class TooLarge(Problem):
    """The body is larger than this door takes."""


class NotSupported(Problem):
    """This door does not read content of this kind."""


class TooManyRequests(Problem):
    """Too many requests: try again after the time in Retry-After."""


class PreconditionRequired(Problem):
    """This command needs `If-Match` with the ETag you have seen, so that nobody's change is overwritten."""


class PreconditionFailed(Problem):
    """Somebody changed this in the meantime: read it again, then repeat the command with the new ETag."""


class Unavailable(Problem):
    """This is not available for the moment; nothing was changed. Try again."""


class NotYet(Problem):
    """A part that comes from another topic has not arrived; the event waits and is handled again soon."""


class SettingsRefused(Problem):
    """The settings do not fit this environment, so the process does not start."""
