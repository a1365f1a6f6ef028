"""Named places where a process can be made to fail on purpose: tests reach every line a crash could come between.

Off unless `ANLIEGEN_FAILPOINTS` names some, and refused outside development. `relay.acknowledged=kill@3` kills the
process when it comes there for the third time; several are separated by commas.
"""

import os
import signal
from collections.abc import Callable, Iterable
from typing import Final

POINTS: Final = (
    # A command, or whatever else opens a transaction: begin → lock → flush → commit → hint.
    "write.begun",
    "write.locked",
    "write.flushed",
    "write.committed",
    # The relay: lead → fetch → send → acknowledge → delete.
    "relay.leads",
    "relay.fetched",
    "relay.sent",
    "relay.acknowledged",
    "relay.deleted",
    # The consumer: poll → position → inbox → lock → park → handle → (flush, commit) → tell Kafka.
    "consume.polled",
    "consume.positioned",
    "consume.entered",
    "consume.locked",
    "consume.parked",
    "consume.handled",
    "consume.committed",
    "consume.set_aside",
    "commit.begun",
    "commit.told",
    # The retry worker: lock → handle → commit, or the failure's record.
    "retry.locked",
    "retry.handled",
    "retry.committed",
    "retry.failed",
    # Partitions that go and come.
    "revoke.begun",
    "revoke.drained",
    "assign.loaded",
    # What was announced and is not known, after a restore: each portion that was read is written down.
    "fence.compared",
    # Timers.
    "timer.locked",
    "timer.handled",
)


class FailedOnPurpose(RuntimeError):
    """A failpoint was armed with `raise`: to the kit this is a handler's or a program's own failure."""


class TroubleOnPurpose(ConnectionError):
    """A failpoint was armed with `trouble`: to the kit this is the infrastructure's failure, which passes."""


class FailpointUnknown(ValueError):
    """A failpoint is written `name=action` or `name=action@time`; the actions are raise, trouble, kill and stop."""


def _raise(name: str) -> None:
    raise FailedOnPurpose(f"{FailedOnPurpose.__doc__} {name}")


def _trouble(name: str) -> None:
    raise TroubleOnPurpose(f"{TroubleOnPurpose.__doc__} {name}")


ACTIONS: Final[dict[str, Callable[[str], None]]] = {
    "raise": _raise,
    "trouble": _trouble,
    "kill": lambda _: os.kill(os.getpid(), signal.SIGKILL),
    "stop": lambda _: os.kill(os.getpid(), signal.SIGSTOP),
}

_armed: dict[str, tuple[Callable[[str], None], int]] = {}
_at_start: set[str] = set()


def reach(name: str) -> None:
    """The process has come here. Without armed failpoints this costs one look at an empty table."""
    if _armed:
        _fall(name)


def _fall(name: str) -> None:
    action, times = _armed.get(name, (None, 0))
    if action is None:
        return
    if times > 1:
        _armed[name] = (action, times - 1)
        return
    del _armed[name]  # once: what is made anew afterwards has to succeed
    action(name)


def arm(*settings: str) -> None:
    """Arm failpoints, each once: `arm("relay.sent=raise", "write.flushed=kill@2")`. Raises FailpointUnknown."""
    for setting in settings:
        name, _, rest = setting.strip().partition("=")
        action, _, time = rest.partition("@")
        if name not in POINTS or action not in ACTIONS or (time and not time.isdigit()):
            raise FailpointUnknown(f"{FailpointUnknown.__doc__} Not {setting!r}.")
        _armed[name] = (ACTIONS[action], int(time or 1))


def arm_at_start(settings: str) -> None:
    """Arm what the environment names, once in a process: what is built anew afterwards has to succeed."""
    if settings and settings not in _at_start:
        _at_start.add(settings)
        arm(*settings.split(","))


def disarm() -> None:
    """Arm nothing any more."""
    _armed.clear()


def armed() -> Iterable[str]:
    """The failpoints that are still to come."""
    return tuple(_armed)
