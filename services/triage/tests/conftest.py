"""Triage as in a deployment that has a service for every task; tests that want another say so."""

from typing import Any

import pytest

from anliegen.events import Task


@pytest.fixture
def settings_overrides() -> dict[str, Any]:
    return {"tasks": [task for task in Task if task is not Task.UNKNOWN]}
