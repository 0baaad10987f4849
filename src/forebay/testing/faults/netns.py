"""Networks of our own to break: a server in a network namespace, hosts in others, each joined to it by a veth pair.

A link that is down, or leads nowhere in one direction, swallows packets without a word to either end: no reset, no end
of a connection, as when a cable is pulled or a router fails. Nothing of this machine's own network is touched, and all
is gone with the processes that used it. Linux, as root, with `ip` (iproute2); elsewhere `NotHere` says what is missing.
"""

import contextlib
import ctypes
import itertools
import os
import shutil
import subprocess
from collections.abc import Generator
from typing import Any, Literal

from forebay.testing.faults.ground import NotHere

#: Of `unshare` and `setns`: the network alone.
_NET = 0x40000000
#: Nobody has this address: what is sent to it is dropped by whoever gets it.
_NOBODY = "02:00:00:00:00:01"
#: What is lost on a link that is dead in one direction.
Lost = Literal["requests", "answers"]


class Namespace:
    """A network with nothing in it; it lives as long as this object, or a process that was started in it."""

    def __init__(self) -> None:
        libc: Any = ctypes.CDLL(None, use_errno=True)
        if not hasattr(libc, "setns") or shutil.which("ip") is None:
            raise NotHere("network namespaces need Linux and its program `ip` (package iproute2)")
        self._setns = libc.setns
        with _present() as before:
            if libc.unshare(_NET) != 0:
                raise NotHere(f"no network namespace can be had here ({os.strerror(ctypes.get_errno())}): be root")
            try:
                self._fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            finally:
                self._enter(before)
        self.run("link set lo up")

    def _enter(self, fd: int) -> None:
        if self._setns(fd, _NET) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    @contextlib.contextmanager
    def within(self) -> Generator[None]:
        """What this thread starts and opens meanwhile belongs to the namespace; other threads stay where they are."""
        with _present() as before:
            self._enter(self._fd)
            try:
                yield
            finally:
                self._enter(before)

    def run(self, *commands: str) -> None:
        """Commands of `ip`, carried out in it."""
        with self.within():
            done = subprocess.run(
                ["ip", "-batch", "-"], input="\n".join(commands), capture_output=True, text=True, check=False
            )
        if done.returncode:
            raise NotHere(f"`ip` does not do this here: {'; '.join(commands)}: {done.stderr.strip()[:200]}")

    @property
    def path(self) -> str:
        """By which `ip` finds it."""
        return f"/proc/{os.getpid()}/fd/{self._fd}"

    def close(self) -> None:
        """Let go of it."""
        os.close(self._fd)


@contextlib.contextmanager
def _present() -> Generator[int]:
    """The namespace of this thread."""
    fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)


class Host:
    """A host beside the server's, with a link of its own to it.

    Attributes:
        server: the address of the server as it is seen from here.
    """

    def __init__(self, theirs: Namespace, number: int) -> None:
        self._ours, self._theirs = Namespace(), theirs
        self.server, self._address = f"10.99.{number}.1", f"10.99.{number}.2"
        self._name = f"host{number}"
        theirs.run(
            f"link add {self._name} type veth peer name wire netns {self._ours.path}",
            f"address add {self.server}/30 dev {self._name}", f"link set {self._name} up",
        )  # fmt: skip
        self._ours.run(f"address add {self._address}/30 dev wire", "link set wire up")
        self.within = self._ours.within

    def cut(self) -> None:
        """Take the link down, at the server's end."""
        self._theirs.run(f"link set {self._name} down")

    def lose(self, what: Lost) -> None:
        """Let what goes one way vanish; the other way works."""
        if what == "requests":
            self._ours.run(f"neigh replace {self.server} lladdr {_NOBODY} dev wire nud permanent")
        else:
            self._theirs.run(f"neigh replace {self._address} lladdr {_NOBODY} dev {self._name} nud permanent")

    def mend(self) -> None:
        """All is carried again, both ways."""
        self._ours.run("neigh flush dev wire nud all")
        self._theirs.run(f"link set {self._name} up", f"neigh flush dev {self._name} nud all")

    def close(self) -> None:
        """Let go of it."""
        self._ours.close()


class Net:
    """The server's namespace, and the hosts around it."""

    def __init__(self) -> None:
        self.server = Namespace()
        self._numbers = itertools.count(1)
        self._hosts: list[Host] = []

    def host(self) -> Host:
        """Another host."""
        host = Host(self.server, next(self._numbers))
        self._hosts.append(host)
        return host

    def close(self) -> None:
        """Let go of all of them."""
        for host in self._hosts:
            host.close()
        self.server.close()
