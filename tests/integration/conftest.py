"""Every service on PostgreSQL and Kafka by whichever way is open here; the run's head says which."""

from collections.abc import AsyncIterator, Iterator

import pytest

from anliegen.stack.lifecycle import down, up
from anliegen.stack.stack import Stack
from anliegen.stack.world import World

from .servers import Servers
from .servers import servers as open_servers


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    """The servers of this run."""
    with open_servers() as found:
        request.config.stash.setdefault(WAY, f"{found.way} ({found.why})")
        yield found


WAY = pytest.StashKey[str]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say by which way the servers came."""
    if way := config.stash.get(WAY, None):
        terminalreporter.write_line(f"tests/integration ran on servers: {way}")


@pytest.fixture(scope="session")
def stack(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole stack on them."""
    home = tmp_path_factory.mktemp("integration")
    try:
        # Only while it starts: a stack that another test starts meanwhile has servers of its own.
        with pytest.MonkeyPatch.context() as patch:
            for name, address in (("ANLIEGEN_POSTGRES", servers.postgres), ("ANLIEGEN_KAFKA", servers.kafka)):
                if address:
                    patch.setenv(name, address)
                else:
                    patch.delenv(name, raising=False)
            stack = up(home)
        yield stack
    finally:
        down(home)


@pytest.fixture
async def world(stack: Stack) -> AsyncIterator[World]:
    """Customers, providers and agents around it."""
    async with World(stack) as world:
        yield world
