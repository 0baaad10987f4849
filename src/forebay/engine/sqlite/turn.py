"""A turn at writing: the lock between processes, taken only while the files are still the ones that were opened.

Whoever deletes or replaces a database under running workers would otherwise let them go on, into a file without a name.
Owns nothing of its own; after a commit it moves the mark, after a full disk it makes room in the log.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import apsw

from forebay.engine.sqlite.lock import WriteLock
from forebay.engine.sqlite.mark import Mark
from forebay.model.clock import Clock
from forebay.model.errors import EngineUnreachable

#: Seconds between looks at the files; what is written within this time of a deletion goes down with the file.
LOOK = 0.1


class Turn:
    """A context manager around each transaction of one connection; used by one thread at a time."""

    def __init__(self, path: Path, db: apsw.Connection, lock: WriteLock, mark: Mark, clock: Clock) -> None:
        self.path, self._db, self._lock, self._mark, self._clock = path, db, lock, mark, clock
        self._files = {suffix: _inode(f"{path}{suffix}") for suffix in ("", "-wal", "-shm")}
        self._looked = 0.0

    def __enter__(self) -> None:
        """Wait for the lock.

        Raises:
            EngineUnreachable: the database, its log or its shared memory were deleted or replaced.
        """
        self._lock.__enter__()
        mono = self._clock.monotonic()
        if mono - self._looked >= LOOK:
            try:
                self._look()
            except BaseException:
                self._lock.__exit__(None, None, None)
                raise
            self._looked = mono

    def _look(self) -> None:
        for suffix, inode in self._files.items():
            if inode is not None and _inode(f"{self.path}{suffix}") != inode:
                raise EngineUnreachable(
                    f"{self.path}{suffix} was deleted or replaced while it was open: nothing more is written. Put it "
                    f"back, or stop all workers (what they hold of it is saved if they can) and start them again"
                )

    def committed(self, counts: Mapping[tuple[str, str], int], mono: float) -> None:
        """A transaction with these changes of the tallies is durable; still within the turn."""
        self._mark.advance(counts, mono)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Let go. If the disk was full, the log is worked off first, so that the next commit may reuse its room."""
        if kind is not None and issubclass(kind, apsw.FullError):
            with contextlib.suppress(apsw.Error):
                self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        self._lock.__exit__(kind, error, tb)


def _inode(path: str) -> int | None:
    try:
        return Path(path).stat().st_ino
    except OSError:
        return None
