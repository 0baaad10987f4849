"""The wire between a supervisor and its child: one JSON object a line, over a socket pair.

The child says hello, then reports once a second; the parent answers nothing, it has signals. A socket that closes means
that the other side is gone.
"""

import asyncio
import socket
import threading

import msgspec

from forebay.config import Settings
from forebay.engine.contract import Beat
from forebay.model.outcome import Outcome


class Hello(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The child is up and has its lease; `limits` are the seconds after which each task has to have ended."""

    settings: Settings
    beat: Beat
    limits: dict[str, float]


class Report(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """How it goes."""

    beat: Beat


class Stuck(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A task that cannot be stopped: kill me, and settle it so."""

    id: str
    outcome: Outcome


Line = Hello | Report | Stuck

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Line).decode


def parse(line: bytes) -> Line:
    """One line from a child."""
    return _decode(line)


class Link:
    """The child's end; `send` is safe from any thread."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._sending = threading.Lock()

    def send(self, line: Line) -> None:
        """Tell the parent; if it is gone, whoever waits on the socket hears of it."""
        with self._sending:
            try:
                self._socket.sendall(_encode(line) + b"\n")
            except OSError:
                return

    async def closed(self) -> None:
        """Until the parent is gone."""
        loop = asyncio.get_running_loop()
        gone = asyncio.Event()
        loop.add_reader(self._socket.fileno(), gone.set)  # the parent never writes: readable means closed
        try:
            await gone.wait()
        finally:
            loop.remove_reader(self._socket.fileno())
