"""Waking other processes: after a commit, one datagram to each listener's Unix socket beside the database.

A listener has a socket `<pid>-<n>` in the folder `<database>-bells`; the writer sends it the topics that changed. A
socket whose process is gone refuses, and is removed. A full socket already holds a wake-up, so nothing is lost. If
sockets cannot be had (a read-only folder, a path too long), a slow look at SQLite's data version takes over.
"""

import contextlib
import itertools
import os
import socket
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from forebay.engine.waiting import Signal

_numbers = itertools.count()
_ALL = b"*"
_MAX = 2048


class Ringer:
    """Tells the other processes; owned by the writer thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)
        self._listeners: list[str] = []
        self._mtime = -1

    def ring(self, topics: Iterable[str], own: str | None) -> None:
        """Send `topics` to every listener but `own`."""
        listeners = [path for path in self._look() if path != own]
        if not listeners:
            return
        payload = "\n".join(topics).encode()
        for path in listeners:
            self._send(payload if len(payload) <= _MAX else _ALL, path)

    def _look(self) -> list[str]:
        """The listeners; the folder is read again only when it changed."""
        try:
            mtime = self._folder.stat().st_mtime_ns
        except OSError:
            return []
        if mtime != self._mtime:
            self._listeners = [entry.path for entry in os.scandir(self._folder)]
            self._mtime = mtime
        return self._listeners

    def _send(self, payload: bytes, path: str) -> None:
        try:
            self._socket.sendto(payload, path)
        except BlockingIOError:
            pass  # its buffer is full of wake-ups that it has not read yet
        except (ConnectionRefusedError, FileNotFoundError):
            with contextlib.suppress(OSError):
                Path(path).unlink()
            self._mtime = -1
        except OSError:
            pass  # no room in the kernel just now: the listener's slow look is the net

    def close(self) -> None:
        """Close the sending socket."""
        self._socket.close()


class Listener:
    """Hears the other processes and passes it on to a `Signal`; a thread that sleeps in the kernel."""

    def __init__(self, folder: Path, signal: Signal, poll: float, changed: Callable[[], bool]) -> None:
        self._signal = signal
        self._changed = changed
        self._closed = threading.Event()
        self._socket, self.path = _bind(folder)
        self._socket.settimeout(poll)
        self._thread = threading.Thread(target=self._run, name="forebay-bells", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                payload = self._socket.recv(_MAX)
            except TimeoutError:
                if self._changed():
                    self._signal.notify()
                continue
            except OSError:
                return
            self._signal.notify(None if payload == _ALL else payload.decode("utf-8", "replace").split("\n"))

    def close(self) -> None:
        """Stop hearing; the thread ends."""
        self._closed.set()
        if self.path:
            with contextlib.suppress(OSError):
                self._socket.sendto(_ALL, self.path)  # it would sleep on until its next slow look
        self._thread.join(timeout=5)
        self._socket.close()
        if self.path:
            with contextlib.suppress(OSError):
                Path(self.path).unlink()


def _bind(folder: Path) -> tuple[socket.socket, str | None]:
    """A socket in `folder`; one that nobody can reach if it cannot be made there."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    path = str(folder / f"{os.getpid()}-{next(_numbers)}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            Path(path).unlink()
        listener.bind(path)
    except OSError:
        return listener, None
    return listener, path
