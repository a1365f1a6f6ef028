"""What an operator does to the journey on the command line."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner

from anliegen.journey.commands import commands


async def test_operator_has_the_read_models_computed_again(
    teller: Any, deliver: Any, dump: Any, context: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    teller.answered_question(uuid4())
    await deliver(*teller.told)
    before = await dump(models_only=True)
    async with context.pool.acquire() as connection:
        await connection.execute("DELETE FROM cases")
    monkeypatch.setenv("ANLIEGEN_ENVIRONMENT", "test")
    monkeypatch.setenv("ANLIEGEN_DATABASE_URL", settings.database_url)
    (journey,) = commands
    result = await asyncio.to_thread(CliRunner().invoke, journey, ["rebuild"])
    assert (result.exit_code, result.output) == (0, "journey: computed again from 9 events\n")
    assert await dump(models_only=True) == before
