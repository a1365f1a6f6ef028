"""Things that happen when their time has come, on the business clock."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from .transaction import Transaction


@dataclass(frozen=True, slots=True)
class Timer:
    """One timer: when `due_at` has come on the business clock, the handler of its kind runs, once.

    `key` is the stream it works on, which is locked when the handler runs; `subject` is what it is about. One subject
    has at most one timer of a kind: setting it again moves it.
    """

    timer_id: UUID
    kind: str
    key: str
    subject: UUID
    due_at: datetime
    payload: dict[str, Any]
    attempts: int = 0


TimerHandler = Callable[[Timer, "Transaction"], Awaitable[None]]


class TimerKindTaken(ValueError):
    """Two handlers claim the same kind of timer."""


class Timers:
    """The table of one service's timers."""

    def __init__(self) -> None:
        self._table: dict[str, TimerHandler] = {}

    def on(self, kind: str) -> Callable[[TimerHandler], TimerHandler]:
        """Handle timers of this kind."""

        def enter(function: TimerHandler) -> TimerHandler:
            if kind in self._table:
                raise TimerKindTaken(f"{TimerKindTaken.__doc__} {kind!r}")
            self._table[kind] = function
            return function

        return enter

    def find(self, kind: str) -> TimerHandler | None:
        """The handler of this kind."""
        return self._table.get(kind)

    @property
    def kinds(self) -> list[str]:
        """Every kind that has a handler, sorted."""
        return sorted(self._table)
