"""Room ahead in the write-ahead log: a sync into blocks that a file has already costs half of one that makes it longer.

Each commit into a new log makes it longer, so that its sync writes the file's length (a commit of the file system's
journal) besides its content. Who commits little at a time therefore appends zeros, some commits' worth at once. SQLite
writes over them; until then they are no valid frame, which is how it knows the end of a log. Nothing depends on them.
"""

import os

from forebay.engine.sqlite import place
from forebay.engine.sqlite.guard import Guard

#: Bytes of zeros that are appended at once, and of a commit that is little.
AHEAD, LITTLE = 1 << 17, 1 << 16
_ZEROS = bytes(AHEAD)


class Ahead:
    """Keeps room in the log of one database, up to the size at which it is worked off. Call it under the write lock."""

    def __init__(self, held: Guard) -> None:
        self._guard, self._limit = held, place.disk(held.path).log
        self._used = 0

    def keep(self, used: int, size: int) -> None:
        """After a commit: before it, `used` bytes of the log were in use; it has `size` now."""
        last, self._used = used - self._used, used
        if size - used < AHEAD // 2 and 0 < last <= LITTLE and size + AHEAD <= self._limit:
            try:
                self._append()
            except OSError:  # no room, or not that much: it grows with each commit, as far as it goes
                self._limit = 0

    def _append(self) -> None:
        """At the very end, whoever else writes: a program that does not know our lock may be at it."""
        fd = os.open(f"{self._guard.path}-wal", os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            if os.path.samestat(os.fstat(fd), os.fstat(self._guard.log)):
                os.write(fd, _ZEROS)
        finally:
            os.close(fd)
