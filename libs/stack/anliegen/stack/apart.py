"""Running asynchronous work to its end from synchronous code, whether or not the caller's thread has an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")


def run_apart(work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`, run in a thread with a loop of its own."""
    with ThreadPoolExecutor(1, thread_name_prefix="apart") as executor:
        return executor.submit(asyncio.run, work).result()
