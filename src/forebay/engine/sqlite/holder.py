"""Who holds a file, in words: what Linux tells in /proc."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_STATES = {"T": "stopped", "t": "stopped by a debugger", "D": "waiting for a disk", "Z": "dead, and not yet reaped"}
_PROC = Path("/proc")


def holder(fd: int, database: Path) -> str:
    """The process that keeps others from writing, and how it is; "another process" if nobody can say.

    It holds the `flock` of an open file, or SQLite's own lock, for which whoever has the `flock` waits.
    """
    if (pid := writer(database)) is not None:
        return _described(pid)
    for pid in _locking("FLOCK", os.fstat(fd).st_ino):
        return _described(pid)
    return "another process"


#: The byte of the -shm that whoever writes into the log has locked (WAL_WRITE_LOCK in wal.c).
_WRITING = 120


def writer(database: Path) -> int | None:
    """The process that holds SQLite's own write lock on a database, as far as the system tells."""
    if (inode := _inode(f"{database}-shm")) is None:
        return None
    return next(iter(_locking("POSIX", inode, _WRITING)), None)


def users(database: Path) -> list[int]:
    """The other processes that have a database open, as far as the system tells."""
    try:
        inode = database.stat().st_ino
    except OSError:
        return []
    return sorted({*_locking("POSIX", inode)} - {os.getpid(), 0})


def named(pids: list[int]) -> str:
    """Processes, in words."""
    return ", ".join(_described(pid) for pid in pids[:5]) or "another process"


def log_of(pid: int, database: Path) -> int | None:
    """The inode of the log that a process writes for a database; None if nobody can say."""
    with contextlib.suppress(OSError):
        for fd in (_PROC / str(pid) / "fd").iterdir():
            with contextlib.suppress(OSError):
                if str(fd.readlink()).removesuffix(" (deleted)") == f"{database}-wal":
                    return fd.stat().st_ino
    return None


def apart(database: Path) -> list[int]:
    """Those who have a database open with another log than the one that lies beside it now."""
    return [pid for pid in users(database) if log_of(pid, database) not in (None, _inode(f"{database}-wal"))]


def _inode(path: str) -> int | None:
    with contextlib.suppress(OSError):
        return Path(path).stat().st_ino
    return None


def _locking(kind: str, inode: int, written: int | None = None) -> Iterator[int]:
    """Who has a lock on a file; or who has one to write on a byte of it."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in (_PROC / "locks").read_text().splitlines():
            words = line.split()
            if words[1] != kind or int(words[5].rsplit(":", 1)[1]) != inode:
                continue
            if written is None or (words[3] == "WRITE" and int(words[6]) <= written <= int(words[7])):
                yield int(words[4])


def _described(pid: int) -> str:
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return f"process {pid}"
    name, state = stat[stat.index("(") + 1 : stat.rindex(")")], stat[stat.rindex(")") + 2]
    how = f", {_STATES[state]}" if state in _STATES else ""
    return f"process {pid} ({name}{how})"
