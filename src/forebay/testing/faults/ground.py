"""What the engine of one trial stands on: a file, or a server of its own that can be killed, frozen and restarted.

A server keeps its data while it is down, and takes it along when the trial ends. Where its program is not installed,
the trial does not take place, and says so.
"""

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from forebay.testing.faults.procs import family, strike
from forebay.testing.ports import free_port

#: Seconds that a server may take to start, or to leave.
PATIENCE = 60.0


class NotHere(Exception):
    """This machine, or this engine, does not have what the scenario needs; the text says what."""


class Place:
    """One engine's place: its URL, and nothing that has to be taken away."""

    def __init__(self, url: str) -> None:
        self.url = url

    def close(self) -> None:
        """Take away what the trial's folder does not hold."""


#: Makes the place of a fresh engine whose files, if it has any here, live in a folder.
MakePlace = Callable[[Path], Place]


class Server(Place, ABC):
    """A server on loopback, at a port of its own. A subclass says how it is started and how it greets.

    Attributes:
        port: where it listens, started or not. window: seconds that its crash may take back, as it is set up.
        sockets: the folder of its Unix socket, if this process comes to it by one.
    """

    name, package = "", ""
    window = 0.0
    #: The signal at which it leaves in good order.
    leave: int = signal.SIGTERM

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        super().__init__(self.url_at(self.port))
        self._process: subprocess.Popen[Any] | None = None
        self._network: Callable[[], AbstractContextManager[None]] = nullcontext
        self.sockets: Path | None = None

    def move_into(self, network: Callable[[], AbstractContextManager[None]]) -> None:
        """Live in a network of its own, to which this process comes by a Unix socket. Before it is started."""
        self._network = network
        self.sockets = Path(tempfile.mkdtemp(prefix="forebay-"))  # a trial's folder may be too deep for a socket
        self.url = self.url_by(self.sockets)

    @property
    def listens(self) -> str:
        """The address at which it listens: all that its own network has, if it has one."""
        return "127.0.0.1" if self.sockets is None else "0.0.0.0"  # noqa: S104 - nobody else is there

    @abstractmethod
    def url_at(self, port: int, host: str = "127.0.0.1") -> str:
        """Its URL for somebody who comes by another port, or from another host."""

    @abstractmethod
    def url_by(self, sockets: Path) -> str:
        """Its URL for somebody who comes by its Unix socket in this folder."""

    @abstractmethod
    def command(self) -> tuple[list[str], Mapping[str, Any]]:
        """What starts it in the foreground, and how that is to be started."""

    @abstractmethod
    def greets(self) -> bool:
        """Whether it answers, and lets people in."""

    def start(self) -> float:
        """Start it, on what it held before; the moment (monotonic) from which it answers."""
        words, how = self.command()
        with (self.folder / f"{self.name}.log").open("ab") as log, self._network():
            process: subprocess.Popen[Any] = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **how
            )
        self._process = process
        give_up = time.monotonic() + PATIENCE
        while not self.greets():
            if process.poll() is not None or time.monotonic() > give_up:
                raise NotHere(f"{self.name} does not start; see {self.folder / self.name}.log")
            time.sleep(0.02)
        return time.monotonic()

    def pids(self) -> list[int]:
        """Its processes."""
        return [] if self._process is None else family(self._process.pid)

    def kill(self) -> None:
        """SIGKILL to all of it at once."""
        if self._process is not None:
            for pid in self.pids():
                strike(pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Tell it to leave, and wait for that."""
        if self._process is not None:
            self._process.send_signal(self.leave)
            self._process.wait(PATIENCE)
            self._process = None

    @contextlib.contextmanager
    def frozen(self) -> Generator[None]:
        """All of it is stopped meanwhile: it takes connections, and answers nothing."""
        pids = self.pids()
        for pid in pids:
            strike(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                strike(pid, signal.SIGCONT)

    def close(self) -> None:
        """End it."""
        self.kill()
        if self.sockets is not None:
            shutil.rmtree(self.sockets, ignore_errors=True)

    def talk(self, question: bytes) -> bytes:
        """Ask what listens at its port something; empty without an answer."""
        try:
            with self._network(), socket.create_connection(("127.0.0.1", self.port), 1) as wire:
                wire.sendall(question)
                return wire.recv(64)
        except OSError:
            return b""

    def program(self, *names: str, path: str | None = None) -> str:
        """The first of these programs that is there.

        Raises:
            NotHere: none is.
        """
        found = next((place for name in names if (place := shutil.which(name, path=path))), None)
        if found is None:
            raise NotHere(
                f"there is no {names[0]} here: install {self.package}, or `tools/services up {self.name}` does"
            )
        return found
