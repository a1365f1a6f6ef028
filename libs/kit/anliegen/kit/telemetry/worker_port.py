"""A worker's own small port: health and metrics, for those who run it."""

import asyncio
import contextlib
from collections.abc import Generator, Sequence

import uvicorn
from starlette.applications import Starlette

from ..health import LoopLag
from ..service import Context

END_SECONDS = 3.0
TICK_SECONDS = 10.0


class QuietServer(uvicorn.Server):
    """uvicorn beside other work: the signals belong to the worker."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._end = asyncio.Event()

    def end(self) -> None:
        """Stop taking requests, and finish those that are being answered."""
        self.should_exit = True
        self._end.set()

    async def main_loop(self) -> None:
        """Tell the headers the time now and then: uvicorn's own loop wakes ten times a second."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await self._end.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the signals alone."""
        yield


def worker_app(contexts: Sequence[Context], lag: LoopLag, *, expected: Sequence[str] = ()) -> Starlette:
    """`/livez`, `/readyz`, `/startupz` and `/metrics` of a worker."""
    from ..http.health import Health
    from ..http.infrastructure import infrastructure_routes
    from ..http.problems import HANDLERS

    health = Health(lambda: list(contexts), lag, expected)
    wanted = {"/livez", "/readyz", "/startupz", "/metrics"}
    routes = [route for route in infrastructure_routes(health, dict, part="work") if route.path in wanted]
    return Starlette(routes=routes, exception_handlers=HANDLERS)


async def serve_worker_port(
    port: int, contexts: Sequence[Context], lag: LoopLag, *, host: str = "127.0.0.1", expected: Sequence[str] = ()
) -> None:
    """Serve until cancelled. Without every service that is `expected` the worker is not ready."""
    config = uvicorn.Config(
        worker_app(contexts, lag, expected=expected), host=host, port=port, http="httptools", lifespan="off",
        log_config=None, access_log=False, server_header=False,
    )  # fmt: skip
    server = QuietServer(config)
    serving = asyncio.create_task(server.serve())
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.end()
        await asyncio.wait({serving}, timeout=END_SECONDS)
        raise
