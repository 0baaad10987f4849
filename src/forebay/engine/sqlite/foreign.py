"""A second SQLite library in this process, such as Python's own: seen when it comes, let in for a moment, and told.

Two libraries do not see each other's locks. What a guard holds (`guard.py`) keeps a visit from doing harm: the log
stays where it is, and is not worked off, so that what a visitor reads or copies is whole. While one is here that could
write, this process does not write; it waits a moment, and then says so. Where the system lacks the locks for all that,
visitors are refused. Sees `sqlite3.connect`, by name, URI or link; not a file that is attached to another, nor
libraries that raise no audit event: these do no harm either, as long as they only read.
"""

import contextlib
import gc
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from forebay.engine.sqlite import guard
from forebay.engine.sqlite.guard import Guard, Key, connections, key_of
from forebay.model.errors import EngineError, EngineUnreachable

_logger = logging.getLogger("forebay.sqlite")
#: Seconds that a transaction waits for visitors, after which it looks for those that were dropped without being closed;
#: and that one of them may take to open the file.
PATIENCE, _DROPPED, _ARRIVING = 10.0, 0.1, 1.0
#: Bytes of log beyond which it is worked off all the same.
ENOUGH = 256 * 1024 * 1024
_ADVICE = (
    "look from another process (sqlite3 -readonly FILE, or forebay queues), and copy with `forebay backup`; "
    "docs: how-to/look-inside"
)
_here = threading.local()


class Visitors:
    """Foreign connections to one open file. What is `held` keeps them from harm, and the file from them.

    Attributes:
        turn: held by each transaction of ours, so that none is under way when a visitor comes.
        here: whether there may be any.
    """

    def __init__(self, path: Path, held: Guard) -> None:
        self._path, self._guard = path, held
        self._before: frozenset[int] = frozenset()
        self._arriving = 0.0
        self._told = self._may_write = self.here = False
        self.turn = threading.RLock()

    def let_in(self, *, may_write: bool) -> None:
        """One is about to come.

        Raises:
            EngineError: it cannot be kept from harm here.
        """
        if not self._guard.keep_log():
            raise EngineError(
                f"{self._path} is open in this process by Forebay, and a second SQLite library (sqlite3) in one "
                f"process destroys what was accepted: {_ADVICE}; or close the app first"
            )
        with self.turn:
            if not self.here:
                self._before, self._may_write = descriptors(self._guard.key), False
            self._may_write |= may_write
            self.here, self._arriving = True, time.monotonic() + _ARRIVING
        if not self._told:
            self._told = True
            _logger.warning(
                "%s is open in this process by Forebay, and now by a second SQLite library (sqlite3) too: until that "
                "is closed this process writes nothing, and the log grows. Better %s", self._path, _ADVICE,
            )  # fmt: skip

    def arrived(self) -> None:
        """The one that was about to come has the file open."""
        self._arriving = 0.0

    def wait(self, log: str) -> None:
        """Before a transaction of ours, in its turn: wait until nobody is here who may write, or `log` is too long.

        Raises:
            EngineError: somebody stays; nothing was written.
        """
        began, collected = time.monotonic(), False
        while not self._gone() and self._may_write:
            waited = time.monotonic() - began
            if waited > PATIENCE:
                raise EngineError(
                    f"{self._path} is still open in this process by a second SQLite library (sqlite3), beside which "
                    f"nothing may be written: close that connection, and {_ADVICE}; nothing was written"
                )
            self.turn.release()
            try:
                time.sleep(0.001)
                if waited > _DROPPED and not collected:
                    gc.collect()
                    collected = True
            finally:
                self.turn.acquire()
        if self.here and Path(log).stat().st_size > ENOUGH:
            _logger.warning(
                "%s: the log is worked off now, though another SQLite library still reads the file: what it reads may "
                "be mixed up; close it", self._path,
            )  # fmt: skip
            self._leave()

    def _gone(self) -> bool:
        if self.here and time.monotonic() > self._arriving and not descriptors(self._guard.key) - self._before:
            self._leave()
        return not self.here

    def _leave(self) -> None:
        self._guard.let_log_go()
        self.here = False


def descriptors(key: Key) -> frozenset[int]:
    """The descriptors of this process that are this file."""
    found: set[int] = set()
    for entry in Path("/dev/fd").iterdir():
        with contextlib.suppress(OSError):
            status = os.fstat(int(entry.name))
            if (status.st_dev, status.st_ino) == key:
                found.add(int(entry.name))
    return frozenset(found)


def strangers(key: Key, ours: int = 0) -> bool:
    """Whether something of this process has a file open that is neither our SQLite nor one of `ours` descriptors.

    With connections of our SQLite that are not ours, nobody can tell: SQLite keeps descriptors of closed ones.
    """
    return len(descriptors(key)) > connections(key) + ours


def check(path: Path, key: Key) -> None:
    """Before we open a file: has something else in this process got it open already?

    Raises:
        EngineUnreachable: another SQLite library has, or somebody who reads it as a plain file.
    """
    guard.sweep()
    if strangers(key) and not connections(key):
        raise EngineUnreachable(
            f"{path} is open in this process already, by another SQLite library (sqlite3?) or as a plain file, and "
            f"when that is closed this process loses its locks: close it first, or {_ADVICE}"
        )


_watched: dict[Key, Visitors] = {}  # for the whole process, as audit hooks are
_installed: list[bool] = []


def watch(key: Key, visitors: Visitors) -> None:
    """Look out for those who come to a file, from now on."""
    if not _installed:
        _installed.append(True)
        sys.addaudithook(_hook)
    _watched[key] = visitors


def unwatch(key: Key) -> None:
    """It is not open here any more."""
    _watched.pop(key, None)


def forget() -> None:
    """In a forked child, which has nothing open."""
    _watched.clear()


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if event == "sqlite3.connect" and _watched:
        _here.visited = visited = _visited(args[0])
        if visited is not None:
            visited.let_in(may_write=not _only_reads(args[0]))
    elif event == "sqlite3.connect/handle" and getattr(_here, "visited", None) is not None:
        _here.visited.arrived()
        _here.visited = None


def _visited(database: Any) -> Visitors | None:
    with contextlib.suppress(TypeError, ValueError):
        for path in _paths(os.fsdecode(database)):
            with contextlib.suppress(OSError):
                if (visitors := _watched.get(key_of(path))) is not None:
                    return visitors
    return None


def _paths(name: str) -> Iterator[str]:
    """The files that a name may mean: as it stands, and as a URI."""
    yield name
    if name.startswith("file:"):
        path = name[5:].partition("#")[0].partition("?")[0]
        if path.startswith("//"):
            path = "/" + path[2:].partition("/")[2]
        yield unquote(path).partition("\0")[0]


def _only_reads(database: Any) -> bool:
    options = os.fsdecode(database).partition("?")[2].split("&")
    return "mode=ro" in options or "immutable=1" in options
