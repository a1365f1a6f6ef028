"""Which version of a representation a command was decided on, so that nobody's change is overwritten."""

from dataclasses import dataclass

from .errors import PreconditionFailed


@dataclass(frozen=True, slots=True)
class ExpectedVersion:
    """The versions the caller has seen and acts on. Several are allowed; `None` stands for any version."""

    versions: frozenset[int] | None

    def check(self, current: int) -> None:
        """Raise PreconditionFailed where the representation has changed since the caller saw it."""
        if self.versions is not None and current not in self.versions:
            raise PreconditionFailed


ANY_VERSION = ExpectedVersion(None)
"""For commands that come from within, such as those of handlers."""
