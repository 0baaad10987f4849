"""Waking other processes: after a commit, one datagram to each listener's Unix socket beside the database.

A listener has a socket of a random name in the folder `<database>-bells`; the writer sends it the topics that changed.
Only a socket that the kernel says nobody listens to is removed, whoever it belonged to: processes in another container
have pids of their own. A full socket already holds a wake-up, so nothing is lost. Where sockets cannot be had or
reached (a read-only folder, a path too long, no descriptor left), a slow look at SQLite's data version takes over.
"""

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import apsw

from forebay.engine import own
from forebay.engine.native import unix_datagrams
from forebay.engine.sqlite import companions
from forebay.engine.sqlite.companions import Rights
from forebay.engine.waiting import Notified

_logger = logging.getLogger("forebay.sqlite")
_ALL = b"*"
_MAX = 2048
#: Nanoseconds within which two changes of a folder may bear the same time: some ticks of the slowest clock.
_TICK = 50_000_000
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Ringer:
    """Tells the other processes; owned by the writer thread.

    Attributes:
        own: the socket of this process's own listener, which needs no telling.
        rights: those of the database, for its folder and its socket.
    """

    def __init__(self, folder: Path, rights: Rights) -> None:
        self._folder, self.rights = str(folder), rights
        self._socket = unix_datagrams()
        self._socket.setblocking(False)
        self._listeners: list[str] = []
        self._open, self._changed = -1, 0  # the folder, and when it changed last; 0 if that is to be looked up
        self.own: str | None = None

    def ring(self, topics: Iterable[str]) -> None:
        """Send `topics` to every listener but the own one.

        Raises:
            OSError: the listeners cannot be looked up; the next time looks again.
        """
        payload = b""
        for path in self._look():
            if path != self.own:
                payload = payload or _payload(topics)
                self._send(payload, path)

    def _look(self) -> list[str]:
        """The listeners; the folder is read again only when it changed, or is another one: that changes it as well."""
        if not self._changed or os.fstat(self._open).st_ctime_ns != self._changed:
            self._listeners = self._read()
        return self._listeners

    def _read(self) -> list[str]:
        """Read the folder; while there is none, what is watched is the one that it would come into."""
        self._forget()
        try:
            self._open, there = os.open(self._folder, _FOLDER), True
        except FileNotFoundError:
            self._open, there = os.open(os.path.dirname(self._folder), _FOLDER), False  # noqa: PTH120 - as below
        changed = os.fstat(self._open).st_ctime_ns
        listeners: list[str] = []
        if there:
            with os.scandir(self._folder) as entries:
                listeners = [entry.path for entry in entries]
        if abs(time.time_ns() - changed) > _TICK:  # else it may change once more, and show the same time
            self._changed = changed
        return listeners

    def _forget(self) -> None:
        self._changed = 0
        if self._open >= 0:
            fd, self._open = self._open, -1
            os.close(fd)

    def _send(self, payload: bytes, path: str) -> None:
        try:
            self._socket.sendto(payload, path)
        except BlockingIOError:
            pass  # its buffer is full of wake-ups that it has not read yet
        except ConnectionRefusedError:  # it was bound once, and nobody has it open any more
            with contextlib.suppress(OSError):
                os.unlink(path)  # noqa: PTH108 - a Path costs three times as much
            self._changed = 0
        except FileNotFoundError:
            self._changed = 0
        except OSError:
            pass  # no room in the kernel just now, or not ours to ring: the listener's slow look is the net

    def close(self) -> None:
        """Close the sending socket, and the folder."""
        self._socket.close()
        self._forget()


class Listener:
    """Hears the other processes and passes it on to a `Signal`; a thread that sleeps in the kernel.

    Args:
        ringer: is told which socket is this one.
        connect: makes a connection to look with.

    Raises:
        OSError: there is no descriptor left.
        EngineUnreachable: there is no thread left.
    """

    def __init__(
        self, folder: Path, signal: Notified, ringer: Ringer, poll: float, connect: Callable[[], apsw.Connection]
    ) -> None:
        self._folder, self._signal, self._ringer, self._poll = folder, signal, ringer, poll
        self._closed = threading.Event()
        self._trouble = ""
        self._socket = self._bind()
        with contextlib.ExitStack() as parts:
            parts.callback(self._forget)
            self._db = connect()
            parts.callback(self._db.close)
            self._version = self._look()
            self._thread = own.start("forebay-bells", self._run)
            parts.pop_all()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._hear()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next turn hears again
                self._told(str(error))
                self._closed.wait(self._poll)
        self._db.close()

    def _told(self, trouble: str) -> None:
        if trouble != self._trouble and not self._closed.is_set():
            self._trouble = trouble
            _logger.warning("%s: other processes cannot be heard for a moment: %s", self._folder, trouble)

    def _hear(self) -> None:
        self._socket.settimeout(self._poll)
        try:
            payload = self._socket.recv(_MAX)
        except TimeoutError:
            self._look_round()
        else:
            if self._closed.is_set():  # rung by ourselves, for that
                return
            self._signal.notify(None if payload == _ALL else payload.decode("utf-8", "replace").split("\n"))

    def _look_round(self) -> None:
        """The net: has the file changed without a word, and can we be reached?"""
        version, self._version = self._version, self._look()
        if version != self._version:
            self._signal.notify()
        if self.path is None or not os.path.lexists(self.path):
            lost, self._socket = self._socket, self._bind()
            lost.close()

    def _look(self) -> int:
        return int(self._db.execute("pragma data_version").get)

    def _bind(self) -> socket.socket:
        """A socket in the folder; one that nobody can reach if it cannot be made there."""
        self.path = self._ringer.own = None
        listener = unix_datagrams()
        path = str(self._folder / os.urandom(4).hex())
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            companions.hand_over(self._folder, self._ringer.rights)
            listener.bind(path)
            companions.hand_over(Path(path), self._ringer.rights)
            self.path = self._ringer.own = path
        return listener

    def look_each(self, poll: float) -> None:
        """Look at least each `poll` seconds, from the next look on."""
        self._poll = min(self._poll, poll)

    def close(self) -> None:
        """Stop hearing; the thread ends."""
        self._closed.set()
        with contextlib.suppress(OSError):
            if self.path is not None:
                self._socket.sendto(_ALL, self.path)  # it would sleep on until its next slow look
        self._thread.join(timeout=5)
        self._forget()

    def _forget(self) -> None:
        self._socket.close()
        if self.path is not None:
            with contextlib.suppress(OSError):
                os.unlink(self.path)  # noqa: PTH108 - the path is a text here


def _payload(topics: Iterable[str]) -> bytes:
    payload = "\n".join(topics).encode()
    return payload if len(payload) <= _MAX else _ALL
