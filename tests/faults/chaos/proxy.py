"""A TCP proxy that can reset its connections, and swallow what they carry for a while."""

import asyncio
import contextlib
import socket
import struct
from typing import cast

RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Passes connections on to one port of this machine."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.links: set[Link] = set()
        self.is_open = asyncio.Event()
        self.is_open.set()
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """Listen on a free port, and tell which."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Front(self), "127.0.0.1", 0, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]
        return self.port

    def reset(self) -> int:
        """Break every connection, as a firewall does that forgets them; tells how many."""
        broken = list(self.links)
        for link in broken:
            link.break_off()
        return len(broken)

    def close_hole(self) -> None:
        """Swallow: nothing passes in either direction, new connections are taken and hear nothing."""
        self.is_open.clear()
        for link in self.links:
            link.hold()

    def open_hole(self) -> None:
        """Let everything pass again, what was held back first."""
        self.is_open.set()
        for link in list(self.links):
            link.release()

    async def close(self) -> None:
        """Stop to listen and break every connection."""
        if self._server is not None:
            self._server.close()
        self.reset()


class Side(asyncio.Protocol):
    """One end of a connection through the proxy."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: Side | None = None
        self.link: Link | None = None
        self.waiting: list[bytes] = []
        self._full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are none by name
        with contextlib.suppress(OSError):
            self.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        """Pass on; what comes before the other end stands waits for it."""
        if self.other is None or self.other.transport is None:
            self.waiting.append(data)
        else:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        """One end has said all it has to say."""
        if self.other is not None and self.other.transport is not None and self.other.transport.can_write_eof():
            self.other.transport.write_eof()
        return True

    def pause_writing(self) -> None:
        """This end reads too slowly for the other."""
        self._full = True
        if self.other is not None:
            self.other.read(wanted=False)

    def resume_writing(self) -> None:
        """It has caught up."""
        self._full = False
        if self.other is not None and (self.link is None or not self.link.held):
            self.other.read(wanted=True)

    def read(self, *, wanted: bool) -> None:
        """Take in what comes, or leave it where it is."""
        if self.transport is None or self.transport.is_closing() or self.transport.is_reading() is wanted:
            return
        if wanted and self.other is not None and self.other._full:
            return
        self.transport.resume_reading() if wanted else self.transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Where one end is gone the other has nobody to speak to."""
        if self.link is not None:
            self.link.end(broken=exc is not None)


class Front(Side):
    """The end of whoever connects to the proxy."""

    def __init__(self, proxy: Proxy) -> None:
        super().__init__()
        self._proxy = proxy

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect to where it is to go, as soon as the proxy lets anything pass."""
        super().connection_made(transport)
        self.link = Link(self._proxy, self)
        self.link.connecting = asyncio.get_running_loop().create_task(self.link.connect())


class Link:
    """One connection through the proxy: two ends."""

    def __init__(self, proxy: Proxy, front: Side) -> None:
        self.proxy = proxy
        self.front = front
        self.back = Side()
        self.held = False
        self.connecting: asyncio.Task[None] | None = None
        proxy.links.add(self)

    async def connect(self) -> None:
        """Join both ends."""
        await self.proxy.is_open.wait()
        self.back.link, self.back.other = self, self.front
        try:
            await asyncio.get_running_loop().create_connection(lambda: self.back, "127.0.0.1", self.proxy.target)
        except OSError:
            self.break_off()
            return
        assert self.back.transport is not None
        self.front.other = self.back
        for data in self.front.waiting:
            self.back.transport.write(data)
        self.front.waiting.clear()

    def hold(self) -> None:
        """Let nothing pass."""
        self.held = True
        for side in (self.front, self.back):
            side.read(wanted=False)

    def release(self) -> None:
        """Let pass again."""
        self.held = False
        for side in (self.front, self.back):
            side.read(wanted=True)

    def break_off(self) -> None:
        """End both connections with a reset, so that nobody takes it for a farewell."""
        for side in (self.front, self.back):
            if side.transport is not None and not side.transport.is_closing():
                with contextlib.suppress(OSError):
                    side.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                side.transport.abort()
        self.end(broken=True)

    def end(self, *, broken: bool) -> None:
        """Both ends go together; what is still to be written is, unless the connection broke."""
        self.proxy.links.discard(self)
        if self.connecting is not None and self.connecting is not asyncio.current_task():
            self.connecting.cancel()
        for side in (self.front, self.back):
            if side.transport is not None and not side.transport.is_closing():
                side.transport.abort() if broken else side.transport.close()
