"""Who holds a file, in words: what Linux tells in /proc."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_STATES = {"T": "stopped", "t": "stopped by a debugger", "D": "waiting for a disk", "Z": "dead, and not yet reaped"}
_PROC = Path("/proc")


def holder(fd: int) -> str:
    """The process that holds the `flock` of an open file, and how it is; "another process" if nobody can say."""
    for pid in _locking("FLOCK", os.fstat(fd).st_ino):
        return _described(pid)
    return "another process"


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


def _locking(kind: str, inode: int) -> Iterator[int]:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in (_PROC / "locks").read_text().splitlines():
            words = line.split()
            if words[1] == kind and int(words[5].rsplit(":", 1)[1]) == inode:
                yield int(words[4])


def _described(pid: int) -> str:
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return f"process {pid}"
    name, state = stat[stat.index("(") + 1 : stat.rindex(")")], stat[stat.rindex(")") + 2]
    how = f", {_STATES[state]}" if state in _STATES else ""
    return f"process {pid} ({name}{how})"
