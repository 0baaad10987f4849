"""One SQLite file as this process has it open: a writer, a reader, the bells, and the hold on it.

Shared by all apps of the process that use the file (see `sharing.py`). Owns their opening and closing: what is to be
known of a file is looked at before SQLite opens it, and what the log holds is folded into it only if it is the file's.
"""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import apsw

from forebay.config import Settings
from forebay.engine.sqlite import companions, foreign, guard, holder, place, schema
from forebay.engine.sqlite.bells import Listener, Ringer
from forebay.engine.sqlite.errors import cut_short, unopenable
from forebay.engine.sqlite.foreign import Visitors
from forebay.engine.sqlite.guard import Guard, key_of
from forebay.engine.sqlite.lock import Held, WriteLock
from forebay.engine.sqlite.mark import Mark, check_log
from forebay.engine.sqlite.readers import Readers
from forebay.engine.sqlite.turn import State, Turn
from forebay.engine.sqlite.writer import Transaction, Writer, outlasts
from forebay.engine.waiting import Signal, drive
from forebay.model.clock import Clock, SystemClock
from forebay.model.errors import EngineError, EngineUnreachable

_logger = logging.getLogger("forebay.sqlite")
#: Milliseconds that SQLite itself waits for a foreign writer (a shell, a backup) before it gives up.
BUSY_TIMEOUT = 10_000
#: Places for prepared statements, as many as apsw has. Each one that ends goes to the next place, over whatever is
#: there, so that a batch of more rows takes all others out of it, and they are parsed anew.
STATEMENTS = 512
#: KiB of page cache per connection.
WRITER_CACHE, READER_CACHE = 8_000, 4_000
#: Seconds within which whoever opens or closes a file is through with it.
_PASSING = 0.5


class User:
    """An app that uses a file: its settings, its clock, and what it listens to."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings, self.clock, self.signal = settings, clock, Signal()


class _Users(list[User]):
    """All who use one file here; told together."""

    def notify(self, topics: Iterable[str] | None = None) -> None:
        """See `Signal.notify`."""
        wanted = None if topics is None else list(topics)
        for user in list(self):
            user.signal.notify(wanted)


class Opened:
    """A file that is open from the first of its users to the last."""

    def __init__(self, path: Path, user: User, vfs: str, boot: str, soon: float) -> None:
        self.path, self.users, self._vfs, self._boot = path, _Users([user]), vfs, boot
        self._clock = user.clock
        self._listener: Listener | None = None
        self._listening = threading.Lock()
        foreign.check(path, key_of(path))
        with contextlib.ExitStack() as parts:
            self.guard = Guard(path)
            parts.callback(self.guard.close)
            self._visitors = Visitors(path, self.guard)
            foreign.watch(self.guard.key, self._visitors)
            parts.callback(foreign.unwatch, self.guard.key)
            place.check_header(path, self.guard.header())
            try:
                self._open(parts, user.settings, soon)
            except apsw.CorruptError as error:
                short = cut_short(self.guard.header(), self.guard.size())
                raise unopenable(error, path, short) from error
            parts.pop_all()

    def _open(self, parts: contextlib.ExitStack, settings: Settings, soon: float) -> None:
        self._rights = companions.beside(self.path.stat())
        self._lock = WriteLock(self.path, self._rights)
        parts.callback(self._lock.close)
        self._mark = Mark(self.path, self._boot, settings.durability, self._rights)
        parts.callback(self._mark.close)
        with self._lock:
            refuse(self.path, self.guard)
            self._db = self._connect()
            parts.callback(self._db.close)
            self._prepare(settings)
            self._readers = Readers(self._open_reader, self._check_still)
            parts.callback(self._readers.close)
            self.guard.hold()
        for suffix in ("-wal", "-shm"):
            companions.hand_over(Path(f"{self.path}{suffix}"), self._rights)
        self._turn = Turn(
            self._db,
            self._lock,
            self._mark,
            self.guard,
            visitors=self._visitors,
            clock=self._clock,
            full=settings.durability == "full",
        )
        self._ringer = Ringer(self.bells, self._rights)
        parts.callback(self._ringer.close)
        self.writer = Writer(self._db, self._turn, self._ringer, self.users, self._clock, soon=soon)

    def _connect(self) -> apsw.Connection:
        """A connection that never folds the log in by itself when it is closed."""
        db = apsw.Connection(str(self.path), vfs=self._vfs or None, statementcachesize=STATEMENTS)
        guard.ours(db, self.guard.key)
        db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        db.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)  # else `limit ?` and its like are planned anew at each use
        db.set_busy_timeout(BUSY_TIMEOUT)
        return db

    def _prepare(self, settings: Settings) -> None:
        db, path = self._db, str(self.path)
        new = not schema.version(db, path)  # which also refuses a file that is not ours, before any write
        if new:
            db.pragma("auto_vacuum", "incremental")
        db.pragma("journal_mode", "wal")
        db.pragma("synchronous", "full" if settings.durability == "full" else "normal")
        log = place.disk(self.path).log
        db.pragma("wal_autocheckpoint", log // int(db.pragma("page_size")))
        db.pragma("journal_size_limit", log)
        db.pragma("cache_size", -WRITER_CACHE)
        if not new:
            self._mark.check(db)
        schema.check(db, path, settings.migrate)
        if new:
            self._mark.check(db)

    def _open_reader(self) -> apsw.Connection:
        db = self._connect()
        db.pragma("query_only", True)
        db.pragma("cache_size", -READER_CACHE)
        db.execute("select 1 from sqlite_schema").fetchall()
        return db

    def join(self, user: User) -> None:
        """Another app of this process uses the file too.

        Raises:
            EngineError: it has another clock.
        """
        alike = isinstance(user.clock, SystemClock) and isinstance(self._clock, SystemClock)
        if user.clock is not self._clock and not alike:
            raise EngineError(
                f"{self.path} is open in this process with another clock, and a file has one: give both apps the same, "
                "or close the other app first"
            )
        if user.settings.durability == "full":
            self._turn.full = True
        self.users.append(user)

    def part(self, user: User) -> None:
        """An app goes; if others stay, what it submitted is carried out first."""
        if len(self.users) > 1:
            with contextlib.suppress(EngineError):
                drive(self._pass())
        with contextlib.suppress(ValueError):
            self.users.remove(user)

    async def _pass(self) -> None:
        await self.writer.submit(_nothing)

    def forget(self) -> None:
        """In a forked child: close what would hold the locks of a killed parent."""
        for part in (self._lock, self.guard):
            with contextlib.suppress(OSError):
                part.forget()

    @property
    def bells(self) -> Path:
        """The folder of the listeners' sockets."""
        return Path(f"{self.path}-bells")

    def read(self, sql: str, bindings: Iterable[Any] = (), *, check: bool = True) -> list[Any]:
        """All rows of a short query, in a read transaction that ends before this returns; see `Readers.rows`."""
        try:
            return self._readers.rows(sql, bindings, check=check)
        except (apsw.Error, OSError, UnicodeEncodeError) as error:
            raise schema.explain(error, self._version, str(self.path)) from error
        except UnicodeDecodeError as error:
            raise EngineError(f"{self.path}: a text in it is no UTF-8; it was not Forebay that wrote it") from error

    def _version(self) -> int:
        return int(self._readers.rows("pragma user_version", check=False)[0][0])

    def _check_still(self, db: apsw.Connection) -> None:
        schema.check_still(int(db.execute("pragma user_version").get), str(self.path))

    def listen(self, poll: float) -> None:
        """Hear other processes from now on, and look for oneself each `poll` seconds.

        Raises:
            EngineError, OSError: it cannot be had.
        """
        with self._listening:
            if self._listener is None:
                self._listener = Listener(self.bells, self.users, self._ringer, poll, self._open_reader)
            else:
                self._listener.look_each(poll)

    def close(self) -> None:
        """Commit what was submitted, then close everything; the log is folded in only if it is the file's."""
        with self._listening:
            if self._listener is not None:
                self._listener.close()
        self.writer.close()
        try:
            with self._lock:
                self._let_go(fold=True)
        except Held:
            self._let_go(fold=False)
        foreign.unwatch(self.guard.key)
        for part in (self._ringer, self._mark, self._lock, self.guard):
            part.close()

    def _let_go(self, *, fold: bool) -> None:
        """Close SQLite. It folds the log in if it is the last to close, unless it may not."""
        fold = fold and self._may_fold()
        self.guard.release()
        self._readers.close()
        with contextlib.suppress(apsw.ConnectionClosedError):  # other code has closed it under us
            self._db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0 if fold else 1)
            self._db.close()

    def _may_fold(self) -> bool:
        """Whether the log may be folded in and go; if that cannot be known, it stays, as after a crash."""
        try:
            if self._turn.astray() is not None or self._turn.damage() is not None:
                self._save()
                return False
            self._mark.settle_up()
            return not foreign.strangers(self.guard.key, ours=1)  # they would go on with a log without a name
        except OSError as error:
            _logger.warning("%s: closed, and its log stays beside it, for the next who opens it: %s", self.path, error)
            return False

    def _save(self) -> None:
        """What only a log without a name holds goes into the file, if nobody can have gone on with that since."""
        now = self._untouched()
        if now is None:
            _logger.error(
                "%s was deleted, replaced or damaged, or used without its log, while it was open here: what only this "
                "process had of it is not saved, for it would destroy what is there now%s",
                self.path, self._whereabouts(),
            )  # fmt: skip
            return
        with contextlib.suppress(apsw.Error):
            frames, done = self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            if frames == done:
                self._mark.settle_up()
                how = "its log was deleted" if now == self.path else f"it was renamed to {now}"
                _logger.warning("%s: %s while it was open; all it held is saved", self.path, how)
                if now != self.path:  # so that what lies under the old name is not taken for something that is missing
                    self._db.set_busy_timeout(0)
                    self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

    def _untouched(self) -> Path | None:
        """Where the database is now, if what this process has of it may go into it."""
        state = self._turn.state
        if State.OTHER in map(state, ("", "-wal", "-shm")) or self._turn.damage() or self._mark.moved_on():
            return None
        now = self.path if state("") is State.SAME else self.guard.name()
        return None if now is None or (now != self.path and _has_another_log(now, self.guard)) else now

    def _whereabouts(self) -> str:
        """Where the file went, and where its log is, if it has another name."""
        now = self.guard.name()
        if now in (None, self.path) or self._turn.state("-wal") is not State.SAME:
            return ""
        return f"; the file is {now} now, and its log {self.path}-wal: rename that to {now}-wal to have all of it"


def _has_another_log(path: Path, held: Guard) -> bool:
    """Whether somebody has gone on with a file under another name."""
    with contextlib.suppress(OSError):
        found = Path(f"{path}-wal").stat()
        return found.st_size > 0 and found.st_ino != os.fstat(held.log).st_ino
    return False


def refuse(path: Path, held: Guard) -> None:
    """Before SQLite opens a file: refuse one that must not be opened as it lies there.

    Raises:
        EngineUnreachable: somebody has it open with another log, or the log beside it is not its own.
    """
    _check_others(path, held)
    check_log(path, held.header())


def _check_others(path: Path, held: Guard) -> None:
    """Refuse a file whose log was deleted or replaced under those who use it: there would be two of them.

    Raises:
        EngineUnreachable: so it is; it names who has to end first.
    """
    give_up = time.monotonic() + _PASSING
    while held.unlike_others():
        if time.monotonic() > give_up:
            raise _apart(path, holder.users(path))
        time.sleep(0.01)
    if pids := holder.apart(path):
        raise _apart(path, pids)


def _apart(path: Path, pids: list[int]) -> EngineUnreachable:
    return EngineUnreachable(
        f"the log of {path} (-wal, -shm) was deleted or replaced while {holder.named(pids)} had it open, which holds "
        "what is missing: end that process first, in good order, so that it saves what it can, and open the file then"
    )


@outlasts
def _nothing(_: Transaction) -> None:
    """What was submitted before is carried out first."""
