"""The whole product for the stories: real PostgreSQL, real Kafka, every service, and the world around it."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from anliegen.stack.lifecycle import read_stack, running_stack
from anliegen.stack.stack import Stack
from anliegen.stack.world import World

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack in the folder ANLIEGEN_TEST_STACK where one runs already, else one for this test run."""
    running = os.environ.get("ANLIEGEN_TEST_STACK")
    if running:
        yield read_stack(Path(running))
        return
    with running_stack(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture
async def world(stack: Stack) -> AsyncIterator[World]:
    """Customers, providers and agents around the stack."""
    async with World(stack) as world:
        yield world


@pytest.fixture
def examples() -> Path:
    """The folder with the real input that the README shows."""
    return EXAMPLES
