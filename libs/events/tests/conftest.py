"""What several tests of the events share."""

import pytest

from anliegen.events import registry


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes that the test declares are forgotten after it."""
    monkeypatch.setattr(registry, "_classes", dict(registry._classes))
