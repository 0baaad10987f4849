"""A way to a server that goes wrong: connections are torn, bytes held up, answers swallowed, or it all goes silent.

It knows nothing of what it carries. It runs in a thread of its own; what it does is changed from any other by setting
`Proxy.mode`, and holds from the next byte on, for connections that are open, too.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from typing import Literal, Self

Mode = Literal["pass", "mute", "silent", "refuse"]
#: Bytes after which others have their turn.
_TURN = 64
_RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Carries what comes to `port` to a port of this host.

    Attributes:
        mode: "pass"; "mute", answers are swallowed; "silent", nothing is carried in either direction; "refuse".
        delay: seconds by which every piece is late, in each direction.
        size: bytes that are sent at a time, each in a packet of its own; 0 for as they come.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self.mode: Mode = "pass"
        self.delay, self.size = 0.0, 0
        self.port = 0
        self._open, self._dead = set[asyncio.StreamWriter](), set[asyncio.StreamWriter]()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_error: object) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))

    def cut(self, *, reset: bool = False) -> int:
        """Tear all connections, in good order or with a reset; how many there were."""
        done = asyncio.run_coroutine_threadsafe(self._cut(reset=reset), self._loop)
        return done.result()

    def forget(self) -> None:
        """All connections that are open stay so for both ends, and nothing is carried on them any more."""
        self._loop.call_soon_threadsafe(lambda: self._dead.update(self._open))

    async def _cut(self, *, reset: bool) -> int:
        torn = len(self._open) // 2
        for end in list(self._open):
            self._end(end, reset=reset)
        return torn

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "refuse":
            self._end(writer, reset=True)
            return
        try:
            back, forth = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            self._end(writer, reset=True)
            return
        ends = (writer, forth)
        self._open.update(ends)
        ways = (self._carry(reader, forth, answers=False), self._carry(back, writer, answers=True))
        tasks = [asyncio.ensure_future(way) for way in ways]
        with contextlib.suppress(asyncio.CancelledError):  # all ends
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        for end in ends:
            self._end(end)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                if self.delay:
                    await asyncio.sleep(self.delay)
                while self.mode == "silent" or sink in self._dead:  # noqa: ASYNC110 - set by another thread
                    await asyncio.sleep(0.02)
                if self.mode != "mute" or not answers:
                    await self._send(sink, data)

    async def _send(self, sink: asyncio.StreamWriter, data: bytes) -> None:
        size = self.size or len(data)
        for at in range(0, len(data), size):
            if sink.is_closing():
                return
            sink.write(data[at : at + size])
            if at % _TURN == 0:
                await asyncio.sleep(0)
        await sink.drain()

    def _end(self, end: asyncio.StreamWriter, *, reset: bool = False) -> None:
        self._open.discard(end)
        self._dead.discard(end)
        wire = end.get_extra_info("socket")
        if reset and wire is not None:
            with contextlib.suppress(OSError):
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        end.transport.abort() if reset else end.close()
