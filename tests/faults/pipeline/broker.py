"""A Kafka that tests stop, continue, kill and start again on the same port."""

import asyncio
import os
import signal
from pathlib import Path

from anliegen.events.topics import manifest
from anliegen.stack.kafka import KafkaServer, start_kafka


class Broker:
    """The broker's process."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._server = self._start()
        self.bootstrap = self._server.bootstrap

    def _start(self) -> KafkaServer:
        return start_kafka(self._data, topics=manifest("development"))

    def pause(self) -> None:
        """It answers nothing any more, and closes nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """It is gone, and with it what was not on disk yet of those who did not wait for it."""
        self._signal(signal.SIGKILL)

    async def start(self) -> None:
        """Start it again after it was killed, and wait until it answers."""
        self._server = await asyncio.to_thread(self._start)
        assert self._server.bootstrap == self.bootstrap

    def stop(self) -> None:
        """End it in order."""
        self._server.stop()

    def _signal(self, number: int) -> None:
        assert self._server.pid is not None
        os.kill(self._server.pid, number)
