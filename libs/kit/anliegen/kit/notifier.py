"""The relay's wake-up: a hint after commit, never inside the writing transaction."""

import asyncio
import contextlib
from collections.abc import Callable

import asyncpg

CHANNEL = "anliegen_outbox"
COALESCE_SECONDS = 0.01


class Notifier:
    """Tells the relay that the outbox has something, at once, then at most once per 10 ms, over its own connection.

    NOTIFY inside a writing transaction takes a global lock at commit. A hint that is lost costs two seconds.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._connection: asyncpg.Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self._again = False
        self.wake_locally: Callable[[], bool] | None = None
        """Set by a relay in the same process; tells whether that relay leads and was woken."""

    def hint(self) -> None:
        """Something was committed to the outbox."""
        if self.wake_locally is not None and self.wake_locally():
            return
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._notify())
        else:
            self._again = True

    async def _notify(self) -> None:
        while True:
            self._again = False
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await asyncpg.connect(
                        self._address, timeout=5, server_settings={"application_name": "anliegen notifier"}
                    )
                await self._connection.execute(f"NOTIFY {CHANNEL}", timeout=5)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
                # One whose answer was not waited for takes no further question, though it is open.
                self._drop()
            await asyncio.sleep(COALESCE_SECONDS)
            if not self._again:
                return

    async def close(self) -> None:
        """Give the connection back."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
