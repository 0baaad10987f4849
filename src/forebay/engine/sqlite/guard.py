"""Our own hold on a file for as long as SQLite has it open in this process.

Why: the locks of SQLite belong to the process, and whoever closes any descriptor of a file drops all that the process
holds on it. So the database and its -shm are opened here once, before SQLite opens them, and closed after it has closed
them; whatever has to be read of them is read through these. And they carry locks of their own, which belong to the open
file and not to the process (Linux), on the two places that SQLite locks as long as a file is in use. A second SQLite
library in the process then finds the file in use, as if by another process: it takes no log away and cuts no -shm.
"""

import contextlib
import fcntl
import os
import struct
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import apsw

from forebay.engine.sqlite import frames
from forebay.engine.sqlite.frames import FIRST, Index

#: Where SQLite locks (os_unix.c): a range of the database held by whoever uses it; bytes of the -shm, one held by
#: whoever has it mapped, one by whoever works off the log.
_IN_USE = (0x40000000 + 2, 510)
_MAPPED = (128, 1)
_WORKING_OFF = (121, 1)
#: `struct flock`.
_FORM, _KIND = ("qqihh", 3) if sys.platform == "darwin" else ("hhqqi", 0)
_SET = getattr(fcntl, "F_OFD_SETLK", None)
#: Seconds that whoever wants the log kept waits for one who is working it off.
_PATIENCE = 5.0


class Key(NamedTuple):
    """A file, whatever it is called."""

    device: int
    inode: int


def key_of(path: Path | str) -> Key:
    """The file of a path, through links.

    Raises:
        OSError: there is none, or it cannot be looked at.
    """
    found = Path(path).stat()
    return Key(found.st_dev, found.st_ino)


class Guard:
    """The hold on one database; it has to exist already.

    Attributes:
        sure: its own locks are there.
        log: a descriptor of the log, once SQLite has it open; else -1.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.sure = path, False
        self._turn = threading.RLock()
        self._db = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        self._shm = self.log = -1
        found = os.fstat(self._db)
        self.key = Key(found.st_dev, found.st_ino)
        _all.begin(self.key)

    def header(self) -> bytes:
        """The first bytes of the database, as they are on the disk."""
        return os.pread(self._db, FIRST, 0)

    def size(self) -> int:
        """Bytes of the database on the disk."""
        return os.fstat(self._db).st_size

    def index(self) -> Index | None:
        """What the -shm says of the log; None if there is none."""
        return None if self._shm < 0 else frames.index(self._shm)

    def name(self) -> Path | None:
        """Where the database is now, if it still has a name that can be found."""
        for path in _names(self._db, self.path.parent):
            with contextlib.suppress(OSError):
                if key_of(path) == self.key:
                    return path
        return None

    def unlike_others(self) -> bool:
        """Before SQLite opens it: do others use the database, but not the -shm that lies beside it now?"""
        if _held(self._db, _IN_USE) != fcntl.F_RDLCK:
            return False
        self._open_shm()
        return self._shm < 0 or _held(self._shm, _MAPPED) == fcntl.F_UNLCK

    def hold(self) -> None:
        """Take the locks, now that SQLite has made what it needs."""
        self._open_shm()
        with contextlib.suppress(OSError):  # SQLite has no locks on this one
            self.log = os.open(f"{self.path}-wal", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        if _SET is None or self._shm < 0:
            return
        with contextlib.suppress(OSError):  # a file system without them: the locks of SQLite have to do
            _lock(self._db, fcntl.F_RDLCK, _IN_USE)
            _lock(self._shm, fcntl.F_RDLCK, _MAPPED)
            self.sure = True

    def _open_shm(self) -> None:
        path = f"{self.path}-shm"
        with contextlib.suppress(FileNotFoundError):
            if self._shm >= 0 and Path(path).stat().st_ino != os.fstat(self._shm).st_ino:
                os.close(self._shm)  # of a file that is gone; nobody here has it open
                self._shm = -1
            if self._shm < 0:
                self._shm = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)

    def keep_log(self) -> bool:
        """Let nobody work off the log until `let_log_go`, for somebody reads who cannot say so; whether it is so."""
        give_up = time.monotonic() + _PATIENCE
        while self.sure and time.monotonic() < give_up:
            with self._turn, contextlib.suppress(BlockingIOError):
                _lock(self._shm, fcntl.F_RDLCK, _WORKING_OFF)
                return True
            time.sleep(0.001)  # somebody is at it; it takes milliseconds
        return False

    def let_log_go(self) -> None:
        """The log may be worked off again."""
        with self._turn:
            if self.sure:
                _lock(self._shm, fcntl.F_UNLCK, _WORKING_OFF)

    def release(self) -> None:
        """Let go of the locks: SQLite is about to close, and looks whether it is the last."""
        with self._turn:
            self.sure = False
            for fd in (self._db, self._shm):
                if fd >= 0:
                    with contextlib.suppress(OSError):
                        _lock(fd, fcntl.F_UNLCK, (0, 0))

    def close(self) -> None:
        """Close the descriptors; later, if somebody here still has the file open by our SQLite."""
        with self._turn:
            self.release()
            _all.end(self)

    def forget(self) -> None:
        """Close the descriptors whoever uses the file: in a forked child, which has no locks to lose.

        Each once, whatever happens: its number may be another file's by then.
        """
        self.sure = False
        had = (self._db, self._shm, self.log)
        self._db = self._shm = self.log = -1
        for fd in had:
            if fd >= 0:
                with contextlib.suppress(OSError):  # somebody else has closed it under us
                    os.close(fd)


class _All:
    """The guards of this process, as locks belong to the process: which files they hold, and which of them are done.

    Several threads may open and close files at the same time, and each that closes one looks after all of them. What
    ends may do so in the middle of anything (an app that is collected), and waits for nobody.
    """

    def __init__(self) -> None:
        self._holding: list[Key] = []
        self._parked: list[Guard] = []
        self._turn, self._again = threading.Lock(), False

    def begin(self, key: Key) -> None:
        """From now on no descriptor of this file is closed: SQLite is about to open it."""
        with self._turn:
            self._holding.append(key)

    def end(self, guard: Guard) -> None:
        """It is done: its descriptors are closed when that costs nobody a lock."""
        self._parked.append(guard)
        self._holding.remove(guard.key)
        self.sweep()

    def sweep(self, patience: float = 0.0) -> None:
        """Close what can be closed by now; if somebody is at it for longer than `patience`, they look once more."""
        self._again = True
        while self._again and self._turn.acquire(timeout=patience):
            try:
                self._again = False
                self._close_what_is_done()
            finally:
                self._turn.release()

    def _close_what_is_done(self) -> None:
        for one in list(self._parked):
            if one.key not in self._holding and not connections(one.key):
                self._parked.remove(one)
                one.forget()

    def forget(self) -> None:
        """In a forked child, where no other thread is, and which has no locks to lose."""
        self._turn, self._holding = threading.Lock(), []
        while self._parked:
            self._parked.pop().forget()


_all = _All()
forget_parked = _all.forget


def sweep() -> None:
    """Close what is done and can be closed by now."""
    _all.sweep(_PATIENCE)


def connections(key: Key) -> int:
    """How many connections of our SQLite have a file open in this process."""
    return sum(_is_of(one, key) for one in apsw.connections())


_ours: "weakref.WeakKeyDictionary[apsw.Connection, Key]" = weakref.WeakKeyDictionary()


def ours(connection: apsw.Connection, key: Key) -> None:
    """Remember what a connection is connected to, for nobody may ask one that is busy in another thread."""
    _ours[connection] = key


def _is_of(connection: apsw.Connection, key: Key) -> bool:
    """Whether it has the file open; if it is not ours, and busy in another thread for long, it may have."""
    if connection in _ours:
        return _ours[connection] == key
    for _ in range(100):
        try:
            return any(_same(connection.db_filename(name), key) for name in connection.db_names())
        except apsw.ConnectionClosedError:
            return False
        except apsw.Error:  # ThreadingViolationError
            time.sleep(0.001)
    return True


def _same(path: str, key: Key) -> bool:
    try:
        return bool(path) and key_of(path) == key
    except OSError:
        return False


def _names(fd: int, folder: Path) -> Iterator[Path]:
    """Where an open file may be: as the system tells, else in the folder where it was."""
    with contextlib.suppress(OSError):
        if sys.platform == "darwin":
            yield Path(os.fsdecode(fcntl.fcntl(fd, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0")))
        else:
            yield Path(f"/proc/self/fd/{fd}").readlink()
    with contextlib.suppress(OSError):
        yield from folder.iterdir()


def _held(fd: int, place: tuple[int, int]) -> int:
    """The kind of lock that another process has on a place of a file."""
    answer = fcntl.fcntl(fd, fcntl.F_GETLK, _pack(fcntl.F_WRLCK, place))
    return int(struct.unpack(_FORM, answer)[_KIND])


def _lock(fd: int, kind: int, place: tuple[int, int]) -> None:
    if _SET is not None:
        fcntl.fcntl(fd, _SET, _pack(kind, place))


def _pack(kind: int, place: tuple[int, int]) -> bytes:
    what = (kind, os.SEEK_SET)
    return struct.pack(_FORM, *place, 0, *what) if sys.platform == "darwin" else struct.pack(_FORM, *what, *place, 0)
