"""A Kafka that tests stop, continue, kill and start again on the same ports; one of them lies behind a proxy."""

import asyncio
import os
import signal
from pathlib import Path

from chaos.proxy import Proxy

from anliegen.events.topics import manifest
from anliegen.stack.kafka import KafkaServer, start_kafka
from anliegen.stack.ports import Ports

LOCAL = "127.0.0.1"


class Broker:
    """The broker's process. `bootstrap` leads to it, `through` leads to it by way of `proxy`."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._ports = Ports(data / "ports.json")
        self._server: KafkaServer
        self.proxy = Proxy(self._ports.choose("kafka_through"))
        self.bootstrap = f"{LOCAL}:{self._ports.choose('kafka')}"
        self.through = ""

    async def start(self) -> None:
        """Start it, or start it again after it was killed, and wait until it answers."""
        if not self.through:
            self.through = f"{LOCAL}:{await self.proxy.start()}"
        self._server = await asyncio.to_thread(self._start)
        assert self._server.bootstrap == self.bootstrap

    def _start(self) -> KafkaServer:
        behind, controller = f"THROUGH://{LOCAL}:{self.proxy.target}", self._ports.choose("kafka_controller")
        settings = {
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://{LOCAL}:{controller},{behind}",
            # Clients go where the broker says, so those who come through the proxy are told its address.
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap},THROUGH://{self.through}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,THROUGH:PLAINTEXT",
        }
        return start_kafka(self._data, topics=manifest("development"), ports=self._ports, settings=settings)

    def pause(self) -> None:
        """It answers nothing any more, and closes nothing."""
        self._signal(signal.SIGSTOP)

    def kill(self) -> None:
        """It is gone, and with it what it had not written yet."""
        self._signal(signal.SIGKILL)

    async def stop(self) -> None:
        """End it in order."""
        await asyncio.to_thread(self._server.stop)
        await self.proxy.close()

    def _signal(self, number: int) -> None:
        assert self._server.pid is not None
        os.kill(self._server.pid, number)
