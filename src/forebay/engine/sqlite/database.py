"""One SQLite file as this process has it open: a writer, readers, and the bells. Owns their life, knows no verbs.

Opening, closing and beginning to listen are for threads that nobody strikes: a `Facade` sees to the first two.
"""

import contextlib
import logging
import os
import platform
import subprocess
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import apsw

from forebay.config import Settings
from forebay.engine.aside import Aside
from forebay.engine.sqlite import place, schema
from forebay.engine.sqlite.address import path_of
from forebay.engine.sqlite.bells import Listener, Ringer
from forebay.engine.sqlite.errors import translate, unopenable
from forebay.engine.sqlite.lock import WriteLock
from forebay.engine.sqlite.mark import Mark, check_new
from forebay.engine.sqlite.readers import Readers
from forebay.engine.sqlite.room import Room
from forebay.engine.sqlite.turn import Turn
from forebay.engine.sqlite.writer import Writer
from forebay.engine.waiting import Signal
from forebay.model.clock import Clock
from forebay.model.errors import EngineClosed, EngineError

_logger = logging.getLogger("forebay.sqlite")

#: Milliseconds that SQLite itself waits for a foreign writer (a shell, a backup) before it gives up.
BUSY_TIMEOUT = 10_000
#: KiB of page cache per connection.
WRITER_CACHE, READER_CACHE = 16_000, 4_000


class Database:
    """The file, opened. `signal` tells what changed, in this process and in others.

    Args:
        vfs: the SQLite VFS to open it with, for tests of what a disk may do; the system's own by default.
        boot: which start of the host this is, for tests of what outlives one; the present one by default.
    """

    def __init__(self, settings: Settings, clock: Clock, vfs: str = "", boot: str = "") -> None:
        self.settings, self.clock, self._vfs = settings, clock, vfs
        self.path = path_of(settings.url)
        self.host, self.boot = platform.node(), boot or boot_id()
        self.signal = Signal()
        self._guard = threading.RLock()
        self._aside = Aside()
        self._writer: Writer | None = None
        self._readers: Readers | None = None
        self._lock: WriteLock | None = None
        self._mark: Mark | None = None
        self._ringer: Ringer | None = None
        self._listener: Listener | None = None

    def open(self) -> None:
        """Open the file, creating and migrating it as needed. Does nothing if it is open."""
        with self._guard:
            if self._writer is not None:
                return
            try:
                self._open()
            except (apsw.Error, OSError) as error:
                raise unopenable(error, self.path) from error

    def _open(self) -> None:
        self.path = Path(os.path.realpath(self.path))  # one set of companions, whatever it is called
        place.check(self.path)
        check_new(self.path, self.boot)
        _touch(self.path)
        with contextlib.ExitStack() as parts:
            lock = WriteLock(self.path)
            parts.callback(lock.close)
            mark = Mark(self.path, self.boot, self.settings.durability)
            parts.callback(mark.close)
            with lock:
                mark.check_log()
                db = self._connect()
                parts.callback(db.close)
                self._prepare(db)
                mark.check(db)
            readers = Readers(self._open_reader)
            parts.callback(readers.close)
            ringer = Ringer(self.bells)
            parts.callback(ringer.close)
            self.room = Room(self.path, self.settings.max_size)
            turn = Turn(self.path, db, lock, mark, self.clock)
            self._writer = Writer(db, turn, ringer, self.signal, self.clock)
            parts.pop_all()
        self._lock, self._mark, self._readers, self._ringer = lock, mark, readers, ringer

    def _connect(self) -> apsw.Connection:
        return apsw.Connection(str(self.path), vfs=self._vfs or None)

    def _prepare(self, db: apsw.Connection) -> None:
        db.set_busy_timeout(BUSY_TIMEOUT)
        if not schema.version(db, str(self.path)):  # which also refuses a file that is not ours, before any write
            db.pragma("auto_vacuum", "incremental")
        db.pragma("journal_mode", "wal")
        db.pragma("synchronous", "full" if self.settings.durability == "full" else "normal")
        log = place.disk(self.path).log
        db.pragma("wal_autocheckpoint", log // int(db.pragma("page_size")))
        db.pragma("journal_size_limit", log)
        db.pragma("cache_size", -WRITER_CACHE)
        schema.check(db, str(self.path), self.settings.migrate)

    def _open_reader(self) -> apsw.Connection:
        db = self._connect()
        db.set_busy_timeout(BUSY_TIMEOUT)
        db.pragma("query_only", True)
        db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)  # the writer sees to the log, at its own turn
        db.pragma("cache_size", -READER_CACHE)
        return db

    @property
    def bells(self) -> Path:
        """The folder of the listeners' sockets."""
        return Path(f"{self.path}-bells")

    @property
    def writer(self) -> Writer:
        """The writer.

        Raises:
            EngineClosed: the file is not open.
        """
        if self._writer is None:
            raise _closed()
        return self._writer

    def read(self, sql: str, bindings: Iterable[Any] = ()) -> list[Any]:
        """All rows of a short query, in a read transaction that ends before this returns."""
        readers = self._readers
        if readers is None:
            raise _closed()
        try:
            return readers.rows(sql, bindings)
        except (apsw.Error, OSError) as error:
            raise translate(error, str(self.path)) from error
        except UnicodeDecodeError as error:
            raise EngineError(f"{self.path}: a text in it is no UTF-8; it was not Forebay that wrote it") from error

    async def wait(self, seen: int, timeout: float, topics: Iterable[str]) -> None:
        """Wait for news of these topics, here or in another process, that came after `seen`, or `timeout` seconds.

        The first one who waits begins to listen, and looks again, since nobody has heard what came before. Processes
        that only publish never listen.
        """
        if self._listener is None and await self._aside.ask(self._listen):
            return
        if self._listener is None:
            timeout = min(timeout, self.settings.poll)
        await self.signal.wait(seen, timeout, topics)

    def _listen(self) -> bool:
        """Whether it began just now."""
        with self._guard:
            if self._listener is not None:
                return False
            if (ringer := self._ringer) is None:
                raise _closed()
            try:
                self._listener = Listener(self.bells, self.signal, ringer, self.settings.poll, self._open_reader)
            except (apsw.Error, OSError, EngineError) as error:
                _logger.warning(
                    "%s: cannot listen to other processes, and looks every `poll` instead: %s", self.path, error
                )
                return False
            return True

    def close(self) -> None:
        """Commit what was submitted, then close everything. Safe to call twice."""
        with self._guard:
            writer, listener, self._listener = self._writer, self._listener, None
        for user in (listener, self._readers, writer):  # the writer last: it works the log off when it is alone
            if user is not None:
                user.close()
        with self._guard:
            if self._lock is not None and self._mark is not None:
                with self._lock:
                    self._mark.settle_up()
            for part in (self._ringer, self._mark, self._lock):
                if part is not None:
                    part.close()
            self._writer = self._readers = self._ringer = self._mark = self._lock = None
        self.signal.close()


def _closed() -> EngineClosed:
    return EngineClosed("this engine is not open: use `async with app:`, or call `open()` first")


def _touch(path: Path) -> None:
    """Create the file for its owner alone; SQLite gives its companions the same mode."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def boot_id() -> str:
    """What tells one start of this host from the next; leases by the monotonic clock hold within one only."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:  # macOS
        command = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
