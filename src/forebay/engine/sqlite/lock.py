"""The write lock between processes, with a fair hand-over and an end to patience.

SQLite's own busy handler sleeps and looks again, so under load one of two writers starves. `flock` on a file beside the
database queues waiters in the kernel and wakes the next one when the last lets go. It is advice among ourselves: a
foreign writer is still kept out by SQLite's lock. Whoever holds it may be frozen (a debugger, Ctrl-Z): the others must
not hang with it without a word, so they wait for a while only, and then say who it is.
"""

import fcntl
import os
import threading
from pathlib import Path
from types import TracebackType

from forebay.engine import own
from forebay.engine.sqlite import companions
from forebay.engine.sqlite.companions import Rights
from forebay.engine.sqlite.holder import holder
from forebay.model.errors import EngineUnreachable

#: Seconds that a transaction waits for the others; each of theirs takes milliseconds.
PATIENCE = 10.0


class Held(EngineUnreachable):
    """Somebody holds the write lock for too long; nothing was written."""


class WriteLock:
    """A context manager; one per connection, used by one thread at a time."""

    def __init__(self, database: Path, rights: Rights) -> None:
        self._database = database
        self._fd = companions.opened(Path(f"{database}-lock"), rights)
        self._stand_in = _StandIn(self._fd)

    def __enter__(self) -> None:
        """Wait for it.

        Raises:
            Held: it did not come within `PATIENCE`.
        """
        if self.at_once():
            return
        if not self._stand_in.wait(PATIENCE):
            raise Held(
                f"{self._database}: {holder(self._fd, self._database)} holds its write lock for {PATIENCE:g} s and "
                "more: let that process go on (kill -CONT), or end it; nothing was written, and what waits is safe"
            )

    def at_once(self) -> bool:
        """Take it if it is free; whether it was."""
        if self._stand_in.waits:
            return False
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the file."""
        self._stand_in.close()
        self.drop()

    def drop(self) -> None:
        """Close the file and nothing else."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def forget(self) -> None:
        """Close all that a forked child has of it, which would hold the lock of a killed parent for ever.

        The thread stayed with the parent.
        """
        self._stand_in.forget()
        self.drop()


class _StandIn:
    """Waits in the kernel's queue for somebody who may lose patience: a thread, once it is needed.

    The kernel gives no timeout for that. One who was deserted keeps its place for whoever asks next, or lets go. The
    signals between the two threads are bare locks, which are quicker than conditions.
    """

    def __init__(self, fd: int) -> None:
        self._theirs, self._fd = fd, -1  # one of its own, which nobody closes under it; the lock is the same
        self._guard = threading.Lock()
        self._asked, self._came = threading.Lock(), threading.Lock()
        self._asked.acquire()
        self._came.acquire()
        self.waits = self._deserted = self._closed = False

    def wait(self, patience: float) -> bool:
        """Whether the lock came within `patience` seconds."""
        self._ask()
        try:
            return self._came.acquire(timeout=patience) or not self._desert()
        except BaseException:  # Ctrl-C, in the main thread
            if not self._desert():
                fcntl.flock(self._fd, fcntl.LOCK_UN)
            raise

    def _ask(self) -> None:
        with self._guard:
            self._deserted = False
            if not self.waits:
                self._start()  # first: where there is no descriptor or thread for it, nobody waits
                self.waits = True
                self._asked.release()

    def _desert(self) -> bool:
        """Give up, unless it has come just now; whether it had not."""
        with self._guard:
            self._came.acquire(blocking=False)
            self._deserted = self.waits
            return self._deserted

    def _start(self) -> None:
        if self._fd < 0:
            self._fd = os.dup(self._theirs)
            try:
                own.start("forebay-lock", self._run)
            except BaseException:
                os.close(self._fd)
                self._fd = -1
                raise

    def _run(self) -> None:
        while not self._closed:
            self._asked.acquire()
            if not self._closed:
                fcntl.flock(self._fd, fcntl.LOCK_EX)
                self._hand_over()
        os.close(self._fd)

    def _hand_over(self) -> None:
        with self._guard:
            self.waits = False
            if self._deserted:
                fcntl.flock(self._fd, fcntl.LOCK_UN)
            else:
                self._came.release()

    def close(self) -> None:
        """End the thread, unless it hangs in the kernel: then it ends when the lock comes, or with the process."""
        with self._guard:
            if not self.waits and not self._closed:
                self._asked.release()
            self._closed = True

    def forget(self) -> None:
        """In a forked child, where there is no thread: close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
