"""A turn at writing: the lock between processes, taken only while the files are still the ones that were opened.

Whoever deletes or replaces a database under running workers would otherwise let them go on, into a file without a name.
After each commit, and before anybody is told of it, the log is looked at once more. Owns nothing of its own; after a
commit it moves the mark and keeps room ahead in the log, after a full disk it makes room there.
"""

import contextlib
import os
from collections.abc import Mapping
from enum import Enum
from types import TracebackType

import apsw

from forebay.engine.sqlite.ahead import Ahead
from forebay.engine.sqlite.content import Content
from forebay.engine.sqlite.foreign import Visitors
from forebay.engine.sqlite.guard import Guard
from forebay.engine.sqlite.lock import WriteLock
from forebay.engine.sqlite.mark import Mark
from forebay.model.clock import Clock
from forebay.model.errors import EngineUnreachable, OutcomeUnknown

#: Seconds between looks at the files; what is written within this time of a deletion goes down with the file.
LOOK = 0.1


class Nameless(OutcomeUnknown):
    """A commit went into a log that has no name any more, or another one: no other process will see it there."""


class State(Enum):
    """What is under a name: the file that was opened, nothing, or another one."""

    SAME = "same"
    GONE = "gone"
    OTHER = "other"


class Turn:
    """A context manager around each transaction of one connection; used by one thread at a time.

    Attributes:
        full: what is committed is synced, unless it is lazy; some time it is so for all who use the file.
    """

    def __init__(
        self,
        db: apsw.Connection,
        lock: WriteLock,
        mark: Mark,
        held: Guard,
        *,
        visitors: Visitors,
        clock: Clock,
        full: bool,
    ) -> None:
        self.path, self._db, self._lock, self._mark, self._clock = held.path, db, lock, mark, clock
        self._visitors, self._log, self._guard = visitors, f"{held.path}-wal", held
        self._content, self._ahead = Content(held, mark), Ahead(held)
        self._size = 0  # of the log, after the last commit
        path = self.path
        self._files = {suffix: _inode(f"{path}{suffix}") for suffix in ("", "-wal", "-shm")}
        self._looked = -LOOK
        self._taken = False
        self.full, self._synced = full, full

    def at_once(self) -> bool:
        """Whether entering would not have to wait for another process, or for a visitor of this one; takes the lock."""
        self._taken = not self._visitors.here and self._lock.at_once()
        return self._taken

    def __enter__(self) -> None:
        """Wait for the lock.

        Raises:
            EngineUnreachable: the database, its log or its shared memory were deleted, replaced or overwritten.
        """
        self._visitors.turn.acquire()
        try:
            if self._visitors.here:
                self._visitors.wait(self._log)
            if not self._taken:
                self._lock.__enter__()
                self._taken = True
            self._prepare(self._clock.monotonic())
        except BaseException:
            self._let_go()
            raise

    def _prepare(self, mono: float) -> None:
        if mono - self._looked >= LOOK:
            if (suffix := self.astray()) is not None:
                raise EngineUnreachable(
                    f"{self.path}{suffix} was deleted or replaced while it was open: nothing more is written"
                    f"{self._now()}. Put it back, or stop all workers (what they hold of it is saved if it can be) and "
                    "start them again"
                )
            self._looked = mono
        if (wrong := self.damage()) is not None:
            raise EngineUnreachable(
                f"{self.path}{wrong} while it was open: nothing more is written. Stop all workers; the next one to "
                "open it says whether something is missing, and `forebay doctor` whether it is whole. Else restore a "
                "backup"
            )

    def _now(self) -> str:
        found = self._guard.name() if self.state("") is State.GONE else None
        return f"; it is {found} now" if found else ""

    def damage(self) -> str | None:
        """What is wrong with what is in the file and its log, see `Content.wrong`; the mark then knows all that was."""
        if (wrong := self._content.wrong()) is not None:
            self._mark.settle_up()
        return wrong

    def astray(self) -> str | None:
        """The suffix of a file that is not the one that was opened; None if all are."""
        return next((suffix for suffix in self._files if self.state(suffix) is not State.SAME), None)

    def state(self, suffix: str) -> State:
        """What is now under the name of a file that was opened."""
        now = _inode(f"{self.path}{suffix}")
        if now == self._files[suffix]:
            return State.SAME
        return State.GONE if now is None else State.OTHER

    def sync(self, now: bool) -> None:
        """Before a transaction: is its commit to be synced?"""
        synced = now and self.full
        if synced is not self._synced:
            self._db.pragma("synchronous", "full" if synced else "normal")
            self._synced = synced

    def sign(self) -> None:
        """Within a transaction: see to it that the first page of the database is in each log."""
        if self._content.fresh:
            self.touch()
            self._content.fresh = False

    def touch(self) -> None:
        """Within a transaction: write the first page as it is."""
        self._db.pragma("user_version", int(self._db.pragma("user_version")))

    def check_log(self) -> None:
        """After a commit, and before anybody is told of it; still within the turn.

        Raises:
            Nameless: it is durable in a file that nobody can find.
        """
        log = _found(self._log)
        if log is None or log.st_ino != self._files["-wal"]:
            self._looked = -LOOK
            raise Nameless(
                f"{self._log} was deleted or replaced while a commit went into it, so that what it held is lost if "
                "this process is killed: stop all workers (what they hold is saved if it can be), start them again, "
                "and publish again with the same id, which is taken once"
            )
        self._size = log.st_size
        if self._content.cut(self._size):
            raise Nameless(
                f"{self._log} was cut short while a commit went into it, so that it may be lost: stop all workers, "
                "look at what is there (`forebay doctor`), and publish again with the same id, which is taken once"
            )

    def committed(self, counts: Mapping[tuple[str, str], int], mono: float) -> None:
        """A transaction with these changes of the tallies is durable; still within the turn."""
        self._mark.advance(counts, mono)
        if self._synced:
            self._ahead.keep(self._content.used(), self._size)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Let go. If the disk was full, the log is worked off first, so that the next commit may reuse its room."""
        if kind is not None and issubclass(kind, apsw.FullError):
            with contextlib.suppress(apsw.Error):
                self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        self._let_go()

    def _let_go(self) -> None:
        if self._taken:
            self._taken = False
            self._lock.__exit__(None, None, None)
        self._visitors.turn.release()


def _found(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116 - at each commit, and half the time
    except OSError:
        return None


def _inode(path: str) -> int | None:
    return None if (found := _found(path)) is None else found.st_ino
