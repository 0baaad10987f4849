"""The write lock between processes, with a fair hand-over.

SQLite's own busy handler sleeps and looks again, so under load one of two writers starves. `flock` on a file beside the
database queues waiters in the kernel and wakes the next one when the last lets go. It is advice among ourselves: a
foreign writer is still kept out by SQLite's lock.
"""

import contextlib
import fcntl
import os
import weakref
from pathlib import Path
from types import TracebackType


class WriteLock:
    """A context manager; one per connection, used by one thread."""

    def __init__(self, database: Path) -> None:
        self._fd = os.open(f"{database}-lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        this = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _let_go(this()))

    def __enter__(self) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_EX)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the file."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def _let_go(lock: WriteLock | None) -> None:
    """In a forked child: it shares the lock, so that one that outlives a killed parent would hold it for ever."""
    if lock is not None:
        with contextlib.suppress(OSError):
            lock.close()
