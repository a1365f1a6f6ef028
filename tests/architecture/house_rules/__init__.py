"""The house rules as functions: each takes the workspace and tells what breaks the rule, one sentence a violation."""

from collections.abc import Iterable


def hold(violations: Iterable[str]) -> None:
    """Fail with every violation, one a line."""
    __tracebackhide__ = True
    found = list(violations)
    assert not found, "\n" + "\n".join(found)
