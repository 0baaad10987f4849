"""Whose turn it is to write where several processes write: a long line goes into a pipe in parts, and stays whole.

A file takes a write of any length at once, so nobody waits there. In a pipe or a socket the processes of a fleet lock
what they share (a POSIX record lock, which ends with its process). Whoever has waited long goes without: a log stops no
work, and one process that was stopped in the middle of a line does not silence the others.
"""

import contextlib
import fcntl
import os
import stat
import time

#: Seconds between looks, and after which one that is not let in no longer waits.
_LOOK, _LONG = 0.0005, 5.0


class Turn:
    """The turn of this process at one descriptor. Not for two threads at once."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._since: float | None = None  # when it was not let in first

    def take(self, patience: float, *, force: bool = False) -> bool:
        """Whether it may write now; `leave` after the end of a line.

        Args:
            patience: seconds to wait for it.
            force: write after that, whoever is in the middle of a line.
        """
        now = time.monotonic()
        until = now + patience
        while not self._taken():
            if time.monotonic() >= until:
                self._since = now if self._since is None else self._since
                return force or now - self._since > _LONG
            time.sleep(_LOOK)
        self._since = None
        return True

    def leave(self) -> None:
        """Others may write."""
        if self._shared():
            with contextlib.suppress(OSError):
                fcntl.lockf(self._fd, fcntl.LOCK_UN)

    def at_once(self) -> bool:
        """Whether one write of any length is whole there, and waits for no reader."""
        with contextlib.suppress(OSError):
            return stat.S_ISREG(os.fstat(self._fd).st_mode)
        return False

    def _taken(self) -> bool:
        try:
            if self._shared():
                fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:  # closed, or this system has no locks there: as it comes
            return True
        return True

    def _shared(self) -> bool:
        with contextlib.suppress(OSError):
            mode = os.fstat(self._fd).st_mode
            return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
        return False
