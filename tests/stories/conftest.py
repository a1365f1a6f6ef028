"""The whole product for the stories: real PostgreSQL, real Kafka, every service, and the world around it."""

import os
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from spans import Collector, collecting

from anliegen.stack.business_clock import move_clock, read_clock
from anliegen.stack.lifecycle import read_stack, running_stack
from anliegen.stack.stack import Stack
from anliegen.stack.world import World

COLLECTORS: dict[int, Collector] = {}
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


TRACED = {"ANLIEGEN_LOG_LEVEL": "DEBUG", "OTEL_BSP_SCHEDULE_DELAY": "200"}


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack in the folder ANLIEGEN_TEST_STACK where one runs already, else one for this test run."""
    running = os.environ.get("ANLIEGEN_TEST_STACK")
    if running:
        yield read_stack(Path(running))
        return
    with collecting() as collector, pytest.MonkeyPatch.context() as patched:
        for name, value in {**TRACED, "ANLIEGEN_OTLP_ENDPOINT": collector.address}.items():
            patched.setenv(name, value)
        with running_stack(tmp_path_factory.mktemp("stack")) as stack:
            COLLECTORS[id(stack)] = collector
            yield stack


@pytest.fixture
def collector(stack: Stack) -> Collector:
    """What takes the spans of the stack's processes."""
    if id(stack) not in COLLECTORS:
        pytest.skip("the stack of ANLIEGEN_TEST_STACK sends its spans elsewhere")
    return COLLECTORS[id(stack)]


@pytest.fixture
async def world(stack: Stack) -> AsyncIterator[World]:
    """Customers, providers and agents around the stack."""
    async with World(stack) as world:
        yield world


@pytest.fixture
def examples() -> Path:
    """The folder with the real input that the README shows."""
    return EXAMPLES


@pytest.fixture
def moved_back(stack: Stack) -> Iterator[None]:
    """A story that moves the business clock leaves it where it was."""
    ahead = max(read_clock(stack).values(), default=timedelta())
    yield
    move_clock(stack, ahead)
